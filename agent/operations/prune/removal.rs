// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The removal, folder by folder, in batches of some thousand files. The order within a batch is
//! what makes it safe at every instant:
//!
//! 1. the lock on the repository's files is taken alone: no backup, recovery or restore is at work;
//! 2. the job queue is held: no job begins until the batch is done;
//! 3. what uploads need that have come or got a job since the plan was made is spared;
//! 4. that the blobs are pruned is entered and durable;
//! 5. their files go.
//!
//! Killed between 4 and 5, some files are still there although they are known as pruned: the
//! batches say which, and the next run counts them as there again. Batches are forgotten when all
//! that was removed is synced. Killed anywhere else, nothing has happened, or nothing is left to do.

use super::policy::Policy;
use super::proof::Known;
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::{self, Moment};
use crate::fossology::database;
use crate::fossology::own::{self, BlobState, Files, pruning};
use crate::fossology::repository::{Reader, Remover};
use crate::operations::recover::{Amount, cannot_look};
use crate::operations::{Context, Instance, Result, workers};
use crate::threads;
use postgres::{Client, GenericClient};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many files a batch has at most: about a second's work on a slow disk.
const BATCH: usize = 4096;

/// Up to so many blobs their names are asked for by their keys, not by going through all.
const FEW: u64 = 65_536;

/// How many files a thread takes at once: neighbours lie in the same folders.
const PIECE: usize = 128;

/// What is removed, and by which rules.
pub(super) struct Removal<'a> {
    pub instance: &'a Instance,
    pub policy: &'a Policy,
    pub known: &'a Known,
    /// The uploads that the plan has seen, and that it held.
    pub planned: &'a [i32],
    pub held: &'a BTreeSet<i32>,
    pub threads: usize,
    pub context: Context<'a>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Removed {
    pub amount: Amount,
    pub was_absent: u64,
    pub spared: u64,
    pub postponed: Option<String>,
    /// Uploads that came or got a job meanwhile and need something of what was removed.
    pub missed: Vec<i32>,
}

/// What a removal works with.
struct Work<'a> {
    /// Holds the lock of pruning.
    client: &'a mut Client,
    /// Holds the job queue.
    queue: Client,
    remover: Remover,
    gone: RoaringBitmap,
    removed: Removed,
}

