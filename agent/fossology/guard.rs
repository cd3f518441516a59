// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recoveries that go before scans. Most of FOSSology's scanners pass over a missing file, call the
//! scan good, and never look at the file again; so what waits to be done with an upload that lacks
//! files has to wait for its recovery. Nothing but rows of the queue is written, in the caller's
//! transaction.

use super::database::{Error, Result};
use super::module::AGENT;
use super::queue::User;
use postgres::{GenericClient, Transaction};

/// Agents that need no unpacked file, or make them: reports, and what goes by findings and decisions,
/// read the database alone, and what was pruned should stay so for them. The pages have the same list.
const NEED_NONE: [&str; 23] = [
    AGENT,
    "adj2nest",
    "clixml",
    "compatibility",
    "cyclonedx",
    "decider",
    "deciderjob",
    "decisionexporter",
    "decisionimporter",
    "delagent",
    "dep5",
    "readmeoss",
    "reportImport",
    "spdx2",
    "spdx2csv",
    "spdx2tv",
    "spdx3json",
    "spdx3jsonld",
    "spdx3rdf",
    "spdx3tv",
    "unifiedreport",
    "ununpack",
    "wget_agent",
];

/// That an entry `q` waits: it has no start, or the one in the year 9999 by which the scheduler
/// marks what was paused before it.
const WAITS: &str = "q.jq_end_bits < 2 AND q.jq_endtime IS NULL
    AND (q.jq_starttime IS NULL OR q.jq_starttime >= '9999-12-30')";

/// A lock for those who look for a recovery and make one if there is none: the letters `fogu`.
const GUARD: i64 = 0x666f_6775;

/// That an entry `q` was parked by a restore.
const PARKED: &str = "EXISTS (SELECT 1 FROM backup_parked_job k WHERE k.jq_pk = q.jq_pk)";

/// Which entries of the queue are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// Those that wait.
    Waiting,
    /// Those that a restore has parked, which will wait.
    Parked,
}

impl Entries {
    fn condition(self) -> &'static str {
        match self {
            Self::Waiting => WAITS,
            Self::Parked => PARKED,
        }
    }
}

