// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is new? The keys that the database needs, less those of the newest snapshot: two bitmaps,
//! so a backup with nothing new asks for no name and opens no index. Rows that committed late with
//! a low key are just new bits. The other names are looked up in the vault's indexes, which also
//! finds what an interrupted backup has packed.
//!
//! Keys can change their meaning: after a return to an older state of the database they are given
//! out anew. [`trusted`] notices that, and then every needed name is looked up.

use super::packer::{Item, Job};
use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::catalogue::Moment;
use crate::operations::{Progress, Result};
use crate::vault::{
    Alias, CatalogueMark, ExtraPath, FRAME_TARGET, IndexFile, IndexMerge, LARGE, Members, Mode,
    PackId, PackInfo, PackRef, Snapshot, Vault, rebuild_index,
};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many of the newest snapshots are looked at for one to build on.
const LOOKED_AT: usize = 16;

/// How many names are asked for at once.
const BATCH: usize = 32_768;

/// How many bytes a worker takes at once: enough blobs to hash side by side.
const JOB: u64 = 4 * FRAME_TARGET as u64;

/// What a snapshot needs, and what of it the vault has.
pub(super) struct Selection {
    mode: Mode,
    needed: Members,
    bytes: [u64; 2],
    /// The snapshot to build on, when its keys can be trusted.
    previous: Option<Snapshot>,
    candidates: RoaringBitmap,
    indexes: Vec<IndexFile>,
    /// Members that lie in the vault already, outside of the previous snapshot.
    found: Members,
    found_in: BTreeSet<PackId>,
    aliases: Vec<Alias>,
    extra: Vec<ExtraPath>,
}

