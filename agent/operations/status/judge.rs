// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From what is known to what is late and what is wrong. Pure.

use super::vault::VaultStatus;
use super::{Planned, findings};
use crate::fossology::own::history::{PastRun, State};
use crate::operations::schedule::{Schedule, in_words};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde::Serialize;
use std::collections::BTreeMap;

/// How things stand in a word, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing is late, nothing is wrong.
    Ok,
    /// Something was not done in time.
    Late,
    /// Something failed, or was found.
    Wrong,
    /// Database or vault cannot be reached, so nobody knows.
    Unreachable,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Late, Self::Wrong, Self::Unreachable];

    /// The word, as JSON and metrics have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Late => "late",
            Self::Wrong => "wrong",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Why things do not stand well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub health: Health,
    /// What it is.
    pub text: String,
}

impl Reason {
    pub(super) fn new(health: Health, text: String) -> Self {
        Self { health, text }
    }
}

/// What a verb did last and when it does it again.
#[derive(Clone, Debug, Serialize)]
pub struct VerbStatus {
    /// The verb.
    pub verb: &'static str,
    /// Its last runs, one of each mode, as they ended.
    pub last: Vec<PastRun>,
    /// The last run in which all was done.
    pub good: Option<PastRun>,
    /// When it last came to its end, whatever it found; for backups also by the vault's snapshots.
    pub completed: Option<Timestamp>,
    /// How old that may be, in seconds; nobody misses it without a limit.
    pub limit_seconds: Option<i64>,
    /// Whether it is older.
    pub late: bool,
    /// Whether its last run failed or found something.
    pub wrong: bool,
    /// When this host begins it next.
    pub next: Option<Timestamp>,
}

/// What is known.
pub(super) struct Facts<'a> {
    pub runs: &'a [PastRun],
    pub vault: Option<&'a VaultStatus>,
    /// When our tables were made: nobody could be late before.
    pub since: Option<Timestamp>,
    pub schedule: &'a Schedule,
    pub planned: &'a BTreeMap<&'static str, Planned>,
    pub now: &'a ZonedDateTime,
    /// Whether the history could be read; without it only backups are judged, by the vault.
    pub has_history: bool,
}

/// The verbs that are told, and whether what went wrong with them counts. What did not come back by
/// a recovery is no mistake of the present: the next check tells what is still missing.
const VERBS: [(&str, bool); 8] = [
    ("backup", true),
    ("check", true),
    ("verify", true),
    ("drill", true),
    ("copy", true),
    ("expire", true),
    ("prune", true),
    ("recover", false),
];

/// A failure counts so long: a mode that was tried once and given up is forgotten some day.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(35 * 24);

/// What is late and what is wrong.
pub(super) fn judge(facts: &Facts<'_>) -> (Vec<VerbStatus>, Vec<Reason>) {
    let mut reasons = Vec::new();
    let verbs = VERBS
        .iter()
        .map(|(verb, counts)| facts.verb(verb, *counts, &mut reasons))
        .collect();
    for problem in facts.vault.iter().flat_map(|vault| &vault.unreadable) {
        let text = format!("a snapshot cannot be read: {problem}");
        reasons.push(Reason::new(Health::Wrong, text));
    }
    (verbs, reasons)
}

