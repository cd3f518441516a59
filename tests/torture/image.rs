// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A folder and all below it, as a [`Disk`] that can be kept, changed and put back.

use crate::disk::{Disk, Kind, Node};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who a file belongs to and who may do what with it.
#[derive(Clone, Copy, Debug)]
struct Rights {
    mode: u32,
    owner: (u32, u32),
}

/// A folder that is watched.
#[derive(Clone, Debug)]
pub struct Image {
    pub path: PathBuf,
    pub disk: Disk,
    /// The folder itself; none as long as it does not exist.
    root: Option<Node>,
    rights: BTreeMap<Node, Rights>,
    /// Which file is which: by device and number.
    nodes: HashMap<(u64, u64), Node>,
}

impl Image {
    /// Reads everything below a folder, which need not exist.
    pub fn load(path: &Path) -> Self {
        let mut image = Self {
            path: path.to_owned(),
            disk: Disk::default(),
            root: None,
            rights: BTreeMap::new(),
            nodes: HashMap::new(),
        };
        if path.exists() {
            image.root = Some(image.read(path));
        }
        image
    }

    fn read(&mut self, path: &Path) -> Node {
        let meta = path.symlink_metadata().unwrap();
        if let Some(&known) = self.nodes.get(&key(&meta)) {
            return known;
        }
        let node = self.disk.add(if meta.is_dir() {
            Kind::Folder(BTreeMap::new())
        } else if meta.is_symlink() {
            Kind::Link(fs::read_link(path).unwrap().into())
        } else {
            Kind::File(fs::read(path).unwrap())
        });
        self.know(&meta, node);
        if meta.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let child = self.read(&entry.path());
                self.disk.add_entry(node, entry.file_name(), child);
            }
        }
        node
    }

    /// Remembers which node a file is.
    pub fn know(&mut self, meta: &Metadata, node: Node) {
        let rights = Rights {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
        };
        self.rights.insert(node, rights);
        self.nodes.insert(key(meta), node);
    }

    /// The node that a file is.
    pub fn node(&self, meta: &Metadata) -> Option<Node> {
        self.nodes.get(&key(meta)).copied()
    }

    /// The last name of a file went: its number may soon mean another one.
    pub fn forget(&mut self, meta: &Metadata) {
        self.nodes.remove(&key(meta));
    }

    /// The folder itself was made. Who made it may sync what it lies in; that is believed.
    pub fn made(&mut self, node: Node) {
        self.root = Some(node);
    }

    /// Looks again who may do what: no power cut is needed to see wrong rights.
    pub fn look_at_rights(&mut self) {
        if self.path.exists() {
            for entry in walkdir::WalkDir::new(&self.path) {
                let meta = entry.unwrap().metadata().unwrap();
                if let Some(node) = self.node(&meta) {
                    self.know(&meta, node);
                }
            }
        }
    }

    /// Makes the folder hold what a disk holds, and nothing else.
    pub fn store(&self, disk: &Disk) {
        if self.path.exists() {
            fs::remove_dir_all(&self.path).unwrap();
        }
        if let Some(root) = self.root {
            self.write(disk, root, &self.path, &mut HashMap::new());
        }
    }

    fn write(&self, disk: &Disk, node: Node, path: &Path, written: &mut HashMap<Node, PathBuf>) {
        match disk.get(node) {
            Kind::Folder(entries) => {
                fs::create_dir(path).unwrap();
                for (name, child) in entries {
                    self.write(disk, *child, &path.join(name), written);
                }
            }
            Kind::Link(target) => {
                std::os::unix::fs::symlink(target, path).unwrap();
                return;
            }
            Kind::File(content) => {
                if let Some(first) = written.get(&node) {
                    fs::hard_link(first, path).unwrap();
                    return;
                }
                fs::write(path, content).unwrap();
                written.insert(node, path.to_owned());
            }
        }
        let rights = self.rights[&node];
        if nix::unistd::geteuid().is_root() {
            let (user, group) = rights.owner;
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
        fs::set_permissions(path, Permissions::from_mode(rights.mode & 0o7777)).unwrap();
    }
}

fn key(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}
