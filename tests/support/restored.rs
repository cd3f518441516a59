// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of restores share: what there is, and how it gets lost.

use super::world::World;
use fossology_backup::blob::{PfileName, TreeSet};
use fossology_backup::demo::{Role, TableDigest, dump_rows, snapshot_tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every row of FOSSology's own tables, but for the queue, which a restore parks.
pub fn rows(client: &mut postgres::Client) -> BTreeMap<String, TableDigest> {
    let mut rows = dump_rows(client).unwrap();
    rows.retain(|table, _| !table.starts_with("backup_") && table != "jobqueue");
    rows
}

/// The queue, but for what a restore or a resumption may leave behind.
pub fn queue(client: &mut postgres::Client) -> Vec<String> {
    let query = "SELECT format('%s %s %s %s %s', jq_pk, jq_type, jq_starttime IS NULL, jq_endtime, jq_end_bits)
                   FROM jobqueue ORDER BY jq_pk";
    client
        .query(query, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Where every needed blob lies, with mode, size and content.
pub fn blobs(world: &World) -> BTreeMap<PathBuf, (u32, u64, String)> {
    blobs_in(world, world.sample().repository())
}

fn blobs_in(world: &World, repository: &Path) -> BTreeMap<PathBuf, (u32, u64, String)> {
    let needed: BTreeMap<PfileName, TreeSet> = world
        .sample()
        .needed_blobs()
        .into_iter()
        .map(|blob| (blob.name, blob.trees))
        .collect();
    let mut found = BTreeMap::new();
    for (path, state) in snapshot_tree(repository).unwrap() {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.parse().ok());
        if name.is_some_and(|name: PfileName| needed.contains_key(&name)) {
            found.insert(path, (state.mode, state.size, state.sha1));
        }
    }
    found
}

/// Loses database and repository.
pub fn lose_everything(world: &World) {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin
        .batch_execute(&format!("DROP DATABASE {}", world.sample().database()))
        .unwrap();
    lose_repository(world);
}

/// Loses the repository.
pub fn lose_repository(world: &World) {
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}
