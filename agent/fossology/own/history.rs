// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the history of runs and our other tables say about how things stand. Only read.

use super::run::DIED;
use super::settle::run_goes_on;
use crate::blob::PfileName;
use crate::fossology::database::{Error, RawText, Result};
use jiff::Timestamp;
use postgres::{GenericClient, Row};
use serde::Serialize;
use serde_json::Value;

/// How a run stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It goes on.
    Running,
    /// All was done.
    Done,
    /// Something is missing or was found; what could be done is done.
    Incomplete,
    /// It was not done.
    Failed,
}

impl State {
    /// As the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// A run of the history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastRun {
    /// Its number; later ones have higher ones.
    pub id: i32,
    /// What was done.
    pub verb: String,
    /// Its mode, if the verb has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How it stands or ended. One that died without a word has failed.
    pub state: State,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, if that is known.
    pub ended: Option<Timestamp>,
    /// On which host.
    pub host: String,
    /// Who asked for it.
    pub who: String,
    /// The snapshot that it made or used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Numbers; which ones depends on the verb.
    pub counts: Value,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl PastRun {
    /// Whether it came to its end, whatever it found.
    pub fn is_completed(&self) -> bool {
        matches!(self.state, State::Done | State::Incomplete)
    }

    fn read(row: &Row) -> Self {
        let text = |at: usize| {
            let text: Option<RawText> = row.get(at);
            text.map(|text| text.lossy().into_owned())
        };
        let time = |at: usize| {
            let seconds: Option<i64> = row.get(at);
            seconds.and_then(|seconds| Timestamp::from_second(seconds).ok())
        };
        let alive: bool = row.get(11);
        let state = match row.get(3) {
            "done" => State::Done,
            "incomplete" => State::Incomplete,
            "running" if alive => State::Running,
            _ => State::Failed,
        };
        let died = || (state == State::Failed).then(|| DIED.to_owned());
        Self {
            id: row.get(0),
            verb: row.get(1),
            mode: row.get(2),
            state,
            started: time(4).unwrap_or_default(),
            ended: time(5),
            host: text(6).unwrap_or_default(),
            who: text(7).unwrap_or_default(),
            snapshot: row.get(8),
            counts: row.get(9),
            message: text(10).or_else(died),
        }
    }
}

/// The newest run of each verb, mode and state, newest first. A check of some uploads only is
/// none of these: it says nothing of the rest. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn newest_runs(client: &mut impl GenericClient) -> Result<Vec<PastRun>> {
    let rows = client
        .query(
            &format!(
                "SELECT * FROM (
                     SELECT DISTINCT ON (verb, mode, state, alive) * FROM (
                         SELECT id, verb, mode, state, floor(extract(epoch FROM started))::bigint AS began,
                                floor(extract(epoch FROM ended))::bigint AS finished, host, who, snapshot, counts,
                                message, state = 'running' AND {} AS alive
                           FROM backup_run
                          WHERE verb <> 'check' OR counts->'uploads' IS NULL
                             OR counts->'uploads' = '[]') AS runs
                      ORDER BY verb, mode, state, alive, id DESC) AS newest
                  ORDER BY id DESC",
                run_goes_on("backup_run")
            ),
            &[],
        )
        .map_err(Error::sql("reading the history of runs"))?;
    Ok(rows.iter().map(PastRun::read).collect())
}

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its mode, if the verb has any.
    pub mode: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// When it ended, in seconds since 1970.
    pub ended: f64,
    /// Numbers; which ones depends on the verb.
    pub counts: Value,
}

/// The runs of a verb that came to their end, the newest first, at most two hundred. Our tables must
/// be there.
///
/// # Errors
/// When the statement fails.
pub fn finished(client: &mut impl GenericClient, verb: &str) -> Result<Vec<Finished>> {
    let rows = client
        .query(
            "SELECT mode, extract(epoch FROM ended - started)::float8, extract(epoch FROM ended)::float8,
                    counts
               FROM backup_run
              WHERE verb = $1 AND state IN ('done', 'incomplete') AND ended IS NOT NULL
              ORDER BY id DESC LIMIT 200",
            &[&verb],
        )
        .map_err(Error::sql("reading the history of runs"))?;
    let finished = rows.iter().map(|row| Finished {
        mode: row.get(0),
        seconds: row.get(1),
        ended: row.get(2),
        counts: row.get(3),
    });
    Ok(finished.collect())
}

