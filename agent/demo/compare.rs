// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether two instances are equal: every row of every table, every file of a repository.
//!
//! Only reads. Digests stand for content, so two states compare with `==`, and what differs has a
//! name.

use super::cluster::quoted;
use super::{Error, Result};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a table holds: how many rows, and a digest over all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// The number of rows.
    pub rows: u64,
    /// SHA-1 over the sorted rows, in hexadecimal.
    pub sha1: String,
}

/// Every table of schema `public` with a digest of its own rows (not those of tables that inherit
/// from it), and every sequence with its state as its only row.
///
/// # Errors
/// When the database refuses to be read.
pub fn dump_rows(client: &mut postgres::Client) -> Result<BTreeMap<String, TableDigest>> {
    let relations = client
        .query(
            "SELECT relname::text, relkind = 'S' FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')",
            &[],
        )
        .map_err(Error::database("listing the tables"))?;
    let mut tables = BTreeMap::new();
    for relation in relations {
        let (name, is_sequence): (String, bool) = (relation.get(0), relation.get(1));
        let source = if is_sequence {
            // Not log_cnt: it tells how PostgreSQL writes its log, and changes by itself.
            format!("(SELECT last_value, is_called FROM {})", quoted(&name))
        } else {
            quoted(&name)
        };
        let digest = digest_rows(client, &source)
            .map_err(|error| Error::io("reading table", Path::new(&name))(error))?;
        tables.insert(name, digest);
    }
    Ok(tables)
}

/// Rows come as COPY writes them, as bytes: a SQL_ASCII database has text that is no UTF-8.
fn digest_rows(client: &mut postgres::Client, source: &str) -> io::Result<TableDigest> {
    let mut reader = client
        .copy_out(&format!("COPY {source} TO STDOUT"))
        .map_err(io::Error::other)?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut reader, &mut text)?;
    let mut rows: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    rows.sort_unstable();
    let mut hash = Sha1::new();
    for row in &rows {
        hash.update(row);
    }
    Ok(TableDigest {
        rows: rows.len() as u64,
        sha1: hex::encode(hash.finalize()),
    })
}

/// What lies at a path of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    /// Kind and permissions, as `stat` tells them.
    pub mode: u32,
    /// The size in bytes; 0 for folders.
    pub size: u64,
    /// SHA-1 of the content in hexadecimal; empty for folders and links.
    pub sha1: String,
}

/// Everything below a folder, by its path relative to it.
///
/// # Errors
/// When something cannot be read, or vanishes while it is.
pub fn snapshot_tree(folder: &Path) -> Result<BTreeMap<PathBuf, FileState>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder).min_depth(1) {
        let entry = entry.map_err(|error| Error::io("listing", folder)(error.into()))?;
        let path = entry.path();
        let meta = path
            .symlink_metadata()
            .map_err(Error::io("looking at", path))?;
        let state = FileState {
            mode: meta.mode(),
            size: if meta.is_dir() { 0 } else { meta.len() },
            sha1: if meta.is_file() {
                sha1_of(path).map_err(Error::io("reading", path))?
            } else {
                String::new()
            },
        };
        let relative = path.strip_prefix(folder).unwrap_or(path);
        files.insert(relative.to_owned(), state);
    }
    Ok(files)
}

fn sha1_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}
