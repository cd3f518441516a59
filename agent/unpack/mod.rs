// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unpacks archives inside archives to any depth and hands over the blobs that somebody seeks.
//!
//! No tree of temporary files is made: a member is hashed while it streams by, and only one that
//! is sought is handed over. A result counts by its hashes alone, so neither a member's name nor
//! the way it was reached matters, and a hostile archive can do no worse than waste the limits of
//! its source. What a walk writes itself are spool files without a name, which end with it.

pub mod fallback;
mod kinds;
mod libarchive;
mod peek;
mod walk;
mod xz;

pub use peek::{Peek, peek};
pub use walk::walk;

use crate::blob::PfileName;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

/// Who seeks blobs. Asked by many threads at once.
pub trait Seeker: Sync {
    /// Whether a blob of this size may be sought; what is not, is not even hashed.
    fn seeks_size(&self, size: u64) -> bool;

    /// The size of the largest blob that is still sought, in bytes.
    fn largest(&self) -> u64;

    /// Whether this blob is still sought.
    fn seeks(&self, name: &PfileName) -> bool;

    /// Whether an archive found inside another one is worth opening. One is opened once in a
    /// source, however often it is found, and once in a walk when a source that has it came to its
    /// end within its limits.
    fn opens(&self, name: &PfileName) -> bool;

    /// Takes a blob that is sought; its content has been checked against the name. `Break` ends
    /// the walk: nothing more is sought, or nothing more can be taken.
    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()>;
}

/// A blob's content.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// In memory.
    Memory(&'a [u8]),
    /// A file with exactly this content; to be read by position, from 0.
    File(&'a File),
}

/// What a walk starts from, such as an upload's gold.
#[derive(Debug)]
pub struct Source {
    /// What it is called in the walk's answer.
    pub name: PfileName,
    /// The file. Whether it matches its name is of no interest here.
    pub file: File,
    /// How far its unpacking may go.
    pub limits: Limits,
}

/// How far the unpacking of one source may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many containers may lie inside each other; compression counts as one.
    pub depth: u32,
    /// How many members may be looked at.
    pub members: u64,
    /// How many bytes may come out, those of each layer counted.
    pub bytes: u64,
}

/// How a walk is made.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How many threads unpack, hash and hand over.
    pub threads: usize,
    /// The folder of spool files: large nested archives that need random access, and large
    /// blobs that are sought.
    pub spool: &'a Path,
    /// Asked now and then whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// What was seen of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The source.
    pub name: PfileName,
    /// How many members were looked at.
    pub members: u64,
    /// How many bytes came out, those of each layer counted.
    pub bytes: u64,
    /// What could not be unpacked, the first of them.
    pub problems: Vec<Problem>,
    /// How many problems there were in all.
    pub problem_count: u64,
}

/// Something that could not be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: the members' names on the way, parted by `!`; empty for the source itself.
    pub path: String,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// What the library or the system said.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Cut, or damaged otherwise; what came before was used.
    Damaged,
    /// Members are encrypted.
    Encrypted,
    /// It would have gone over a limit of [`Limits`].
    Limit,
    /// The spool file could not be written, or the source not be read.
    Io,
}
