// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading packs: one blob, some frames, or all of it in order.

use super::{FRAME_MOST, LARGE};
use crate::vault::{Error, Key, PackId, Record, Result, Storage};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// How much of a pack is read at once, in bytes.
const READ: u64 = 4 << 20;

/// Reads one pack.
#[derive(Clone)]
pub struct PackReader {
    storage: Arc<dyn Storage>,
    id: PackId,
    key: Key,
}

impl PackReader {
    /// A reader of the pack with this id.
    pub fn new(storage: Arc<dyn Storage>, id: PackId) -> Self {
        Self {
            storage,
            id,
            key: id.key(),
        }
    }

    /// The pack's id.
    pub fn id(&self) -> PackId {
        self.id
    }

    /// Some of the pack's bytes.
    ///
    /// # Errors
    /// When the pack is missing or ends before.
    pub fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.storage.read(&self.key, offset, len)
    }

    /// Some bytes of the pack as it is stored: its id is their digest.
    ///
    /// # Errors
    /// As [`PackReader::bytes`].
    pub fn stored(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.storage.read_stored(&self.key, offset, len)
    }

    /// Decodes one frame that was read with [`PackReader::bytes`].
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is no valid frame.
    pub fn decode(&self, frame: &[u8]) -> Result<Vec<u8>> {
        decode_frame(frame).map_err(|error| Error::damaged(&self.key, error.to_string()))
    }

    /// The content of a blob in a decoded frame.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the record points past the frame.
    pub fn content<'a>(&self, record: &Record, frame: &'a [u8]) -> Result<&'a [u8]> {
        let at = record.at as usize;
        let end = usize::try_from(record.name.size())
            .ok()
            .and_then(|size| at.checked_add(size));
        end.and_then(|end| frame.get(at..end)).ok_or_else(|| {
            Error::damaged(
                &self.key,
                format!("{} lies past its frame's end", record.name),
            )
        })
    }

    /// Whether a blob has frames of its own and has to be read with [`PackReader::stream`].
    pub fn is_large(record: &Record) -> bool {
        record.name.size() > LARGE
    }

    /// Reads a blob of any size piece by piece. The content is not compared with its name here.
    ///
    /// # Errors
    /// When it cannot be read or decoded, or `take` fails.
    pub fn stream<E: From<Error>>(
        &self,
        record: &Record,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut frames = FrameStream::new(
            self.storage.clone(),
            self.key.clone(),
            record.frame_offset,
            record.frame_offset.saturating_add(record.frame_len),
        );
        let mut skip = record.at as usize;
        let mut left = record.name.size();
        while left > 0 {
            let Some((_, _, frame)) = frames.next()? else {
                return Err(Error::damaged(&self.key, format!("{} is cut", record.name)).into());
            };
            let from = skip.min(frame.len());
            skip -= from;
            let len = left.min((frame.len() - from) as u64);
            take(&frame[from..from + len as usize])?;
            left -= len;
        }
        Ok(())
    }

    /// The whole content of a blob, without comparing it with its name.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn blob(&self, record: &Record) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.stream::<Error>(record, |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }
}

/// Decodes one whole frame; more than a frame may hold is refused before memory is taken for it.
pub(in crate::vault) fn decode_frame(frame: &[u8]) -> io::Result<Vec<u8>> {
    let size = zstd::zstd_safe::get_frame_content_size(frame)
        .ok()
        .flatten()
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size <= FRAME_MOST)
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "no frame of a pack begins there",
            )
        })?;
    let content = zstd::bulk::decompress(frame, size)?;
    if content.len() != size {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame is shorter than it says",
        ));
    }
    Ok(content)
}

/// The frames of a pack, or of a part of it, one after the other: offset, compressed length and
/// content.
pub(in crate::vault) struct FrameStream {
    storage: Arc<dyn Storage>,
    key: Key,
    /// Where the next read begins, and where the part ends.
    read: u64,
    end: u64,
    /// What was read and not decoded yet, and where it begins in the pack.
    pending: VecDeque<u8>,
    offset: u64,
}

impl FrameStream {
    pub fn new(storage: Arc<dyn Storage>, key: Key, from: u64, end: u64) -> Self {
        Self {
            storage,
            key,
            read: from,
            end,
            pending: VecDeque::new(),
            offset: from,
        }
    }

    /// Decodes the next frame; `None` at the end of the part.
    pub fn next(&mut self) -> Result<Option<(u64, u64, Vec<u8>)>> {
        let damaged = |key: &Key, offset: u64, why: &str| {
            Error::damaged(key, format!("the frame at byte {offset} {why}"))
        };
        let start = self.offset;
        if start >= self.end {
            return Ok(None);
        }
        let mut decoder = Decoder::new().map_err(Error::io("preparing", "zstd"))?;
        let mut content = Vec::new();
        let mut piece = vec![0; 1 << 17];
        loop {
            if self.pending.is_empty() {
                let len = READ.min(self.end - self.read);
                if len == 0 {
                    return Err(damaged(&self.key, start, "is cut"));
                }
                self.pending = self.storage.read(&self.key, self.read, len)?.into();
                self.read += len;
            }
            let (front, _) = self.pending.as_slices();
            let mut input = InBuffer::around(front);
            let mut output = OutBuffer::around(&mut piece[..]);
            let hint = decoder.run(&mut input, &mut output).map_err(|error| {
                damaged(&self.key, start, &format!("does not decode ({error})"))
            })?;
            let (used, made) = (input.pos(), output.pos());
            content.extend_from_slice(&piece[..made]);
            self.pending.drain(..used);
            self.offset += used as u64;
            if content.len() > FRAME_MOST {
                return Err(damaged(&self.key, start, "is larger than a frame may be"));
            }
            if hint == 0 {
                return Ok(Some((start, self.offset - start, content)));
            }
        }
    }
}
