// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A private folder for files that live as long as an operation, such as a dump on its way. What
//! a killed run left is removed by the next one. Files that have to be written beside their place
//! are called alike.

use super::{Error, Result};
use crate::process::Process;
use crate::unpack::fallback::remove_tree;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

const PREFIX: &str = "fo_backup-";

/// A folder that only its owner can enter, removed when it is dropped.
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// Makes a folder below `parent`.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn new(parent: &Path) -> Result<Self> {
        remove_left_over(parent);
        let folder = tempfile::Builder::new()
            .prefix(&prefix())
            // Whatever the umask: who can write there could put another dump in its place.
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(Error::io("making a scratch folder in", parent))?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A temporary file in this folder, to be renamed when it is whole.
pub(super) fn file_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(&prefix())
        .tempfile_in(folder)
}

/// Whether a file or folder has the name of a temporary one of ours.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Removes what dead runs have left in a folder.
pub(super) fn remove_left_over(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if owner.is_some_and(Process::left_by_the_dead) {
            // Somebody else's, or somebody else removes it too: either way it is not our business.
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => remove_tree(&entry.path()),
                _ => fs::remove_file(entry.path()),
            };
        }
    }
}

fn prefix() -> String {
    format!("{PREFIX}{}-", Process::this_process().file_prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent
            .path()
            .join(format!("{PREFIX}{}-x", Process::ended().file_prefix()));
        let other = parent.path().join("something else");
        fs::create_dir_all(dead.join("dump")).unwrap();
        fs::create_dir(&other).unwrap();
        let first = Scratch::new(parent.path()).unwrap();
        let second = Scratch::new(parent.path()).unwrap();
        assert!(!dead.exists() && other.exists());
        assert!(first.path().exists() && second.path().exists());
        let path = first.path().to_owned();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "nobody else gets in");
        drop(first);
        assert!(!path.exists());
    }
}
