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
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How a file system is synced: `syncfs`, but in tests of what follows when it fails.
pub type SyncFs = fn(BorrowedFd<'_>) -> nix::Result<()>;

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
    syncfs: SyncFs,
}

impl Durable {
    /// Of so many roots.
    pub fn new(roots: usize) -> Self {
        Self {
            roots: (0..roots).map(|_| OnceLock::new()).collect(),
            failed: Mutex::new(false),
            syncfs: |folder| syncfs(folder),
        }
    }

    /// Lets a test say how syncs end.
    #[cfg(test)]
    pub fn sync_by(&mut self, syncfs: SyncFs) {
        self.syncfs = syncfs;
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
                && let Err(errno) = (self.syncfs)(system.folder.as_fd())
            {
                *failed = true;
                return Err((root, errno.into()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::cell::Cell;
    use std::fs::File;

    thread_local! {
        /// What the next syncs of this test say, and how many were asked for.
        static SAYS: Cell<nix::Result<()>> = const { Cell::new(Ok(())) };
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    fn told(_: BorrowedFd<'_>) -> nix::Result<()> {
        ASKED.set(ASKED.get() + 1);
        SAYS.get()
    }

    /// Two watched roots on one file system, and one that nobody wrote to.
    fn watched() -> (tempfile::TempDir, Durable) {
        let place = tempfile::tempdir().unwrap();
        let mut durable = Durable::new(3);
        durable.sync_by(told);
        let folder = File::open(place.path()).unwrap();
        durable.watch(0, folder.as_fd()).unwrap();
        durable.watch(2, folder.as_fd()).unwrap();
        (place, durable)
    }

    #[test]
    fn each_file_system_is_synced_once() {
        let (_place, durable) = watched();
        durable.sync().unwrap();
        assert_eq!(ASKED.get(), 1);
        durable.sync().unwrap();
        assert_eq!(ASKED.get(), 2);
    }

    #[test]
    fn after_a_failed_sync_nothing_counts_as_durable_whatever_the_system_says() {
        let (_place, durable) = watched();
        SAYS.set(Err(Errno::EIO));
        let (root, error) = durable.sync().unwrap_err();
        assert_eq!((root, error.raw_os_error()), (0, Some(libc::EIO)));
        // The system tells it once; the next sync says that all is well.
        SAYS.set(Ok(()));
        for _ in 0..2 {
            let (_, error) = durable.sync().unwrap_err();
            assert!(error.to_string().contains("earlier sync"), "{error}");
        }
        assert_eq!(ASKED.get(), 1, "it is not even asked again");
    }

    #[test]
    fn without_a_root_that_was_written_to_there_is_nothing_to_fail() {
        let mut durable = Durable::new(2);
        durable.sync_by(told);
        SAYS.set(Err(Errno::EIO));
        durable.sync().unwrap();
        assert_eq!(ASKED.get(), 0);
    }
}
