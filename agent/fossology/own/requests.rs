// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What people ask the scheduler's agent for. A request is carried out by one process at a time,
//! which holds a lock of its session while it does so: a request whose process died says `running`
//! until somebody looks, and its job, started anew, carries it out from where it was. One that gives
//! way says `running` too, and names the entry of the queue in which it goes on.

use super::lock::locked_within;
use super::{Outcome, instance_id};
use crate::fossology::database::{Error as DatabaseError, Result as DatabaseResult};
use postgres::{Client, GenericClient, Row};
use serde_json::Value;
use uuid::Uuid;

/// The first part of a request's lock, the second one being its id: the letters `forq`.
pub(super) const REQUEST: i32 = 0x666f_7271;

/// Why a request is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its row is not there.
    #[error(
        "there is no request {0} in table backup_request; ask anew with 'fo_backup queue', which makes request and job"
    )]
    Unknown(i32),
    /// It was made in another instance.
    #[error(
        "request {id} was made for FOSSology instance {theirs}, and this is instance {ours} (a copy of it?); ask anew with 'fo_backup queue'"
    )]
    OtherInstance {
        /// Its number.
        id: i32,
        /// Which instance it is for.
        theirs: Uuid,
        /// Which instance this is.
        ours: Uuid,
    },
    /// Another process is at it.
    #[error("request {id} is being carried out already, on {host}; wait for that, or ask anew")]
    Running {
        /// Its number.
        id: i32,
        /// Where.
        host: String,
        /// As which job (`job_pk`).
        job: Option<i32>,
    },
    /// It was carried out before.
    #[error("request {id} was carried out already ({state}); ask anew with 'fo_backup queue'")]
    Done {
        /// Its number.
        id: i32,
        /// How it ended.
        state: String,
        /// By which job (`job_pk`).
        job: Option<i32>,
        /// What it told then.
        message: Option<String>,
    },
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A request that this session carries out: it holds its lock and must stay open until
/// [`Request::finish`].
#[derive(Debug)]
pub struct Request {
    /// Its number.
    pub id: i32,
    /// What is to be done.
    pub verb: String,
    /// How, an object.
    pub parameters: Value,
    /// Who asked.
    pub who: String,
    /// What was done before it gave way to others; none at a beginning.
    pub carried: Option<Value>,
}

/// How a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `queued`, `running`, `done`, `incomplete` or `failed`.
    pub state: String,
    /// What came of it, in words.
    pub message: Option<String>,
}

/// Enters a request; gives its number. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn ask(
    client: &mut impl GenericClient,
    verb: &str,
    parameters: &Value,
    who: &str,
) -> DatabaseResult<i32> {
    let instance = instance_id(client)?;
    let row = client
        .query_one(
            "INSERT INTO backup_request (instance, verb, parameters, who)
             VALUES ($1, $2, $3, $4) RETURNING id",
            &[&instance, &verb, parameters, &who],
        )
        .map_err(DatabaseError::sql("entering the request"))?;
    Ok(row.get(0))
}

/// Enters which job (`job_pk`) a request was given to.
///
/// # Errors
/// When the statement fails.
pub fn given_to_job(client: &mut impl GenericClient, id: i32, job: i32) -> DatabaseResult<()> {
    client
        .execute(
            "UPDATE backup_request SET job = $2 WHERE id = $1",
            &[&id, &job],
        )
        .map(drop)
        .map_err(DatabaseError::sql("entering the request's job"))
}

/// How a request stands, none when it is not there.
///
/// # Errors
/// When the statement fails.
pub fn standing(client: &mut impl GenericClient, id: i32) -> DatabaseResult<Option<Standing>> {
    let row = client
        .query_opt(
            "SELECT state, message FROM backup_request WHERE id = $1",
            &[&id],
        )
        .map_err(DatabaseError::sql("looking how the request stands"))?;
    Ok(row.map(|row| Standing {
        state: row.get(0),
        message: row.get(1),
    }))
}

