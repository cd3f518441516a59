// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The switches of `fo_backup prune` that tidy up, and what is told of it.

use super::output::{bytes, number};
use crate::operations::prune::policy::Span;
use crate::operations::tidy::{OLD, Options, Report};
use std::time::Duration;

/// How many paths of a kind, and how many problems, the text names.
const SHOWN: usize = 20;

/// What gives space back beside a policy. Without --policy only this is done.
#[derive(clap::Args)]
pub struct TidyArgs {
    /// Make hard links of second copies of uploaded files
    #[arg(long, conflicts_with = "undo")]
    hard_links: bool,

    /// Remove what agents that died have left in <host>/ununpack and <host>/wget
    #[arg(long, conflicts_with = "undo")]
    leftovers: bool,

    /// Remove half-written files (….I) that are old
    #[arg(long, conflicts_with = "undo")]
    debris: bool,

    /// Remove folders without anything in them that are old
    #[arg(long, conflicts_with = "undo")]
    empty_folders: bool,

    /// Move files that no row of the database needs aside, into fo_backup-quarantine/DATE
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "quarantine",
        conflicts_with = "undo"
    )]
    orphans: Option<Orphans>,

    /// How long what goes must not have changed, hard links aside [default: 1 day]
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    older_than: Option<Span>,
}

fn parse_span(text: &str) -> Result<Span, String> {
    Span::try_from(text.to_owned())
}

/// What becomes of orphans.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Orphans {
    /// They are moved into a folder with a date.
    Quarantine,
}

impl TidyArgs {
    /// What the flags ask for.
    pub fn options(&self, dry_run: bool, threads: usize) -> Options {
        Options {
            hard_links: self.hard_links,
            leftovers: self.leftovers,
            debris: self.debris,
            empty_folders: self.empty_folders,
            orphans: matches!(self.orphans, Some(Orphans::Quarantine)),
            older_than: (self.older_than.as_ref())
                .map_or(OLD, |span| Duration::from_secs(span.seconds)),
            dry_run,
            threads,
        }
    }
}

/// What was done, or would be.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    for (found, what, done) in [
        (&report.leftovers, "left by agents that died", "removed"),
        (&report.orphans, "needed by no row", "moved aside"),
        (&report.debris, "half-written", "removed"),
        (&report.empty_folders, "empty folders", "removed"),
        (
            &report.hard_links,
            "second copies of uploaded files",
            "made links",
        ),
    ] {
        let Some(found) = found else { continue };
        let done = if report.dry_run { "found" } else { done };
        text += &format!(
            "{what}: {}, {} {done}\n",
            number(found.amount.blobs),
            bytes(found.amount.bytes)
        );
        for path in found.paths.iter().take(SHOWN) {
            text += &format!("  {path}\n");
        }
        if found.paths.len() > SHOWN {
            text += "  … (--json names more)\n";
        }
    }
    if let Some(quarantine) = &report.quarantine {
        text += &format!(
            "what no row needs goes to {}; move it back, or remove it when nobody has missed it\n",
            quarantine.display()
        );
    }
    for problem in report.problems.iter().take(SHOWN) {
        text += &format!("NOT done: {problem}\n");
    }
    text
}
