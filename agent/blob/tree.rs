// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The two trees of a repository that hold blobs.

use std::fmt;

/// A repository type that holds blobs, as fossology.conf and the repository's folders spell it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Tree {
    /// What was uploaded.
    Gold,
    /// What was unpacked, and the uploaded files once more.
    Files,
}

impl Tree {
    /// Both trees, gold first: where a blob lies in both, gold has the original.
    pub const ALL: [Tree; 2] = [Tree::Gold, Tree::Files];

    /// The folder's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Tree::Gold => "gold",
            Tree::Files => "files",
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In which trees a blob lies or has to lie.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TreeSet(u8);

impl TreeSet {
    /// In no tree.
    pub const NONE: TreeSet = TreeSet(0);

    /// The set from its bits (1 gold, 2 files), as the vault's index stores them; other bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & 3)
    }

    /// The bits: 1 gold, 2 files.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The set of one tree.
    pub fn of(tree: Tree) -> Self {
        match tree {
            Tree::Gold => Self(1),
            Tree::Files => Self(2),
        }
    }

    /// The set with one tree more.
    #[must_use]
    pub fn with(self, tree: Tree) -> Self {
        self.union(Self::of(tree))
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is here and not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the tree is in the set.
    pub fn contains(self, tree: Tree) -> bool {
        self.0 & Self::of(tree).0 != 0
    }

    /// Whether no tree is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The trees of the set, gold first.
    pub fn iter(self) -> impl Iterator<Item = Tree> {
        Tree::ALL
            .into_iter()
            .filter(move |tree| self.contains(*tree))
    }
}

impl fmt::Debug for TreeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
