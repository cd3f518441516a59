// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Telling what goes on from what died. A row that says `running` has a session that holds its
//! lock, or an entry of FOSSology's queue in which it will go on; whatever has neither ended
//! without being able to say so: it was killed, or its job was ended in FOSSology. Whoever looks
//! at such rows settles them first. Each statement is a transaction; doing it again changes nothing.

use super::lock::unlocked;
use super::parts::PART;
use super::requests::REQUEST;
use super::run::{DIED, RUN};
use crate::fossology::database::{Error, Result};
use crate::fossology::module::AGENT;
use postgres::Client;

/// That an entry `q` of the queue will be done, is being done, or was parked by a restore.
const LIVE: &str = "(q.jq_endtime IS NULL AND q.jq_end_bits < 2
    OR EXISTS (SELECT 1 FROM backup_parked_job k WHERE k.jq_pk = q.jq_pk))";

/// How many rows were settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Parts of requests.
    pub parts: u64,
    /// Requests.
    pub requests: u64,
    /// Runs of the history.
    pub runs: u64,
}

/// Enters as failed what died without a word. Our tables must be there.
///
/// # Errors
/// When a statement fails.
pub fn settle(client: &mut Client) -> Result<Settled> {
    let failed = Error::sql("looking for what died");
    let dead_parts = format!(
        "WITH dead AS (
             UPDATE backup_part p SET state = 'failed', message = 'ended without a word'
              WHERE state = 'running' AND {}
             RETURNING id, request, role, host
         ), told AS (
             UPDATE backup_request r SET state = 'failed', ended = clock_timestamp(),
                    message = CASE WHEN dead.role = 'look' AND r.verb <> 'check' THEN r.verb ELSE dead.role END
                              || coalesce(' on ' || dead.host, '') || ': ended without a word'
               FROM dead WHERE r.id = dead.request AND r.state = 'running'
         )
         SELECT count(*) FROM dead",
        unlocked(PART, "p.id")
    );
    let parts = client.query_one(&dead_parts, &[]).map_err(&failed)?;
    let in_queue = format!(
        "EXISTS (SELECT 1 FROM jobqueue q
                  WHERE q.jq_job_fk = r.job AND q.jq_type = '{AGENT}' AND {LIVE})"
    );
    let dead_requests = format!(
        "UPDATE backup_request r SET state = 'failed', ended = clock_timestamp(),
                message = CASE WHEN r.state = 'queued' OR parts
                     THEN 'its job was ended before it was done (in FOSSology''s list of jobs?)'
                     ELSE 'ended without a word' END
           FROM (SELECT i.id, EXISTS (SELECT 1 FROM backup_part p WHERE p.request = i.id) AS parts
                   FROM backup_request i WHERE i.state IN ('queued', 'running')) open
          WHERE r.id = open.id AND CASE
                WHEN r.state = 'running' AND NOT parts THEN {} AND NOT {}
                WHEN r.state = 'running' AND EXISTS (
                     SELECT 1 FROM backup_part p WHERE p.request = r.id AND p.state = 'running')
                     THEN false
                WHEN r.state IN ('queued', 'running') THEN r.job IS NOT NULL AND NOT {in_queue}
                ELSE false END",
        unlocked(REQUEST, "r.id"),
        continued("r.continued_by"),
    );
    let requests = client.execute(&dead_requests, &[]).map_err(&failed)?;
    let dead_runs = format!(
        "UPDATE backup_run u SET state = 'failed', message = '{DIED}'
          WHERE state = 'running' AND NOT {}",
        run_goes_on("u")
    );
    let runs = client.execute(&dead_runs, &[]).map_err(&failed)?;
    Ok(Settled {
        parts: parts.get::<_, i64>(0).unsigned_abs(),
        requests,
        runs,
    })
}

/// The condition that a row of `backup_run` which says `running`, called `run` in the statement, is at
/// work, or will go on.
pub(super) fn run_goes_on(run: &str) -> String {
    format!(
        "(NOT {} OR EXISTS (
             SELECT 1 FROM backup_request r
              WHERE r.id = {run}.request AND r.state = 'running'
                AND ({} OR EXISTS (
                     SELECT 1 FROM backup_part p WHERE p.request = r.id AND {}))))",
        unlocked(RUN, &format!("{run}.id")),
        continued("r.continued_by"),
        continued("p.continued_by"),
    )
}

/// The condition that an entry of this number is there in which something goes on.
fn continued(entry: &str) -> String {
    format!("EXISTS (SELECT 1 FROM jobqueue q WHERE q.jq_pk = {entry} AND {LIVE})")
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Run, ensure_schema, requests};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

    fn state(client: &mut Client, request: i32) -> String {
        requests::standing(client, request).unwrap().unwrap().state
    }

    #[test]
    fn what_has_an_entry_in_the_queue_goes_on_and_what_lost_it_has_failed() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(
                "INSERT INTO job (job_pk) VALUES (9), (10);
                 INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_end_bits) VALUES
                     (91, 9, 'backup', 0), (101, 10, 'backup', 0)",
            )
            .unwrap();
        let waiting = requests::ask(&mut client, "check", &json!({}), "fossy").unwrap();
        requests::given_to_job(&mut client, waiting, 9).unwrap();
        let gave_way = requests::ask(&mut client, "backup", &json!({}), "fossy").unwrap();
        let request = requests::take(&mut client, gave_way, 10, "here").unwrap();
        let asked = Asked {
            request: Some(gave_way),
            ..Asked::here()
        };
        let run = Run::start(&mut client, "backup", None, "here", &asked).unwrap();
        let id = run.id();
        run.leave(&mut client).unwrap();
        let mut step = client.transaction().unwrap();
        request
            .give_way(&mut step, 101, &json!({"new": 3}))
            .unwrap();
        step.commit().unwrap();
        request.leave(&mut client).unwrap();
        let nothing = Settled::default();
        assert_eq!(settle(&mut client).unwrap(), nothing);

        // What goes on knows what was done, and is the same run.
        let request = requests::take(&mut client, gave_way, 10, "here").unwrap();
        assert_eq!(request.carried, Some(json!({"new": 3})));
        let asked = Asked {
            carried: request.carried.clone(),
            ..asked
        };
        let run = Run::start(&mut client, "backup", None, "there", &asked).unwrap();
        assert_eq!(run.id(), id);
        run.leave(&mut client).unwrap();
        request.leave(&mut client).unwrap();

        client
            .batch_execute("UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 2")
            .unwrap();
        let settled = settle(&mut client).unwrap();
        assert_eq!((settled.requests, settled.runs), (2, 1));
        assert_eq!(state(&mut client, waiting), "failed");
        assert_eq!(state(&mut client, gave_way), "failed");
        assert_eq!(settle(&mut client).unwrap(), nothing);
    }
}
