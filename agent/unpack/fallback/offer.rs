// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hashes what the tool has made and hands over what is sought.

use super::tree::Entry;
use crate::blob::{Hasher, digest_batch};
use crate::unpack::{Content, Problem, ProblemKind, Seeker};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

/// Files of more bytes are hashed alone, in pieces of this size.
const LARGE: usize = 1 << 20;
/// How many files, and bytes of them, are hashed together.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;
/// How many problems are kept.
const PROBLEMS: usize = 10;

/// Offers files to a seeker.
pub(super) struct Offer<'a> {
    seeker: &'a dyn Seeker,
    stop: &'a dyn Fn() -> bool,
    /// Small files, one behind the other, and where each ends.
    data: Vec<u8>,
    ends: Vec<usize>,
    /// How many files were looked at, and bytes of them.
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// How many blobs were handed over.
    pub(super) taken: u64,
    /// What could not be read, the first of it.
    pub(super) problems: Vec<Problem>,
    pub(super) problem_count: u64,
    /// Whether `stop` ended it.
    pub(super) stopped: bool,
}

impl<'a> Offer<'a> {
    pub(super) fn new(seeker: &'a dyn Seeker, stop: &'a dyn Fn() -> bool) -> Self {
        Self {
            seeker,
            stop,
            data: Vec::new(),
            ends: Vec::new(),
            files: 0,
            bytes: 0,
            taken: 0,
            problems: Vec::new(),
            problem_count: 0,
            stopped: false,
        }
    }

    /// Takes the next file. `Break`: nothing more is of interest.
    pub(super) fn add(&mut self, entry: &Entry<'_>) -> ControlFlow<()> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(entry.size);
        if !self.seeker.seeks_size(entry.size) {
            return ControlFlow::Continue(());
        }
        let start = self.data.len();
        let read = entry.open().and_then(|mut file| {
            if entry.size > LARGE as u64 {
                return self.offer_large(&file);
            }
            (&mut file).take(LARGE as u64).read_to_end(&mut self.data)?;
            self.ends.push(self.data.len());
            Ok(ControlFlow::Continue(()))
        });
        match read {
            Ok(flow) => flow?,
            Err(error) => {
                self.data.truncate(start);
                self.note(&entry.name.to_string_lossy(), &error);
            }
        }
        if self.ends.len() >= BATCH || self.data.len() >= BATCH_BYTES {
            self.finish()?;
        }
        ControlFlow::Continue(())
    }

    /// Offers the small files that have been read.
    pub(super) fn finish(&mut self) -> ControlFlow<()> {
        self.ask_to_stop()?;
        let mut start = 0;
        let blobs: Vec<&[u8]> = self
            .ends
            .iter()
            .map(|end| &self.data[std::mem::replace(&mut start, *end)..*end])
            .collect();
        let mut flow = ControlFlow::Continue(());
        for (blob, name) in blobs.iter().zip(digest_batch(&blobs)) {
            if self.seeker.seeks(&name) {
                flow = self.seeker.take(&name, Content::Memory(blob));
                self.taken += 1;
            }
            if flow.is_break() {
                break;
            }
        }
        self.data.clear();
        self.ends.clear();
        flow
    }

    fn offer_large(&mut self, file: &File) -> io::Result<ControlFlow<()>> {
        let mut hasher = Hasher::new();
        let mut piece = vec![0; LARGE];
        let mut place = 0;
        loop {
            if self.ask_to_stop().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match file.read_at(&mut piece, place) {
                Ok(0) => break,
                Ok(length) => {
                    hasher.update(&piece[..length]);
                    place += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let name = hasher.finish();
        if !self.seeker.seeks(&name) {
            return Ok(ControlFlow::Continue(()));
        }
        self.taken += 1;
        Ok(self.seeker.take(&name, Content::File(file)))
    }

    fn ask_to_stop(&mut self) -> ControlFlow<()> {
        if (self.stop)() {
            self.stopped = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Takes down what could not be read, or removed when it has no name.
    pub(super) fn note(&mut self, name: &str, error: &io::Error) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS {
            self.problems.push(Problem {
                path: name.to_owned(),
                kind: ProblemKind::Io,
                detail: error.to_string(),
            });
        }
    }
}
