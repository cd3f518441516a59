// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! SIGKILL to each operation and all that it started, at random instants.

use crate::operation::Operation;
use crate::scenario::Scenario;
use crate::support::figures::count;
use crate::support::trouble::{Running, descendants, lives, wait_for};
use crate::tally::on_each;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Kills a run after a while; whether it was still running.
fn kill(scenario: &Scenario<'_>, after: Duration) -> bool {
    scenario.begin();
    // The waits are the instant itself: nothing is expected to have happened by then.
    let (children, code) = if scenario.operation == Operation::Job {
        let mut agent = scenario.start_agent();
        agent.give_job();
        std::thread::sleep(after);
        let children = descendants(agent.pid());
        agent.signal(Signal::SIGKILL);
        (children, agent.wait().exit)
    } else {
        let run = Running::start(scenario.command());
        std::thread::sleep(after);
        let children = run.descendants();
        run.signal(Signal::SIGKILL);
        (children, run.wait().code)
    };
    assert!([0, 137].contains(&code), "{code}");
    wait_for("all children to end", || {
        children.iter().all(|pid| !lives(*pid)).then_some(())
    });
    scenario.stage.wait_for_sessions();
    code != 0
}

#[test]
fn whatever_is_killed_at_any_instant_loses_nothing_and_the_next_run_finishes() {
    let kills = count("FO_BACKUP_TORTURE_KILLS", 2);
    let operations = [&Operation::COMMANDS[..], &[Operation::Job]].concat();
    on_each("kills", &operations, |scenario, random, tally| {
        let operation = scenario.operation;
        scenario.begin();
        let began = Instant::now();
        let (code, said) = scenario.run();
        assert_eq!(code, 0, "{said}");
        let mut whole = began.elapsed();
        let mut hit = 0;
        // Who comes too late each time would never end.
        for _ in 0..kills * 4 {
            let after = whole.mul_f64(random.below(1000) as f64 / 1000.0);
            if !kill(scenario, after) {
                // Other tests take time from a run, now more and now less: follow what is seen.
                whole = whole.mul_f64(0.9);
                continue;
            }
            whole = whole.mul_f64(1.03);
            let found = scenario
                .nothing_is_lost()
                .and_then(|()| scenario.finishes());
            tally.add(operation, found, || format!("killed after {after:?}"));
            hit += 1;
            if hit == kills {
                break;
            }
        }
        assert!(hit > 0, "{operation:?} was never hit");
    });
}
