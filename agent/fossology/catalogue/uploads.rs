// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the database says about the uploads behind blobs. Asked for a few blobs at a time, of the
//! state as it is now.

use super::moment::{IS_FILE, IS_GOLD};
use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::database::{Error, RawText, Result};
use postgres::{GenericClient, Row};
use std::collections::BTreeSet;

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRow {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// Its own file, if it has one with a proper name.
    pub gold: Option<PfileName>,
}

/// That an upload needs a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The blob's key, `pfile_pk`.
    pub pfile: u32,
    /// The upload's key, `upload_pk`.
    pub upload: i32,
    /// Whether it is the upload's own file.
    pub is_gold: bool,
}

pub(super) fn keys(pfiles: &[u32]) -> Vec<i32> {
    let keys = pfiles.iter().map(|key| i32::try_from(*key));
    keys.filter_map(Result::ok).collect()
}

pub(super) fn name(row: &Row, first: usize) -> Option<PfileName> {
    // A broken row may hold any bytes.
    let sha1: Option<RawText> = row.get(first);
    let md5: Option<RawText> = row.get(first + 1);
    PfileName::from_database(
        sha1?.bytes(),
        md5?.bytes(),
        row.get::<_, Option<i64>>(first + 2)?,
    )
    .ok()
}

/// Which of these uploads exist.
///
/// # Errors
/// When the connection is lost.
pub fn uploads(client: &mut impl GenericClient, wanted: &[i32]) -> Result<Vec<UploadRow>> {
    let rows = client
        .query(
            "SELECT u.upload_pk, u.upload_filename, p.pfile_sha1, p.pfile_md5, p.pfile_size
               FROM upload u LEFT JOIN pfile p ON p.pfile_pk = u.pfile_fk
              WHERE u.upload_pk = ANY($1) ORDER BY u.upload_pk",
            &[&wanted],
        )
        .map_err(Error::sql("asking for uploads"))?;
    Ok(rows
        .iter()
        .map(|row| UploadRow {
            upload: row.get(0),
            filename: row.get::<_, RawText>(1).lossy().into_owned(),
            gold: name(row, 2),
        })
        .collect())
}

/// The uploads that are being fetched or unpacked, or wait for it: such a job has not ended, or
/// they came within the last day and no unpacking has ended well.
///
/// # Errors
/// When the connection is lost.
pub fn in_flight(client: &mut impl GenericClient) -> Result<Vec<UploadRow>> {
    let rows = client
        .query(
            "SELECT u.upload_pk FROM upload u
              WHERE u.expire_action IS DISTINCT FROM 'd'
                AND (u.upload_pk IN (
                       SELECT j.job_upload_fk FROM job j JOIN jobqueue q ON q.jq_job_fk = j.job_pk
                        WHERE q.jq_type IN ('ununpack', 'wget_agent')
                          AND q.jq_endtime IS NULL AND q.jq_end_bits < 2)
                  OR u.upload_ts > now() - interval '1 day' AND NOT EXISTS (
                       SELECT 1 FROM ununpack_ars a
                        WHERE a.upload_fk = u.upload_pk AND a.ars_success))",
            &[],
        )
        .map_err(Error::sql("asking which uploads are still being unpacked"))?;
    let wanted: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    uploads(client, &wanted)
}

/// The uploads that need these blobs, also by another row with the same name, in the order of the
/// blobs' keys.
///
/// # Errors
/// When the connection is lost.
pub fn uses(client: &mut impl GenericClient, pfiles: &[u32]) -> Result<Vec<Use>> {
    let rows = client
        .query(
            "WITH same AS (
                 SELECT p.pfile_pk AS asked, q.pfile_pk
                   FROM pfile p JOIN pfile q ON q.pfile_sha1 = p.pfile_sha1
                    AND q.pfile_md5 = p.pfile_md5 AND q.pfile_size = p.pfile_size
                  WHERE p.pfile_pk = ANY($1))
             SELECT s.asked, t.upload_fk, false FROM same s JOIN uploadtree t ON t.pfile_fk = s.pfile_pk
              UNION
             SELECT s.asked, u.upload_pk, true FROM same s JOIN upload u ON u.pfile_fk = s.pfile_pk
              ORDER BY 1, 2, 3",
            &[&keys(pfiles)],
        )
        .map_err(Error::sql("asking which uploads need blobs"))?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(Use {
                pfile: u32::try_from(row.get::<_, i32>(0)).ok()?,
                upload: row.get(1),
                is_gold: row.get(2),
            })
        })
        .collect())
}

