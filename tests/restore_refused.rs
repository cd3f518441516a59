// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Restores that are refused or only rehearsed, and the configuration that has to be there first.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use support::restored::lose_repository;
use support::world::World;

#[test]
fn a_dry_run_changes_nothing() {
    let world = World::with_vault();
    world.backup("full");
    lose_repository(&world);
    world.call(&["restore", "latest", "--dry-run"]).expect(0);
    assert_eq!(
        fs::read_dir(world.sample().repository()).unwrap().count(),
        0
    );
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let names = "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_restore\\_%' OR datname LIKE '%\\_before\\_%'";
    assert_eq!(admin.query_one(names, &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn what_forbids_a_restore_is_said_with_the_way_out() {
    let world = World::with_vault();
    world.backup("full");

    let client = world.sample().connect().unwrap();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("others are connected");
    drop(client);

    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let port: u16 = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("port")?
                .trim_start_matches([' ', '='])
                .trim()
                .parse()
                .ok()
        })
        .unwrap();
    let scheduler = TcpListener::bind(("127.0.0.1", port)).unwrap();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("scheduler runs");
    drop(scheduler);

    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin.batch_execute("ALTER ROLE fossy NOCREATEDB").unwrap();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("CREATEDB")
        .says("--admin-url");
    let mut command = world.command(&["restore", "latest", "--no-repository"]);
    command.env(
        "FO_BACKUP_ADMIN_URL",
        world.cluster.url(Role::Superuser, "postgres"),
    );
    assert_eq!(command.output().unwrap().status.code(), Some(0));

    let url = world.cluster.url(Role::Superuser, "postgres");
    let refused = world
        .call(&["restore", "latest", "--admin-url", &url])
        .expect(2);
    refused.says("FO_BACKUP_ADMIN_URL");
    assert!(
        !refused
            .stderr
            .contains(world.cluster.password(Role::Superuser))
    );

    world
        .call(&["restore", "nonsense"])
        .expect(2)
        .says("no snapshot 'nonsense'");
    world
        .call(&["restore", "latest", "--no-database", "--no-repository"])
        .expect(2);
}

#[test]
fn on_an_empty_machine_the_configuration_comes_first() {
    let world = World::with_vault();
    world.backup("full");
    let folder = world.path("configuration");
    let nowhere = world.path("nowhere");
    let folder_text = folder.to_str().unwrap();
    let arguments = [
        "restore",
        "latest",
        "--config-to",
        folder_text,
        "--no-database",
        "--no-repository",
    ];
    world.call_for(&nowhere, &arguments).expect(0);
    for name in ["fossology.conf", "Db.conf"] {
        let saved = fs::read(folder.join(name)).unwrap();
        assert_eq!(
            saved,
            fs::read(world.sample().sysconfdir().join(name)).unwrap()
        );
    }
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
}
