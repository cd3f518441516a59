// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sample's repository: where FOSSology would put a blob, and with which modes.
//!
//! Written with plain file operations on purpose: the importer that restore uses is judged by what
//! lies here.

use super::super::{Error, Result};
use crate::blob::{HostName, PfileName, Tree};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Permissions of the repository's folders: setgid, so that all that is made below stays in
/// FOSSology's group.
const FOLDER_MODE: u32 = 0o2770;
/// Permissions of blobs.
const FILE_MODE: u32 = 0o660;

/// One line of fossology.conf's `[REPOSITORY]`: which blobs a host stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRange {
    /// The host.
    pub host: HostName,
    /// The tree that the line is about; `*` without one.
    pub tree: Option<Tree>,
    /// The first and the last value of the name's first two digits.
    pub range: (u8, u8),
}

impl HostRange {
    /// A host for both trees.
    pub fn new(host: HostName, from: u8, to: u8) -> Self {
        Self {
            host,
            tree: None,
            range: (from, to),
        }
    }

    /// The line in fossology.conf.
    pub(super) fn line(&self) -> String {
        let tree = self.tree.map_or("*", Tree::as_str);
        let (from, to) = self.range;
        format!("{}[] = {tree} {from:02x} {to:02x}\n", self.host)
    }

    fn covers(&self, tree: Tree, name: &PfileName) -> bool {
        let (from, to) = self.range;
        self.tree.is_none_or(|only| only == tree) && (from..=to).contains(&name.sha1()[0])
    }
}

/// A repository's folder and how blobs are spread in it.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    path: PathBuf,
    hosts: Vec<HostRange>,
    depth: u8,
}

impl Repository {
    /// Makes an empty repository with the folders that FOSSology's installation makes.
    pub fn create(path: &Path, hosts: &[HostRange], depth: u8) -> Result<Self> {
        let mut hosts = hosts.to_vec();
        // FOSSology tries the hosts in the order of their names; lines of one host keep theirs.
        hosts.sort_by(|a, b| a.host.cmp(&b.host));
        let repository = Self {
            path: path.to_owned(),
            hosts,
            depth,
        };
        fs::create_dir(path).map_err(Error::io("making", path))?;
        set_mode(path, FOLDER_MODE)?;
        Ok(repository)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a blob of a tree is written to.
    pub fn blob(&self, tree: Tree, name: &PfileName) -> PathBuf {
        let host = self.hosts.iter().find(|range| range.covers(tree, name));
        let host = host.map_or("", |range| range.host.as_str());
        let folders = name.folders(self.depth);
        let mut path = self.path.join(host).join(tree.as_str());
        path.push(folders);
        path.push(name.to_string());
        path
    }

    /// Writes a blob, unless the tree has it.
    pub fn store(&self, tree: Tree, name: &PfileName, content: &[u8]) -> Result<()> {
        let path = self.blob(tree, name);
        if !path.exists() {
            self.write(&path, content)?;
        }
        Ok(())
    }

    /// Makes the gold blob appear in files under a second name, unless it is there.
    pub fn link_gold_to_files(&self, name: &PfileName) -> Result<()> {
        let files = self.blob(Tree::Files, name);
        if files.exists() {
            return Ok(());
        }
        self.make_folders(&files)?;
        fs::hard_link(self.blob(Tree::Gold, name), &files)
            .map_err(Error::io("linking a gold blob to", &files))
    }

    /// Removes a blob; its folders stay, as delagent leaves them.
    pub fn remove(&self, tree: Tree, name: &PfileName) -> Result<()> {
        let path = self.blob(tree, name);
        fs::remove_file(&path).map_err(Error::io("removing", &path))
    }

    /// Writes a file that is no blob, such as a job's log, and gives its path.
    pub fn write_other(&self, relative: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path.join(relative);
        self.write(&path, content)?;
        Ok(path)
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let create = || {
            File::options()
                .write(true)
                .create_new(true)
                .mode(FILE_MODE)
                .open(path)
        };
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(path)?;
                create()
            }
            other => other,
        };
        file.and_then(|mut file| {
            file.write_all(content)?;
            // The umask took bits away that FOSSology's own does not take.
            file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
        })
        .map_err(Error::io("writing", path))
    }

    fn make_folders(&self, file: &Path) -> Result<()> {
        let Some(folder) = file.parent() else {
            return Ok(());
        };
        if folder.is_dir() {
            return Ok(());
        }
        self.make_folders(folder)?;
        fs::create_dir(folder).map_err(Error::io("making", folder))?;
        set_mode(folder, FOLDER_MODE)
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("setting the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::digest;

    #[test]
    fn a_blob_lies_on_the_first_host_by_name_that_covers_it() {
        let folder = tempfile::tempdir().unwrap();
        let host = |name| HostName::new(name).unwrap();
        let gold_only = HostRange {
            tree: Some(Tree::Gold),
            ..HostRange::new(host("archive"), 0, 0xff)
        };
        let hosts = [HostRange::new(host("beta"), 0x00, 0xd0), gold_only];
        let path = folder.path().join("repository");
        let repository = Repository::create(&path, &hosts, 2).unwrap();
        let (empty, other) = (digest(b""), digest(b"f\n")); // da39…, 9d89…
        for (tree, name, folder) in [
            (Tree::Gold, empty, "archive/gold/da/39"),
            (Tree::Files, empty, "files/da/39"),
            (
                Tree::Files,
                other,
                &format!("beta/files/{}", other.folders(2)),
            ),
        ] {
            let expected = path.join(folder).join(name.to_string());
            assert_eq!(repository.blob(tree, &name), expected);
        }
    }
}
