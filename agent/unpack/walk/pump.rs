// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads a stream by a thread of its own, a little ahead of who uses it.

use crate::unpack::libarchive::use_utf8;
use crossbeam_channel::{Receiver, Sender};
use std::io::{self, BufRead, Read};

/// How many bytes are handed over at once.
const PIECE: usize = 256 * 1024;
/// How many pieces may be ahead.
pub const AHEAD: usize = 16;

/// What one side sends and the other gets.
pub type Piece = io::Result<Vec<u8>>;

/// Reads to the end, or until nobody wants more.
pub fn pump(mut stream: impl Read, to: &Sender<Piece>) {
    use_utf8();
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = stream.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        let last = read.is_err() || piece.len() < PIECE;
        // What came before an error counts.
        if !piece.is_empty() && to.send(Ok(piece)).is_err() {
            return;
        }
        if let Err(error) = read {
            // Nobody there to hear it: then it does not matter.
            let _ = to.send(Err(error));
        }
        if last {
            return;
        }
    }
}

/// The other end of [`pump`].
pub struct Pumped {
    from: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Pumped {
    /// Of what comes from there.
    pub fn new(from: Receiver<Piece>) -> Self {
        Self {
            from,
            piece: Vec::new(),
            at: 0,
        }
    }
}

impl Read for Pumped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pumped {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.piece.len() {
            // Nothing comes when the pump has ended.
            if let Ok(piece) = self.from.recv() {
                (self.piece, self.at) = (piece?, 0);
            }
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
