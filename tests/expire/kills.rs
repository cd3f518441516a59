// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! SIGKILL and SIGTERM at random instants of expiries. After each the vault is whole, every
//! snapshot that is there comes back, and the same command finishes the work.

use super::history::{History, copy, ids, objects, reasons};
use crate::support::figures::{self, count};
use crate::support::trouble::{Running, files, lives, wait_for};
use crate::support::world::Called;
use fossology_backup::demo::sample::Random;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

/// All instants follow from it.
const SEED: u64 = 20_261_124;

/// Names how many instants are tried, if not [`FEW`].
const VARIABLE: &str = "FO_BACKUP_TEST_KILLS";

const FEW: usize = 40;

/// Rewrites whatever has something dead in it, and gives back everything.
const COMMAND: [&str; 7] = [
    "expire",
    "--keep-last",
    "1",
    "--max-dead",
    "0",
    "--grace",
    "0d",
];

fn expire(history: &History, vault: &Path) -> Called {
    history.world.call_at(vault, &COMMAND)
}

/// The moments of the snapshots that are there.
fn moments(vault: &Path) -> BTreeSet<String> {
    ids(vault)
        .into_iter()
        .map(|id| id[..16].to_owned())
        .collect()
}

#[test]
fn an_expiry_that_is_killed_at_any_instant_does_no_harm() {
    let history = History::new();
    let whole_vault = history.world.vault();
    let vault = history.world.path("copy");
    copy(&whole_vault, &vault);
    let before = moments(&vault);
    let began = Instant::now();
    expire(&history, &vault).expect(0);
    let mut whole = began.elapsed();
    let after = moments(&vault);
    assert_eq!((before.len(), after.len()), (5, 2));
    let packs = |vault: &Path| -> BTreeSet<_> {
        let objects = objects(vault).into_keys();
        objects.filter(|path| path.starts_with("packs")).collect()
    };
    let (begin, end) = (packs(&whole_vault), packs(&vault));
    println!("seed {SEED}, a whole run takes {whole:?}");

    let mut random = Random::new(SEED);
    let (mut killed, mut between) = (0, 0);
    let instants = count(VARIABLE, FEW);
    for number in 0..instants {
        copy(&whole_vault, &vault);
        let signal = [Signal::SIGKILL, Signal::SIGTERM][number % 2];
        let run = Running::start(history.world.command_at(&vault, &COMMAND));
        // Most of the time is spent looking: three of four instants are counted from the first removal.
        let mut most = whole;
        if number % 4 != 0 {
            wait_for("the first removal", || {
                let begun = ids(&vault).len() < before.len();
                (begun || !lives(run.pid().as_raw())).then_some(())
            });
            most /= 4;
        }
        // This wait is the instant itself: nothing is expected to have happened by then.
        std::thread::sleep(most.mul_f64(random.below(1000) as f64 / 1000.0));
        run.signal(signal);
        let called = run.wait();
        assert!(
            [0, 130, 137, 143].contains(&called.code),
            "{}",
            called.stderr
        );
        killed += usize::from(called.code != 0);
        // Other tests take time from a run, now more and now less: follow what is seen.
        whole = whole.mul_f64(if called.code == 0 { 0.9 } else { 1.03 });

        // Whole, to the last byte, and no moment went that should stay.
        let now = packs(&vault);
        between += usize::from(now != begin && now != end);
        let there = moments(&vault);
        assert!(
            there.is_superset(&after) && there.is_subset(&before),
            "{there:?}"
        );
        history
            .world
            .call_at(&vault, &["verify", "--read-data"])
            .expect(0);
        if number % 8 == 1 {
            for id in ids(&vault) {
                history.blobs_come_back(&vault, &id);
            }
        }

        expire(&history, &vault).expect(0);
        assert_eq!(moments(&vault), after);
        assert_eq!(ids(&vault).len(), after.len());
        assert_eq!(
            packs(&vault),
            end,
            "the same command ends at the same packs"
        );
        for folder in ["tmp", "locks"] {
            assert!(files(&vault.join(folder)).is_empty(), "{folder}");
        }
    }
    println!(
        "{killed} of {instants} were killed, {between} of them between the packs before and after"
    );
    figures::add("kills", "expire, at its removals", killed, 0);
    assert!(killed * 2 > instants && between > 0, "{killed}, {between}");
    history
        .world
        .call_at(&vault, &["verify", "--read-data"])
        .expect(0);
    for id in ids(&vault) {
        history.blobs_come_back(&vault, &id);
    }
}

#[test]
fn a_snapshot_that_is_there_under_two_ids_counts_once() {
    let history = History::new();
    let vault = history.world.vault();
    let before = history.world.path("copy");
    copy(&vault, &before);
    let old = history.there();
    let report = expire(&history, &vault).expect(0).stdout;
    assert!(report.contains(&old[4]), "{report}");
    let new = history.there().pop().unwrap();
    assert_ne!(new, old[4]);
    // As if it had been killed before anything old went: all of it is back.
    let merged = std::process::Command::new("cp")
        .args(["-an", "--"])
        .arg(before.join("."))
        .arg(&vault)
        .status();
    assert!(merged.unwrap().success());
    assert!(history.there().contains(&old[4]) && history.there().contains(&new));
    history.world.call(&["verify", "--read-data"]).expect(0);
    history.blobs_come_back(&vault, &new[..16]);

    let report = history.expire(&["--keep-last", "2", "--grace", "0d"], 0);
    let (keep, why) = reasons(&report, &old[4]);
    assert!(!keep.as_bool().unwrap());
    assert_eq!(why, format!("replaced by {new}"));
    let stays = |id: &str| reasons(&report, id).0.as_bool().unwrap();
    assert!(
        stays(&new) && stays(&old[2]) && !stays(&old[1]),
        "{report:#}"
    );
    assert_eq!(history.there().len(), 3);
    history.all_come_back();
}
