// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Removes blobs from `files`, by many threads at once; gold is never touched. A blob is removed
//! from each of its places, the last fall-back first: FOSSology reads it from the first one, so
//! a removal that dies in between changes nothing for it.

use super::super::{Error, Result};
use super::Layout;
use super::trees::{BlobPath, Trees};
use crate::blob::{PfileName, Tree};
use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes blobs.
#[derive(Debug)]
pub struct Remover {
    trees: Trees,
    empty_folders: bool,
}

impl Remover {
    /// A remover for this repository; with `empty_folders` the folders go too that become empty by
    /// it. FOSSology makes a folder and then a file in it, so where it imports a file at the same
    /// instant, that may fail.
    ///
    /// # Errors
    /// When the repository's folder cannot be opened.
    pub fn new(layout: Layout, empty_folders: bool) -> Result<Self> {
        Ok(Self {
            trees: Trees::open(layout)?,
            empty_folders,
        })
    }

    /// Removes a blob from `files`; whether it was there.
    ///
    /// # Errors
    /// With the path, when the system refuses.
    pub fn remove(&self, name: &PfileName) -> Result<bool> {
        let path = BlobPath::new(name, self.trees.layout().depth());
        let places: Vec<usize> = self.trees.places(Tree::Files, name).collect();
        let mut was_there = false;
        for &root in places.iter().rev() {
            let folder = match self.trees.watched(root) {
                Ok(folder) => folder,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("opening", &self.trees.root(root).path)(error)),
            };
            match unlinkat(folder, path.as_path(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) => was_there = true,
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                Err(errno) => {
                    let path = self.trees.full_path(root, &path);
                    return Err(Error::io("removing", &path)(errno.into()));
                }
            }
            if self.empty_folders {
                for level in (1..=usize::from(self.trees.layout().depth())).rev() {
                    let Some(above) = path.folder(level) else {
                        break;
                    };
                    // Not empty, or somebody's who keeps it: either way it stays.
                    if unlinkat(folder, above, UnlinkatFlags::RemoveDir).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(was_there)
    }

    /// Makes what was removed durable.
    ///
    /// # Errors
    /// When a file system could not write what it had taken.
    pub fn sync(&self) -> Result<()> {
        self.trees.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;
    use crate::blob::{HostName, digest};
    use std::fs;
    use std::path::{Path, PathBuf};

    fn put(root: &Path, host: &str, tree: &str, content: &str) -> PathBuf {
        let name = digest(content.as_bytes());
        let folder = root.join(host).join(tree).join(name.folders(2));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name.to_string());
        fs::write(&path, content).unwrap();
        path
    }

    fn layout(root: &Path) -> Layout {
        let range = |host| Range::parse(HostName::new(host).unwrap(), "* 00 ff").unwrap();
        Layout::new(root, 2, vec![range("a"), range("b")])
    }

    #[test]
    fn a_blob_goes_from_files_wherever_it_is_read_and_gold_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (gold, first) = (
            put(root, "a", "gold", "one"),
            put(root, "a", "files", "one"),
        );
        let fallback = put(root, "b", "files", "one");
        let remover = Remover::new(layout(root), false).unwrap();
        assert!(remover.remove(&digest(b"one")).unwrap());
        assert!(gold.exists() && !first.exists() && !fallback.exists());
        assert!(first.parent().unwrap().exists(), "folders stay");
        assert!(!remover.remove(&digest(b"one")).unwrap());
        remover.sync().unwrap();
    }

    #[test]
    fn folders_go_that_become_empty_if_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let one = put(root, "a", "files", "one");
        let beside = one.parent().unwrap().parent().unwrap().join("ff");
        fs::create_dir(&beside).unwrap();
        let two = put(root, "a", "files", "two");
        let remover = Remover::new(layout(root), true).unwrap();
        remover.remove(&digest(b"one")).unwrap();
        remover.remove(&digest(b"two")).unwrap();
        assert!(!one.parent().unwrap().exists() && beside.exists());
        assert!(!two.parent().unwrap().parent().unwrap().exists());
        assert!(root.join("a/files").exists(), "a tree is never removed");
    }

    #[test]
    fn what_is_no_file_is_told_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let name = digest(b"one");
        let path = folder.path().join("a/files").join(name.folders(2));
        fs::create_dir_all(path.join(name.to_string())).unwrap();
        let remover = Remover::new(layout(folder.path()), true).unwrap();
        let error = remover.remove(&name).unwrap_err().to_string();
        assert!(
            error.contains("removing") && error.contains(&name.to_string()),
            "{error}"
        );
    }
}