/// How the request of a job ended, if it was carried out: state and message.
///
/// # Errors
/// When the statement fails.
pub fn ended(client: &mut impl GenericClient, job: i32) -> DatabaseResult<Option<Standing>> {
    let row = client
        .query_opt(
            "SELECT state, message FROM backup_request
              WHERE job = $1 AND state IN ('done', 'incomplete') ORDER BY id DESC LIMIT 1",
            &[&job],
        )
        .map_err(DatabaseError::sql("looking how the job's request ended"))?;
    Ok(row.map(|row| Standing {
        state: row.get(0),
        message: row.get(1),
    }))
}

/// Takes a request to carry it out as a job. One that failed may be tried again, and one whose
/// process died too: that is what a job does that is started anew.
///
/// # Errors
/// [`Error`] says why it is not to be carried out. The row of one that was made for another
/// instance says so too, that of one which is being or was carried out stays as it is.
pub fn take(client: &mut Client, id: i32, job: i32, host: &str) -> Result<Request, Error> {
    if !lock(client, id)? {
        let row = find(client, id)?.ok_or(Error::Unknown(id))?;
        return Err(Error::Running {
            id,
            host: row.get::<_, Option<String>>("host").unwrap_or_default(),
            job: row.get("job"),
        });
    }
    let taken = take_locked(client, id, job, host);
    if taken.is_err() {
        // The session's end would give it back as well.
        let _ = client.execute("SELECT pg_advisory_unlock($1, $2)", &[&REQUEST, &id]);
    }
    taken
}

fn take_locked(client: &mut Client, id: i32, job: i32, host: &str) -> Result<Request, Error> {
    let row = find(client, id)?.ok_or(Error::Unknown(id))?;
    let (theirs, ours) = (row.get("instance"), instance_id(client)?);
    if theirs != ours {
        let error = Error::OtherInstance { id, theirs, ours };
        client
            .execute(
                "UPDATE backup_request SET state = 'failed', message = $2 WHERE id = $1",
                &[&id, &error.to_string()],
            )
            .map_err(DatabaseError::sql("refusing the request"))?;
        return Err(error);
    }
    let state: String = row.get("state");
    if state == "done" || state == "incomplete" {
        return Err(Error::Done {
            id,
            state,
            job: row.get("job"),
            message: row.get("message"),
        });
    }
    client
        .execute(
            "UPDATE backup_request
                SET state = 'running', ended = NULL, job = $2, host = $3, counts = '{}',
                    started = CASE WHEN carried IS NULL THEN clock_timestamp() ELSE started END,
                    message = NULL
              WHERE id = $1",
            &[&id, &job, &host],
        )
        .map_err(DatabaseError::sql("taking the request"))?;
    Ok(Request {
        id,
        verb: row.get("verb"),
        parameters: row.get("parameters"),
        who: row.get("who"),
        carried: row.get("carried"),
    })
}

/// Takes the request's lock. The session of a run that was killed ends a moment after it, so that
/// is waited for.
fn lock(client: &mut Client, id: i32) -> DatabaseResult<bool> {
    let lock = "SELECT pg_advisory_lock($1, $2)";
    locked_within(client, lock, &[&REQUEST, &id])
        .map_err(DatabaseError::sql("taking the lock of the request"))
}

fn find(client: &mut Client, id: i32) -> DatabaseResult<Option<Row>> {
    client
        .query_opt(
            "SELECT instance, verb, parameters, who, state, host, job, message, carried
               FROM backup_request WHERE id = $1",
            &[&id],
        )
        .map_err(DatabaseError::sql("looking for the request"))
}

