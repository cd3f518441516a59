// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a drill proved, how long it took, and what follows from that for all of it.

use super::Percent;
use crate::operations::check::{Kind, Tally};
use crate::operations::restore::{Damage, Written};
use crate::vault::{Mode, SnapshotId};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// What came of a drill.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// The moment that it shows.
    pub time: Timestamp,
    /// Which share of the blobs was restored; all without one.
    pub sample: Option<Percent>,
    /// Bytes of the database that was loaded.
    pub database_bytes: u64,
    /// Settings and grants that could not be carried over.
    pub left_out: Vec<String>,
    /// All blobs that the restored database needs and the snapshot's packs have.
    pub all: Amount,
    /// What of them was restored.
    pub restored: Amount,
    /// How they were written.
    pub written: Written,
    /// What was counted twice, by the snapshot and after the restore.
    pub compared: Vec<Compared>,
    /// Blobs that the database needs and the snapshot never had, such as those that a gold-only one
    /// leaves to be unpacked again.
    pub not_in_snapshot: u64,
    /// Uploaded files that the snapshot leaves to the web: a drill does not ask for them.
    pub by_url: u64,
    /// What could not be read from the vault.
    pub damaged: Vec<Damage>,
    /// Files of the other directories.
    pub other_files: u64,
    /// Those of them that could not be written.
    pub other_failures: Vec<String>,
    /// What a deep check of the restored blobs found.
    pub findings: BTreeMap<Kind, Tally>,
    /// What the drill could not remove.
    pub not_removed: Vec<String>,
    /// How long each part took.
    pub seconds: Seconds,
    /// What a restore of everything would take; none when the sample was too small to tell.
    pub full: Option<Full>,
}

/// A number of blobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Something that was counted twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// What.
    pub what: &'static str,
    /// How many there have to be.
    pub expected: u64,
    /// How many there were.
    pub found: u64,
}

/// How long each part took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// The database, until it was complete.
    pub database: f64,
    /// The blobs, synced to disk.
    pub blobs: f64,
    /// The other directories.
    pub directories: f64,
    /// Reading all of it again.
    pub check: f64,
    /// Removing it.
    pub removal: f64,
    /// All of it.
    pub total: f64,
}

/// What all of it would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Full {
    /// A restore, in seconds.
    pub restore_seconds: f64,
    /// A deep check after it, in seconds.
    pub check_seconds: f64,
    /// Bytes of the blobs.
    pub bytes: u64,
    /// How much more than was restored that is, by which the times of blobs were multiplied.
    pub factor: f64,
}

impl Full {
    /// From what was measured. Some of the work goes with the number of blobs, some with their
    /// bytes, so the larger ratio counts. A sample reads more of each pack than it takes, so a
    /// restore of everything rather takes less.
    pub(super) fn extrapolate(seconds: &Seconds, all: Amount, restored: Amount) -> Option<Self> {
        let ratio = |all: u64, restored: u64| match (all, restored) {
            (0, _) => Some(1.0),
            (_, 0) => None,
            _ => Some(all as f64 / restored as f64),
        };
        let factor = ratio(all.blobs, restored.blobs)?.max(ratio(all.bytes, restored.bytes)?);
        Some(Self {
            restore_seconds: seconds.database + seconds.directories + seconds.blobs * factor,
            check_seconds: seconds.check * factor,
            bytes: all.bytes,
            factor,
        })
    }
}

impl Report {
    /// What is not as it has to be, in words; nothing when the snapshot is proven.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for Compared {
            what,
            expected,
            found,
        } in &self.compared
        {
            if expected != found {
                problems.push(format!("{what}: {found} instead of {expected}"));
            }
        }
        if !self.damaged.is_empty() {
            problems.push(format!(
                "{} parts of the vault could not be read ('fo_backup verify --read-data' names all that is hit)",
                self.damaged.len()
            ));
        }
        for (kind, tally) in self
            .findings
            .iter()
            .filter(|(kind, _)| kind.severity().is_some())
        {
            problems.push(format!(
                "after the restore: {} {}",
                tally.count,
                kind.as_str().replace('_', " ")
            ));
        }
        if !self.other_failures.is_empty() {
            problems.push(format!(
                "{} files of other directories were not written",
                self.other_failures.len()
            ));
        }
        problems.extend(self.not_removed.iter().cloned());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: Seconds = Seconds {
        database: 60.0,
        blobs: 10.0,
        directories: 5.0,
        check: 2.0,
        removal: 1.0,
        total: 80.0,
    };

    fn amount(blobs: u64, bytes: u64) -> Amount {
        Amount { blobs, bytes }
    }

    #[test]
    fn the_whole_takes_what_was_measured() {
        let full = Full::extrapolate(&SECONDS, amount(10, 99), amount(10, 99)).unwrap();
        assert_eq!(
            (full.restore_seconds, full.check_seconds, full.factor),
            (75.0, 2.0, 1.0)
        );
        // An instance without uploads has no blobs.
        let full = Full::extrapolate(&SECONDS, amount(0, 0), amount(0, 0)).unwrap();
        assert_eq!(full.restore_seconds, 75.0);
    }

    #[test]
    fn a_sample_is_multiplied_by_the_larger_ratio_and_the_database_is_not() {
        let full = Full::extrapolate(&SECONDS, amount(1000, 5000), amount(10, 25)).unwrap();
        assert_eq!(full.factor, 200.0);
        assert_eq!(
            (full.restore_seconds, full.check_seconds),
            (65.0 + 2000.0, 400.0)
        );
        assert_eq!(full.bytes, 5000);
        assert_eq!(
            Full::extrapolate(&SECONDS, amount(1000, 5000), amount(0, 0)),
            None
        );
    }
}