impl Facts<'_> {
    fn verb(&self, verb: &'static str, counts: bool, reasons: &mut Vec<Reason>) -> VerbStatus {
        let runs = || self.runs.iter().filter(|run| run.verb == verb);
        let mut last: Vec<PastRun> = Vec::new();
        for run in runs().filter(|run| run.state != State::Running) {
            if last.iter().all(|seen| seen.mode != run.mode) {
                last.push(run.clone());
            }
        }
        let good = runs().find(|run| run.state == State::Done).cloned();
        let completed = runs()
            .filter(|run| run.is_completed())
            .map(|run| run.started)
            .max();
        let completed = match (verb, self.vault) {
            // A snapshot that is not there any more is no backup, whatever the history says.
            ("backup", Some(vault)) => vault.newest.iter().map(|snapshot| snapshot.time).max(),
            _ => completed,
        };
        let planned = self.planned.get(verb);
        let limit = self.schedule.limit(verb, planned.is_some());
        let late = limit.and_then(|limit| self.late(verb, limit, completed));
        let mut wrong = false;
        if counts {
            for what in last.iter().filter_map(|run| self.wrong(run)) {
                wrong = true;
                reasons.push(Reason::new(Health::Wrong, what));
            }
        }
        let is_late = late.is_some();
        reasons.extend(late.map(|text| Reason::new(Health::Late, text)));
        let next = planned
            .filter(|planned| planned.enabled)
            .and_then(|planned| planned.when);
        VerbStatus {
            verb,
            last,
            good,
            completed,
            limit_seconds: limit.map(|limit| limit.as_secs()),
            late: is_late,
            wrong,
            next: next
                .and_then(|when| when.next(self.now))
                .map(|next| next.timestamp()),
        }
    }

    /// In words, if it is late.
    fn late(
        &self,
        verb: &str,
        limit: SignedDuration,
        completed: Option<Timestamp>,
    ) -> Option<String> {
        let age = |then: Timestamp| self.now.timestamp().duration_since(then);
        let limit_words = in_words(limit);
        match completed {
            Some(completed) if age(completed) > limit => Some(format!(
                "the last {verb} is {} old (from {}), the limit is {limit_words}",
                in_words(age(completed)),
                self.local(completed)
            )),
            Some(_) => None,
            // Whoever has no backup at all should know at once.
            None if verb == "backup" => (self.has_history || self.vault.is_some())
                .then(|| "there is no backup yet".to_owned()),
            None => self
                .since
                .filter(|since| self.has_history && age(*since) > limit)
                .map(|since| {
                    format!(
                        "there was no {verb} since {}, the limit is {limit_words}",
                        self.local(since)
                    )
                }),
        }
    }

    /// In words, if a run went wrong.
    fn wrong(&self, run: &PastRun) -> Option<String> {
        if self.now.timestamp().duration_since(run.started) > REMEMBERED {
            return None;
        }
        let what = match &run.mode {
            Some(mode) => format!(
                "the last {} ({mode}, {})",
                run.verb,
                self.local(run.started)
            ),
            None => format!("the last {} ({})", run.verb, self.local(run.started)),
        };
        match run.state {
            State::Failed => {
                let message = run.message.as_deref().unwrap_or_default();
                let line = message.lines().next().unwrap_or_default();
                Some(format!("{what} failed: {line}"))
            }
            State::Incomplete => match run.verb.as_str() {
                "check" => harm(run).map(|found| format!("{what} found {found}")),
                "backup" => Some(format!("{what} is incomplete: {}", lacks(run))),
                "verify" => Some(format!("{what} found damage; 'fo_backup verify' names it")),
                _ => Some(format!(
                    "{what} found something: {}",
                    run.message.as_deref().unwrap_or("see its log")
                )),
            },
            State::Done | State::Running => None,
        }
    }

    fn local(&self, time: Timestamp) -> String {
        local(time, self.now.time_zone())
    }
}

/// What a check found that harms.
fn harm(check: &PastRun) -> Option<String> {
    let words: Vec<String> = findings(check)
        .iter()
        .filter(|(_, found)| found.harms && found.count > 0)
        .map(|(kind, found)| {
            let lost = match found.lost {
                0 => String::new(),
                lost => format!(" ({lost} of them lost)"),
            };
            format!("{} {}{lost}", found.count, kind.replace('_', " "))
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// A time for people.
fn local(time: Timestamp, zone: &TimeZone) -> String {
    let time = time.to_zoned_datetime(zone.clone());
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// What a snapshot lacks, from its counts.
fn lacks(run: &PastRun) -> String {
    let number = |name: &str| run.counts[name].as_u64().unwrap_or(0);
    format!(
        "{} blobs are missing and {} corrupt in the repository; 'fo_backup check' lists them",
        number("missing"),
        number("corrupt")
    )
}

#[cfg(test)]
mod tests;
