// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From some instant on no thread can be started any more, as when a limit of tasks is reached that
//! others use up: the program and all that it starts go on with those that they have, or end and say why.

use crate::calls::{Call, Watched};
use crate::operation::Operation;
use crate::scenario::{Found, Scenario};
use crate::support::figures::count;
use crate::tally::on_each;
use crate::tracer::{Verdict, Watcher, trace};
use std::collections::BTreeSet;

const WATCHED: [Watched; 2] = [
    Watched::with(libc::SYS_clone, 0, libc::CLONE_THREAD),
    Watched::always(libc::SYS_clone3),
];

/// Lets so many threads start, and no more.
struct Limit {
    most: usize,
    started: usize,
    refused: usize,
}

impl Limit {
    fn of(most: usize) -> Self {
        Self {
            most,
            started: 0,
            refused: 0,
        }
    }
}

/// Whether a call makes a thread; a process is made by others, too.
fn makes_a_thread(call: &Call) -> bool {
    let flags = match call.number {
        libc::SYS_clone => Some(call.arguments[0]),
        // The first number of a structure.
        _ => call
            .memory(call.arguments[0], 8)
            .and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?))),
    };
    flags.is_some_and(|flags| flags & libc::CLONE_THREAD as u64 != 0)
}

impl Watcher for Limit {
    fn enter(&mut self, call: &Call) -> Verdict {
        if !makes_a_thread(call) {
            return Verdict::Go;
        }
        if self.started == self.most {
            self.refused += 1;
            return Verdict::Fail(libc::EAGAIN);
        }
        self.started += 1;
        Verdict::Go
    }
}

/// What is wrong when no more than so many threads can be started.
fn limited(scenario: &Scenario<'_>, most: usize) -> Found {
    scenario.begin();
    let called = trace(&scenario.command(), &WATCHED, &mut Limit::of(most));
    scenario.stage.wait_for_sessions();
    let told = || {
        let (code, stdout, stderr) = (called.code, &called.stdout, &called.stderr);
        format!("it ended with {code}:\n{stdout}\n{stderr}")
    };
    if called.stderr.contains("panicked") || !(0..100).contains(&called.code) {
        return Err(told());
    }
    if called.code != 0 && !called.stderr.contains("starting a thread") {
        return Err(format!("it does not say why; {}", told()));
    }
    let after = match called.code {
        0 => scenario.is_done(),
        _ => scenario
            .nothing_is_lost()
            .and_then(|()| scenario.finishes()),
    };
    after.map_err(|why| format!("{why}; {}", told()))
}

#[test]
fn wherever_no_more_threads_can_be_started_it_is_said_and_nothing_is_lost() {
    let tries = count("FO_BACKUP_TORTURE_THREADS", 1);
    on_each(
        "threads refused",
        &Operation::COMMANDS,
        |scenario, random, tally| {
            scenario.begin();
            let mut all = Limit::of(usize::MAX);
            trace(&scenario.command(), &WATCHED, &mut all).expect(0);
            let mut limits: BTreeSet<usize> = (0..all.started).collect();
            while limits.len() > tries {
                let limits_now: Vec<usize> = limits.iter().copied().collect();
                limits.remove(&limits_now[random.below(limits_now.len())]);
            }
            for most in limits {
                let found = limited(scenario, most);
                tally.add(scenario.operation, found, || {
                    format!("{most} of {} threads", all.started)
                });
            }
        },
    );
}
