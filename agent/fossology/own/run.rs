// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The history of runs. A run that goes on is told from one that died by a lock of its session. One
//! that gives way leaves its row as it is, and the entry that goes on with its request takes it up.

use super::lock::unlocked;
use crate::fossology::database::{Error, Result};
use postgres::Client;
use postgres::types::ToSql;
use serde_json::Value;

/// The first part of a run's lock, the second one being its id: the letters `forn`.
pub(super) const RUN: i32 = 0x666f_726e;

/// What is said of a run that died.
pub(super) const DIED: &str = "ended without a word";

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
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Incomplete => "incomplete",
            Outcome::Failed => "failed",
        }
    }
}

/// Who asked for a run, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// A user of the system's, or of FOSSology's for a request.
    pub who: String,
    /// The request that it carries out.
    pub request: Option<i32>,
    /// As which job (job_pk) of FOSSology's scheduler.
    pub job: Option<i32>,
    /// What the run has left that gave way and is gone on with; none at a beginning.
    pub carried: Option<Value>,
}

impl Asked {
    /// By whoever runs this process.
    pub fn here() -> Self {
        Self {
            who: crate::process::user_name(),
            request: None,
            job: None,
            carried: None,
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
    /// Enters a run: its verb, its mode if it has one, on which host, and who asked for it. One that
    /// gave way is gone on with.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn start(
        client: &mut Client,
        verb: &str,
        mode: Option<&str>,
        host: &str,
        asked: &Asked,
    ) -> Result<Self> {
        let failed = Error::sql("entering the run in the history");
        // Row and lock become visible together, so nobody sees a run that seems to be dead.
        let mut step = client.transaction().map_err(&failed)?;
        // A start that a crash of the server forgets is no loss, and the disk is not waited for.
        step.batch_execute("SET LOCAL synchronous_commit TO off")
            .map_err(&failed)?;
        let mut left = None;
        if asked.carried.is_some() {
            let query = format!(
                "UPDATE backup_run SET host = $3 WHERE id = (
                     SELECT min(id) FROM backup_run u
                      WHERE request = $1 AND verb = $2 AND state = 'running' AND {})
                 RETURNING id",
                unlocked(RUN, "u.id")
            );
            let values: [&(dyn ToSql + Sync); 3] = [&asked.request, &verb, &host];
            left = step.query_opt(&query, &values).map_err(&failed)?;
        }
        let row = match left {
            Some(row) => row,
            None => step
                .query_one(
                    "INSERT INTO backup_run (verb, mode, host, who, request, job)
                     VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
                    &[&verb, &mode, &host, &asked.who, &asked.request, &asked.job],
                )
                .map_err(&failed)?,
        };
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
            .map_err(failed)?;
        self.unlock(client)
    }

    /// Leaves it as it is, since the entry of the queue goes on with it in which its request does.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn leave(self, client: &mut Client) -> Result<()> {
        self.unlock(client)
    }

    fn unlock(&self, client: &mut Client) -> Result<()> {
        client
            .execute("SELECT pg_advisory_unlock($1, $2)", &[&RUN, &self.id])
            .map(drop)
            .map_err(Error::sql("giving back a run's lock"))
    }
}

/// How a database came out of a vault.
#[derive(Debug, Clone, Copy)]
pub struct Restored<'a> {
    /// The snapshot's id.
    pub snapshot: &'a str,
    /// What of the repository the snapshot holds.
    pub mode: &'a str,
    /// On which host it was restored.
    pub host: &'a str,
    /// Whether all of the snapshot came.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Counts.
    pub counts: &'a Value,
}

/// Enters in a restored database where it comes from. A row of the same snapshot's restore can only
/// be of one that was interrupted after it: no dump holds its own restore.
///
/// # Errors
/// When the statement fails.
pub fn enter_restore(client: &mut Client, asked: &Asked, restored: &Restored<'_>) -> Result<()> {
    client
        .execute(
            "WITH interrupted AS (
                 DELETE FROM backup_run WHERE verb = 'restore' AND snapshot = $1)
             INSERT INTO backup_run (verb, mode, started, ended, host, who, state, snapshot, counts)
             VALUES ('restore', $2, clock_timestamp() - make_interval(secs => $3), clock_timestamp(),
                     $4, $5, $6, $1, $7)",
            &[
                &restored.snapshot,
                &restored.mode,
                &restored.seconds,
                &restored.host,
                &asked.who,
                &restored.outcome.as_str(),
                restored.counts,
            ],
        )
        .map(drop)
        .map_err(Error::sql("entering the restore in the history"))
}

#[cfg(test)]
mod tests {
    use super::super::{ensure_schema, settle};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

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
    fn a_run_that_dies_is_told_from_one_that_works_and_one_that_ended() {
        let database = cluster().fossology("UTF8");
        let mut client = database.connect("test").unwrap();
        ensure_schema(&mut client).unwrap();

        let mut working = database.connect("test").unwrap();
        let goes_on =
            Run::start(&mut working, "backup", Some("full"), "here", &Asked::here()).unwrap();
        let mut other = database.connect("test").unwrap();
        let ended = Run::start(&mut other, "check", None, "here", &Asked::here()).unwrap();
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
        let dead = Run::start(&mut dying, "backup", Some("gold"), "here", &Asked::here()).unwrap();
        let pid: i32 = dying
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        // Waits until the server process is gone.
        client
            .query_one("SELECT pg_terminate_backend($1, 30000)", &[&pid])
            .unwrap();

        assert_eq!(settle(&mut client).unwrap().runs, 1);
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
        assert_eq!(settle(&mut client).unwrap().runs, 0);
    }

    #[test]
    fn a_restore_that_is_interrupted_and_goes_on_is_entered_once() {
        let mut client = cluster().fossology("SQL_ASCII").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        let counts = json!({"not_in_snapshot": 7});
        let mut restored = Restored {
            snapshot: "20260101T000000Z-abc",
            mode: "gold",
            host: "here",
            outcome: Outcome::Incomplete,
            seconds: 90.0,
            counts: &counts,
        };
        enter_restore(&mut client, &Asked::here(), &restored).unwrap();
        restored.outcome = Outcome::Done;
        enter_restore(&mut client, &Asked::here(), &restored).unwrap();
        let row = client
            .query_one(
                "SELECT count(*), min(mode), min(state), min(snapshot),
                        min(extract(epoch FROM ended - started))::integer,
                        min(counts->>'not_in_snapshot')
                   FROM backup_run WHERE verb = 'restore'",
                &[],
            )
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
        let words: (&str, &str, &str) = (row.get(1), row.get(2), row.get(3));
        assert_eq!(words, ("gold", "done", "20260101T000000Z-abc"));
        assert_eq!((row.get::<_, i32>(4), row.get::<_, &str>(5)), (90, "7"));
    }
}
