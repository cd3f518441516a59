// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What several end-to-end tests use; none uses all of it.

#![allow(dead_code, clippy::unwrap_used)]

pub mod checked;
pub mod downloaded;
pub mod figures;
pub mod fixture;
pub mod giving;
pub mod hosts;
pub mod proxy;
pub mod pruned;
pub mod queue;
pub mod recovered;
pub mod restored;
pub mod scheduler;
pub mod servers;
pub mod tls;
pub mod trouble;
pub mod verified;
pub mod web;
pub mod world;

use fossology_backup::blob::{PfileName, Tree, TreeSet};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All files below a folder.
pub fn files_of(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .collect()
}

/// The blobs that FOSSology's tables need and the trees that they have to be in, asked by SQL of
/// the tests' own.
pub fn needed_by_sql(client: &mut postgres::Client) -> BTreeMap<PfileName, TreeSet> {
    let mut needed: BTreeMap<PfileName, TreeSet> = BTreeMap::new();
    for (tree, table) in [(Tree::Files, "uploadtree"), (Tree::Gold, "upload")] {
        let query = format!(
            "SELECT DISTINCT pfile_sha1::text, pfile_md5::text, pfile_size
               FROM {table} JOIN pfile ON pfile_pk = pfile_fk"
        );
        for row in client.query(&query, &[]).unwrap() {
            let (sha1, md5): (String, String) = (row.get(0), row.get(1));
            let name = PfileName::from_database(sha1.as_bytes(), md5.as_bytes(), row.get(2));
            let trees = needed.entry(name.unwrap()).or_default();
            *trees = trees.with(tree);
        }
    }
    needed
}
