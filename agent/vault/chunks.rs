// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Streams (the files of a dump, the configuration, the other directories) cut into chunks where
//! their content says so (FastCDC), so that what did not change is stored once. A chunk is named
//! by its content; one that is there is not written again.

use super::key::Kind;
use super::{ChunkId, Error, Put, Result, Storage};
use crate::threads;
use fastcdc::v2020::{Error as CdcError, StreamCDC};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::{self, Cursor, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The least, the usual and the most bytes of a chunk that is written. Each place of a table that
/// changed costs about one and a half of them: smaller ones would cost a large dump more objects than they
/// save bytes (docs/design.md has the figures).
const CHUNK: (u32, u32, u32) = (64 << 10, 256 << 10, 1 << 20);

/// The most bytes of a chunk that is read, which the format sets.
const MOST: usize = 4 << 20;

/// The zstd level of chunks. A dump is text with much repetition: 3 takes half of level 1's room.
const LEVEL: i32 = 3;

/// More bytes than any chunk has that is packed.
const PACKED_MOST: u64 = 8 << 20;

/// What a file, a tar or a table of the dump consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stream {
    /// Its length in bytes.
    pub size: u64,
    /// Its chunks, in order.
    pub chunks: Vec<ChunkId>,
}

/// The chunks of a vault.
#[derive(Clone)]
pub struct ChunkStore {
    storage: Arc<dyn Storage>,
    stored: Arc<AtomicU64>,
    /// What a server has: asked for once, in place of a question for each chunk. Others only add to
    /// it while this run has its lease, and what they add is not put twice either.
    there: Arc<OnceLock<HashSet<ChunkId>>>,
}

