// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The file of an index: a head, the sorted records, and the SHA-256 of both.

use super::Record;
use crate::blob::Tree;
use crate::vault::{Error, Key, PackId, Result, Storage};
use sha2::{Digest, Sha256};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"FOBIDX1\n";
const HEAD: u64 = 64;
const DIGEST: u64 = 32;
const WIDTH: u64 = Record::WIDTH as u64;

/// How many records are read at once when all are read.
const WINDOW: u64 = 4096;

/// The index of one pack.
#[derive(Clone)]
pub struct IndexFile {
    storage: Arc<dyn Storage>,
    key: Key,
    pack: PackId,
    pack_size: u64,
    class: Tree,
    count: u64,
}

/// The bytes of an index file. The records are sorted here.
pub(in crate::vault) fn encode(
    pack: PackId,
    pack_size: u64,
    class: Tree,
    records: &mut [Record],
) -> Vec<u8> {
    records.sort_unstable_by_key(|record| record.name);
    let mut out = Vec::with_capacity(records.len() * Record::WIDTH + (HEAD + DIGEST) as usize);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(records.len() as u64).to_le_bytes());
    out.extend_from_slice(&pack_size.to_le_bytes());
    out.extend_from_slice(&[class_byte(class), 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(pack.bytes());
    for record in records.iter() {
        record.encode(&mut out);
    }
    let digest = Sha256::digest(&out);
    out.extend_from_slice(&digest);
    out
}

fn class_byte(class: Tree) -> u8 {
    match class {
        Tree::Gold => 1,
        Tree::Files => 2,
    }
}

impl IndexFile {
    /// Opens a pack's index and checks its head.
    ///
    /// # Errors
    /// When it is missing, cut, or of another pack. [`IndexFile::verify`] looks at all of it.
    pub fn open(storage: Arc<dyn Storage>, pack: PackId) -> Result<Self> {
        let key = pack.index_key();
        let (head, size) = storage.begin(&key, HEAD)?;
        if size < HEAD + DIGEST {
            return Err(Error::damaged(&key, "it is too short"));
        }
        let number =
            |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let class = match head[24] {
            1 => Tree::Gold,
            2 => Tree::Files,
            _ => return Err(Error::damaged(&key, "its head names no kind of pack")),
        };
        let count = number(8);
        if &head[..8] != MAGIC || &head[32..64] != pack.bytes() {
            return Err(Error::damaged(
                &key,
                "its head is not that of this pack's index",
            ));
        }
        if count
            .checked_mul(WIDTH)
            .and_then(|len| len.checked_add(HEAD + DIGEST))
            != Some(size)
        {
            return Err(Error::damaged(
                &key,
                format!("it has not the size of {count} records"),
            ));
        }
        Ok(Self {
            storage,
            key,
            pack,
            pack_size: number(16),
            class,
            count,
        })
    }

    /// How large the index of so many blobs is, in bytes.
    pub fn size_of(blobs: u64) -> u64 {
        HEAD + blobs * WIDTH + DIGEST
    }

    /// The pack that it is the index of.
    pub fn pack(&self) -> PackId {
        self.pack
    }

    /// The pack's size in bytes.
    pub fn pack_size(&self) -> u64 {
        self.pack_size
    }

    /// Whether the pack was made for gold or for files.
    pub fn class(&self) -> Tree {
        self.class
    }

    /// The number of blobs in the pack.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The raw bytes of some records.
    pub(super) fn window(&self, from: u64, records: u64) -> Result<Vec<u8>> {
        let records = records.min(self.count - from);
        self.storage
            .read(&self.key, HEAD + from * WIDTH, records * WIDTH)
    }

    /// Hands out every record with its number, in the order of names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn for_each(&self, mut look: impl FnMut(u64, Record)) -> Result<()> {
        let mut from = 0;
        while from < self.count {
            let window = self.window(from, WINDOW)?;
            for bytes in window.chunks_exact(Record::WIDTH) {
                look(from, Record::decode(bytes));
                from += 1;
            }
        }
        Ok(())
    }

    /// Reads all of it and compares its digest, the order and the bounds of its records.
    ///
    /// # Errors
    /// [`Error::Damaged`] with what is wrong.
    pub fn verify(&self) -> Result<()> {
        let mut digest = Sha256::new_with_prefix(self.storage.read(&self.key, 0, HEAD)?);
        let mut last = None;
        let mut from = 0;
        while from < self.count {
            let window = self.window(from, WINDOW)?;
            digest.update(&window);
            for bytes in window.chunks_exact(Record::WIDTH) {
                let record = Record::decode(bytes);
                if last.is_some_and(|last| last >= record.name) {
                    return Err(Error::damaged(
                        &self.key,
                        format!("its records are not in order at {from}"),
                    ));
                }
                let end = record.frame_offset.checked_add(record.frame_len);
                if end.is_none_or(|end| end > self.pack_size) {
                    return Err(Error::damaged(
                        &self.key,
                        format!("record {from} points past the pack's end"),
                    ));
                }
                last = Some(record.name);
                from += 1;
            }
        }
        let stored = self
            .storage
            .read(&self.key, HEAD + self.count * WIDTH, DIGEST)?;
        if digest.finalize()[..] != stored[..] {
            return Err(Error::damaged(&self.key, "its digest does not match"));
        }
        Ok(())
    }
}
