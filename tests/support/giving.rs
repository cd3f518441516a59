// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A verification that is asked to give way at a certain instant.

use fossology_backup::operations::{Progress, Stop};
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks to give way when the first pack is being read.
pub struct AtTheFirst<'a> {
    stop: &'a Stop,
    reading: AtomicBool,
}

impl<'a> AtTheFirst<'a> {
    pub fn of(stop: &'a Stop) -> Self {
        Self {
            stop,
            reading: AtomicBool::new(false),
        }
    }
}

impl Progress for AtTheFirst<'_> {
    fn begin(&self, step: &str, _: u64, _: u64) {
        let reads = step == "reading packs";
        self.reading.store(reads, Ordering::Relaxed);
    }
    fn advance(&self, _: u64, bytes: u64) {
        if bytes > 0 && self.reading.load(Ordering::Relaxed) {
            self.stop.give_way();
        }
    }
    fn end(&self) {}
    fn note(&self, _: &str) {}
}
