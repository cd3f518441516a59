// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A stream that is used and, if it may be sought itself, hashed and kept at the same time.

use super::Walk;
use super::place::Place;
use super::spool::Spool;
use crate::blob::Hasher;
use crate::unpack::ProblemKind;
use crate::unpack::libarchive::Input;
use std::io::{self, BufRead};

/// See the module.
pub struct Tee<'t, 'a> {
    walk: &'t Walk<'a>,
    place: &'t Place,
    head: &'t [u8],
    rest: &'t mut (dyn BufRead + Send),
    /// How much of what was given last is still to be taken from the rest.
    given: usize,
    kept: Option<(Hasher, Spool<'a>)>,
    /// Nothing larger is kept.
    most: u64,
    stopped: bool,
    failure: Option<String>,
}

/// What was kept of a stream.
pub type Kept<'a> = Option<(Hasher, Spool<'a>)>;

impl<'t, 'a> Tee<'t, 'a> {
    /// Of a stream found here that begins with `head`, which is not counted any more. It is kept
    /// as long as it is not larger than `most`.
    pub fn new(
        walk: &'t Walk<'a>,
        place: &'t Place,
        head: &'t [u8],
        rest: &'t mut (dyn BufRead + Send),
        most: Option<u64>,
    ) -> Self {
        Self {
            walk,
            place,
            head,
            rest,
            given: 0,
            kept: most.map(|_| (Hasher::new(), Spool::new(walk.options.spool))),
            most: most.unwrap_or(0),
            stopped: false,
            failure: None,
        }
    }

    /// Reads what is left, if that is of any use, and gives what was kept and what was wrong with
    /// the stream. What a damaged one gave before its damage counts as all of it: FOSSology takes
    /// it so, too.
    pub fn finish(mut self) -> (Kept<'a>, Option<String>) {
        while self.kept.is_some() && self.fill().is_ok_and(|piece| !piece.is_empty()) {}
        (self.kept.filter(|_| !self.stopped), self.failure)
    }

    /// Has the next piece ready, and tells how long it is.
    fn next(&mut self) -> usize {
        self.rest.consume(std::mem::take(&mut self.given));
        if self.stopped || self.failure.is_some() {
            return 0;
        }
        let count = loop {
            match self.rest.fill_buf() {
                Ok(piece) => break piece.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.to_string());
                    return 0;
                }
            }
        };
        if self.walk.has_ended() || !self.place.spend(0, count as u64) {
            self.stopped = true;
            return 0;
        }
        count
    }
}

impl Input for Tee<'_, '_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        if !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            keep(&mut self.kept, self.most, self.place, head);
            return Ok(head);
        }
        let count = self.next();
        if count == 0 {
            return Ok(&[]);
        }
        self.given = count;
        // What is there already comes at once.
        let piece = &self.rest.fill_buf()?[..count];
        keep(&mut self.kept, self.most, self.place, piece);
        Ok(piece)
    }

    fn seek(&mut self, _: u64) -> bool {
        false
    }

    fn place(&self) -> Option<(u64, u64)> {
        None
    }
}

fn keep(kept: &mut Kept<'_>, most: u64, place: &Place, data: &[u8]) {
    let Some((hasher, spool)) = kept else {
        return;
    };
    if spool.size() + data.len() as u64 > most {
        *kept = None;
        return;
    }
    hasher.update(data);
    if let Err(error) = spool.push(data) {
        let detail = format!("writing a spool file: {error}");
        place.problem(ProblemKind::Io, detail);
        *kept = None;
    }
}