impl Selection {
    /// Asks the database what is needed, and the vault what it has.
    pub fn new(vault: &Vault, moment: &mut Moment<'_>, mode: Mode) -> Result<Self> {
        let (needed, bytes) = needed(moment, mode)?;
        let packs = vault.packs()?;
        let previous = previous(vault, mode)?;
        let previous = match previous {
            Some(snapshot) if trusted(&snapshot, &packs, moment)? => Some(snapshot),
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
        let mut indexes = Vec::new();
        if !candidates.is_empty() {
            indexes = open_indexes(vault, &packs)?;
        }
        Ok(Self {
            mode,
            needed,
            bytes,
            previous,
            candidates,
            indexes,
            found: Members::default(),
            found_in: BTreeSet::new(),
            aliases: Vec::new(),
            extra: Vec::new(),
        })
    }

    /// How many blobs may be new.
    pub fn candidates(&self) -> u64 {
        self.candidates.len()
    }

    /// The bytes of all blobs that are needed in a tree.
    pub fn bytes(&self, tree: Tree) -> u64 {
        self.bytes[tree as usize]
    }

    /// Hands out what has to be read, in the order of keys: what was unpacked together lies
    /// together, and compresses better.
    pub fn each_new(
        &mut self,
        moment: &mut Moment<'_>,
        progress: &dyn Progress,
        mut each: impl FnMut(Job) -> Result<()>,
    ) -> Result<()> {
        let candidates = std::mem::take(&mut self.candidates);
        let mut keys = candidates.iter();
        let mut open: BTreeMap<Tree, Job> = BTreeMap::new();
        loop {
            let batch: Vec<u32> = keys.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let mut items = Vec::with_capacity(batch.len());
            for blob in moment.blobs(&batch)? {
                match blob.name {
                    Ok(name) => items.push(Item {
                        pfile: blob.pfile,
                        name,
                        trees: self.needed.trees(blob.pfile),
                    }),
                    Err(error) => each(Job::Broken {
                        pfile: blob.pfile,
                        why: error.to_string(),
                    })?,
                }
            }
            let all = items.len();
            self.drop_known(&mut items)?;
            progress.advance((all - items.len()) as u64, 0);
            for item in items {
                if item.name.size() > LARGE {
                    each(Job::Large(item))?;
                    continue;
                }
                let class = item.class();
                let job = open.entry(class).or_insert_with(|| Job::Small(Vec::new()));
                if let Job::Small(items) = job {
                    items.push(item);
                    let bytes: u64 = items.iter().map(|item| item.name.size() + 512).sum();
                    if bytes >= JOB {
                        each(std::mem::replace(job, Job::Small(Vec::new())))?;
                    }
                }
            }
        }
        open.into_values().try_for_each(each)
    }

    /// Takes out what the vault has already.
    fn drop_known(&mut self, items: &mut Vec<Item>) -> Result<()> {
        items.sort_unstable_by_key(|item| item.name);
        let mut merge = IndexMerge::new(&self.indexes)?;
        let mut left: Vec<Item> = Vec::with_capacity(items.len());
        for item in items.drain(..) {
            if left.last().is_some_and(|last| last.name == item.name) {
                // Two keys of one blob: it is packed once, under the first.
                self.aliases.push(Alias {
                    pfile: item.pfile,
                    name: item.name,
                });
                self.found.insert(item.pfile, item.trees);
                continue;
            }
            match merge.seek(&item.name)? {
                Some((index, _, record)) if record.name == item.name => {
                    self.found.insert(item.pfile, item.trees);
                    self.found_in.insert(self.indexes[index].pack());
                    if record.pfile != item.pfile {
                        self.aliases.push(Alias {
                            pfile: item.pfile,
                            name: item.name,
                        });
                    }
                    let lacking = item.trees.without(record.trees);
                    self.extra.extend(lacking.iter().map(|tree| ExtraPath {
                        pfile: item.pfile,
                        name: item.name,
                        tree,
                    }));
                }
                _ => left.push(item),
            }
        }
        left.sort_unstable_by_key(|item| item.pfile);
        *items = left;
        Ok(())
    }

    /// What the snapshot holds, given what was packed.
    pub fn members(&self, packed: &Members) -> Members {
        let mut members = match &self.previous {
            Some(previous) => previous.members.common(&self.needed),
            None => Members::default(),
        };
        for tree in Tree::ALL {
            *members.of_mut(tree) |= self.found.of(tree) | packed.of(tree);
        }
        members.optimize();
        members
    }

    /// The aliases and extra paths of the snapshot's members.
    pub fn side_notes(&self, members: &Members) -> (Vec<Alias>, Vec<ExtraPath>) {
        let earlier = self.previous.iter();
        let mut aliases: BTreeMap<u32, Alias> = earlier
            .clone()
            .flat_map(|snapshot| &snapshot.aliases)
            .chain(&self.aliases)
            .map(|alias| (alias.pfile, *alias))
            .collect();
        aliases.retain(|pfile, _| !members.trees(*pfile).is_empty());
        let mut extra: BTreeMap<(u32, Tree), ExtraPath> = earlier
            .flat_map(|snapshot| &snapshot.extra)
            .chain(&self.extra)
            .map(|extra| ((extra.pfile, extra.tree), *extra))
            .collect();
        extra.retain(|(pfile, tree), _| members.of(*tree).contains(*pfile));
        (
            aliases.into_values().collect(),
            extra.into_values().collect(),
        )
    }

    /// The packs that the snapshot needs.
    pub fn packs(&self, vault: &Vault, members: &Members, new: &[PackRef]) -> Result<Vec<PackRef>> {
        let grown = self.previous.as_ref().filter(|previous| {
            previous.mode == self.mode && previous.members.without(members) == Members::default()
        });
        if let Some(previous) = grown {
            // Nothing was deleted, so the earlier packs are still needed.
            let mut packs: BTreeMap<PackId, PackRef> = previous
                .packs
                .iter()
                .chain(new)
                .map(|pack| (pack.id, *pack))
                .collect();
            for index in self
                .indexes
                .iter()
                .filter(|index| self.found_in.contains(&index.pack()))
            {
                packs.insert(index.pack(), pack_ref(index));
            }
            return Ok(packs.into_values().collect());
        }
        let (aliases, _) = self.side_notes(members);
        let aliases: HashSet<PfileName> = aliases.iter().map(|alias| alias.name).collect();
        let any = members.any();
        let mut packs = Vec::new();
        for index in open_indexes(vault, &vault.packs()?)? {
            let mut needed = false;
            index.for_each(|_, record| {
                needed |= any.contains(record.pfile) || aliases.contains(&record.name);
            })?;
            if needed {
                packs.push(pack_ref(&index));
            }
        }
        Ok(packs)
    }

    /// What the next backup needs to trust this one's keys.
    pub fn mark(
        &self,
        moment: &mut Moment<'_>,
        members: &Members,
        highest: usize,
    ) -> Result<CatalogueMark> {
        let (table, sequence) = moment.identity()?;
        let keys: Vec<u32> = members.any().iter().rev().take(highest).collect();
        let highest = moment
            .blobs(&keys)?
            .into_iter()
            .filter_map(|blob| {
                Some(Alias {
                    pfile: blob.pfile,
                    name: blob.name.ok()?,
                })
            })
            .collect();
        Ok(CatalogueMark {
            table,
            sequence,
            highest,
        })
    }
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
fn trusted(snapshot: &Snapshot, packs: &[PackInfo], moment: &mut Moment<'_>) -> Result<bool> {
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

/// The indexes of all packs; one that is lost or damaged is made again from its pack. A pack that
/// cannot be used is passed over: its blobs count as new.
fn open_indexes(vault: &Vault, packs: &[PackInfo]) -> Result<Vec<IndexFile>> {
    let mut indexes = Vec::with_capacity(packs.len());
    for pack in packs {
        let storage = vault.storage();
        let opened = IndexFile::open(storage.clone(), pack.id).or_else(|error| {
            log::warn!("{error}; making the index again");
            rebuild_index(storage, pack)?;
            IndexFile::open(storage.clone(), pack.id)
        });
        match opened {
            Ok(index) if index.pack_size() == pack.size => indexes.push(index),
            Ok(_) => log::warn!(
                "pack {} is cut and not built on; 'fo_backup verify' names what it hits",
                pack.id
            ),
            Err(error) if error.is_damage() => {
                log::warn!("pack {} is not built on: {error}", pack.id)
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(indexes)
}

fn pack_ref(index: &IndexFile) -> PackRef {
    PackRef {
        id: index.pack(),
        size: index.pack_size(),
        blobs: index.count(),
        tree: index.class(),
    }
}

impl Item {
    /// The kind of pack that the blob goes into.
    pub fn class(&self) -> Tree {
        if self.trees.contains(Tree::Gold) {
            Tree::Gold
        } else {
            Tree::Files
        }
    }
}

/// Where a blob lies, as paths in a pack: first its place in gold, if it has one.
pub(super) fn places(
    layout: &crate::fossology::repository::Layout,
    name: &PfileName,
    trees: TreeSet,
) -> Vec<(Tree, String)> {
    trees
        .iter()
        .map(|tree| {
            (
                tree,
                layout.relative_path(layout.write_host(tree, name), tree, name),
            )
        })
        .collect()
}
