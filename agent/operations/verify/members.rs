// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Each snapshot against what was found: does it agree with itself, do its packs hold all of its
//! members, and which damage hits it?

use super::inventory::Inventory;
use super::packs::{Pack, Packs};
use super::report::{Damage, HitBlob, HitUpload, Kind, NAMED, Report, Verified};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::{Moment, uploads_that_need};
use crate::operations::{Context, Result};
use crate::vault::{ChunkId, IndexFile, IndexMerge, Key, Members, Snapshot, Vault};
use postgres::Client;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap};

/// How many keys are looked up at once.
const BATCH: usize = 8192;

/// Compares every snapshot with the packs, and completes the report's damage.
pub(super) fn compare(
    vault: &Vault,
    inventory: &Inventory,
    packs: &Packs,
    lengths: Option<&HashMap<ChunkId, u64>>,
    mut database: Option<&mut Client>,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut by_object: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, damage) in report.damage.iter().enumerate() {
        by_object.entry(damage.object.clone()).or_default().push(at);
    }
    context
        .progress
        .begin("members", inventory.snapshots.len() as u64, 0);
    for file in &inventory.snapshots {
        context.stop.check()?;
        let snapshot = vault.read_snapshot(file)?;
        let before = report.damage.len();
        let named = attribute(&snapshot, &by_object, report);
        if let Some(why) = contradiction(vault, &snapshot, lengths) {
            report.damage.push(of_snapshot(&snapshot, why));
        }
        let own: Vec<&Pack> = snapshot
            .packs
            .iter()
            .filter_map(|pack| packs.find(pack.id))
            .collect();
        let lacking = lacking(&snapshot, &own)?;
        if !lacking.any().is_empty() {
            missing_members(&snapshot, &own, &lacking, database.as_deref_mut(), report)?;
        }
        let whole = report.damage.len() == before
            && named.iter().all(|at| !report.damage[*at].costs(&snapshot));
        report.snapshots.push(Verified {
            snapshot: snapshot.id.clone(),
            whole,
        });
        context.progress.advance(1, 0);
    }
    context.progress.end();
    Ok(())
}

/// Enters the snapshot at the damage of all that it names.
fn attribute(
    snapshot: &Snapshot,
    by_object: &BTreeMap<String, Vec<usize>>,
    report: &mut Report,
) -> Vec<usize> {
    let mut named = Vec::new();
    if by_object.is_empty() {
        return named;
    }
    let at = |key: Key| by_object.get(key.as_str()).cloned().unwrap_or_default();
    for pack in &snapshot.packs {
        named.extend(at(pack.id.key()));
        named.extend(at(pack.id.index_key()));
    }
    for (part, stream) in snapshot.streams() {
        for id in &stream.chunks {
            for at in at(id.key()) {
                named.push(at);
                let parts = &mut report.damage[at].parts;
                if !parts.contains(&part) {
                    parts.push(part.clone());
                }
            }
        }
    }
    named.sort_unstable();
    named.dedup();
    for at in &named {
        report.damage[*at].snapshots.push(snapshot.id.clone());
    }
    named
}

fn of_snapshot(snapshot: &Snapshot, why: String) -> Damage {
    let key = snapshot.id.key();
    let todo = "keep it, and run 'fo_backup backup': the new snapshot does not depend on it".into();
    let mut damage = Damage::new(&key, Kind::Inconsistent, why, todo);
    damage.snapshots.push(snapshot.id.clone());
    damage
}

/// What in a snapshot contradicts something else in it, or the vault.
fn contradiction(
    vault: &Vault,
    snapshot: &Snapshot,
    lengths: Option<&HashMap<ChunkId, u64>>,
) -> Option<String> {
    let mut found = Vec::new();
    if snapshot.instance != vault.instance() {
        found.push(format!(
            "it is of instance {}, vault.json says {}",
            snapshot.instance,
            vault.instance()
        ));
    }
    let database = &snapshot.database;
    if database.external.is_none() && !database.files.contains_key("toc.dat") {
        found.push("it has no dump of the database".into());
    }
    let counts = [
        (Tree::Gold, snapshot.counts.gold),
        (Tree::Files, snapshot.counts.files),
    ];
    for (tree, count) in counts {
        let members = snapshot.members.of(tree).len();
        if members != count {
            found.push(format!(
                "it counts {count} blobs of {tree} and lists {members}"
            ));
        }
    }
    for (part, stream) in snapshot.streams() {
        // Of a chunk that is damaged no length is known.
        let sum = lengths.and_then(|lengths| {
            let sizes = stream.chunks.iter().map(|id| lengths.get(id).copied());
            sizes.sum::<Option<u64>>()
        });
        if let Some(sum) = sum.filter(|sum| *sum != stream.size) {
            found.push(format!(
                "{part} has {sum} bytes in its chunks instead of {}",
                stream.size
            ));
        }
    }
    (!found.is_empty()).then(|| found.join("; "))
}

