// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How a run that did not come to its end stands in the history: failed, with the reason, or, if it
//! gave way, as it is, for the run that goes on with it.

use super::Error;
use crate::fossology::database;
use crate::fossology::own::{Outcome, Run};
use postgres::Client;
use serde_json::json;

/// Enters why a run ended early; the snapshot is the one that it used.
///
/// # Errors
/// When the statement fails.
pub(super) fn not_done(
    run: Run,
    client: &mut Client,
    snapshot: Option<&str>,
    error: &Error,
) -> database::Result<()> {
    if let Error::GaveWay { .. } = error {
        return run.leave(client);
    }
    let message = error.to_string();
    run.finish(
        client,
        Outcome::Failed,
        snapshot,
        &json!({}),
        Some(&message),
    )
}
