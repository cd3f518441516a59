// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What of a vault nobody needs: whole packs and chunks, and how much of the other packs. Only
//! [`Plan::drop_dead`] removes something: packs and chunks that no snapshot names, in any order.
//! Memory: bits of keys, the ids of chunks, and bits of records for packs that are mostly dead.

use super::Options;
use super::report::{LeftAlone, Report, Tally};
use crate::blob::PfileName;
use crate::operations::{Context, Result};
use crate::vault::{
    ChunkId, IndexFile, Key, ObjectKind, PackId, PackRef, Record, Removal, Snapshot, Vault,
};
use jiff::Timestamp;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What a header takes of a pack besides a blob's content, in bytes.
const HEADER: u64 = 512;

/// What some snapshots need.
#[derive(Default)]
pub(super) struct Needs {
    pub packs: BTreeMap<PackId, PackRef>,
    pub chunks: BTreeSet<ChunkId>,
    /// Keys of members, and members that packs know under other keys. Keys that were given out
    /// twice only make a blob more needed than it is.
    members: RoaringBitmap,
    aliases: HashSet<PfileName>,
}

impl Needs {
    /// Adds what a snapshot needs.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let packs = snapshot.packs.iter().map(|pack| (pack.id, *pack));
        self.packs.extend(packs);
        for (_, stream) in snapshot.streams() {
            self.chunks.extend(&stream.chunks);
        }
        self.members |= snapshot.members.any();
        let aliases = snapshot.aliases.iter().map(|alias| alias.name);
        self.aliases.extend(aliases);
    }

    fn needs(&self, record: &Record) -> bool {
        self.members.contains(record.pfile) || self.aliases.contains(&record.name)
    }
}

/// A pack that is mostly dead.
pub(super) struct Candidate {
    pub index: IndexFile,
    /// The numbers of the records that are needed.
    pub live: RoaringBitmap,
    /// Its bytes, with its index.
    pub bytes: u64,
    /// What of it will be left, about.
    pub left: u64,
}

/// What is to be done.
#[derive(Default)]
pub(super) struct Plan {
    packs: Vec<(PackId, u64)>,
    chunks: Vec<(ChunkId, u64)>,
    young: Tally,
    dead_bytes: u64,
    pub candidates: Vec<Candidate>,
    left_alone: Vec<LeftAlone>,
}

impl Plan {
    /// Looks at everything. What no snapshot named before and what is not older than `old` stays: it
    /// belongs to a backup that was interrupted, perhaps.
    pub fn make(
        vault: &Vault,
        before: &Needs,
        after: &Needs,
        old: Timestamp,
        options: &Options,
        context: Context<'_>,
    ) -> Result<Self> {
        let mut plan = Self::default();
        let storage = vault.storage();
        let is_young =
            |key: &Key| -> Result<bool> { Ok(storage.put_at(key)?.is_some_and(|put| put > old)) };
        // Each pack with the sizes of itself and of its index.
        let mut sizes: BTreeMap<PackId, (Option<u64>, u64)> = BTreeMap::new();
        for object in storage.list("packs/")? {
            match object.key.kind() {
                ObjectKind::Pack(id) => sizes.entry(id).or_default().0 = Some(object.size),
                ObjectKind::Index(id) => sizes.entry(id).or_default().1 = object.size,
                _ => {}
            }
        }
        for (id, (pack, index)) in &sizes {
            context.stop.check()?;
            // The index of a pack that is missing tells which blobs are.
            let named = |needs: &Needs| needs.packs.contains_key(id);
            if named(after) || named(before) && pack.is_none() {
                continue;
            }
            let key = match pack {
                Some(_) => id.key(),
                None => id.index_key(),
            };
            let bytes = pack.unwrap_or(0) + index;
            if !named(before) && is_young(&key)? {
                plan.young.add(bytes);
            } else {
                plan.packs.push((*id, bytes));
            }
        }
        for object in storage.list("database/")? {
            let ObjectKind::Chunk(id) = object.key.kind() else {
                continue;
            };
            if after.chunks.contains(&id) {
                continue;
            }
            if !before.chunks.contains(&id) && is_young(&object.key)? {
                plan.young.add(object.size);
            } else {
                plan.chunks.push((id, object.size));
            }
        }
        let count = after.packs.len() as u64;
        context.progress.begin("what is needed of packs", count, 0);
        for reference in after.packs.values() {
            context.stop.check()?;
            let (pack, index) = sizes.get(&reference.id).copied().unwrap_or_default();
            plan.weigh(vault, reference, pack, index, after, options)?;
            context.progress.advance(1, 0);
        }
        context.progress.end();
        Ok(plan)
    }

