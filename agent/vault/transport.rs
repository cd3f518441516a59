// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bringing objects from one vault to another as they are, each compared with its name on the way.
//! What is not right gets no name at the other end; killed in the middle, nothing half is there.

use super::{Error, PackId, Put, Result, SnapshotId, Storage, snapshot};
use sha2::{Digest, Sha256};

/// How much is read at once, in bytes.
const READ: u64 = 4 << 20;

/// More bytes than any index or snapshot has.
const MOST: u64 = 1 << 30;

/// Takes a pack and its index over; see [`super::Vault::take_pack`].
pub(super) fn take_pack(
    to: &dyn Storage,
    from: &dyn Storage,
    id: PackId,
    size: u64,
    mut went: impl FnMut(u64) -> bool,
) -> Result<u64> {
    let key = id.key();
    let mut spool = to.spool()?;
    let mut digest = Sha256::new();
    let mut offset = 0;
    while offset < size {
        let len = READ.min(size - offset);
        let bytes = from.read(&key, offset, len)?;
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
    put_index(to, from, id)?;
    spool.publish(&key)?;
    Ok(size)
}

/// Puts an index, also in place of one that is cut.
fn put_index(to: &dyn Storage, from: &dyn Storage, id: PackId) -> Result<()> {
    let key = id.index_key();
    let index = from.whole(&key, MOST)?;
    if to.put(&key, &index)? == Put::Existed && to.size(&key)? != Some(index.len() as u64) {
        log::warn!("{key} in the vault was damaged and is replaced");
        to.delete(&key)?;
        to.put(&key, &index)?;
    }
    Ok(())
}

/// Puts a snapshot as it is; see [`super::Vault::put_copy`].
pub(super) fn copy_snapshot(to: &dyn Storage, from: &dyn Storage, id: &SnapshotId) -> Result<()> {
    let key = id.key();
    let text = from.whole(&key, MOST)?;
    // Whole, by its own digest.
    snapshot::read(from, &key, text.len() as u64)?;
    to.put(&key, &text).map(drop)
}
