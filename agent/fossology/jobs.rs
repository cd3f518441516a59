// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The job queue after a restore: what was queued or running is parked until somebody wants it. The same
//! for single uploads, whose files are on storage that was lost.
//!
//! FOSSology's scheduler takes every entry that has no start and no failure, and with `--reset`
//! first forgets the start of every entry that has no end. A restored queue would so start old
//! deletions at once. A parked entry has a start, an end and the bit of a failure: the scheduler
//! takes it neither way, and what depends on it waits, because it neither succeeded nor fails now.
//! Its columns as they were are kept in `backup_parked_job`. Every function is one transaction.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use jiff::Timestamp;
use postgres::{Client, Transaction};
use serde::Serialize;

use super::database::{Error, RawText, Result};

/// What an entry says in FOSSology's job list that a restore has parked, and one that somebody has;
/// it also tells that nobody touched it since.
const PARKED: [&str; 2] = [
    "Parked by a restore; fo_backup jobs resume",
    "Parked; fo_backup jobs resume",
];

/// That a scheduler would start an entry now or after its reset. It looks at the start alone, so an
/// entry with an end and no start is live too.
const LIVE: &str = "jq_end_bits < 2 AND (jq_starttime IS NULL OR jq_endtime IS NULL)";

/// The agents whose jobs destroy something, or may, so that they only go on when they are named:
/// FOSSology's two, and our own, which prunes.
pub const MUST_BE_NAMED: [&str; 3] = ["backup", "delagent", "maintagent"];

/// What was parked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Parked {
    /// Entries that were waiting, paused ones among them.
    pub queued: u64,
    /// Entries that had started and not ended.
    pub running: u64,
    /// All of them by agent.
    pub by_agent: BTreeMap<String, u64>,
}

/// A parked entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParkedJob {
    /// Its key in `jobqueue`.
    pub jq_pk: i32,
    /// The job that it is a part of.
    pub job_pk: i32,
    /// The agent.
    pub agent: String,
    /// The upload, none for jobs of the whole system.
    pub upload: Option<i32>,
    /// The job's name.
    pub name: String,
    /// Whether it was running, and so begins anew when it is resumed.
    pub was_running: bool,
    /// When it was parked.
    pub parked: Timestamp,
    /// The snapshot whose restoration parked it; empty when somebody did.
    pub snapshot: String,
}

/// Which parked entries go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All but those of [`MUST_BE_NAMED`].
    Harmless,
    /// Those of these agents.
    Agents(Vec<String>),
    /// These, by their keys in `jobqueue`.
    Entries(Vec<i32>),
}

/// What goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Entries that are queued again, by agent.
    pub by_agent: BTreeMap<String, u64>,
    /// Entries that somebody changed since they were parked: they are left as they are now.
    pub changed: u64,
    /// Entries that stay parked.
    pub left: u64,
}

/// Parks all that a scheduler would start now or after its reset. Doing it again parks only what
/// came since. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn park(step: &mut Transaction, snapshot: &str) -> Result<Parked> {
    park_those(step, None, snapshot, PARKED[0])
}

/// The same for the jobs of these uploads, whatever they are, and, also when there are no such uploads,
/// for deletions and maintenance: files may lack of uploads that nothing waits for, and these would be
/// taken for deleted. No scheduler may run: it would not notice.
///
/// # Errors
/// When the statement fails.
pub fn park_uploads(step: &mut Transaction, uploads: &[i32]) -> Result<Parked> {
    park_those(step, Some(uploads), "", PARKED[1])
}

