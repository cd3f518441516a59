// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A folder and all below it, as a [`Disk`] that can be kept, changed and put back.

use crate::disk::{Disk, Kind, Node};
use std::collections::{BTreeMap, HashMap, HashSet};
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

    /// Makes the folder hold what a disk holds, and nothing else. What is there already and right
    /// stays: most of it is, and this is done thousands of times.
    pub fn store(&self, disk: &Disk) {
        match self.root {
            Some(root) => self.write(disk, root, &self.path, &mut Stored::default()),
            None => remove(&self.path),
        }
    }

    fn write(&self, disk: &Disk, node: Node, path: &Path, stored: &mut Stored) {
        let there = path.symlink_metadata().ok();
        match disk.get(node) {
            Kind::Folder(entries) => {
                if there.is_some_and(|there| there.is_dir()) {
                    for entry in fs::read_dir(path).unwrap() {
                        let entry = entry.unwrap();
                        if !entries.contains_key(&entry.file_name()) {
                            remove(&entry.path());
                        }
                    }
                } else {
                    remove(path);
                    fs::create_dir(path).unwrap();
                }
                for (name, child) in entries {
                    self.write(disk, *child, &path.join(name), stored);
                }
            }
            Kind::Link(target) => {
                if !fs::read_link(path).is_ok_and(|there| there.as_os_str() == target) {
                    remove(path);
                    std::os::unix::fs::symlink(target, path).unwrap();
                }
                return;
            }
            Kind::File(content) => {
                let is_file = there.as_ref().is_some_and(Metadata::is_file);
                let there = there.filter(|_| is_file).map(|there| key(&there));
                if let Some((first, is)) = stored.files.get(&node) {
                    if there != Some(*is) {
                        remove(path);
                        fs::hard_link(first, path).unwrap();
                    }
                    return;
                }
                // Another name of a file that is right under that one is not this file.
                let is_free = there.is_some_and(|there| !stored.taken.contains(&there));
                if !is_free || fs::read(path).unwrap() != *content {
                    remove(path);
                    fs::write(path, content).unwrap();
                }
                let is = key(&path.symlink_metadata().unwrap());
                stored.taken.insert(is);
                stored.files.insert(node, (path.to_owned(), is));
            }
        }
        let (rights, there) = (self.rights[&node], path.metadata().unwrap());
        if nix::unistd::geteuid().is_root() && rights.owner != (there.uid(), there.gid()) {
            let (user, group) = rights.owner;
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
        // Another owner may have taken some of them away.
        if rights.mode & 0o7777 != path.metadata().unwrap().mode() & 0o7777 {
            fs::set_permissions(path, Permissions::from_mode(rights.mode & 0o7777)).unwrap();
        }
    }
}

/// What has been put in its place.
#[derive(Default)]
struct Stored {
    /// Where each file is, and which one it is there.
    files: HashMap<Node, (PathBuf, (u64, u64))>,
    taken: HashSet<(u64, u64)>,
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Err(_) => {}
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
    }
}

fn key(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// All names below a folder, with kind, content, rights, and which of them are one file.
    fn listing(folder: &Path) -> Vec<String> {
        let walk = walkdir::WalkDir::new(folder).sort_by_file_name();
        let mut first: HashMap<(u64, u64), usize> = HashMap::new();
        walk.into_iter()
            .enumerate()
            .map(|(number, entry)| {
                let path = entry.unwrap().into_path();
                let meta = path.symlink_metadata().unwrap();
                let first = *first.entry(key(&meta)).or_insert(number);
                let content = fs::read(&path).unwrap_or_default();
                let mode = meta.mode();
                format!("{} {mode:o} {content:?} {first}", path.display())
            })
            .collect()
    }

    #[test]
    fn whatever_became_of_a_folder_it_is_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("watched");
        let at = |name: &str| folder.join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        for name in ["one", "same", "a/two", "a/b/three"] {
            fs::write(at(name), name.as_bytes()).unwrap();
        }
        fs::write(at("like one"), "one").unwrap();
        fs::hard_link(at("a/two"), at("two")).unwrap();
        symlink("one", at("link")).unwrap();
        fs::set_permissions(at("one"), Permissions::from_mode(0o640)).unwrap();
        let (image, before) = (Image::load(&folder), listing(&folder));
        let untouched = fs::metadata(at("same")).unwrap();

        let spoil: [&dyn Fn(); 8] = [
            &|| {},
            &|| fs::write(at("one"), "eno").unwrap(),
            &|| fs::write(at("a/new"), "").unwrap(),
            &|| fs::remove_dir_all(at("a")).unwrap(),
            &|| {
                fs::remove_file(at("two")).unwrap();
                fs::write(at("two"), "a/two").unwrap();
            },
            &|| {
                fs::remove_file(at("like one")).unwrap();
                fs::hard_link(at("one"), at("like one")).unwrap();
            },
            &|| {
                fs::remove_file(at("link")).unwrap();
                fs::create_dir_all(at("link/x")).unwrap();
                fs::set_permissions(at("one"), Permissions::from_mode(0o600)).unwrap();
            },
            &|| {
                fs::remove_dir_all(at("a/b")).unwrap();
                symlink("..", at("a/b")).unwrap();
            },
        ];
        for (number, spoil) in spoil.iter().enumerate() {
            spoil();
            image.store(&image.disk);
            assert_eq!(listing(&folder), before, "{number}");
        }
        let now = fs::metadata(at("same")).unwrap();
        assert_eq!(
            (now.ino(), now.ctime_nsec()),
            (untouched.ino(), untouched.ctime_nsec())
        );
        fs::remove_dir_all(&folder).unwrap();
        image.store(&image.disk);
        assert_eq!(listing(&folder), before);
    }
}
