// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! SIGTERM and SIGKILL at random instants of backups and restores. After each nothing is lost and
//! nothing wrong is there; then the same command again brings what an undisturbed run brings.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::PfileName;
use fossology_backup::demo::sample::{Entry, NewUpload, Options, Random};
use fossology_backup::demo::{Role, TableDigest, dump_rows, snapshot_tree};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::figures;
use support::trouble::{Running, files, lives, wait_for};
use support::world::World;

/// All instants follow from it.
const SEED: u64 = 20_261_124;

/// So many times a run is killed before the command may run to its end.
const IN_A_ROW: usize = 3;

/// So often that is done, for backups and for restores: 72 instants in all.
const ROUNDS: usize = 12;

fn rows(world: &World) -> BTreeMap<String, TableDigest> {
    let mut rows = dump_rows(&mut world.sample().connect().unwrap()).unwrap();
    rows.retain(|table, _| !table.starts_with("backup_") && table != "jobqueue");
    rows
}

/// The files of the repository with their content; no blob's name stands for something else.
fn repository(world: &World) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for (path, state) in snapshot_tree(world.sample().repository()).unwrap() {
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if let Ok(name) = name.parse::<PfileName>() {
            let sha1 = name.to_string()[..40].to_lowercase();
            assert_eq!(state.sha1, sha1, "{} is wrong", path.display());
        }
        if !state.sha1.is_empty() {
            found.insert(path, state.sha1);
        }
    }
    found
}

