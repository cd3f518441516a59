// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What travels: the packs with their indexes, and the chunks, that a snapshot names and the far
//! side lacks, several at once. An object that is not what its name says does not travel: the
//! snapshots that need it stay behind, and the others go on.

use super::report::{Hurt, Report, Tally};
use crate::operations::{Context, Error, Result};
use crate::vault::{ChunkId, Error as VaultError, IndexFile, PackId, PackRef, Snapshot, Vault};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something that a snapshot needs.
#[derive(Clone, Copy)]
enum Item {
    Pack(PackRef),
    Chunk(ChunkId),
}

/// A copy on its way.
pub(super) struct Transfer<'a> {
    vault: &'a Vault,
    far: &'a Vault,
    threads: usize,
    context: Context<'a>,
    /// What the far side has.
    packs: HashSet<PackId>,
    chunks: HashSet<ChunkId>,
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
        threads: usize,
        context: Context<'a>,
    ) -> Result<Self> {
        let here: BTreeMap<PackId, u64> = vault
            .packs()?
            .into_iter()
            .map(|pack| (pack.id, pack.size))
            .collect();
        // A pack of another size was cut on its way there by other means: it is sent again.
        let packs = far
            .packs()?
            .into_iter()
            .filter(|pack| pack.indexed && here.get(&pack.id).is_none_or(|size| *size == pack.size))
            .map(|pack| pack.id)
            .collect();
        let chunks = far.chunks().ids()?.into_iter().collect();
        Ok(Self {
            vault,
            far,
            threads,
            context,
            packs,
            chunks,
            hurt: BTreeMap::new(),
            copied_packs: Tally::default(),
            copied_chunks: Tally::default(),
        })
    }

    /// Tells how much there is to do for these snapshots.
    pub fn begin<'s>(&self, snapshots: impl Iterator<Item = &'s Snapshot>) {
        let (mut packs, mut chunks) = (BTreeMap::new(), BTreeSet::new());
        for snapshot in snapshots {
            packs.extend(snapshot.packs.iter().map(|pack| (pack.id, pack.size)));
            for (_, stream) in snapshot.streams() {
                chunks.extend(&stream.chunks);
            }
        }
        packs.retain(|id, _| !self.packs.contains(id));
        chunks.retain(|id| !self.chunks.contains(id));
        let items = packs.len() + chunks.len();
        let progress = self.context.progress;
        progress.begin("copying", items as u64, packs.values().sum());
    }

    /// Brings all that a snapshot needs. `false` when something of it cannot be copied.
    pub fn bring(&mut self, snapshot: &Snapshot) -> Result<bool> {
        let mut chunks: BTreeSet<ChunkId> = BTreeSet::new();
        for (_, stream) in snapshot.streams() {
            chunks.extend(&stream.chunks);
        }
        let packs = snapshot
            .packs
            .iter()
            .filter(|pack| !self.packs.contains(&pack.id));
        // Packs first: they take longest.
        let items: Vec<Item> = packs
            .map(|pack| Item::Pack(*pack))
            .chain(
                chunks
                    .into_iter()
                    .filter(|id| !self.chunks.contains(id))
                    .map(Item::Chunk),
            )
            .filter(|item| !self.hurt.contains_key(&item.name()))
            .collect();
        self.send_all(&items)?;
        let packs = snapshot
            .packs
            .iter()
            .all(|pack| self.packs.contains(&pack.id));
        let mut streams = snapshot.streams();
        let chunks =
            streams.all(|(_, stream)| stream.chunks.iter().all(|id| self.chunks.contains(id)));
        Ok(packs && chunks)
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
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads.clamp(1, items.len().max(1)))
                .map(|_| scope.spawn(work))
                .collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().map(join).collect()
        });
        for (item, sent) in done.into_inner().unwrap_or_else(|error| error.into_inner()) {
            match sent {
                Ok(bytes) => {
                    let tally = match item {
                        Item::Pack(pack) => {
                            self.packs.insert(pack.id);
                            &mut self.copied_packs
                        }
                        Item::Chunk(id) => {
                            self.chunks.insert(id);
                            &mut self.copied_chunks
                        }
                    };
                    tally.count += 1;
                    tally.bytes += bytes;
                }
                Err(why) => {
                    self.hurt.insert(item.name(), why);
                }
            }
        }
        results.into_iter().collect()
    }

    fn send(&self, item: &Item) -> Result<u64> {
        self.context.stop.check()?;
        match item {
            Item::Chunk(id) => Ok(self.far.take_chunk(self.vault, *id)?),
            Item::Pack(pack) => {
                let index = IndexFile::open(self.vault.storage().clone(), pack.id)?;
                index.verify()?;
                if index.pack_size() != pack.size || index.count() != pack.blobs {
                    return Err(VaultError::damaged(
                        &pack.id.index_key(),
                        "it is the index of another pack than the snapshot names",
                    )
                    .into());
                }
                let mut interrupted = Ok(());
                let bytes = self
                    .far
                    .take_pack(self.vault, pack.id, pack.size, |bytes| {
                        self.context.progress.advance(0, bytes);
                        interrupted = self.context.stop.check();
                        interrupted.is_ok()
                    })?;
                interrupted?;
                Ok(bytes)
            }
        }
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
            Self::Chunk(id) => id.key().to_string(),
        }
    }
}
