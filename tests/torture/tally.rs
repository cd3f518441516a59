// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was tried, and what came of it. One failure does not end a run: the others are worth knowing.

use crate::operation::Operation;
use crate::scenario::{Found, Scenario};
use crate::stage::Stage;
use crate::support::figures::{self, count, seed};
use fossology_backup::demo::sample::Random;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub struct Tally {
    what: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How much was tried on each operation, and how much of it failed.
    tried: BTreeMap<Operation, (usize, usize)>,
    took: BTreeMap<Operation, Duration>,
    failed: Vec<String>,
}

impl Tally {
    /// Adds one try; `how` tells what was done.
    pub fn add(&self, operation: Operation, found: Found, how: impl FnOnce() -> String) {
        let mut state = self.lock();
        let (tried, failed) = state.tried.entry(operation).or_default();
        *tried += 1;
        if let Err(why) = found {
            *failed += 1;
            let what = self.what;
            let failure = format!("{what}: {operation:?}, {}: {why}", how());
            eprintln!("{failure}");
            state.failed.push(failure);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the figures, and fails if anything did.
    fn end(self) {
        let state = self.state.into_inner().unwrap();
        for (operation, (tried, failed)) in &state.tried {
            let took = state.took[operation].as_secs_f64();
            println!("{}: {}: {took:.1} s", self.what, operation.name());
            figures::add(self.what, operation.name(), *tried, *failed);
        }
        let failed = state.failed.join("\n");
        assert!(failed.is_empty(), "{failed}");
    }
}

/// Tries something on each operation. `FO_BACKUP_TORTURE_WORKERS` take them in turns, each with a stage
/// of its own; what is random in an operation does not depend on who takes it. What ends one of them ends
/// no other.
pub fn on_each(
    what: &'static str,
    operations: &[Operation],
    work: impl Fn(&Scenario<'_>, &mut Random, &Tally) + Sync,
) {
    let seed = seed(what);
    let workers = count("FO_BACKUP_TORTURE_WORKERS", 1);
    let tally = Tally {
        what,
        state: Mutex::default(),
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, operations.len()) {
            scope.spawn(|| {
                let mut ready: Option<Stage> = None;
                while let Some(&operation) = operations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let mut random = Random::new(seed.wrapping_add(operation as u64));
                    let tried = catch_unwind(AssertUnwindSafe(|| {
                        let ground = operation.ground();
                        ready.take_if(|stage| stage.ground != ground);
                        let stage = ready.get_or_insert_with(|| Stage::new(ground));
                        work(&Scenario::new(stage, operation), &mut random, &tally);
                    }));
                    tally.lock().took.insert(operation, began.elapsed());
                    if tried.is_err() {
                        // Nobody knows in what state it was left.
                        ready = None;
                        let found = Err("the test itself could not go on, see above".into());
                        tally.add(operation, found, || "at its end".into());
                    }
                }
            });
        }
    });
    tally.end();
}
