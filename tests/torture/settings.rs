// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much is tried, and what came of it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

/// A number from the environment.
pub fn count(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |text| text.parse().unwrap())
}

/// All that is random follows from it.
pub fn seed() -> u64 {
    count("FO_BACKUP_TORTURE_SEED", 20_261_124) as u64
}

/// Counts what was tried, by operation, and what failed.
pub struct Tally {
    what: &'static str,
    tried: BTreeMap<String, usize>,
    failed: Vec<String>,
}

impl Tally {
    pub fn new(what: &'static str) -> Self {
        println!("{what}: seed {}", seed());
        Self {
            what,
            tried: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    pub fn tried(&mut self, operation: &str) {
        *self.tried.entry(operation.to_owned()).or_default() += 1;
    }

    pub fn failed(&mut self, why: String) {
        eprintln!("{why}");
        self.failed.push(why);
    }

    /// Adds the figures to those of `make torture`, and fails if anything did.
    pub fn end(self) {
        for (operation, tried) in &self.tried {
            println!("{}: {operation}: {tried}", self.what);
            if let Some(path) = std::env::var_os("FO_BACKUP_TORTURE_FIGURES") {
                let mut file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(path)
                    .unwrap();
                writeln!(
                    file,
                    "{}\t{operation}\t{tried}\t{}",
                    self.what,
                    self.failed.len()
                )
                .unwrap();
            }
        }
        assert!(
            self.failed.is_empty(),
            "{} failed:\n{}",
            self.failed.len(),
            self.failed.join("\n")
        );
    }
}
