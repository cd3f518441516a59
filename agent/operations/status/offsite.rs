// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What lies at the other place, by what the last copy has seen there. The place itself is not
//! asked: it may be slow, and asking may cost.

use super::vault::VaultStatus;
use crate::fossology::own::history::PastRun;
use crate::operations::copy::Complete;
use crate::vault::{Mode, SnapshotId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the last copy that came to its end has seen at the other place.
#[derive(Debug, Clone, Serialize)]
pub struct OffsiteStatus {
    /// Where that is.
    pub location: String,
    /// When that copy was begun.
    pub copied: Timestamp,
    /// The snapshots that are complete there, oldest first.
    pub complete: Vec<Complete>,
    /// How many lack something there.
    pub lacking: u64,
    /// The newest snapshots of the vault that are not complete there.
    pub not_there: Vec<SnapshotId>,
}

impl OffsiteStatus {
    /// The newest complete snapshot of a mode.
    pub fn newest(&self, mode: Mode) -> Option<&Complete> {
        self.complete
            .iter()
            .rev()
            .find(|complete| complete.mode == mode)
    }
}

pub(super) fn look(runs: &[PastRun], vault: Option<&VaultStatus>) -> Option<OffsiteStatus> {
    let copy = runs
        .iter()
        .filter(|run| run.verb == "copy" && run.is_completed())
        .max_by_key(|run| run.id)?;
    let complete = Vec::<Complete>::deserialize(&copy.counts["complete"]).ok()?;
    let is_there = |id: &SnapshotId| complete.iter().any(|there| there.snapshot.same_moment(id));
    let newest = vault.iter().flat_map(|vault| &vault.newest);
    Some(OffsiteStatus {
        location: copy.counts["to"].as_str().unwrap_or_default().to_owned(),
        copied: copy.started,
        lacking: copy.counts["lacking"].as_u64().unwrap_or(0),
        not_there: newest
            .map(|newest| newest.snapshot.clone())
            .filter(|id| !is_there(id))
            .collect(),
        complete,
    })
}
