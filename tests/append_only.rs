// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault where this host may add and nothing else: who takes the host over cannot take the backups
//! along. Backups need no removal; expiring is done elsewhere, with other keys.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::servers::{BUCKET, S3Server, Sshd, s3_settings, settings};
use support::trouble::{Running, wait_for};
use support::world::World;

fn json(world: &World, location: &str, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    world.call_at(location, &arguments).expect(0).json()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .collect()
}

/// Backups where nothing can be removed, one of them killed, and a removal that is refused.
fn only_adds(world: &mut World, location: &str, folder: &Path) {
    world.call_at(location, &["init"]).expect(0);
    let running = Running::start(world.command_at(location, &["backup"]));
    wait_for("a part of the backup", || {
        folder.join("packs").is_dir().then_some(())
    });
    running.signal(Signal::SIGKILL);
    running.wait();
    // The server may still carry out what the killed run has asked for, and name what is in tmp/.
    let mut before = files(folder);
    before.retain(|path| !path.starts_with(folder.join("tmp")));
    json(world, location, &["backup"]);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("more-2.0.tar.gz", 77, 12))
        .unwrap();
    json(world, location, &["backup", "--mode", "gold"]);
    json(world, location, &["backup"]);
    for path in before {
        assert!(path.exists(), "{} is gone", path.display());
    }
    // Leases have ended without a removal: nobody has to wait for them, nor read them again.
    let nothing = json(world, location, &["backup"]);
    println!("{}", nothing["servers"]);
    let gets = nothing["servers"][0]["gets"].as_u64().unwrap();
    assert!(gets < 8, "{nothing}");
    let expire = ["expire", "--keep-last", "1", "--minimum-verified", "1"];
    world
        .call_at(location, &expire)
        .expect(1)
        .says("does not let us remove")
        .says("with the keys for that");
    world
        .call_at(location, &["verify", "--read-data"])
        .expect(0);
}

fn locks(folder: &Path) -> usize {
    files(&folder.join("locks")).len()
}

#[test]
fn a_bucket_that_only_grows_is_good_for_backups() {
    let mut world = World::new();
    let mut server = S3Server::start(world.path("s3"), &["--append-only"]);
    settings(&world, &s3_settings(server.port));
    let location = format!("s3://{BUCKET}/x");
    let folder = server.bucket().join("x");
    only_adds(&mut world, &location, &folder);
    assert!(locks(&folder) > 6);
    // Elsewhere, with keys that may remove.
    server.start_again(&[]);
    let expire = ["expire", "--keep-last", "1"];
    let report = json(&world, &location, &expire);
    assert!(report["given_back"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(locks(&folder), 0);
    world
        .call_at(&location, &["verify", "--read-data"])
        .expect(0);
}

#[test]
fn a_user_of_sftp_who_only_adds_is_good_for_backups() {
    let mut world = World::new();
    let sshd = Sshd::start(
        world.path("sshd"),
        "-P remove,rmdir,posix-rename,setstat,fsetstat",
    );
    settings(&world, &sshd.settings(&[]));
    let folder = world.path("far/vault");
    let location = sshd.location(sshd.port, &folder);
    only_adds(&mut world, &location, &folder);
    // Elsewhere, here on the server itself.
    let report = json(
        &world,
        folder.to_str().unwrap(),
        &["expire", "--keep-last", "1"],
    );
    assert!(report["given_back"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(locks(&folder), 0);
    fs::remove_dir_all(folder.join("tmp")).unwrap();
    world
        .call_at(&location, &["verify", "--read-data"])
        .expect(0);
}
