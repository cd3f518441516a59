// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which blobs have to be read? Of what may be new, the names are looked up in the vault's
//! indexes, which also finds what an interrupted backup has packed; the rest is read, as far as it
//! lies on the repository hosts that are asked for.

use super::listing::Listing;
use super::packer::{Item, Job};
use crate::blob::{HostName, PfileName, Tree, TreeSet};
use crate::fossology::catalogue::Needed;
use crate::fossology::repository::{Layout, Reader};
use crate::operations::{Error, Progress, Result};
use crate::vault::{
    Alias, ExtraPath, FRAME_TARGET, IndexFile, IndexMerge, LARGE, Members, PackId, PackInfo,
    PackRef, Vault, rebuild_index,
};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};

/// How many names are asked for at once.
const BATCH: usize = 32_768;

/// How many bytes a worker takes at once: enough blobs to hash side by side.
const JOB: u64 = 4 * FRAME_TARGET as u64;

/// Where names come from, by keys; a key whose row is gone is left out.
pub(super) type Names<'a> = dyn FnMut(&[u32]) -> Result<Vec<Needed>> + 'a;

/// Looks for what has to be read, and keeps what the vault has already.
pub(super) struct Selection<'a> {
    needed: &'a Members,
    candidates: &'a RoaringBitmap,
    share: Share<'a>,
    indexes: Vec<IndexFile>,
    found_in: BTreeSet<PackId>,
    found: Found,
}

/// Members that lie in the vault already, outside of the snapshot that is built on.
#[derive(Default)]
pub(super) struct Found {
    pub members: Members,
    pub packs: Vec<PackRef>,
    pub aliases: Vec<Alias>,
    pub extra: Vec<ExtraPath>,
}

impl<'a> Selection<'a> {
    /// Opens the vault's indexes, if anything may be new.
    pub fn new(
        vault: &Vault,
        listing: &'a Listing,
        candidates: &'a RoaringBitmap,
        share: Share<'a>,
    ) -> Result<Self> {
        let mut indexes = Vec::new();
        if !candidates.is_empty() {
            indexes = open_indexes(vault, &vault.packs()?)?;
        }
        Ok(Self {
            needed: &listing.needed,
            candidates,
            share,
            indexes,
            found_in: BTreeSet::new(),
            found: Found::default(),
        })
    }

