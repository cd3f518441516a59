// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault in a directory. An object is written under a temporary name in `tmp/`, synced, then
//! renamed, and its folder is synced: killed at any point, the object is there whole or not at
//! all. What a killed run leaves in `tmp/` is removed by the next one (see [`Storage::tidy`]).
//! Everything is readable by its owner only: a database dump holds passwords.

use super::{Error, Key, Object, Put, Result, Spool, Storage};
use crate::process::Process;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// The folder of unfinished objects.
const TMP: &str = "tmp";

/// How old something in `tmp/` of another host has to be to count as left by a dead run.
const STALE: Duration = Duration::from_secs(48 * 3600);

/// After how many bytes a spool asks the system to begin writing, so that the sync at its end
/// has little left to do.
const WRITE_BEHIND: u64 = 16 << 20;

/// A directory that holds a vault.
pub(super) struct Local {
    root: PathBuf,
}

impl Local {
    /// Makes the directory if it is missing.
    pub fn make(root: &Path) -> Result<()> {
        if fs::metadata(root).is_ok_and(|found| !found.is_dir()) {
            return Err(Error::NotEmpty {
                location: root.display().to_string(),
            });
        }
        make_folder(root).map_err(Error::io("making", root.display()))
    }

    /// Opens the directory.
    pub fn open(root: &Path) -> Result<Self> {
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => Ok(Self {
                root: fs::canonicalize(root).map_err(Error::io("opening", root.display()))?,
            }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("opening", root.display())(error))
            }
            _ => Err(Error::NotAVault {
                location: root.display().to_string(),
            }),
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn temporary(&self) -> Result<NamedTempFile> {
        let tmp = self.root.join(TMP);
        make_folder(&tmp).map_err(Error::io("making", tmp.display()))?;
        tempfile::Builder::new()
            .prefix(&format!("{}-", Process::this_process().file_prefix()))
            .tempfile_in(&tmp)
            .map_err(Error::io("making a file in", tmp.display()))
    }

    /// Writes an object in place of one that is there, without waiting for the disk: after a power cut it may
    /// be lost or anything else. For what can be made again and is compared with its digest before it counts.
    pub fn put_loosely(&self, key: &Key, data: &[u8]) -> Result<()> {
        let mut file = self.temporary()?;
        file.write_all(data).map_err(Error::io("writing", key))?;
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(Error::io("making", folder.display()))?;
        file.persist(&path)
            .map_err(|error| Error::io("naming", key)(error.error))?;
        Ok(())
    }

    /// Gives a synced temporary file its name.
    fn publish(&self, file: NamedTempFile, key: &Key) -> Result<Put> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        make_folder(folder).map_err(Error::io("making", folder.display()))?;
        let put = match file.persist_noclobber(&path) {
            Ok(_) => Put::Made,
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Put::Existed,
            Err(error) => return Err(Error::io("naming", key)(error.error)),
        };
        sync_folder(folder).map_err(Error::io("syncing", folder.display()))?;
        Ok(put)
    }
}