fn lose_repository(world: &World) {
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

fn databases(world: &World) -> Vec<String> {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let names = "SELECT datname::text FROM pg_database WHERE datname LIKE 'fossology%' ORDER BY 1";
    let rows = admin.query(names, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The instants at which runs are killed.
struct Instants {
    random: Random,
    whole: Duration,
    count: usize,
    /// How many runs did not come to their end.
    killed: usize,
}

impl Instants {
    /// Instants within the time that a whole run takes.
    fn of(world: &World, arguments: &[&str], salt: u64) -> Self {
        let began = Instant::now();
        world.call(arguments).expect(0);
        let whole = began.elapsed();
        println!("seed {SEED}, a whole run takes {whole:?}");
        Self {
            random: Random::new(SEED + salt),
            whole,
            count: 0,
            killed: 0,
        }
    }

    /// Starts the command and kills it. `true` when it ended before.
    fn kill(&mut self, world: &World, arguments: &[&str]) -> bool {
        self.count += 1;
        let signal = [Signal::SIGKILL, Signal::SIGTERM][self.count % 2];
        let after = self.whole.mul_f64(self.random.below(1000) as f64 / 1000.0);
        let before = left_over(world);
        let run = Running::start(world.command(arguments));
        // This wait is the instant itself: nothing is expected to have happened by then.
        std::thread::sleep(after);
        let children = run.descendants();
        run.signal(signal);
        let called = run.wait();
        let expected: &[i32] = match signal {
            Signal::SIGKILL => &[0, 137],
            // Before the handler is there it ends as any program does.
            _ => &[0, 130, 143],
        };
        assert!(
            expected.contains(&called.code),
            "{signal} after {after:?} ends with {}:\n{}",
            called.code,
            called.stderr
        );
        wait_for("all children to end", || {
            children.iter().all(|pid| !lives(*pid)).then_some(())
        });
        if signal == Signal::SIGTERM {
            // What one before it left, that was killed, is removed when a lease is taken: not if
            // the signal came before that.
            let left = left_over(world);
            assert!(left.is_subset(&before), "{left:?}, before: {before:?}");
        }
        let ended = called.code == 0;
        // Other tests take time from a run, now more and now less: follow what is seen.
        self.whole = self.whole.mul_f64(if ended { 0.9 } else { 1.03 });
        self.killed += usize::from(!ended);
        ended
    }

    /// Many runs have to have been killed in the middle, or nothing was tested. Not most: the run that was
    /// timed may have shared its processors with other tests.
    fn expect_hits(&self, of: &str) {
        figures::add("kills", of, self.killed, 0);
        println!("{} of {} runs were killed", self.killed, self.count);
        assert!(self.killed * 3 > self.count, "{}", self.killed);
    }
}

/// What no run may leave for good.
/// Leases and scratch folders that are there.
fn left_over(world: &World) -> BTreeSet<PathBuf> {
    let locks = world.vault().join("locks");
    // The first lease makes the folder.
    let leases = if locks.is_dir() {
        files(&locks)
    } else {
        Vec::new()
    };
    let scratch = fs::read_dir(world.path("scratch")).unwrap();
    leases
        .into_iter()
        .chain(scratch.map(|entry| entry.unwrap().path()))
        .collect()
}

fn expect_tidy(world: &World) {
    for folder in ["tmp", "locks"] {
        let folder = world.vault().join(folder);
        assert_eq!(files(&folder), Vec::<PathBuf>::new());
    }
    assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
}

#[test]
fn a_backup_that_is_killed_at_any_instant_does_no_harm() {
    let world = World::with(Options {
        extra_files: 400,
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    let before = (rows(&world), repository(&world));
    let mut instants = Instants::of(&world, &["backup"], 1);
    for round in 0..ROUNDS {
        fs::remove_dir_all(world.vault()).unwrap();
        world.call(&["init"]).expect(0);
        let mut made = 0;
        for _ in 0..IN_A_ROW {
            let ended = instants.kill(&world, &["backup"]);
            let list = world.call(&["--json", "snapshots"]).expect(0).json();
            let listed = list["snapshots"].as_array().unwrap().len();
            // Killed after the snapshot was put it is there, although nobody said so.
            assert!(listed >= made + usize::from(ended) && listed <= made + 1);
            made = listed;
        }
        let report = world.backup("full");
        expect_tidy(&world);
        if made > 0 {
            assert_eq!(report["counts"]["new"], 0);
        }
        if round % 3 == 0 {
            // What is listed can be restored, each of it.
            for snapshot in ["latest", list_first(&world).as_str()] {
                lose_repository(&world);
                world.call(&["restore", snapshot]).expect(0);
                assert_eq!(rows(&world), before.0);
                expect_needed(&world, &before.1);
            }
        }
    }
    instants.expect_hits("backup, three in a row");
    // No run hurt what it saved.
    assert_eq!(rows(&world), before.0);
    let mut client = world.sample().connect().unwrap();
    let running = "SELECT count(*) FROM backup_run WHERE state = 'running'";
    let running: i64 = client.query_one(running, &[]).unwrap().get(0);
    assert_eq!(running, 0);
}

fn list_first(world: &World) -> String {
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    list["snapshots"][0]["snapshot"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The repository has to hold all that is needed as it was, and nothing that was not there.
fn expect_needed(world: &World, before: &BTreeMap<PathBuf, String>) {
    let after = repository(world);
    for (path, sha1) in &after {
        assert_eq!(before.get(path), Some(sha1), "{}", path.display());
    }
    let root = world.sample().repository();
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            assert!(
                after.contains_key(path.strip_prefix(root).unwrap()),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_restore_that_is_killed_at_any_instant_does_no_harm() {
    let world = World::with(Options {
        extra_files: 400,
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.backup("full");
    let before = (rows(&world), repository(&world));
    lose_repository(&world);
    let mut instants = Instants::of(&world, &["restore", "latest"], 2);
    let mut kept = 0;
    let mut old: BTreeSet<String> = databases(&world).into_iter().collect();
    for _ in 0..ROUNDS {
        lose_repository(&world);
        // The old database can be told from the new one.
        let mut client = world.sample().connect().unwrap();
        client
            .batch_execute("CREATE TABLE made_since (x int)")
            .unwrap();
        drop(client);
        for _ in 0..IN_A_ROW {
            instants.kill(&world, &["restore", "latest"]);
            repository(&world);
            // The database is the old one, or the new one is complete.
            let mut rows = rows(&world);
            if rows.remove("made_since").is_none() {
                expect_needed_apart_from_debris(&world, &before.1);
            }
            assert_eq!(rows, before.0);
            // At most the old ones, and one that is being made.
            let now = databases(&world);
            let new: Vec<_> = now.iter().filter(|name| !old.contains(*name)).collect();
            let staged = new.iter().filter(|name| name.contains("_restore_")).count();
            assert!(staged <= 1 && new.len() <= 2 + IN_A_ROW, "{new:?}");
            let debris = files(world.sample().repository())
                .into_iter()
                .filter(|path| path.extension().is_some_and(|end| end == "I"))
                .count();
            // A batch of each: all that waited for its name.
            let most = before.1.len() * IN_A_ROW;
            assert!(debris <= most, "{debris} files of dead runs");
        }
        let report = world
            .call(&["--json", "restore", "latest"])
            .expect(0)
            .json();
        kept += report["blobs"]["kept"].as_u64().unwrap();
        assert_eq!(rows(&world), before.0);
        remove_debris(&world);
        expect_needed(&world, &before.1);
        assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
        old = databases(&world).into_iter().collect();
        assert!(
            old.iter().all(|name| !name.contains("_restore_")),
            "{old:?}"
        );
        let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
        for name in old.iter().filter(|name| name.contains("_before_")) {
            admin
                .batch_execute(&format!("DROP DATABASE {name}"))
                .unwrap();
        }
        old.retain(|name| !name.contains("_before_"));
    }
    instants.expect_hits("restore, three in a row");
    assert!(kept > 0, "every restore started over");
    world.backup("full");
    expect_tidy(&world);
}

fn expect_needed_apart_from_debris(world: &World, before: &BTreeMap<PathBuf, String>) {
    remove_debris(world);
    expect_needed(world, before);
}

/// `check` names them, and who restores may remove them: files that FOSSology never reads.
fn remove_debris(world: &World) {
    for path in files(world.sample().repository()) {
        if path.extension().is_some_and(|end| end == "I") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_backup_that_is_asked_to_stop_keeps_what_it_has_packed() {
    let mut world = World::with_vault();
    // Long enough to be stopped in: noise does not get smaller.
    let mut random = Random::new(SEED);
    let mut large = |size| (0..size).map(|_| random.number() as u8).collect();
    for (name, size) in [("one.bin", 48 << 20), ("two.bin", 48 << 20)] {
        let file = Entry::File(large(size));
        world
            .sample_mut()
            .add_upload(NewUpload::new(name, file))
            .unwrap();
    }
    let all = world.sample().needed_blobs().len() as u64;
    let run = Running::start(world.command(&["backup"]));
    // Until what is small is packed and what is large is not.
    let spooled = || -> u64 {
        let sizes = files(&world.vault().join("tmp"))
            .into_iter()
            .map(|path| fs::metadata(path).map_or(0, |found| found.len()));
        sizes.sum()
    };
    wait_for("the first megabytes", || {
        (spooled() > 12 << 20 || !lives(run.pid().as_raw())).then_some(())
    });
    run.signal(Signal::SIGTERM);
    run.wait().expect(130);
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    assert!(list["snapshots"].as_array().unwrap().is_empty());
    let report = world.backup("full");
    let new = report["counts"]["new"].as_u64().unwrap();
    assert!(new < all, "all {all} blobs were read again");
    println!("{new} of {all} blobs were read again");
    expect_tidy(&world);
    lose_repository(&world);
    world.call(&["restore", "latest"]).expect(0);
    repository(&world);
    for blob in world.sample().needed_blobs() {
        assert!(
            blob.paths.iter().all(|path| path.is_file()),
            "{}",
            blob.name
        );
    }
}

#[test]
fn what_a_killed_restore_left_in_report_is_gone_after_the_next_one() {
    let world = World::with_vault();
    let report = world.sample().repository().join("report");
    fs::write(report.join("big.docx"), vec![7; 200 << 20]).unwrap();
    let before = files(&report);
    world.backup("full");
    fs::remove_file(report.join("big.docx")).unwrap();
    let arguments = ["restore", "latest", "--no-database"];
    let run = Running::start(world.command(&arguments));
    wait_for("half a report", || {
        let half = files(&report).len() == before.len();
        (half || !lives(run.pid().as_raw())).then_some(())
    });
    run.signal(Signal::SIGKILL);
    run.wait().expect(137);
    let left = files(&report);
    assert_ne!(left, before, "nothing is left half, so this shows nothing");

    let listed = |world: &World| {
        lose_repository(world);
        world.call(&arguments).expect(0);
        files(&report)
    };
    world.call(&arguments).expect(0);
    assert_eq!(files(&report), before);
    // No backup takes it: as if it were left by a run of another machine.
    fs::write(report.join("fo_backup-elsewhere-1-1-1-x"), "half").unwrap();
    world.backup("full");
    assert_eq!(listed(&world), before);
}
