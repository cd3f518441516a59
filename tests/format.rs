// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! docs/vault-format.md is exact: a small program in another language, written from it alone,
//! reads a vault and finds every blob.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{HostName, PfileName, Tree, TreeSet};
use fossology_backup::demo::sample::{Entry, HostRange, NewUpload, Options};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use support::world::World;

/// What the other program finds: each blob and its trees.
fn found_by_another_program(world: &World, snapshot: &str) -> BTreeMap<PfileName, TreeSet> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format/read_vault.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(world.vault())
        .arg(snapshot)
        .args(world.encrypts_for_all().then(|| world.path("key")))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    let blob = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        let trees = Tree::ALL
            .into_iter()
            .filter(|tree| parts[2].split(',').any(|part| part == tree.as_str()))
            .fold(TreeSet::NONE, TreeSet::with);
        (parts[1].parse().unwrap(), trees)
    };
    text.lines().map(blob).collect()
}

fn needed(world: &World) -> BTreeMap<PfileName, TreeSet> {
    let blobs = world.sample().needed_blobs();
    blobs.iter().map(|blob| (blob.name, blob.trees)).collect()
}

#[test]
fn another_program_finds_every_blob() {
    // One host has a path that no ustar header can hold.
    let host = |name: &str, from, to| HostRange::new(HostName::new(name).unwrap(), from, to);
    let mut world = World::with(Options {
        hosts: vec![
            host("alpha", 0x00, 0x7f),
            host(&"storage.".repeat(25), 0x80, 0xff),
        ],
        ..Options::default()
    });
    world.init();
    // A blob of several frames.
    let large: Vec<u8> = (0u32..3_000_000).flat_map(u32::to_le_bytes).collect();
    let large = NewUpload::new("large.bin", Entry::File(large));
    world.sample_mut().add_upload(large).unwrap();
    let first = world.backup("full");
    let id = first["snapshot"].as_str().unwrap();
    assert_eq!(found_by_another_program(&world, id), needed(&world));

    // A blob gets a second place, and others get other keys.
    let unpacked = world
        .sample()
        .needed_blobs()
        .into_iter()
        .find(|blob| blob.trees == TreeSet::of(Tree::Files) && blob.name.size() > 100);
    let content = fs::read(&unpacked.unwrap().paths[0]).unwrap();
    let late = NewUpload::new("late.c", Entry::File(content));
    world.sample_mut().add_upload(late).unwrap();
    world
        .sample()
        .connect()
        .unwrap()
        .batch_execute(
            "INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
                  SELECT pfile_pk + 70000, pfile_sha1, pfile_md5, pfile_size FROM pfile
                   WHERE pfile_pk % 3 = 0;
             UPDATE uploadtree SET pfile_fk = pfile_fk + 70000
              WHERE pfile_fk % 3 = 0 AND pfile_fk > 0;
             UPDATE upload SET pfile_fk = pfile_fk + 70000
              WHERE pfile_fk % 3 = 0 AND pfile_fk > 0",
        )
        .unwrap();
    let second = world.backup("full");
    let id = second["snapshot"].as_str().unwrap();
    assert_eq!(found_by_another_program(&world, id), needed(&world));
    assert_eq!(second["counts"]["new"], 0, "{second:#}");
    // Our own look agrees, and the snapshot has both kinds of side notes.
    world.call(&["verify", "--read-data"]).expect(0);
    let body = world.plain(&format!("snapshots/{id}.json"));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["extra"].as_array().unwrap().len(), 1);
    assert!(body["aliases"].as_array().unwrap().len() > 100);
}

#[test]
fn another_program_reads_packs_that_were_rewritten() {
    let mut world = World::with(Options::one_host());
    world.init();
    let stays: Vec<u8> = (0u32..2_000_000).flat_map(u32::to_le_bytes).collect();
    let stays = NewUpload::new("stays.bin", Entry::File(stays));
    let uploads = [
        stays,
        NewUpload::sources("goes.tar.gz", 5, 300),
        NewUpload::sources("stays.tar.gz", 6, 10),
    ];
    let uploads = uploads.map(|upload| world.sample_mut().add_upload(upload).unwrap());
    world.backup("full");
    world.sample_mut().delete_upload(uploads[1], 0).unwrap();
    let last = world.backup("full");
    let expire = ["--json", "expire", "--keep-last", "1", "--max-dead", "0"];
    let report = world.call(&expire).expect(0).json();
    assert!(
        report["rewritten"]["count"].as_u64().unwrap() >= 2,
        "{report:#}"
    );
    let renamed = &report["renamed"][0];
    assert_eq!(renamed["from"], last["snapshot"]);
    let id = renamed["to"].as_str().unwrap();
    assert_eq!(found_by_another_program(&world, id), needed(&world));
}
