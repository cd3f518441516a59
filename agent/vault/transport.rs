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
        let bytes = way.from.read(&key, offset, len);
        let bytes = bytes.map_err(|error| error.of_reading(&key))?;
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

/// Puts an index, also in place of one that is cut; see [`super::Vault::take_index`].
pub(super) fn put_index(way: &Way<'_>, id: PackId) -> Result<()> {
    put(way, &way.name(&id.index_key())).map(drop)
}

/// Takes a chunk over that was compared with its name; see [`super::Vault::take_chunk`].
pub(super) fn take_chunk(way: &Way<'_>, id: ChunkId) -> Result<u64> {
    put(way, &way.name(&id.key()))
}

/// Puts a small object, also in place of one of another size, and gives back its size.
fn put(way: &Way<'_>, key: &Key) -> Result<u64> {
    let object = way.from.whole(key, MOST);
    let object = object.map_err(|error| error.of_reading(key))?;
    let size = object.len() as u64;
    if way.to.put(key, &object)? == Put::Existed && way.to.size(key)? != Some(size) {
        log::warn!("{key} in the vault was damaged and is replaced");
        way.to.delete(key)?;
        way.to.put(key, &object)?;
    }
    Ok(size)
}

/// Puts a snapshot as it is; see [`super::Vault::put_copy`].
pub(super) fn copy_snapshot(way: &Way<'_>, id: &SnapshotId) -> Result<()> {
    // Whole, by its own digest.
    snapshot::read(way.clear, &id.key())?;
    put(way, &way.name(&id.key())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_a_disk_cannot_read_is_damaged_and_what_it_refuses_is_not() {
        let key = Key::from_text("packs/x");
        let of = |code| {
            let error = Error::io("reading", &key)(io::Error::from_raw_os_error(code));
            error.of_reading(&key)
        };
        assert!(of(libc::EIO).is_damage());
        assert!(of(libc::EIO).to_string().contains("packs/x"));
        assert!(!of(libc::EACCES).is_damage());
    }
}
