// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A file that has the name of a blob, as it was found in the repository.

use crate::blob::{PfileName, Tree};
use std::path::Path;

/// A plain file with the name of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name.
    pub name: PfileName,
    /// Its size in bytes.
    pub size: u64,
    /// The group it belongs to.
    pub gid: u32,
    /// The number of its root.
    pub root: u16,
    /// Its permissions.
    pub mode: u16,
    /// The root's tree.
    pub tree: Tree,
    /// Whether its folder is the one that its name asks for.
    pub position: Position,
    /// Whether its content is what its name says.
    pub content: Content,
    /// When it was last changed.
    pub age: Age,
    /// Its path below its root, where that does not follow from its name.
    pub path: Option<Box<Path>>,
}

/// Whether a file's folder is the one that its name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is.
    Right,
    /// It would be with another depth of folders.
    WrongDepth,
    /// It is that of other names, or of none.
    WrongFolder,
}

/// Whether a file's content is what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nobody has looked.
    NotRead,
    /// It is.
    Same,
    /// It is not.
    Differs,
    /// The system could not read it.
    Unreadable,
}

/// When a file was last changed, by its ctime: mtime means nothing in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Since the check began: what the database said before says nothing about it.
    Fresh,
    /// Not long before: its row may have come since.
    Recent,
    /// Long ago.
    Old,
}
