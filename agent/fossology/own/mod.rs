// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Our own tables in FOSSology's database, and the locks that go with them.
//!
//! Both kinds of locks are PostgreSQL's advisory ones of a session, so they end with their owner,
//! however it dies: one lets a single operation work at a time, the other tells a run that goes on
//! from one that died and left its row saying `running`. Making the tables is one transaction.

pub mod history;
mod keys;
mod lock;
pub mod parts;
pub mod progress;
pub mod pruning;
pub mod requests;
mod restored;
mod run;
mod settle;
mod states;

pub use keys::{VaultKey, keep_vault_key, knows_encrypted_vault, vault_key};
pub use lock::{Files, hold_files, prune_alone, release_files, try_lock, try_lock_shared, unlock};
pub use restored::finish_own_backup;
pub use run::{Asked, Outcome, Restored, Run, enter_restore};
pub use settle::{Settled, settle};
pub use states::{
    BlobState, blobs_in_state, clear_state, count_in_state, enter_not_reproducible, pruned_by_vault,
};

use super::database::{Error, Result};
use postgres::error::SqlState;
use postgres::{Client, GenericClient};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Each version's statements, the first one making version 1.
const VERSIONS: [&str; 8] = [
    include_str!("../../../sql/001_backup.sql"),
    include_str!("../../../sql/002_requests.sql"),
    include_str!("../../../sql/003_parts.sql"),
    include_str!("../../../sql/004_prune.sql"),
    include_str!("../../../sql/005_pages.sql"),
    include_str!("../../../sql/006_continuation.sql"),
    include_str!("../../../sql/007_limits.sql"),
    include_str!("../../../sql/008_keys.sql"),
];

/// The lock of the one operation: the letters `fobackup`.
const OPERATION: i64 = 0x666f_6261_636b_7570;
/// The lock under which tables are made.
const TABLES: i64 = OPERATION + 1;
/// The lock on the repository's files.
const FILES: i64 = OPERATION + 2;
/// The lock of the one who prunes.
const PRUNING: i64 = OPERATION + 3;

/// The version of our tables in the database, none when they are not there.
///
/// # Errors
/// When a statement fails.
pub fn schema_version(client: &mut impl GenericClient) -> Result<Option<u32>> {
    let failed = Error::sql("looking for our own tables");
    let row = client
        .query_one("SELECT to_regclass('backup_instance') IS NOT NULL", &[])
        .map_err(&failed)?;
    if !row.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client
        .query_opt("SELECT schema_version FROM backup_instance", &[])
        .map_err(&failed)?;
    Ok(row.map(|row| row.get::<_, i32>(0).unsigned_abs()))
}

/// Makes our tables where they are missing or older; costs two look-ups where they are there.
///
/// # Errors
/// When the tables are those of a newer program, or when the role may not make tables.
pub fn ensure_schema(client: &mut Client) -> Result<()> {
    let known = VERSIONS.len() as u32;
    if schema_version(client)? == Some(known) {
        return Ok(());
    }
    match make_tables(client, known) {
        Err(Error::Sql { code, message, .. })
            if code == SqlState::INSUFFICIENT_PRIVILEGE.code() =>
        {
            let role = client
                .query_one("SELECT quote_ident(current_user)", &[])
                .map_err(Error::sql("asking for the role's name"))?
                .get(0);
            Err(Error::NoTables { role, message })
        }
        other => other,
    }
}

fn make_tables(client: &mut Client, known: u32) -> Result<()> {
    let failed = Error::sql("making our own tables");
    let mut step = client.transaction().map_err(&failed)?;
    step.execute("SELECT pg_advisory_xact_lock($1)", &[&TABLES])
        .map_err(&failed)?;
    // Another process may have been first.
    let found = schema_version(&mut step)?.unwrap_or(0);
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    // References to pfile and jobqueue wait for their writers, and others wait behind us: not long.
    step.batch_execute("SET LOCAL lock_timeout TO '10s'; SET LOCAL client_min_messages TO warning")
        .map_err(&failed)?;
    for statements in &VERSIONS[found as usize..] {
        step.batch_execute(statements).map_err(&failed)?;
    }
    step.execute(
        "INSERT INTO backup_instance (instance, schema_version) VALUES ($1, $2)
         ON CONFLICT (only_row) DO UPDATE SET schema_version = excluded.schema_version",
        &[&Uuid::new_v4(), &(known as i32)],
    )
    .map_err(&failed)?;
    step.commit().map_err(&failed)
}

/// Which instance this is. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn instance_id(client: &mut impl GenericClient) -> Result<Uuid> {
    let row = client
        .query_one("SELECT instance FROM backup_instance", &[])
        .map_err(Error::sql("reading the instance's id"))?;
    Ok(row.get(0))
}

/// Makes this instance the one with that id, as after a restore to a new machine.
///
/// # Errors
/// When the statement fails.
pub fn adopt_instance(client: &mut impl GenericClient, instance: Uuid) -> Result<()> {
    client
        .execute("UPDATE backup_instance SET instance = $1", &[&instance])
        .map(drop)
        .map_err(Error::sql("taking over an instance's id"))
}

