// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! No room: the message says where, nothing is lost, and with room the same command succeeds.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use fossology_backup::demo::sample::Options;
use std::fs;
use std::path::Path;
use support::trouble::{SmallDisk, files};
use support::world::World;

fn many_files() -> World {
    World::with(Options {
        extra_files: 300,
        ..Options::default()
    })
}

#[track_caller]
fn expect_whole(world: &World) {
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let size = fs::metadata(path).map(|found| found.len()).ok();
            assert_eq!(size, Some(blob.name.size()), "{}", path.display());
        }
    }
}

fn lose_repository(world: &World) {
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

#[test]
fn a_full_vault() {
    let world = many_files();
    fs::create_dir(world.vault()).unwrap();
    let Some(disk) = SmallDisk::mount(&world.vault(), "size=1100k") else {
        return;
    };
    world.call(&["init"]).expect(0);
    for _ in 0..2 {
        world
            .call(&["backup"])
            .expect(1)
            .says("no space is left in the vault's file system")
            .says("run it again");
        assert!(files(&world.vault().join("tmp")).is_empty());
        assert!(files(&world.vault().join("locks")).is_empty());
        assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
    }
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    assert!(list["snapshots"].as_array().unwrap().is_empty());
    disk.remount("size=64m");
    world.backup("full");
    lose_repository(&world);
    world.call(&["restore", "latest"]).expect(0);
    expect_whole(&world);
}

#[test]
fn a_vault_without_room_for_one_file() {
    let world = World::new();
    fs::create_dir(world.vault()).unwrap();
    let Some(disk) = SmallDisk::mount(&world.vault(), "size=64m,nr_inodes=2") else {
        return;
    };
    world.call(&["init"]).expect(1).says("no space is left");
    disk.remount("nr_inodes=1000");
    world.call(&["init"]).expect(0);
    disk.remount("nr_inodes=14");
    world.call(&["backup"]).expect(1).says("no space is left");
    disk.remount("nr_inodes=1000");
    world.backup("full");
}

#[test]
fn a_full_scratch_folder() {
    let world = World::with_vault();
    let scratch = world.path("scratch");
    let place = scratch.to_str().unwrap();
    let Some(disk) = SmallDisk::mount(&scratch, "size=64k") else {
        return;
    };
    world
        .call(&["backup"])
        .expect(1)
        .says("o space left on device")
        .says(place);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    disk.remount("size=64m");
    world.backup("full");

    disk.remount("size=64k");
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("the dump on its way")
        .says(place);
    // Room enough, but not for so many files.
    disk.remount("size=200m,nr_inodes=4");
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("o space left on device")
        .says(place);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    disk.remount("nr_inodes=1000");
    world.call(&["restore", "latest"]).expect(0);
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);

    fs::create_dir(world.path("not there")).unwrap();
    let nowhere = world.path("not there/either");
    for verb in [&["backup"][..], &["restore", "latest"]] {
        let mut command = world.command(verb);
        command.env("FO_BACKUP_SCRATCH", &nowhere);
        support::world::Called::new(&command.output().unwrap())
            .expect(1)
            .says("not there/either");
    }
}

#[test]
fn a_full_repository() {
    let world = many_files();
    world.call(&["init"]).expect(0);
    world.backup("full");
    lose_repository(&world);
    let repository = world.sample().repository();
    let place = repository.to_str().unwrap();
    let Some(disk) = SmallDisk::mount(repository, "size=70m,mode=2770") else {
        return;
    };
    let counted = |world: &World| {
        let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
        let count = "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_before\\_%'";
        admin.query_one(count, &[]).unwrap().get::<_, i64>(0)
    };
    // Known beforehand.
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("the blobs need")
        .says(place);
    assert_eq!(files(repository), Vec::<std::path::PathBuf>::new());
    // Not known beforehand: the room is there, but not for so many files.
    disk.remount("size=1g,nr_inodes=700");
    let some = || files(repository).len();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("no space left")
        .says(place);
    assert!(some() > 10);
    assert!(
        files(repository).iter().all(|path| !is_debris(path)),
        "what was begun is taken back"
    );
    assert_eq!(counted(&world), 0, "the old database is in its place");
    disk.remount("nr_inodes=100000");
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    assert!(report["blobs"]["kept"].as_u64().unwrap() > 0, "{report}");
    expect_whole(&world);
    assert_eq!(counted(&world), 1);
}

fn is_debris(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.ends_with(".I") || name.starts_with(".tmp")
}
