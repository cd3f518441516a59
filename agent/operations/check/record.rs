// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check leaves in the database: a row of the history, and its findings. A role that may
//! not make our tables can check all the same; then nothing is left.

use super::Options;
use super::parts::Part;
use super::report::{Finding, Report};
use crate::fossology::database::Error;
use crate::fossology::findings::{FindingRow, replace_findings};
use crate::fossology::own::{self, Outcome, Run};
use crate::operations::{Instance, Result, history};
use postgres::Client;
use serde_json::{Value, json};

/// Enters the check in the history.
///
/// # Errors
/// When the connection is lost.
pub fn begin(
    instance: &Instance,
    client: &mut Client,
    options: &Options,
    verb: &str,
) -> Result<Option<Run>> {
    let mode = if options.deep { "deep" } else { "plain" };
    let run = own::ensure_schema(client).and_then(|()| {
        own::settle(client)?;
        instance.start_run(client, verb, Some(mode))
    });
    match run {
        Ok(run) => Ok(Some(run)),
        Err(error @ (Error::Sql { .. } | Error::NoTables { .. } | Error::NewerSchema { .. })) => {
            log::warn!("the check leaves no trace in the database: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes down how the check ended and what it found.
pub fn end(run: Option<Run>, client: &mut Client, options: &Options, result: &Result<Report>) {
    let Some(run) = run else {
        return;
    };
    let noted = match result {
        Ok(report) => {
            let rows = report.findings.iter().flat_map(rows);
            let outcome = if report.has_problems(options.strict) {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let counts = json!({
                "needed": report.needed, "files": report.files, "findings": report.counts,
                "hidden": report.hidden, "uploads": options.uploads, "hit": hit(report),
            });
            replace_findings(client, &options.uploads, rows)
                .and_then(|()| run.finish(client, outcome, None, &counts, None))
        }
        Err(error) => history::not_done(run, client, None, error),
    };
    if let Err(error) = noted {
        log::warn!("what the check found could not be written into the database: {error}");
    }
}

/// Writes down how the look of one host ended. What it found is written when all have looked.
pub fn end_part(run: Option<Run>, client: &mut Client, result: &Result<Part>) {
    let Some(run) = run else {
        return;
    };
    let noted = match result {
        Ok(part) => {
            let report = &part.report;
            let counts = json!({
                "files": report.files, "findings": report.counts, "elsewhere": part.elsewhere(),
            });
            run.finish(client, Outcome::Done, None, &counts, None)
        }
        Err(error) => history::not_done(run, client, None, error),
    };
    if let Err(error) = noted {
        log::warn!("the look could not be written into the history: {error}");
    }
}

/// How many of the uploads that are hit the history names.
const HIT: usize = 100;

/// The uploads that are hit, those with most losses first, so that pages need not count rows.
fn hit(report: &Report) -> Vec<Value> {
    let mut uploads: Vec<_> = report.uploads.iter().collect();
    uploads.sort_by_key(|affected| std::cmp::Reverse(affected.counts.values().sum::<u64>()));
    let named = uploads.iter().take(HIT);
    named
        .map(|affected| json!({"upload": affected.upload, "counts": affected.counts}))
        .collect()
}

/// A finding's rows: one for each upload that it hits.
fn rows(finding: &Finding) -> impl Iterator<Item = FindingRow> + '_ {
    let uploads: Vec<Option<i32>> = if finding.uploads.is_empty() {
        vec![None]
    } else {
        finding.uploads.iter().copied().map(Some).collect()
    };
    let mut detail = String::new();
    if let Some(path) = &finding.path {
        detail += path;
        detail += ": ";
    }
    detail += &finding.detail;
    if let Some(recovery) = finding.recovery {
        detail += &format!(" ({})", recovery.as_str());
    }
    let detail = ascii(&detail);
    uploads.into_iter().map(move |upload| FindingRow {
        kind: finding.kind.as_str(),
        tree: finding.tree,
        host: finding.host.as_deref().map(ascii),
        name: finding.name,
        size: i64::try_from(finding.bytes).unwrap_or(i64::MAX),
        pfile: finding.pfile.and_then(|pfile| i32::try_from(pfile).ok()),
        upload,
        detail: detail.clone(),
    })
}

/// Text that a database of any encoding can hold.
fn ascii(text: &str) -> String {
    let escape = |sign: char| {
        if sign.is_ascii() {
            sign.to_string()
        } else {
            sign.escape_default().to_string()
        }
    };
    text.chars().map(escape).collect()
}
