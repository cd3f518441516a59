// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that a snapshot left to the web and that the repository has lost: a check says where it is, a
//! recovery, an export and a restore of a host bring it from there.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::downloaded::{Downloaded, FILE};
use support::restored::blobs;
use support::servers::{BUCKET, S3Server, s3_settings};
use support::web::Page;

/// Where the upload's own file is: in gold, and, as the top of what was unpacked, in files.
fn own_file(at: &Downloaded) -> Vec<PathBuf> {
    let blobs = at.world.sample().blobs_of(at.upload).into_iter();
    let own = blobs.filter(|blob| blob.name == at.gold);
    own.flat_map(|blob| blob.paths).collect()
}

/// Where that and what was unpacked from it are.
fn everything(at: &Downloaded) -> Vec<PathBuf> {
    let blobs = at.world.sample().blobs_of(at.upload).into_iter();
    blobs.flat_map(|blob| blob.paths).collect()
}

fn remove(places: &[PathBuf]) {
    assert!(!places.is_empty());
    for place in places {
        fs::remove_file(place).unwrap();
    }
}

fn json(at: &Downloaded, code: i32, arguments: &[&str]) -> Value {
    let called = at.world.call(&[&["--json"], arguments].concat());
    called.expect(code).json()
}

fn get() -> String {
    format!("GET /{FILE}")
}

#[test]
fn a_check_says_that_the_web_has_it_and_a_recovery_brings_it_and_unpacks_it() {
    let at = Downloaded::new();
    let before = blobs(&at.world);
    assert!(at.is_left_to_the_web());
    at.web.asked();
    remove(&own_file(&at));
    let found = json(&at, 3, &["check"]);
    let findings = found["findings"].as_array().unwrap();
    let name = at.gold.to_string();
    let finding = findings.iter().find(|finding| finding["name"] == *name);
    assert_eq!(finding.unwrap()["recovery"], "recoverable_from_web");
    assert!(at.web.asked().is_empty(), "a check asks nobody");

    // Who wants nothing but what is here does not ask either.
    let report = json(&at, 3, &["recover", "--missing", "--from", "gold"]);
    assert_eq!(report["lost"]["blobs"], 1);
    assert!(at.web.asked().is_empty());

    let rehearsed = json(&at, 0, &["recover", "--missing", "--dry-run"]);
    assert_eq!(rehearsed["from_web"]["blobs"], 1, "{rehearsed}");
    assert_eq!(at.web.asked(), [get()], "it is compared");
    assert_ne!(blobs(&at.world), before, "and not written");

    let there = everything(&at).into_iter().filter(|path| path.exists());
    remove(&there.collect::<Vec<_>>());
    let report = json(&at, 0, &["recover", "--missing"]);
    assert_eq!(report["from_web"]["blobs"], 1, "{report}");
    assert!(
        report["unpacked"]["blobs"].as_u64().unwrap() > 0,
        "{report}"
    );
    assert_eq!(report["lost"]["blobs"], 0, "{report}");
    assert_eq!(blobs(&at.world), before);
    assert_eq!(at.web.asked(), [get()]);

    remove(&own_file(&at));
    let report = json(&at, 0, &["recover", "--blob", &name]);
    assert_eq!(report["blobs"][0]["came"], "web", "{report}");
    assert_eq!(blobs(&at.world), before);
}

#[test]
fn a_check_reads_the_snapshots_of_a_server_only_for_what_is_nowhere_else() {
    let mut at = Downloaded::new();
    let server = S3Server::start(at.world.path("s3"), &[]);
    let folder = server.bucket().join("x");
    at.world.put_vault_on(&format!("s3://{BUCKET}/x"), folder);
    at.settings(&format!("\n{}", s3_settings(server.port)));
    at.world.init();
    // One that the instance's own disk can give, and one that nobody but the web has.
    let gold = own_file(&at);
    assert!(at.is_left_to_the_web());
    let snapshots_read = |code: i32| -> (usize, Value) {
        let before = server.requests().len();
        let found = json(&at, code, &["check"]);
        let asked = server.requests().split_off(before);
        assert!(!asked.is_empty(), "the vault was asked for its packs");
        let reads = asked
            .iter()
            .filter(|line| line.starts_with("GetObject") && line.contains("/snapshots/"));
        (reads.count(), found)
    };
    assert_eq!(snapshots_read(0).0, 0);
    let top = gold
        .iter()
        .find(|path| path.to_str().unwrap().contains("/files/"));
    remove(&[top.unwrap().clone()]);
    assert_eq!(snapshots_read(3).0, 0, "gold has it");
    remove(
        &own_file(&at)
            .into_iter()
            .filter(|path| path.exists())
            .collect::<Vec<_>>(),
    );
    let (reads, found) = snapshots_read(3);
    assert_eq!(reads, 1, "{found}");
    assert!(
        found.to_string().contains("recoverable_from_web"),
        "{found}"
    );
}

