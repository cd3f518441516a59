// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A database that came out of a snapshot shows the backup which made that snapshot at work: its end
//! was not known yet. That the snapshot is there is its end, so it is entered: in the history, in its
//! request, and in the queue. One statement; doing it again finds nothing at work.

use super::Outcome;
use crate::fossology::database::{Error, Result};
use crate::fossology::module::AGENT;
use postgres::GenericClient;
use serde_json::Value;

/// Enters that the backup which was at work when the database was seen has made this snapshot. Whether
/// there was one. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn finish_own_backup(
    client: &mut impl GenericClient,
    snapshot: &str,
    outcome: Outcome,
    counts: &Value,
) -> Result<bool> {
    let row = client
        .query_one(
            // The operation's lock lets one backup work at a time; an older one that says so gave way.
            "WITH own AS (
                 UPDATE backup_run SET verb = 'backup', state = $2, snapshot = $1, counts = $3,
                        ended = clock_timestamp(), message = 'this database came from its snapshot'
                  WHERE id = (SELECT max(id) FROM backup_run
                               WHERE state = 'running' AND verb IN ('backup', 'backup list'))
                 RETURNING request, job
             ), told AS (
                 UPDATE backup_request r
                    SET state = $2, counts = $3, ended = clock_timestamp(), carried = NULL,
                        message = 'snapshot ' || $1 || ', which this database came from'
                   FROM own WHERE r.id = own.request
             ), parts AS (
                 DELETE FROM backup_part p USING own WHERE p.request = own.request
             ), entries AS (
                 UPDATE jobqueue q
                    SET jq_starttime = coalesce(jq_starttime, now()), jq_endtime = now(),
                        jq_endtext = CASE $2 WHEN 'done' THEN 'Completed' ELSE 'Failed' END,
                        jq_end_bits = jq_end_bits | CASE $2 WHEN 'done' THEN 1 ELSE 2 END,
                        jq_schedinfo = NULL
                   FROM own
                  WHERE q.jq_job_fk = own.job AND q.jq_type = $4
                    AND q.jq_endtime IS NULL AND q.jq_end_bits < 2
             )
             SELECT count(*) FROM own",
            &[&snapshot, &outcome.as_str(), counts, &AGENT],
        )
        .map_err(Error::sql("entering which backup made the snapshot"))?;
    Ok(row.get::<_, i64>(0) > 0)
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Run, ensure_schema, requests, settle};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

    #[test]
    fn the_backup_that_made_the_snapshot_has_ended_well_and_nothing_else_has() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(
                "INSERT INTO job (job_pk) VALUES (9);
                 INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_starttime, jq_end_bits) VALUES
                     (91, 9, 'backup', now(), 0), (92, 9, 'backup', NULL, 0),
                     (93, 9, 'nomos', now(), 0)",
            )
            .unwrap();
        let own = requests::ask(&mut client, "backup", &json!({}), "fossy").unwrap();
        requests::take(&mut client, own, 9, "here").unwrap();
        let asked = Asked {
            request: Some(own),
            job: Some(9),
            ..Asked::here()
        };
        let run = Run::start(&mut client, "backup list", None, "here", &asked).unwrap();
        Run::start(&mut client, "check", None, "here", &Asked::here()).unwrap();
        let counts = json!({"new": 7});
        let mut finish = || finish_own_backup(&mut client, "x", Outcome::Done, &counts).unwrap();
        assert!(finish());
        assert!(!finish());
        let row = client
            .query_one(
                "SELECT u.verb, u.state, u.snapshot, r.state, r.counts FROM backup_run u
                   JOIN backup_request r ON r.id = u.request WHERE u.id = $1",
                &[&run.id()],
            )
            .unwrap();
        let words: Vec<&str> = (0..4).map(|at| row.get(at)).collect();
        assert_eq!(words, ["backup", "done", "x", "done"]);
        assert_eq!(row.get::<_, Value>(4), counts);
        let ended = client
            .query_one(
                "SELECT string_agg(jq_pk::text, ' ' ORDER BY jq_pk) FROM jobqueue
                  WHERE jq_endtime IS NOT NULL AND jq_end_bits = 1 AND jq_endtext = 'Completed'",
                &[],
            )
            .unwrap();
        assert_eq!(ended.get::<_, String>(0), "91 92");
        settle(&mut client).unwrap();
        let standing = requests::standing(&mut client, own).unwrap().unwrap();
        assert_eq!(standing.state, "done");
    }
}