    /// How much of a pack is needed?
    fn weigh(
        &mut self,
        vault: &Vault,
        reference: &PackRef,
        pack: Option<u64>,
        index_size: u64,
        needs: &Needs,
        options: &Options,
    ) -> Result<()> {
        let alone = |why: String| LeftAlone {
            pack: reference.id,
            why,
        };
        match pack {
            Some(size) if size == reference.size => {}
            Some(size) => {
                let why = format!("it has {size} bytes instead of {}", reference.size);
                self.left_alone.push(alone(why));
                return Ok(());
            }
            None => {
                self.left_alone.push(alone("it is not there".into()));
                return Ok(());
            }
        }
        let opened = IndexFile::open(vault.storage().clone(), reference.id)
            .and_then(|index| index.verify().map(|()| index));
        let index = match opened {
            Ok(index) => index,
            Err(error) if error.is_damage() => {
                self.left_alone.push(alone(error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let (mut all, mut dead) = (0, 0);
        let mut live = RoaringBitmap::new();
        index.for_each(|number, record| {
            let weight = record.name.size() + HEADER;
            all += weight;
            if needs.needs(&record) {
                // A pack of this program has far fewer records than there are numbers of 32 bits.
                live.insert(u32::try_from(number).unwrap_or(u32::MAX));
            } else {
                dead += weight;
            }
        })?;
        let share = |part: u64, of: u64| {
            (u128::from(of) * u128::from(part) / u128::from(all.max(1))) as u64
        };
        if dead * 100 > u64::from(options.max_dead) * all
            && options.extent == super::Extent::Rewrite
        {
            live.optimize();
            let bytes = reference.size + index_size;
            self.candidates.push(Candidate {
                left: share(all - dead, bytes),
                bytes,
                index,
                live,
            });
        } else {
            self.dead_bytes += share(dead, reference.size);
        }
        Ok(())
    }

    /// Enters what will be done.
    pub fn tell(&self, report: &mut Report) {
        for (_, bytes) in &self.packs {
            report.packs.add(*bytes);
        }
        for (_, bytes) in &self.chunks {
            report.chunks.add(*bytes);
        }
        report.young = self.young;
        report.dead_bytes = self.dead_bytes;
        let alone = self.left_alone.iter().map(|alone| LeftAlone {
            pack: alone.pack,
            why: alone.why.clone(),
        });
        report.left_alone.extend(alone);
        for candidate in &self.candidates {
            report.rewritten.add(candidate.bytes);
            if candidate.left > 0 {
                report.new_packs.add(candidate.left);
            }
        }
    }

    /// Removes what no snapshot needs. The snapshots that named it are gone for good.
    pub fn drop_dead(&self, removal: &Removal<'_>, context: Context<'_>) -> Result<()> {
        let count = self.packs.len() + self.chunks.len();
        context.progress.begin("removing", count as u64, 0);
        for (id, _) in &self.packs {
            context.stop.check()?;
            removal.pack(*id)?;
            context.progress.advance(1, 0);
        }
        for (id, _) in &self.chunks {
            context.stop.check()?;
            removal.chunk(*id)?;
            context.progress.advance(1, 0);
        }
        context.progress.end();
        Ok(())
    }
}
