// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is needed, and what of it is new? The keys that the database needs, less those of the
//! newest snapshot: bitmaps, so a backup with nothing new asks for no name and opens no index.
//! Rows that committed late with a low key are just new bits.
//!
//! Keys can change their meaning: after a return to an older state of the database they are given
//! out anew. [`trusted`] notices that, and then every needed name is looked up.

use crate::blob::Tree;
use crate::fossology::catalogue::Moment;
use crate::fossology::own;
use crate::operations::Result;
use crate::vault::{
    Alias, CatalogueMark, Members, Mode, PackInfo, PackRef, Snapshot, SnapshotId, Vault, bitmap,
};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many of the newest snapshots are looked at for one to build on.
const LOOKED_AT: usize = 16;

/// How many of the highest keys a snapshot remembers.
const HIGHEST: usize = 64;

/// What a snapshot of one moment needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Listing {
    pub mode: Mode,
    pub needed: Members,
    /// The bytes of what is needed, by tree.
    pub bytes: [u64; 2],
    /// The snapshot to build on: its members are in the vault, and its keys can be trusted.
    pub previous: Option<SnapshotId>,
    /// What may be new.
    #[serde(with = "bitmap")]
    pub candidates: RoaringBitmap,
    pub mark: CatalogueMark,
}

impl Listing {
    /// Asks the database what is needed, and the vault for a snapshot to build on.
    pub fn new(vault: &Vault, moment: &mut Moment<'_>, mode: Mode) -> Result<Self> {
        let (needed, bytes) = needed(moment, mode)?;
        let previous = match previous(vault, mode)? {
            Some(snapshot) if trusted(&snapshot, &vault.packs()?, moment)? => Some(snapshot),
            Some(snapshot) => {
                log::info!(
                    "snapshot {} is not built on: every name is looked up in the vault",
                    snapshot.id
                );
                None
            }
            None => None,
        };
        let candidates = match &previous {
            Some(snapshot) => needed.without(&snapshot.members).any(),
            None => needed.any(),
        };
        Ok(Self {
            mode,
            mark: mark(moment, &needed)?,
            needed,
            bytes,
            previous: previous.map(|snapshot| snapshot.id),
            candidates,
        })
    }
}

/// What the next backup needs to trust this one's keys.
fn mark(moment: &mut Moment<'_>, needed: &Members) -> Result<CatalogueMark> {
    let (table, sequence) = moment.identity()?;
    let keys: Vec<u32> = needed.any().iter().rev().take(HIGHEST).collect();
    let highest = moment.blobs(&keys)?.into_iter().filter_map(|blob| {
        Some(Alias {
            pfile: blob.pfile,
            name: blob.name.ok()?,
        })
    });
    Ok(CatalogueMark {
        table,
        sequence,
        highest: highest.collect(),
    })
}

fn needed(moment: &mut Moment<'_>, mode: Mode) -> Result<(Members, [u64; 2])> {
    let mut needed = Members::default();
    let mut bytes = [0; 2];
    let mut wanted = RoaringBitmap::new();
    moment.keys(Tree::Gold, |pfile, size| {
        needed.gold.insert(pfile);
        bytes[Tree::Gold as usize] += size;
    })?;
    if mode == Mode::Gold {
        wanted = needed.gold.clone();
        moment.not_reproducible(|pfile| {
            wanted.insert(pfile);
        })?;
        // What was pruned because a vault has it must not go when its snapshot does.
        own::pruned_by_vault(moment.transaction(), |pfile| {
            wanted.extend(u32::try_from(pfile));
        })?;
    }
    moment.keys(Tree::Files, |pfile, size| {
        if mode == Mode::Full || wanted.contains(pfile) {
            needed.files.insert(pfile);
            bytes[Tree::Files as usize] += size;
        }
    })?;
    Ok((needed, bytes))
}

/// The snapshot to build on: the newest of the same mode, else the newest. Only a few are looked
/// at, so that a vault with thousands of snapshots costs no more than one with ten.
fn previous(vault: &Vault, mode: Mode) -> Result<Option<Snapshot>> {
    let mut newest = None;
    for file in vault.snapshot_keys()?.iter().rev().take(LOOKED_AT) {
        match vault.read_snapshot(file) {
            Ok(snapshot) if snapshot.mode == mode => return Ok(Some(snapshot)),
            Ok(snapshot) => newest = newest.or(Some(snapshot)),
            Err(error) if error.is_damage() => log::warn!("{} is passed over: {error}", file.key),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(newest)
}

/// Whether the keys in a snapshot still mean what they meant, and its packs are still there.
///
/// The table must be the same one and its sequence must not have gone back. Should both hold after
/// a return to an older state all the same (new uploads took the sequence past the old mark), then
/// the highest keys belong to other blobs now.
pub(in crate::operations) fn trusted(
    snapshot: &Snapshot,
    packs: &[PackInfo],
    moment: &mut Moment<'_>,
) -> Result<bool> {
    let (table, sequence) = moment.identity()?;
    let mark = &snapshot.catalogue;
    if mark.table != table || mark.sequence > sequence {
        return Ok(false);
    }
    let keys: Vec<u32> = mark.highest.iter().map(|alias| alias.pfile).collect();
    let names: BTreeMap<u32, _> = moment
        .blobs(&keys)?
        .into_iter()
        .map(|blob| (blob.pfile, blob.name))
        .collect();
    let same = |alias: &Alias| {
        names
            .get(&alias.pfile)
            .is_none_or(|name| *name == Ok(alias.name))
    };
    let there = |pack: &PackRef| {
        packs
            .binary_search_by_key(&pack.id, |info| info.id)
            .is_ok_and(|at| packs[at].size == pack.size)
    };
    Ok(mark.highest.iter().all(same) && snapshot.packs.iter().all(there))
}
