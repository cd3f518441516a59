// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup estimate`: what it foretells is plausible beside what then happens. Bounds are wide: these
//! are no measurements, and machines that run tests are busy.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::Value;
use std::fs;
use support::restored::lose_everything;
use support::trouble::files;
use support::world::World;

fn estimate(world: &World) -> Value {
    world.call(&["--json", "estimate"]).expect(0).json()
}

#[track_caller]
fn likely(estimate: &Value, mode: &str, what: &str) -> f64 {
    let number = &estimate[mode][what];
    let (low, likely, high) = (
        number["low"].as_f64().unwrap(),
        number["likely"].as_f64().unwrap(),
        number["high"].as_f64().unwrap(),
    );
    assert!(low <= likely && likely <= high, "{mode} {what}: {number}");
    likely
}

fn vault_bytes(world: &World) -> f64 {
    let files = files(&world.vault()).into_iter();
    files
        .map(|path| fs::metadata(path).unwrap().len() as f64)
        .sum()
}

#[test]
fn before_the_first_backup_it_is_near_to_what_then_happens() {
    let world = World::new();
    // It goes without a vault and without our tables.
    let told = estimate(&world);
    let needed = world.sample().needed_blobs();
    let counts = &told["counts"];
    let told_blobs = ["gold", "unpacked"].map(|tree| counts[tree]["blobs"].as_u64().unwrap());
    assert_eq!(told_blobs.iter().sum::<u64>(), needed.len() as u64);
    assert!(counts["dump_bytes"].is_null());
    let repository = fs::read_dir(world.sample().repository()).unwrap();
    let left: Vec<String> = repository
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("fo_backup"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "what was written is removed");

    world.call(&["init"]).expect(0);
    let full = world.backup("full");
    let bytes = likely(&told, "full", "vault_bytes");
    let real = vault_bytes(&world);
    assert!(
        real / 4.0 < bytes && bytes < real * 4.0,
        "{bytes} for {real}"
    );
    let added = full["counts"]["stored_bytes"].as_u64().unwrap() as f64;
    assert!(likely(&told, "gold", "vault_bytes") < added * 2.0);
    // A restore of gold is no longer than that of everything, and only it has something to unpack.
    let [short, long] = ["gold", "full"].map(|mode| likely(&told, mode, "restore_seconds"));
    assert!(0.0 < short && short < long && long < 600.0);
    assert!(likely(&told, "gold", "unpack_seconds") > 0.0);
    assert!(told["full"]["unpack_seconds"].is_null());
    let room = told["full"]["room"]["repository"].as_u64().unwrap();
    let content: u64 = needed.iter().map(|blob| blob.name.size()).sum();
    assert!(room > content);
    let gold = told["gold"]["room"].clone();
    assert_eq!(gold["repository_unpacked"], room);
    assert!(gold["repository"].as_u64().unwrap() < room);
}

#[test]
fn what_the_instance_has_gone_through_is_believed() {
    let world = World::with_vault();
    world.backup("full");
    world.backup("full");
    world.call(&["drill"]).expect(0);
    let told = estimate(&world);
    for what in [
        "vault_bytes",
        "first_backup_seconds",
        "nothing_new_seconds",
        "restore_seconds",
    ] {
        assert_eq!(told["full"][what]["rests"], "history", "{what}: {told:#}");
        assert!(likely(&told, "full", what) > 0.0);
    }
    let dump = told["counts"]["dump_bytes"].as_u64().unwrap();
    assert_eq!(told["full"]["room"]["scratch"], dump);
    assert!(dump > 10_000);
    // Half of a second run says nothing of a day.
    assert_ne!(told["full"]["growth_bytes_per_day"]["rests"], "history");
    assert_ne!(told["gold"]["restore_seconds"]["rests"], "history");

    let text = world.call(&["estimate"]).expect(0).stdout;
    for part in [
        "vault after the first backup",
        "growth a day",
        "first backup",
        "backup with nothing new",
        "restore, until people can work",
        "unpacking everything again",
        "room that a restore needs",
        "history",
        "measured",
    ] {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
    // Without a database there is nothing to count.
    lose_everything(&world);
    world.call(&["estimate"]).expect(1);
}
