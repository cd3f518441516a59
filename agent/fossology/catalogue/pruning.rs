// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a policy of pruning needs to know, at one moment: facts about uploads, and every place of
//! every blob as a stream, upload by upload. Only what is asked for is joined. Everything is only
//! read.

use super::Moment;
use super::rows::{copy_rows, int4, int8};
use super::uploads::name;
use crate::blob::PfileName;
use crate::fossology::database::{Error, RawText, Result};
use std::collections::BTreeSet;

/// An upload as far as pruning asks.
#[derive(Clone, Debug)]
pub struct PrunedUpload {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// The key of its own file.
    pub gold_key: Option<u32>,
    /// The name of its own file, if it is one.
    pub gold: Option<PfileName>,
    /// Whether it was deleted; its row stays.
    pub deleted: bool,
    /// The name of who uploaded it.
    pub user: Vec<u8>,
    /// Seconds since it came.
    pub age: u64,
}

/// A place of a blob in an upload, or a folder on the way to one.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeRow<'a> {
    /// The upload.
    pub upload: i32,
    /// The blob's key; none for folders, which only come when paths are asked for.
    pub pfile: Option<u32>,
    /// `ufile_mode`.
    pub mode: u32,
    /// The blob's size in bytes.
    pub size: u64,
    /// The key of its type.
    pub mimetype: Option<i32>,
    /// The name in the upload; empty unless asked for.
    pub name: &'a [u8],
    /// Its numbers in the nested set, when paths are asked for and it has some.
    pub range: Option<(i32, i32)>,
}

/// What of a place is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Types.
    pub mimetypes: bool,
    /// Names.
    pub names: bool,
    /// The numbers of the nested set, names and folders: all that makes paths. Rows then come in
    /// the order in which a walk through the tree meets them.
    pub paths: bool,
}

/// Whether an entry of the queue has not ended.
const IS_LIVE: &str = "q.jq_end_bits < 2 AND (q.jq_starttime IS NULL OR q.jq_endtime IS NULL)";

