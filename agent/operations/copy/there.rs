// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What lies at the far side, by a listing of its own.

use crate::operations::Result;
use crate::vault::{ChunkId, IndexFile, PackId, PackRef, Snapshot, Vault};
use std::collections::{BTreeSet, HashMap};

/// The sizes of what lies at the far side, in bytes.
pub(super) struct There {
    packs: HashMap<PackId, u64>,
    indexes: HashMap<PackId, u64>,
    chunks: HashMap<ChunkId, u64>,
    encrypted: bool,
}

impl There {
    /// Asks the far side.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn list(far: &Vault) -> Result<Self> {
        let (packs, indexes) = far.packs_and_indexes()?;
        Ok(Self {
            packs,
            indexes,
            chunks: far.chunks().sizes()?,
            encrypted: far.is_encrypted(),
        })
    }

    /// Whether something of this pack's name is there.
    pub fn has_something_of(&self, id: PackId) -> bool {
        self.packs.contains_key(&id)
    }

    /// Whether a pack is there to its end.
    pub fn has_pack(&self, pack: &PackRef) -> bool {
        self.packs.get(&pack.id) == Some(&pack.size)
    }

    /// Whether the index of a pack is there to its end.
    pub fn has_index(&self, pack: &PackRef) -> bool {
        self.indexes.get(&pack.id).is_some_and(|size| {
            let records = IndexFile::size_of(pack.blobs);
            // An encrypted one is longer than its records.
            *size == records || (self.encrypted && *size > records)
        })
    }

    /// How large a chunk is there; `None` when it is not.
    pub fn chunk(&self, id: &ChunkId) -> Option<u64> {
        self.chunks.get(id).copied()
    }

    /// Notes that a pack has gone there with its index.
    pub fn add_pack(&mut self, pack: &PackRef) {
        self.packs.insert(pack.id, pack.size);
        self.add_index(pack);
    }

    /// Notes that an index has gone there.
    pub fn add_index(&mut self, pack: &PackRef) {
        let records = IndexFile::size_of(pack.blobs);
        self.indexes.insert(pack.id, records);
    }

    /// Notes that a chunk of so many bytes has gone there.
    pub fn add_chunk(&mut self, id: ChunkId, size: u64) {
        self.chunks.insert(id, size);
    }

    /// What a snapshot names and is not there, in a line.
    pub fn lacks(&self, snapshot: &Snapshot) -> Option<String> {
        let lacks = |pack: &&PackRef| !self.has_pack(pack) || !self.has_index(pack);
        let packs = snapshot.packs.iter().filter(lacks).count();
        let chunks: BTreeSet<&ChunkId> = snapshot
            .streams()
            .flat_map(|(_, stream)| &stream.chunks)
            .filter(|id| self.chunk(id).is_none())
            .collect();
        (packs + chunks.len() > 0).then(|| {
            format!(
                "{packs} packs or their indexes and {} chunks are missing or cut",
                chunks.len()
            )
        })
    }
}
