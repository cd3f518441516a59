// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recoveries in trouble: without gold, killed, stopped, beside others, asked for what cannot be.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::Tree;
use fossology_backup::demo::sample::{Random, StoredBlob};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;
use support::checked::{expect, own_blobs};
use support::recovered::{inode, lose, lose_files, needed_files, notes, recover_with, stand_in};
use support::trouble::{Running, hold, until_waited_for, wait_for};
use support::world::World;

#[test]
fn without_gold_that_is_whole_only_the_vault_helps() {
    let world = World::with_vault();
    let before = needed_files(&world);
    world.backup("full");
    let golds: Vec<StoredBlob> = world
        .sample()
        .needed_blobs()
        .into_iter()
        .filter(|blob| blob.trees.contains(Tree::Gold))
        .collect();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let gold_of = |upload: i32| {
        let blobs = world.sample().blobs_of(upload);
        golds.iter().find(|gold| blobs.contains(gold)).unwrap()
    };
    let notes = notes(&world);
    let own = |upload: i32| {
        let mut own = own_blobs(&world, upload);
        own.retain(|blob| !blob.trees.contains(Tree::Gold) && !notes.contains(&blob.name));
        own
    };
    lose(gold_of(kernel));
    own(kernel).iter().for_each(lose);
    // As long as before, and rotten in the middle.
    let rotten = gold_of(tool);
    let mut content = fs::read(&rotten.paths[0]).unwrap();
    let size = content.len();
    content[size / 3..].fill(0);
    for path in &rotten.paths {
        fs::write(path, &content).unwrap();
    }
    own(tool).iter().for_each(lose);

    let content_with_all = stand_in(&world, "exit 0");
    let report = recover_with(
        &world,
        &content_with_all,
        &["--missing", "--from", "gold"],
        3,
    );
    let why = |upload: i32| -> BTreeSet<String> {
        let uploads = report["uploads"].as_array().unwrap();
        let found = uploads.iter().find(|one| one["upload"] == upload).unwrap();
        let blobs = found["blobs"].as_array().unwrap().iter();
        blobs
            .map(|blob| blob["why"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(why(kernel), ["gold_missing".to_owned()].into());
    assert_eq!(why(tool), ["gold_damaged".to_owned()].into());
    assert_eq!(report["recorded"], 0);
    let text = world.call(&["-q", "recover", "--missing", "--from", "gold"]);
    let text = text.expect(3).stdout;
    assert!(text.contains("the uploaded file is damaged"), "{text}");

    // Gold comes from the vault, and the rest out of it.
    let kernels = ["--json", "recover", "--upload", &kernel.to_string()];
    let report = world.call(&kernels).expect(0).json();
    assert_eq!(report["from_vault"]["blobs"], 1);
    assert_eq!(report["unpacked"]["blobs"], own(kernel).len());
    own(kernel).iter().for_each(lose);
    lose(gold_of(kernel));
    let report = world.call(&[&kernels[..], &["--from", "vault"]].concat());
    let report = report.expect(0).json();
    assert_eq!(report["from_vault"], report["missing"]);
    world
        .call(&["recover", "--blob", &rotten.name.to_string()])
        .expect(0);
    world.call(&["recover", "--missing"]).expect(0);
    assert_eq!(needed_files(&world), before);
    assert_eq!(
        inode(&gold_of(kernel).paths[0]).0,
        inode(&gold_of(kernel).paths[1]).0
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let world = World::with_vault();
    let deleted: i32 = world
        .sample()
        .connect()
        .unwrap()
        .query_one(
            "SELECT upload_pk FROM upload WHERE expire_action = 'd'",
            &[],
        )
        .unwrap()
        .get(0);
    let unneeded = world.sample().orphans()[0].name.to_string();
    for (arguments, says) in [
        (&["--upload", "4711"][..], "there is no upload 4711"),
        (&["--upload", &deleted.to_string()], "was deleted"),
        (&["--blob", "abc"], "not of the form sha1.md5.size"),
        (&["--blob", &unneeded], "no upload needs"),
        (&[], "--missing"),
        (&["--missing", "--upload", "1"], "cannot be used with"),
    ] {
        let arguments = [&["recover"], arguments].concat();
        world.call(&arguments).expect(2).says(says);
    }
    // Another instance's vault.
    let other = world.path("other");
    let mut client = world.sample().connect().unwrap();
    let id = "UPDATE backup_instance SET instance = gen_random_uuid()";
    world.call_at(&other, &["init"]).expect(0);
    client.batch_execute(id).unwrap();
    world
        .call(&["recover", "--missing", "--from", "vault"])
        .expect(1)
        .says("belongs to");
    world
        .call(&["recover", "--missing"])
        .expect(0)
        .says("nothing comes from the vault");
    world
        .call_at(
            world.path("nowhere"),
            &["recover", "--missing", "--from", "vault"],
        )
        .expect(10);
}

#[test]
fn killed_at_any_moment_the_same_command_goes_on() {
    let world = World::new();
    let before = needed_files(&world);
    let notes = notes(&world).len();
    let repository = world.sample().repository();
    let mut random = Random::new(7);
    for _ in 0..12 {
        let gone = lose_files(&world);
        let running = Running::start(world.command(&["-q", "recover", "--missing"]));
        // When so many files are back, whatever it is doing then.
        let some = random.below(gone.len() - notes);
        wait_for("some files to come back", || {
            let back = gone
                .iter()
                .filter(|blob| blob.paths.last().unwrap().exists());
            (back.count() >= some).then_some(())
        });
        running.signal(Signal::SIGKILL);
        running.wait();
        let report = world.call(&["--json", "recover", "--missing"]).expect(3);
        assert_eq!(report.json()["lost"]["blobs"], notes);
        let after = needed_files(&world);
        assert_eq!(after.len(), before.len() - notes);
        assert!(after.iter().all(|(path, state)| before[path] == *state));
    }
    let ours = fs::read_dir(repository).unwrap();
    let names = ours.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.starts_with("fo_backup")).collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_run_that_is_stopped_keeps_what_came() {
    let world = World::with_vault();
    let notes = notes(&world).len();
    let gone = lose_files(&world);
    let begun = hold(&world, "pfile");
    let running = Running::start(world.command(&["recover", "--missing"]));
    until_waited_for(&world, "pfile");
    // Its last question but the one for what is lost; it is also its first one.
    let held = hold(&world, "jobqueue");
    drop(begun);
    until_waited_for(&world, "jobqueue");
    running.signal(Signal::SIGTERM);
    drop(held);
    running.wait().expect(130).says("interrupted");
    let missing = gone
        .iter()
        .filter(|blob| !blob.paths.last().unwrap().exists());
    assert_eq!(missing.count(), notes);
    world.call(&["recover", "--missing"]).expect(3);
    let mut client = world.sample().connect().unwrap();
    let runs = "SELECT string_agg(state, ' ' ORDER BY id) FROM backup_run WHERE verb = 'recover'";
    let runs: String = client.query_one(runs, &[]).unwrap().get(0);
    assert_eq!(runs, "failed incomplete");
}

#[test]
fn two_at_once_and_a_backup_beside_do_no_harm() {
    let world = World::with_vault();
    let before = needed_files(&world);
    world.backup("gold");
    for _ in 0..3 {
        lose_files(&world);
        let start = |arguments: &[&str]| Running::start(world.command(arguments));
        let runs = [
            start(&["recover", "--missing"]),
            start(&["recover", "--missing"]),
        ];
        // It takes what is there by then; what is not is no mistake of a backup of gold.
        let backup = start(&["backup", "--mode", "gold"]);
        for run in runs {
            run.wait().expect(0);
        }
        let code = backup.wait().code;
        assert!(code == 0 || code == 3, "{code}");
        assert_eq!(needed_files(&world), before);
    }
    world.backup("full");
    expect(&world, &["--deep"], &[]);
}

#[test]
fn what_lies_on_storage_that_is_not_mounted_is_not_missing() {
    let world = World::with_vault();
    let storage = world.sample().repository().join("beta");
    let elsewhere = world.sample().repository().join("not mounted");
    fs::rename(&storage, &elsewhere).unwrap();
    let refused = world.call(&["recover", "--missing"]).expect(1);
    refused.says("'beta'").says("mount it");
    assert!(!storage.exists(), "nothing was written in its place");
    fs::rename(&elsewhere, &storage).unwrap();
    world.call(&["recover", "--missing"]).expect(0);
}