impl Moment<'_> {
    /// All uploads, in the order of their keys.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn pruned_uploads(&mut self) -> Result<Vec<PrunedUpload>> {
        let rows = self
            .transaction()
            .query(
                "SELECT u.upload_pk, u.upload_filename, u.pfile_fk,
                        p.pfile_sha1, p.pfile_md5, p.pfile_size,
                        coalesce(u.expire_action = 'd', false), coalesce(s.user_name, ''),
                        extract(epoch FROM now() - u.upload_ts)::bigint
                   FROM upload u LEFT JOIN pfile p ON p.pfile_pk = u.pfile_fk
                   LEFT JOIN users s ON s.user_pk = u.user_fk
                  ORDER BY u.upload_pk",
                &[],
            )
            .map_err(Error::sql("asking for uploads"))?;
        let upload = |row: &postgres::Row| PrunedUpload {
            upload: row.get(0),
            filename: row.get::<_, RawText>(1).lossy().into_owned(),
            gold_key: key(row.get(2)),
            gold: name(row, 3),
            deleted: row.get(6),
            user: row.get::<_, RawText>(7).bytes().to_vec(),
            age: seconds(row.get(8)),
        };
        Ok(rows.iter().map(upload).collect())
    }

    /// The uploads that a job waits for or works on, as far as it names one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn busy_uploads(&mut self) -> Result<BTreeSet<i32>> {
        busy_uploads(self.transaction())
    }

    /// Seconds since the last job of each upload that had one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn last_jobs(&mut self) -> Result<Vec<(i32, u64)>> {
        self.times(
            "SELECT j.job_upload_fk, max(greatest(j.job_queued, q.jq_starttime, q.jq_endtime))
               FROM job j LEFT JOIN jobqueue q ON q.jq_job_fk = j.job_pk
              WHERE j.job_upload_fk IS NOT NULL GROUP BY 1",
        )
    }

    /// Seconds since the decisions of each upload that has some were last changed.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn last_decisions(&mut self) -> Result<Vec<(i32, u64)>> {
        let mut all = Vec::new();
        for table in ["clearing_event", "clearing_decision"] {
            if self.has_table(table)? {
                all.extend(self.times(&format!(
                    "SELECT t.upload_fk, max(d.date_added)
                       FROM {table} d JOIN uploadtree t ON t.uploadtree_pk = d.uploadtree_fk
                      GROUP BY 1"
                ))?);
            }
        }
        Ok(all)
    }

    fn times(&mut self, query: &str) -> Result<Vec<(i32, u64)>> {
        let rows = self
            .transaction()
            .query(
                &format!(
                    "SELECT a.upload, extract(epoch FROM now() - a.at)::bigint
                       FROM ({query}) AS a (upload, at) WHERE a.at IS NOT NULL"
                ),
                &[],
            )
            .map_err(Error::sql("asking when uploads were last touched"))?;
        Ok(rows
            .iter()
            .map(|row| (row.get(0), seconds(row.get(1))))
            .collect())
    }

    fn has_table(&mut self, table: &str) -> Result<bool> {
        let row = self
            .transaction()
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&table])
            .map_err(Error::sql("looking for a table"))?;
        Ok(row.get(0))
    }

    /// The folders that uploads lie in, as paths; one that lies in several comes several times.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn folders(&mut self) -> Result<Vec<(i32, Vec<u8>)>> {
        // Folders may be linked in several places, and nothing forbids a circle.
        let rows = self
            .transaction()
            .query(
                "WITH RECURSIVE f (folder, path, level) AS (
                     SELECT folder_pk, folder_name, 0 FROM folder
                      WHERE folder_pk NOT IN (
                            SELECT child_id FROM foldercontents WHERE foldercontents_mode = 1)
                      UNION ALL
                     SELECT c.child_id, f.path || '/' || d.folder_name, f.level + 1
                       FROM f JOIN foldercontents c ON c.parent_fk = f.folder
                              AND c.foldercontents_mode = 1
                       JOIN folder d ON d.folder_pk = c.child_id
                      WHERE f.level < 32)
                 SELECT c.child_id, f.path FROM f
                   JOIN foldercontents c ON c.parent_fk = f.folder AND c.foldercontents_mode = 2",
                &[],
            )
            .map_err(Error::sql("asking in which folders uploads lie"))?;
        Ok(rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, RawText>(1).bytes().to_vec()))
            .collect())
    }

    /// Each group's status of each upload, as `upload_clearing` has it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn statuses(&mut self) -> Result<Vec<(i32, i32)>> {
        let rows = self
            .transaction()
            .query(
                "SELECT upload_fk, coalesce(status_fk, 1) FROM upload_clearing",
                &[],
            )
            .map_err(Error::sql("asking for the status of uploads"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The agents that have scanned uploads with success.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn scans(&mut self) -> Result<Vec<(i32, String)>> {
        let rows = self
            .transaction()
            .query(
                "SELECT DISTINCT r.upload_fk, a.agent_name FROM ars_master r
                   JOIN agent a ON a.agent_pk = r.agent_fk WHERE r.ars_success",
                &[],
            )
            .map_err(Error::sql("asking which agents have scanned uploads"))?;
        Ok(rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, RawText>(1).lossy().into_owned()))
            .collect())
    }

    /// The names of types by their keys.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn mimetypes(&mut self) -> Result<Vec<(i32, Vec<u8>)>> {
        let rows = self
            .transaction()
            .query("SELECT mimetype_pk, mimetype_name FROM mimetype", &[])
            .map_err(Error::sql("asking for types"))?;
        Ok(rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, RawText>(1).bytes().to_vec()))
            .collect())
    }

    /// The keys of blobs with licence findings, in no order; one may come several times.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn with_findings(&mut self, mut each: impl FnMut(u32)) -> Result<()> {
        copy_rows(
            self.transaction(),
            "asking for licence findings",
            "SELECT f.pfile_fk FROM license_file f WHERE f.rf_fk IS NOT NULL
                AND f.rf_fk NOT IN (SELECT rf_pk FROM license_ref
                     WHERE rf_shortname IN ('No_license_found', 'Void'))",
            |row| {
                if let Some(key) = key(int4(row[0])) {
                    each(key);
                }
                Ok(())
            },
        )
    }

    /// Pairs of keys whose blobs have the same name: their rows differ in the SHA-256 alone. Each
    /// pair comes both ways.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn twins(&mut self, mut each: impl FnMut(u32, u32)) -> Result<()> {
        copy_rows(
            self.transaction(),
            "looking for blobs with several rows",
            "WITH same AS MATERIALIZED (
                 SELECT pfile_sha1 FROM pfile GROUP BY pfile_sha1 HAVING count(*) > 1)
             SELECT a.pfile_pk, b.pfile_pk FROM same
               JOIN pfile a ON a.pfile_sha1 = same.pfile_sha1
               JOIN pfile b ON b.pfile_sha1 = same.pfile_sha1 AND b.pfile_md5 = a.pfile_md5
                AND b.pfile_size = a.pfile_size
              WHERE a.pfile_pk <> b.pfile_pk",
            |row| {
                if let (Some(a), Some(b)) = (key(int4(row[0])), key(int4(row[1]))) {
                    each(a, b);
                }
                Ok(())
            },
        )
    }

    /// Every place of every blob, upload by upload.
    ///
    /// # Errors
    /// When the connection is lost, or `each` fails.
    pub fn places(
        &mut self,
        columns: Columns,
        mut each: impl FnMut(&TreeRow<'_>) -> Result<()>,
    ) -> Result<()> {
        self.transaction()
            .batch_execute("SET LOCAL work_mem = '64MB'")
            .map_err(Error::sql("asking for memory to sort in"))?;
        let mimetype = pick(columns.mimetypes, "p.pfile_mimetypefk", "NULL::int4");
        let name = pick(columns.names || columns.paths, "t.ufile_name", "''::text");
        let (range, join, order) = if columns.paths {
            let order = "t.upload_fk, t.lft NULLS FIRST";
            ("t.lft, t.rgt", "LEFT JOIN", order)
        } else {
            ("NULL::int4, NULL::int4", "JOIN", "t.upload_fk")
        };
        copy_rows(
            self.transaction(),
            "listing the places of blobs",
            &format!(
                "SELECT t.upload_fk, t.pfile_fk, coalesce(t.ufile_mode, 0), p.pfile_size,
                        {mimetype}, {name}, {range}
                   FROM uploadtree t {join} pfile p ON p.pfile_pk = t.pfile_fk
                  ORDER BY {order}"
            ),
            |row| {
                let Some(upload) = int4(row[0]) else {
                    return Ok(());
                };
                let size = int8(row[3]).and_then(|size| u64::try_from(size).ok());
                each(&TreeRow {
                    upload,
                    pfile: key(int4(row[1])),
                    mode: int4(row[2]).unwrap_or(0).cast_unsigned(),
                    size: size.unwrap_or(0),
                    mimetype: int4(row[4]),
                    name: row[5].unwrap_or_default(),
                    range: int4(row[6]).zip(int4(row[7])),
                })
            },
        )
    }

    /// Keys and names of the blobs whose SHA-1 begins with this byte, in the order of names; a row
    /// whose hashes or size are none is left out.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn names_from(&mut self, first: u8, mut each: impl FnMut(u32, PfileName)) -> Result<()> {
        // Digits come before letters in every order, so a range of text is one of bytes.
        let below = first
            .checked_add(1)
            .map_or_else(String::new, |next| format!("AND pfile_sha1 < '{next:02X}'"));
        copy_rows(
            self.transaction(),
            "asking for the names of blobs",
            &format!(
                "SELECT pfile_pk, pfile_sha1, pfile_md5, pfile_size FROM pfile
                  WHERE pfile_sha1 >= '{first:02X}' {below} ORDER BY pfile_sha1"
            ),
            |row| {
                let name = PfileName::from_database(
                    row[1].unwrap_or_default(),
                    row[2].unwrap_or_default(),
                    int8(row[3]).unwrap_or(-1),
                );
                if let (Some(key), Ok(name)) = (key(int4(row[0])), name) {
                    each(key, name);
                }
                Ok(())
            },
        )
    }
}

