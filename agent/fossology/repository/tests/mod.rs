// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What users of a repository rely on, tried on a real folder.

mod reading;
mod writing;

use super::*;
use crate::blob::{HostName, PfileName, Tree, TreeSet, digest};
use crate::fossology::Error;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn both() -> TreeSet {
    TreeSet::of(Tree::Gold).with(Tree::Files)
}

fn files() -> TreeSet {
    TreeSet::of(Tree::Files)
}

/// A repository in a scratch folder.
struct Scratch {
    folder: TempDir,
    layout: Layout,
}

impl Scratch {
    fn new(depth: u8, ranges: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ranges = ranges
            .iter()
            .map(|(host, range)| Range::parse(HostName::new(*host).unwrap(), range).unwrap())
            .collect();
        let layout = Layout::new(folder.path(), depth, ranges);
        Self { folder, layout }
    }

    fn usual() -> Self {
        Self::new(3, &[("localhost", "* 00 ff")])
    }

    fn importer(&self) -> Importer {
        Importer::new(self.layout.clone(), None).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::new(self.layout.clone()).unwrap()
    }

    fn path(&self, tree: Tree, name: &PfileName) -> PathBuf {
        let host = self.layout.write_host(tree, name);
        let relative = self.layout.relative_path(host, tree, name);
        self.folder.path().join(relative)
    }

    fn read(&self, tree: Tree, name: &PfileName) -> Result<Vec<u8>, ReadError> {
        const BEFORE: &[u8] = b"what was there before";
        let mut buf = BEFORE.to_vec();
        let read = self.reader().read(tree, name, &mut buf).map(|_| ());
        let content = buf.strip_prefix(BEFORE).unwrap().to_vec();
        assert!(read.is_ok() || content.is_empty());
        read.map(|()| content)
    }

    /// Every file below the repository, as paths relative to it.
    fn listing(&self) -> Vec<String> {
        let walk = walkdir::WalkDir::new(self.folder.path()).sort_by_file_name();
        walk.into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| {
                let path = entry.path().strip_prefix(self.folder.path()).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect()
    }
}
