// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A stream that is used and, if it may be sought itself, hashed and kept at the same time.

use super::Walk;
use super::place::Place;
use super::spool::Spool;
use crate::blob::Hasher;
use crate::unpack::ProblemKind;
use std::io::{self, Read};

/// How many bytes are read at once of what nobody uses.
const PIECE: usize = 256 * 1024;

/// See the module.
pub struct Tee<'t, 'a> {
    walk: &'t Walk<'a>,
    place: &'t Place,
    head: &'t [u8],
    rest: &'t mut (dyn Read + Send),
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
        rest: &'t mut (dyn Read + Send),
        most: Option<u64>,
    ) -> Self {
        Self {
            walk,
            place,
            head,
            rest,
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
        let mut buffer = vec![0; PIECE];
        while self.kept.is_some() && matches!(self.read(&mut buffer), Ok(1..)) {}
        (self.kept.filter(|_| !self.stopped), self.failure)
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.head.is_empty() {
            return self.head.read(buffer);
        }
        let count = self.rest.read(buffer)?;
        if self.walk.has_ended() || !self.place.spend(0, count as u64) {
            self.stopped = true;
            return Ok(0);
        }
        Ok(count)
    }

    fn keep(&mut self, data: &[u8]) {
        let Some((hasher, spool)) = &mut self.kept else {
            return;
        };
        if spool.size() + data.len() as u64 > self.most {
            self.kept = None;
            return;
        }
        hasher.update(data);
        if let Err(error) = spool.push(data) {
            let detail = format!("writing a spool file: {error}");
            self.place.problem(ProblemKind::Io, detail);
            self.kept = None;
        }
    }
}

impl Read for Tee<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped || self.failure.is_some() {
            return Ok(0);
        }
        loop {
            match self.next(buffer) {
                Ok(count) => {
                    self.keep(&buffer[..count]);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.to_string());
                    return Ok(0);
                }
            }
        }
    }
}
