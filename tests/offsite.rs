// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Copies of a vault at another place: made by this program or by rsync, at any moment, and what
//! they are there for: everything here is lost.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::restored::{blobs, lose_everything, rows};
use support::servers::{BUCKET, Proxy, S3Server, Sshd, s3_settings, settings};
use support::trouble::{Running, wait_for};
use support::world::World;

/// `[storage]` as that of the other place.
fn far_settings(storage: &str, location: &str) -> String {
    let storage = storage.replace("[storage]", "[offsite.storage]");
    format!("[offsite]\nlocation = \"{location}\"\n{storage}")
}

fn copy(world: &World, code: i32) -> Value {
    world.call(&["--json", "copy"]).expect(code).json()
}

fn states(report: &Value) -> Vec<&str> {
    let snapshots = report["snapshots"].as_array().unwrap();
    snapshots
        .iter()
        .map(|snapshot| snapshot["state"].as_str().unwrap())
        .collect()
}

fn status(world: &World) -> Value {
    let called = world.call(&["--json", "status"]);
    called.json()
}

/// The vault is copied, all is lost, and it comes back from the far side.
fn disaster(location: &str, storage: &str, mut world: World) {
    settings(&world, &far_settings(storage, location));
    world.call(&["init"]).expect(0);
    world.backup("gold");
    let full = world.backup("full");
    let first = copy(&world, 0);
    assert_eq!(states(&first), ["copied", "copied"]);
    assert!(first["proven"]["packs"].as_u64().unwrap() > 0, "{first}");
    let again = copy(&world, 0);
    assert_eq!(states(&again), ["there", "there"]);
    assert_eq!(again["packs"]["count"], 0);
    println!(
        "first {}\nnothing new {}",
        first["servers"], again["servers"]
    );

    let told = status(&world);
    assert_eq!(
        told["offsite"]["complete"].as_array().unwrap().len(),
        2,
        "{told}"
    );
    assert_eq!(told["offsite"]["not_there"], Value::Array(Vec::new()));
    world
        .sample_mut()
        .add_upload(NewUpload::sources("more-2.0.tar.gz", 77, 12))
        .unwrap();
    let newer = world.backup("full");
    let told = status(&world);
    assert_eq!(told["offsite"]["not_there"][0], newer["snapshot"], "{told}");
    assert_eq!(states(&copy(&world, 0)), ["copied", "there", "there"]);
    let text = world.call(&["status"]).stdout;
    assert!(
        text.contains(&format!("off-site {location}: 3 snapshots complete")),
        "{text}"
    );
    let metrics = world.call(&["status", "--prometheus"]).stdout;
    assert!(
        metrics.contains("fo_backup_offsite_snapshots{state=\"complete\"} 3"),
        "{metrics}"
    );

    let rows_before = rows(&mut world.sample().connect().unwrap());
    let blobs_before = blobs(&world);
    lose_everything(&world);
    fs::remove_dir_all(world.vault()).unwrap();
    world.call_at(location, &["restore", "latest"]).expect(0);
    assert_eq!(rows(&mut world.sample().connect().unwrap()), rows_before);
    assert_eq!(blobs(&world), blobs_before);
    world.call_at(location, &["check", "--deep"]).expect(0);
    // The far side is a vault like any other: what is older is there too, and it goes back.
    let back = world.call_at(
        location,
        &["--json", "copy", "--to", world.vault().to_str().unwrap()],
    );
    assert_eq!(states(&back.expect(0).json()), ["copied"; 3]);
    let id = full["snapshot"].as_str().unwrap();
    world.call(&["verify", id, "--read-data"]).expect(0);
}

#[test]
fn a_copy_in_a_bucket_survives_the_loss_of_everything() {
    let world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    disaster(
        &format!("s3://{BUCKET}/far"),
        &s3_settings(server.port),
        world,
    );
}

#[test]
fn a_copy_on_a_server_that_speaks_sftp_does_too() {
    let world = World::new();
    let sshd = Sshd::start(world.path("sshd"), "");
    let location = sshd.location(sshd.port, &world.path("far/vault"));
    disaster(&location, &sshd.settings(&[]), world);
}

#[test]
fn a_copy_that_was_killed_or_whose_server_died_goes_on() {
    let world = World::with_vault();
    world.backup("full");
    let mut server = S3Server::start(world.path("s3"), &[]);
    let proxy = Proxy::start(server.port, 0, 0);
    let location = format!("s3://{BUCKET}/far");
    let quick = s3_settings(proxy.port).replace("give_up_after = 20", "give_up_after = 1");
    settings(&world, &far_settings(&quick, &location));
    // The server dies in the middle of a pack.
    proxy.cut_more(i64::MAX, 60_000);
    let called = world.call(&["copy"]).expect(1);
    called.says("did not answer");
    proxy.cut_more(0, 0);
    server.kill();
    world.call(&["copy"]).expect(1).says("did not answer");
    server.start_again(&[]);
    let packs = server.bucket().join("far/packs");
    let running = Running::start(world.command(&["copy"]));
    wait_for("a part of the copy", || packs.is_dir().then_some(()));
    running.signal(Signal::SIGKILL);
    running.wait();
    assert_eq!(states(&copy(&world, 0)), ["copied"]);
    world
        .call_at(&location, &["verify", "--read-data"])
        .expect(0);
    let far = world.path("s3").join(BUCKET).join("far");
    world.call_at(far, &["verify", "--read-data"]).expect(0);
}

