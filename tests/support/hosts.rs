// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of backups by several hosts share.

use super::trouble::ending;
use super::world::World;
use fossology_backup::blob::digest;
use serde_json::Value;
use std::fs;

/// An instance that knows the agent, and its vault.
pub fn world() -> World {
    let world = World::with_vault();
    world.enable_agent();
    world
}

/// Queues a backup; gives its request.
pub fn queue(world: &World) -> i32 {
    let queued = world.call(&["--json", "queue", "backup"]).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// The snapshots of the vault, oldest first.
pub fn snapshots(world: &World) -> Vec<Value> {
    let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let all = ending(&world.vault(), ".json").into_iter();
    all.filter(|path| path.parent().unwrap().ends_with("snapshots"))
        .map(read)
        .collect()
}

pub fn packs(world: &World) -> usize {
    ending(&world.vault().join("packs"), ".tar.zst").len()
}

/// Every blob that the instance needs comes back from the newest snapshot.
#[track_caller]
pub fn assert_restorable(world: &World) {
    let folder = world.path("again");
    let _ = fs::remove_dir_all(&folder);
    let place = folder.to_str().unwrap();
    world.call(&["verify", "--read-data"]).expect(0);
    world
        .call(&["restore", "latest", "--repository", place, "--no-database"])
        .expect(0);
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let restored = folder.join(path.strip_prefix(world.sample().repository()).unwrap());
            assert_eq!(
                digest(&fs::read(&restored).unwrap()),
                blob.name,
                "{}",
                restored.display()
            );
        }
    }
}

/// State, host and arguments of each row of the queue that is ours, in order, with the places in
/// this list of those it waits for.
pub fn rows(world: &World) -> Vec<(String, String, Vec<usize>)> {
    let mut client = world.sample().connect().unwrap();
    let rows = client
        .query(
            "SELECT jq_pk, coalesce(jq_host, '-'), jq_cmd_args, array(
                        SELECT jdep_jq_depends_fk FROM jobdepends WHERE jdep_jq_fk = jq_pk ORDER BY 1)
               FROM jobqueue WHERE jq_type = 'backup' AND jq_cmd_args IS NOT NULL
              ORDER BY jq_pk",
            &[],
        )
        .unwrap();
    let keys: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let place = |key: &i32| keys.iter().position(|known| known == key).unwrap();
    rows.iter()
        .map(|row| {
            let after: Vec<i32> = row.get(3);
            (row.get(1), row.get(2), after.iter().map(place).collect())
        })
        .collect()
}

pub fn parts_left(world: &World) -> i64 {
    let mut client = world.sample().connect().unwrap();
    client
        .query_one("SELECT count(*) FROM backup_part", &[])
        .unwrap()
        .get(0)
}
