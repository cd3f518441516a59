// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was tried, and what came of it. One failure does not end a run: the others are worth knowing.

use crate::scenario::{Found, Operation};
use crate::support::figures;
use std::collections::BTreeMap;

pub struct Tally {
    what: &'static str,
    /// How much was tried on each operation, and how much of it failed.
    tried: BTreeMap<Operation, (usize, usize)>,
    failed: Vec<String>,
}

impl Tally {
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            tried: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// Adds one try; `how` tells what was done.
    pub fn add(&mut self, operation: Operation, found: Found, how: impl FnOnce() -> String) {
        let (tried, failed) = self.tried.entry(operation).or_default();
        *tried += 1;
        if let Err(why) = found {
            *failed += 1;
            self.failed.push(format!("{operation:?}, {}: {why}", how()));
            eprintln!("{}", self.failed[self.failed.len() - 1]);
        }
    }

    /// Tells the figures, and fails if anything did.
    pub fn end(self) {
        for (operation, (tried, failed)) in &self.tried {
            figures::add(self.what, operation.name(), *tried, *failed);
        }
        let failed = self.failed.join("\n");
        assert!(failed.is_empty(), "{}: {failed}", self.what);
    }
}
