// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a recovery leaves in the history. A rehearsal leaves nothing there; a role that may not
//! make our tables can recover all the same.

use super::parts::Part;
use super::report::Report;
use super::{Options, Scope};
use crate::fossology::database::Error;
use crate::fossology::own::{self, Outcome, Run};
use crate::operations::{Instance, Result, history};
use postgres::Client;
use serde_json::json;

/// Enters the recovery in the history.
///
/// # Errors
/// When the connection is lost.
pub fn begin(
    instance: &Instance,
    client: &mut Client,
    options: &Options,
    verb: &str,
) -> Result<Option<Run>> {
    let made = own::ensure_schema(client);
    let mode = match &options.scope {
        Scope::Missing => "missing",
        Scope::Uploads(_) => "upload",
        Scope::Blobs(_) => "blob",
    };
    let run = made.and_then(|()| {
        if options.is_rehearsal() {
            return Ok(None);
        }
        own::settle(client)?;
        instance.start_run(client, verb, Some(mode)).map(Some)
    });
    match run {
        Ok(run) => Ok(run),
        Err(error @ (Error::Sql { .. } | Error::NoTables { .. } | Error::NewerSchema { .. })) => {
            log::warn!("the recovery leaves no trace in the database: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes down how it ended.
pub fn end(run: Option<Run>, client: &mut Client, result: &Result<Report>) {
    let Some(run) = run else {
        return;
    };
    let ended = match result {
        Ok(report) => {
            let outcome = if report.is_incomplete() {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let uploads: Vec<i32> = report.uploads.iter().map(|upload| upload.upload).collect();
            let counts = json!({
                "needed": report.needed, "missing": report.missing, "linked": report.linked,
                "unpacked": report.unpacked, "from_vault": report.from_vault,
                "from_web": report.from_web,
                "lost": report.lost, "deleted": report.deleted, "recorded": report.recorded,
                "uploads": uploads,
            });
            run.finish(client, outcome, None, &counts, None)
        }
        Err(error) => history::not_done(run, client, None, error),
    };
    if let Err(error) = ended {
        log::warn!("the recovery's end could not be written into the database: {error}");
    }
}

/// Writes down how one host's share ended. What the whole gave is written when all have done theirs.
pub fn end_part(run: Option<Run>, client: &mut Client, result: &Result<Part>) {
    let Some(run) = run else {
        return;
    };
    let ended = match result {
        Ok(part) => run.finish(client, Outcome::Done, None, &part.counts(), None),
        Err(error) => history::not_done(run, client, None, error),
    };
    if let Err(error) = ended {
        log::warn!("the share's end could not be written into the database: {error}");
    }
}
