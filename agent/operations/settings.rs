// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! fo_backup.toml in SYSCONFDIR, then the environment `FO_BACKUP_*`; flags come last, from each
//! verb. A mistake names the file and the line, or the variable.

use super::backup::DatabaseSettings;
use super::by_url::GoldSettings;
use super::copy::Offsite;
use super::drill;
use super::expire::Retention;
use super::keys;
use super::prune::policy;
use super::schedule::Schedule;
use super::way::GiveWay;
use super::{Error, Result};
use crate::vault::{Location, StorageSettings};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What can be set beside the command line.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the vault is.
    pub vault: Option<String>,
    /// The zstd level of packs, 1 to 19.
    pub compression: Option<i32>,
    /// How many threads compute.
    pub threads: Option<usize>,
    /// Whether job logs are taken too.
    pub logs: Option<bool>,
    /// Whether secrets are left out of dumps.
    pub scrub: Option<bool>,
    /// Where dumps lie on their way.
    pub scratch: Option<PathBuf>,
    /// Where PostgreSQL's programs are.
    pub postgres_bin: Option<PathBuf>,
    /// FOSSology's ununpack.
    pub ununpack: Option<PathBuf>,
    /// The keys of encrypted vaults.
    #[serde(default)]
    pub encryption: keys::Settings,
    /// How a vault over the network is reached.
    #[serde(default)]
    pub storage: StorageSettings,
    /// Where copies go.
    #[serde(default)]
    pub offsite: Offsite,
    /// Which snapshots stay.
    #[serde(default)]
    pub retention: Retention,
    /// How runs under the scheduler give way to jobs that run alone.
    #[serde(default)]
    pub give_way: GiveWay,
    /// What is done again and again, and after how long it is late.
    #[serde(default)]
    pub schedule: Schedule,
    /// How restores are tried.
    #[serde(default)]
    pub drill: drill::Settings,
    /// How the database is backed up.
    #[serde(default)]
    pub database: DatabaseSettings,
    /// Which gold is left to the web.
    #[serde(default)]
    pub gold: GoldSettings,
    /// What pruning may remove.
    #[serde(default)]
    pub prune: policy::Table,
}

impl Settings {
    /// Reads the settings. A missing file sets nothing.
    ///
    /// # Errors
    /// With file and line, or the variable, of what is wrong.
    pub fn load(sysconfdir: Option<&Path>) -> Result<Self> {
        let mut settings = Self::default();
        if let Some(path) = sysconfdir.map(|folder| folder.join("fo_backup.toml")) {
            match fs::read_to_string(&path) {
                Ok(text) => {
                    settings = toml::from_str(&text)
                        .map_err(|error| Error::Usage(mistake(&path, &text, &error)))?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("reading", &path)(error)),
            }
        }
        settings.take_environment(|name| env::var(name).ok())?;
        settings.check()
    }

