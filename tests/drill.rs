// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Drills: a restore that is tried beside everything proves a snapshot, names what is damaged, and
//! leaves nothing behind, however it ends.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::Options;
use fossology_backup::demo::{Role, TableDigest, dump_rows, snapshot_tree};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use support::queue::{clear, end_deletion, end_entry, queue_deletion, run_queued, start_next};
use support::scheduler::{Job, until_stopped};
use support::trouble::{Running, SmallDisk, ending, lives, wait_for};
use support::world::World;

/// The instance's rows but for our own, and its files.
type State = (BTreeMap<String, TableDigest>, BTreeMap<PathBuf, String>);

fn state(world: &World) -> State {
    let mut rows = dump_rows(&mut world.sample().connect().unwrap()).unwrap();
    rows.retain(|table, _| !table.starts_with("backup_"));
    let tree = snapshot_tree(world.sample().repository()).unwrap();
    let files = tree.into_iter().map(|(path, state)| (path, state.sha1));
    (rows, files.collect())
}

fn world() -> World {
    let world = World::with(Options::one_host());
    world.call(&["init"]).expect(0);
    world
}

/// The databases of drills that are there, each with its mark.
fn drill_databases(world: &World) -> Vec<(String, Option<String>)> {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let query = "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database
                  WHERE datname LIKE '%drill%'";
    let rows = admin.query(query, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The folders of drills that are there.
fn drill_folders(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.path("scratch")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[track_caller]
fn expect_nothing_left(world: &World) {
    assert_eq!(drill_databases(world), []);
    assert_eq!(drill_folders(world), Vec::<PathBuf>::new());
    assert_eq!(
        support::trouble::files(&world.vault().join("locks")),
        Vec::<PathBuf>::new()
    );
}

#[test]
fn a_drill_proves_a_snapshot_and_touches_nothing() {
    let world = world();
    let first = world.backup("full");
    world.backup("gold");
    let before = state(&world);
    for (arguments, mode) in [
        (&["--json", "drill"][..], "gold"),
        (
            &["--json", "drill", first["snapshot"].as_str().unwrap()],
            "full",
        ),
    ] {
        let report = world.call(arguments).expect(0).json();
        assert_eq!(
            (&report["proven"], &report["mode"]),
            (&true.into(), &mode.into()),
            "{report}"
        );
        assert_eq!(report["all"], report["restored"]);
        assert_eq!(report["restored"]["blobs"], report["written"]["written"]);
        for compared in report["compared"].as_array().unwrap() {
            assert_eq!(compared["expected"], compared["found"], "{compared}");
            assert!(compared["found"].as_u64().unwrap() > 0, "{compared}");
        }
        let parts = ["database", "blobs", "check", "total"];
        assert!(
            parts
                .iter()
                .all(|part| report["seconds"][part].as_f64().unwrap() > 0.0),
            "{report}"
        );
        assert_eq!(report["full"]["factor"], 1.0);
        expect_nothing_left(&world);
    }
    assert_eq!(state(&world), before);

    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "SELECT state, snapshot, counts #>> '{full,restore_seconds}' FROM backup_run
              WHERE verb = 'drill' ORDER BY id DESC LIMIT 1",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, &str>(0), "done");
    assert_eq!(row.get::<_, &str>(1), first["snapshot"]);
    assert!(row.get::<_, &str>(2).parse::<f64>().unwrap() > 0.0);
    let metrics = world.call(&["status", "--prometheus"]).expect(0).stdout;
    assert!(
        metrics.contains("\nfo_backup_restore_estimate_seconds "),
        "{metrics}"
    );
    assert!(
        world
            .call(&["status"])
            .expect(0)
            .stdout
            .contains("a restore of everything takes about")
    );
}

#[test]
fn a_sample_restores_a_share_and_reckons_the_rest() {
    let world = world();
    world.backup("full");
    let report = world
        .call(&["--json", "drill", "--sample", "20%"])
        .expect(0)
        .json();
    let blobs = |what: &str| report[what]["blobs"].as_f64().unwrap();
    let share = blobs("restored") / blobs("all");
    assert!((0.1..0.3).contains(&share), "{share}");
    assert!(report["full"]["factor"].as_f64().unwrap() >= blobs("all") / blobs("restored"));
    assert_eq!(report["not_in_snapshot"], 0);
    expect_nothing_left(&world);
    // The same is restored again.
    let again = world
        .call(&["--json", "drill", "--sample", "20"])
        .expect(0)
        .json();
    assert_eq!(again["restored"], report["restored"]);
    let text = world.call(&["drill", "--sample", "20%"]).expect(0).stdout;
    assert!(
        text.starts_with("PROVEN") && text.contains("a sample of 20%"),
        "{text}"
    );
    world
        .call(&["drill", "--sample", "0%"])
        .expect(2)
        .says("such as 1%");
}

#[test]
fn what_is_damaged_is_not_proven() {
    let world = world();
    world.backup("full");
    let packs = ending(&world.vault().join("packs"), ".tar.zst");
    let pack = packs
        .iter()
        .max_by_key(|pack| fs::metadata(pack).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(pack, bytes).unwrap();
    let report = world.call(&["--json", "drill"]).expect(3).json();
    assert_eq!(report["proven"], false);
    assert!(!report["damaged"].as_array().unwrap().is_empty());
    assert!(
        report["findings"]["missing"]["count"].as_u64().unwrap() > 0,
        "{report}"
    );
    expect_nothing_left(&world);
    let status = world.call(&["status"]).expect(3).stdout;
    assert!(
        status.starts_with("WRONG") && status.contains("the last drill"),
        "{status}"
    );
}

#[test]
fn what_is_not_its_own_a_drill_leaves_alone() {
    let world = world();
    world.backup("full");
    let repository = world.sample().repository().to_owned();
    for (place, says) in [
        (repository.join("localhost"), "inside the repository"),
        (world.vault(), "inside the vault"),
        (world.path("nowhere"), "nowhere"),
    ] {
        let called = world.call(&["drill", "--to", place.to_str().unwrap()]);
        assert_ne!(called.code, 0);
        called.says(says);
    }
    world
        .call(&["queue", "drill", "--to", "/x"])
        .expect(2)
        .says("by hand");

    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin.batch_execute("ALTER ROLE fossy NOCREATEDB").unwrap();
    world
        .call(&["drill"])
        .expect(1)
        .says("ALTER ROLE fossy CREATEDB");
    admin.batch_execute("ALTER ROLE fossy CREATEDB").unwrap();

    // Somebody has restored into a database of this name, or made it otherwise.
    world
        .cluster
        .create_database("fossology_drill", Role::Fossy, "UTF8")
        .unwrap();
    let mut theirs = world
        .cluster
        .connect(Role::Fossy, "fossology_drill")
        .unwrap();
    theirs
        .batch_execute("CREATE TABLE precious (x int)")
        .unwrap();
    drop(theirs);
    world
        .call(&["drill"])
        .expect(2)
        .says("was not made by a drill");
    assert_eq!(
        drill_databases(&world),
        [("fossology_drill".to_owned(), None)]
    );
    admin
        .batch_execute("DROP DATABASE fossology_drill")
        .unwrap();

    // Another drill, perhaps on another host.
    let mut other = world.cluster.connect(Role::Fossy, "postgres").unwrap();
    let lock = "SELECT pg_advisory_lock(x'666f7265'::int, hashtext('fossology_drill'))";
    other.execute(lock, &[]).unwrap();
    world.call(&["drill"]).expect(11);
    drop(other);
    expect_nothing_left(&world);

    // Each of these is told as the last drill.
    let status = world.call(&["-q", "status"]).expect(3).stdout;
    assert!(status.contains("the last drill (full, "), "{status}");
    world.call(&["drill"]).expect(0);
    world.call(&["-q", "status"]).expect(0);
}

#[test]
fn a_drill_that_is_stopped_leaves_nothing_and_one_that_is_killed_is_cleared_away() {
    let world = World::with(Options {
        extra_files: 400,
        ..Options::one_host()
    });
    world.call(&["init"]).expect(0);
    world.backup("full");
    let before = state(&world);
    let has_database = || !drill_databases(&world).is_empty();
    let is_loaded = || {
        let marks = drill_databases(&world);
        marks.iter().any(|(_, mark)| {
            mark.as_ref()
                .is_some_and(|mark| mark.ends_with(", complete"))
        })
    };
    let has_blobs = || {
        let folders = drill_folders(&world);
        folders.iter().any(|folder| {
            fs::read_dir(folder.join("repository")).is_ok_and(|mut hosts| hosts.next().is_some())
        })
    };
    let mut stopped = 0;
    let moments: [&dyn Fn() -> bool; 3] = [&has_database, &is_loaded, &has_blobs];
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for is_there in moments {
            let run = Running::start(world.command(&["drill"]));
            let pid = run.pid().as_raw();
            wait_for("the drill to come so far, or to its end", || {
                (is_there() || !lives(pid)).then_some(())
            });
            let children = run.descendants();
            run.signal(signal);
            let called = run.wait();
            stopped += usize::from(called.code != 0);
            wait_for("all children to end", || {
                children.iter().all(|pid| !lives(*pid)).then_some(())
            });
            match signal {
                Signal::SIGTERM => {
                    assert!(
                        [0, 130].contains(&called.code),
                        "{}: {}",
                        called.code,
                        called.stderr
                    );
                    expect_nothing_left(&world);
                }
                _ => {
                    assert!(
                        [0, 137].contains(&called.code),
                        "{}: {}",
                        called.code,
                        called.stderr
                    );
                    // A scheduler's next drill, with no help.
                    let next = world.call(&["drill"]).expect(0);
                    assert!(
                        called.code == 0 || next.stderr.contains("did not end"),
                        "{}",
                        next.stderr
                    );
                    expect_nothing_left(&world);
                }
            }
        }
    }
    assert!(
        stopped >= 4,
        "only {stopped} of 6 drills were caught at work"
    );
    assert_eq!(state(&world), before);
}

#[test]
fn without_room_nothing_is_begun() {
    let world = world();
    world.backup("full");
    let place = world.path("small");
    fs::create_dir(&place).unwrap();
    let Some(_disk) = SmallDisk::mount(&place, "size=32m") else {
        return;
    };
    world
        .call(&["drill", "--to", place.to_str().unwrap()])
        .expect(1)
        .says("the dump and the blobs of a drill need");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    expect_nothing_left(&world);
}

#[test]
fn the_scheduler_makes_drills_as_the_settings_say() {
    let world = world();
    world.enable_agent();
    let place = world.path("drills");
    fs::create_dir(&place).unwrap();
    world.write_settings(&format!("[drill]\nto = {place:?}\nsample = \"50%\"\n"));
    world.backup("full");
    let request = world.ask("drill", "{}");
    let arguments = format!("--request={request}");
    let job = Job {
        id: 7,
        arguments: &arguments,
        ..Job::default()
    };
    let ended = world.run_job(job).expect(0);
    let (state, message) = world.request(request);
    assert_eq!(state, "done");
    assert!(
        message.contains("a sample of 50% of")
            && message.contains("a restore of everything takes about"),
        "{message}"
    );
    assert_eq!(ended.mail, Some(format!("drill: {message}")));
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    expect_nothing_left(&world);

    world.write_settings("[drill]\nsample = \"all\"\n");
    world
        .call(&["drill"])
        .expect(2)
        .says("such as 1%")
        .says("sample");
}

#[test]
fn a_drill_that_gives_way_to_a_deletion_begins_anew_after_it() {
    let world = World::with(Options {
        extra_files: 1000,
        ..Options::one_host()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    world.write_settings("threads = 1\n[give_way]\nseconds = 0.002");
    clear(&world);
    let snapshot = world.backup("full")["snapshot"].clone();
    for attempt in 1.. {
        let answer = world.call(&["--json", "queue", "drill"]).expect(0).json();
        let request = i32::try_from(answer["request"].as_i64().unwrap()).unwrap();
        let (mut agent, entry) = start_next(&world).unwrap();
        agent.give_job();
        wait_for("the drill to make its database", || {
            (!drill_databases(&world).is_empty()).then_some(())
        });
        agent.signal(Signal::SIGSTOP);
        until_stopped(agent.pid());
        let deletion = queue_deletion(&world);
        agent.signal(Signal::SIGCONT);
        let ended = agent.serve().expect(0);
        end_entry(&world, &entry, &ended);
        expect_nothing_left(&world);
        if world.request(request).0 != "running" {
            println!("attempt {attempt}: the drill had ended before it looked");
            assert!(attempt < 8);
            end_deletion(&world, deletion, true);
            continue;
        }
        // What is newer does not matter: whoever asked sees one drill.
        world.backup("full");
        end_deletion(&world, deletion, true);
        for (_, ended) in run_queued(&world) {
            let mail = ended.expect(0).mail.unwrap();
            assert!(mail.contains(snapshot.as_str().unwrap()), "{mail}");
        }
        assert_eq!(world.request(request).0, "done");
        let mut client = world.sample().connect().unwrap();
        let unfinished = "SELECT count(*) FROM backup_run WHERE state <> 'done'";
        let count: i64 = client.query_one(unfinished, &[]).unwrap().get(0);
        assert_eq!(count, 0);
        expect_nothing_left(&world);
        return;
    }
}
