// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! SIGKILL at random instants of prunings, recoveries between them. After each, whatever is missing
//! is known as pruned, gold is as it was, and a recovery brings everything back.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree};
use fossology_backup::demo::sample::{Options, Random};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Instant;
use support::checked::expect;
use support::figures;
use support::pruned::{prune, pruned, settings};
use support::recovered::needed_files;
use support::trouble::Running;
use support::world::World;

/// All instants follow from it.
const SEED: u64 = 20_261_201;

/// Names how many instants are tried, if not [`FEW`].
const VARIABLE: &str = "FO_BACKUP_TEST_KILLS";

const FEW: u64 = 20;

/// The needed blobs that are not there; none of them may be gold.
fn missing(world: &World) -> BTreeSet<PfileName> {
    let blobs = world.sample().needed_blobs().into_iter();
    let mut missing = BTreeSet::new();
    for blob in blobs {
        for path in blob.paths.iter().filter(|path| !path.exists()) {
            assert!(!blob.trees.contains(Tree::Gold), "{}", path.display());
            missing.insert(blob.name);
        }
    }
    missing
}

#[test]
fn a_pruning_that_is_killed_at_any_instant_loses_nothing() {
    let instants = std::env::var(VARIABLE).map_or(FEW, |text| text.parse().unwrap());
    let world = World::with(Options {
        extra_files: 400,
        ..Options::one_host()
    });
    settings(&world, "[prune]\nempty_folders = true\n");
    let before = needed_files(&world);
    let command = ["prune", "--policy", "gold-only", "--yes"];
    // Proofs are made once: what is left is planning and removal.
    prune(&world, &["--policy", "gold-only"], 0);
    let all = pruned(&world);
    world.call(&["recover", "--missing"]).expect(0);
    let began = Instant::now();
    world.call(&command).expect(0);
    let mut whole = began.elapsed();
    println!("seed {SEED}, a whole run takes {whole:?}");

    let mut random = Random::new(SEED);
    let (mut killed, mut halfway) = (0, 0);
    for instant in 0..instants {
        if instant % 3 == 0 {
            world.call(&["recover", "--missing"]).expect(0);
            assert_eq!(pruned(&world), BTreeSet::new());
        }
        let after = whole.mul_f64(random.below(1000) as f64 / 1000.0);
        let run = Running::start(world.command(&command));
        // This wait is the instant itself: nothing is expected to have happened by then.
        std::thread::sleep(after);
        run.signal(Signal::SIGKILL);
        let called = run.wait();
        assert!([0, 137].contains(&called.code), "{}", called.stderr);
        killed += u64::from(called.code == 137);
        whole = whole.mul_f64(if called.code == 0 { 0.9 } else { 1.03 });

        let missing = missing(&world);
        halfway += u64::from(!missing.is_empty() && missing != all);
        let known = pruned(&world);
        assert!(missing.is_subset(&known), "after {after:?}");
        let expected = [("pruned", missing.len() as u64)];
        let expected = if missing.is_empty() {
            &[][..]
        } else {
            &expected
        };
        expect(&world, &[], expected);
    }
    println!("{killed} of {instants} runs were killed, {halfway} halfway through the files");
    figures::add("kills", "prune, again and again", killed as usize, 0);
    assert!(killed * 2 > instants, "{killed}");

    // The next run takes up what was left, and does the rest.
    prune(&world, &["--policy", "gold-only"], 0);
    assert!(pruned(&world) == all && missing(&world) == all);
    world
        .call(&["recover", "--missing", "--from", "gold"])
        .expect(0);
    assert!(needed_files(&world) == before);
    expect(&world, &["--deep"], &[]);
}
