// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What every operation gets besides its own options: whom to tell how far it is, and whether it
//! should stop.

use super::{Error, Result};
use crate::fossology::database::Database;
use std::sync::atomic::{AtomicBool, Ordering};

/// Told how far an operation is. Calls come from many threads.
pub trait Progress: Sync {
    /// A step begins; `items` and `bytes` are what it will do in all, 0 when that is not known.
    fn begin(&self, step: &str, items: u64, bytes: u64);

    /// This much more was done. Zeros tell that something goes on which is not counted.
    fn advance(&self, items: u64, bytes: u64);

    /// The step has ended.
    fn end(&self);

    /// Something that people should see at once.
    fn note(&self, text: &str);

    /// What follows is done for a request, whose row may be told as well.
    fn carries_out(&self, _database: &Database, _request: i32) {}
}

/// Tells nobody.
pub struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _: &str, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

/// A request to stop, set by a signal. What is atomic is finished, the rest is left to the next
/// run. Beside it, a request to give way, which has more time.
#[derive(Default)]
pub struct Stop {
    asked: AtomicBool,
    way: AtomicBool,
    stays: AtomicBool,
}

impl Stop {
    /// Nobody has asked yet.
    pub const fn new() -> Self {
        Self {
            asked: AtomicBool::new(false),
            way: AtomicBool::new(false),
            stays: AtomicBool::new(false),
        }
    }

    /// Asks to stop. Safe to call from a signal handler.
    pub fn request(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked.
    pub fn requested(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Asks to leave where nothing is lost by it: the rest is done in another process later.
    pub fn give_way(&self) {
        self.way.store(true, Ordering::Relaxed);
    }

    /// From here on what is left is done to its end, whoever asks or has asked to leave.
    pub fn stay(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked for that.
    pub fn gives_way(&self) -> bool {
        self.way.load(Ordering::Relaxed) && !self.stays.load(Ordering::Relaxed)
    }

    /// For the places where an operation may end.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when somebody has asked.
    pub fn check(&self) -> Result<()> {
        if self.requested() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// What an operation runs with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Whom to tell how far it is.
    pub progress: &'a dyn Progress,
    /// Whether to stop.
    pub stop: &'a Stop,
}
