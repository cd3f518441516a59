// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tree of an upload as FOSSology's pages show it: what unpacking invented on the way is left
//! out and what lies below it moves up; what was unpacked is a folder with its contents.
//!
//! The rows come in any order and are sorted here: some forty bytes a node and the names, so a million
//! files take 60 MB. What is handed out is in the order of names, folder by folder, and depends on
//! nothing but the rows.

use super::names::{self, Renamed};
use crate::fossology::catalogue::Node;

/// The nodes of an upload.
#[derive(Default)]
pub(super) struct Tree {
    nodes: Vec<Stored>,
    names: Vec<u8>,
}

struct Stored {
    key: i32,
    /// 0 when it lies in nothing.
    parent: i32,
    /// 0 when it has no content.
    pfile: u32,
    mode: i32,
    name: (usize, u32),
}

/// What lies at a path of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file with the content of this key.
    File(u32),
    /// Nothing can be written for it: FOSSology keeps no content of links and devices.
    Nothing,
}

/// What was not written as it is.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Names that were changed.
    pub renamed: Vec<Renamed>,
    /// Nodes that unpacking invented.
    pub artifacts: u64,
    /// Nodes that hang on nothing that leads to the top.
    pub unreachable: u64,
}

/// The folder whose contents are handed out.
struct Level {
    /// How long the path is without what is added here.
    path: usize,
    real_path: usize,
    children: std::vec::IntoIter<(usize, Vec<u8>)>,
}

impl Tree {
    pub fn add(&mut self, node: &Node<'_>) {
        let name = (self.names.len(), node.name.len() as u32);
        self.names.extend_from_slice(node.name);
        self.nodes.push(Stored {
            key: node.key,
            parent: node.parent.unwrap_or(0),
            pfile: node.pfile.unwrap_or(0),
            mode: node.mode,
            name,
        });
    }

