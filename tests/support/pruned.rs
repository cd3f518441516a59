// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of `fo_backup prune` share: what may go by what rules, and what has to be there.

use super::recovered::notes;
use super::world::World;
use fossology_backup::blob::{PfileName, Tree, TreeSet};
use fossology_backup::demo::sample::StoredBlob;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Uploads of which all has to stay: a job waits for them, or they are not complete.
pub fn held(world: &World) -> BTreeSet<i32> {
    let mut client = world.sample().connect().unwrap();
    let rows = client.query(
        "SELECT DISTINCT j.job_upload_fk FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
          WHERE q.jq_endtime IS NULL AND j.job_upload_fk IS NOT NULL
          UNION SELECT upload_pk FROM upload u WHERE u.pfile_fk IS NULL",
        &[],
    );
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Everything that the preset `gold-only` may remove, worked out without the program.
pub fn droppable(world: &World) -> Vec<StoredBlob> {
    let notes = notes(world);
    let kept: BTreeSet<PfileName> = held(world)
        .into_iter()
        .flat_map(|upload| world.sample().blobs_of(upload))
        .map(|blob| blob.name)
        .collect();
    let mut blobs = world.sample().needed_blobs();
    blobs.retain(|blob| {
        blob.trees == TreeSet::of(Tree::Files)
            && !notes.contains(&blob.name)
            && !kept.contains(&blob.name)
    });
    blobs
}

/// Those of these blobs that are there.
pub fn there(blobs: &[StoredBlob]) -> Vec<PathBuf> {
    let paths = blobs.iter().flat_map(|blob| &blob.paths);
    paths.filter(|path| path.exists()).cloned().collect()
}

/// The names of the blobs that are known as pruned.
pub fn pruned(world: &World) -> BTreeSet<PfileName> {
    let mut client = world.sample().connect().unwrap();
    let rows = client.query(
        "SELECT p.pfile_sha1::text, p.pfile_md5::text, p.pfile_size
           FROM backup_blob_state s JOIN pfile p USING (pfile_pk) WHERE s.kind = 'pruned'",
        &[],
    );
    let name = |row: &postgres::Row| {
        let (sha1, md5): (String, String) = (row.get(0), row.get(1));
        PfileName::from_database(sha1.as_bytes(), md5.as_bytes(), row.get(2)).unwrap()
    };
    rows.unwrap().iter().map(name).collect()
}

pub fn names(blobs: &[StoredBlob]) -> BTreeSet<PfileName> {
    blobs.iter().map(|blob| blob.name).collect()
}

/// Prunes by a policy without asking.
#[track_caller]
pub fn prune(world: &World, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["--json", "prune", "--yes"], arguments].concat();
    world.call(&arguments).expect(code).json()
}

/// Writes fo_backup.toml.
pub fn settings(world: &World, text: &str) {
    fs::write(world.sample().sysconfdir().join("fo_backup.toml"), text).unwrap();
}

/// What a report says of an upload.
#[track_caller]
pub fn of_upload(report: &Value, upload: i32) -> &Value {
    let mut uploads = report["uploads"].as_array().unwrap().iter();
    uploads.find(|one| one["upload"] == upload).unwrap()
}
