// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What travels: the packs with their indexes, and the chunks, that a snapshot names and the far
//! side lacks or has in part, several at once. An object that is not what its name says does not travel: the
//! snapshots that need it stay behind, and the others go on.

use super::report::{Hurt, Report, Tally};
use super::there::There;
use crate::operations::{Context, Error, Result, workers};
use crate::threads;
use crate::vault::{ChunkId, Error as VaultError, IndexFile, PackRef, Snapshot, Vault};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something that a snapshot needs.
#[derive(Clone, Copy)]
enum Item {
    Pack(PackRef),
    /// Of a pack that is there.
    Index(PackRef),
    Chunk(ChunkId),
}

/// A copy on its way.
pub(super) struct Transfer<'a> {
    vault: &'a Vault,
    far: &'a Vault,
    threads: usize,
    context: Context<'a>,
    /// The chunks here, with their sizes as they are stored.
    near: &'a HashMap<ChunkId, u64>,
    /// What the far side has.
    there: There,
    /// Whether something has gone there since that was asked.
    went: bool,
    /// Chunks there that have another size than here and are whole all the same.
    other_but_whole: HashSet<ChunkId>,
    /// What cannot be copied, with the reason.
    hurt: BTreeMap<String, String>,
    copied_packs: Tally,
    copied_chunks: Tally,
}

impl<'a> Transfer<'a> {
    /// Asks the far side what it has.
    pub fn new(
        vault: &'a Vault,
        far: &'a Vault,
        near: &'a HashMap<ChunkId, u64>,
        threads: usize,
        context: Context<'a>,
    ) -> Result<Self> {
        // Whoever waits for a network may as well wait for several things.
        let at_once = [vault, far].map(|of| of.storage().side_by_side());
        Ok(Self {
            vault,
            far,
            threads: at_once.into_iter().fold(threads, usize::max),
            context,
            near,
            there: There::list(far)?,
            went: false,
            other_but_whole: HashSet::new(),
            hurt: BTreeMap::new(),
            copied_packs: Tally::default(),
            copied_chunks: Tally::default(),
        })
    }

    /// Brings all that a snapshot needs. `false` when something of it cannot be copied.
    pub fn bring(&mut self, snapshot: &Snapshot) -> Result<bool> {
        let chunks: BTreeSet<ChunkId> = snapshot
            .streams()
            .flat_map(|(_, stream)| stream.chunks.iter().copied())
            .collect();
        // Packs first: they take longest.
        let packs = snapshot.packs.iter().filter_map(|pack| {
            match (self.there.has_pack(pack), self.there.has_index(pack)) {
                (true, true) => None,
                (true, false) => Some(Item::Index(*pack)),
                (false, _) => Some(Item::Pack(*pack)),
            }
        });
        // Which of two sizes is right only the content tells. An encrypted chunk may have two: it is longer
        // with more recipients.
        let differs = |id: &ChunkId, size: u64| {
            self.far.is_readable()
                && self.near.get(id).is_some_and(|near| size != *near)
                && !self.other_but_whole.contains(id)
        };
        let wrong = |id: &&ChunkId| {
            let there = self.there.chunk(id);
            there.is_none_or(|size| differs(id, size))
        };
        let items: Vec<Item> = packs
            .chain(chunks.iter().filter(wrong).map(|id| Item::Chunk(*id)))
            .filter(|item| !self.hurt.contains_key(&item.name()))
            .collect();
        if !items.is_empty() {
            let sizes = items.iter().map(|item| match item {
                Item::Pack(pack) => pack.size,
                Item::Index(_) | Item::Chunk(_) => 0,
            });
            let progress = self.context.progress;
            progress.begin("copying", items.len() as u64, sizes.sum());
            self.went = true;
            self.send_all(&items)?;
            progress.end();
        }
        let is_hurt = |id: &ChunkId| self.hurt.contains_key(&Item::Chunk(*id).name());
        Ok(self.there.lacks(snapshot).is_none() && !chunks.iter().any(is_hurt))
    }

