// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Restores that have it harder: from a vault with damage, to an older snapshot, to another major
//! version of PostgreSQL; and one that must not begin, because the instance is at work.

use super::support::queue::finish_all;
use super::support::recovered::notes;
use super::support::restored::{self, lose_everything};
use super::support::trouble::ending;
use super::support::world::World;
use super::{Before, deep_check, identities, world};
use fossology_backup::blob::PfileName;
use fossology_backup::demo::sample::NewUpload;
use fossology_backup::demo::{Cluster, ClusterOptions, Role};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

/// The largest pack of unpacked files of a snapshot.
fn files_pack(world: &World, snapshot: &Value) -> PathBuf {
    let id = snapshot["snapshot"].as_str().unwrap();
    let text = fs::read(world.vault().join(format!("snapshots/{id}.json"))).unwrap();
    let snapshot: Value = serde_json::from_slice(&text).unwrap();
    let packs = snapshot["packs"].as_array().unwrap().iter();
    let packs = packs.filter(|pack| pack["tree"] == "files");
    let largest = packs.max_by_key(|pack| pack["blobs"].as_u64()).unwrap();
    let id = largest["id"].as_str().unwrap();
    let mut found = ending(&world.vault().join("packs"), &format!("{id}.tar.zst"));
    found.pop().unwrap()
}

/// Restores and expects that what lacks is named down to uploads; gives the blobs that came.
#[track_caller]
fn restore_with_damage(world: &World, before: &Before) -> BTreeSet<PfileName> {
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(3)
        .json();
    before.expect_rows(world);
    let back: BTreeSet<PfileName> = restored::blobs(world)
        .keys()
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    let lacks = |upload: &i32| {
        let blobs = world.sample().blobs_of(*upload);
        let lacking = blobs.iter().filter(|blob| !back.contains(&blob.name));
        (i64::from(*upload), lacking.count() as u64)
    };
    let uploads = world.sample().uploads();
    let mut expected: Vec<(i64, u64)> = uploads.iter().map(lacks).collect();
    expected.retain(|(_, blobs)| *blobs > 0);
    let number = |hit: &Value, name| hit[name].as_u64().unwrap();
    let named: Vec<(i64, u64)> = report["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| (number(hit, "upload") as i64, number(hit, "blobs")))
        .collect();
    assert!(!expected.is_empty() && expected.len() < uploads.len());
    assert_eq!(named, expected);
    back
}

#[test]
fn a_damaged_vault_gives_the_rest_and_what_lacks_is_named_down_to_uploads() {
    let world = world();
    let before = Before::of(&world);
    let snapshot = world.backup("full");
    let pack = files_pack(&world, &snapshot);
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).unwrap();
    lose_everything(&world);
    let most = restore_with_damage(&world, &before);
    fs::remove_file(&pack).unwrap();
    lose_everything(&world);
    let back = restore_with_damage(&world, &before);
    assert!(back.len() < most.len() && back.is_subset(&most));

    // Gold has what the vault has lost: jobs wait for its recovery.
    world.call(&["queue", "recover", "--missing"]).expect(0);
    finish_all(&world);
    // But what FOSSology itself wrote about an archive: that was in the vault alone.
    let mut lost = notes(&world);
    lost.retain(|name| !back.contains(name));
    let report = world.call(&["--json", "check", "--deep"]);
    let report = report.expect(if lost.is_empty() { 0 } else { 3 }).json();
    let found = report["findings"].as_array().unwrap().iter();
    let found = found.filter(|finding| finding["kind"] == "missing");
    let found: BTreeSet<PfileName> = found
        .map(|finding| finding["name"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(found, lost);
    assert_eq!(
        restored::blobs(&world).len() + lost.len(),
        before.blobs.len()
    );
}

#[test]
fn an_older_snapshot_is_as_good_and_the_newer_one_stays_to_be_had() {
    let mut world = world();
    let before = Before::of(&world);
    let older = world.backup("full")["snapshot"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    world.sample_mut().add_upload(new).unwrap();
    let after = Before::of(&world);
    world.backup("full");
    lose_everything(&world);

    world.call(&["restore", &older]).expect(0);
    before.expect_rows(&world);
    before.expect_blobs(&world);
    deep_check(&world);
    world.call(&["restore", "latest"]).expect(0);
    after.expect_rows(&world);
    after.expect_blobs(&world);
    finish_all(&world);
    deep_check(&world);
}

/// The oldest and the newest major version of PostgreSQL that is installed, when they are two.
fn two_majors() -> Option<(u32, u32)> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut majors: Vec<u32> = installed
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let is_server = path.join("bin/postgres").is_file();
            let major = path.file_name()?.to_str()?.parse().ok()?;
            is_server.then_some(major)
        })
        .collect();
    majors.sort_unstable();
    let (Some(oldest), Some(newest)) = (majors.first(), majors.last()) else {
        println!("skipped: no PostgreSQL below /usr/lib/postgresql");
        return None;
    };
    if oldest == newest {
        println!("skipped: only PostgreSQL {oldest} is installed here");
        return None;
    }
    Some((*oldest, *newest))
}

