// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The FOSSology instance that operations work on.

use super::{Error, Result};
use crate::blob::HostName;
use crate::fossology::config::{Config, DbConf};
use crate::fossology::database::{self, Database, assert_fossology};
use crate::fossology::own::{Asked, Run};
use crate::fossology::repository::{Layout, Owner};
use crate::process::host_name;
use nix::unistd::{Group, Uid, User};
use postgres::Client;
use std::path::Path;

/// A FOSSology instance: its configuration and where its database is.
pub struct Instance {
    /// fossology.conf.
    pub config: Config,
    /// The database of Db.conf.
    pub database: Database,
    /// Who asks for what is done with it; the history of runs says so.
    pub asked: Asked,
}

impl Instance {
    /// Reads fossology.conf and Db.conf.
    ///
    /// # Errors
    /// With file, line and key of what is wrong.
    pub fn load(sysconfdir: &Path) -> Result<Self> {
        let config = Config::load(sysconfdir)?;
        let database = Database::new(DbConf::load(sysconfdir)?.postgres_config());
        Ok(Self {
            config,
            database,
            asked: Asked::here(),
        })
    }

    /// Connects to the database and makes sure that it is a FOSSology's.
    ///
    /// # Errors
    /// When it cannot be reached or is something else.
    pub fn connect(&self, verb: &str) -> Result<Client> {
        // The server knows the number of its own process only; people look for ours.
        let name = format!("fo_backup {verb}, process {}", std::process::id());
        let mut client = self.database.connect(&name)?;
        assert_fossology(&mut client)?;
        Ok(client)
    }

    /// Enters a run in the history. Our tables must be there.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn start_run(
        &self,
        client: &mut Client,
        verb: &str,
        mode: Option<&str>,
    ) -> database::Result<Run> {
        Run::start(client, verb, mode, &host_name(), &self.asked)
    }

    /// Refuses a vault's folder that lies below the repository's path: losing one would lose the other.
    ///
    /// # Errors
    /// [`Error::VaultInRepository`].
    pub fn expect_outside(&self, location: Option<&Path>) -> Result<()> {
        expect_outside(self.config.layout.path(), location)
    }

    /// These hosts of `[REPOSITORY]`, as the layout has them.
    ///
    /// # Errors
    /// When one is not known.
    pub fn repository_hosts(&self, names: &[HostName]) -> Result<Vec<Option<HostName>>> {
        let known = self.config.layout.hosts();
        let hosts: Vec<_> = names.iter().cloned().map(Some).collect();
        if let Some(Some(unknown)) = hosts.iter().find(|host| !known.contains(host)) {
            let known: Vec<&str> = known.iter().flatten().map(HostName::as_str).collect();
            return Err(Error::Usage(format!(
                "'{unknown}' is no host of [REPOSITORY] in fossology.conf; it has: {}",
                known.join(", ")
            )));
        }
        Ok(hosts)
    }

    /// To whom what is written into the repository has to belong: FOSSology's user and group when
    /// this process runs as root, else whoever runs it.
    ///
    /// # Errors
    /// When they are not known here.
    pub fn owner(&self) -> Result<Option<Owner>> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        let none = |kind, name| Error::NoOwner { kind, name };
        let (user, group) = (self.config.user(), self.config.group());
        let uid = User::from_name(&user)
            .ok()
            .flatten()
            .ok_or_else(|| none("user", user))?
            .uid;
        let gid = Group::from_name(&group)
            .ok()
            .flatten()
            .ok_or_else(|| none("group", group))?
            .gid;
        Ok(Some(Owner {
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }))
    }
}

/// Refuses when the storage of a repository host cannot be seen here: what lies there would be taken
/// for missing, and what is written for it would lie in the folder below its mount.
///
/// # Errors
/// [`Error::NoStorage`].
pub(super) fn expect_storage(layout: &Layout) -> Result<()> {
    for host in layout.hosts().into_iter().flatten() {
        let mut roots = layout
            .roots()
            .iter()
            .filter(|root| root.host.as_ref() == Some(&host))
            .peekable();
        let first = roots.peek().map(|root| root.path.clone());
        if !roots.any(|root| root.path.is_dir())
            && let Some(path) = first
        {
            return Err(Error::NoStorage {
                host: host.to_string(),
                path,
            });
        }
    }
    Ok(())
}

/// Refuses a vault's location below a repository's path.
///
/// # Errors
/// [`Error::VaultInRepository`].
pub fn expect_outside(repository: &Path, location: Option<&Path>) -> Result<()> {
    let Some(location) = location else {
        return Ok(()); // on another host
    };
    let real = repository
        .canonicalize()
        .unwrap_or_else(|_| repository.to_owned());
    // The vault may not exist yet; then what of its path exists decides.
    let absolute =
        std::path::absolute(location).map_err(Error::io("looking for the vault", location))?;
    let Some(place) = absolute
        .ancestors()
        .find_map(|place| place.canonicalize().ok())
    else {
        return Ok(());
    };
    if place.starts_with(&real) {
        return Err(Error::VaultInRepository {
            vault: location.display().to_string(),
            repository: real,
        });
    }
    Ok(())
}
