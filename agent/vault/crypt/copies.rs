// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Indexes in clear, on this host: they are searched here and there, which an encrypted file is slow
//! at. They hold what the instance's own database holds: names, sizes and keys of files.
//!
//! A copy is never believed for more than it is: whether a pack is in the vault says the vault, and a
//! copy is compared with its own digest and the pack's id when a run first uses it. One that is
//! damaged, or that of another pack, is made again. So it may be lost, old, or too new at any time, and
//! nobody waits until it is on the disk.

use crate::vault::local::Local;
use crate::vault::{Error, IndexFile, Key, ObjectKind, PackId, Result, Storage};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use tempfile::TempDir;

/// The copies of one vault's indexes.
pub(super) struct Copies {
    /// Where they are kept; without it they live as long as this process.
    kept: OnceLock<PathBuf>,
    /// Where those go that are not kept.
    scratch: OnceLock<PathBuf>,
    place: OnceLock<Place>,
    /// Where they go when they cannot be kept.
    instead: OnceLock<Place>,
    /// Whether they cannot be kept.
    failed: AtomicBool,
    /// Whether this process has looked at a pack's, or made it. Who does, holds that pack's lock.
    checked: Mutex<HashMap<PackId, Arc<Mutex<bool>>>>,
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
            instead: OnceLock::new(),
            failed: AtomicBool::new(false),
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
        let kept = self.kept.get();
        let kept = kept.filter(|_| !self.failed.load(Ordering::SeqCst));
        let (cell, place) = match kept {
            Some(folder) => {
                if let Some(place) = self.place.get() {
                    return Ok(place);
                }
                Local::make(folder)?;
                let place = Place {
                    storage: Arc::new(Local::open(folder)?),
                    _temporary: None,
                };
                (&self.place, place)
            }
            None => {
                if let Some(place) = self.instead.get() {
                    return Ok(place);
                }
                (&self.instead, self.temporary()?)
            }
        };
        // Another thread may have been first; then its place counts.
        Ok(cell.get_or_init(|| place))
    }

    fn temporary(&self) -> Result<Place> {
        let scratch = self.scratch();
        // Called like the other temporary folders, so that the next run removes it.
        let own = crate::process::Process::this_process().file_prefix();
        let folder = tempfile::Builder::new()
            .prefix(&format!("fo_backup-{own}-"))
            .tempdir_in(&scratch)
            .map_err(Error::io("making a folder in", scratch.display()))?;
        Ok(Place {
            storage: Arc::new(Local::open(folder.path())?),
            _temporary: Some(folder),
        })
    }

    /// Does something with the copy of a pack's index; `make` gives its content when there is none. What
    /// is wrong with the folder that keeps copies is no damage of the vault: those of this run lie in the
    /// scratch folder then.
    pub fn with<T>(
        &self,
        pack: PackId,
        make: impl Fn() -> Result<Vec<u8>>,
        work: impl Fn(&Local) -> Result<T>,
    ) -> Result<T> {
        let attempt = || {
            let local = self.of(pack, &make)?;
            work(&local).map_err(Failed::Copy)
        };
        let can_fall_back = self.can_fall_back();
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Failed::Copy(error)) if can_fall_back => self.fall_back(&error),
            Err(error) => return Err(error.into_error(pack)),
        }
        attempt().map_err(|error| error.into_error(pack))
    }

    fn can_fall_back(&self) -> bool {
        self.are_kept() && !self.failed.load(Ordering::SeqCst)
    }

    /// Keeps them no more, for as long as this process lives.
    fn fall_back(&self, error: &Error) {
        // Another thread may have been first.
        if !self.failed.swap(true, Ordering::SeqCst) {
            log::warn!(
                "copies of indexes cannot be kept ({error}); those of this run lie in {}",
                self.scratch().display()
            );
            locked(&self.own).clear();
            locked(&self.checked).clear();
        }
    }

    fn of(
        &self,
        pack: PackId,
        make: impl Fn() -> Result<Vec<u8>>,
    ) -> std::result::Result<Arc<Local>, Failed> {
        // Of one pack one at a time, so that no index is decrypted twice. The place is asked for last: a lock
        // that was taken before the place changed is one that nobody else finds.
        let lock = self.lock_of(pack);
        let mut is_checked = locked(&lock);
        let local = self.place().map_err(Failed::Copy)?.storage.clone();
        if *is_checked {
            return Ok(local);
        }
        let storage: Arc<dyn Storage> = local.clone();
        let key = pack.index_key();
        if local.size(&key).map_err(Failed::Copy)?.is_some() {
            let whole = IndexFile::open(storage, pack).and_then(|index| index.verify());
            match whole {
                Ok(()) => {
                    *is_checked = true;
                    return Ok(local);
                }
                Err(error) => log::warn!("a copy of {key} on this host is made again: {error}"),
            }
        }
        let made = make().map_err(Failed::Vault)?;
        local.put_loosely(&key, &made).map_err(Failed::Copy)?;
        *is_checked = true;
        Ok(local)
    }

    fn lock_of(&self, pack: PackId) -> Arc<Mutex<bool>> {
        locked(&self.checked).entry(pack).or_default().clone()
    }

    /// Keeps an index that was made here.
    pub fn keep(&self, pack: PackId, index: &[u8]) -> Result<()> {
        let local = &self.place()?.storage;
        let lock = self.lock_of(pack);
        let mut is_checked = locked(&lock);
        local.put_loosely(&pack.index_key(), index)?;
        locked(&self.own).insert(pack);
        *is_checked = true;
        Ok(())
    }

    /// Whether there may be a copy: of an earlier run, or of this one.
    pub fn may_have(&self, pack: PackId) -> bool {
        if self.are_kept() {
            return true;
        }
        let lock = self.lock_of(pack);
        let is_checked = locked(&lock);
        *is_checked
    }

    /// Whether it was made here.
    pub fn is_own(&self, pack: PackId) -> bool {
        locked(&self.own).contains(&pack)
    }

    /// Forgets a copy.
    pub fn forget(&self, pack: PackId) -> Result<()> {
        let lock = self.lock_of(pack);
        let mut is_checked = locked(&lock);
        *is_checked = false;
        locked(&self.own).remove(&pack);
        if self.instead.get().is_none() && !self.are_kept() {
            return Ok(());
        }
        let forget = || self.place()?.storage.delete(&pack.index_key());
        match forget() {
            // An old copy is harmless: whether a pack is there says the vault.
            Err(error) if self.are_kept() => {
                log::warn!("a copy of {} stays: {error}", pack.index_key());
                Ok(())
            }
            done => done,
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

/// What has failed.
enum Failed {
    /// Reading the vault's index.
    Vault(Error),
    /// The copy on this host.
    Copy(Error),
}

impl Failed {
    /// As an error that nobody takes for damage of the vault when it is none.
    fn into_error(self, pack: PackId) -> Error {
        match self {
            Self::Copy(error) if error.is_damage() => Error::Io {
                doing: "reading the copy of",
                what: pack.index_key().to_string(),
                source: std::io::Error::other(error.to_string()),
            },
            Self::Vault(error) | Self::Copy(error) => error,
        }
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
