// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What forbids a restore, looked for before anything is touched.

use super::Options;
use super::database::Target;
use crate::fossology::database::{Admin, Tools};
use crate::fossology::own::{self, Files};
use crate::fossology::repository::Layout;
use crate::fossology::scheduler;
use crate::operations::backup::external;
use crate::operations::{Error, Instance, Result};
use crate::vault::{Snapshot, Vault};
use postgres::Client;
use std::path::Path;

/// What will be done.
pub(super) struct Plan {
    pub database: Option<Target>,
}

/// Room that a restore leaves free, in bytes: a full disk harms a running system.
const RESERVE: u64 = 64 << 20;

/// The repository to restore into.
pub(super) fn layout(instance: &Instance, options: &Options) -> Layout {
    match &options.repository {
        Some(path) => instance.config.layout.at(path),
        None => instance.config.layout.clone(),
    }
}

/// Looks whether the restore may be done.
pub(super) fn make(
    instance: &Instance,
    vault: &Vault,
    snapshot: &Snapshot,
    layout: &Layout,
    options: &Options,
) -> Result<Plan> {
    let own_database = instance.database.name();
    let name = options.database.as_deref().unwrap_or(own_database);
    let touches_live = (!options.no_database && name == own_database)
        || (!options.no_repository && layout.path() == instance.config.layout.path());
    // What a host lacks is only added, as by a recovery, and beside others.
    let replaces = touches_live && options.repo_hosts.is_empty();
    if replaces && let Some(place) = scheduler::running(&instance.config) {
        return Err(Error::SchedulerRuns { place });
    }
    if !options.no_repository {
        expect_repository(layout, vault, options)?;
    }
    let mut database = None;
    if !options.no_database {
        external::expect_dump(snapshot)?;
        let admin = Admin::connect(&instance.database, options.admin_url.as_deref())?;
        let major = snapshot.database.tool_major;
        let tools = Tools::find(options.postgres_bin.as_deref(), major)?;
        let target = Target::new(instance, admin, tools, name, snapshot)?;
        expect_room(
            &options.scratch,
            "the dump on its way",
            snapshot.counts.dump_bytes,
        )?;
        database = Some(target);
    }
    Ok(Plan { database })
}

/// Keeps away whoever removes files, as long as this lives, where the database that they go by
/// stays. One that is to be replaced must have nobody connected to it: then nobody prunes either.
pub(super) fn hold_files(
    instance: &Instance,
    layout: &Layout,
    options: &Options,
) -> Result<Option<Client>> {
    if !options.no_database || layout.path() != instance.config.layout.path() {
        return Ok(None);
    }
    // A repository may come back before its database does.
    let Ok(mut client) = instance.connect("restore") else {
        return Ok(None);
    };
    own::hold_files(&mut client, Files::Shared)?;
    Ok(Some(client))
}

pub(super) fn expect_repository(layout: &Layout, vault: &Vault, options: &Options) -> Result<()> {
    super::super::instance::expect_outside(layout.path(), vault.storage().folder())?;
    let path = layout.path();
    if !options.dry_run && !path.exists() {
        // Somebody who names a new place wants it made; a missing place of the configuration is
        // more often a file system that is not mounted.
        if options.repository.is_none() {
            return Err(Error::NoRepository {
                path: path.to_owned(),
            });
        }
        std::fs::create_dir_all(path).map_err(Error::io("making", path))?;
    }
    Ok(())
}

/// Refuses when a file system has not the room for so many bytes.
pub(in crate::operations) fn expect_room(
    folder: &Path,
    what: &'static str,
    bytes: u64,
) -> Result<()> {
    let free = free(folder)?;
    if free < bytes.saturating_add(RESERVE) {
        return Err(Error::NoRoom {
            what,
            place: folder.to_owned(),
            needed: bytes,
            free,
        });
    }
    Ok(())
}

/// How many bytes are free in a folder's file system.
pub(in crate::operations) fn free(folder: &Path) -> Result<u64> {
    let found = nix::sys::statvfs::statvfs(folder)
        .map_err(|error| Error::io("looking for room in", folder)(error.into()))?;
    Ok(found.blocks_available() * found.fragment_size())
}
