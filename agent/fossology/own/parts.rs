// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The parts of a request that several hosts carry out together: each is a job entry of its own
//! and hands its result to the others in its row. A part is carried out by one process at a time,
//! which holds a lock of its session; one whose process died says `running` until somebody looks,
//! and its job, started anew, does it again.

use super::lock::locked_within;
use super::{Outcome, instance_id};
use crate::fossology::database::{Error as DatabaseError, Result as DatabaseResult};
use postgres::{Client, GenericClient};
use serde_json::Value;
use std::fmt;

/// The first part of a part's lock, the second one being its id: the letters `fopa`.
pub(super) const PART: i32 = 0x666f_7061;

/// What a part does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sees the moment and makes the plan.
    List,
    /// Packs what lies on some repository hosts.
    Pack,
    /// Makes the snapshot.
    Commit,
    /// Does one host's share of a check, a recovery or a verification.
    Share,
    /// Puts together what all have done.
    Merge,
}

/// Why a part is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its row is not there.
    #[error(
        "part {0} is not in table backup_part: another backup has taken over, or the whole was done; ask anew with 'fo_backup queue'"
    )]
    Unknown(i32),
    /// Its request is another instance's.
    #[error(
        "part {0} belongs to a request of another FOSSology instance (is this a copy of it?); ask anew with 'fo_backup queue'"
    )]
    OtherInstance(i32),
    /// Another process is at it.
    #[error("part {id} ({role}) of request {request} is being carried out already; wait for that")]
    Running {
        /// Its number.
        id: i32,
        /// What it does.
        role: Role,
        /// Its request.
        request: i32,
        /// As which job (`job_pk`).
        job: Option<i32>,
    },
    /// Another request has come first and waits in the queue.
    #[error(
        "request {request} is half done, and the rest of it waits in the queue (job {job}); wait for it, or remove that job and ask anew"
    )]
    Busy {
        /// The request.
        request: i32,
        /// Its job (job_pk).
        job: i32,
    },
    /// A part that has to be there first is not done.
    #[error(
        "part '{name}' of request {request} is {state}{message}, so the whole is not done; what was done is used when it is asked for again"
    )]
    NotDone {
        /// The request.
        request: i32,
        /// Which part.
        name: String,
        /// How it stands.
        state: String,
        /// What it said, with a colon before.
        message: String,
    },
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A part that this session carries out: it holds its lock and must stay open until
/// [`Part::finish`] or [`Part::fail`].
#[derive(Debug)]
pub struct Part {
    /// Its number.
    pub id: i32,
    /// Its request.
    pub request: i32,
    /// What it does.
    pub role: Role,
    /// Where it was sent: a key of `[HOSTS]`, if to a certain host.
    pub host: Option<String>,
    /// Which repository hosts it is for, a list; of a verification, which share of the vault.
    pub repository_hosts: Value,
    /// How the whole is to be done, an object.
    pub parameters: Value,
    /// What the whole is.
    pub verb: String,
    /// Who asked.
    pub who: String,
    /// What was done before it gave way to others; none at a beginning.
    pub carried: Option<Value>,
    /// The job (`job_pk`) that its request was last given to.
    job: Option<i32>,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Pack => "pack",
            Self::Commit => "commit",
            Self::Share => "look",
            Self::Merge => "merge",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "list" => Self::List,
            "pack" => Self::Pack,
            "look" => Self::Share,
            "merge" => Self::Merge,
            // The table allows no others.
            _ => Self::Commit,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Enters a part of a request; gives its number.
///
/// # Errors
/// When the statement fails.
pub fn enter(
    client: &mut impl GenericClient,
    request: i32,
    role: Role,
    host: Option<&str>,
    repository_hosts: &Value,
) -> DatabaseResult<i32> {
    let row = client
        .query_one(
            "INSERT INTO backup_part (request, role, host, repository_hosts)
             VALUES ($1, $2, $3, $4) RETURNING id",
            &[&request, &role.as_str(), &host, repository_hosts],
        )
        .map_err(DatabaseError::sql("entering a part of the request"))?;
    Ok(row.get(0))
}

/// Takes a part to carry it out as a job on a host. One that failed, died, or was done may be done
/// again, as by a job that is started anew.
///
/// # Errors
/// [`Error`] says why it is not to be carried out.
pub fn take(client: &mut Client, id: i32, job: i32, host: &str) -> Result<Part, Error> {
    let failed = DatabaseError::sql("taking a part of the request");
    let found = |client: &mut Client| -> Result<Part, Error> {
        let row = client
            .query_opt(
                "SELECT p.request, p.role, p.host, p.repository_hosts, r.parameters, r.verb, r.who,
                        p.carried, r.job
                   FROM backup_part p JOIN backup_request r ON r.id = p.request WHERE p.id = $1",
                &[&id],
            )
            .map_err(&failed)?
            .ok_or(Error::Unknown(id))?;
        Ok(Part {
            id,
            request: row.get(0),
            role: Role::read(row.get(1)),
            host: row.get(2),
            repository_hosts: row.get(3),
            parameters: row.get(4),
            verb: row.get(5),
            who: row.get(6),
            carried: row.get(7),
            job: row.get(8),
        })
    };
    let part = found(client)?;
    let lock = "SELECT pg_advisory_lock($1, $2)";
    if !locked_within(client, lock, &[&PART, &id]).map_err(&failed)? {
        return Err(Error::Running {
            id,
            role: part.role,
            request: part.request,
            job: part.job,
        });
    }
    // What was seen before the lock may have gone since.
    let part = found(client)?;
    let instance = instance_id(client)?;
    let mut step = client.transaction().map_err(&failed)?;
    // What another part has failed with stays to be read.
    let ours = step
        .execute(
            "WITH other AS (SELECT count(*) > 0 AS failed FROM backup_part
                             WHERE request = $1 AND id <> $5 AND state = 'failed' AND NOT $6)
             UPDATE backup_request r
                SET state = CASE WHEN failed THEN r.state ELSE 'running' END,
                    message = CASE WHEN failed THEN r.message END,
                    ended = CASE WHEN failed THEN r.ended END,
                    started = CASE WHEN $6 THEN clock_timestamp()
                                   ELSE coalesce(r.started, clock_timestamp()) END,
                    job = $2, host = $3
               FROM other WHERE r.id = $1 AND r.instance = $4",
            &[
                &part.request,
                &job,
                &host,
                &instance,
                &id,
                &(part.role == Role::List),
            ],
        )
        .map_err(&failed)?;
    if ours == 0 {
        return Err(Error::OtherInstance(id));
    }
    // A new list makes what was packed by the old one worth nothing here.
    step.execute(
        "UPDATE backup_part SET state = CASE WHEN id = $1 THEN 'running' ELSE 'queued' END,
                data = NULL, message = NULL,
                carried = CASE WHEN id = $1 AND NOT $3 THEN carried END
          WHERE id = $1 OR (request = $2 AND $3)",
        &[&id, &part.request, &(part.role == Role::List)],
    )
    .map_err(&failed)?;
    step.commit().map_err(&failed)?;
    Ok(part)
}

