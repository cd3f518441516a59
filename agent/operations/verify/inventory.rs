// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What lies in the vault, and what its snapshots say has to lie there.

use super::Options;
use super::report::{Damage, Kind, Report};
use crate::operations::{Context, Result};
use crate::vault::{ChunkId, Error, Object, PackId, PackRef, Snapshot, Vault};
use std::collections::{BTreeMap, BTreeSet};

/// The objects of a vault and those that its snapshots name.
pub(super) struct Inventory {
    /// Every object.
    pub objects: Vec<Object>,
    /// The snapshots that are verified, oldest first.
    pub snapshots: Vec<Object>,
    /// The packs that they name.
    pub packs: BTreeMap<PackId, PackRef>,
    /// The chunks that they name.
    pub chunks: BTreeSet<ChunkId>,
}

impl Inventory {
    /// Lists the vault and reads the snapshots.
    pub fn take(
        vault: &Vault,
        options: &Options,
        context: Context<'_>,
        report: &mut Report,
    ) -> Result<Self> {
        let mut keys = vault.snapshot_keys()?;
        if let Some(wanted) = &options.snapshot {
            let id = match vault.snapshot(wanted) {
                Ok(snapshot) => Some(snapshot.id.key()),
                // Its file is damaged, so it is named as damage like any other.
                Err(Error::Damaged { key, .. }) => Some(key),
                Err(error) => return Err(error.into()),
            };
            keys.retain(|object| Some(&object.key) == id.as_ref());
        }
        let mut inventory = Self {
            objects: vault.storage().list("")?,
            snapshots: Vec::new(),
            packs: BTreeMap::new(),
            chunks: BTreeSet::new(),
        };
        context.progress.begin("snapshots", keys.len() as u64, 0);
        for file in keys {
            context.stop.check()?;
            match vault.read_snapshot(&file) {
                Ok(snapshot) => {
                    inventory.add(&snapshot);
                    inventory.snapshots.push(file);
                }
                Err(error) => report.damage.push(unreadable_snapshot(&file, &error)),
            }
            context.progress.advance(1, 0);
        }
        context.progress.end();
        Ok(inventory)
    }

    fn add(&mut self, snapshot: &Snapshot) {
        self.packs
            .extend(snapshot.packs.iter().map(|pack| (pack.id, *pack)));
        for (_, stream) in snapshot.streams() {
            self.chunks.extend(&stream.chunks);
        }
    }

    /// The size of an object, if it is there.
    pub fn size(&self, key: &crate::vault::Key) -> Option<u64> {
        self.objects
            .binary_search_by(|object| object.key.cmp(key))
            .ok()
            .map(|at| self.objects[at].size)
    }

    /// Whether every chunk is there; gives back those that are, with their sizes.
    pub fn look_at_chunks(&self, report: &mut Report) -> Vec<(ChunkId, u64)> {
        let mut there = Vec::with_capacity(self.chunks.len());
        for id in &self.chunks {
            let key = id.key();
            match self.size(&key) {
                Some(0) => report.damage.push(Damage::new(
                    &key,
                    Kind::Damaged,
                    "it is empty",
                    chunk_todo(&key),
                )),
                Some(size) => {
                    report.checked.chunks += 1;
                    report.checked.chunk_bytes += size;
                    there.push((*id, size));
                }
                None => report.damage.push(Damage::new(
                    &key,
                    Kind::Missing,
                    "a snapshot names it, and it is not there",
                    "run 'fo_backup backup': the parts of the database, the configuration and the other directories that did not change since are stored anew"
                        .into(),
                )),
            }
        }
        there
    }
}

/// What to do about a chunk that is there and not whole.
pub(super) fn chunk_todo(key: &crate::vault::Key) -> String {
    format!(
        "move {key} out of the vault, then run 'fo_backup backup': the parts of the database, the configuration and the other directories that did not change since are stored anew"
    )
}

fn unreadable_snapshot(file: &Object, error: &Error) -> Damage {
    let kind = match error {
        Error::Damaged { .. } => Kind::Damaged,
        Error::Missing { .. } => Kind::Missing,
        Error::NotOpened { .. } => Kind::Sealed,
        _ => Kind::Unreadable,
    };
    let why = match error {
        Error::Damaged { why, .. } => why.clone(),
        other => other.to_string(),
    };
    let mut damage = Damage::new(
        &file.key,
        kind,
        why,
        format!(
            "move {} out of the vault and run 'fo_backup backup': its packs and chunks stay and are used again",
            file.key
        ),
    );
    let id = file.key.file_name().strip_suffix(".json");
    damage.snapshots.extend(id.and_then(|id| id.parse().ok()));
    damage.parts.push("the whole snapshot".into());
    damage
}