#[test]
fn what_the_web_does_not_give_any_more_is_told_with_its_url() {
    let at = Downloaded::new();
    assert!(at.is_left_to_the_web());
    let gold = own_file(&at);
    remove(&gold);
    let path = format!("/{FILE}");
    at.web.remove(&path);
    let expect = |why: &str| {
        let report = json(&at, 3, &["recover", "--missing"]);
        let lost = &report["lost_urls"][0];
        assert!(lost["why"].as_str().unwrap().contains(why), "{report}");
        assert!(lost["url"].as_str().unwrap().ends_with(FILE), "{report}");
        assert_eq!(lost["uploads"][0], at.upload);
        let uploads = report["uploads"].as_array().unwrap();
        let upload = uploads.iter().find(|one| one["upload"] == at.upload);
        assert_eq!(upload.unwrap()["blobs"][0]["why"], "not_on_the_web");
        assert!(!gold.iter().any(|path| path.exists()), "nothing is there");
    };
    expect("404");
    let mut other = at.content.clone();
    other[100] ^= 1;
    at.web.put(&path, Page::new(other));
    expect("its content is that of");
}

#[test]
fn what_a_host_has_lost_comes_from_the_web_too() {
    let at = Downloaded::new();
    let before = blobs(&at.world);
    assert!(at.is_left_to_the_web());
    at.web.asked();
    let mut gold = own_file(&at);
    gold.retain(|path| path.to_str().unwrap().contains("/gold/"));
    let repository = at.world.sample().repository();
    let inside = gold[0].strip_prefix(repository).unwrap();
    let host = inside.iter().next().unwrap().to_str().unwrap();
    remove(&gold);
    let restore = ["restore", "latest", "--no-database", "--repo-host", host];
    let looked = json(&at, 0, &[&restore[..], &["--dry-run"]].concat());
    assert_eq!(looked["on_the_web"]["blobs"], 1, "{looked}");
    assert_eq!(looked["not_in_snapshot"], 0, "{looked}");
    assert!(at.web.asked().is_empty());
    let report = json(&at, 0, &restore);
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);

    remove(&gold);
    at.web.remove(&format!("/{FILE}"));
    let report = json(&at, 3, &restore);
    assert_eq!(report["by_url"]["lost"][0]["uploads"][0], at.upload);
}

#[test]
fn an_export_is_unpacked_from_what_the_web_gives() {
    let at = Downloaded::new();
    // No pack has what was unpacked.
    assert!(at.leaves(&at.world.backup("gold")));
    at.web.asked();
    let number = at.upload.to_string();
    let export = |code: i32, name: &str| -> (Value, PathBuf) {
        let output = at.world.path(name);
        let file = output.to_str().unwrap();
        let export = ["export", "--gold", "--upload", &number, "--output", file];
        (json(&at, code, &export), output)
    };
    let content = |path: &Path| fs::read(path).unwrap();
    let (_, whole) = export(0, "whole.tar");
    remove(&everything(&at));

    let listed = json(&at, 0, &["export", "--gold", "--list", "--upload", &number]);
    let entries = listed["entries"].as_array().unwrap();
    let gold = entries
        .iter()
        .find(|entry| entry["path"] == *format!("gold/{FILE}"));
    assert_eq!(gold.unwrap()["at"], "web", "{listed}");
    assert!(listed["unpacked"].as_u64().unwrap() > 0, "{listed}");
    assert!(at.web.asked().is_empty(), "a listing asks nobody");

    let (report, again) = export(0, "again.tar");
    assert_eq!(report["from"]["web"], 1, "{report}");
    assert!(report["from"]["gold"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(content(&again), content(&whole));
    assert_eq!(at.web.asked(), [get()], "once is enough");

    at.web.remove(&format!("/{FILE}"));
    let (report, _) = export(3, "lost.tar");
    let missing = report["missing"].as_array().unwrap();
    let gold = missing
        .iter()
        .find(|one| one["name"] == *at.gold.to_string());
    let why = gold.unwrap()["why"].as_str().unwrap();
    assert!(why.contains("404") && why.contains(FILE), "{why}");
}