    /// Sorts what was added; to be called once, before the other questions.
    pub fn sort(&mut self) {
        self.nodes
            .sort_unstable_by_key(|node| (node.parent, node.key));
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Hands out all paths, a folder before what is in it.
    pub fn for_each<E>(
        &self,
        mut each: impl FnMut(&[u8], Entry) -> Result<(), E>,
    ) -> Result<Notes, E> {
        let mut notes = Notes::default();
        let mut reached = 0;
        let mut path = Vec::new();
        let mut real_path = Vec::new();
        let roots = self.named(0, &real_path, &mut reached, &mut notes);
        let mut levels = vec![Level {
            path: 0,
            real_path: 0,
            children: roots.into_iter(),
        }];
        while let Some(level) = levels.last_mut() {
            path.truncate(level.path);
            real_path.truncate(level.real_path);
            let Some((number, name)) = level.children.next() else {
                levels.pop();
                continue;
            };
            let node = &self.nodes[number];
            extend(&mut path, &name);
            extend(&mut real_path, self.name(node));
            let children = self.named(node.key, &real_path, &mut reached, &mut notes);
            if !children.is_empty() || Node::is_folder(node.mode, node.pfile != 0) {
                // What lies in it goes elsewhere then.
                if !names::is_too_long(&path) {
                    each(&path, Entry::Folder)?;
                }
                levels.push(Level {
                    path: path.len(),
                    real_path: real_path.len(),
                    children: children.into_iter(),
                });
            } else if node.pfile == 0 {
                each(&path, Entry::Nothing)?;
            } else if let Some(short) = names::short_enough(&path, node.key) {
                notes.renamed.push(Renamed::new(&real_path, &short));
                each(&short, Entry::File(node.pfile))?;
            } else {
                each(&path, Entry::File(node.pfile))?;
            }
        }
        notes.unreachable = (self.nodes.len() - reached) as u64;
        Ok(notes)
    }

    /// What pages show in a folder, with names that are safe to write, in their order.
    fn named(
        &self,
        parent: i32,
        folder: &[u8],
        reached: &mut usize,
        notes: &mut Notes,
    ) -> Vec<(usize, Vec<u8>)> {
        let mut shown = Vec::new();
        let mut folders = vec![parent];
        while let Some(parent) = folders.pop() {
            for number in self.children(parent) {
                let node = &self.nodes[number];
                *reached += 1;
                // A node without a parent is the upload itself, whatever its bits say.
                if Node::is_artifact(node.mode) && node.parent != 0 {
                    notes.artifacts += 1;
                    folders.push(node.key);
                } else {
                    shown.push(number);
                }
            }
        }
        shown.sort_by_key(|number| (self.name(&self.nodes[*number]), self.nodes[*number].key));
        let real: Vec<&[u8]> = shown
            .iter()
            .map(|number| self.name(&self.nodes[*number]))
            .collect();
        let safe = names::safe(&real);
        for (real, safe) in real.iter().zip(&safe) {
            if *real != safe {
                let mut path = folder.to_vec();
                extend(&mut path, real);
                notes.renamed.push(Renamed::new(&path, safe));
            }
        }
        let mut named: Vec<_> = shown.into_iter().zip(safe).collect();
        named.sort_by(|(_, a), (_, b)| a.cmp(b));
        named
    }

    fn children(&self, parent: i32) -> std::ops::Range<usize> {
        let start = self.nodes.partition_point(|node| node.parent < parent);
        let count = self.nodes[start..].partition_point(|node| node.parent == parent);
        start..start + count
    }

    fn name(&self, node: &Stored) -> &[u8] {
        &self.names[node.name.0..][..node.name.1 as usize]
    }
}

fn extend(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const ARTIFACT: i32 = 1 << 28;
    const CONTAINER: i32 = 1 << 29;
    const FOLDER: i32 = 0o040_750;

    type Row = (i32, Option<i32>, u32, i32, &'static str);

    fn paths(rows: &[Row]) -> (Vec<String>, Notes) {
        let mut tree = Tree::default();
        for (key, parent, pfile, mode, name) in rows {
            tree.add(&Node {
                key: *key,
                parent: *parent,
                pfile: Some(*pfile).filter(|key| *key > 0),
                mode: *mode,
                name: name.as_bytes(),
            });
        }
        tree.sort();
        let mut paths = Vec::new();
        let notes = tree.for_each(|path, entry| {
            let path = String::from_utf8_lossy(path).into_owned();
            paths.push(match entry {
                Entry::Folder => path + "/",
                Entry::File(key) => format!("{path}={key}"),
                Entry::Nothing => path + "?",
            });
            Ok::<_, Infallible>(())
        });
        (paths, notes.unwrap())
    }

    #[test]
    fn what_unpacking_invented_is_left_out() {
        let (paths, notes) = paths(&[
            (1, None, 10, CONTAINER, "x.rpm"),
            (2, Some(1), 0, ARTIFACT | CONTAINER, "artifact.dir"),
            (3, Some(2), 11, ARTIFACT | CONTAINER, "artifact.unpacked"),
            (4, Some(3), 0, ARTIFACT, "artifact.dir"),
            (5, Some(2), 12, ARTIFACT, "artifact.meta"),
            (6, Some(4), 0, FOLDER, "usr"),
            (7, Some(6), 13, 0, "b.c"),
            (8, Some(6), 14, 0, "a.c"),
            (9, Some(4), 0, 0o120_777, "link"),
            (10, Some(4), 15, CONTAINER, "cut.zip"),
        ]);
        assert_eq!(
            paths,
            [
                "x.rpm/",
                "x.rpm/cut.zip=15",
                "x.rpm/link?",
                "x.rpm/usr/",
                "x.rpm/usr/a.c=14",
                "x.rpm/usr/b.c=13"
            ]
        );
        assert_eq!((notes.artifacts, notes.unreachable), (4, 0));
        assert!(notes.renamed.is_empty());
    }

    #[test]
    fn names_that_could_do_harm_are_changed_and_told() {
        let (paths, notes) = paths(&[
            (1, None, 0, FOLDER, "/srv/x"),
            (2, Some(1), 3, 0, ".."),
            (3, Some(1), 4, 0, "same"),
            (4, Some(1), 5, 0, "same"),
        ]);
        assert_eq!(
            paths,
            [
                "_srv_x/",
                "_srv_x/_..=3",
                "_srv_x/same=4",
                "_srv_x/same~2=5"
            ]
        );
        assert_eq!(notes.renamed.len(), 3);
    }

    #[test]
    fn a_ring_is_told_and_not_followed_for_ever() {
        let (paths, notes) = paths(&[
            (1, None, 3, 0, "top"),
            (2, Some(3), 0, FOLDER, "a"),
            (3, Some(2), 0, FOLDER, "b"),
        ]);
        assert_eq!(paths, ["top=3"]);
        assert_eq!(notes.unreachable, 2);
    }
}