/// A file of which a verification saw that the web does not give it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostUrl {
    /// The blob.
    pub name: PfileName,
    /// When that verification ended.
    pub seen: Timestamp,
}

/// What the verifications that the history has have lost to the web. Our tables must be there.
///
/// # Errors
/// When the statement fails.
pub fn lost_urls(client: &mut impl GenericClient) -> Result<Vec<LostUrl>> {
    let rows = client
        .query(
            "SELECT lost->>'name', ceil(extract(epoch FROM ended))::bigint
               FROM backup_run, jsonb_array_elements(
                    CASE jsonb_typeof(counts->'urls'->'lost') WHEN 'array' THEN counts->'urls'->'lost'
                         ELSE '[]' END) AS lost
              WHERE verb = 'verify' AND ended IS NOT NULL",
            &[],
        )
        .map_err(Error::sql("asking what verifications have lost"))?;
    let lost = rows.iter().filter_map(|row| {
        let name: Option<String> = row.get(0);
        Some(LostUrl {
            name: name?.parse().ok()?,
            seen: Timestamp::from_second(row.get(1)).ok()?,
        })
    });
    Ok(lost.collect())
}

/// When our tables were made, and how many jobs a restore has parked that are parked still.
///
/// # Errors
/// When the statement fails.
pub fn made_and_parked(client: &mut impl GenericClient) -> Result<(Timestamp, u64)> {
    let row = client
        .query_one(
            "SELECT (SELECT floor(extract(epoch FROM made))::bigint FROM backup_instance),
                    (SELECT count(*) FROM backup_parked_job)",
            &[],
        )
        .map_err(Error::sql("looking into our own tables"))?;
    let made: Option<i64> = row.get(0);
    let made = made.and_then(|seconds| Timestamp::from_second(seconds).ok());
    Ok((
        made.unwrap_or_default(),
        row.get::<_, i64>(1).unsigned_abs(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Asked, Outcome, Run, ensure_schema};
    use super::*;
    use crate::fossology::database::testing::cluster;
    use serde_json::json;

    #[test]
    fn the_newest_of_each_kind_is_told_and_a_run_that_died_has_failed() {
        let database = cluster().fossology("SQL_ASCII");
        let mut client = database.connect("test").unwrap();
        ensure_schema(&mut client).unwrap();
        assert!(newest_runs(&mut client).unwrap().is_empty());
        let run = |client: &mut postgres::Client, verb, mode, outcome, counts: Value| {
            let run = Run::start(client, verb, mode, "here", &Asked::here()).unwrap();
            run.finish(client, outcome, None, &counts, None).unwrap();
        };
        for outcome in [Outcome::Done, Outcome::Failed, Outcome::Done] {
            run(&mut client, "backup", Some("full"), outcome, json!({}));
        }
        run(
            &mut client,
            "check",
            Some("deep"),
            Outcome::Incomplete,
            json!({"uploads": []}),
        );
        run(
            &mut client,
            "check",
            Some("deep"),
            Outcome::Done,
            json!({"uploads": [7]}),
        );
        let mut working = database.connect("test").unwrap();
        let _goes_on = Run::start(&mut working, "drill", None, "here", &Asked::here()).unwrap();
        client
            .batch_execute(
                "INSERT INTO backup_run (verb, mode, host, who) VALUES ('backup', 'gold', 'h', E'caf\\351')",
            )
            .unwrap();
        let found = newest_runs(&mut client).unwrap();
        let seen: Vec<(i32, &str, State)> = found
            .iter()
            .map(|run| (run.id, run.verb.as_str(), run.state))
            .collect();
        assert_eq!(
            seen,
            [
                (7, "backup", State::Failed),
                (6, "drill", State::Running),
                (4, "check", State::Incomplete),
                (3, "backup", State::Done),
                (2, "backup", State::Failed),
            ]
        );
        assert_eq!(found[0].message.as_deref(), Some(DIED));
        let (made, parked) = made_and_parked(&mut client).unwrap();
        assert!(made <= found[4].started && parked == 0);
        assert!(lost_urls(&mut client).unwrap().is_empty());
        let name = PfileName::new([0xab; 20], [0xcd; 16], 7);
        let counts = json!({"urls": {"lost": [{"name": name, "url": "https://example.org/x"}]}});
        run(&mut client, "verify", None, Outcome::Incomplete, counts);
        let lost = lost_urls(&mut client).unwrap();
        assert_eq!(lost.len(), 1);
        assert!(lost[0].name == name && lost[0].seen >= made);
    }
}