    /// Hands out what has to be read, in the order of keys: what was unpacked together lies
    /// together, and compresses better.
    pub fn each_new(
        &mut self,
        names: &mut Names<'_>,
        progress: &dyn Progress,
        mut each: impl FnMut(Job) -> Result<()>,
    ) -> Result<()> {
        let mut keys = self.candidates.iter();
        let mut open: BTreeMap<Tree, Job> = BTreeMap::new();
        loop {
            let batch: Vec<u32> = keys.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let mut items = Vec::with_capacity(batch.len());
            let mut others = batch.len();
            for blob in names(&batch)? {
                match blob.name {
                    Ok(name) => {
                        let item = Item {
                            pfile: blob.pfile,
                            name,
                            trees: self.needed.trees(blob.pfile),
                        };
                        if self.share.holds(&item)? {
                            items.push(item);
                        }
                    }
                    Err(error) => {
                        others -= 1;
                        each(Job::Broken {
                            pfile: blob.pfile,
                            why: error.to_string(),
                        })?;
                    }
                }
            }
            self.drop_known(&mut items)?;
            progress.advance((others - items.len()) as u64, 0);
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
        let found = &mut self.found;
        let mut left: Vec<Item> = Vec::with_capacity(items.len());
        for item in items.drain(..) {
            if left.last().is_some_and(|last| last.name == item.name) {
                // Two keys of one blob: it is packed once, under the first.
                found.aliases.push(Alias {
                    pfile: item.pfile,
                    name: item.name,
                });
                found.members.insert(item.pfile, item.trees);
                continue;
            }
            match merge.seek(&item.name)? {
                Some((index, _, record)) if record.name == item.name => {
                    found.members.insert(item.pfile, item.trees);
                    self.found_in.insert(self.indexes[index].pack());
                    if record.pfile != item.pfile {
                        found.aliases.push(Alias {
                            pfile: item.pfile,
                            name: item.name,
                        });
                    }
                    let lacking = item.trees.without(record.trees);
                    found.extra.extend(lacking.iter().map(|tree| ExtraPath {
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

    /// What the vault had.
    pub fn found(mut self) -> Found {
        let used = |index: &&IndexFile| self.found_in.contains(&index.pack());
        self.found.packs = self.indexes.iter().filter(used).map(PackRef::of).collect();
        self.found
    }
}

/// Which blobs lie on some repository hosts.
///
/// A blob belongs to the host of the first place that has it, in the tree that it is read from
/// first; what no place has belongs to the first place. Where the places of a blob lie on different
/// hosts, the repository is looked at: what cannot be seen from here does not count, so in the
/// worst case two parts pack the same blob.
pub(super) struct Share<'a> {
    layout: &'a Layout,
    reader: &'a Reader,
    /// All of them when there are none here.
    hosts: Option<&'a [Option<HostName>]>,
    /// The roots that were seen to exist.
    there: BTreeSet<(Tree, Option<HostName>)>,
}

impl<'a> Share<'a> {
    /// What lies on these hosts; everything without.
    pub fn new(
        layout: &'a Layout,
        reader: &'a Reader,
        hosts: Option<&'a [Option<HostName>]>,
    ) -> Self {
        Self {
            layout,
            reader,
            hosts,
            there: BTreeSet::new(),
        }
    }

    /// Whether a blob lies on one of them.
    fn holds(&mut self, item: &Item) -> Result<bool> {
        let Some(hosts) = self.hosts else {
            return Ok(true);
        };
        let tree = item.class();
        let ours = |host: Option<&HostName>| hosts.iter().any(|ours| ours.as_ref() == host);
        let mut places = self.layout.read_hosts(tree, &item.name).map(ours);
        let first = places.next().unwrap_or_default();
        if places.all(|other| other == first) {
            if first {
                self.expect_there(tree, item)?;
            }
            return Ok(first);
        }
        match self.reader.lies_on(tree, &item.name) {
            Some(root) => Ok(ours(root.host.as_ref())),
            None if first => self.expect_there(tree, item).map(|()| true),
            None => Ok(false),
        }
    }

    /// A host whose storage is not here would make all of its blobs look lost.
    fn expect_there(&mut self, tree: Tree, item: &Item) -> Result<()> {
        let host = self.layout.write_host(tree, &item.name);
        let key = (tree, host.cloned());
        if self.there.contains(&key) {
            return Ok(());
        }
        let mut roots = self.layout.roots().iter();
        let root = roots.find(|root| root.tree == tree && root.host.as_ref() == host);
        match root {
            Some(root) if !root.path.is_dir() => Err(Error::NoStorage {
                host: host.map_or_else(|| "(none)".to_owned(), HostName::to_string),
                path: root.path.clone(),
            }),
            _ => {
                self.there.insert(key);
                Ok(())
            }
        }
    }
}

/// The indexes of some packs; one that is lost or damaged is made again from its pack. A pack that
/// cannot be used is passed over: its blobs count as new.
pub(super) fn open_indexes(vault: &Vault, packs: &[PackInfo]) -> Result<Vec<IndexFile>> {
    let mut indexes = Vec::with_capacity(packs.len());
    for pack in packs {
        let storage = vault.storage();
        let opened = IndexFile::open(storage.clone(), pack.id).or_else(|error| {
            // What this host cannot do at the moment says nothing about the index.
            if !error.is_damage() {
                return Err(error);
            }
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
            // Making an index again takes the private key, which a host need not have.
            Err(error) if error.is_damage() || error.is_about_keys() => {
                log::warn!("pack {} is not built on: {error}", pack.id)
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(indexes)
}

/// Of these names, those whose blobs lie in a pack that a backup builds on.
///
/// # Errors
/// When the vault does not answer.
pub(in crate::operations) fn held(
    vault: &Vault,
    mut names: Vec<PfileName>,
) -> Result<BTreeSet<PfileName>> {
    names.sort_unstable();
    let indexes = open_indexes(vault, &vault.packs()?)?;
    let mut merge = IndexMerge::new(&indexes)?;
    let mut held = BTreeSet::new();
    for name in names {
        if let Some((_, _, record)) = merge.seek(&name)?
            && record.name == name
        {
            held.insert(name);
        }
    }
    Ok(held)
}

impl Item {
    /// The kind of pack that the blob goes into, and the tree that it is read from first.
    pub fn class(&self) -> Tree {
        if self.trees.contains(Tree::Gold) {
            Tree::Gold
        } else {
            Tree::Files
        }
    }
}

/// Where a blob lies, as paths in a pack: first its place in gold, if it has one.
pub(super) fn places(layout: &Layout, name: &PfileName, trees: TreeSet) -> Vec<(Tree, String)> {
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
