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
    pub(super) fn as_str(self) -> &'static str {
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

/// Hands over the keys (`pfile_pk`) of pruned blobs that only a vault was seen to have: unpacking
/// was not seen to give them. Without our tables, or with older ones, there are none.
///
/// # Errors
/// When a statement fails.
pub fn pruned_by_vault(client: &mut impl GenericClient, mut each: impl FnMut(i32)) -> Result<()> {
    if schema_version(client)?.is_none_or(|version| version < PROOFS) {
        return Ok(());
    }
    let failed = Error::sql("reading the state of blobs");
    let mut rows = client
        .query_raw(
            "SELECT pfile_pk FROM backup_blob_state WHERE kind = 'pruned' AND proof = 'vault'",
            [""; 0],
        )
        .map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        each(row.get(0));
    }
    Ok(())
}

/// The version of our tables that has proofs.
const PROOFS: u32 = 4;

/// Enters that unpacking again does not give these blobs, and why. What was pruned is that no
/// longer: it can only come back from a vault. Keys without a row in `pfile` are passed over.
/// Gives the number of blobs that are entered.
///
/// # Errors
/// When a statement fails.
pub fn enter_not_reproducible(
    client: &mut impl GenericClient,
    pfiles: &[u32],
    why: &str,
) -> Result<u64> {
    if schema_version(client)?.is_none() {
        return Ok(0);
    }
    // Locked, so that no deletion comes between the look and the reference to the row.
    client
        .execute(
            "WITH there AS (
                 SELECT p.pfile_pk FROM pfile p WHERE p.pfile_pk = ANY($1) FOR KEY SHARE)
             INSERT INTO backup_blob_state (pfile_pk, kind, why)
             SELECT pfile_pk, $2, $3 FROM there
                 ON CONFLICT (pfile_pk) DO UPDATE
                SET kind = excluded.kind, why = excluded.why, since = now()",
            &[&keys(pfiles), &BlobState::NotReproducible.as_str(), &why],
        )
        .map_err(Error::sql("entering which blobs cannot be unpacked again"))
}

/// Takes this state from these blobs; gives the number of those that had it.
///
/// # Errors
/// When a statement fails.
pub fn clear_state(
    client: &mut impl GenericClient,
    state: BlobState,
    pfiles: &[u32],
) -> Result<u64> {
    if schema_version(client)?.is_none() {
        return Ok(0);
    }
    client
        .execute(
            "DELETE FROM backup_blob_state WHERE kind = $1 AND pfile_pk = ANY($2)",
            &[&state.as_str(), &keys(pfiles)],
        )
        .map_err(Error::sql("clearing the state of blobs"))
}

/// How many blobs are in this state. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn count_in_state(client: &mut impl GenericClient, state: BlobState) -> Result<u64> {
    let row = client
        .query_one(
            "SELECT count(*) FROM backup_blob_state WHERE kind = $1",
            &[&state.as_str()],
        )
        .map_err(Error::sql("counting the states of blobs"))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

fn keys(pfiles: &[u32]) -> Vec<i32> {
    let keys = pfiles.iter().map(|key| i32::try_from(*key));
    keys.filter_map(std::result::Result::ok).collect()
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
        assert_eq!(count_in_state(&mut client, BlobState::Pruned).unwrap(), 2);
        assert_eq!(read(&mut client, BlobState::NotReproducible), [2]);
    }

    #[test]
    fn what_is_learned_of_a_blob_replaces_what_was_known() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        assert_eq!(enter_not_reproducible(&mut client, &[1], "no").unwrap(), 0);
        assert_eq!(
            clear_state(&mut client, BlobState::Pruned, &[1]).unwrap(),
            0
        );
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(
                "INSERT INTO pfile (pfile_md5, pfile_sha1, pfile_size)
                 SELECT n, n, n FROM generate_series(1, 3) n;
                 INSERT INTO backup_blob_state (pfile_pk, kind) VALUES (1, 'pruned'), (3, 'pruned')",
            )
            .unwrap();
        // 4 was deleted meanwhile.
        assert_eq!(
            enter_not_reproducible(&mut client, &[1, 2, 4], "tried").unwrap(),
            2
        );
        let states =
            "SELECT string_agg(pfile_pk || kind || coalesce(why, ''), ' ' ORDER BY pfile_pk)
            FROM backup_blob_state";
        let read =
            |client: &mut Client| -> String { client.query_one(states, &[]).unwrap().get(0) };
        assert_eq!(
            read(&mut client),
            "1not_reproducibletried 2not_reproducibletried 3pruned"
        );
        let cleared = clear_state(&mut client, BlobState::Pruned, &[1, 2, 3]).unwrap();
        assert_eq!(cleared, 1);
        assert_eq!(
            read(&mut client),
            "1not_reproducibletried 2not_reproducibletried"
        );
    }
}
