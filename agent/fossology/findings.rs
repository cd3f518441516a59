// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Table `backup_finding`: what the last check found. Rows are replaced in one transaction, so
//! readers see the findings of one check or of the other, never of half a one.

use super::database::{Error, Result};
use crate::blob::{PfileName, Tree};
use postgres::Client;

/// How many rows go with one statement.
const BATCH: usize = 2000;

/// A row of the table.
#[derive(Clone, Debug)]
pub struct FindingRow {
    /// The kind.
    pub kind: &'static str,
    /// The tree.
    pub tree: Option<Tree>,
    /// The repository host; ASCII, as every encoding can hold it.
    pub host: Option<String>,
    /// The blob's name.
    pub name: Option<PfileName>,
    /// Bytes.
    pub size: i64,
    /// The blob's key.
    pub pfile: Option<i32>,
    /// The upload that it hits.
    pub upload: Option<i32>,
    /// What was seen; ASCII.
    pub detail: String,
}

/// Replaces the last check's findings: all of them, or those about these uploads.
///
/// # Errors
/// When a statement fails; then the old ones are still there.
pub fn replace_findings(
    client: &mut Client,
    only: &[i32],
    rows: impl Iterator<Item = FindingRow>,
) -> Result<()> {
    let failed = Error::sql("writing down what the check found");
    let mut step = client.transaction().map_err(&failed)?;
    // Two checks that end at once must not mix their rows.
    step.batch_execute("LOCK TABLE backup_finding IN EXCLUSIVE MODE")
        .map_err(&failed)?;
    if only.is_empty() {
        step.execute("DELETE FROM backup_finding", &[])
            .map_err(&failed)?;
    } else {
        step.execute(
            "DELETE FROM backup_finding WHERE upload_fk = ANY($1)",
            &[&only],
        )
        .map_err(&failed)?;
    }
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let batch: Vec<FindingRow> = rows.by_ref().take(BATCH).collect();
        let kinds: Vec<&str> = batch.iter().map(|row| row.kind).collect();
        let trees: Vec<Option<&str>> = batch.iter().map(|row| row.tree.map(Tree::as_str)).collect();
        let hosts: Vec<Option<&str>> = batch.iter().map(|row| row.host.as_deref()).collect();
        let sha1: Vec<Option<String>> = batch
            .iter()
            .map(|row| row.name.map(|name| name.sha1_column()))
            .collect();
        let md5: Vec<Option<String>> = batch
            .iter()
            .map(|row| row.name.map(|name| name.md5_column()))
            .collect();
        let sizes: Vec<i64> = batch.iter().map(|row| row.size).collect();
        let pfiles: Vec<Option<i32>> = batch.iter().map(|row| row.pfile).collect();
        let uploads: Vec<Option<i32>> = batch.iter().map(|row| row.upload).collect();
        let details: Vec<&str> = batch.iter().map(|row| row.detail.as_str()).collect();
        step.execute(
            "INSERT INTO backup_finding (kind, tree, host, sha1, md5, size, pfile_fk, upload_fk, detail)
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                                  $6::bigint[], $7::integer[], $8::integer[], $9::text[])",
            &[&kinds, &trees, &hosts, &sha1, &md5, &sizes, &pfiles, &uploads, &details],
        )
        .map_err(&failed)?;
    }
    step.commit().map_err(&failed)
}