/// The uploads that a scheduler would start something for, in the order of their keys.
///
/// # Errors
/// When the statement fails.
pub fn live_uploads(client: &mut Client) -> Result<Vec<i32>> {
    let rows = client
        .query(
            &format!(
                "SELECT DISTINCT u.upload_pk
                   FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                   JOIN upload u ON u.upload_pk = j.job_upload_fk
                  WHERE {LIVE} AND u.expire_action IS DISTINCT FROM 'd' ORDER BY 1"
            ),
            &[],
        )
        .map_err(Error::sql("asking which uploads have jobs"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn park_those(
    step: &mut Transaction,
    uploads: Option<&[i32]>,
    snapshot: &str,
    text: &str,
) -> Result<Parked> {
    // The scheduler marks a job that was paused before its start with a start in the year 9999.
    let query = format!(
        "WITH live AS (
                 SELECT * FROM jobqueue q
                  WHERE {LIVE}
                    AND ($3::int4[] IS NULL OR q.jq_type IN ('delagent', 'maintagent')
                      OR q.jq_job_fk IN (SELECT job_pk FROM job WHERE job_upload_fk = ANY ($3)))
                    FOR UPDATE
             ), kept AS (
                 INSERT INTO backup_parked_job AS p (jq_pk, jq_starttime, jq_endtime, jq_endtext,
                                                     jq_end_bits, jq_schedinfo, reason, snapshot)
                 SELECT jq_pk, jq_starttime, jq_endtime, jq_endtext, jq_end_bits, jq_schedinfo,
                        CASE WHEN coalesce(jq_starttime, 'infinity') >= '9999-12-30'
                             THEN 'queued' ELSE 'running' END, $1
                   FROM live
                 ON CONFLICT (jq_pk) DO UPDATE
                    SET (jq_starttime, jq_endtime, jq_endtext, jq_end_bits, jq_schedinfo, reason,
                         parked, snapshot)
                      = (excluded.jq_starttime, excluded.jq_endtime, excluded.jq_endtext,
                         excluded.jq_end_bits, excluded.jq_schedinfo, excluded.reason,
                         excluded.parked, excluded.snapshot)
                 RETURNING jq_pk, reason
             )
             UPDATE jobqueue q
                SET jq_starttime = CASE kept.reason WHEN 'running' THEN jq_starttime ELSE now() END,
                    jq_endtime = now(), jq_endtext = $2, jq_end_bits = jq_end_bits | 2,
                    jq_schedinfo = NULL
               FROM kept WHERE q.jq_pk = kept.jq_pk
             RETURNING q.jq_type, kept.reason = 'running'"
    );
    let rows = step
        .query(&query, &[&snapshot, &text, &uploads])
        .map_err(Error::sql("parking the job queue"))?;
    let mut parked = Parked::default();
    for row in &rows {
        if row.get(1) {
            parked.running += 1;
        } else {
            parked.queued += 1;
        }
        *parked.by_agent.entry(row.get(0)).or_default() += 1;
    }
    Ok(parked)
}

/// As [`park`], for a database that another program has brought back.
///
/// # Errors
/// When a statement fails.
pub fn park_all(client: &mut Client) -> Result<Parked> {
    let failed = Error::sql("parking the job queue");
    let mut step = client.transaction().map_err(&failed)?;
    let parked = park(&mut step, "")?;
    step.commit().map_err(&failed)?;
    Ok(parked)
}

/// The parked entries, in the order in which the scheduler would take them.
///
/// # Errors
/// When the statement fails.
pub fn parked(client: &mut Client) -> Result<Vec<ParkedJob>> {
    let rows = client
        .query(
            "SELECT q.jq_pk, q.jq_job_fk, q.jq_type, j.job_upload_fk, j.job_name,
                    p.reason = 'running', extract(epoch FROM p.parked)::bigint, p.snapshot
               FROM backup_parked_job p
               JOIN jobqueue q ON q.jq_pk = p.jq_pk
               JOIN job j ON j.job_pk = q.jq_job_fk
              ORDER BY j.job_priority DESC, q.jq_pk",
            &[],
        )
        .map_err(Error::sql("reading the parked jobs"))?;
    Ok(rows
        .iter()
        .map(|row| ParkedJob {
            jq_pk: row.get(0),
            job_pk: row.get(1),
            agent: row.get(2),
            upload: row.get(3),
            name: row
                .get::<_, Option<RawText>>(4)
                .unwrap_or_default()
                .lossy()
                .into_owned(),
            was_running: row.get(5),
            parked: Timestamp::from_second(row.get(6)).unwrap_or_default(),
            snapshot: row.get(7),
        })
        .collect())
}

/// Queues parked entries again. One that was waiting gets its columns back, one that was running
/// (or paused) begins anew, as after the scheduler's own reset. Priorities and dependencies were
/// never touched: what depends on an entry that stays parked goes on waiting for it.
///
/// The scheduler has to be told to look at its queue.
///
/// # Errors
/// When a statement fails; then nothing has changed.
pub fn resume(client: &mut Client, selection: &Selection) -> Result<Resumed> {
    let failed = Error::sql("resuming parked jobs");
    let must_be_named = MUST_BE_NAMED.map(str::to_owned).to_vec();
    let (all_but, agents, entries) = match selection {
        Selection::Harmless => (Some(&must_be_named), None, None),
        Selection::Agents(agents) => (None, Some(agents), None),
        Selection::Entries(entries) => (None, None, Some(entries)),
    };
    let mut step = client.transaction().map_err(&failed)?;
    // Comparing with a list that is absent is NULL, so it chooses nothing.
    let rows = step
        .query(
            "WITH chosen AS (
                 DELETE FROM backup_parked_job p USING jobqueue q
                  WHERE q.jq_pk = p.jq_pk
                    AND (q.jq_type <> ALL ($1) OR q.jq_type = ANY ($2) OR q.jq_pk = ANY ($3))
                 RETURNING p.*
             ), queued AS (
                 UPDATE jobqueue q
                    SET jq_starttime = NULL,
                        jq_endtime = c.jq_endtime,
                        jq_endtext = CASE WHEN c.jq_starttime IS NULL THEN c.jq_endtext END,
                        jq_end_bits = c.jq_end_bits,
                        jq_schedinfo = CASE WHEN c.jq_starttime IS NULL THEN c.jq_schedinfo END
                   FROM chosen c
                  WHERE q.jq_pk = c.jq_pk AND q.jq_endtext = ANY ($4) AND q.jq_end_bits >= 2
                 RETURNING q.jq_pk, q.jq_type
             )
             SELECT queued.jq_type FROM chosen LEFT JOIN queued USING (jq_pk)",
            &[&all_but, &agents, &entries, &PARKED.as_slice()],
        )
        .map_err(&failed)?;
    let mut resumed = Resumed::default();
    for row in &rows {
        match row.get::<_, Option<String>>(0) {
            Some(agent) => *resumed.by_agent.entry(agent).or_default() += 1,
            None => resumed.changed += 1,
        }
    }
    let left = step
        .query_one("SELECT count(*) FROM backup_parked_job", &[])
        .map_err(&failed)?;
    resumed.left = left.get::<_, i64>(0).unsigned_abs();
    step.commit().map_err(&failed)?;
    Ok(resumed)
}

/// How many paths were changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Relocated {
    /// In `reportgen.filepath`.
    pub reports: u64,
    /// In `jobqueue.jq_log`.
    pub logs: u64,
}