/// Some blobs of an upload beside its own file, at most `limit`.
///
/// # Errors
/// When the connection is lost.
pub fn some_files(
    client: &mut impl GenericClient,
    upload: i32,
    limit: i64,
) -> Result<Vec<PfileName>> {
    let rows = client
        .query(
            "SELECT DISTINCT p.pfile_sha1, p.pfile_md5, p.pfile_size
               FROM uploadtree t JOIN pfile p ON p.pfile_pk = t.pfile_fk
              WHERE t.upload_fk = $1
                AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.pfile_fk = p.pfile_pk)
              LIMIT $2",
            &[&upload, &limit],
        )
        .map_err(Error::sql("asking for the files of an upload"))?;
    Ok(rows.iter().filter_map(|row| name(row, 0)).collect())
}

/// Where blobs of these names are needed now; a name that is not needed is left out.
///
/// # Errors
/// When the connection is lost.
pub fn needed_now(
    client: &mut impl GenericClient,
    names: &[PfileName],
) -> Result<Vec<(PfileName, u32, TreeSet)>> {
    let sha1: Vec<String> = names.iter().map(PfileName::sha1_column).collect();
    let rows = client
        .query(
            &format!(
                "SELECT p.pfile_sha1, p.pfile_md5, p.pfile_size, p.pfile_pk, {IS_GOLD}, {IS_FILE}
                   FROM pfile p WHERE p.pfile_sha1 = ANY($1) ORDER BY p.pfile_pk"
            ),
            &[&sha1],
        )
        .map_err(Error::sql("asking whether blobs are needed"))?;
    let set = |yes: bool, tree| {
        if yes {
            TreeSet::of(tree)
        } else {
            TreeSet::NONE
        }
    };
    Ok(rows
        .iter()
        .filter_map(|row| {
            let trees = set(row.get(4), Tree::Gold).union(set(row.get(5), Tree::Files));
            let pfile = u32::try_from(row.get::<_, i32>(3)).ok()?;
            Some((name(row, 0)?, pfile, trees)).filter(|_| !trees.is_empty())
        })
        .collect())
}

/// What we know of these blobs: which ones a policy removed, and which ones unpacking would not
/// give again. Without our tables the first are none.
///
/// # Errors
/// When the connection is lost.
pub fn states(
    client: &mut impl GenericClient,
    pfiles: &[u32],
) -> Result<(BTreeSet<u32>, BTreeSet<u32>)> {
    let failed = Error::sql("asking for the state of blobs");
    let keys = keys(pfiles);
    let (mut pruned, mut not_reproducible) = (BTreeSet::new(), BTreeSet::new());
    let key = |row: &Row| u32::try_from(row.get::<_, i32>(0)).ok();
    let artifacts = client
        .query(
            "SELECT DISTINCT pfile_fk FROM uploadtree WHERE pfile_fk = ANY($1)
                AND ufile_name = 'artifact.meta' AND ufile_mode & (1 << 28) <> 0",
            &[&keys],
        )
        .map_err(&failed)?;
    not_reproducible.extend(artifacts.iter().filter_map(key));
    let ours = client
        .query_one("SELECT to_regclass('backup_blob_state') IS NOT NULL", &[])
        .map_err(&failed)?;
    if ours.get(0) {
        let rows = client
            .query(
                "SELECT pfile_pk, kind = 'pruned' FROM backup_blob_state WHERE pfile_pk = ANY($1)",
                &[&keys],
            )
            .map_err(&failed)?;
        for row in &rows {
            let set = if row.get(1) {
                &mut pruned
            } else {
                &mut not_reproducible
            };
            set.extend(key(row));
        }
    }
    Ok((pruned, not_reproducible))
}
