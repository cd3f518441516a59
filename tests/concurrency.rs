// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Others at work at the same time: other runs, people who delete, a database that goes away.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use nix::sys::signal::Signal;
use std::fs;
use support::trouble::{
    Running, command_line, ending, files, held_backup, hold, lives, until_held, wait_for,
};
use support::world::World;

fn locks(world: &World) -> usize {
    files(&world.vault().join("locks")).len()
}

/// The databases that a restore made or kept.
fn databases(world: &World) -> Vec<String> {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let names =
        "SELECT datname::text FROM pg_database WHERE datname LIKE 'fossology\\_%' ORDER BY 1";
    let rows = admin.query(names, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn the_second_of_two_backups_is_told_who_is_first() {
    let world = World::with_vault();
    let (first, held) = held_backup(&world, &["backup"]);
    world.call(&["backup"]).expect(11).says(&format!(
        "fo_backup backup, process {}, as fossy",
        first.pid()
    ));
    assert_eq!(locks(&world), 1);
    drop(held);
    first.wait().expect(0);
    world.call(&["backup"]).expect(0);
    assert_eq!(locks(&world), 0);
}

#[test]
fn the_lock_of_a_killed_backup_ends_with_it() {
    let world = World::with_vault();
    for _ in 0..5 {
        let (first, held) = held_backup(&world, &["backup"]);
        let begun = first.descendants();
        first.signal(Signal::SIGKILL);
        first.wait().expect(137);
        assert_eq!(locks(&world), 1);
        // At once: its lease is known to be a dead run's, and so is its session.
        drop(held);
        world.call(&["backup"]).expect(0);
        assert_eq!(locks(&world), 0);
        wait_for("pg_dump to end with the run", || {
            begun.iter().all(|pid| !lives(*pid)).then_some(())
        });
        assert!(files(&world.vault().join("tmp")).is_empty());
        assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
    }
    // The history says of each what became of it.
    let mut client = world.sample().connect().unwrap();
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM backup_run";
    let states: String = client.query_one(states, &[]).unwrap().get(0);
    assert_eq!(states, "failed done ".repeat(5).trim_end());
}

#[test]
fn what_is_deleted_while_a_backup_runs_is_told_from_what_is_lost() {
    let mut world = World::with_vault();
    let (backup, held) = held_backup(&world, &["--json", "backup"]);
    backup.pause();
    drop(held);
    // An upload is deleted with its blobs, as FOSSology does it.
    let uploads = world.sample().uploads();
    let upload = *uploads
        .iter()
        .max_by_key(|upload| world.sample().blobs_of(**upload).len())
        .unwrap();
    let before = world.sample().needed_blobs().len();
    world.sample_mut().delete_upload(upload, 0).unwrap();
    let deleted = before - world.sample().needed_blobs().len();
    assert!(deleted > 10);
    backup.go_on();
    let report = backup.wait().expect(0).json();
    assert_eq!(report["counts"]["deleted"], deleted);
    assert_eq!(report["counts"]["missing"], 0);
    assert_eq!(report["complete"], true);

    let (backup, held) = held_backup(&world, &["--json", "backup"]);
    backup.pause();
    drop(held);
    backup.go_on();
    backup.wait().expect(0);

    // The file goes, the row stays: that is a loss.
    let world = World::with_vault();
    let (backup, held) = held_backup(&world, &["--json", "backup"]);
    backup.pause();
    drop(held);
    let lost = &world.sample().needed_blobs()[7];
    for path in &lost.paths {
        fs::remove_file(path).unwrap();
    }
    backup.go_on();
    let report = backup.wait().expect(3).json();
    assert_eq!(report["counts"]["missing"], 1);
    assert_eq!(report["absent"][0]["name"], lost.name.to_string());
    assert_eq!(report["absent"][0]["kind"], "missing");
}

#[test]
fn a_restore_goes_on_beside_a_backup() {
    let world = World::with_vault();
    world.backup("full");
    let (backup, held) = held_backup(&world, &["backup"]);
    world
        .call(&["restore", "latest", "--no-repository"])
        .expect(1)
        .says("others are connected")
        .says("fo_backup backup");
    let elsewhere = world.path("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let beside = [
        "restore",
        "latest",
        "--database",
        "beside",
        "--repository",
        elsewhere,
    ];
    world.call(&beside).expect(0);
    drop(held);
    backup.wait().expect(0);
    assert_eq!(locks(&world), 0);
}

#[test]
fn the_second_of_two_restores_does_not_disturb_the_first() {
    let world = World::with_vault();
    world.backup("full");
    // Held while it marks the new database.
    let held = hold_marks(&world);
    let first = Running::start(world.command(&["restore", "latest"]));
    until_held(&world, "fo_backup");
    world
        .call(&["restore", "latest"])
        .expect(11)
        .says("another operation works on this database: fo_backup, as fossy");
    drop(held);
    first.wait().expect(0);
    assert_eq!(databases(&world).len(), 1);
}

/// Keeps everybody from writing a comment on a database.
fn hold_marks(world: &World) -> postgres::Client {
    let mut client = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    client
        .batch_execute("BEGIN; LOCK TABLE pg_shdescription IN SHARE MODE")
        .unwrap();
    client
}

#[test]
fn a_lost_connection_is_said_and_the_same_command_works_again() {
    let world = World::with_vault();
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let mut end = |application: &str| {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE split_part(application_name, ',', 1) = $1";
        assert!(!admin.query(end, &[&application]).unwrap().is_empty());
    };
    for application in ["fo_backup backup catalogue", "fo_backup backup"] {
        let (backup, held) = held_backup(&world, &["backup"]);
        end(application);
        drop(held);
        let called = backup.wait();
        // The lock's session may end unnoticed when nothing is asked of it any more.
        assert_eq!(called.code, 1, "{}", called.stderr);
        called.says("connection to the database was lost");
        assert_eq!(locks(&world), 0);
    }
    // pg_dump's connection.
    let held = hold(&world, "license_file");
    let backup = Running::start(world.command(&["backup"]));
    until_held(&world, "fo_backup");
    end("fo_backup");
    drop(held);
    backup.wait().expect(1).says("pg_dump");
    world.backup("full");

    let held = hold_marks(&world);
    let restore = Running::start(world.command(&["restore", "latest"]));
    until_held(&world, "fo_backup");
    end("fo_backup");
    drop(held);
    restore
        .wait()
        .expect(1)
        .says("connection to the database was lost");
    assert!(world.sample().connect().is_ok());
    world.call(&["restore", "latest"]).expect(0);
    assert_eq!(databases(&world).len(), 1);
}

#[test]
fn a_database_that_is_renamed_in_the_middle_fails_only_that_run() {
    let world = World::with_vault();
    let (backup, held) = held_backup(&world, &["backup"]);
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fossology'";
    admin.batch_execute(end).unwrap();
    drop(held);
    wait_for("the database to be free", || {
        admin
            .batch_execute("ALTER DATABASE fossology RENAME TO fossology_away")
            .ok()
    });
    backup.wait().expect(1);
    world
        .call(&["backup"])
        .expect(1)
        .says("no database 'fossology'");
    admin
        .batch_execute("ALTER DATABASE fossology_away RENAME TO fossology")
        .unwrap();
    world.backup("full");

    // Somebody else takes the name while a restore runs, or connects to it.
    let held = hold_marks(&world);
    let restore = Running::start(world.command(&["restore", "latest", "--no-repository"]));
    until_held(&world, "fo_backup");
    let somebody = world.sample().connect().unwrap();
    drop(held);
    restore.wait().expect(1).says("others are connected");
    assert_eq!(databases(&world).len(), 1, "what is complete is kept");
    drop(somebody);
    world
        .call(&["restore", "latest", "--no-repository"])
        .expect(0)
        .says("going on with database");
    let left = databases(&world);
    assert!(left.len() == 1 && left[0].contains("_before_"), "{left:?}");
}

#[test]
fn while_pg_dump_runs_no_password_is_to_be_seen_and_sigterm_ends_it() {
    let world = World::with_vault();
    let held = hold(&world, "license_file");
    let backup = Running::start(world.command(&["-vv", "backup"]));
    until_held(&world, "fo_backup");
    let password = world.cluster.password(Role::Fossy);
    let children = backup.descendants();
    let lines: Vec<String> = children.iter().map(|pid| command_line(*pid)).collect();
    assert!(
        lines.iter().any(|line| line.contains("pg_dump")),
        "{lines:?}"
    );
    for line in lines.iter().chain([&command_line(backup.pid().as_raw())]) {
        assert!(!line.contains(password), "{line}");
    }

    // Everything is packed by now, only the dump is not there.
    let packs = world.vault().join("packs");
    wait_for("the packs", || {
        (packs.exists() && ending(&packs, ".tar.zst").len() == 2).then_some(())
    });
    backup.signal(Signal::SIGTERM);
    let called = backup.wait().expect(130);
    called.says("interrupted");
    assert!(!called.stderr.contains(password));
    assert!(
        children.iter().all(|pid| !lives(*pid)),
        "pg_dump is still there"
    );
    assert_eq!(locks(&world), 0);
    assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
    drop(held);

    // What was packed by then is not read again.
    let report = world.backup("full");
    assert_eq!(report["counts"]["new"], 0, "{report}");
    assert_eq!(report["counts"]["gold"].as_u64(), Some(gold(&world)));
}

fn gold(world: &World) -> u64 {
    let needed = world.sample().needed_blobs();
    needed
        .iter()
        .filter(|blob| blob.trees.iter().count() == 2)
        .count() as u64
}

#[test]
fn sigterm_ends_pg_restore_too() {
    let world = World::with_vault();
    world.backup("full");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // Caught while it runs; when it was too fast, again.
        let children = loop {
            let restore = Running::start(world.command(&["restore", "latest", "--no-repository"]));
            let caught = wait_for("pg_restore or the end", || {
                let children = restore.descendants();
                let runs = |pid: &i32| command_line(*pid).contains("--dbname");
                (children.iter().any(runs) || !lives(restore.pid().as_raw())).then_some(children)
            });
            for pid in &caught {
                let line = command_line(*pid);
                assert!(
                    !line.contains(world.cluster.password(Role::Fossy)),
                    "{line}"
                );
            }
            restore.signal(signal);
            let called = restore.wait();
            match signal {
                Signal::SIGTERM if called.code == 130 => break caught,
                Signal::SIGKILL if called.code == 137 => break caught,
                _ => assert_eq!(called.code, 0, "{}", called.stderr),
            }
        };
        wait_for("the children to end", || {
            children.iter().all(|pid| !lives(*pid)).then_some(())
        });
        if signal == Signal::SIGTERM {
            assert_eq!(locks(&world), 0);
        }
        // Half a database is made anew.
        let before = databases(&world).len();
        world
            .call(&["restore", "latest", "--no-repository"])
            .expect(0);
        assert!(
            databases(&world)
                .iter()
                .all(|name| name.contains("_before_"))
        );
        assert_eq!(databases(&world).len(), before);
    }
}