    fn take_environment(&mut self, get: impl Fn(&str) -> Option<String>) -> Result<()> {
        fn parse<T: std::str::FromStr>(
            name: &str,
            text: Option<String>,
            old: &mut Option<T>,
        ) -> Result<()> {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                let value = text.parse();
                *old =
                    Some(value.map_err(|_| {
                        Error::Usage(format!("{name}: '{text}' is not what it takes"))
                    })?);
            }
            Ok(())
        }
        parse("FO_BACKUP_VAULT", get("FO_BACKUP_VAULT"), &mut self.vault)?;
        parse(
            "FO_BACKUP_COMPRESSION",
            get("FO_BACKUP_COMPRESSION"),
            &mut self.compression,
        )?;
        parse(
            "FO_BACKUP_THREADS",
            get("FO_BACKUP_THREADS"),
            &mut self.threads,
        )?;
        parse("FO_BACKUP_LOGS", get("FO_BACKUP_LOGS"), &mut self.logs)?;
        parse(
            "FO_BACKUP_SCRATCH",
            get("FO_BACKUP_SCRATCH"),
            &mut self.scratch,
        )?;
        parse(
            "FO_BACKUP_POSTGRES_BIN",
            get("FO_BACKUP_POSTGRES_BIN"),
            &mut self.postgres_bin,
        )?;
        parse(
            "FO_BACKUP_IDENTITY",
            get("FO_BACKUP_IDENTITY"),
            &mut self.encryption.identity,
        )?;
        parse(
            "FO_BACKUP_UNUNPACK",
            get("FO_BACKUP_UNUNPACK"),
            &mut self.ununpack,
        )
    }

    fn check(mut self) -> Result<Self> {
        if let Some(level) = self.compression.filter(|level| !(1..=19).contains(level)) {
            return Err(Error::Usage(format!(
                "compression is {level}; it takes a zstd level from 1 to 19"
            )));
        }
        if let Some(threads) = self.threads.filter(|threads| !(1..=256).contains(threads)) {
            return Err(Error::Usage(format!(
                "threads is {threads}; it takes a number from 1 to 256"
            )));
        }
        self.give_way.check()?;
        self.database.check()?;
        self.schedule.has_offsite = self.offsite.location.is_some();
        Ok(self)
    }

    /// How many threads compute: what was set, else as many as the machine has cores, up to a
    /// number that keeps a backup below 256 MiB of memory.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        self.threads.unwrap_or(cores.min(6))
    }

    /// How many threads look at files: more than compute, so that some can wait for the disk.
    pub fn lookers(&self) -> usize {
        self.threads.unwrap_or((self.threads() * 2).max(4))
    }

    /// Where something is that a person calls so.
    ///
    /// # Errors
    /// When it is none of the forms that a location may have.
    pub fn place(&self, text: &str) -> Result<Location> {
        let far = self.offsite.storage.as_ref();
        let far = far.filter(|_| self.offsite.location.as_deref() == Some(text));
        let storage = StorageSettings {
            scratch: Some(self.scratch()),
            ..far.unwrap_or(&self.storage).clone()
        };
        Ok(Location::parse(text, &storage)?)
    }

    /// Where the vault is, if that is set.
    ///
    /// # Errors
    /// As [`Settings::place`].
    pub fn vault(&self) -> Result<Option<Location>> {
        self.vault
            .as_deref()
            .map(|text| self.place(text))
            .transpose()
    }

    /// Where dumps lie on their way.
    pub fn scratch(&self) -> PathBuf {
        // /tmp is often in memory, which a dump may fill.
        let usual = || env::var_os("TMPDIR").map_or("/var/tmp".into(), PathBuf::from);
        self.scratch.clone().unwrap_or_else(usual)
    }
}

/// What is wrong with a file, with line and key; its text is not shown, since it may be a secret.
fn mistake(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text.as_bytes()[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let key = text.lines().nth(line).and_then(|line| line.split_once('='));
    let key = key.map_or(String::new(), |(key, _)| format!(", {}", key.trim()));
    let what = error.message().lines().next().unwrap_or_default();
    format!("{}, line {}{key}: {what}", path.display(), line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("fo_backup.toml"), text).unwrap();
        Settings::load(Some(folder.path()))
    }

    #[test]
    fn a_mistake_names_its_line() {
        let error = load("vault = \"/backup\"\ncompresion = 3\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 2") && error.contains("compresion"),
            "{error}"
        );
        let error = load("vault = \"/backup\"\nthreads = ")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("fo_backup.toml") && error.contains("line 2"),
            "{error}"
        );
        let error = load("[give_way]\nseconds = 0").unwrap_err().to_string();
        assert!(error.contains("above 0"), "{error}");
        assert!(
            load("compression = 77")
                .unwrap_err()
                .to_string()
                .contains("1 to 19")
        );
    }

    #[test]
    fn a_mistake_in_a_policy_names_its_line_too() {
        let error =
            load("vault = \"/b\"\n[[prune.rule]]\naction = \"drop\"\nmin_size = \"1 MG\"\n")
                .unwrap_err()
                .to_string();
        for part in ["fo_backup.toml", "line 4", "min_size", "no size"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let mut settings: Settings = toml::from_str("vault = \"/a\"\nthreads = 2").unwrap();
        let get = |name: &str| (name == "FO_BACKUP_VAULT").then(|| "/b".to_owned());
        settings.take_environment(get).unwrap();
        assert_eq!(settings.vault.as_deref(), Some("/b"));
        assert_eq!(settings.threads, Some(2));
        let get = |name: &str| (name == "FO_BACKUP_THREADS").then(|| "many".to_owned());
        let error = settings.take_environment(get).unwrap_err().to_string();
        assert!(error.contains("FO_BACKUP_THREADS"), "{error}");
    }
}
