// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a restore leaves in the history of the database that it makes, before that gets its name:
//! so there is no moment in which people see it without. A restore that is interrupted after it and
//! goes on enters it anew, in place of the first row.

use super::Report;
use crate::fossology::database::Database;
use crate::fossology::own::{self, Outcome, Restored};
use crate::operations::Instance;
use crate::process::host_name;
use serde_json::json;

/// Enters the restore. Without the row nothing is wrong but that pages cannot say why files are
/// missing, so a failure is only told.
pub fn enter(instance: &Instance, database: &Database, report: &Report) {
    let outcome = if report.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Done
    };
    let counts = json!({
        "not_in_snapshot": report.not_in_snapshot, "damaged": report.damaged.len(),
        "other_failures": report.other_failures.len(), "repository": report.repository,
        "blobs": report.blobs, "seconds": report.seconds.total,
    });
    let restored = Restored {
        snapshot: report.snapshot.as_str(),
        mode: &report.mode.to_string(),
        host: &host_name(),
        outcome,
        seconds: report.seconds.total,
        counts: &counts,
    };
    let entered = database
        .connect("fo_backup restore")
        .and_then(|mut client| own::enter_restore(&mut client, &instance.asked, &restored));
    if let Err(error) = entered {
        log::warn!("the restore leaves no trace in the database: {error}");
    }
}
