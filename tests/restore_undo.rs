// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A restore that was not what people wanted: the database from before comes back.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use std::fs;
use std::net::TcpListener;
use support::restored::{blobs, rows};
use support::world::World;

/// Whether the instance's database is the one in which this was made.
fn has_mark(world: &World) -> bool {
    let mut client = world.sample().connect().unwrap();
    client
        .query_one("SELECT count(*) FROM made_since", &[])
        .is_ok()
}

/// A backup, work that went on after it, and a restore that lost this work.
fn restored_by_mistake() -> World {
    let world = World::with_vault();
    world.backup("full");
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute("CREATE TABLE made_since (x int)")
        .unwrap();
    drop(client);
    world.call(&["restore", "latest"]).expect(0);
    assert!(!has_mark(&world));
    world
}

#[test]
fn a_restore_is_undone_and_that_too() {
    let world = restored_by_mistake();
    let files = blobs(&world);
    let restored = rows(&mut world.sample().connect().unwrap());

    let look = world
        .call(&["--json", "restore", "--undo", "--dry-run"])
        .expect(0)
        .json();
    assert!(!has_mark(&world));
    let undone = world
        .call(&["--json", "restore", "--undo"])
        .expect(0)
        .json();
    assert_eq!(look["was"], undone["was"]);
    assert!(has_mark(&world));
    assert_eq!(blobs(&world), files, "nothing is written to the repository");

    let kept = undone["kept"].as_str().unwrap();
    assert!(kept.contains("_restored_"), "{kept}");
    // No restore is left that could be undone: the next one needs a name.
    world
        .call(&["restore", "--undo"])
        .expect(2)
        .says("no restore has replaced");
    let again = world
        .call(&["restore", &format!("--undo={kept}")])
        .expect(0);
    let words = format!("is the one again that was called {kept}");
    assert!(again.stdout.contains(&words), "{}", again.stdout);
    assert!(!has_mark(&world));
    assert_eq!(rows(&mut world.sample().connect().unwrap()), restored);
    world.call(&["restore", "--undo"]).expect(0);
    assert!(has_mark(&world));
}

#[test]
fn the_last_restore_is_the_one_that_is_undone_and_a_lost_database_too() {
    let world = restored_by_mistake();
    let second = world
        .call(&["--json", "restore", "latest", "--no-repository"])
        .expect(0)
        .json();
    let name = world.sample().database().to_owned();
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin
        .batch_execute(&format!("DROP DATABASE {name}"))
        .unwrap();
    let undone = world
        .call(&["--json", "restore", "--undo"])
        .expect(0)
        .json();
    assert_eq!(undone["was"], second["database"]["old"]);
    assert!(undone["kept"].is_null(), "{undone}");
    assert!(!has_mark(&world), "it was lost by the first restore");
    let first = world
        .call(&["--json", "restore", "--undo"])
        .expect(0)
        .json();
    assert!(first["kept"].is_string(), "{first}");
    assert!(has_mark(&world));
}

#[test]
fn what_forbids_it_is_said_and_nothing_is_renamed() {
    let world = restored_by_mistake();
    let conf = fs::read_to_string(world.sample().sysconfdir().join("fossology.conf")).unwrap();
    let port = conf.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "port").then(|| value.trim().parse::<u16>().unwrap())
    });
    let scheduler = TcpListener::bind(("127.0.0.1", port.unwrap())).unwrap();
    world
        .call(&["restore", "--undo"])
        .expect(1)
        .says("scheduler runs");
    drop(scheduler);

    let client = world.sample().connect().unwrap();
    world
        .call(&["restore", "--undo"])
        .expect(1)
        .says("others are connected");
    drop(client);

    world
        .call(&["restore", "--undo=nonsense"])
        .expect(2)
        .says("there is no database 'nonsense'")
        .says("_before_");
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin.batch_execute("CREATE DATABASE other").unwrap();
    world
        .call(&["restore", "--undo=other"])
        .expect(1)
        .says("FOSSology");
    world.call(&["restore"]).expect(2).says("SNAPSHOT");
    world.call(&["restore", "latest", "--undo"]).expect(2);
    assert!(!has_mark(&world));
}
