// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The rows that belong to an upload's files.

use super::instance::Uploads;
use fossology_backup::blob::PfileName;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The tables that are filled, in an order that their foreign keys allow, with their columns.
pub const TABLES: [(&str, &str); 4] = [
    (
        "pfile",
        "pfile_pk, pfile_md5, pfile_sha1, pfile_sha256, pfile_size, pfile_mimetypefk",
    ),
    (
        "upload",
        "upload_pk, upload_filename, user_fk, upload_mode, upload_ts, pfile_fk, upload_origin",
    ),
    (
        "uploadtree_a",
        "uploadtree_pk, parent, realparent, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name",
    ),
    (
        "license_file",
        "fl_pk, rf_fk, agent_fk, rf_match_pct, rf_timestamp, pfile_fk",
    ),
];

/// Brings the sequences to where the keys are.
pub const SEQUENCES: &str =
    "SELECT setval('pfile_pfile_pk_seq', (SELECT max(pfile_pk) FROM pfile)),
    setval('upload_upload_pk_seq', (SELECT max(upload_pk) FROM upload)),
    setval('uploadtree_uploadtree_pk_seq', (SELECT max(uploadtree_pk) FROM uploadtree)),
    setval('license_file_fl_pk_seq', (SELECT max(fl_pk) FROM license_file))";

/// The rows of one upload, as COPY takes them.
pub struct Rows {
    upload: usize,
    /// The key of the upload's archive and of its place in the tree.
    root: usize,
    /// The key of the first file.
    first: usize,
    pub tables: [(&'static str, String); 4],
}

impl Rows {
    pub fn new(upload: usize, root: usize, first: usize) -> Self {
        Self {
            upload,
            root,
            first,
            tables: TABLES.map(|(table, _)| (table, String::new())),
        }
    }

    pub fn text(&self, wanted: &str) -> Option<&str> {
        let mut tables = self.tables.iter();
        let (_, text) = tables.find(|(table, _)| *table == wanted)?;
        (!text.is_empty()).then_some(text)
    }

    /// A line of one of [`TABLES`].
    fn line(&mut self, table: usize, fields: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.tables[table].1, "{fields}");
    }

    fn pfile(&mut self, key: usize, name: &PfileName, content: &[u8], media_type: usize) {
        let sha256 = hex::encode_upper(Sha256::digest(content));
        let (md5, sha1, size) = (name.md5_column(), name.sha1_column(), name.size());
        self.line(
            0,
            format_args!("{key}\t{md5}\t{sha1}\t{sha256}\t{size}\t{media_type}"),
        );
    }

    pub fn file(&mut self, index: usize, name: &PfileName, content: &[u8], path: &str) {
        let (root, upload) = (self.root, self.upload);
        let key = self.first + index;
        let left = 2 + 2 * index;
        let (license, right) = (1 + index % 4, left + 1);
        self.pfile(key, name, content, 4);
        let file = path.rsplit('/').next().unwrap_or(path);
        self.line(
            2,
            format_args!("{key}\t{root}\t{root}\t{upload}\t{key}\t33188\t{left}\t{right}\t{file}"),
        );
        self.line(
            3,
            format_args!("{key}\t{license}\t5\t100\t2026-03-02\t{key}"),
        );
    }

    pub fn gold(&mut self, name: &PfileName, content: &[u8], files: usize, uploads: Uploads) {
        let (key, upload, right) = (self.root, self.upload, 2 * files + 2);
        let ending = match uploads {
            Uploads::Many => "zst",
            Uploads::One => "xz",
        };
        let file = format!("project-{upload}.tar.{ending}");
        self.pfile(key, name, content, 3);
        self.line(
            1,
            format_args!("{upload}\t{file}\t3\t104\t2026-03-02\t{key}\t{file}"),
        );
        self.line(
            2,
            format_args!(
                "{key}\t\\N\t\\N\t{upload}\t{key}\t{}\t1\t{right}\t{file}",
                0o100644 | 1 << 29
            ),
        );
    }
}
