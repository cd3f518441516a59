// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a backup, and a restore, would take on this host, for full and gold-only, so that people can
//! choose. Counts come from the database; how fast it goes, from the history of runs where that tells,
//! else from a measurement of a second or two, else it is assumed. Each number says which, and how
//! wrong it may be.
//!
//! The instance is not touched. Measuring writes some megabytes into a folder of its own, which is
//! removed; one that is killed leaves it to the next run.

mod facts;
mod reckon;
mod speed;

pub use crate::vault::Mode;
pub use reckon::{Estimate, Room};

use super::recover::Amount;
use super::{Context, Instance, Result};
use crate::vault::Vault;
use serde::Serialize;
use std::path::PathBuf;

/// How an estimate is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many threads a backup or a restore would have.
    pub threads: usize,
    /// The zstd level of packs.
    pub compression: i32,
    /// Where it is measured when the repository cannot be written to.
    pub scratch: PathBuf,
}

/// What a number rests on, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rests {
    /// Runs on this instance.
    History,
    /// A measurement just now, with little data.
    Measured,
    /// What is usual.
    Assumed,
}

impl Rests {
    fn weaker(self, other: Self) -> Self {
        self.max(other)
    }

    /// By how much it may be wrong, in both directions.
    fn factor(self) -> f64 {
        match self {
            Self::History => 1.5,
            Self::Measured => 3.0,
            Self::Assumed => 5.0,
        }
    }
}

/// A number that is not known exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Number {
    /// It hardly is less.
    pub low: f64,
    /// What it is likely to be.
    pub likely: f64,
    /// It hardly is more.
    pub high: f64,
    /// What it rests on.
    pub rests: Rests,
}

impl Number {
    fn new(likely: f64, rests: Rests) -> Self {
        let factor = rests.factor();
        Self {
            low: likely / factor,
            likely,
            high: likely * factor,
            rests,
        }
    }
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Uploads that are not deleted.
    pub uploads: u64,
    /// Uploaded files.
    pub gold: Amount,
    /// What was unpacked from them, without what lies in gold too.
    pub unpacked: Amount,
    /// Bytes of the database on the server's disk.
    pub database_bytes: u64,
    /// Bytes of its dump before compression, if one was made yet.
    pub dump_bytes: Option<u64>,
}

/// The estimate.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What there is.
    pub counts: Counts,
    /// What was measured, and where.
    pub measured: speed::Measured,
    /// Full backups.
    pub full: Estimate,
    /// Backups of gold.
    pub gold: Estimate,
}

/// Estimates. A vault, if there is one, tells how small things become.
///
/// # Errors
/// When the database cannot be asked, or nothing can be measured.
pub fn run(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    context.progress.begin("counting", 0, 0);
    let (facts, past, sample) = facts::gather(instance, vault)?;
    context.progress.end();
    context.progress.begin("measuring", 0, 0);
    let measured = speed::measure(instance, &sample, options, context)?;
    context.progress.end();
    let speeds = speed::speeds(&measured, &facts, &past, options.threads);
    let of = |mode| reckon::reckon(&facts, &speeds, &past.of(mode), mode);
    Ok(Report {
        counts: Counts {
            uploads: facts.uploads,
            gold: facts.gold,
            unpacked: facts.unpacked,
            database_bytes: facts.database_bytes,
            dump_bytes: facts.dump_bytes,
        },
        full: of(Mode::Full),
        gold: of(Mode::Gold),
        measured,
    })
}
