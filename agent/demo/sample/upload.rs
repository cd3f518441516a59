// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be uploaded to the sample, and what the sample remembers of it.

use super::archive::{Entry, Format, Member};
use super::content::{Random, source, source_path, source_size};
use crate::blob::{PfileName, Tree, TreeSet};
use std::collections::BTreeMap;

/// How the uploaded file got into `files` after it was stored in gold. Both were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoldStyle {
    /// As a second name of the same file.
    HardLink,
    /// As a second file.
    Copy,
}

/// How far FOSSology has got with an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// Unpacked and scanned.
    Done,
    /// Its first half is unpacked; the job runs.
    Unpacking,
    /// It is being fetched: there is only a row that names no blob.
    Fetching,
}

/// Something to be uploaded.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The file's name.
    pub filename: String,
    /// The file.
    pub content: Entry,
    /// How it gets from gold into files.
    pub gold: GoldStyle,
    /// How far FOSSology gets with it.
    pub state: UploadState,
    /// Whether it gets an uploadtree table of its own, as FOSSology gives to large uploads.
    pub own_table: bool,
}

impl NewUpload {
    /// An upload that gets unpacked and scanned, with a hard link.
    pub fn new(filename: &str, content: Entry) -> Self {
        Self {
            filename: filename.to_owned(),
            content,
            gold: GoldStyle::HardLink,
            state: UploadState::Done,
            own_table: false,
        }
    }

    /// A tar.gz with so many source files, which follow from the seed.
    pub fn sources(filename: &str, seed: u64, count: usize) -> Self {
        let root = filename.trim_end_matches(".tar.gz");
        let folder = Member::new(root, Entry::Folder(source_tree(seed, count)));
        Self::new(filename, Entry::Archive(Format::TarGz, vec![folder]))
    }
}

/// Source files in folders, all following from the seed.
pub(super) fn source_tree(seed: u64, count: usize) -> Vec<Member> {
    let mut random = Random::new(seed);
    let mut folders: BTreeMap<String, BTreeMap<String, Vec<Member>>> = BTreeMap::new();
    for number in 0..count {
        let path = source_path(&mut random, number);
        let size = source_size(&mut random);
        let file = Entry::File(source(&mut random, size));
        let mut parts = path.splitn(3, '/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        let folder = folders
            .entry(part())
            .or_default()
            .entry(part())
            .or_default();
        folder.push(Member::new(part(), file));
    }
    let folder = |name: String, members| Member::new(name, Entry::Folder(members));
    folders
        .into_iter()
        .map(|(outer, inner)| {
            let inner = inner.into_iter().map(|(name, files)| folder(name, files));
            folder(outer, inner.collect())
        })
        .collect()
}

/// What the sample remembers of a live upload.
pub(super) struct Upload {
    pub filename: String,
    pub gold: Option<PfileName>,
    pub files: Vec<PfileName>,
}

impl Upload {
    /// The blobs that it needs.
    pub fn needs(&self) -> BTreeMap<PfileName, TreeSet> {
        let files = self
            .files
            .iter()
            .map(|name| (*name, TreeSet::of(Tree::Files)));
        let mut needs: BTreeMap<_, _> = files.collect();
        if let Some(name) = self.gold {
            let trees = needs.entry(name).or_default();
            *trees = trees.with(Tree::Gold);
        }
        needs
    }
}