impl ChunkStore {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            stored: Arc::default(),
            there: Arc::default(),
        }
    }

    /// How many bytes this store has added to the vault so far.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Reads a source to its end and stores it. `what` names it in messages; `workers`, or as many
    /// as the storage can use, compress and write its chunks side by side, and `stop` is asked before each.
    ///
    /// # Errors
    /// When the source cannot be read, a chunk cannot be put, or it was stopped.
    pub fn write(
        &self,
        what: &str,
        mut source: impl Read,
        workers: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Stream> {
        let (least, usual, most) = CHUNK;
        let workers = workers.max(self.storage.side_by_side());
        let mut stream = Stream::default();
        // Most files of a dump are smaller than any chunk. Cutting them would only cost: buffers
        // of the largest chunk's size, and threads.
        let mut head = Vec::new();
        let read = source
            .by_ref()
            .take(u64::from(least))
            .read_to_end(&mut head);
        read.map_err(|source| Error::Source {
            what: what.to_owned(),
            source,
        })?;
        if head.len() < least as usize {
            if !head.is_empty() {
                stream.size = head.len() as u64;
                let id = ChunkId::new(Sha256::digest(&head).into());
                self.put(id, &head)?;
                stream.chunks.push(id);
            }
            return Ok(stream);
        }
        let source = head.as_slice().chain(source);
        let pieces = StreamCDC::new(source, least as usize, usual as usize, most as usize);
        let (send, receive) = crossbeam_channel::bounded::<(ChunkId, Vec<u8>)>(workers);
        std::thread::scope(|scope| {
            let running = threads::several(scope, "chunk writer", workers, || {
                let receive = receive.clone();
                move || -> Result<()> {
                    for (id, data) in receive {
                        self.put(id, &data)?;
                    }
                    Ok(())
                }
            })?;
            // With one of our own a send would wait for ever once all workers have failed.
            drop(receive);
            let mut failed = None;
            for piece in pieces {
                if stop() {
                    failed = Some(Error::Stopped);
                    break;
                }
                let data = match piece {
                    Ok(piece) => piece.data,
                    Err(error) => {
                        failed = Some(Error::Source {
                            what: what.to_owned(),
                            source: io_error(error),
                        });
                        break;
                    }
                };
                stream.size += data.len() as u64;
                let id = ChunkId::new(Sha256::digest(&data).into());
                stream.chunks.push(id);
                // Fails only when every worker has ended, each with an error that is found below.
                if send.send((id, data)).is_err() {
                    break;
                }
                if running.iter().any(|worker| worker.is_finished()) {
                    break; // a worker ends before the channel only when it failed
                }
            }
            drop(send);
            for worker in running {
                threads::ended(worker)?;
            }
            failed.map_or(Ok(()), Err)
        })?;
        Ok(stream)
    }

    fn put(&self, id: ChunkId, data: &[u8]) -> Result<()> {
        let key = id.key();
        if self.has(id)? {
            return Ok(());
        }
        let mut compressor =
            zstd::bulk::Compressor::new(LEVEL).map_err(Error::io("preparing", "zstd"))?;
        let packed = compressor
            .compress(data)
            .map_err(Error::io("compressing", &key))?;
        if self.storage.put(&key, &packed)? == Put::Made {
            self.stored
                .fetch_add(packed.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn has(&self, id: ChunkId) -> Result<bool> {
        if self.storage.requests().is_none() {
            return Ok(self.storage.size(&id.key())?.is_some());
        }
        if let Some(there) = self.there.get() {
            return Ok(there.contains(&id));
        }
        let there = self.ids()?.into_iter().collect();
        Ok(self.there.get_or_init(|| there).contains(&id))
    }

    /// A stream of fewer bytes is one chunk.
    pub const LEAST: u64 = CHUNK.0 as u64;

    /// How many chunks are best asked for, or put, at once.
    pub fn side_by_side(&self) -> usize {
        self.storage.side_by_side()
    }

    /// The chunks that are there.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn ids(&self) -> Result<Vec<ChunkId>> {
        Ok(self.sizes()?.into_keys().collect())
    }

    /// The chunks that are there, with their sizes as they are stored, in bytes.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn sizes(&self) -> Result<HashMap<ChunkId, u64>> {
        let there = self.storage.list("database/")?;
        let sizes = there
            .into_iter()
            .filter_map(|object| match object.key.kind() {
                Kind::Chunk(id) => Some((id, object.size)),
                _ => None,
            });
        Ok(sizes.collect())
    }

    /// The stored bytes of a chunk, compared with its name.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn packed(&self, id: ChunkId) -> Result<Vec<u8>> {
        let packed = self.storage.whole(&id.key(), PACKED_MOST)?;
        unpack(id, &packed)?;
        Ok(packed)
    }

    /// Reads one chunk and compares it with its name.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn chunk(&self, id: ChunkId) -> Result<Vec<u8>> {
        unpack(id, &self.storage.whole(&id.key(), PACKED_MOST)?)
    }

    /// The stored size of a chunk in bytes, or `None` when it is missing.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub fn stored_size(&self, id: ChunkId) -> Result<Option<u64>> {
        self.storage.size(&id.key())
    }

    /// A stream's content, to be read piece by piece; each chunk is compared with its name before
    /// anything of it is handed out.
    pub fn reader<'a>(&self, stream: &'a Stream) -> StreamReader<'a> {
        StreamReader {
            store: self.clone(),
            left: stream.chunks.iter(),
            chunk: Cursor::default(),
        }
    }

    /// Writes a stream's content, each chunk compared with its name.
    ///
    /// # Errors
    /// When a chunk is missing or damaged, or `out` fails.
    pub fn copy(&self, what: &str, stream: &Stream, out: &mut dyn Write) -> Result<()> {
        let ids = stream.chunks.iter();
        let count = self.storage.side_by_side().min(stream.chunks.len());
        let fetch = |id: &ChunkId| self.chunk(*id);
        threads::in_order("fetching chunks", count, ids, fetch, |data| {
            // Not the vault's disk: a full one is not to be taken for the vault's.
            out.write_all(&data?).map_err(|source| Error::Io {
                doing: "writing",
                what: what.to_owned(),
                source,
            })
        })
    }
}

/// Reads a stream: one chunk of it is in memory.
pub struct StreamReader<'a> {
    store: ChunkStore,
    left: std::slice::Iter<'a, ChunkId>,
    chunk: Cursor<Vec<u8>>,
}

impl Read for StreamReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(id) = self.left.next() else {
                return Ok(0);
            };
            self.chunk = Cursor::new(self.store.chunk(*id).map_err(io::Error::other)?);
        }
    }
}

/// The content of a chunk, compared with its name.
fn unpack(id: ChunkId, packed: &[u8]) -> Result<Vec<u8>> {
    let key = id.key();
    let data = zstd::bulk::decompress(packed, MOST)
        .map_err(|error| Error::damaged(&key, format!("it does not decode ({error})")))?;
    if ChunkId::new(Sha256::digest(&data).into()) != id {
        return Err(Error::damaged(&key, "its content is not that of its name"));
    }
    Ok(data)
}

fn io_error(error: CdcError) -> std::io::Error {
    match error {
        CdcError::IoError(error) => error,
        other => std::io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