impl Part {
    /// What people know it by: what it does, and for which host.
    pub fn name(&self) -> String {
        name(self.role, &self.verb, self.host.as_deref())
    }

    /// Hands over its result.
    ///
    /// # Errors
    /// When another backup has taken over, or the statement fails.
    pub fn finish(&self, client: &mut Client, data: &[u8], message: &str) -> Result<(), Error> {
        let done = client
            .execute(
                "UPDATE backup_part SET state = 'done', data = $2, message = $3, carried = NULL
                  WHERE id = $1",
                &[&self.id, &data, &message],
            )
            .map_err(DatabaseError::sql("handing over a part's result"))?;
        if done == 0 {
            return Err(Error::Unknown(self.id));
        }
        self.leave(client)?;
        Ok(())
    }

    /// Enters that it failed, and with it its request: its row says which part, and why.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn fail(&self, client: &mut Client, why: &str) -> DatabaseResult<()> {
        client
            .execute(
                "WITH part AS (UPDATE backup_part SET state = 'failed', message = $3 WHERE id = $1
                               RETURNING request)
                 UPDATE backup_request
                    SET state = 'failed', ended = clock_timestamp(), message = $4
                  WHERE id = $2 AND id IN (SELECT request FROM part)",
                &[
                    &self.id,
                    &self.request,
                    &why,
                    &format!("{}: {why}", self.name()),
                ],
            )
            .map_err(DatabaseError::sql("entering that a part failed"))?;
        self.leave(client)
    }

    /// Enters that it goes on in another entry of the queue (`jq_pk`), and what that has to know.
    /// Its lock has to be kept until this is committed.
    ///
    /// # Errors
    /// When another backup has taken over, or the statement fails.
    pub fn give_way(
        &self,
        step: &mut impl GenericClient,
        entry: i32,
        carried: &Value,
    ) -> Result<(), Error> {
        let left = step
            .execute(
                "UPDATE backup_part SET state = 'queued', continued_by = $2, carried = $3
                  WHERE id = $1",
                &[&self.id, &entry, carried],
            )
            .map_err(DatabaseError::sql("entering that a part gives way"))?;
        if left == 0 {
            return Err(Error::Unknown(self.id));
        }
        Ok(())
    }

    /// The plan that the list has left.
    ///
    /// # Errors
    /// [`Error::NotDone`] when there is none.
    pub fn plan(&self, client: &mut Client) -> Result<Vec<u8>, Error> {
        let plans = self.results(client, Role::List)?;
        // A request has one list; its row may be gone with the request.
        let plan = plans.into_iter().next().ok_or(Error::Unknown(self.id))?;
        Ok(plan.data)
    }

    /// What all parts that pack have left.
    ///
    /// # Errors
    /// [`Error::NotDone`] when one of them is not done.
    pub fn packed(&self, client: &mut Client) -> Result<Vec<Handed>, Error> {
        self.results(client, Role::Pack)
    }

    /// What all hosts have left that did a share.
    ///
    /// # Errors
    /// [`Error::NotDone`] when one of them is not done.
    pub fn shares(&self, client: &mut Client) -> Result<Vec<Handed>, Error> {
        self.results(client, Role::Share)
    }

    fn results(&self, client: &mut Client, role: Role) -> Result<Vec<Handed>, Error> {
        let rows = client
            .query(
                "SELECT state, coalesce(message, ''), host, data, repository_hosts FROM backup_part
                  WHERE request = $1 AND role = $2 ORDER BY id",
                &[&self.request, &role.as_str()],
            )
            .map_err(DatabaseError::sql("asking what the parts have done"))?;
        let result = |row: postgres::Row| {
            let (state, message): (String, String) = (row.get(0), row.get(1));
            let name = name(role, &self.verb, row.get(2));
            match row.get(3) {
                Some(data) if state == "done" => Ok(Handed {
                    name,
                    of: row.get(4),
                    data,
                }),
                _ => Err(Error::NotDone {
                    request: self.request,
                    name,
                    state,
                    message: if message.is_empty() {
                        message
                    } else {
                        format!(" ({message})")
                    },
                }),
            }
        };
        rows.into_iter().map(result).collect()
    }

    /// Gives its lock back.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn leave(&self, client: &mut Client) -> DatabaseResult<()> {
        client
            .execute("SELECT pg_advisory_unlock($1, $2)", &[&PART, &self.id])
            .map(drop)
            .map_err(DatabaseError::sql("giving back a part's lock"))
    }
}

