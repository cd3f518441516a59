// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests of `fo_backup recover` share: what is lost, what has to come back, and a stand-in for
//! FOSSology's own unpacker.

use super::world::{Called, World};
use fossology_backup::blob::{PfileName, Tree, digest};
use fossology_backup::demo::sample::StoredBlob;
use fossology_backup::demo::{FileState, snapshot_tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The blobs that FOSSology itself wrote about an archive: nothing gives them again.
pub fn notes(world: &World) -> BTreeSet<PfileName> {
    let mut client = world.sample().connect().unwrap();
    let rows = client.query(
        "SELECT DISTINCT pfile_sha1::text, pfile_md5::text, pfile_size
           FROM uploadtree JOIN pfile ON pfile_pk = pfile_fk
          WHERE ufile_name = 'artifact.meta' AND ufile_mode & (1 << 28) <> 0",
        &[],
    );
    let name = |row: &postgres::Row| {
        let (sha1, md5): (String, String) = (row.get(0), row.get(1));
        PfileName::from_database(sha1.as_bytes(), md5.as_bytes(), row.get(2)).unwrap()
    };
    rows.unwrap().iter().map(name).collect()
}

/// Removes all of `files`, as after a restore of gold alone.
pub fn lose_files(world: &World) -> Vec<StoredBlob> {
    let mut lost = world.sample().needed_blobs();
    lost.retain(|blob| blob.trees.contains(Tree::Files));
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        let files = entry.unwrap().path().join("files");
        if files.is_dir() {
            fs::remove_dir_all(files).unwrap();
        }
    }
    lost
}

/// Removes one blob wherever it lies.
pub fn lose(blob: &StoredBlob) {
    for path in &blob.paths {
        fs::remove_file(path).unwrap();
    }
}

/// Content and modes of all blobs that are needed, and of nothing else.
pub fn needed_files(world: &World) -> BTreeMap<PathBuf, FileState> {
    let needed: BTreeSet<PathBuf> = world
        .sample()
        .needed_blobs()
        .into_iter()
        .flat_map(|blob| blob.paths)
        .collect();
    let repository = world.sample().repository();
    let mut files = snapshot_tree(repository).unwrap();
    files.retain(|path, _| needed.contains(&repository.join(path)));
    files
}

pub fn inode(path: &Path) -> (u64, i64) {
    let data = path.metadata().unwrap();
    (data.ino(), data.ctime_nsec())
}

/// What did not come back, as path and reason, of all uploads.
pub fn lost(report: &Value) -> Vec<(String, String)> {
    let uploads = report["uploads"].as_array().unwrap();
    let blobs = uploads
        .iter()
        .flat_map(|upload| upload["blobs"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    blobs
        .map(|blob| (text(&blob["path"]), text(&blob["why"])))
        .collect()
}

/// A stand-in for FOSSology's ununpack, which machines that run these tests do not have.
pub fn stand_in(world: &World, body: &str) -> PathBuf {
    let path = world.path("ununpack");
    let head = "#!/bin/sh\nwhile getopts c:d:qRCIE: option; do case $option in d) dir=$OPTARG ;; esac; done\n";
    fs::write(&path, format!("{head}{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub fn recover_with(world: &World, tool: &Path, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["--json", "recover"], arguments].concat();
    let mut command = world.command(&arguments);
    let output = command.env("FO_BACKUP_UNUNPACK", tool).output().unwrap();
    Called::new(&output).expect(code).json()
}

/// Adds a file to an upload that is not in its archive: as text that a tool took out of a PDF.
/// Gives its name and where it lies.
pub fn add_made_file(world: &World, upload: i32, content: &str) -> (PfileName, PathBuf) {
    let name = digest(content.as_bytes());
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES ($1, $2, $3)",
            &[
                &name.sha1_column(),
                &name.md5_column(),
                &(content.len() as i64),
            ],
        )
        .unwrap();
    client
        .execute(
            &format!(
                "INSERT INTO uploadtree_{upload} (uploadtree_pk, upload_fk, parent, pfile_fk, ufile_mode, ufile_name)
                 SELECT nextval('uploadtree_uploadtree_pk_seq'), $1, t.uploadtree_pk,
                        currval('pfile_pfile_pk_seq'), 33188, 'guide.text'
                   FROM uploadtree t WHERE t.upload_fk = $1 AND t.ufile_name = 'kernel-6.1'"
            ),
            &[&upload],
        )
        .unwrap();
    let host = if name.sha1()[0] < 0x80 {
        "alpha"
    } else {
        "beta"
    };
    let folder = world.sample().repository().join(host).join("files");
    let folder = folder.join(name.folders(3));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name.to_string());
    fs::write(&path, content).unwrap();
    (name, path)
}