/// Tells the pages how old the last run of each verb may be, in seconds. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn set_limits(client: &mut impl GenericClient, limits: &BTreeMap<&str, i64>) -> Result<()> {
    client
        .execute(
            "UPDATE backup_instance SET limits = $1 WHERE limits IS DISTINCT FROM $1",
            &[&json!(limits)],
        )
        .map(drop)
        .map_err(Error::sql("writing down the schedule's limits"))
}

/// What our tables hold that nobody else knows, in words: parked jobs and pruned blobs.
///
/// # Errors
/// When the statement fails.
pub fn precious(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM backup_parked_job),
                    (SELECT count(*) FROM backup_blob_state),
                    (SELECT count(*) FROM backup_vault_key)",
            &[],
        )
        .map_err(Error::sql("looking into our own tables"))?;
    let (parked, blobs, keys): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    let mut precious = Vec::new();
    if parked > 0 {
        precious.push(format!(
            "{parked} jobs are parked ('fo_backup jobs resume' puts them back)"
        ));
    }
    if blobs > 0 {
        precious.push(format!("{blobs} blobs are pruned or cannot be made again"));
    }
    if keys > 0 {
        precious.push(format!(
            "{keys} encrypted vaults are known, with the keys of their lists ('--identity FILE' brings those back)"
        ));
    }
    Ok(precious)
}

/// Removes all our tables.
///
/// # Errors
/// When the statement fails.
pub fn drop_tables(client: &mut impl GenericClient) -> Result<()> {
    client
        .batch_execute(
            "DROP TABLE IF EXISTS backup_run, backup_part, backup_request, backup_finding, backup_blob_state,
                                  backup_parked_job, backup_proof, backup_verified_pack, backup_prune_batch,
                                  backup_prune_upload, backup_vault_key, backup_instance",
        )
        .map_err(Error::sql("removing our own tables"))
}

#[cfg(test)]
mod tests {
    use super::super::database::testing::cluster;
    use super::*;

    #[test]
    fn our_tables_are_made_once_whoever_comes_first() {
        let database = cluster().fossology("SQL_ASCII");
        let ids: Vec<Uuid> = std::thread::scope(|scope| {
            let each = || {
                let mut client = database.connect("test").unwrap();
                ensure_schema(&mut client).unwrap();
                instance_id(&mut client).unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(each)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));

        let mut client = database.connect("test").unwrap();
        let other = Uuid::new_v4();
        adopt_instance(&mut client, other).unwrap();
        ensure_schema(&mut client).unwrap();
        assert_eq!(instance_id(&mut client).unwrap(), other);
    }

    #[test]
    fn the_statements_may_run_again_over_tables_with_rows() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        let id = instance_id(&mut client).unwrap();
        for statements in VERSIONS {
            client.batch_execute(statements).unwrap();
        }
        assert_eq!(instance_id(&mut client).unwrap(), id);
    }

    #[test]
    fn tables_of_an_older_program_grow_and_keep_their_rows() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        client.batch_execute(VERSIONS[0]).unwrap();
        let id = Uuid::new_v4();
        client
            .execute(
                "INSERT INTO backup_instance (instance, schema_version) VALUES ($1, 1)",
                &[&id],
            )
            .unwrap();
        client
            .batch_execute(
                "INSERT INTO backup_run (verb, host, who) VALUES ('backup', 'here', 'me')",
            )
            .unwrap();
        ensure_schema(&mut client).unwrap();
        assert_eq!(
            schema_version(&mut client).unwrap(),
            Some(VERSIONS.len() as u32)
        );
        assert_eq!(instance_id(&mut client).unwrap(), id);
        let row = client
            .query_one("SELECT count(*), count(request) FROM backup_run", &[])
            .unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 0));
    }

    #[test]
    fn removing_our_tables_leaves_none_and_what_is_precious_is_told_before() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        assert!(precious(&mut client).unwrap().is_empty());
        client
            .batch_execute(
                "INSERT INTO pfile (pfile_pk, pfile_md5, pfile_sha1, pfile_size) VALUES (1, '', '', 0);
                 INSERT INTO backup_blob_state (pfile_pk, kind) VALUES (1, 'pruned')",
            )
            .unwrap();
        assert_eq!(precious(&mut client).unwrap().len(), 1);
        drop_tables(&mut client).unwrap();
        assert_eq!(schema_version(&mut client).unwrap(), None);
        let left = client
            .query_one(
                "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'backup%'",
                &[],
            )
            .unwrap();
        assert_eq!(left.get::<_, i64>(0), 0);
    }

    #[test]
    fn tables_of_a_newer_program_are_left_alone() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute("UPDATE backup_instance SET schema_version = 99")
            .unwrap();
        let error = ensure_schema(&mut client).unwrap_err();
        assert!(
            matches!(
                error,
                Error::NewerSchema { found: 99, known } if known as usize == VERSIONS.len()
            ),
            "{error}"
        );
    }
}
