// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a snapshot's own database says about single uploads, without a server and without restoring
//! it: the few tables that tell are read from the dump's chunks as they come out of the vault. On
//! disk lies only the dump's table of contents, in a scratch folder.

use super::backup::external;
use super::{Error, Result, Scratch};
use crate::blob::PfileName;
use crate::fossology::catalogue::{
    DumpedUpload, Node, dumped_nodes, dumped_pfiles, dumped_uploads, is_tree_table,
};
use crate::fossology::database::{DumpedTable, Tools};
use crate::vault::{Snapshot, StreamReader, Vault};
use roaring::RoaringBitmap;
use std::fs::{self, File};
use std::path::Path;

/// The file of pg_dump's directory format that says what the others are.
const CONTENTS: &str = "toc.dat";

/// The dump of a snapshot, to be asked about uploads.
pub(super) struct Dump<'a> {
    vault: &'a Vault,
    snapshot: &'a Snapshot,
    tables: Vec<DumpedTable>,
}

impl<'a> Dump<'a> {
    /// Reads the dump's table of contents.
    ///
    /// # Errors
    /// When it is damaged, or no pg_restore of its version is here.
    pub fn open(
        vault: &'a Vault,
        snapshot: &'a Snapshot,
        scratch: &Path,
        postgres_bin: Option<&Path>,
    ) -> Result<Self> {
        external::expect_dump(snapshot)?;
        let Some(contents) = snapshot.database.files.get(CONTENTS) else {
            return Err(wrong(snapshot, "its dump has no table of contents"));
        };
        let tools = Tools::find(postgres_bin, snapshot.database.tool_major)?;
        let scratch = Scratch::new(scratch)?;
        let folder = scratch.join("dump");
        fs::create_dir(&folder).map_err(Error::io("making", &folder))?;
        let path = folder.join(CONTENTS);
        let mut file = File::create_new(&path).map_err(Error::io("writing", &path))?;
        let what = path.display().to_string();
        vault.chunks().copy(&what, contents, &mut file)?;
        let tables = tools.dumped_tables(&folder, |table| {
            ["upload", "pfile"].contains(&table) || table.starts_with("uploadtree")
        })?;
        Ok(Self {
            vault,
            snapshot,
            tables,
        })
    }

    /// These uploads, in the order in which they are asked for.
    ///
    /// # Errors
    /// When one is not in the snapshot, or was deleted before it.
    pub fn uploads(&self, wanted: &[i32]) -> Result<Vec<DumpedUpload>> {
        let table = self.table("upload")?;
        let mut found = Vec::new();
        dumped_uploads(table, self.rows(table)?, |upload| {
            if wanted.contains(&upload.upload) {
                found.push(upload);
            }
        })?;
        let id = &self.snapshot.id;
        let mut uploads: Vec<DumpedUpload> = Vec::new();
        for number in wanted {
            if uploads.iter().any(|upload| upload.upload == *number) {
                continue;
            }
            match found.iter().find(|upload| upload.upload == *number) {
                None => {
                    return Err(Error::Usage(format!(
                        "snapshot {id} has no upload {number}; a later one may have it ('fo_backup snapshots')"
                    )));
                }
                Some(upload) if upload.deleted => {
                    return Err(Error::Usage(format!(
                        "upload {number} ({}) had been deleted when snapshot {id} was made; an earlier one may have it ('fo_backup snapshots')",
                        upload.filename
                    )));
                }
                Some(upload) => uploads.push(upload.clone()),
            }
        }
        Ok(uploads)
    }

    /// The tree of an upload, in no order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn nodes(&self, upload: &DumpedUpload, mut each: impl FnMut(Node<'_>)) -> Result<()> {
        // An upload's tree is in the table that its row names; the parent of those tables had
        // trees of its own in old releases.
        let tables = self.tables.iter().filter(|table| {
            is_tree_table(table) && (table.name == upload.table || table.name == "uploadtree")
        });
        for table in tables {
            dumped_nodes(table, self.rows(table)?, upload.upload, &mut each)?;
        }
        Ok(())
    }

    /// The names of these blobs, in no order. A row that holds none is left out.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn names(&self, keys: &RoaringBitmap, mut each: impl FnMut(u32, PfileName)) -> Result<()> {
        let table = self.table("pfile")?;
        dumped_pfiles(table, self.rows(table)?, |key, name| {
            if let Ok(name) = name
                && keys.contains(key)
            {
                each(key, name);
            }
        })?;
        Ok(())
    }

    fn table(&self, name: &str) -> Result<&DumpedTable> {
        let mut tables = self.tables.iter();
        tables
            .find(|table| table.name == name)
            .ok_or_else(|| wrong(self.snapshot, &format!("its dump has no table {name}")))
    }

    fn rows(&self, table: &DumpedTable) -> Result<StreamReader<'_>> {
        let files = &self.snapshot.database.files;
        let stream = files.get(&table.file).ok_or_else(|| {
            let why = format!("its dump lacks {} (table {})", table.file, table.name);
            wrong(self.snapshot, &why)
        })?;
        Ok(self.vault.chunks().reader(stream))
    }
}

fn wrong(snapshot: &Snapshot, why: &str) -> Error {
    Error::Snapshot {
        id: snapshot.id.to_string(),
        why: why.to_owned(),
    }
}