/// Another server, of this major version, and the instance's configuration names it.
fn move_to(world: &World, major: u32) -> Cluster {
    let folder = world.path(&format!("server {major}"));
    fs::create_dir(&folder).unwrap();
    let options = ClusterOptions {
        major: Some(major),
        ..ClusterOptions::default()
    };
    let cluster = Cluster::start_with(&folder, &options).unwrap();
    let conf = world.sample().sysconfdir().join("Db.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let text = text.replace(
        &format!("port={}", world.cluster.port()),
        &format!("port={}", cluster.port()),
    );
    let old = world.cluster.password(Role::Fossy);
    fs::write(&conf, text.replace(old, cluster.password(Role::Fossy))).unwrap();
    cluster
}

#[test]
fn another_major_version_of_postgresql_takes_it_over() {
    let Some((oldest, newest)) = two_majors() else {
        return;
    };
    let world = World::of_major(oldest);
    world.call(&["init"]).expect(0);
    let before = Before::of(&world);
    world.backup("full");
    lose_everything(&world);
    let cluster = move_to(&world, newest);
    world.call(&["restore", "latest"]).expect(0);
    let mut client = cluster
        .connect(Role::Fossy, world.sample().database())
        .unwrap();
    client
        .batch_execute("SET client_encoding = 'SQL_ASCII'")
        .unwrap();
    assert_eq!(restored::rows(&mut client), before.rows);
    before.expect_blobs(&world);
    deep_check(&world);
}

#[test]
fn what_is_older_than_the_server_or_the_dump_says_so() {
    let Some((oldest, newest)) = two_majors() else {
        return;
    };
    let world = World::of_major(newest);
    world.call(&["init"]).expect(0);
    let settings = world.sample().sysconfdir().join("fo_backup.toml");
    let text = format!("postgres_bin = \"/usr/lib/postgresql/{oldest}/bin\"\n");
    fs::write(&settings, text).unwrap();
    let needed = format!("version {newest} or newer are needed, found: version {oldest} in");
    world.call(&["backup"]).expect(1).says(&needed);
    fs::remove_file(&settings).unwrap();
    world.backup("full");

    // The programs are there, but the server is older than what they read.
    let before = Before::of(&world);
    let cluster = move_to(&world, oldest);
    let older = format!("PostgreSQL {newest}, and the server here is PostgreSQL {oldest}");
    world.call(&["restore", "latest"]).expect(1).says(&older);
    let mut admin = cluster.connect(Role::Superuser, "postgres").unwrap();
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_restore\\_%'";
    assert_eq!(admin.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
    before.expect_blobs(&world);
}

#[test]
fn nothing_is_restored_over_an_instance_that_is_at_work() {
    let world = world();
    let before = Before::of(&world);
    world.backup("full");
    let files = identities(world.sample().repository());
    let conf = fs::read_to_string(world.sample().sysconfdir().join("fossology.conf")).unwrap();
    let mut port = conf.lines().filter_map(|line| line.strip_prefix("port = "));
    let port: u16 = port.next().unwrap().parse().unwrap();
    let scheduler = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let alive = world.call(&["restore", "latest"]).expect(1);
    alive.says("scheduler runs").says("stop it first");
    world
        .call(&["jobs", "park", "--lacking"])
        .expect(1)
        .says("scheduler runs");
    drop(scheduler);
    let page = world.sample().connect().unwrap();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("others are connected");
    drop(page);
    before.expect_rows(&world);
    assert_eq!(identities(world.sample().repository()), files);
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE '%\\_restore\\_%'";
    assert_eq!(admin.query_one(left, &[]).unwrap().get::<_, i64>(0), 0);
}