/// What one part has left for others.
#[derive(Debug, PartialEq, Eq)]
pub struct Handed {
    /// Which part it was, for people.
    pub name: String,
    /// What it was for, as [`Part::repository_hosts`].
    pub of: Value,
    /// What it left.
    pub data: Vec<u8>,
}

/// A share is called by what is done; what a check does is to look.
fn name(role: Role, verb: &str, host: Option<&str>) -> String {
    let what = match role {
        Role::Share if verb != "check" => verb,
        role => role.as_str(),
    };
    host.map_or_else(|| what.to_owned(), |host| format!("{what} on {host}"))
}

/// Enters how a request ended whose last part is done, and removes its parts: all that they say is
/// in the vault.
///
/// # Errors
/// When the statement fails.
pub fn complete(
    client: &mut Client,
    request: i32,
    outcome: Outcome,
    counts: &Value,
    message: &str,
) -> DatabaseResult<()> {
    client
        .execute(
            // What was seen for a request that failed is of no use to another one.
            "WITH done AS (
                 DELETE FROM backup_part p USING backup_request r
                  WHERE r.id = p.request
                    AND (r.id = $1 OR (r.state = 'failed' AND p.role IN ('look', 'merge')
                               AND p.state <> 'running')))
             UPDATE backup_request
                SET state = $2, ended = clock_timestamp(), counts = $3, message = $4
              WHERE id = $1",
            &[&request, &outcome.as_str(), counts, &message],
        )
        .map(drop)
        .map_err(DatabaseError::sql("entering the request's end"))
}

/// Looks for another request of which some is done and the rest still waits in the queue.
///
/// # Errors
/// [`Error::Busy`] when there is one.
pub fn expect_no_other(client: &mut Client, own: i32) -> Result<(), Error> {
    let row = client
        .query_opt(
            "SELECT r.id, r.job FROM backup_request r
              WHERE r.id <> $1 AND r.state = 'running' AND r.job IS NOT NULL
                AND EXISTS (SELECT 1 FROM backup_part p
                             WHERE p.request = r.id AND p.role = 'list' AND p.state = 'done')
                AND EXISTS (SELECT 1 FROM jobqueue q
                             WHERE q.jq_job_fk = r.job AND q.jq_endtime IS NULL AND q.jq_end_bits < 2)
              ORDER BY r.id LIMIT 1",
            &[&own],
        )
        .map_err(DatabaseError::sql("looking for another backup that is half done"))?;
    match row {
        None => Ok(()),
        Some(row) => Err(Error::Busy {
            request: row.get(0),
            job: row.get(1),
        }),
    }
}

/// Takes over from other requests that were begun: nobody works on them, since the operation's
/// lock is ours. Their parts go, and those that come later are told so. What waits for its turn
/// untouched stays.
///
/// # Errors
/// When the statement fails.
pub fn take_over(client: &mut Client, own: Option<i32>) -> DatabaseResult<u64> {
    client
        .execute(
            "WITH begun AS (
                 SELECT DISTINCT request FROM backup_part
                  WHERE role = 'list' AND state <> 'queued' AND request IS DISTINCT FROM $1
             ), told AS (
                 UPDATE backup_request SET state = 'failed', ended = clock_timestamp(),
                        message = 'another backup has taken over; what was packed is used by it'
                  WHERE id IN (SELECT request FROM begun) AND state IN ('queued', 'running')
             )
             DELETE FROM backup_part WHERE request IN (SELECT request FROM begun)",
            &[&own],
        )
        .map_err(DatabaseError::sql("taking over from other backups"))
}

#[cfg(test)]
mod tests;