fn a_pack(vault: &Path) -> PathBuf {
    let packs = walkdir::WalkDir::new(vault.join("packs"));
    let mut packs: Vec<PathBuf> = packs
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.to_str().unwrap().ends_with(".tar.zst"))
        .collect();
    packs.sort();
    packs.remove(0)
}

#[test]
fn damage_does_not_travel_and_what_lacks_there_is_named() {
    let world = World::with_vault();
    world.backup("full");
    let far = world.path("far");
    settings(
        &world,
        &format!("[offsite]\nlocation = \"{}\"\n", far.display()),
    );
    let good = fs::read(a_pack(&world.vault())).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(a_pack(&world.vault()), &bad).unwrap();
    let report = copy(&world, 3);
    assert_eq!(states(&report), ["incomplete"]);
    assert_eq!(report["hurt"].as_array().unwrap().len(), 1, "{report}");
    let none = world
        .call_at(&far, &["--json", "snapshots"])
        .expect(0)
        .json();
    assert_eq!(none["snapshots"], Value::Array(Vec::new()));
    let told = status(&world);
    assert!(
        told["reasons"].to_string().contains("the last copy"),
        "{told}"
    );

    fs::write(a_pack(&world.vault()), &good).unwrap();
    assert_eq!(states(&copy(&world, 0)), ["copied"]);
    fs::remove_file(a_pack(&far)).unwrap();
    fs::write(a_pack(&world.vault()), &bad).unwrap();
    let report = copy(&world, 3);
    assert_eq!(states(&report), ["there"]);
    assert_eq!(report["lacking"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(status(&world)["offsite"]["lacking"], 1);
}

/// The first file below a folder of a vault, by its name.
fn first(vault: &Path, folder: &str, ending: &str) -> PathBuf {
    let files = walkdir::WalkDir::new(vault.join(folder)).sort_by_file_name();
    let mut files = files.into_iter().map(|entry| entry.unwrap().into_path());
    files
        .find(|path| path.is_file() && path.to_str().unwrap().ends_with(ending))
        .unwrap()
}

/// Cuts a file in two, and gives back what it was.
fn cut_file(path: &Path) -> Vec<u8> {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() / 2]).unwrap();
    whole
}

#[test]
fn what_the_far_side_has_lost_is_brought_again() {
    let world = World::with_vault();
    world.backup("full");
    let far = world.path("far");
    let text = format!("[offsite]\nlocation = \"{}\"\n", far.display());
    settings(&world, &text);
    copy(&world, 0);
    let whole = || {
        let verify = ["--json", "verify", "--read-data"];
        let report = world.call_at(&far, &verify).expect(0).json();
        assert_eq!(report["whole"], true, "{report}");
    };
    fs::remove_file(a_pack(&far)).unwrap();
    let report = copy(&world, 0);
    assert_eq!(states(&report), ["there"]);
    assert_eq!(report["packs"]["count"], 1, "{report}");
    whole();
    // Other tools may have left the half of something.
    for (folder, ending) in [("packs", ".idx"), ("database", ".zst")] {
        cut_file(&first(&far, folder, ending));
        assert_eq!(states(&copy(&world, 0)), ["there"], "{folder}");
        whole();
    }
    cut_file(&first(&far, "snapshots", ".json"));
    assert_eq!(states(&copy(&world, 0)), ["copied"]);
    whole();
    // What is cut here does not take the place of what is whole there.
    let chunk = first(&world.vault(), "database", ".zst");
    let good = cut_file(&chunk);
    copy(&world, 0);
    assert_eq!(fs::read(first(&far, "database", ".zst")).unwrap(), good);
    whole();
}

#[test]
fn two_vaults_that_went_apart_are_told() {
    let world = World::with_vault();
    world.backup("full");
    let far = world.path("far");
    let place = far.to_str().unwrap();
    world.call(&["copy", "--to", place]).expect(0);
    let other = world.call_at(&far, &["--json", "backup"]).expect(0).json();
    let report = world
        .call(&["--json", "copy", "--to", place])
        .expect(3)
        .json();
    assert_eq!(report["newer_there"][0], other["snapshot"], "{report}");
    world
        .call(&["copy", "--to", world.vault().to_str().unwrap()])
        .expect(2)
        .says("is the vault itself");
    world.call(&["copy"]).expect(2).says("[offsite]");
}

#[test]
fn rsync_in_the_middle_of_a_backup_makes_a_vault_that_is_whole() {
    let world = World::with_vault();
    world.backup("gold");
    let rsync = |to: &Path| {
        let status = Command::new("rsync")
            .arg("-a")
            .arg(format!("{}/", world.vault().display()))
            .arg(to)
            .status()
            .unwrap();
        assert!(status.success());
    };
    let far = world.path("far");
    let pieces = || walkdir::WalkDir::new(world.vault()).into_iter().count();
    let before = pieces();
    let running = Running::start(world.command(&["backup"]));
    wait_for("a part of the backup", || {
        (pieces() > before + 3).then_some(())
    });
    running.pause();
    rsync(&far);
    running.go_on();
    running.wait().expect(0);
    let report = world
        .call_at(&far, &["--json", "verify", "--read-data"])
        .expect(0)
        .json();
    assert_eq!(report["snapshots"].as_array().unwrap().len(), 1);
    // The lease in the copy ends like any other; the next rsync brings the rest.
    rsync(&far);
    let report = world
        .call_at(&far, &["--json", "verify", "--read-data"])
        .expect(0)
        .json();
    assert_eq!(report["snapshots"].as_array().unwrap().len(), 2);
    // A snapshot that came without all of its packs is named, and the others are whole.
    fs::remove_file(a_pack(&far)).unwrap();
    world.call_at(&far, &["verify"]).expect(3);
}
