// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check finds: exactly the damage that was done, under the right name, and nothing else.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

use fossology_backup::blob::{PfileName, Tree, TreeSet, digest};
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use support::world::World;

/// What the sample has from the start: five files of a deleted upload that were forgotten.
const ORPHANS: u64 = 5;

/// How often each kind was found, the sample's own orphans aside.
#[track_caller]
fn counts(report: &Value) -> BTreeMap<String, u64> {
    let counts = report["counts"].as_object().unwrap().iter();
    let mut counts: BTreeMap<String, u64> = counts
        .map(|(kind, tally)| (kind.clone(), tally["count"].as_u64().unwrap()))
        .collect();
    let orphans = counts.remove("orphan").unwrap();
    if orphans > ORPHANS {
        counts.insert("orphan".into(), orphans - ORPHANS);
    }
    counts
}

/// Checks and expects these findings, and nothing else beside the sample's orphans.
#[track_caller]
fn expect(world: &World, arguments: &[&str], expected: &[(&str, u64)]) -> Value {
    let arguments = [&["--json", "check"], arguments].concat();
    let report = world.call(&arguments).expect(3).json();
    let expected: BTreeMap<String, u64> =
        expected.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect();
    assert_eq!(counts(&report), expected, "{report:#}");
    report
}

/// The only finding of a kind.
#[track_caller]
fn only<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut findings = findings.filter(|finding| finding["kind"] == kind);
    let first = findings.next().unwrap();
    assert!(findings.next().is_none(), "{report:#}");
    first
}

/// Needed blobs that lie in files only, so that nothing else has them.
fn in_files_only(world: &World) -> Vec<StoredBlob> {
    let blobs = world.sample.needed_blobs().into_iter();
    blobs
        .filter(|blob| blob.trees == TreeSet::of(Tree::Files) && blob.name.size() > 0)
        .collect()
}

/// The blobs of an upload that no other upload needs.
fn own_blobs(world: &World, upload: i32) -> Vec<StoredBlob> {
    let others: Vec<PfileName> = world
        .sample
        .uploads()
        .into_iter()
        .filter(|other| *other != upload)
        .flat_map(|other| world.sample.blobs_of(other))
        .map(|blob| blob.name)
        .collect();
    let blobs = world.sample.blobs_of(upload).into_iter();
    blobs.filter(|blob| !others.contains(&blob.name)).collect()
}

/// Everything about every file and folder that a check must not change.
fn traces(path: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, i64, SystemTime)> {
    let entries = walkdir::WalkDir::new(path).into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let data = entry.metadata().unwrap();
            let times = (data.atime_nsec(), data.mtime_nsec(), data.ctime_nsec());
            let trace = (
                data.mode(),
                data.ino(),
                if data.is_file() { times.0 } else { 0 },
                times.1,
                times.2,
                data.modified().unwrap(),
            );
            (entry.into_path(), trace)
        })
        .collect()
}

#[test]
fn a_whole_instance_shows_what_a_deletion_forgot_and_what_is_on_its_way() {
    let world = World::new();
    let before = traces(world.sample.repository());
    let report = expect(&world, &[], &[]);
    assert_eq!(report["needed"]["count"], world.sample.needed_blobs().len());
    let paths = |blobs: Vec<StoredBlob>| blobs.iter().map(|blob| blob.paths.len()).sum::<usize>();
    let files = paths(world.sample.needed_blobs()) + paths(world.sample.orphans());
    assert_eq!(report["files"]["count"], files);
    let names: Vec<&str> = report["in_flight"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["filename"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"arriving-1.1.tar.gz") && names.contains(&"awaited-2.0.tar.gz"));
    assert_eq!(report["uploads"], json!([]));
    expect(&world, &["--deep"], &[]);
    assert_eq!(traces(world.sample.repository()), before);

    for orphan in world.sample.orphans() {
        orphan.paths.iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    let report = world.call(&["--json", "check", "--deep"]).expect(0).json();
    assert_eq!(report["counts"], json!({}));
    assert_eq!(report["ok"], true);
    let text = world.call(&["-q", "check"]).expect(0).stdout;
    assert!(text.contains("repository and database agree"), "{text}");
}
