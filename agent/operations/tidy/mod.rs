// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What else gives space back without losing anything, each only when it is asked for: second copies
//! of uploaded files become hard links, what dead agents have left goes, and what no row of the
//! database needs is moved aside, into a folder with today's date, from where it can be moved back.
//!
//! A dry run lists all of it. What is young is left alone, since somebody may be at it.
//! Each step is a single link, rename or removal, so a run that is killed leaves nothing half done,
//! and the same command goes on.

mod links;
mod temporary;
mod trees;
mod walk;

use super::recover::Amount;
use super::{Context, Error, Instance, Result};
use crate::fossology::own::{self, Files, Outcome};
use crate::fossology::repository::roots_on_disk;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What is done. Nothing, unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Second copies of uploaded files in `files` become hard links to gold.
    pub hard_links: bool,
    /// What agents that died have left in `<host>/ununpack` and `<host>/wget` goes.
    pub leftovers: bool,
    /// Half-written files (`….I`) go.
    pub debris: bool,
    /// Folders without anything in them go.
    pub empty_folders: bool,
    /// Files that no row needs are moved into quarantine.
    pub orphans: bool,
    /// How long something must not have changed that may go; hard links aside.
    pub older_than: Duration,
    /// Everything is listed and nothing is done.
    pub dry_run: bool,
    /// How many threads walk.
    pub threads: usize,
}

impl Options {
    /// Whether anything is asked for.
    pub fn is_something(&self) -> bool {
        self.hard_links || self.walks() || self.leftovers
    }

    fn walks(&self) -> bool {
        self.debris || self.empty_folders || self.orphans
    }
}

/// How many paths of a kind are named.
const NAMED: usize = 1000;

/// How old something has to be that may go, unless people say otherwise.
pub const OLD: Duration = Duration::from_secs(24 * 3600);

/// What was found of a kind, and done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How much.
    #[serde(flatten)]
    pub amount: Amount,
    /// The first of it: paths below the repository's.
    pub paths: Vec<String>,
}

impl Found {
    fn add(&mut self, path: impl FnOnce() -> String, bytes: u64) {
        self.amount.add(bytes);
        if self.paths.len() < NAMED {
            self.paths.push(path());
        }
    }
}

/// What came of it; what was not asked for is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Second copies of uploaded files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_links: Option<Found>,
    /// What agents that died have left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leftovers: Option<Found>,
    /// Half-written files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debris: Option<Found>,
    /// Empty folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_folders: Option<Found>,
    /// Files that no row needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphans: Option<Found>,
    /// Where those were moved to, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<PathBuf>,
    /// What could not be looked at or changed, the first of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Report {
    fn problem(&mut self, text: String) {
        if self.problems.len() < NAMED {
            self.problems.push(text);
        }
    }
}

/// Tidies up, or lists what would be done.
///
/// # Errors
/// When it could not go on. What could not be done with single files is no error:
/// [`Report::problems`].
pub fn run(instance: &Instance, options: &Options, context: Context<'_>) -> Result<Report> {
    let mut client = instance.connect("tidy")?;
    own::ensure_schema(&mut client)?;
    if options.dry_run {
        return tidy(instance, options, context);
    }
    // Nobody prunes, reads for a backup or recovers while files change places.
    own::prune_alone(&mut client)?;
    own::hold_files(&mut client, Files::Alone)?;
    own::settle(&mut client)?;
    let record = instance.start_run(&mut client, "tidy", None)?;
    let result = tidy(instance, options, context);
    let ended = match &result {
        Ok(report) => {
            let outcome = if report.problems.is_empty() {
                Outcome::Done
            } else {
                Outcome::Incomplete
            };
            record.finish(&mut client, outcome, None, &report.counts(), None)
        }
        Err(error) => {
            let message = error.to_string();
            let counts = serde_json::json!({});
            record.finish(&mut client, Outcome::Failed, None, &counts, Some(&message))
        }
    };
    if let Err(error) = ended {
        log::warn!("the run's end could not be written into the history: {error}");
    }
    result
}

fn tidy(instance: &Instance, options: &Options, context: Context<'_>) -> Result<Report> {
    let layout = &instance.config.layout;
    // A repository that is not there would look wonderfully tidy.
    let roots = roots_on_disk(layout)?;
    let mut report = Report {
        dry_run: options.dry_run,
        ..Report::default()
    };
    if options.leftovers {
        report.leftovers = Some(Found::default());
        temporary::remove(instance, options, context, &mut report)?;
    }
    if options.walks() {
        trees::tidy(instance, &roots, options, context, &mut report)?;
    }
    if options.hard_links {
        report.hard_links = Some(Found::default());
        links::link(instance, options, context, &mut report)?;
    }
    let kinds = [
        &mut report.hard_links,
        &mut report.leftovers,
        &mut report.debris,
        &mut report.empty_folders,
        &mut report.orphans,
    ];
    // Threads hand over what they saw in no order.
    for found in kinds.into_iter().flatten() {
        found.paths.sort_unstable();
    }
    Ok(report)
}

impl Report {
    /// The amounts, without paths.
    fn counts(&self) -> serde_json::Value {
        let amount = |found: &Option<Found>| found.as_ref().map(|found| found.amount);
        serde_json::json!({
            "hard_links": amount(&self.hard_links), "leftovers": amount(&self.leftovers),
            "debris": amount(&self.debris), "empty_folders": amount(&self.empty_folders),
            "orphans": amount(&self.orphans), "quarantine": self.quarantine,
            "problems": self.problems.len(),
        })
    }
}

/// Whether something has not changed for so long.
fn is_old(changed: SystemTime, age: Duration) -> bool {
    changed.elapsed().is_ok_and(|since| since >= age)
}

/// When a file or folder was last changed, its name or owner included.
fn changed(metadata: &std::fs::Metadata) -> SystemTime {
    use std::os::unix::fs::MetadataExt;
    let seconds = Duration::from_secs(metadata.ctime().max(0).unsigned_abs());
    SystemTime::UNIX_EPOCH + seconds
}

/// A path below the repository's, for people.
fn shown(repository: &std::path::Path, path: &std::path::Path) -> String {
    let below = path.strip_prefix(repository).unwrap_or(path);
    below.to_string_lossy().into_owned()
}

/// An error about a single file as one of the operation.
fn failed(doing: &'static str, path: &std::path::Path, error: std::io::Error) -> String {
    Error::io(doing, path)(error).to_string()
}
