// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How large an instance is, and how fast it grows. Only read.

use crate::fossology::database::{Error, Result};
use postgres::GenericClient;

/// How large an instance is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sizes {
    /// Uploads that are not deleted.
    pub uploads: u64,
    /// Bytes of the database on the server's disk.
    pub database: u64,
    /// Bytes of the uploaded files that came within the last days.
    pub recent: u64,
    /// How many days those are: 90, or all since the first upload; 0 without any.
    pub days: f64,
}

/// Asks for it.
///
/// # Errors
/// When the statement fails.
pub fn sizes(client: &mut impl GenericClient) -> Result<Sizes> {
    let row = client
        .query_one(
            "SELECT count(*), pg_database_size(current_database()),
                    coalesce(sum(greatest(p.pfile_size, 0))
                        FILTER (WHERE u.upload_ts > now() - interval '90 days'), 0)::bigint,
                    coalesce(least(90, extract(epoch FROM now() - min(u.upload_ts)) / 86400),
                             0)::float8
               FROM upload u LEFT JOIN pfile p ON p.pfile_pk = u.pfile_fk
              WHERE u.expire_action IS DISTINCT FROM 'd'",
            &[],
        )
        .map_err(Error::sql("asking how large the instance is"))?;
    Ok(Sizes {
        uploads: row.get::<_, i64>(0).unsigned_abs(),
        database: row.get::<_, i64>(1).unsigned_abs(),
        recent: row.get::<_, i64>(2).unsigned_abs(),
        days: row.get::<_, f64>(3).max(0.0),
    })
}
