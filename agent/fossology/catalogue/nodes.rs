// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tree of an upload, from the database or from the files of a dump: the same rows, so what is
//! made of them does not depend on where they came from. From a dump nothing but the wanted rows is
//! kept, so the size of the dump does not matter.

use super::Moment;
use super::rows::{copy_rows, int4};
use crate::blob::{PfileName, PfileNameError};
use crate::fossology::database::{DumpedTable, Error, Result, copy_text};
use std::io::{self, Read};

/// What unpacking invented: pages leave it out.
const ARTIFACT: i32 = 1 << 28;
/// What was unpacked.
const CONTAINER: i32 = 1 << 29;
/// The bits of a mode that say what a file is, and those of a folder.
const KIND: i32 = 0o170_000;
const FOLDER: i32 = 0o040_000;

/// A row of table `uploadtree`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its key.
    pub key: i32,
    /// The key of the node that it lies in; the topmost has none.
    pub parent: Option<i32>,
    /// The key of its content, if it has one.
    pub pfile: Option<u32>,
    /// What it is.
    pub mode: i32,
    /// Its name; any bytes.
    pub name: &'a [u8],
}

impl Node<'_> {
    /// Whether unpacking invented it.
    pub fn is_artifact(mode: i32) -> bool {
        mode & ARTIFACT != 0
    }

    /// Whether it is a folder, or was unpacked and has no content of its own.
    pub fn is_folder(mode: i32, has_content: bool) -> bool {
        mode & KIND == FOLDER || (mode & CONTAINER != 0 && !has_content)
    }
}

/// An upload as a dump has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedUpload {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// The key of its own file.
    pub gold: Option<u32>,
    /// Whether it was deleted; its row stays.
    pub deleted: bool,
    /// The table that has its tree.
    pub table: String,
}

impl Moment<'_> {
    /// The key of an upload's own file, if it has one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn gold_of(&mut self, upload: i32) -> Result<Option<u32>> {
        let row = self
            .transaction()
            .query_opt(
                "SELECT pfile_fk FROM upload WHERE upload_pk = $1",
                &[&upload],
            )
            .map_err(Error::sql("asking for an upload"))?;
        Ok(key_of(row.and_then(|row| row.get(0))))
    }

    /// The tree of an upload, in no order.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn nodes_of(&mut self, upload: i32, mut each: impl FnMut(Node<'_>)) -> Result<()> {
        copy_rows(
            self.transaction(),
            "reading the tree of an upload",
            &format!(
                "SELECT uploadtree_pk, parent, pfile_fk, ufile_mode, ufile_name FROM uploadtree
                  WHERE upload_fk = {upload}"
            ),
            |row| {
                if let Some(key) = int4(row[0]) {
                    each(Node {
                        key,
                        parent: int4(row[1]),
                        pfile: key_of(int4(row[2])),
                        mode: int4(row[3]).unwrap_or(0),
                        name: row[4].unwrap_or_default(),
                    });
                }
                Ok(())
            },
        )
    }
}

/// Folders have no content, or the key 0.
fn key_of(key: Option<i32>) -> Option<u32> {
    key.and_then(|key| u32::try_from(key).ok())
        .filter(|key| *key > 0)
}

/// Whether a table of a dump holds trees: `uploadtree` itself, or one that inherits from it.
pub fn is_tree_table(table: &DumpedTable) -> bool {
    ["uploadtree_pk", "upload_fk", "pfile_fk", "parent"]
        .iter()
        .all(|column| table.column(column).is_some())
}

/// The uploads of a dump, from the rows of table `upload`.
///
/// # Errors
/// When the rows cannot be read.
pub fn dumped_uploads(
    table: &DumpedTable,
    rows: impl Read,
    mut each: impl FnMut(DumpedUpload),
) -> Result<()> {
    let [key, name, gold, action, tree] = columns(
        table,
        [
            "upload_pk",
            "upload_filename",
            "pfile_fk",
            "expire_action",
            "uploadtree_tablename",
        ],
    )?;
    read(table, rows, |row| {
        let Some(upload) = row.number(key) else {
            return;
        };
        let text = |field| String::from_utf8_lossy(&row.bytes(field).unwrap_or_default()).into();
        each(DumpedUpload {
            upload,
            filename: text(name),
            gold: key_of(row.number(gold)),
            deleted: row.raw(action) == Some(b"d"),
            table: text(tree),
        });
    })
}

/// The nodes of an upload, from the rows of a table of trees.
///
/// # Errors
/// When the rows cannot be read.
pub fn dumped_nodes(
    table: &DumpedTable,
    rows: impl Read,
    upload: i32,
    mut each: impl FnMut(Node<'_>),
) -> Result<()> {
    let [key, parent, of, pfile, mode, name] = columns(
        table,
        [
            "uploadtree_pk",
            "parent",
            "upload_fk",
            "pfile_fk",
            "ufile_mode",
            "ufile_name",
        ],
    )?;
    let wanted = upload.to_string();
    read(table, rows, |row| {
        if row.raw(of) != Some(wanted.as_bytes()) {
            return;
        }
        let Some(key) = row.number(key) else {
            return;
        };
        each(Node {
            key,
            parent: row.number(parent),
            pfile: key_of(row.number(pfile)),
            mode: row.number(mode).unwrap_or(0),
            name: &row.bytes(name).unwrap_or_default(),
        });
    })
}

/// The keys and names of a dump's blobs, from the rows of table `pfile`.
///
/// # Errors
/// When the rows cannot be read.
pub fn dumped_pfiles(
    table: &DumpedTable,
    rows: impl Read,
    mut each: impl FnMut(u32, Result<PfileName, PfileNameError>),
) -> Result<()> {
    let [key, sha1, md5, size] =
        columns(table, ["pfile_pk", "pfile_sha1", "pfile_md5", "pfile_size"])?;
    read(table, rows, |row| {
        if let Some(key) = key_of(row.number(key)) {
            let (sha1, md5) = (row.raw(sha1), row.raw(md5));
            let name = PfileName::from_database(
                sha1.unwrap_or_default(),
                md5.unwrap_or_default(),
                row.number(size).unwrap_or(-1),
            );
            each(key, name);
        }
    })
}

fn columns<const N: usize>(table: &DumpedTable, names: [&str; N]) -> Result<[usize; N]> {
    let mut numbers = [0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        *number = table.column(name).ok_or_else(|| {
            let why = format!("the dump's table {} has no column {name}", table.name);
            lost(io::Error::new(io::ErrorKind::InvalidData, why))
        })?;
    }
    Ok(numbers)
}

fn read(
    table: &DumpedTable,
    rows: impl Read,
    each: impl FnMut(&crate::fossology::database::CopyRow<'_>),
) -> Result<()> {
    copy_text(rows, table.columns.len(), each).map_err(|error| {
        let why = format!("table {} ({}): {error}", table.name, table.file);
        lost(io::Error::new(error.kind(), why))
    })
}

fn lost(source: io::Error) -> Error {
    Error::Stream {
        doing: "reading the dump of the database",
        source,
    }
}