impl Request {
    /// Enters how it ended, with counts and what to tell people.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn finish(
        &self,
        client: &mut Client,
        outcome: Outcome,
        counts: &Value,
        message: &str,
    ) -> DatabaseResult<()> {
        let failed = DatabaseError::sql("entering the request's end");
        client
            .execute(
                "UPDATE backup_request
                    SET state = $2, ended = clock_timestamp(), counts = $3, message = $4,
                        carried = CASE WHEN $2 = 'failed' THEN carried END
                  WHERE id = $1",
                &[&self.id, &outcome.as_str(), counts, &message],
            )
            .map_err(failed)?;
        self.leave(client)
    }

    /// Enters that it goes on in another entry of the queue (`jq_pk`), and what that has to know.
    /// Its lock has to be kept until this is committed.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn give_way(
        &self,
        step: &mut impl GenericClient,
        entry: i32,
        carried: &Value,
    ) -> DatabaseResult<()> {
        step.execute(
            "UPDATE backup_request SET continued_by = $2, carried = $3 WHERE id = $1",
            &[&self.id, &entry, carried],
        )
        .map(drop)
        .map_err(DatabaseError::sql("entering that the request gives way"))
    }

    /// Gives its lock back.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn leave(&self, client: &mut Client) -> DatabaseResult<()> {
        client
            .execute("SELECT pg_advisory_unlock($1, $2)", &[&REQUEST, &self.id])
            .map(drop)
            .map_err(DatabaseError::sql("giving back a request's lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{adopt_instance, ensure_schema, settle};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

    #[test]
    fn a_request_is_carried_out_once_and_tells_how_it_went() {
        let database = cluster().fossology("UTF8");
        let mut client = database.connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        let id = ask(&mut client, "backup", &json!({"mode": "gold"}), "fossy").unwrap();
        given_to_job(&mut client, id, 57).unwrap();
        assert_eq!(standing(&mut client, id).unwrap().unwrap().state, "queued");

        let request = take(&mut client, id, 57, "here").unwrap();
        assert_eq!(
            (request.verb.as_str(), request.who.as_str()),
            ("backup", "fossy")
        );
        assert_eq!(request.parameters, json!({"mode": "gold"}));
        let mut other = database.connect("other").unwrap();
        let error = take(&mut other, id, 58, "there").unwrap_err();
        assert!(
            matches!(&error, Error::Running { host, .. } if host == "here"),
            "{error}"
        );
        assert_eq!(settle(&mut other).unwrap().requests, 0);

        request
            .finish(&mut client, Outcome::Done, &json!({"new": 3}), "snapshot x")
            .unwrap();
        let standing = standing(&mut client, id).unwrap().unwrap();
        assert_eq!(standing.state, "done");
        assert_eq!(standing.message.as_deref(), Some("snapshot x"));
        let error = take(&mut other, id, 57, "there").unwrap_err();
        assert!(matches!(error, Error::Done { .. }), "{error}");
    }

    #[test]
    fn one_whose_process_died_is_known_and_taken_up_again() {
        let database = cluster().fossology("UTF8");
        let mut dying = database.connect("dying").unwrap();
        ensure_schema(&mut dying).unwrap();
        let id = ask(&mut dying, "check", &json!({}), "fossy").unwrap();
        take(&mut dying, id, 1, "here").unwrap();
        drop(dying);
        let mut client = database.connect("test").unwrap();
        let request = take(&mut client, id, 1, "here").unwrap();
        assert_eq!(request.verb, "check");
        drop(client);
        let mut client = database.connect("test").unwrap();
        // The server ends a session when it has seen that its client is gone.
        while settle(&mut client).unwrap().requests == 0 {}
        assert_eq!(standing(&mut client, id).unwrap().unwrap().state, "failed");
        take(&mut client, id, 1, "here").unwrap();
    }

    #[test]
    fn what_is_not_there_or_not_ours_is_refused() {
        let mut client = cluster().fossology("SQL_ASCII").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        let error = take(&mut client, 4711, 1, "here").unwrap_err();
        assert!(matches!(error, Error::Unknown(4711)), "{error}");

        let id = ask(&mut client, "backup", &json!({}), "fossy").unwrap();
        adopt_instance(&mut client, Uuid::new_v4()).unwrap();
        let error = take(&mut client, id, 1, "here").unwrap_err();
        assert!(matches!(error, Error::OtherInstance { .. }), "{error}");
        let standing = standing(&mut client, id).unwrap().unwrap();
        assert_eq!(standing.state, "failed");
        assert_eq!(standing.message, Some(error.to_string()));
    }
}
