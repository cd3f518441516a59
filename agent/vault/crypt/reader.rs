// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Parts of an encrypted object without the whole. An age file is a head and then its content in
//! pieces of 64 KiB, each encrypted by itself, so where a part lies can be computed. age's own
//! reader seeks; what it reads from is a window on the stored object, which is told how far to
//! fetch, so that a part costs one read of the storage.

use crate::vault::{Error, Key, Result, Storage};
use age::stream::StreamReader;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A piece of content, and the same piece encrypted, in bytes.
const PIECE: u64 = 64 << 10;
const STORED: u64 = PIECE + 16;

/// What is fetched to read a head: that of some twenty recipients.
const HEAD: u64 = 4 << 10;

/// The most that is fetched at once.
const MOST: u64 = 8 << 20;

/// Reads an encrypted object.
pub(super) struct Part {
    reader: StreamReader<Window>,
    shared: Arc<Shared>,
    /// Where the encrypted content begins.
    begin: u64,
    /// How long the content can be at most, by what is stored.
    most: u64,
}

/// What a window and its owner tell each other.
#[derive(Default)]
struct Shared {
    at: AtomicU64,
    until: AtomicU64,
}

impl Part {
    /// Opens an object: its size and its head come with one question.
    pub fn open(
        storage: Arc<dyn Storage>,
        stored: Key,
        identities: &mut dyn Iterator<Item = &dyn age::Identity>,
    ) -> Result<Self, age::DecryptError> {
        let (head, size) = storage.begin(&stored, HEAD).map_err(io::Error::other)?;
        let shared = Arc::new(Shared::default());
        shared.until.store(HEAD, Ordering::Relaxed);
        let window = Window {
            storage,
            stored,
            size,
            start: 0,
            data: head,
            shared: shared.clone(),
        };
        let reader = age::Decryptor::new(window)?.decrypt(identities)?;
        let begin = shared.at.load(Ordering::Relaxed);
        let encrypted = size.saturating_sub(begin);
        Ok(Self {
            reader,
            begin,
            most: encrypted.saturating_sub(16 * encrypted.div_ceil(STORED)),
            shared,
        })
    }

    /// Some of the content.
    pub fn read(&mut self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        // What a damaged index names may lie anywhere, and be of any length: age's reader does not bear to
        // be sent there, and it must not become a buffer.
        if offset.checked_add(len).is_none_or(|end| end > self.most) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut data = vec![0; len as usize];
        if len > 0 {
            let last = (offset + len - 1) / PIECE;
            let until = self.begin + (last + 1) * STORED;
            self.shared.until.store(until, Ordering::Relaxed);
            self.reader.seek(SeekFrom::Start(offset))?;
            self.reader.read_exact(&mut data)?;
        }
        Ok(data)
    }

    /// How long the content is, as its authenticated last piece says.
    pub fn len(&mut self) -> io::Result<u64> {
        self.shared.until.store(0, Ordering::Relaxed);
        self.reader.seek(SeekFrom::End(0))
    }
}

/// A stored object as something to read and to seek in.
struct Window {
    storage: Arc<dyn Storage>,
    stored: Key,
    size: u64,
    /// Where what is in memory begins.
    start: u64,
    data: Vec<u8>,
    shared: Arc<Shared>,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.shared.at.load(Ordering::Relaxed);
        let inside = |start: u64, data: &[u8]| at >= start && at - start < data.len() as u64;
        if !inside(self.start, &self.data) {
            let until = self.shared.until.load(Ordering::Relaxed);
            let wanted = until.saturating_sub(at).max(buffer.len() as u64).min(MOST);
            let len = wanted.min(self.size.saturating_sub(at));
            if len == 0 {
                return Ok(0);
            }
            let read = self.storage.read(&self.stored, at, len);
            self.data = read.map_err(io::Error::other)?;
            self.start = at;
        }
        let from = (at - self.start) as usize;
        let len = buffer.len().min(self.data.len() - from);
        buffer[..len].copy_from_slice(&self.data[from..from + len]);
        self.shared.at.store(at + len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.shared.at.load(Ordering::Relaxed);
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => at.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.shared.at.store(target, Ordering::Relaxed);
        Ok(target)
    }
}

/// What a failed read says of an object: the storage's own error, or that the object is damaged.
pub(super) fn failed(key: &Key, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(Error::Missing { location, .. }) => Error::Missing {
            key: key.clone(),
            location,
        },
        Ok(Error::Damaged { why, .. }) => Error::damaged(key, why),
        Ok(other) => other,
        Err(error) => match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::damaged(key, "it ends too early"),
            _ => Error::damaged(key, format!("it does not decrypt ({error})")),
        },
    }
}
