// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bringing objects from one vault to another as they are, each compared with its name on the way.
//! What is not right gets no name at the other end; killed in the middle, nothing half is there.
//! Encrypted objects travel as they are stored, which takes no key: a pack's name is the digest of
//! that.

use super::crypt::stored;
use super::{ChunkId, Error, Key, PackId, Put, Result, SnapshotId, Storage, snapshot};
use sha2::{Digest, Sha256};

/// How much is read at once, in bytes.
const READ: u64 = 4 << 20;

/// More bytes than any index, chunk or snapshot has.
const MOST: u64 = 1 << 30;

/// From where to where: both as things are stored, and the source as its objects are in clear.
pub(super) struct Way<'a> {
    pub to: &'a dyn Storage,
    pub from: &'a dyn Storage,
    pub clear: &'a dyn Storage,
    /// Whether both are encrypted.
    pub sealed: bool,
}

impl Way<'_> {
    fn name(&self, key: &Key) -> Key {
        if self.sealed {
            stored(key)
        } else {
            key.clone()
        }
    }
}

/// Takes a pack and its index over; see [`super::Vault::take_pack`].
pub(super) fn take_pack(
    way: &Way<'_>,
    id: PackId,
    size: u64,
    mut went: impl FnMut(u64) -> bool,
) -> Result<u64> {
    let key = way.name(&id.key());
    let mut spool = way.to.spool()?;
    let mut digest = Sha256::new();
    let mut offset = 0;
    while offset < size {
        let len = READ.min(size - offset);
        let bytes = way.from.read(&key, offset, len)?;
        digest.update(&bytes);
        spool
            .write_all(&bytes)
            .map_err(Error::io("writing", &key))?;
        offset += len;
        if !went(len) {
            return Ok(0);
        }
    }
    if digest.finalize()[..] != id.bytes()[..] {
        return Err(Error::damaged(&key, "its content is not that of its name"));
    }
    put_index(way, id)?;
    spool.publish(&key)?;
    Ok(size)
}

/// Puts an index, also in place of one that is cut.
fn put_index(way: &Way<'_>, id: PackId) -> Result<()> {
    let key = way.name(&id.index_key());
    let index = way.from.whole(&key, MOST)?;
    if way.to.put(&key, &index)? == Put::Existed && way.to.size(&key)? != Some(index.len() as u64) {
        log::warn!("{key} in the vault was damaged and is replaced");
        way.to.delete(&key)?;
        way.to.put(&key, &index)?;
    }
    Ok(())
}

/// Takes a chunk over that was compared with its name; see [`super::Vault::take_chunk`].
pub(super) fn take_chunk(way: &Way<'_>, id: ChunkId) -> Result<u64> {
    let key = way.name(&id.key());
    let chunk = way.from.whole(&key, MOST)?;
    way.to.put(&key, &chunk)?;
    Ok(chunk.len() as u64)
}

/// Puts a snapshot as it is; see [`super::Vault::put_copy`].
pub(super) fn copy_snapshot(way: &Way<'_>, id: &SnapshotId) -> Result<()> {
    // Whole, by its own digest.
    snapshot::read(way.clear, &id.key())?;
    let key = way.name(&id.key());
    let text = way.from.whole(&key, MOST)?;
    way.to.put(&key, &text).map(drop)
}
