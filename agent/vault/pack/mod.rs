// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packs: tar archives in independent zstd frames. Each frame begins at a member, so that one
//! blob is read without the rest; a blob too large for a frame has several of its own.

mod frame;
mod reader;
mod writer;

pub use frame::{Frame, FrameBuilder};
pub use reader::PackReader;
pub(super) use reader::{FrameStream, decode_frame};
pub use writer::{LargeBlob, PackWriter};

#[cfg(test)]
mod tests;

use super::{Object, PackId, Result, Storage};
use std::collections::BTreeMap;

/// How much content a frame gets before the next one begins, in bytes.
pub const FRAME_TARGET: usize = 1 << 20;

/// A blob larger than this, in bytes, has frames of its own, each with this much of it.
pub const LARGE: u64 = 4 << 20;

/// The most that a frame may hold decoded, in bytes; more is damage, not data.
pub(super) const FRAME_MOST: usize = 8 << 20;

/// The size at which a pack is complete, in bytes.
pub const PACK_TARGET: u64 = 128 << 20;

/// The number of blobs at which a pack is complete whatever its size, so that its index stays
/// small in memory.
pub const PACK_BLOBS: usize = 200_000;

/// A pack that lies in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackInfo {
    /// Its id.
    pub id: PackId,
    /// Its size in bytes.
    pub size: u64,
    /// Whether its index is there.
    pub indexed: bool,
}

/// The packs of a vault. An index without its pack is what a killed run left: it does not count.
pub(super) fn list(storage: &dyn Storage) -> Result<Vec<PackInfo>> {
    let mut packs: BTreeMap<PackId, (Option<u64>, bool)> = BTreeMap::new();
    for Object { key, size } in storage.list("packs/")? {
        let name = key.file_name();
        if let Some(id) = name.strip_suffix(".tar.zst").and_then(|id| id.parse().ok()) {
            packs.entry(id).or_default().0 = Some(size);
        } else if let Some(id) = name.strip_suffix(".idx").and_then(|id| id.parse().ok()) {
            packs.entry(id).or_default().1 = true;
        }
    }
    Ok(packs
        .into_iter()
        .filter_map(|(id, (size, indexed))| size.map(|size| PackInfo { id, size, indexed }))
        .collect())
}
