// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Our own tables in FOSSology's database, and the locks that go with them.
//!
//! Both kinds of locks are PostgreSQL's advisory ones of a session, so they end with their owner,
//! however it dies: one lets a single operation work at a time, the other tells a run that goes on
//! from one that died and left its row saying `running`. Making the tables is one transaction.

use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, GenericClient};
use serde_json::Value;
use uuid::Uuid;

use super::database::{Error, OtherSession, Result};

/// Each version's statements, the first one making version 1.
const VERSIONS: [&str; 1] = [include_str!("../../sql/001_backup.sql")];

/// The lock of the one operation: the letters `fobackup`.
const OPERATION: i64 = 0x666f_6261_636b_7570;
/// The lock under which tables are made.
const TABLES: i64 = OPERATION + 1;
/// The first part of a run's lock, the second one being its id: the letters `forn`.
const RUN: i32 = 0x666f_726e;

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

/// Takes the lock that lets one operation work at a time on this database. It is held until
/// [`unlock`] or the end of the session. The session of a run that was killed ends a moment after
/// it, so that is waited for.
///
/// # Errors
/// When another session has it: the error names that session.
pub fn try_lock(client: &mut Client) -> Result<()> {
    let failed = Error::sql("taking the lock of the operation");
    let mut step = client.transaction().map_err(&failed)?;
    step.batch_execute("SET LOCAL lock_timeout TO '2s'")
        .map_err(&failed)?;
    let locked = step
        .execute("SELECT pg_advisory_lock($1)", &[&OPERATION])
        .map_err(&failed);
    match locked {
        Ok(_) => return step.commit().map_err(&failed),
        Err(error) if error.has_code(&SqlState::LOCK_NOT_AVAILABLE) => {}
        Err(error) => return Err(error),
    }
    drop(step);
    // Who has it may end before we look: then nobody is named.
    let holder = client
        .query_opt(
            "SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
                    CASE WHEN a.client_port = -1 THEN 'local'
                         ELSE coalesce(host(a.client_addr), 'unknown') END
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
              WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32) | l.objid::bigint = $1",
            &[&OPERATION],
        )
        .map_err(&failed)?;
    Err(Error::Locked(holder.map(|row| OtherSession {
        pid: row.get(0),
        user: row.get(1),
        application: row.get(2),
        client: row.get(3),
    })))
}

/// Gives the operation's lock back before the session ends.
///
/// # Errors
/// When the statement fails.
pub fn unlock(client: &mut Client) -> Result<()> {
    client
        .execute("SELECT pg_advisory_unlock($1)", &[&OPERATION])
        .map(drop)
        .map_err(Error::sql("giving back the lock of the operation"))
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All was done.
    Done,
    /// Something is missing or was found; what could be done is done.
    Incomplete,
    /// It was not done.
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Incomplete => "incomplete",
            Outcome::Failed => "failed",
        }
    }
}

/// A run of a verb, which has a row in the history from its start on.
///
/// While it goes on, the session that started it holds its lock: that client must stay open until
/// [`Run::finish`].
#[derive(Debug)]
pub struct Run {
    id: i32,
}

