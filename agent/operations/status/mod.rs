// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How things stand: what ran last and how it ended, what runs, what comes next, what is late, what
//! is wrong. It is put together from the history of runs, the vault, FOSSology's queue and this
//! host's timers; what cannot be reached is named, and the rest is told all the same.
//!
//! Nothing is changed. A file that the status is written to is replaced whole or stays as it was.

mod judge;
mod metrics;
mod offsite;
mod vault;

pub use judge::{Health, Reason, VerbStatus};
pub use metrics::prometheus;
pub use offsite::OffsiteStatus;
pub use vault::{Newest, VaultStatus};

use super::install::{Planned, planned};
use super::schedule::Schedule;
use super::{Error, Instance, Result, check, scratch};
use crate::fossology::module::AGENT;
use crate::fossology::own::history::{self, PastRun, State};
use crate::fossology::own::{self, BlobState};
use crate::fossology::queue::{self, Entries};
use crate::process::host_name;
use crate::vault::Vault;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use uuid::Uuid;

/// How things stand.
#[derive(Debug, Serialize)]
pub struct Status {
    /// All of it in a word.
    pub health: Health,
    /// Why it is not [`Health::Ok`].
    pub reasons: Vec<Reason>,
    /// When it was looked.
    pub time: Timestamp,
    /// On which host.
    pub host: String,
    /// The version of this program.
    pub program: &'static str,
    /// What each verb did last, and when it does it again.
    pub verbs: Vec<VerbStatus>,
    /// What runs now.
    pub running: Vec<PastRun>,
    /// What the database tells; none when it cannot be reached.
    pub database: Option<DatabaseStatus>,
    /// What the vault tells; none when it cannot be reached.
    pub vault: Option<VaultStatus>,
    /// What the last whole check found, by kind; none when there was none.
    pub findings: Option<BTreeMap<String, Found>>,
    /// The last drill that came to its end.
    pub drill: Option<PastRun>,
    /// What the last copy that came to its end left at the other place.
    pub offsite: Option<OffsiteStatus>,
}

/// What the database tells besides the history.
#[derive(Debug, Default, Serialize)]
pub struct DatabaseStatus {
    /// Which instance it is; none before the first run.
    pub instance: Option<Uuid>,
    /// When our tables were made.
    pub since: Option<Timestamp>,
    /// Our entries in FOSSology's queue.
    pub queue: Entries,
    /// Jobs that a restore has parked.
    pub parked: u64,
    /// Blobs that a policy removed.
    pub pruned: u64,
    /// Blobs that do not come out of any archive.
    pub not_reproducible: u64,
}

/// How often a check has found something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How often.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
    /// How many of them nobody has.
    pub lost: u64,
    /// Whether somebody should do something about it.
    pub harms: bool,
}

/// Looks how things stand. An instance or a vault that is not to be had comes as the reason why.
pub fn look(
    instance: Result<&Instance, String>,
    vault: Result<&Vault, String>,
    schedule: &Schedule,
    now: &ZonedDateTime,
) -> Status {
    let mut reasons = Vec::new();
    let mut reached = |what: &str, problem: String| {
        // The first line says it; what to do about it is for whoever runs the verb itself.
        let line = problem.lines().next().unwrap_or_default();
        reasons.push(Reason::new(Health::Unreachable, format!("{what}: {line}")));
    };
    let database = instance.and_then(|instance| ask(instance).map_err(|error| error.to_string()));
    let (mut runs, database) = match database {
        Ok((runs, database)) => (runs, Some(database)),
        Err(problem) => {
            reached("the database cannot be asked", problem);
            (Vec::new(), None)
        }
    };
    let ours = database.as_ref().and_then(|database| database.instance);
    let vault = vault.and_then(|vault| {
        let looked = ours.map_or(Ok(()), |ours| vault.expect_instance(ours));
        let looked = looked.and_then(|()| vault::look(vault));
        looked.map_err(|error| error.to_string())
    });
    let vault = vault
        .map_err(|problem| reached("the vault cannot be asked", problem))
        .ok();
    if let Some(vault) = &vault {
        acknowledge(&mut runs, vault);
    }
    let findings = last_check(&runs).map(findings);
    let facts = judge::Facts {
        runs: &runs,
        vault: vault.as_ref(),
        since: database.as_ref().and_then(|database| database.since),
        schedule,
        planned: &planned(Path::new("/")),
        now,
        has_history: database.is_some(),
    };
    let offsite = offsite::look(&runs, vault.as_ref());
    let (verbs, judged) = judge::judge(&facts);
    reasons.extend(judged);
    let health = reasons.iter().map(|reason| reason.health).max();
    let drill = runs
        .iter()
        .find(|run| run.verb == "drill" && run.is_completed());
    Status {
        health: health.unwrap_or(Health::Ok),
        reasons,
        time: now.timestamp(),
        host: host_name(),
        program: env!("CARGO_PKG_VERSION"),
        verbs,
        drill: drill.cloned(),
        offsite,
        running: runs
            .into_iter()
            .filter(|run| run.state == State::Running)
            .collect(),
        database,
        vault,
        findings,
    }
}

