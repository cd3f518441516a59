// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rewriting packs that are mostly dead. In this order, so that at every instant each snapshot
//! that is there has all that it names:
//!
//! 1. what is needed of them is packed again, or found in another pack, as one that a killed run
//!    has made; such a pack is read, compared with its id, and decoded before it is relied on;
//! 2. each snapshot that names an old pack is put with the new ones in its place, under another id
//!    of the same moment, and then the old one is removed;
//! 3. when the old snapshots are gone for good, the old packs go.
//!
//! A pack of which a needed blob is damaged stays as it is, and so do the snapshots' names for it.

use super::Options;
use super::report::{LeftAlone, Renamed, Report, Tally};
use super::space::{Candidate, Plan};
use crate::blob::Tree;
use crate::operations::{Context, Error, Result, verify};
use crate::vault::{
    IndexFile, IndexMerge, Moved, Object, PackId, PackRef, Record, Removal, Repacker, Vault,
};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};

/// Rewrites the plan's candidates. `snapshots` are the files of all snapshots that are there.
pub(super) fn rewrite(
    vault: &Vault,
    removal: &Removal<'_>,
    plan: Plan,
    snapshots: Vec<Object>,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    (report.rewritten, report.new_packs) = (Tally::default(), Tally::default());
    let candidates = plan.candidates;
    if candidates.is_empty() {
        return Ok(());
    }
    let others = Others::look(vault, &candidates, context)?;
    let mut moved = Moved::new();
    let bytes = candidates.iter().map(|candidate| candidate.bytes).sum();
    let count = candidates.len() as u64;
    context.progress.begin("rewriting packs", count, bytes);
    for class in Tree::ALL {
        let storage = vault.storage().clone();
        let mut repacker = Repacker::new(storage, class, options.level)?;
        let mut stopped = false;
        for candidate in candidates.iter().filter(|c| c.index.class() == class) {
            stopped = context.stop.requested();
            if stopped {
                break;
            }
            let pack = candidate.index.pack();
            let found = others.find(candidate)?;
            let mut live = candidate.live.clone();
            for records in found.values() {
                live -= records;
            }
            match repacker.take(&candidate.index, &live) {
                Ok(()) => {
                    let packs = found.keys().map(|at| PackRef::of(&others.0[*at]));
                    moved.entry(pack).or_default().extend(packs);
                }
                Err(error) if error.is_damage() => report.left_alone.push(LeftAlone {
                    pack,
                    why: error.to_string(),
                }),
                Err(error) => return Err(error.into()),
            }
            context.progress.advance(1, candidate.bytes);
        }
        // Also when it is to stop: what is packed by then is found by the next run.
        let (packs, made) = repacker.finish()?;
        if stopped {
            return Err(Error::Interrupted);
        }
        for (old, new) in packs {
            moved.entry(old).or_default().extend(new);
        }
        for pack in made {
            report
                .new_packs
                .add(pack.size + IndexFile::size_of(pack.blobs));
        }
    }
    context.progress.end();

    name_new_packs(vault, removal, snapshots, &moved, context, report)?;
    removal.settle_snapshots()?;
    for candidate in &candidates {
        let id = candidate.index.pack();
        if moved.contains_key(&id) {
            context.stop.check()?;
            removal.pack(id)?;
            report.rewritten.add(candidate.bytes);
        }
    }
    Ok(())
}

/// Lets snapshots name the new packs in place of the old ones.
fn name_new_packs(
    vault: &Vault,
    removal: &Removal<'_>,
    snapshots: Vec<Object>,
    moved: &Moved,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let count = snapshots.len() as u64;
    context.progress.begin("snapshots name new packs", count, 0);
    for file in snapshots {
        context.stop.check()?;
        let snapshot = vault.read_snapshot(&file)?;
        let (old, stay): (Vec<&PackRef>, Vec<&PackRef>) = snapshot
            .packs
            .iter()
            .partition(|pack| moved.contains_key(&pack.id));
        if !old.is_empty() {
            let new = old.iter().flat_map(|pack| &moved[&pack.id]);
            let packs: BTreeMap<PackId, PackRef> = stay
                .into_iter()
                .chain(new)
                .map(|pack| (pack.id, *pack))
                .collect();
            let packs: Vec<PackRef> = packs.into_values().collect();
            let new = vault.put_with_packs(&snapshot.id, &packs)?;
            removal.snapshot(&snapshot.id)?;
            report.renamed.push(Renamed {
                from: snapshot.id,
                to: new.id,
            });
        }
        context.progress.advance(1, 0);
    }
    context.progress.end();
    Ok(())
}

/// Packs that are not rewritten and have some of the wanted blobs too.
struct Others(Vec<IndexFile>);

impl Others {
    /// Looks for such packs.
    fn look(vault: &Vault, candidates: &[Candidate], context: Context<'_>) -> Result<Self> {
        let mut wanted = RoaringBitmap::new();
        for candidate in candidates {
            candidate.index.for_each(|number, record| {
                if candidate.needs(number) {
                    wanted.insert(record.pfile);
                }
            })?;
        }
        wanted.remove(0);
        let own: BTreeSet<PackId> = candidates.iter().map(|c| c.index.pack()).collect();
        let mut possible = Vec::new();
        for pack in vault.packs()? {
            context.stop.check()?;
            if own.contains(&pack.id) {
                continue;
            }
            let opened = IndexFile::open(vault.storage().clone(), pack.id)
                .and_then(|index| index.verify().map(|()| index));
            let Ok(index) = opened else { continue };
            let mut has = false;
            index.for_each(|_, record| has |= wanted.contains(record.pfile))?;
            if has && index.pack_size() == pack.size {
                possible.push(index);
            }
        }
        let mut others = Self(possible);
        // A key may have been given out twice: only names tell.
        let mut used = BTreeSet::new();
        for candidate in candidates {
            used.extend(others.find(candidate)?.into_keys());
        }
        let mut whole = Vec::new();
        for (at, index) in others.0.into_iter().enumerate() {
            if used.contains(&at)
                && let Ok(true) =
                    verify::pack_is_whole(vault, index.pack(), index.pack_size(), context)?
                && verify::holds_its_blobs(vault, &index, context)?
            {
                whole.push(index);
            }
        }
        others.0 = whole;
        Ok(others)
    }

    /// Which of a candidate's needed records each of these packs has too: under the same key, for the
    /// same trees, so that no snapshot has to say more than the pack's name.
    fn find(&self, candidate: &Candidate) -> Result<BTreeMap<usize, RoaringBitmap>> {
        let mut found: BTreeMap<usize, RoaringBitmap> = BTreeMap::new();
        if self.0.is_empty() {
            return Ok(found);
        }
        let mut records: Vec<(u64, Record)> = Vec::new();
        candidate.index.for_each(|number, record| {
            if candidate.needs(number) {
                records.push((number, record));
            }
        })?;
        let class = candidate.index.class();
        let mut merge = IndexMerge::new(&self.0)?;
        for (number, record) in records {
            while let Some((at, _, other)) = merge.seek(&record.name)?
                && other.name == record.name
            {
                let same = other.pfile == record.pfile
                    && record.trees.without(other.trees).is_empty()
                    && self.0[at].class() == class;
                if same {
                    found.entry(at).or_default().insert(number as u32);
                    break;
                }
                merge.advance()?;
            }
        }
        Ok(found)
    }
}

impl Candidate {
    fn needs(&self, number: u64) -> bool {
        u32::try_from(number).is_ok_and(|number| self.live.contains(number))
    }
}
