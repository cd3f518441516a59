// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where uploads came from.

use super::uploads::keys;
use crate::fossology::database::{Error, RawText, Result};
use postgres::GenericClient;

/// Where an upload came from, as FOSSology keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The key of the upload's own file.
    pub pfile: u32,
    /// The upload's key, `upload_pk`.
    pub upload: i32,
    /// A URL, a path, or a file's name.
    pub url: String,
    /// What the agent that fetched it was first asked for. Where it was fetched out of a version
    /// control system this may hold a password: it must not be shown.
    pub asked: Option<String>,
}

/// The uploads whose own files these are.
///
/// # Errors
/// When the connection is lost.
pub fn origins(client: &mut impl GenericClient, pfiles: &[u32]) -> Result<Vec<Origin>> {
    let rows = client
        .query(
            "SELECT u.pfile_fk, u.upload_pk, u.upload_origin,
                    (SELECT q.jq_args FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                      WHERE j.job_upload_fk = u.upload_pk AND q.jq_type = 'wget_agent'
                      ORDER BY q.jq_pk LIMIT 1)
               FROM upload u WHERE u.pfile_fk = ANY($1) ORDER BY u.upload_pk",
            &[&keys(pfiles)],
        )
        .map_err(Error::sql("asking where uploads came from"))?;
    let text = |text: Option<RawText>| text.map(|text| text.lossy().into_owned());
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(Origin {
                pfile: u32::try_from(row.get::<_, i32>(0)).ok()?,
                upload: row.get(1),
                url: text(row.get(2)).unwrap_or_default(),
                asked: text(row.get(3)),
            })
        })
        .collect())
}
