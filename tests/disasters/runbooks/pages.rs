// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What has happened before a page is opened, and what has to be true when it was followed.

use super::super::everything::lose_everything;
use super::super::support::checked::{in_files_only, own_blobs};
use super::super::support::queue::start_next;
use super::super::support::recovered::lose;
use super::super::support::restored::lose_repository;
use super::super::support::trouble::{hold, until_held};
use super::super::{Before, deep_check, world};
use super::{call, folder, follow};
use fossology_backup::demo::Role;
use fossology_backup::demo::sample::NewUpload;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn each_page_is_followed_by_a_test() {
    let pages: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let followed = [
        "README.md",
        "agent-host-lost.md",
        "database-lost.md",
        "everything-lost.md",
        "one-file-missing.md",
        "power-cut.md",
        "repository-lost.md",
    ];
    assert_eq!(pages, followed.map(str::to_owned).into());
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(
        !readme.contains("```"),
        "it only shows the way to the others"
    );
    for page in &followed[1..] {
        assert!(readme.contains(page), "{page}");
    }
}

#[test]
fn everything_is_lost() {
    let mut world = world();
    let before = Before::of(&world);
    world.backup("gold");
    lose_everything(&mut world);
    follow(&world, "everything-lost.md");
    before.expect_blobs(&world);
    deep_check(&world);
}

#[test]
fn the_database_is_lost() {
    let mut world = world();
    world.backup("full");
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    world.sample_mut().add_upload(new).unwrap();
    // What is moved aside is moved back at the end of the page.
    let before = Before::of(&world);
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let query = format!("DROP DATABASE {}", world.sample().database());
    admin.batch_execute(&query).unwrap();
    follow(&world, "database-lost.md");
    before.expect_blobs(&world);
    deep_check(&world);
}

#[test]
fn an_agent_host_is_lost() {
    let mut world = world();
    world.backup("full");
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    world.sample_mut().add_upload(new).unwrap();
    let before = Before::of(&world);
    fs::remove_dir_all(world.sample().repository().join("beta")).unwrap();
    follow(&world, "agent-host-lost.md");
    before.expect_blobs(&world);
    deep_check(&world);
}

#[test]
fn the_repository_is_lost() {
    let mut world = world();
    world.backup("full");
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    let newer = world.sample_mut().add_upload(new).unwrap();
    let mut before = Before::of(&world);
    // It came after the backup: nobody has it any more.
    for blob in own_blobs(&world, newer) {
        for path in &blob.paths {
            let below = path.strip_prefix(world.sample().repository()).unwrap();
            before.blobs.remove(below);
        }
    }
    lose_repository(&world);
    follow(&world, "repository-lost.md");
    before.expect_blobs(&world);
}

#[test]
fn one_file_is_missing() {
    let world = world();
    world.backup("full");
    let before = Before::of(&world);
    lose(&in_files_only(&world)[0]);
    follow(&world, "one-file-missing.md");
    before.expect_blobs(&world);
    deep_check(&world);
}

/// The plug is pulled while an upload is unpacked and a backup is made by the scheduler. What a power
/// cut leaves besides of what was not synced is a matter of tests/torture; here agents are killed,
/// and a file is cut as it would be found then.
#[test]
fn the_plug_was_pulled() {
    let world = world();
    world.backup("full");
    let before = Before::of(&world);
    call(&world, &["queue", "backup"]);
    let held = hold(&world, "pfile");
    let (mut agent, _) = start_next(&world).unwrap();
    agent.give_job();
    until_held(&world, "fo_backup backup catalogue");
    agent.signal(Signal::SIGKILL);
    agent.wait();
    drop(held);
    let blob = &in_files_only(&world)[0];
    fs::write(&blob.paths[0], "").unwrap();
    let half = blob.paths[0].with_file_name(format!("{}.I", blob.name));
    fs::write(half, "half").unwrap();
    follow(&world, "power-cut.md");
    before.expect_blobs(&world);
    deep_check(&world);
    assert_eq!(world.snapshots(), 2, "the backup was made by its own job");
}
