// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the vault tells about how things stand. Snapshots are read from the newest on, and only
//! until a good one of each mode was seen.

use crate::vault::{Counts, Mode, Result, SnapshotId, Vault};
use jiff::Timestamp;
use serde::Serialize;
use std::path::Path;

/// What the vault tells.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VaultStatus {
    /// Where it is.
    pub location: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// How many snapshots it has.
    pub snapshots: u64,
    /// The newest snapshot of each mode, and where that lacks something the newest good one too;
    /// newest first.
    pub newest: Vec<Newest>,
    /// Snapshots among the newest that cannot be read, with what is wrong.
    pub unreadable: Vec<String>,
    /// How many packs.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// How many chunks of dumps and other streams.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Bytes that are free where it lies, if that can be told.
    pub free_bytes: Option<u64>,
}

/// A snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Newest {
    /// Its id.
    pub snapshot: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// The moment that it shows.
    pub time: Timestamp,
    /// Whether it has all that the database needs.
    pub complete: bool,
    /// The host that made it.
    pub host: String,
    /// How much of what.
    pub counts: Counts,
    /// How many uploaded files it leaves to the web.
    pub by_url: u64,
    /// The label of its database's backup, where another program made it.
    pub external: Option<String>,
}

/// So many snapshots are looked at for a good one of each mode: some months of nightly ones.
const LOOKED_AT: usize = 100;

/// Looks into a vault.
///
/// # Errors
/// When it cannot be listed.
pub(super) fn look(vault: &Vault) -> Result<VaultStatus> {
    let files = vault.snapshot_keys()?;
    let mut status = VaultStatus {
        location: vault.location(),
        encrypted: vault.is_encrypted(),
        snapshots: files.len() as u64,
        free_bytes: vault.storage().folder().and_then(free),
        ..VaultStatus::default()
    };
    for file in files.iter().rev().take(LOOKED_AT) {
        let has_good = |mode| {
            status
                .newest
                .iter()
                .any(|seen| seen.mode == mode && seen.complete)
        };
        if has_good(Mode::Full) && has_good(Mode::Gold) {
            break;
        }
        let snapshot = match vault.read_snapshot(file) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                status.unreadable.push(error.to_string());
                continue;
            }
        };
        let complete = !snapshot.is_incomplete();
        let is_first = status.newest.iter().all(|seen| seen.mode != snapshot.mode);
        if is_first || (complete && !has_good(snapshot.mode)) {
            status.newest.push(Newest {
                snapshot: snapshot.id,
                mode: snapshot.mode,
                time: snapshot.time,
                complete,
                host: snapshot.host,
                counts: snapshot.counts,
                by_url: snapshot.by_url.len() as u64,
                external: snapshot.database.external.map(|backup| backup.label),
            });
        }
    }
    for pack in vault.packs()? {
        status.packs += 1;
        status.pack_bytes += pack.size;
    }
    for chunk in vault.storage().list("database/")? {
        status.chunks += 1;
        status.chunk_bytes += chunk.size;
    }
    Ok(status)
}

fn free(folder: &Path) -> Option<u64> {
    let found = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(found.blocks_available() * found.fragment_size())
}
