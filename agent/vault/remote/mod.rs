// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What servers have in common that hold a vault. A pack has no name until it is complete, so it is
//! written to a file of this host that has no name either, and sent when it is named: then a part
//! that fails is sent again from there, and nothing half is ever seen at the other end. Killed
//! before, nothing is left here; what may be left there is the server's own matter
//! ([`Server::tidy`]).

mod blocks;
mod places;
mod retry;
mod settings;
mod traffic;

pub(super) use places::{Place, Places};
pub(super) use retry::{Attempts, Failure, longest};
pub(super) use settings::Secret;
pub use settings::Settings;
pub(super) use traffic::Kind;
pub use traffic::{Requests, Traffic};

use super::{Error, Key, Object, Put, Result, Spool, Storage};
use blocks::{BLOCK, Blocks};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a server has to be able to do. Each of these tries again by itself what may pass.
pub(super) trait Server: Send + Sync {
    /// Where it is, without secrets.
    fn location(&self) -> String;

    /// As [`Storage::put`].
    fn put(&self, key: &Key, data: &[u8]) -> Result<Put>;

    /// Puts the content of a file that is so long. One that exists stays as it is, unless it is to
    /// be replaced.
    fn upload(&self, key: &Key, file: &File, len: u64, replace: bool) -> Result<Put>;

    /// As [`Storage::size`].
    fn size(&self, key: &Key) -> Result<Option<u64>>;

    /// The bytes from an offset on, at most so many, and the object's size.
    fn get(&self, key: &Key, offset: u64, most: u64) -> Result<(Vec<u8>, u64)>;

    /// As [`Storage::list`].
    fn list(&self, prefix: &str) -> Result<Vec<Object>>;

    /// As [`Storage::delete`].
    fn delete(&self, key: &Key) -> Result<()>;

    /// As [`Storage::put_at`].
    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>>;

    /// As [`Storage::unfinished`].
    fn unfinished(&self) -> Result<u64>;

    /// As [`Storage::tidy`].
    fn tidy(&self, alone: bool) -> Result<()>;

    /// As [`Storage::patience`].
    fn patience(&self) -> Duration;

    /// How many connections, or requests on one, may be open at once.
    fn connections(&self) -> usize;

    /// What was asked of it.
    fn traffic(&self) -> &Traffic;
}

/// Whether an object (or those below a prefix) belongs to leases: their renewals wait for no data.
pub(super) fn is_of_a_lease(name: &str) -> bool {
    name.starts_with("locks/")
}

/// A vault on a server.
pub(super) struct Remote<S> {
    server: Arc<S>,
    blocks: Arc<Blocks>,
    scratch: PathBuf,
}

impl<S: Server> Remote<S> {
    pub fn new(server: S, scratch: PathBuf) -> Self {
        Self {
            server: Arc::new(server),
            blocks: Arc::new(Blocks::new()),
            scratch,
        }
    }

    /// A block of an object, and the object's size.
    fn block(&self, key: &Key, number: u64) -> Result<(Vec<u8>, u64)> {
        if let Some(block) = self.blocks.get(key, number) {
            return Ok(block);
        }
        let (block, size) = self.server.get(key, number * BLOCK, BLOCK)?;
        self.blocks.keep(&self.scratch, key, number, &block, size);
        Ok((block, size))
    }
}

impl<S: Server + 'static> Storage for Remote<S> {
    fn location(&self) -> String {
        self.server.location()
    }

    fn patience(&self) -> Duration {
        self.server.patience()
    }

    fn side_by_side(&self) -> usize {
        self.server.connections()
    }

    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        self.server.put(key, data)
    }

    fn spool(&self) -> Result<Box<dyn Spool>> {
        let file = tempfile::tempfile_in(&self.scratch).map_err(|source| Error::Scratch {
            folder: self.scratch.clone(),
            source,
        })?;
        Ok(Box::new(RemoteSpool {
            file,
            scratch: self.scratch.clone(),
            written: 0,
            server: self.server.clone(),
            blocks: self.blocks.clone(),
        }))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>> {
        self.server.size(key)
    }

    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        let short = |size| Error::damaged(key, format!("it ends after {size} bytes"));
        let Some(end) = offset.checked_add(len) else {
            return Err(short(self.server.size(key)?.unwrap_or(0)));
        };
        if len >= BLOCK {
            let (data, size) = self.server.get(key, offset, len)?;
            return match data.len() as u64 == len {
                true => Ok(data),
                false => Err(short(size)),
            };
        }
        let mut data = Vec::with_capacity(len as usize);
        for number in offset / BLOCK..=end.saturating_sub(1).max(offset) / BLOCK {
            let (block, size) = self.block(key, number)?;
            if end > size {
                return Err(short(size));
            }
            let begin = number * BLOCK;
            let from = offset.saturating_sub(begin) as usize;
            let to = (end - begin).min(BLOCK) as usize;
            data.extend_from_slice(block.get(from..to).ok_or_else(|| short(size))?);
        }
        Ok(data)
    }

    fn begin(&self, key: &Key, most: u64) -> Result<(Vec<u8>, u64)> {
        if most > BLOCK {
            return self.server.get(key, 0, most);
        }
        let (mut block, size) = self.block(key, 0)?;
        block.truncate(most as usize);
        Ok((block, size))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        self.server.list(prefix)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.blocks.forget(key);
        self.server.delete(key)
    }

    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        self.server.put_at(key)
    }

    fn unfinished(&self) -> Result<u64> {
        self.server.unfinished()
    }

    fn tidy(&self, alone: bool) -> Result<()> {
        self.server.tidy(alone)
    }

    fn requests(&self) -> Option<Requests> {
        Some(self.server.traffic().so_far())
    }
}

/// A pack on its way to a server.
struct RemoteSpool<S> {
    file: File,
    scratch: PathBuf,
    written: u64,
    server: Arc<S>,
    blocks: Arc<Blocks>,
}

impl<S: Server> Write for RemoteSpool<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = self.file.write(data).map_err(|error| match error.kind() {
            // Not the vault's disk, so it must not be taken for that.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => io::Error::other(format!(
                "no space is left in {}, where packs lie on their way; set scratch in fo_backup.toml",
                self.scratch.display()
            )),
            _ => error,
        })?;
        self.written += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<S: Server> Spool for RemoteSpool<S> {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(io::SeekFrom::Start(len))?;
        self.written = len;
        Ok(())
    }

    fn publish(self: Box<Self>, key: &Key) -> Result<Put> {
        let put = self.server.upload(key, &self.file, self.written, false)?;
        if put == Put::Made || self.server.size(key)? == Some(self.written) {
            return Ok(put);
        }
        // Its name is the digest of its content, so one of another size is damaged.
        log::warn!("{key} in the vault was damaged and is replaced");
        self.blocks.forget(key);
        self.server.upload(key, &self.file, self.written, true)
    }
}
