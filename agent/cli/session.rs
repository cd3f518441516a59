// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What verbs share: finding the instance, the vault and the settings.

use super::output::Output;
use super::settings::Settings;
use super::signals::STOP;
use crate::fossology::config::Config;
use crate::operations::{Context, Error, Instance, Result, keys};
use crate::vault::{Location, Vault};
use std::path::{Path, PathBuf};

/// The private keys of an encrypted vault, as the command line names them.
#[derive(clap::Args)]
pub struct Keys {
    /// A file with the private key of an encrypted vault [default: FO_BACKUP_IDENTITY, else `identity` in fo_backup.toml]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = super::EVERYWHERE
    )]
    identity: Vec<PathBuf>,

    /// A file whose first line is the passphrase of the private key
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        help_heading = super::EVERYWHERE
    )]
    passphrase_file: Option<PathBuf>,

    /// An open file descriptor that gives the passphrase of the private key
    #[arg(
        long,
        value_name = "NUMBER",
        global = true,
        conflicts_with = "passphrase_file",
        help_heading = super::EVERYWHERE
    )]
    passphrase_fd: Option<i32>,
}

/// One call of the command.
pub struct Session<'a> {
    sysconfdir: Option<PathBuf>,
    vault: Option<String>,
    keys: Keys,
    /// Where results go.
    pub output: &'a Output,
}

impl<'a> Session<'a> {
    /// A session with the flags that all verbs have.
    pub fn new(
        sysconfdir: Option<PathBuf>,
        vault: Option<String>,
        keys: Keys,
        output: &'a Output,
    ) -> Self {
        Self {
            sysconfdir,
            vault,
            keys,
            output,
        }
    }

    /// The configuration folder; it has to be there unless it is named.
    pub fn sysconfdir(&self) -> Result<PathBuf> {
        let argv0 = std::env::args_os().next().map(PathBuf::from);
        Ok(Config::find_sysconfdir(
            self.sysconfdir.as_deref(),
            argv0.as_deref(),
        )?)
    }

    /// The configuration folder as it is named on the command line.
    pub fn named_sysconfdir(&self) -> Option<&Path> {
        self.sysconfdir.as_deref()
    }

    /// The instance; its configuration has to be there.
    pub fn instance(&self) -> Result<Instance> {
        Instance::load(&self.sysconfdir()?)
    }

    /// The settings. Without a configuration folder, as on an empty machine, only the environment
    /// counts.
    pub fn settings(&self) -> Result<Settings> {
        let sysconfdir = self.sysconfdir().ok();
        let mut settings = Settings::load(
            sysconfdir
                .as_deref()
                .or(self.sysconfdir.as_deref())
                .map(Path::new),
        )?;
        let encryption = &mut settings.encryption;
        encryption.more.clone_from(&self.keys.identity);
        encryption.passphrase_fd = self.keys.passphrase_fd;
        if let Some(file) = &self.keys.passphrase_file {
            encryption.passphrase_file = Some(file.clone());
        }
        Ok(settings)
    }

    /// Where the vault is.
    pub fn location(&self, settings: &Settings) -> Result<Location> {
        let named = self.vault.as_ref().or(settings.vault.as_ref()).ok_or_else(|| {
            Error::Usage(
                "no vault is named: give --vault LOCATION, or set FO_BACKUP_VAULT, or vault in fo_backup.toml".into(),
            )
        })?;
        settings.place(named)
    }

    /// Opens the vault.
    pub fn open_vault(&self, settings: &Settings) -> Result<Vault> {
        let instance = self.instance().ok();
        let vault = keys::open(&self.location(settings)?, settings, instance.as_ref())?;
        self.output.watch(&vault);
        Ok(vault)
    }

    /// What operations run with.
    pub fn context(&self) -> Context<'_> {
        Context {
            progress: self.output.progress(),
            stop: &STOP,
        }
    }
}
