// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of `fo_backup check` share: damage that was done is found, and nothing else.

use super::world::World;
use fossology_backup::blob::{PfileName, Tree, TreeSet};
use fossology_backup::demo::sample::StoredBlob;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the sample has from the start: five blobs of a deleted upload were forgotten, one of them
/// in both trees.
pub const ORPHANS: u64 = 6;

/// How often each kind was found, the sample's own orphans aside.
#[track_caller]
pub fn counts(report: &Value) -> BTreeMap<String, u64> {
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
pub fn expect(world: &World, arguments: &[&str], expected: &[(&str, u64)]) -> Value {
    let arguments = [&["--json", "check"], arguments].concat();
    // What only takes space, as the sample's orphans, is no failure.
    let harmless = ["debris", "in_fallback", "in_flight", "orphan", "pruned"];
    let harms = expected.iter().any(|(kind, _)| !harmless.contains(kind));
    let code = if harms { 3 } else { 0 };
    let report = world.call(&arguments).expect(code).json();
    let expected: BTreeMap<String, u64> = expected
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), *count))
        .collect();
    assert_eq!(counts(&report), expected, "{report:#}");
    report
}

/// The only finding of a kind.
#[track_caller]
pub fn only<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut findings = findings.filter(|finding| finding["kind"] == kind);
    let first = findings.next().unwrap();
    assert!(findings.next().is_none(), "{report:#}");
    first
}

/// Needed blobs that lie in files only, so that nothing else has them.
pub fn in_files_only(world: &World) -> Vec<StoredBlob> {
    let blobs = world.sample().needed_blobs().into_iter();
    blobs
        .filter(|blob| blob.trees == TreeSet::of(Tree::Files) && blob.name.size() > 0)
        .collect()
}

/// The blobs of an upload that no other upload needs.
pub fn own_blobs(world: &World, upload: i32) -> Vec<StoredBlob> {
    let others: Vec<PfileName> = world
        .sample()
        .uploads()
        .into_iter()
        .filter(|other| *other != upload)
        .flat_map(|other| world.sample().blobs_of(other))
        .map(|blob| blob.name)
        .collect();
    let blobs = world.sample().blobs_of(upload).into_iter();
    blobs.filter(|blob| !others.contains(&blob.name)).collect()
}
