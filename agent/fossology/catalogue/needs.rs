// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which uploads need some blobs.

use crate::blob::PfileName;
use crate::fossology::database::{Error, RawText, Result};
use postgres::GenericClient;

/// An upload that needs some of the blobs that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadNeed {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name.
    pub filename: RawText,
    /// How many of the blobs it needs.
    pub blobs: u64,
}

/// The uploads that need at least one of these blobs, in the order of their keys. The blobs are
/// looked up by name, so it does not matter under which key an earlier database had them.
///
/// # Errors
/// When the connection is lost.
pub fn uploads_that_need(
    client: &mut impl GenericClient,
    names: &[PfileName],
) -> Result<Vec<UploadNeed>> {
    let sha1: Vec<String> = names.iter().map(PfileName::sha1_column).collect();
    let md5: Vec<String> = names.iter().map(PfileName::md5_column).collect();
    let size: Vec<i64> = names
        .iter()
        .map(|name| i64::try_from(name.size()).unwrap_or(i64::MAX))
        .collect();
    let rows = client
        .query(
            "WITH wanted AS MATERIALIZED (
                 SELECT p.pfile_pk
                   FROM unnest($1::text[], $2::text[], $3::int8[]) AS w (sha1, md5, size)
                   JOIN pfile p ON p.pfile_sha1 = w.sha1::bpchar AND p.pfile_md5 = w.md5::bpchar
                               AND p.pfile_size = w.size
             ), needing AS (
                 SELECT t.upload_fk AS upload, w.pfile_pk
                   FROM wanted w JOIN uploadtree t ON t.pfile_fk = w.pfile_pk
                  UNION
                 SELECT u.upload_pk, w.pfile_pk
                   FROM wanted w JOIN upload u ON u.pfile_fk = w.pfile_pk
             )
             SELECT u.upload_pk, u.upload_filename, count(*)
               FROM needing n JOIN upload u ON u.upload_pk = n.upload
              GROUP BY u.upload_pk, u.upload_filename
              ORDER BY u.upload_pk",
            &[&sha1, &md5, &size],
        )
        .map_err(Error::sql("asking which uploads need damaged blobs"))?;
    Ok(rows
        .iter()
        .map(|row| UploadNeed {
            upload: row.get(0),
            filename: row.get::<_, Option<RawText>>(1).unwrap_or_default(),
            blobs: row.get::<_, i64>(2).unsigned_abs(),
        })
        .collect())
}