impl Storage for Local {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        if self.size(key)?.is_some() {
            return Ok(Put::Existed);
        }
        let mut file = self.temporary()?;
        file.write_all(data)
            .and_then(|()| file.as_file().sync_data())
            .map_err(Error::io("writing", key))?;
        self.publish(file, key)
    }

    fn spool(&self) -> Result<Box<dyn Spool>> {
        Ok(Box::new(LocalSpool {
            file: self.temporary()?,
            written: 0,
            flushed: 0,
            local: Local {
                root: self.root.clone(),
            },
        }))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>> {
        match fs::metadata(self.path(key)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("looking at", key)(error)),
        }
    }

    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        let file = File::open(self.path(key)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing {
                key: key.clone(),
                location: self.location(),
            },
            _ => Error::io("reading", key)(error),
        })?;
        let size = file.metadata().map_err(Error::io("reading", key))?.len();
        // Asked first: a damaged index may name any length, which must not become a buffer.
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::damaged(key, format!("it ends after {size} bytes")));
        }
        let mut data = vec![0; len as usize];
        file.read_exact_at(&mut data, offset)
            .map_err(Error::io("reading", key))?;
        Ok(data)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        let folder = match prefix.rsplit_once('/') {
            Some((folder, _)) => self.root.join(folder),
            None => self.root.clone(),
        };
        let mut objects = Vec::new();
        if !folder.exists() {
            return Ok(objects);
        }
        // The second one belongs to a file system whose root the vault is; only root may enter it.
        let others = [TMP, "lost+found"].map(|name| self.root.join(name));
        let walk = walkdir::WalkDir::new(&folder)
            .into_iter()
            .filter_entry(|entry| !others.iter().any(|other| entry.path() == other));
        for entry in walk {
            let failed = |error: walkdir::Error| {
                let what = error.path().unwrap_or(&folder).display().to_string();
                Error::io("listing", what)(error.into())
            };
            let entry = entry.map_err(failed)?;
            if !entry.file_type().is_file() {
                continue;
            }
            let Some(name) = entry
                .path()
                .strip_prefix(&self.root)
                .ok()
                .and_then(Path::to_str)
            else {
                continue; // no object of ours has such a name
            };
            if name.starts_with(prefix) {
                let key = Key::from_text(name);
                let size = entry.metadata().map_err(failed)?.len();
                objects.push(Object { key, size });
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) if is_refusal(&source) => Err(Error::NoRemoval {
                key: key.clone(),
                location: self.location(),
                source,
            }),
            other => other.map_err(Error::io("removing", key)),
        }
    }

    fn settle(&self, folder: &str) -> Result<()> {
        let path = self.root.join(folder);
        match sync_folder(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("syncing", path.display())(error))
            }
            _ => Ok(()),
        }
    }

    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        let modified = match fs::metadata(self.path(key)).and_then(|found| found.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("looking at", key))?,
        };
        let time = jiff::Timestamp::try_from(modified).map_err(io::Error::other);
        Ok(Some(time.map_err(Error::io("looking at", key))?))
    }

    fn unfinished(&self) -> Result<u64> {
        match fs::read_dir(self.root.join(TMP)) {
            Ok(entries) => Ok(entries.count() as u64),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(Error::io("listing", TMP)(error)),
        }
    }

    fn tidy(&self, _alone: bool) -> Result<()> {
        // Whose a file is says its name.
        let tmp = self.root.join(TMP);
        let Ok(entries) = fs::read_dir(&tmp) else {
            return Ok(()); // none was ever made
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let old = entry
                .metadata()
                .and_then(|found| found.modified())
                .is_ok_and(|time| {
                    SystemTime::now()
                        .duration_since(time)
                        .is_ok_and(|age| age > STALE)
                });
            if old || Process::left_by_the_dead(&name.to_string_lossy()) {
                // Somebody else may tidy at the same time; what is gone is gone.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// Whether the system says that this is not to be done, as on a medium that cannot be written or in a
/// folder that only grows.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

struct LocalSpool {
    file: NamedTempFile,
    written: u64,
    flushed: u64,
    local: Local,
}

impl Write for LocalSpool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = self.file.write(data)?;
        self.written += len as u64;
        if self.written - self.flushed >= WRITE_BEHIND {
            start_writing(
                self.file.as_file(),
                self.flushed,
                self.written - self.flushed,
            );
            self.flushed = self.written;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Spool for LocalSpool {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        use std::io::Seek;
        self.file.as_file().set_len(len)?;
        self.file.seek(io::SeekFrom::Start(len))?;
        self.written = len;
        self.flushed = self.flushed.min(len);
        Ok(())
    }

    fn publish(self: Box<Self>, key: &Key) -> Result<Put> {
        self.file
            .as_file()
            .sync_data()
            .map_err(Error::io("syncing", key))?;
        // Its name is the digest of its content, so one of another size is damaged.
        let damaged = self.local.size(key)?.filter(|size| *size != self.written);
        if damaged.is_some() {
            log::warn!("{key} in the vault was damaged and is replaced");
            self.file
                .persist(self.local.path(key))
                .map_err(|error| Error::io("naming", key)(error.error))?;
            let path = self.local.path(key);
            let folder = path.parent().unwrap_or(&self.local.root);
            sync_folder(folder).map_err(Error::io("syncing", folder.display()))?;
            return Ok(Put::Made);
        }
        self.local.publish(self.file, key)
    }
}

/// Asks the system to begin writing a part of a file; only a hint, so its failure does not matter.
fn start_writing(file: &File, offset: u64, len: u64) {
    // SAFETY: sync_file_range reads no memory of ours; the descriptor is open for the call's
    // duration because `file` is borrowed, and wrong offsets only make it return an error.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset as libc::off64_t,
            len as libc::off64_t,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

/// Makes a folder and those above it, for the owner only, and makes their names durable.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent.unwrap_or(Path::new("."))),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> (tempfile::TempDir, Local) {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::open(dir.path()).unwrap();
        (dir, local)
    }

    #[test]
    fn an_object_never_changes() {
        let (_dir, local) = local();
        let key = Key::from_text("database/ab/one.zst");
        assert_eq!(local.put(&key, b"first").unwrap(), Put::Made);
        assert_eq!(local.put(&key, b"second").unwrap(), Put::Existed);
        assert_eq!(local.read(&key, 0, 5).unwrap(), b"first");
    }

    #[test]
    fn a_cut_object_gives_way_to_the_whole_one() {
        let (_dir, local) = local();
        let key = Key::from_text("packs/00/x");
        let publish = |text: &[u8]| {
            let mut spool = local.spool().unwrap();
            spool.write_all(text).unwrap();
            spool.publish(&key).unwrap()
        };
        assert_eq!(publish(b"cut"), Put::Made);
        assert_eq!(publish(b"whole"), Put::Made);
        assert_eq!(local.read(&key, 0, 5).unwrap(), b"whole");
        assert_eq!(publish(b"whole"), Put::Existed);
    }

    #[test]
    fn what_is_put_loosely_is_whole_private_and_takes_the_place_of_another() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, local) = local();
        let key = Key::from_text("packs/00/x.idx");
        for text in [&b"first"[..], b"another"] {
            local.put_loosely(&key, text).unwrap();
            assert_eq!(local.whole(&key, 100).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path().join(TMP)).unwrap().count(), 0);
        for (path, mode) in [("packs/00", 0o700), ("packs/00/x.idx", 0o600)] {
            let found = fs::metadata(dir.path().join(path)).unwrap().permissions();
            assert_eq!(found.mode() & 0o777, mode, "{path}");
        }
    }

    #[test]
    fn a_spool_that_is_dropped_leaves_nothing() {
        let (dir, local) = local();
        let mut spool = local.spool().unwrap();
        spool.write_all(b"half").unwrap();
        drop(spool);
        assert_eq!(fs::read_dir(dir.path().join(TMP)).unwrap().count(), 0);
        assert_eq!(local.list("").unwrap(), []);
    }

    #[test]
    fn a_spool_can_forget_its_end() {
        let (_dir, local) = local();
        let key = Key::from_text("packs/00/x");
        let mut spool = local.spool().unwrap();
        spool.write_all(b"good and bad").unwrap();
        spool.truncate(4).unwrap();
        spool.write_all(b"!").unwrap();
        assert_eq!(spool.publish(&key).unwrap(), Put::Made);
        assert_eq!(local.read(&key, 0, 5).unwrap(), b"good!");
        assert_eq!(local.size(&key).unwrap(), Some(5));
    }

    #[test]
    fn a_read_past_the_end_is_damage_not_a_huge_buffer() {
        let (_dir, local) = local();
        let key = Key::from_text("packs/00/x");
        assert!(matches!(local.read(&key, 0, 1), Err(Error::Missing { .. })));
        local.put(&key, b"abc").unwrap();
        assert!(matches!(
            local.read(&key, 1, u64::MAX - 1),
            Err(Error::Damaged { .. })
        ));
        assert!(matches!(
            local.read(&key, u64::MAX, 2),
            Err(Error::Damaged { .. })
        ));
    }

    #[test]
    fn listing_knows_objects_but_not_unfinished_ones() {
        let (dir, local) = local();
        for name in ["packs/00/b", "packs/00/a", "snapshots/c"] {
            local.put(&Key::from_text(name), b"x").unwrap();
        }
        fs::write(dir.path().join(TMP).join("left-over"), "x").unwrap();
        let names = |prefix| -> Vec<String> {
            let objects = local.list(prefix).unwrap();
            objects
                .iter()
                .map(|object| object.key.to_string())
                .collect()
        };
        assert_eq!(names("packs/"), ["packs/00/a", "packs/00/b"]);
        assert_eq!(names(""), ["packs/00/a", "packs/00/b", "snapshots/c"]);
    }

    #[test]
    fn a_vault_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, local) = local();
        local
            .put(&Key::from_text("database/ab/one.zst"), b"x")
            .unwrap();
        let mode = |path: &str| {
            fs::metadata(dir.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(mode("database/ab"), 0o700);
        assert_eq!(mode("database/ab/one.zst"), 0o600);
    }
}
