// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much of what goes by chance is tried, and the figures of it that `make torture` prints.

use std::fs::OpenOptions;
use std::io::Write;

/// Names the file to which figures are added.
const FIGURES: &str = "FO_BACKUP_TORTURE_FIGURES";

/// Names the number from which all that is random follows.
const SEED: &str = "FO_BACKUP_TORTURE_SEED";

/// A number that the environment may give.
pub fn count(variable: &str, few: usize) -> usize {
    std::env::var(variable).map_or(few, |text| text.parse().unwrap())
}

/// The seed, to be given again when a failure has to be repeated.
pub fn seed(what: &str) -> u64 {
    let seed = count(SEED, 20_261_124);
    println!("{what}: {SEED}={seed}");
    seed as u64
}

/// Adds that so much was tried on something, and so much of it went wrong.
pub fn add(what: &str, on: &str, tried: usize, wrong: usize) {
    println!("{what}: {on}: {tried}, {wrong} of them wrong");
    if let Some(path) = std::env::var_os(FIGURES) {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let line = format!("{what}\t{on}\t{tried}\t{wrong}\n");
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
