// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The real instance, where there is one on this machine, loses everything that was unpacked, and
//! gets back all that its gold gives. With FOSSology's own unpacker, where there is one, that is
//! all but what nobody can make again.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::{Role, dump_rows};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use support::fixture::{self, RealInstance};
use support::world::{Called, World};

/// Names FOSSology's unpacker.
const UNUNPACK: &str = "FO_BACKUP_REAL_UNUNPACK";

/// Kinds of findings that a loss of files has nothing to do with.
const ALWAYS: [&str; 3] = ["orphan", "wrong_mode", "wrong_owner"];

/// The real instance, if there is one, with the unpacker among its modules, if there is one; tells
/// whether there is.
fn load(world: &World) -> Option<(RealInstance, bool)> {
    let Some(source) = fixture::source() else {
        eprintln!("skipped: there is no real instance on this machine");
        return None;
    };
    let instance = fixture::load(&source, &world.path("."), &world.cluster, "real");
    let Some(program) = std::env::var_os(UNUNPACK) else {
        eprintln!("{UNUNPACK} names no ununpack: only what the walk gives is expected");
        return Some((instance, false));
    };
    let module = instance.sysconfdir.join("mods-enabled/ununpack");
    fs::create_dir_all(module.join("agent")).unwrap();
    symlink(program, module.join("agent/ununpack")).unwrap();
    let version = "[ununpack]\nVERSION=4.7.1\nCOMMIT_HASH=unknown\n";
    fs::write(module.join("VERSION"), version).unwrap();
    Some((instance, true))
}

fn call(world: &World, instance: &RealInstance, arguments: &[&str]) -> Called {
    world.call_for(&instance.sysconfdir, arguments)
}

/// What a deep check finds, by kind.
fn findings(world: &World, instance: &RealInstance) -> BTreeMap<String, u64> {
    let called = call(world, instance, &["--json", "check", "--deep"]);
    assert!([0, 3].contains(&called.code), "{}", called.stderr);
    let counts = called.json()["counts"].as_object().unwrap().clone();
    counts
        .into_iter()
        .filter(|(kind, _)| !ALWAYS.contains(&kind.as_str()))
        .map(|(kind, tally)| (kind, tally["count"].as_u64().unwrap()))
        .collect()
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

/// The paths of what did not come back.
fn lost(recovered: &Value) -> Vec<String> {
    let uploads = recovered["uploads"].as_array().unwrap().iter();
    uploads
        .flat_map(|upload| upload["blobs"].as_array().unwrap().clone())
        .map(|blob| blob["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_was_unpacked_comes_back_from_gold() {
    let world = World::empty();
    let Some((instance, has_unpacker)) = load(&world) else {
        return;
    };
    call(&world, &instance, &["init"]).expect(0);
    assert_eq!(findings(&world, &instance), BTreeMap::new());

    // A backup of gold before anybody knows what unpacking gives.
    call(&world, &instance, &["backup", "--mode", "gold"]).expect(0);
    let before = rows(&world, &instance);
    fs::remove_dir_all(instance.repository.join("localhost/files")).unwrap();
    let recovered = call(
        &world,
        &instance,
        &["--json", "recover", "--missing", "--from", "gold"],
    )
    .expect(3)
    .json();
    let lost = lost(&recovered);
    println!("not from gold: {lost:#?}");
    assert!(lost.iter().any(|path| path.ends_with("artifact.meta")));
    if has_unpacker {
        let artifacts = lost.iter().filter(|path| path.ends_with("artifact.meta"));
        assert_eq!(artifacts.count(), lost.len(), "{lost:#?}");
    }
    let missing = findings(&world, &instance);
    assert_eq!(missing.keys().collect::<Vec<_>>(), ["missing"]);
    assert_eq!(
        missing["missing"],
        recovered["lost"]["blobs"].as_u64().unwrap(),
        "what is missing is what was named"
    );
    assert_eq!(
        rows(&world, &instance),
        before,
        "only our own tables differ"
    );

    // The vault has what unpacking does not give; then nothing is missing any more.
    call(&world, &instance, &["recover", "--missing"]).expect(if has_unpacker { 0 } else { 3 });
    if has_unpacker {
        assert_eq!(findings(&world, &instance), BTreeMap::new());
    }
}

#[test]
fn after_a_restore_of_gold_nothing_is_lost() {
    let world = World::empty();
    let Some((instance, has_unpacker)) = load(&world) else {
        return;
    };
    call(&world, &instance, &["init"]).expect(0);
    call(&world, &instance, &["backup", "--mode", "gold"]).expect(0);
    fs::remove_dir_all(instance.repository.join("localhost")).unwrap();
    call(&world, &instance, &["restore", "latest"]).expect(0);

    // Without FOSSology's unpacker what only that gives is still to come.
    call(&world, &instance, &["recover", "--missing"]).expect(if has_unpacker { 0 } else { 3 });
    if has_unpacker {
        assert_eq!(findings(&world, &instance), BTreeMap::new());
    }
}