/// Asks the database. Without our tables nothing has run yet.
fn ask(instance: &Instance) -> Result<(Vec<PastRun>, DatabaseStatus)> {
    let mut client = instance.connect("status")?;
    let queue = queue::entries_of(&mut client, AGENT)?;
    let mut status = DatabaseStatus {
        queue,
        ..DatabaseStatus::default()
    };
    if own::schema_version(&mut client)?.is_none() {
        return Ok((Vec::new(), status));
    }
    let runs = history::newest_runs(&mut client)?;
    let (since, parked) = history::made_and_parked(&mut client)?;
    status.since = Some(since);
    status.parked = parked;
    status.instance = Some(own::instance_id(&mut client)?);
    status.pruned = own::count_in_state(&mut client, BlobState::Pruned)?;
    status.not_reproducible = own::count_in_state(&mut client, BlobState::NotReproducible)?;
    Ok((runs, status))
}

/// A restored database does not know how the backup ended that it came from: there it seems to have
/// died. Its snapshot, or a later one, says that it did not.
fn acknowledge(runs: &mut [PastRun], vault: &VaultStatus) {
    let has_snapshot = |run: &PastRun| {
        let fits = |snapshot: &Newest| {
            run.mode == Some(snapshot.mode.to_string()) && snapshot.time >= run.started
        };
        vault.newest.iter().any(fits)
    };
    for run in runs {
        let seems_dead = run.state == State::Failed && run.ended.is_none();
        if run.verb == "backup" && seems_dead && has_snapshot(run) {
            run.state = State::Done;
            run.message = None;
        }
    }
}

fn last_check(runs: &[PastRun]) -> Option<&PastRun> {
    runs.iter()
        .find(|run| run.verb == "check" && run.is_completed())
}

/// What a check found, from its row in the history.
fn findings(check: &PastRun) -> BTreeMap<String, Found> {
    let kinds = check.counts["findings"].as_object();
    let found = |(kind, tally): (&String, &serde_json::Value)| {
        let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        let found = Found {
            count: number(&tally["count"]),
            bytes: number(&tally["bytes"]),
            lost: number(&tally["recovery"][check::Recovery::Lost.as_str()]),
            harms: !is_harmless(kind),
        };
        (kind.clone(), found)
    };
    kinds.into_iter().flatten().map(found).collect()
}

/// Whether a kind of finding only takes space, or is as it should be. One that this version does not
/// know is neither.
fn is_harmless(kind: &str) -> bool {
    serde_json::from_value::<check::Kind>(kind.into())
        .is_ok_and(|kind| kind.severity() <= Some(check::Severity::Clutter))
}

/// Writes a text where others look for it.
///
/// # Errors
/// When it cannot be written; then the file is as it was.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    scratch::remove_left_over(folder);
    let written = (|| {
        let mut file = scratch::file_in(folder)?;
        file.write_all(text.as_bytes())?;
        // Whoever collects it is another user, and there is nothing secret in it.
        file.as_file()
            .set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error).map(drop)
    })();
    written.map_err(Error::io("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_can_be_read_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        for text in ["first", "second"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write(&folder.path().join("no/where"), "x")
            .unwrap_err()
            .to_string();
        assert!(error.contains("no/where"), "{error}");
    }
}
