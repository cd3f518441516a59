// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What we know of single blobs that FOSSology's tables don't tell.

use super::schema_version;
use crate::fossology::database::{Error, Result};
use postgres::GenericClient;
use postgres::fallible_iterator::FallibleIterator;

/// What we know of a blob that FOSSology's tables don't tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobState {
    /// Removed from the repository by a policy; it can be unpacked again.
    Pruned,
    /// Unpacking again would not give it: it must be backed up and never be pruned.
    NotReproducible,
}

impl BlobState {
    fn as_str(self) -> &'static str {
        match self {
            BlobState::Pruned => "pruned",
            BlobState::NotReproducible => "not_reproducible",
        }
    }
}

/// Hands over the keys (`pfile_pk`) of the blobs in this state, in ascending order and one by one,
/// so that any number of them takes no memory. Without our tables there are none.
///
/// # Errors
/// When a statement fails.
pub fn blobs_in_state(
    client: &mut impl GenericClient,
    state: BlobState,
    mut each: impl FnMut(i32),
) -> Result<()> {
    if schema_version(client)?.is_none() {
        return Ok(());
    }
    let failed = Error::sql("reading the state of blobs");
    let mut rows = client
        .query_raw(
            "SELECT pfile_pk FROM backup_blob_state WHERE kind = $1 ORDER BY pfile_pk",
            [state.as_str()],
        )
        .map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        each(row.get(0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ensure_schema;
    use super::*;
    use crate::fossology::database::testing::cluster;
    use postgres::Client;

    #[test]
    fn the_state_of_blobs_is_read_in_order_and_never_stops_a_deletion() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        let read = |client: &mut Client, state| {
            let mut keys = Vec::new();
            blobs_in_state(client, state, |key| keys.push(key)).unwrap();
            keys
        };
        assert!(read(&mut client, BlobState::Pruned).is_empty());

        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(
                "INSERT INTO pfile (pfile_md5, pfile_sha1, pfile_size)
                 SELECT n, n, n FROM generate_series(1, 4) n;
                 INSERT INTO backup_blob_state (pfile_pk, kind)
                 VALUES (3, 'pruned'), (1, 'pruned'), (2, 'not_reproducible'), (4, 'pruned');
                 DELETE FROM pfile WHERE pfile_pk = 4",
            )
            .unwrap();
        assert_eq!(read(&mut client, BlobState::Pruned), [1, 3]);
        assert_eq!(read(&mut client, BlobState::NotReproducible), [2]);
    }
}
