// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Indexes in clear, on this host: they are searched here and there, which an encrypted file is slow
//! at. They hold what the instance's own database holds: names, sizes and keys of files.
//!
//! A copy is never believed for more than it is: whether a pack is in the vault says the vault, and a
//! copy is compared with its own digest and the pack's id when a run first uses it. One that is
//! damaged, or that of another pack, is made again. So it may be lost, old, or too new at any time.

use crate::vault::local::Local;
use crate::vault::{Error, IndexFile, Key, ObjectKind, PackId, Result, Storage};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tempfile::TempDir;

/// The copies of one vault's indexes.
pub(super) struct Copies {
    /// Where they are kept; without it they live as long as this process.
    kept: OnceLock<PathBuf>,
    /// Where those go that are not kept.
    scratch: OnceLock<PathBuf>,
    place: OnceLock<Place>,
    /// Those that this process has looked at.
    checked: Mutex<HashSet<PackId>>,
    /// Those that this process has made from packs, since what is stored is lost or damaged.
    own: Mutex<HashSet<PackId>>,
}

struct Place {
    storage: Arc<Local>,
    /// Removed with this process.
    _temporary: Option<TempDir>,
}

impl Copies {
    pub fn new() -> Self {
        Self {
            kept: OnceLock::new(),
            scratch: OnceLock::new(),
            place: OnceLock::new(),
            checked: Mutex::default(),
            own: Mutex::default(),
        }
    }

    /// Says where they go. Only the first word counts.
    pub fn put_in(&self, kept: Option<PathBuf>, scratch: PathBuf) {
        if let Some(kept) = kept {
            let _ = self.kept.set(kept);
        }
        let _ = self.scratch.set(scratch);
    }

    /// A folder for what need not stay.
    pub fn scratch(&self) -> PathBuf {
        self.scratch
            .get()
            .cloned()
            .unwrap_or_else(std::env::temp_dir)
    }

    fn place(&self) -> Result<&Place> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let place = match self.kept.get() {
            Some(folder) => {
                Local::make(folder)?;
                Place {
                    storage: Arc::new(Local::open(folder)?),
                    _temporary: None,
                }
            }
            None => {
                let scratch = self.scratch();
                // Called like the other temporary folders, so that the next run removes it.
                let own = crate::process::Process::this_process().file_prefix();
                let folder = tempfile::Builder::new()
                    .prefix(&format!("fo_backup-{own}-"))
                    .tempdir_in(&scratch)
                    .map_err(Error::io("making a folder in", scratch.display()))?;
                Place {
                    storage: Arc::new(Local::open(folder.path())?),
                    _temporary: Some(folder),
                }
            }
        };
        // Another thread may have been first; then its place counts.
        let _ = self.place.set(place);
        self.place()
    }

    /// The place where the copy of a pack's index lies now; `make` gives its content when there is none.
    pub fn of(&self, pack: PackId, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Local>> {
        let local = self.place()?.storage.clone();
        // One at a time, so that no index is decrypted twice.
        let mut checked = locked(&self.checked);
        if checked.contains(&pack) {
            return Ok(local);
        }
        let storage: Arc<dyn Storage> = local.clone();
        let key = pack.index_key();
        if local.size(&key)?.is_some() {
            let whole = IndexFile::open(storage, pack).and_then(|index| index.verify());
            match whole {
                Ok(()) => {
                    checked.insert(pack);
                    return Ok(local);
                }
                Err(error) => log::warn!("a copy of {key} on this host is made again: {error}"),
            }
            local.delete(&key)?;
        }
        local.put(&key, &make()?)?;
        checked.insert(pack);
        Ok(local)
    }

    /// Keeps an index that was made here.
    pub fn keep(&self, pack: PackId, index: &[u8]) -> Result<()> {
        let local = &self.place()?.storage;
        let mut checked = locked(&self.checked);
        local.delete(&pack.index_key())?;
        local.put(&pack.index_key(), index)?;
        locked(&self.own).insert(pack);
        checked.insert(pack);
        Ok(())
    }

    /// Whether it was made here.
    pub fn is_own(&self, pack: PackId) -> bool {
        locked(&self.own).contains(&pack)
    }

    /// Forgets a copy.
    pub fn forget(&self, pack: PackId) -> Result<()> {
        let mut checked = locked(&self.checked);
        checked.remove(&pack);
        locked(&self.own).remove(&pack);
        match (self.place.get(), self.kept.get()) {
            (None, None) => Ok(()),
            _ => self.place()?.storage.delete(&pack.index_key()),
        }
    }

    /// Whether they outlive this process.
    pub fn are_kept(&self) -> bool {
        self.kept.get().is_some()
    }

    /// Forgets the copies of packs that are not there any more.
    pub fn keep_only(&self, there: impl Fn(PackId) -> bool) -> Result<()> {
        let local = &self.place()?.storage;
        local.tidy(false)?;
        for object in local.list("packs/")? {
            match object.key.kind() {
                ObjectKind::Index(id) if there(id) => {}
                _ => local.delete(&object.key)?,
            }
        }
        Ok(())
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|error| error.into_inner())
}

/// Whose index this is, if it is one.
pub(super) fn index_of(key: &Key) -> Option<PackId> {
    match key.kind() {
        ObjectKind::Index(id) => Some(id),
        _ => None,
    }
}