impl Removal<'_> {
    /// Removes these blobs. The client holds the lock of pruning.
    pub fn run(&self, client: &mut Client, removable: &RoaringBitmap) -> Result<Removed> {
        let layout = self.instance.config.layout.clone();
        let mut work = Work {
            queue: self.instance.connect("prune queue")?,
            remover: Remover::new(layout, self.policy.empty_folders)?,
            gone: RoaringBitmap::new(),
            removed: Removed::default(),
            client,
        };
        let progress = self.context.progress;
        progress.begin("removing", removable.len(), 0);
        let result = self.all(&mut work, removable);
        progress.end();
        progress.begin("syncing to disk", 0, 0);
        work.remover.sync()?;
        progress.end();
        // Also after a failure: then not all of the last batch is gone.
        settle(self.instance, work.client, result.is_ok())?;
        result?;
        // What came while the last batch was removed. What is to be deleted needs nothing any more.
        let doomed = catalogue::doomed_uploads(&mut work.queue)?;
        let mut came = self.intruders(&mut work.queue)?;
        came.retain(|upload| !doomed.contains(upload));
        for upload in came {
            let needs = catalogue::keys_by_any_row(&mut work.queue, upload)?;
            if needs.iter().any(|key| work.gone.contains(*key)) {
                work.removed.missed.push(upload);
            }
        }
        Ok(work.removed)
    }

    fn all(&self, work: &mut Work<'_>, removable: &RoaringBitmap) -> Result<()> {
        let mut catalogue = self.instance.connect("prune catalogue")?;
        if removable.len() <= FEW {
            let keys: Vec<u32> = removable.iter().collect();
            let blobs = catalogue::blobs(&mut catalogue, &keys)?;
            let named = blobs.into_iter();
            let names = named.filter_map(|blob| Some((blob.name.ok()?, blob.pfile)));
            return self.batches(work, names.collect());
        }
        for first in 0..=u8::MAX {
            let mut names = Vec::new();
            let mut moment = Moment::begin(&mut catalogue)?;
            moment.names_from(first, |key, name| {
                if removable.contains(key) {
                    names.push((name, key));
                }
            })?;
            moment.end()?;
            self.batches(work, names)?;
            if work.removed.postponed.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// In the order of names, which is that of folders.
    fn batches(&self, work: &mut Work<'_>, mut names: Vec<(PfileName, u32)>) -> Result<()> {
        names.sort_unstable();
        for batch in names.chunks(BATCH) {
            self.context.stop.check()?;
            match own::hold_files(work.client, Files::Alone) {
                Ok(()) => {}
                // Somebody else works on the files: the rest is for the next run.
                Err(error @ database::Error::Locked(_)) if !work.gone.is_empty() => {
                    work.removed.postponed = Some(error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            let done = self.batch(work, batch);
            own::release_files(work.client, Files::Alone)?;
            done?;
            if work.removed.postponed.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn batch(&self, work: &mut Work<'_>, names: &[(PfileName, u32)]) -> Result<()> {
        let failed = database::Error::sql("holding the job queue");
        let mut step = work.queue.transaction().map_err(&failed)?;
        if !catalogue::hold_queue(&mut step)? {
            work.removed.postponed = Some("the job queue was held by somebody else".into());
            return Ok(());
        }
        let mut keys: RoaringBitmap = names.iter().map(|(_, key)| *key).collect();
        let planned = keys.len();
        for upload in self.intruders(&mut step)? {
            for key in catalogue::keys_by_any_row(&mut step, upload)? {
                keys.remove(key);
            }
        }
        let blobs = self.known.by_proof(&keys);
        let entered = pruning::begin_batch(work.client, &self.policy.name, &blobs)?;
        work.removed.spared += planned - entered.len();
        work.gone |= &entered;
        let names: Vec<PfileName> = names
            .iter()
            .filter(|(_, key)| entered.contains(*key))
            .map(|(name, _)| *name)
            .collect();
        let result = self.unlink(&work.remover, &names, &mut work.removed);
        step.rollback().map_err(failed)?;
        result
    }

    /// The files go; several threads, each in folders of its own.
    fn unlink(&self, remover: &Remover, names: &[PfileName], removed: &mut Removed) -> Result<()> {
        let next = AtomicUsize::new(0);
        let (files, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let threads = self.threads.clamp(1, names.len().div_ceil(PIECE).max(1));
        let results = threads::together("removing", threads, || -> Result<()> {
            loop {
                let from = next.fetch_add(PIECE, Ordering::Relaxed);
                let piece = names.iter().skip(from).take(PIECE);
                if piece.len() == 0 {
                    return Ok(());
                }
                let (mut gone, mut size) = (0, 0);
                let count = piece.len() as u64;
                for name in piece {
                    if remover.remove(name)? {
                        gone += 1;
                        size += name.size();
                    }
                }
                files.fetch_add(gone, Ordering::Relaxed);
                bytes.fetch_add(size, Ordering::Relaxed);
                self.context.progress.advance(count, size);
            }
        });
        let result = workers::reason(results);
        let gone = files.into_inner();
        removed.amount.join(Amount {
            blobs: gone,
            bytes: bytes.into_inner(),
        });
        if result.is_ok() {
            removed.was_absent += names.len() as u64 - gone;
        }
        result
    }

    /// Uploads that have come since the plan was made, or have got a job.
    fn intruders(&self, client: &mut impl GenericClient) -> Result<Vec<i32>> {
        let mut intruders = catalogue::other_uploads(client, self.planned)?;
        let busy = catalogue::busy_uploads(client)?;
        intruders.extend(busy.difference(self.held));
        intruders.sort_unstable();
        intruders.dedup();
        Ok(intruders)
    }
}

/// Ends batches. Unless all of them are known to be done, their files are looked for: what is there
/// is not pruned after all. Gives how many those are. The client holds the lock of pruning.
pub(super) fn settle(instance: &Instance, client: &mut Client, done: bool) -> Result<u64> {
    let (left, last) = pruning::left_over_batches(client)?;
    let mut there = 0;
    if !done && !left.is_empty() {
        let reader = Reader::new(instance.config.layout.clone())?;
        let keys: Vec<u32> = left.iter().collect();
        for some in keys.chunks(BATCH) {
            let mut still = Vec::new();
            for blob in catalogue::blobs(client, some)? {
                if let Ok(name) = blob.name
                    && reader.has(Tree::Files, &name).map_err(cannot_look)?
                {
                    still.push(blob.pfile);
                }
            }
            there += own::clear_state(client, BlobState::Pruned, &still)?;
        }
    }
    pruning::forget_batches(client, last)?;
    Ok(there)
}
