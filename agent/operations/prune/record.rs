// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What pruning leaves in the history: a row of its run, whose counts hold the totals and the
//! rules, and the last plan's uploads in a table of their own. FOSSology's pages show both.

use super::Options;
use super::parts::Part;
use super::plan::Plan;
use super::report::{Report, UploadPlan};
use crate::fossology::own::pruning::{self, PlannedUpload};
use crate::fossology::own::{self, Outcome, Run};
use crate::operations::recover::Amount;
use crate::operations::{Error, Instance, Result};
use postgres::Client;
use serde_json::{Value, json};

/// Enters the run in the history; its mode is the policy's name, with `dry-run ` before it if
/// nothing is to be removed.
pub(super) fn begin(
    instance: &Instance,
    client: &mut Client,
    options: &Options,
    verb: &str,
) -> Result<Run> {
    own::settle(client)?;
    let name = &options.policy.name;
    let mode = if options.dry_run {
        format!("dry-run {name}")
    } else {
        name.clone()
    };
    Ok(instance.start_run(client, verb, Some(&mode))?)
}

/// Writes down how it ended.
pub(super) fn end(run: Run, client: &mut Client, options: &Options, result: &Result<Report>) {
    let ended = match result {
        Ok(report) => {
            let outcome = if report.is_incomplete() {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let message = report.postponed.as_deref();
            run.finish(client, outcome, None, &report.counts(), message)
        }
        Err(Error::GaveWay { .. }) => run.leave(client),
        Err(error) => {
            let counts = json!({"policy": options.policy.name, "dry_run": options.dry_run});
            let message = error.to_string();
            run.finish(client, Outcome::Failed, None, &counts, Some(&message))
        }
    };
    if let Err(error) = ended {
        log::warn!("the run's end could not be written into the history: {error}");
    }
}

/// Writes down how one host's share of the proving ended.
pub(super) fn end_part(run: Run, client: &mut Client, options: &Options, result: &Result<Part>) {
    let ended = match result {
        Ok(part) => run.finish(client, Outcome::Done, None, &json!(part), None),
        Err(Error::GaveWay { .. }) => run.leave(client),
        Err(error) => {
            let counts = json!({"policy": options.policy.name});
            let message = error.to_string();
            run.finish(client, Outcome::Failed, None, &counts, Some(&message))
        }
    };
    if let Err(error) = ended {
        log::warn!("the share's end could not be written into the database: {error}");
    }
}

/// Writes down what the plan says of each upload.
pub(super) fn plan(client: &mut Client, run: i32, plan: &Plan) -> Result<()> {
    let uploads: Vec<PlannedUpload> = plan.tables.uploads.iter().map(planned).collect();
    Ok(pruning::replace_plan(client, run, &uploads)?)
}

fn planned(plan: &UploadPlan) -> PlannedUpload {
    let amounts = [plan.files, plan.own, plan.pruned, plan.drop, plan.proven];
    PlannedUpload {
        upload: plan.upload,
        held: plan.held.map(super::Hold::as_str),
        amounts: amounts.map(|Amount { blobs, bytes }| (blobs, bytes)),
        way: plan.way.map(super::Way::as_str),
        seconds: plan.seconds,
    }
}

impl Report {
    /// All of it but the uploads, which are in table `backup_prune_upload`.
    pub fn counts(&self) -> Value {
        let mut counts = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = counts.as_object_mut() {
            fields.remove("uploads");
        }
        counts
    }
}
