// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an expiry did, or would do.

use crate::vault::retention::Mark;
use crate::vault::{PackId, SnapshotId};
use serde::Serialize;

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Whether there is any policy; without one nothing is looked at but the snapshots.
    pub policy: bool,
    /// Each readable snapshot, oldest first: whether it stays, and why.
    pub snapshots: Vec<Mark>,
    /// Snapshots that cannot be read. While there is one, no pack and no chunk goes: nobody knows
    /// what it needs.
    pub unreadable: Vec<String>,
    /// Snapshots that stay although something of them is missing or damaged.
    pub not_whole: Vec<SnapshotId>,
    /// The files of snapshots that went.
    pub removed: Tally,
    /// Packs that nothing needs any more, with their indexes.
    pub packs: Tally,
    /// Chunks that nothing needs any more.
    pub chunks: Tally,
    /// Packs of which most was dead.
    pub rewritten: Tally,
    /// What was made of them.
    pub new_packs: Tally,
    /// Packs and chunks that no snapshot names and that are too new to go.
    pub young: Tally,
    /// Bytes that no snapshot needs, in packs that stay.
    pub dead_bytes: u64,
    /// Packs that stay as they are although most of them may be dead, because they are damaged.
    pub left_alone: Vec<LeftAlone>,
    /// Snapshots that have another id now, because their packs were rewritten.
    pub renamed: Vec<Renamed>,
}

/// Some objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A pack that was not touched.
#[derive(Debug, Serialize)]
pub struct LeftAlone {
    /// The pack.
    pub pack: PackId,
    /// What is wrong with it.
    pub why: String,
}

/// A snapshot under another id.
#[derive(Debug, Serialize)]
pub struct Renamed {
    /// What it was called.
    pub from: SnapshotId,
    /// What it is called.
    pub to: SnapshotId,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl Report {
    /// How many bytes come back.
    pub fn given_back(&self) -> u64 {
        let gone = self.removed.bytes + self.packs.bytes + self.chunks.bytes + self.rewritten.bytes;
        gone.saturating_sub(self.new_packs.bytes)
    }

    /// How many snapshots go.
    pub fn going(&self) -> u64 {
        self.snapshots.iter().filter(|mark| !mark.keep).count() as u64
    }

    /// Whether something in the vault is not as it should be.
    pub fn has_problems(&self) -> bool {
        !(self.unreadable.is_empty() && self.not_whole.is_empty() && self.left_alone.is_empty())
    }
}
