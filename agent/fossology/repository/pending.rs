// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Blobs that are written and have no name yet. A file system may remember a name before it has
//! stored the content, so a power cut could leave empty files under the names of blobs, and FOSSology
//! would read them. So blobs get their names in batches, each after one sync: whatever has a blob's
//! name is that blob, at any instant. What dies before leaves `.I` files of at most a batch.

use super::super::{Error, Result};
use super::importer::Importer;
use crate::blob::PfileName;
use nix::fcntl::renameat;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many blobs get their names together at most.
pub const MOST: usize = 8192;

/// With how many bytes at most, but for the last one's.
const MOST_BYTES: u64 = 256 << 20;

/// A blob that was written, closed, and has no name yet.
#[derive(Debug)]
pub struct Written {
    pub root: usize,
    pub name: PfileName,
    /// What makes its partial file's name its own.
    pub random: u64,
    /// The roots into which it is linked then.
    pub others: Vec<usize>,
}

/// The blobs of an importer that have no names yet.
#[derive(Debug, Default)]
pub struct Pending {
    waiting: Mutex<(Vec<Written>, u64)>,
    /// One did not get its name. Who let it be imported was told that all is well.
    failed: AtomicBool,
}

impl Pending {
    /// Takes one more; gives back a batch when it is full.
    fn add(&self, blob: Written) -> Vec<Written> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1 += blob.name.size();
        waiting.0.push(blob);
        if waiting.0.len() < MOST && waiting.1 < MOST_BYTES {
            return Vec::new();
        }
        std::mem::take(&mut *waiting).0
    }

    fn take(&self) -> Vec<Written> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting).0
    }
}

impl Importer {
    /// Lets a blob wait for its name.
    pub(super) fn put(&self, blob: Written) -> Result<()> {
        self.place(self.pending.add(blob))
    }

    /// Gives all that waits its name.
    pub(super) fn place_all(&self) -> Result<()> {
        loop {
            let batch = self.pending.take();
            if batch.is_empty() {
                break;
            }
            // Copies to other file systems wait in their turn.
            self.place(batch)?;
        }
        if self.pending.failed.load(Ordering::Acquire) {
            let source = io::Error::other("a blob could not be put in its place");
            let path = self.trees.layout().path();
            return Err(Error::write(path.to_owned(), source));
        }
        Ok(())
    }

    /// Makes the content durable, then gives the names.
    fn place(&self, batch: Vec<Written>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut result = self.trees.sync();
        // Nobody knows what the files hold then.
        let is_durable = result.is_ok();
        for blob in batch {
            if !is_durable {
                self.forget(&blob);
            } else if let Err(error) = self.name(&blob) {
                // The others are not to blame.
                self.forget(&blob);
                result = result.and(Err(error));
            }
        }
        if result.is_err() {
            self.pending.failed.store(true, Ordering::Release);
        }
        result
    }

    fn name(&self, blob: &Written) -> Result<()> {
        let path = self.path(&blob.name);
        let partial = self.partial_path(&blob.name, blob.random);
        self.descriptor(blob.root)
            .and_then(|folder| renameat(folder, partial.as_path(), folder, path.as_path()))
            .map_err(|errno| self.error(blob.root, &path, errno.into()))?;
        self.fill(blob.root, &blob.others, &blob.name, &path)
    }

    fn forget(&self, blob: &Written) {
        if let Ok(folder) = self.descriptor(blob.root) {
            let partial = self.partial_path(&blob.name, blob.random);
            // What cannot be removed is debris, as after a crash: the failure itself is reported.
            let _ = unlinkat(folder, partial.as_path(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Who stops early keeps what is written; nobody is told that it is there.
impl Drop for Importer {
    fn drop(&mut self) {
        if let Err(error) = self.place_all() {
            log::debug!("the last blobs of a run that failed: {error}");
        }
    }
}
