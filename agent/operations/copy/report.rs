// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a copy did and found.

use super::Proven;
use crate::vault::{Mode, Snapshot, SnapshotId, Vault};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a copy did and found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The vault that was copied.
    pub from: String,
    /// Where to.
    pub to: String,
    /// What became of each snapshot that was to be copied, newest first.
    pub snapshots: Vec<Copied>,
    /// The packs that travelled.
    pub packs: Tally,
    /// The chunks that travelled.
    pub chunks: Tally,
    /// What could not be copied.
    pub hurt: Vec<Hurt>,
    /// Snapshots here that cannot be read.
    pub unreadable: Vec<String>,
    /// Which of the far snapshots have all that they name, oldest first.
    pub complete: Vec<Complete>,
    /// The far snapshots that lack something, with what.
    pub lacking: Vec<Hurt>,
    /// Far snapshots that are newer than all here: somebody makes backups there too, or this vault
    /// went back to an older state.
    pub newer_there: Vec<SnapshotId>,
    /// What was read at the far side.
    pub proven: Proven,
}

/// What became of a snapshot.
#[derive(Debug, Serialize)]
pub struct Copied {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// The moment that it shows.
    pub time: Timestamp,
    /// What became of it.
    pub state: State,
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was copied.
    Copied,
    /// It was there already.
    There,
    /// Something of it could not be copied, so it is not there.
    Incomplete,
}

/// A snapshot that is complete at the far side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// The moment that it shows.
    pub time: Timestamp,
}

/// An object or snapshot with something wrong.
#[derive(Debug, Serialize)]
pub struct Hurt {
    /// What it is called.
    pub object: String,
    /// What is wrong.
    pub why: String,
}

/// So many, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How many complete snapshots the history remembers of a copy.
const REMEMBERED: usize = 1000;

impl Report {
    pub(super) fn new(vault: &Vault, far: &Vault) -> Self {
        Self {
            from: vault.location(),
            to: far.location(),
            snapshots: Vec::new(),
            packs: Tally::default(),
            chunks: Tally::default(),
            hurt: Vec::new(),
            unreadable: Vec::new(),
            complete: Vec::new(),
            lacking: Vec::new(),
            newer_there: Vec::new(),
            proven: Proven::default(),
        }
    }

    /// What somebody should look at, in a line; none when all is well.
    pub fn problem(&self) -> Option<String> {
        let mut words = Vec::new();
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        };
        add(self.hurt.len(), "objects here could not be copied");
        add(self.unreadable.len(), "snapshots here cannot be read");
        add(self.lacking.len(), "snapshots there lack something");
        add(self.proven.damaged.len(), "objects there are damaged");
        add(
            self.newer_there.len(),
            "snapshots there are newer than all here",
        );
        (!words.is_empty()).then(|| words.join(", "))
    }

    pub(super) fn for_history(&self) -> Value {
        let from = self.complete.len().saturating_sub(REMEMBERED);
        json!({
            "to": self.to,
            "packs": self.packs,
            "chunks": self.chunks,
            "complete": self.complete[from..],
            "lacking": self.lacking.len(),
            "proven": {
                "packs": self.proven.packs,
                "chunks": self.proven.chunks,
                "damaged": self.proven.damaged.len(),
            },
        })
    }
}

impl Copied {
    pub(super) fn new(snapshot: &Snapshot, state: State) -> Self {
        Self {
            snapshot: snapshot.id.clone(),
            mode: snapshot.mode,
            time: snapshot.time,
            state,
        }
    }
}
