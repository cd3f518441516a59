// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The real instance, where there is one on this machine, is pruned down to gold and what nobody can
//! make again; a check is clean, but for what is pruned; recovery brings all of it back, byte for byte.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::{FileState, Role, dump_rows, snapshot_tree};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::{env, fs};
use support::fixture::{self, RealInstance};
use support::world::{Called, World};

/// Names FOSSology's unpacker.
const UNUNPACK: &str = "FO_BACKUP_REAL_UNUNPACK";

fn load(world: &World) -> Option<RealInstance> {
    let Some(source) = fixture::source() else {
        eprintln!("skipped: there is no real instance on this machine");
        return None;
    };
    let instance = fixture::load(&source, &world.path("."), &world.cluster, "real");
    if let Some(program) = env::var_os(UNUNPACK) {
        let module = instance.sysconfdir.join("mods-enabled/ununpack");
        fs::create_dir_all(module.join("agent")).unwrap();
        symlink(program, module.join("agent/ununpack")).unwrap();
        let version = "[ununpack]\nVERSION=4.7.1\nCOMMIT_HASH=unknown\n";
        fs::write(module.join("VERSION"), version).unwrap();
    }
    Some(instance)
}

fn call(world: &World, instance: &RealInstance, arguments: &[&str]) -> Called {
    world.call_for(&instance.sysconfdir, arguments)
}

/// The tables that are not our own.
fn rows(world: &World, instance: &RealInstance) -> BTreeMap<String, String> {
    let mut client = world
        .cluster
        .connect(Role::Fossy, &instance.database)
        .unwrap();
    let tables = dump_rows(&mut client).unwrap().into_iter();
    tables
        .filter(|(table, _)| !table.starts_with("backup_"))
        .map(|(table, rows)| (table, format!("{rows:?}")))
        .collect()
}

/// All files with their content.
fn files(instance: &RealInstance) -> BTreeMap<PathBuf, FileState> {
    let mut files = snapshot_tree(&instance.repository).unwrap();
    files.retain(|_, state| !state.sha1.is_empty());
    files
}

/// How often a deep check finds each kind that pruning has to do with.
fn findings(world: &World, instance: &RealInstance) -> BTreeMap<String, u64> {
    let called = call(world, instance, &["--json", "check", "--deep"]);
    let counts = called.json()["counts"].as_object().unwrap().clone();
    let always = ["orphan", "wrong_mode", "wrong_owner"];
    let counts = counts.into_iter();
    counts
        .filter(|(kind, _)| !always.contains(&kind.as_str()))
        .map(|(kind, tally)| (kind, tally["count"].as_u64().unwrap()))
        .collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn down_to_gold_and_back() {
    let world = World::empty();
    let Some(instance) = load(&world) else {
        return;
    };
    let before = files(&instance);
    assert_eq!(findings(&world, &instance), BTreeMap::new());
    let would_go = |policy: &str| {
        let look = ["prune", "--policy", policy, "--dry-run"];
        println!("{}", call(&world, &instance, &look).expect(0).stdout);
        let look = [&["--json"], &look[..]].concat();
        number(&call(&world, &instance, &look).expect(0).json()["drop"]["bytes"])
    };
    let [few, all] = ["source-only", "gold-only"].map(would_go);
    assert!(few > 0 && few < all, "{few} of {all}");
    let prune = ["--json", "prune", "--policy", "gold-only", "--yes"];
    let first = call(&world, &instance, &prune).expect(0).json();
    let uploads = first["uploads"].as_array().unwrap().iter();
    let held = uploads.filter(|upload| upload["held"] == "busy").count();
    assert_eq!(held, 2, "a job waits for one, and works on another");
    // They end.
    let mut client = world
        .cluster
        .connect(Role::Fossy, &instance.database)
        .unwrap();
    client
        .batch_execute(
            "UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1
              WHERE jq_end_bits < 2 AND (jq_starttime IS NULL OR jq_endtime IS NULL)",
        )
        .unwrap();
    let rows_before = rows(&world, &instance);
    let report = call(&world, &instance, &prune).expect(0).json();
    let sum = |field: &str, unit: &str| {
        let of = |report: &Value| number(&report[field][unit]);
        of(&first) + of(&report)
    };
    let removed = sum("removed", "blobs");
    println!(
        "{removed} of {} files, {} of {} bytes; {} cannot be made again; {} not proven",
        report["files"]["blobs"],
        sum("removed", "bytes"),
        report["files"]["bytes"],
        report["not_reproducible"]["blobs"],
        number(&report["drop"]["blobs"]) - number(&report["removed"]["blobs"]),
    );
    for upload in report["uploads"].as_array().unwrap() {
        println!(
            "{} {}: gold {}, files {}, own {}, goes {}, {} in {}",
            upload["upload"],
            upload["filename"],
            upload["gold_bytes"],
            upload["files"],
            upload["own"]["bytes"],
            upload["drop"],
            upload["way"],
            upload["seconds"],
        );
    }
    assert_eq!(report["removed"], report["proven"]);
    assert!(removed * 2 > number(&report["files"]["blobs"]), "{removed}");
    assert_eq!(before.len() as u64 - files(&instance).len() as u64, removed);
    assert_eq!(
        findings(&world, &instance),
        [("pruned".to_owned(), removed)].into()
    );

    let recover = ["--json", "recover", "--missing", "--from", "gold"];
    let back = call(&world, &instance, &recover).expect(0).json();
    // Gold of an upload that was deleted is still there, and is one of them.
    let back = ["unpacked", "linked"].map(|way| number(&back[way]["blobs"]));
    assert_eq!(back.iter().sum::<u64>(), removed);
    assert_eq!(findings(&world, &instance), BTreeMap::new());
    let after = files(&instance);
    assert_eq!(after.len(), before.len());
    for (path, state) in &before {
        assert_eq!(after[path].sha1, state.sha1, "{}", path.display());
    }
    assert_eq!(rows(&world, &instance), rows_before);
}
