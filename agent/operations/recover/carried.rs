// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a recovery that gave way hands to the one that goes on: how much came back. All else is in the
//! repository and in the state of blobs.

use super::Amount;
use super::report::Report;
use crate::fossology::own::Asked;
use crate::operations::Error;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How much came back before.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Earlier {
    linked: Amount,
    unpacked: Amount,
    from_vault: Amount,
    from_web: Amount,
    recorded: u64,
}

impl Earlier {
    /// What a recovery goes on from.
    pub fn of(asked: &Asked) -> Self {
        let carried = asked.carried.as_ref();
        // Numbers of another version are no reason not to go on.
        carried
            .and_then(|carried| Self::deserialize(carried).ok())
            .unwrap_or_default()
    }

    /// Adds it to what came back since.
    pub fn join(self, report: &mut Report) {
        for came in [self.linked, self.unpacked, self.from_vault, self.from_web] {
            report.missing.join(came);
        }
        report.linked.join(self.linked);
        report.unpacked.join(self.unpacked);
        report.from_vault.join(self.from_vault);
        report.from_web.join(self.from_web);
        report.recorded += self.recorded;
    }

    /// That it left with this.
    pub fn gave_way(self, mut report: Report) -> Error {
        self.join(&mut report);
        Error::GaveWay {
            carried: json!(Self {
                linked: report.linked,
                unpacked: report.unpacked,
                from_vault: report.from_vault,
                from_web: report.from_web,
                recorded: report.recorded,
            }),
        }
    }
}
