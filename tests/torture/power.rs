// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The power is cut in the middle of each operation, and what was not synced is gone, in part or
//! altogether. Each cut is a run of its own that is killed there, so the database is in the very
//! state in which it was told so much and no more; PostgreSQL keeps what it confirmed by itself.

use crate::disk::Fate;
use crate::operation::Operation;
use crate::record::{Event, Recorder, WATCHED};
use crate::scenario::{Found, Scenario};
use crate::support::figures::count;
use crate::tally::on_each;
use crate::tracer::trace;
use fossology_backup::demo::sample::Random;
use std::collections::BTreeSet;

/// A whole run: what happened in it.
fn whole_run(scenario: &Scenario<'_>) -> Vec<Event> {
    scenario.begin();
    let mut recorder = Recorder::new(scenario.stage.look(), None);
    trace(&scenario.command(), &WATCHED, &mut recorder).expect(0);
    let events = recorder.events.clone();
    // What was said to be done is durable.
    for image in recorder.stop() {
        let after = image.disk.after(Fate::AllLost, &mut Random::new(0));
        image.store(&after);
    }
    scenario.stage.wait_for_sessions();
    scenario.is_done().unwrap_or_else(|why| {
        panic!(
            "after the end of {:?} and a power cut {why}",
            scenario.operation
        )
    });
    events
}

/// Where to cut: around syncs and messages to the database in the first place, then anywhere.
fn instants(events: &[Event], most: usize, random: &mut Random) -> BTreeSet<usize> {
    let mut all: Vec<usize> = (0..events.len()).collect();
    if all.len() > most {
        let mut chosen = BTreeSet::new();
        let mut edges: Vec<usize> = (1..events.len())
            .filter(|at| events[*at] != events[at - 1])
            .collect();
        while chosen.len() < most / 2 && !edges.is_empty() {
            chosen.insert(edges.swap_remove(random.below(edges.len())));
        }
        while chosen.len() < most {
            chosen.insert(all.swap_remove(random.below(all.len())));
        }
        return chosen;
    }
    all.into_iter().collect()
}

fn cut(scenario: &Scenario<'_>, at: usize, fate: Fate, random: &mut Random) -> Found {
    scenario.begin();
    let mut recorder = Recorder::new(scenario.stage.look(), Some(at));
    let called = trace(&scenario.command(), &WATCHED, &mut recorder);
    assert!(recorder.killed || called.code == 0, "{}", called.stderr);
    for image in recorder.stop() {
        let after = image.disk.after(fate, random);
        image.store(&after);
    }
    scenario.stage.wait_for_sessions();
    scenario.nothing_is_lost()?;
    scenario.finishes()?;
    scenario.check_is_clean()
}

#[test]
fn a_power_cut_at_any_instant_of_any_operation_loses_nothing() {
    let cuts = count("FO_BACKUP_TORTURE_CUTS", 2);
    on_each(
        "power cuts",
        &Operation::COMMANDS,
        |scenario, random, tally| {
            let events = whole_run(scenario);
            for at in instants(&events, cuts, random) {
                let fate = Fate::ALL[random.below(Fate::ALL.len())];
                let found = cut(scenario, at, fate, random);
                let all = events.len();
                tally.add(scenario.operation, found, || {
                    format!("cut after {at} of {all} events, {fate:?}")
                });
            }
        },
    );
}
