// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Makes what was written into a repository's trees durable, or knows for sure that it is not. The
//! system tells of content that it could not write only once, and only to who had opened the file
//! system before; so each is opened before the first write and stays open, one thread asks at a
//! time, and after one failure nothing counts as durable any more.

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::syncfs;
use std::collections::HashSet;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A tree's file system.
#[derive(Debug)]
struct FileSystem {
    number: u64,
    folder: OwnedFd,
}

/// The file systems of the roots that are written to.
#[derive(Debug)]
pub struct Durable {
    roots: Vec<OnceLock<FileSystem>>,
    /// Whether a sync has failed.
    failed: Mutex<bool>,
}

impl Durable {
    /// Of so many roots.
    pub fn new(roots: usize) -> Self {
        Self {
            roots: (0..roots).map(|_| OnceLock::new()).collect(),
            failed: Mutex::new(false),
        }
    }

    /// From now on failed writes below this root's folder are known.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn watch(&self, root: usize, folder: BorrowedFd<'_>) -> io::Result<()> {
        let cell = &self.roots[root];
        if cell.get().is_none() {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let folder = openat(folder, ".", flags, Mode::empty())?;
            let number = fstat(&folder)?.st_dev;
            // When two threads open it at once, the first one's stays and the other is closed.
            let _ = cell.set(FileSystem { number, folder });
        }
        Ok(())
    }

    /// Syncs each file system once.
    ///
    /// # Errors
    /// When one could not write what it had taken, now or in an earlier sync; with the root.
    pub fn sync(&self) -> Result<(), (usize, io::Error)> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut synced = HashSet::new();
        for (root, cell) in self.roots.iter().enumerate() {
            let Some(system) = cell.get() else { continue };
            if *failed {
                let text = "an earlier sync of it has failed, so nobody knows what it holds";
                return Err((root, io::Error::other(text)));
            }
            if synced.insert(system.number)
                && let Err(errno) = syncfs(&system.folder)
            {
                *failed = true;
                return Err((root, errno.into()));
            }
        }
        Ok(())
    }
}
