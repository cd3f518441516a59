// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault that cannot be used, or not now, says why; one that only seems to be locked is used.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use support::world::World;

/// A world with a vault that holds one snapshot.
fn backed_up() -> World {
    let world = World::with_vault();
    world.backup("full");
    world
}

fn change_head(world: &World, change: impl FnOnce(&mut Value)) {
    let path = world.vault().join("vault.json");
    let mut head: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut head);
    fs::write(&path, serde_json::to_vec_pretty(&head).unwrap()).unwrap();
}

#[test]
fn a_vault_that_cannot_be_used_says_why() {
    let world = backed_up();
    let good = fs::read(world.vault().join("vault.json")).unwrap();

    change_head(&world, |head| head["format"] = 2.into());
    for verb in ["verify", "backup", "snapshots"] {
        world.call(&[verb]).expect(1).says("format 2, newer than");
    }
    fs::write(world.vault().join("vault.json"), &good).unwrap();

    change_head(&world, |head| head["recipients"] = vec!["age1xyz"].into());
    for (verb, why) in [
        ("verify", "is encrypted"),
        ("backup", "is encrypted for nobody that it names"),
    ] {
        world.call(&[verb]).expect(12).says(why);
    }
    fs::write(world.vault().join("vault.json"), &good).unwrap();

    fs::write(world.vault().join("vault.json"), &good[1..]).unwrap();
    world
        .call(&["verify"])
        .expect(1)
        .says("vault.json in the vault is damaged");
    fs::write(world.vault().join("vault.json"), &good).unwrap();

    // A byte of the instance's id: its snapshots know better, and a backup refuses to mix.
    change_head(&world, |head| {
        head["instance"] = "11111111-2222-4333-8444-555555555555".into()
    });
    let report = world.call(&["--json", "verify"]).expect(3).json();
    let damage = &report["damage"][0];
    assert!(
        damage["why"]
            .as_str()
            .unwrap()
            .contains("vault.json says 11111111"),
        "{damage}"
    );
    world
        .call(&["backup"])
        .expect(1)
        .says("belongs to FOSSology instance 11111111");

    fs::remove_file(world.vault().join("vault.json")).unwrap();
    world.call(&["verify"]).expect(10).says("no vault at");
    for bad in ["--read-data=0", "--read-data=101", "--read-data=half"] {
        world.call(&["verify", bad]).expect(2);
    }
}

#[test]
fn a_lease_of_a_dead_run_stops_nobody_and_that_of_a_live_one_is_named() {
    let world = backed_up();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot: String = boot
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    let namespace: String = fs::read_link("/proc/self/ns/pid")
        .unwrap()
        .to_string_lossy()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let lease = uuid::Uuid::new_v4();
    let path: PathBuf = world
        .vault()
        .join(format!("locks/{}-1.json", lease.simple()));
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(4);
    let write = |boot: &str, kind: &str| {
        let body = serde_json::json!({
            "lease": lease, "kind": kind, "verb": "expire", "host": "elsewhere",
            "owner": {"boot": boot, "namespace": namespace, "pid": 1, "start": 1},
            "since": "2026-11-24T00:00:00Z", "until": until,
        });
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, body.to_string()).unwrap();
    };
    write("another boot", "exclusive");
    world.call(&["verify"]).expect(11).says("on elsewhere");
    // Readers and a backup go on beside each other.
    write("another boot", "append");
    world.call(&["verify"]).expect(0);
    world.call(&["verify", "--repair-indexes"]).expect(11);
    // Process 1 of this boot did not start at tick 1: that run is dead.
    write(&boot, "exclusive");
    world.call(&["verify"]).expect(0);
    world.backup("full");
}