/// The members that no index of the snapshot's packs has.
fn lacking(snapshot: &Snapshot, packs: &[&Pack]) -> Result<Members> {
    let mut lacking = snapshot.members.clone();
    for pack in packs {
        lacking = lacking.without(&pack.contents);
    }
    // What is known under another key, or lies in a tree that its pack does not know, is looked
    // up by name.
    let mut by_name: Vec<(PfileName, u32, Option<Tree>)> = Vec::new();
    for alias in &snapshot.aliases {
        lacking.insert(alias.pfile, snapshot.members.trees(alias.pfile));
        by_name.push((alias.name, alias.pfile, None));
    }
    for extra in &snapshot.extra {
        by_name.push((extra.name, extra.pfile, Some(extra.tree)));
    }
    by_name.sort_unstable_by_key(|(name, _, _)| *name);
    let indexes: Vec<IndexFile> = packs.iter().filter_map(|pack| pack.index.clone()).collect();
    let mut merge = IndexMerge::new(&indexes)?;
    for same in by_name.chunk_by(|a, b| a.0 == b.0) {
        let name = same[0].0;
        while let Some((_, _, record)) = merge.seek(&name)?
            && record.name == name
        {
            for (_, pfile, extra) in same {
                let trees = record.trees.iter().chain(*extra);
                for tree in trees {
                    lacking.of_mut(tree).remove(*pfile);
                }
            }
            merge.advance()?;
        }
    }
    Ok(lacking)
}

/// Enters members without a blob: at a pack that is lost together with its index, if there is
/// one, else at the snapshot. While the index of a pack that is there is lost, nothing can be said.
fn missing_members(
    snapshot: &Snapshot,
    packs: &[&Pack],
    lacking: &Members,
    database: Option<&mut Client>,
    report: &mut Report,
) -> Result<()> {
    let mut unknown = packs.iter().filter(|pack| pack.index.is_none());
    if unknown.clone().any(|pack| pack.there) {
        return Ok(());
    }
    let at = match unknown.find_map(|pack| pack.damage) {
        Some(at) => at,
        None => {
            let why = format!(
                "{} of its members lie in none of its packs",
                lacking.any().len()
            );
            report.damage.push(of_snapshot(snapshot, why));
            report.damage.len() - 1
        }
    };
    let named: usize = report.damage.iter().map(|damage| damage.blobs.len()).sum();
    let mut room = NAMED.saturating_sub(named);
    let damage = &mut report.damage[at];
    // Other snapshots may lack the same ones.
    let new: RoaringBitmap = lacking.any() - &damage.hit_keys;
    damage.hit += new.len();
    damage.hit_keys |= &new;
    let mut names = Names::new(snapshot, database)?;
    let mut keys = new.iter();
    loop {
        let batch: Vec<u32> = keys.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let known = names.of(&batch, damage)?;
        for pfile in batch.into_iter().take(room) {
            room -= 1;
            damage.blobs.push(HitBlob {
                name: known.get(&pfile).copied(),
                pfile,
                trees: lacking.trees(pfile).iter().collect(),
                elsewhere: None,
            });
        }
    }
    Ok(())
}

/// Names of keys, from the database where the index is lost.
struct Names<'a> {
    database: Option<&'a mut Client>,
    aliases: BTreeMap<u32, PfileName>,
}

impl<'a> Names<'a> {
    /// The database knows the snapshot's keys only as long as it is the same one.
    fn new(snapshot: &Snapshot, database: Option<&'a mut Client>) -> Result<Self> {
        let aliases = snapshot.aliases.iter();
        let mut names = Self {
            database: None,
            aliases: aliases.map(|alias| (alias.pfile, alias.name)).collect(),
        };
        if let Some(client) = database {
            let mut moment = Moment::begin(client)?;
            let same = moment.identity()?.0 == snapshot.catalogue.table;
            moment.end()?;
            names.database = same.then_some(client);
        }
        Ok(names)
    }

    /// The names of some keys; the uploads that need them go into the damage.
    fn of(&mut self, keys: &[u32], damage: &mut Damage) -> Result<BTreeMap<u32, PfileName>> {
        let aliases = keys
            .iter()
            .filter_map(|key| Some((*key, *self.aliases.get(key)?)));
        let mut names: BTreeMap<u32, PfileName> = aliases.collect();
        let Some(client) = self.database.as_deref_mut() else {
            return Ok(names);
        };
        let mut moment = Moment::begin(client)?;
        for blob in moment.blobs(keys)? {
            if let Ok(name) = blob.name {
                names.entry(blob.pfile).or_insert(name);
            }
        }
        moment.end()?;
        let list: Vec<PfileName> = names.values().copied().collect();
        for need in uploads_that_need(client, &list)? {
            let known = damage
                .uploads
                .iter_mut()
                .find(|upload| upload.upload == need.upload);
            match known {
                Some(upload) => upload.blobs += need.blobs,
                None => damage.uploads.push(HitUpload {
                    upload: need.upload,
                    filename: need.filename.lossy().into_owned(),
                    blobs: need.blobs,
                }),
            }
        }
        Ok(names)
    }
}