impl Run {
    /// Enters a run: its verb, its mode if it has one, on which host, and who asked for it.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn start(
        client: &mut Client,
        verb: &str,
        mode: Option<&str>,
        host: &str,
        who: &str,
    ) -> Result<Self> {
        let failed = Error::sql("entering the run in the history");
        // Row and lock become visible together, so nobody sees a run that seems to be dead.
        let mut step = client.transaction().map_err(&failed)?;
        let row = step
            .query_one(
                "INSERT INTO backup_run (verb, mode, host, who) VALUES ($1, $2, $3, $4) RETURNING id",
                &[&verb, &mode, &host, &who],
            )
            .map_err(&failed)?;
        let id: i32 = row.get(0);
        step.execute("SELECT pg_advisory_lock($1, $2)", &[&RUN, &id])
            .map_err(&failed)?;
        step.commit().map_err(&failed)?;
        Ok(Self { id })
    }

    /// The run's number in the history.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Enters how it ended: the snapshot that it made or used, counts and bytes, and a message.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn finish(
        self,
        client: &mut Client,
        outcome: Outcome,
        snapshot: Option<&str>,
        counts: &Value,
        message: Option<&str>,
    ) -> Result<()> {
        let failed = Error::sql("entering the run's end in the history");
        client
            .execute(
                "UPDATE backup_run SET ended = clock_timestamp(), state = $2, snapshot = $3,
                                       counts = $4, message = $5
                  WHERE id = $1",
                &[&self.id, &outcome.as_str(), &snapshot, counts, &message],
            )
            .map_err(&failed)?;
        client
            .execute("SELECT pg_advisory_unlock($1, $2)", &[&RUN, &self.id])
            .map(drop)
            .map_err(&failed)
    }

    /// Enters as failed the runs that died without a word, told by a lock that nobody holds.
    /// In a restored database the backup that made its snapshot is one of them: its end was not
    /// known yet. The number of such runs is returned.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn fail_dead(client: &mut Client) -> Result<u64> {
        client
            .execute(
                "UPDATE backup_run SET state = 'failed',
                        message = 'ended without a word (or is the backup this database came from)'
                  WHERE state = 'running' AND NOT EXISTS (
                      SELECT 1 FROM pg_locks
                       WHERE locktype = 'advisory' AND granted AND objsubid = 2
                         AND database = (SELECT oid FROM pg_database
                                          WHERE datname = current_database())
                         AND classid::bigint = $1 AND objid::bigint = backup_run.id)",
                &[&i64::from(RUN)],
            )
            .map_err(Error::sql("looking for dead runs"))
    }
}

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
    use serde_json::json;

    use super::super::database::testing::cluster;
    use super::*;

    fn state(client: &mut Client, run: i32) -> (String, Option<String>, bool) {
        let row = client
            .query_one(
                "SELECT state, snapshot, ended IS NOT NULL FROM backup_run WHERE id = $1",
                &[&run],
            )
            .unwrap();
        (row.get(0), row.get(1), row.get(2))
    }

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
        client.batch_execute(VERSIONS[0]).unwrap();
        assert_eq!(instance_id(&mut client).unwrap(), id);
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
                Error::NewerSchema {
                    found: 99,
                    known: 1
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn one_operation_at_a_time_and_the_second_is_told_who_works() {
        let database = cluster().fossology("UTF8");
        let mut first = database.connect("fo_backup backup").unwrap();
        let mut second = database.connect("fo_backup check").unwrap();
        let pid: i32 = first
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        try_lock(&mut first).unwrap();
        match try_lock(&mut second) {
            Err(Error::Locked(Some(holder))) => {
                assert_eq!(
                    (holder.pid, holder.application.as_str()),
                    (pid, "fo_backup backup")
                );
            }
            other => panic!("{other:?}"),
        }
        // Another instance on the same server has a lock of its own.
        try_lock(&mut cluster().fossology("UTF8").connect("test").unwrap()).unwrap();
        unlock(&mut first).unwrap();
        try_lock(&mut second).unwrap();
    }

    #[test]
    fn a_run_that_dies_is_told_from_one_that_works_and_one_that_ended() {
        let database = cluster().fossology("UTF8");
        let mut client = database.connect("test").unwrap();
        ensure_schema(&mut client).unwrap();

        let mut working = database.connect("test").unwrap();
        let goes_on = Run::start(&mut working, "backup", Some("full"), "here", "me").unwrap();
        let mut other = database.connect("test").unwrap();
        let ended = Run::start(&mut other, "check", None, "here", "me").unwrap();
        let ended_id = ended.id();
        ended
            .finish(
                &mut other,
                Outcome::Incomplete,
                None,
                &json!({"missing": 3}),
                Some("3 missing"),
            )
            .unwrap();
        let mut dying = database.connect("test").unwrap();
        let dead = Run::start(&mut dying, "backup", Some("gold"), "here", "me").unwrap();
        let pid: i32 = dying
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        // Waits until the server process is gone.
        client
            .query_one("SELECT pg_terminate_backend($1, 30000)", &[&pid])
            .unwrap();

        assert_eq!(Run::fail_dead(&mut client).unwrap(), 1);
        assert_eq!(state(&mut client, dead.id()).0, "failed");
        assert_eq!(
            state(&mut client, ended_id),
            ("incomplete".to_owned(), None, true)
        );
        let id = goes_on.id();
        assert_eq!(state(&mut client, id), ("running".to_owned(), None, false));
        goes_on
            .finish(
                &mut working,
                Outcome::Done,
                Some("20260101T000000Z-abc"),
                &json!({}),
                None,
            )
            .unwrap();
        assert_eq!(
            state(&mut client, id),
            (
                "done".to_owned(),
                Some("20260101T000000Z-abc".to_owned()),
                true
            )
        );
        assert_eq!(Run::fail_dead(&mut client).unwrap(), 0);
    }

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
