// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A private folder for files that live as long as an operation, such as a dump on its way. What
//! a killed run left is removed by the next one.

use super::{Error, Result};
use crate::process::Process;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
            .prefix(&format!(
                "{PREFIX}{}-",
                Process::this_process().file_prefix()
            ))
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

fn remove_left_over(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if owner.is_some_and(Process::left_by_the_dead) {
            // Somebody else's, or somebody else removes it too: either way it is not our business.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
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
        drop(first);
        assert!(!path.exists());
    }
}
