// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encrypted vaults on servers and by several hosts: copied, everything lost, restored from the far
//! side; packed host by host; rewritten with a private key.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use serde_json::Value;
use std::fs;
use std::path::Path;
use support::restored::{blobs, lose_everything, rows};
use support::servers::{BUCKET, S3Server, Sshd, s3_settings, settings};
use support::world::{Called, World};

const WRONG_KEY: i32 = 12;

fn call_with_key(world: &World, location: &str, arguments: &[&str]) -> Called {
    let mut command = world.command_at(location, arguments);
    command.arg("--identity").arg(world.path("key"));
    Called::new(&command.output().unwrap())
}

/// Backup without a private key, copy to a far vault, everything lost, restored from there with the key.
fn disaster(location: &str, storage: &str, world: &World) {
    settings(world, storage);
    let recipient = world.key("key");
    world.call(&["init", "--recipient", &recipient]).expect(0);
    world.backup("full");
    world.call(&["copy", "--to", location]).expect(0);
    let rows_before = rows(&mut world.sample().connect().unwrap());
    let blobs_before = blobs(world);
    lose_everything(world);
    fs::remove_dir_all(world.vault()).unwrap();
    let restore = ["restore", "latest"];
    world.call_at(location, &restore).expect(WRONG_KEY);
    call_with_key(world, location, &restore).expect(0);
    assert_eq!(rows(&mut world.sample().connect().unwrap()), rows_before);
    assert_eq!(blobs(world), blobs_before);
    call_with_key(world, location, &["check", "--deep"]).expect(0);
    // The far vault is one that this instance was not told to write into, until somebody does.
    let refused = world.call_at(location, &["backup"]).expect(WRONG_KEY);
    refused.says(&recipient);
    call_with_key(world, location, &["keys", "accept"]).expect(0);
    let again = world.call_at(location, &["--json", "backup"]).expect(0);
    assert_eq!(again.json()["counts"]["new"], 0);
    call_with_key(world, location, &["verify", "--read-data"]).expect(0);
}

#[test]
fn an_encrypted_vault_comes_back_from_a_bucket() {
    let world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    let location = format!("s3://{BUCKET}/far");
    disaster(&location, &s3_settings(server.port), &world);
}

#[test]
fn an_encrypted_vault_comes_back_over_sftp() {
    let world = World::new();
    let sshd = Sshd::start(world.path("sshd"), "");
    let location = sshd.location(sshd.port, &world.path("far/vault"));
    disaster(&location, &sshd.settings(&[]), &world);
}

/// All that the instance needs comes back from the newest snapshot with the key.
fn assert_restores(world: &World) {
    let folder = world.path("again");
    let place = folder.to_str().unwrap();
    let restore = ["restore", "latest", "--no-database", "--repository", place];
    world.call_with_key("key", &restore).expect(0);
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let inside = path.strip_prefix(world.sample().repository()).unwrap();
            let content = fs::read(folder.join(inside)).unwrap();
            assert_eq!(fossology_backup::blob::digest(&content), blob.name);
        }
    }
}

#[test]
fn each_host_packs_its_own_into_an_encrypted_vault() {
    let world = World::encrypted();
    let pack = |host: &str| -> u64 {
        let arguments = ["--json", "backup", "--repo-host", host];
        let made = world.call(&arguments).expect(0).json();
        made["new"].as_u64().unwrap()
    };
    let packed = pack("alpha") + pack("beta");
    assert_eq!(packed, world.sample().needed_blobs().len() as u64);
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    assert_restores(&world);
}

fn packs(vault: &Path) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(vault.join("packs"))
        .into_iter()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .filter(|name| name.ends_with(".tar.zst.age"))
        .collect();
    names.sort();
    names
}

#[test]
fn packs_that_are_mostly_dead_are_rewritten_only_for_those_whom_the_database_names() {
    let mut world = World::encrypted();
    let upload = NewUpload::sources("gone.tar.gz", 41, 60);
    let gone = world.sample_mut().add_upload(upload).unwrap();
    world.backup("full");
    world.sample_mut().delete_upload(gone, 0).unwrap();
    world.backup("full");
    let before = packs(&world.vault());
    let expire = |key: &[&str], instance: bool| -> Value {
        let empty = world.path("nowhere");
        fs::create_dir_all(&empty).unwrap();
        let arguments = [
            "--json",
            "expire",
            "--keep-last",
            "1",
            "--grace",
            "0d",
            "--max-dead",
            "1",
        ];
        let arguments = [&arguments[..], key].concat();
        let called = match instance {
            true => world.call(&arguments),
            false => world.call_for(&empty, &arguments),
        };
        called.expect(0).json()
    };
    let file = world.path("key");
    let key = ["--identity", file.to_str().unwrap()];
    let without_key = expire(&[], true);
    assert_eq!(without_key["rewritten"]["count"], 0, "{without_key}");
    let without_database = expire(&key, false);
    assert_eq!(without_database["rewritten"]["count"], 0);
    assert_eq!(packs(&world.vault()), before);
    let both = expire(&key, true);
    assert!(both["rewritten"]["count"].as_u64() > Some(0), "{both}");
    assert_ne!(packs(&world.vault()), before);
    let read = ["verify", "--read-data"];
    world.call_with_key("key", &read).expect(0);
    assert_restores(&world);
}

#[test]
fn nobody_asks_a_server_for_what_the_next_answer_tells() {
    let world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    settings(&world, &s3_settings(server.port));
    let location = format!("s3://{BUCKET}/vault");
    let recipient = world.key("key");
    let init = ["init", "--recipient", &recipient];
    world.call_at(&location, &init).expect(0);
    let mut seen = 0;
    let mut sizes_of = |part: &str| -> Vec<String> {
        let all = server.requests();
        let new = all[seen..].to_vec();
        seen = all.len();
        let is_it = |line: &String| line.starts_with("HeadObject") && line.contains(part);
        assert!(
            new.iter().any(|line| line.contains(part)),
            "{part}: {new:?}"
        );
        new.into_iter().filter(is_it).collect()
    };
    // A chunk that is there already is refused when it is put.
    world.call_at(&location, &["backup"]).expect(0);
    assert_eq!(sizes_of("/database/"), Vec::<String>::new());
    // A pack's size comes with its head.
    call_with_key(&world, &location, &["verify", "--read-data"]).expect(0);
    assert_eq!(sizes_of(".tar.zst.age"), Vec::<String>::new());
    lose_everything(&world);
    call_with_key(&world, &location, &["restore", "latest"]).expect(0);
    // Whether a pack is there, and not for each read.
    let mut asked = sizes_of(".tar.zst.age");
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "{asked:?}");
}
