// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check that gave way hands to the one that goes on: the shards before which it left, and what
//! it found in those before. The one that goes on sees another moment of the database, so a file that
//! moved meanwhile from a later shard to an earlier one, or back, is not looked at or looked at twice.

use super::report::Report;
use crate::blob::PfileName;
use crate::fossology::own::Asked;
use crate::operations::Error;
use crate::vault::Members;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;

/// What was done before. Nothing is the beginning.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Carried {
    /// The next shard.
    pub next: usize,
    /// How many there are: another depth makes others of them.
    shards: usize,
    /// What was found in those before.
    pub report: Option<Report>,
    /// Uploads' own files that are damaged: nothing can come out of them.
    pub bad_gold: Vec<PfileName>,
    /// What other hosts may have.
    pub unseen: Members,
}

impl Carried {
    /// What a check goes on from; the beginning when that does not fit.
    pub fn of(asked: &Asked, shards: usize) -> Self {
        let carried = asked.carried.as_ref();
        carried
            .and_then(|carried| Self::deserialize(carried).ok())
            .filter(|carried| carried.shards == shards && carried.next <= shards)
            .unwrap_or_default()
    }
}

/// That it left before this shard.
pub(super) fn gave_way(
    next: usize,
    shards: usize,
    report: Report,
    unseen: Members,
    bad_gold: HashSet<PfileName>,
) -> Error {
    Error::GaveWay {
        carried: json!(Carried {
            next,
            shards,
            report: Some(report),
            bad_gold: bad_gold.into_iter().collect(),
            unseen,
        }),
    }
}