/// Makes the absolute paths that FOSSology keeps follow the repository to another folder. Only
/// what lies in the old folder is changed, so doing it again changes nothing (unless the new
/// folder lies in the old one).
///
/// # Errors
/// When a statement fails.
pub fn relocate_paths(step: &mut Transaction, old: &Path, new: &Path) -> Result<Relocated> {
    let trimmed = |path: &Path| {
        let bytes = path.as_os_str().as_bytes();
        let end = bytes
            .iter()
            .rposition(|&byte| byte != b'/')
            .map_or(0, |last| last + 1);
        bytes[..end].to_vec()
    };
    let (old, new) = (trimmed(old), trimmed(new));
    if old == new {
        return Ok(Relocated::default());
    }
    // A path may be of any bytes, so it travels as bytes and becomes text in the database.
    let mut follow = |table: &str, column: &str| {
        step.execute(
            &format!(
                "WITH folder AS (SELECT convert_from($1, getdatabaseencoding()) AS old,
                                        convert_from($2, getdatabaseencoding()) AS new)
                 UPDATE {table}
                    SET {column} = new || substr({column}, length(old) + 1)
                   FROM folder
                  WHERE {column} = old OR left({column}, length(old) + 1) = old || '/'"
            ),
            &[&old, &new],
        )
        .map_err(Error::sql("making paths follow the repository"))
    };
    Ok(Relocated {
        reports: follow("reportgen", "filepath")?,
        logs: follow("jobqueue", "jq_log")?,
    })
}

#[cfg(test)]
mod tests;