/// The uploads that agents wait for who would read their files, in the order of their keys. Those
/// that are still being unpacked are left out: their files are on their way. Our tables must be
/// there.
///
/// # Errors
/// When the statement fails.
pub fn awaited(client: &mut impl GenericClient, entries: Entries) -> Result<Vec<i32>> {
    let condition = entries.condition();
    let rows = client
        .query(
            &format!(
                "SELECT DISTINCT u.upload_pk
                   FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                   JOIN upload u ON u.upload_pk = j.job_upload_fk
                  WHERE {condition} AND q.jq_type <> ALL ($1)
                    AND u.expire_action IS DISTINCT FROM 'd'
                    AND NOT EXISTS (
                        SELECT 1 FROM jobqueue o JOIN job p ON p.job_pk = o.jq_job_fk
                         WHERE p.job_upload_fk = u.upload_pk AND o.jq_type = 'ununpack'
                           AND o.jq_endtime IS NULL AND o.jq_end_bits < 2)
                  ORDER BY u.upload_pk"
            ),
            &[&NEED_NONE.as_slice()],
        )
        .map_err(Error::sql("asking which uploads are waited for"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A recovery that goes before others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Before {
    /// The upload.
    pub upload: i32,
    /// The recovery's entry of the queue, `jq_pk`.
    pub entry: i32,
    /// How many entries wait for it now that did not before.
    pub waiting: u64,
}

/// Puts a recovery of this upload before all of these entries that need its files. One that is in
/// the queue already serves.
///
/// # Errors
/// When a statement fails.
pub fn recover_first(
    step: &mut Transaction<'_>,
    upload: i32,
    entries: Entries,
    user: &User,
) -> Result<Before> {
    let condition = entries.condition();
    let failed = Error::sql("putting a recovery before the jobs of an upload");
    step.execute("SELECT pg_advisory_xact_lock($1)", &[&GUARD])
        .map_err(&failed)?;
    let there = step
        .query_opt(
            "SELECT max(q.jq_pk) FROM jobqueue q
              WHERE q.jq_type = $1 AND q.jq_args = $2 AND q.jq_endtime IS NULL
                AND q.jq_end_bits < 2
             HAVING count(*) > 0",
            &[&AGENT, &upload.to_string()],
        )
        .map_err(&failed)?;
    let entry: i32 = match there {
        Some(row) => row.get(0),
        None => add(step, upload, user)?,
    };
    let waiting = step
        .execute(
            &format!(
                "INSERT INTO jobdepends (jdep_jq_fk, jdep_jq_depends_fk)
                 SELECT q.jq_pk, $1 FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                  WHERE j.job_upload_fk = $2 AND {condition} AND q.jq_type <> ALL ($3)
                    AND NOT EXISTS (SELECT 1 FROM jobdepends d
                         WHERE d.jdep_jq_fk = q.jq_pk AND d.jdep_jq_depends_fk = $1)"
            ),
            &[&entry, &upload, &NEED_NONE.as_slice()],
        )
        .map_err(&failed)?;
    Ok(Before {
        upload,
        entry,
        waiting,
    })
}

fn add(step: &mut Transaction<'_>, upload: i32, user: &User) -> Result<i32> {
    let failed = Error::sql("queueing a recovery");
    let row = step
        .query_one(
            "WITH made AS (
                 INSERT INTO job (job_user_fk, job_group_fk, job_queued, job_priority, job_name,
                                  job_upload_fk)
                 SELECT $1, $2, now(), 0, 'Recover missing files', upload_pk FROM upload
                  WHERE upload_pk = $3
                 RETURNING job_pk)
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_args)
             SELECT job_pk, $4, 0, $5 FROM made RETURNING jq_pk",
            &[&user.key, &user.group, &upload, &AGENT, &upload.to_string()],
        )
        .map_err(failed)?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;
    use crate::fossology::own::ensure_schema;
    use postgres::Client;

    fn queue(rows: &str) -> Client {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        client
            .batch_execute(&format!(
                "INSERT INTO upload (upload_pk, upload_filename, upload_mode)
                 VALUES (1, 'a.tar', 104), (2, 'b.tar', 104);
                 INSERT INTO job (job_pk, job_user_fk, job_queued, job_priority, job_name,
                                  job_upload_fk)
                 VALUES (1, 3, now(), 0, 'scan a', 1), (2, 3, now(), 0, 'scan b', 2);
                 {rows};
                 SELECT setval(pg_get_serial_sequence('job', 'job_pk'), 100),
                        setval(pg_get_serial_sequence('jobqueue', 'jq_pk'), 100)"
            ))
            .unwrap();
        client
    }

    fn user() -> User {
        User {
            key: 3,
            group: None,
            name: "fossy".into(),
        }
    }

    #[test]
    fn only_who_would_read_files_is_waited_for() {
        let mut client = queue(
            "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_starttime, jq_endtime) VALUES
             (1, 'adj2nest', 0, NULL, NULL), (1, 'delagent', 0, NULL, NULL),
             (1, 'nomos', 1, now(), now()), (1, 'monk', 0, now(), NULL),
             (2, 'nomos', 0, NULL, NULL)",
        );
        assert_eq!(awaited(&mut client, Entries::Waiting).unwrap(), [2]);
        client
            .batch_execute(
                "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_starttime)
                 VALUES (1, 'ojo', 0, '9999-12-31')",
            )
            .unwrap();
        assert_eq!(awaited(&mut client, Entries::Waiting).unwrap(), [1, 2]);
        // An upload that is being unpacked is not complete yet.
        client
            .batch_execute(
                "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits) VALUES (2, 'ununpack', 0)",
            )
            .unwrap();
        assert_eq!(awaited(&mut client, Entries::Waiting).unwrap(), [1]);
    }

    #[test]
    fn one_recovery_goes_before_all_that_waits_however_often_it_is_asked_for() {
        let mut client = queue(
            "INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_end_bits, jq_starttime) VALUES
             (11, 1, 'nomos', 0, NULL), (12, 1, 'monk', 0, NULL), (13, 1, 'adj2nest', 0, NULL),
             (14, 1, 'ojo', 0, now()), (21, 2, 'nomos', 0, NULL)",
        );
        let ask = |client: &mut Client| {
            let mut step = client.transaction().unwrap();
            let before = recover_first(&mut step, 1, Entries::Waiting, &user()).unwrap();
            step.commit().unwrap();
            before
        };
        let first = ask(&mut client);
        assert_eq!((first.upload, first.waiting), (1, 2));
        let rows = client
            .query(
                "SELECT jdep_jq_fk FROM jobdepends WHERE jdep_jq_depends_fk = $1 ORDER BY 1",
                &[&first.entry],
            )
            .unwrap();
        let waiting: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(waiting, [11, 12]);
        let row = client
            .query_one(
                "SELECT jq_type, jq_args, job_upload_fk FROM jobqueue JOIN job ON job_pk = jq_job_fk
                  WHERE jq_pk = $1",
                &[&first.entry],
            )
            .unwrap();
        let words: (&str, &str, i32) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(words, ("backup", "1", 1));

        let again = ask(&mut client);
        assert_eq!((again.entry, again.waiting), (first.entry, 0));
        // One that has failed serves nobody.
        client
            .execute(
                "UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 2
                  WHERE jq_pk = $1",
                &[&first.entry],
            )
            .unwrap();
        let other = ask(&mut client);
        assert!(other.entry != first.entry && other.waiting == 2);
    }
}