    /// Asks the far side once more, when something has gone there since: whether all that a snapshot
    /// needs is listed, as it will be for whoever needs it.
    pub fn confirm(&mut self, snapshot: &Snapshot) -> Result<bool> {
        if self.went {
            self.there = There::list(self.far)?;
            self.went = false;
        }
        let lacks = self.there.lacks(snapshot);
        if let Some(why) = &lacks {
            let why = format!("all was sent, and {why} in a listing of the far side");
            self.hurt.insert(snapshot.id.to_string(), why);
        }
        Ok(lacks.is_none())
    }

    fn send_all(&mut self, items: &[Item]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let this = &*self;
        let work = || -> Result<()> {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else {
                    return Ok(());
                };
                let sent = match this.send(item) {
                    Ok(bytes) => Ok(bytes),
                    Err(Error::Vault(error)) if error.is_damage() => Err(error.to_string()),
                    Err(error) => {
                        // The others finish what they have and stop.
                        next.store(items.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                };
                this.context.progress.advance(1, 0);
                let mut done = done.lock().unwrap_or_else(|error| error.into_inner());
                done.push((*item, sent));
            }
        };
        let count = self.threads.clamp(1, items.len().max(1));
        let results: Vec<Result<()>> = threads::together("copying", count, work);
        for (item, sent) in done.into_inner().unwrap_or_else(|error| error.into_inner()) {
            match sent {
                Ok(bytes) => {
                    let tally = match item {
                        Item::Pack(pack) => {
                            self.there.add_pack(&pack);
                            &mut self.copied_packs
                        }
                        Item::Index(pack) => {
                            self.there.add_index(&pack);
                            continue;
                        }
                        Item::Chunk(id) => match bytes {
                            None => {
                                self.other_but_whole.insert(id);
                                continue;
                            }
                            Some(bytes) => {
                                self.there.add_chunk(id, bytes);
                                &mut self.copied_chunks
                            }
                        },
                    };
                    tally.count += 1;
                    tally.bytes += bytes.unwrap_or(0);
                }
                Err(why) => {
                    self.hurt.insert(item.name(), why);
                }
            }
        }
        workers::reason(results)
    }

    /// Sends something, and gives back its bytes; `None` when what is there is good as it is.
    fn send(&self, item: &Item) -> Result<Option<u64>> {
        self.context.stop.check()?;
        match item {
            Item::Chunk(id) => {
                if self.there.chunk(id).is_some() && self.is_whole_there(*id)? {
                    return Ok(None);
                }
                Ok(Some(self.far.take_chunk(self.vault, *id)?))
            }
            Item::Index(pack) => {
                self.verify_index(pack)?;
                self.far.take_index(self.vault, pack.id)?;
                Ok(Some(0))
            }
            Item::Pack(pack) => {
                self.verify_index(pack)?;
                let mut interrupted = Ok(());
                let bytes = self
                    .far
                    .take_pack(self.vault, pack.id, pack.size, |bytes| {
                        self.context.progress.advance(0, bytes);
                        interrupted = self.context.stop.check();
                        interrupted.is_ok()
                    })?;
                interrupted?;
                Ok(Some(bytes))
            }
        }
    }

    /// Whether a chunk there is what its name says.
    fn is_whole_there(&self, id: ChunkId) -> Result<bool> {
        match self.far.chunks().packed(id) {
            Ok(_) => Ok(true),
            Err(error) if error.is_damage() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn verify_index(&self, pack: &PackRef) -> Result<()> {
        let key = pack.id.index_key();
        let unread = |error: VaultError| error.of_reading(&key);
        let index = IndexFile::open(self.vault.storage().clone(), pack.id).map_err(unread)?;
        index.verify().map_err(unread)?;
        if index.pack_size() == pack.size && index.count() == pack.blobs {
            return Ok(());
        }
        let why = "it is the index of another pack than the snapshot names";
        Err(VaultError::damaged(&key, why).into())
    }

    /// Hands over what was done.
    pub fn finish(self, report: &mut Report) {
        report.packs = self.copied_packs;
        report.chunks = self.copied_chunks;
        report.hurt = self
            .hurt
            .into_iter()
            .map(|(object, why)| Hurt { object, why })
            .collect();
    }
}

impl Item {
    fn name(&self) -> String {
        match self {
            Self::Pack(pack) => pack.id.key().to_string(),
            Self::Index(pack) => pack.id.index_key().to_string(),
            Self::Chunk(id) => id.key().to_string(),
        }
    }
}