/// As [`Moment::busy_uploads`], now.
///
/// # Errors
/// When the connection is lost.
pub fn busy_uploads(client: &mut impl postgres::GenericClient) -> Result<BTreeSet<i32>> {
    uploads_with_jobs(client, IS_LIVE)
}

/// The uploads whose deletion waits or is at work, now.
///
/// # Errors
/// When the connection is lost.
pub fn doomed_uploads(client: &mut impl postgres::GenericClient) -> Result<BTreeSet<i32>> {
    uploads_with_jobs(client, &format!("{IS_LIVE} AND q.jq_type = 'delagent'"))
}

fn uploads_with_jobs(
    client: &mut impl postgres::GenericClient,
    condition: &str,
) -> Result<BTreeSet<i32>> {
    let rows = client
        .query(
            &format!(
                "SELECT DISTINCT j.job_upload_fk FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                  WHERE j.job_upload_fk IS NOT NULL AND {condition}"
            ),
            &[],
        )
        .map_err(Error::sql("asking which uploads have jobs"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The uploads that are not among these, sorted.
///
/// # Errors
/// When the connection is lost.
pub fn other_uploads(client: &mut impl postgres::GenericClient, known: &[i32]) -> Result<Vec<i32>> {
    let rows = client
        .query(
            "SELECT u.upload_pk FROM upload u LEFT JOIN unnest($1::int4[]) AS k (key)
                 ON k.key = u.upload_pk WHERE k.key IS NULL ORDER BY 1",
            &[&known],
        )
        .map_err(Error::sql("asking which uploads are new"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The keys of all blobs that an upload needs now, by any row with the same name.
///
/// # Errors
/// When the connection is lost.
pub fn keys_by_any_row(client: &mut impl postgres::GenericClient, upload: i32) -> Result<Vec<u32>> {
    let rows = client
        .query(
            "SELECT DISTINCT q.pfile_pk FROM (
                 SELECT pfile_fk FROM uploadtree WHERE upload_fk = $1
                  UNION SELECT pfile_fk FROM upload WHERE upload_pk = $1) AS n
               JOIN pfile p ON p.pfile_pk = n.pfile_fk
               JOIN pfile q ON q.pfile_sha1 = p.pfile_sha1 AND q.pfile_md5 = p.pfile_md5
                AND q.pfile_size = p.pfile_size",
            &[&upload],
        )
        .map_err(Error::sql("asking for the blobs of an upload"))?;
    Ok(rows.iter().filter_map(|row| key(row.get(0))).collect())
}

/// Keeps everybody from changing the job queue until the transaction ends, so that no job begins
/// meanwhile. `false` when it was not given within some seconds.
///
/// # Errors
/// When the connection is lost. After `false` the transaction can only be rolled back.
pub fn hold_queue(step: &mut postgres::Transaction<'_>) -> Result<bool> {
    let held =
        step.batch_execute("SET LOCAL lock_timeout TO '5s'; LOCK TABLE jobqueue IN SHARE MODE");
    match held {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Some(&postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
            Ok(false)
        }
        Err(error) => Err(Error::sql("holding the job queue")(error)),
    }
}

fn key(value: Option<i32>) -> Option<u32> {
    // Folders have none, or the key 0.
    value
        .and_then(|key| u32::try_from(key).ok())
        .filter(|key| *key > 0)
}

fn seconds(value: Option<i64>) -> u64 {
    value
        .and_then(|value| u64::try_from(value).ok())
        .unwrap_or(0)
}

fn pick<'a>(wanted: bool, column: &'a str, nothing: &'a str) -> &'a str {
    if wanted { column } else { nothing }
}

#[cfg(test)]
mod tests;
