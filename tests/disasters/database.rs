// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The database is lost, the repository lives, with an upload that the last backup has not seen.

use super::support::checked::{ORPHANS, own_blobs};
use super::support::queue::finish_all;
use super::support::world::World;
use super::{Before, deep_check, identities, world};
use fossology_backup::blob::{PfileName, Tree};
use fossology_backup::demo::Role;
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// An upload that comes after the backup; gives it with the blobs that only it has.
fn upload_later(world: &mut World) -> (i32, Vec<StoredBlob>) {
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    let upload = world.sample_mut().add_upload(new).unwrap();
    let own = own_blobs(world, upload);
    assert!(own.len() > 20);
    (upload, own)
}

fn lose_database(world: &World) {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let query = format!("DROP DATABASE {}", world.sample().database());
    admin.batch_execute(&query).unwrap();
}

fn orphans(report: &Value) -> u64 {
    report["counts"]["orphan"]["count"].as_u64().unwrap_or(0)
}

#[test]
fn good_blobs_are_not_touched_and_newer_ones_are_told_and_kept() {
    let mut world = world();
    let before = Before::of(&world);
    world.backup("full");
    let (_, own) = upload_later(&mut world);
    let repository = world.sample().repository().to_owned();
    let files = identities(&repository);
    lose_database(&world);

    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    before.expect_rows(&world);
    assert_eq!(identities(&repository), files, "no file is touched");
    assert_eq!(
        (&report["blobs"]["written"], &report["blobs"]["replaced"]),
        (&0.into(), &0.into())
    );
    let newer: u64 = own.iter().map(|blob| blob.paths.len() as u64).sum();
    let found = deep_check(&world);
    assert_eq!(orphans(&found), ORPHANS + newer);

    // What lies in gold is told by what it is, so that somebody knows it again.
    let gold: Vec<PfileName> = own
        .iter()
        .chain(&world.sample().orphans())
        .filter(|blob| blob.trees.contains(Tree::Gold))
        .map(|blob| blob.name)
        .collect();
    assert_eq!(report["unknown_gold"], gold.len());
    let listed = world
        .call(&["--json", "check", "--unknown-gold"])
        .expect(0)
        .json();
    let listed = listed["unknown"].as_array().unwrap().clone();
    let mut names: Vec<PfileName> = listed
        .iter()
        .map(|one| one["name"].as_str().unwrap().parse().unwrap())
        .collect();
    names.sort();
    let mut expected = gold.clone();
    expected.sort();
    assert_eq!(names, expected);
    let newest = &listed[0];
    assert_eq!(newest["call_it"], "newer-1.0.tar.gz");
    assert_eq!(newest["layers"], serde_json::json!(["gzip", "tar"]));
    let first = newest["inside"][0].as_str().unwrap();
    assert!(first.starts_with("newer-1.0/"), "{newest:#}");
    let place = Path::new(newest["path"].as_str().unwrap());
    assert_eq!(place.file_name().unwrap().to_str(), newest["name"].as_str());
    assert!(
        place.is_file() && newest.get("problem").is_none(),
        "{newest:#}"
    );
    let text = world.call(&["check", "--unknown-gold"]).expect(0).stdout;
    for part in ["newer-1.0.tar.gz: tar in gzip", first, "upload that again"] {
        assert!(text.contains(part), "{text}");
    }

    // Nobody's files are moved aside by an explicit command, and none is deleted.
    let aside = [
        "--json",
        "prune",
        "--orphans",
        "--older-than",
        "0 hours",
        "--yes",
    ];
    let moved = world.call(&aside).expect(0).json()["tidy"].clone();
    assert_eq!(moved["orphans"]["blobs"], ORPHANS + newer);
    let quarantine = Path::new(moved["quarantine"].as_str().unwrap()).to_owned();
    for blob in &own {
        for path in &blob.paths {
            let kept = quarantine.join(path.strip_prefix(&repository).unwrap());
            let data = fs::read(&kept).unwrap();
            assert_eq!(fossology_backup::blob::digest(&data), blob.name);
        }
    }
    assert_eq!(orphans(&deep_check(&world)), 0);
    before.expect_blobs(&world);

    finish_all(&world);
    deep_check(&world);
}

#[test]
fn a_snapshot_of_gold_is_enough_and_the_repository_may_be_left_alone() {
    let mut world = world();
    let before = Before::of(&world);
    world.backup("gold");
    let (_, own) = upload_later(&mut world);
    let files = identities(world.sample().repository());
    lose_database(&world);
    let report = world
        .call(&["--json", "restore", "latest", "--no-repository"])
        .expect(0)
        .json();
    before.expect_rows(&world);
    assert_eq!(identities(world.sample().repository()), files);
    assert!(report["unknown_gold"].as_u64().unwrap() >= 1, "{report:#}");
    assert!(report["uploads"].as_array().unwrap().is_empty());
    let newer: u64 = own.iter().map(|blob| blob.paths.len() as u64).sum();
    assert_eq!(orphans(&deep_check(&world)), ORPHANS + newer);
    finish_all(&world);
    deep_check(&world);
}
