// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Undoes xz, with several threads where its writer cut it into blocks (as `xz -T` and Debian's
//! sources do): it is the slowest to undo of what source code usually comes in, and libarchive
//! does it with one.

use super::libarchive::Input;
use liblzma::stream::{Action, Error, MtStreamBuilder, Status, Stream};
use std::io::{self, Read};

/// What all the decoders of a walk may take for blocks that are undone side by side, in bytes. A
/// stream whose blocks need more is undone by one thread.
const BESIDE: u64 = 192 << 20;
/// What one decoder may take at most, in bytes: xz at its highest level needs 65 MiB.
const MOST: u64 = 160 << 20;
/// How an xz stream begins.
const MAGIC: u8 = 0xfd;

/// What is in an xz file, all of its streams one after the other. What came out before damage is
/// given before the damage is told.
pub struct Xz<'a> {
    input: Box<dyn Input + 'a>,
    /// What was read of the input, and how much of it is used.
    chunk: Vec<u8>,
    at: usize,
    at_end: bool,
    threads: u32,
    beside: u64,
    /// None between streams.
    stream: Option<Stream>,
    /// What was wrong, to be told when all that came before it is given; then the end.
    failure: Option<String>,
    ended: bool,
}

impl<'a> Xz<'a> {
    /// Of an input that begins with an xz stream. It is one of so many decoders that may be at
    /// work; `threads` are all of this walk.
    pub fn new(input: Box<dyn Input + 'a>, threads: usize, decoders: usize) -> Self {
        let decoders = decoders.max(1);
        Self {
            input,
            chunk: Vec::new(),
            at: 0,
            at_end: false,
            threads: u32::try_from((threads / decoders).max(1)).unwrap_or(1),
            beside: BESIDE / decoders as u64,
            stream: None,
            failure: None,
            ended: false,
        }
    }

    /// Reads on when all is used. `false` at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at == self.chunk.len() && !self.at_end {
            self.chunk.clear();
            self.chunk.extend_from_slice(self.input.fill()?);
            self.at = 0;
            self.at_end = self.chunk.is_empty();
        }
        Ok(!self.at_end)
    }

    /// Begins the next stream, which may follow padding; `false` when there is none.
    fn begin(&mut self, first: bool) -> io::Result<bool> {
        while self.fill()? {
            let rest = &self.chunk[self.at..];
            match rest.iter().position(|byte| *byte != 0) {
                None => self.at = self.chunk.len(),
                Some(padding) => {
                    self.at += padding;
                    if !first && self.chunk[self.at] != MAGIC {
                        return Err(invalid("what follows it is no xz stream"));
                    }
                    let stream = MtStreamBuilder::new()
                        .threads(self.threads)
                        .memlimit_threading(self.beside)
                        .memlimit_stop(MOST)
                        .decoder();
                    self.stream = Some(stream.map_err(|error| invalid(words(&error)))?);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Undoes as much as there is room for; 0 when that is nothing for now.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let more = self.fill()?;
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        let (taken, given) = (stream.total_in(), stream.total_out());
        let action = if more { Action::Run } else { Action::Finish };
        let status = stream.process(&self.chunk[self.at..], buffer, action);
        // Both are bounded by the slices' lengths.
        self.at += (stream.total_in() - taken) as usize;
        let count = (stream.total_out() - given) as usize;
        match status {
            Ok(Status::StreamEnd) => self.stream = None,
            Ok(Status::MemNeeded) if !more && count == 0 => {
                self.failure = Some("it is cut off".into());
            }
            Ok(_) => {}
            Err(error) => self.failure = Some(words(&error).into()),
        }
        Ok(count)
    }
}

impl Read for Xz<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut first = self.chunk.is_empty();
        while !buffer.is_empty() && !self.ended {
            if let Some(failure) = self.failure.take() {
                self.ended = true;
                return Err(invalid(&failure));
            }
            if self.stream.is_none() {
                match self.begin(first) {
                    Ok(true) => first = false,
                    Ok(false) => self.ended = true,
                    Err(error) => {
                        self.ended = true;
                        return Err(error);
                    }
                }
                continue;
            }
            match self.advance(buffer) {
                Ok(0) => {}
                given => return given,
            }
        }
        Ok(0)
    }
}

fn invalid(detail: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

fn words(error: &Error) -> &'static str {
    match error {
        Error::Mem => "there is too little memory for it",
        Error::MemLimit => "it asks for more memory than it is granted",
        Error::Format => "its header is damaged",
        Error::Options => "it uses what this liblzma does not know",
        _ => "it is damaged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::libarchive::MemoryInput;
    use liblzma::stream::Check;
    use liblzma::write::XzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn packed(content: &[u8], block: u64) -> Vec<u8> {
        let stream = MtStreamBuilder::new()
            .preset(0)
            .check(Check::Crc64)
            .block_size(block)
            .encoder()
            .unwrap();
        let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// What came out, and what was told at its end.
    fn undone(data: &[u8], threads: usize) -> (Vec<u8>, Option<String>) {
        let mut xz = Xz::new(Box::new(MemoryInput::new(data)), threads, 1);
        let mut content = Vec::new();
        let told = xz.read_to_end(&mut content).err();
        (content, told.map(|error| error.to_string()))
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..3000),
            (any::<u8>(), 0..9000_usize).prop_map(|(byte, count)| vec![byte; count]),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn streams_and_their_blocks_are_one_content(
            parts in proptest::collection::vec((content(), 1_u64..6000, 0..3_usize), 1..4),
            threads in 1..4_usize,
        ) {
            let mut data = Vec::new();
            for (content, block, padding) in &parts {
                data.extend(packed(content, *block));
                data.resize(data.len() + 4 * padding, 0);
            }
            let whole = parts.iter().map(|(content, ..)| &content[..]).collect::<Vec<_>>().concat();
            prop_assert_eq!(undone(&data, threads), (whole, None));
        }

        #[test]
        fn damage_is_told_after_all_that_came_before_it(
            content in content(),
            block in 1_u64..6000,
            threads in 1..4_usize,
            at in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut data = packed(&content, block);
            let at = at.index(data.len());
            if cut {
                data.truncate(at);
            } else {
                data[at] ^= 0x40;
            }
            let (alone, told) = undone(&data, 1);
            if !data.is_empty() {
                prop_assert!(told.is_some(), "nothing is told of a change at {}", at);
            }
            // A thread more changes nothing of what is found.
            let (beside, _) = undone(&data, threads);
            let common = alone.iter().zip(&beside).take_while(|(a, b)| a == b).count();
            prop_assert!(common == alone.len().min(beside.len()));
            let right = alone.iter().zip(&content).take_while(|(a, b)| a == b).count();
            prop_assert!(beside.len() >= right, "{} of {}", beside.len(), right);
        }
    }

    #[test]
    fn what_follows_a_stream_and_is_none_is_told() {
        let mut data = packed(b"content", 1000);
        data.extend(b"more");
        let (content, told) = undone(&data, 2);
        assert_eq!(content, b"content");
        assert_eq!(told.as_deref(), Some("what follows it is no xz stream"));
    }
}
