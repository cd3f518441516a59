// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup status`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::fossology::own::history::PastRun;
use crate::operations::schedule::in_words;
use crate::operations::status::{self, Health, Status, VerbStatus, prometheus};
use crate::operations::{Error, Result};
use crate::vault::Mode;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use std::path::PathBuf;

/// Show how things stand: last and next runs, what is late, what is wrong
#[derive(clap::Args)]
pub struct Args {
    /// Print metrics for the textfile collector of Prometheus
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,

    /// Write it to this file instead, which is replaced whole
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,

    /// Write the files that [schedule] of fo_backup.toml names (status_file, metrics), print nothing
    #[arg(long, conflicts_with_all = ["prometheus", "to"])]
    files: bool,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance().map_err(|error| error.to_string());
    let vault = session
        .open_vault(&settings)
        .map_err(|error| error.to_string());
    let status = status::look(
        instance.as_ref().map_err(Clone::clone),
        vault.as_ref().map_err(Clone::clone),
        &settings.schedule,
        &ZonedDateTime::now(),
    );
    let exit = match status.health {
        Health::Ok => Exit::Done,
        Health::Late | Health::Wrong => Exit::Incomplete,
        Health::Unreachable => Exit::Failed,
    };
    let output = session.output;
    let json = || output.envelope("status", &status);
    if args.files {
        let schedule = &settings.schedule;
        if schedule.status_file.is_none() && schedule.metrics.is_none() {
            return Err(Error::Usage(
                "--files takes status_file or metrics in [schedule] of fo_backup.toml".into(),
            ));
        }
        let write = |file: &Option<PathBuf>, text: &dyn Fn() -> String| {
            file.as_deref()
                .map_or(Ok(()), |file| status::write(file, &text()))
        };
        write(&schedule.status_file, &json)?;
        write(&schedule.metrics, &|| prometheus(&status))?;
        return Ok(exit);
    }
    let shown = || match args.prometheus {
        true => prometheus(&status),
        false => text(&status),
    };
    match &args.to {
        Some(file) if output.is_json() => status::write(file, &json())?,
        Some(file) => status::write(file, &shown())?,
        // So that cron sends a mail only when there is something to tell.
        None if output.is_quiet()
            && status.health == Health::Ok
            && !output.is_json()
            && !args.prometheus => {}
        None => output.result("status", &status, shown),
    }
    Ok(exit)
}

fn text(status: &Status) -> String {
    let mut text = match status.health {
        Health::Ok => "OK: nothing is late, nothing is wrong\n".to_owned(),
        health => format!("{}:\n", health.as_str().to_uppercase()),
    };
    for reason in &status.reasons {
        text += &format!("  {}: {}\n", reason.health.as_str(), reason.text);
    }
    text += "\n";
    let head = ["", "last", "took", "ended", "last good", "next"].map(str::to_owned);
    let rows: Vec<Vec<String>> = std::iter::once(head.to_vec())
        .chain(
            status
                .verbs
                .iter()
                .filter(|verb| is_shown(verb))
                .flat_map(|verb| rows(verb, status.time)),
        )
        .collect();
    text += &table(&rows, &[]);
    text += "\n";
    for run in &status.running {
        text += &format!(
            "now: {} since {} on {}, asked for by {}\n",
            name(run),
            local(run.started),
            run.host,
            run.who
        );
    }
    if let Some(database) = &status.database {
        text += &format!(
            "queue: {} of our jobs wait, {} run; {} jobs are parked\n",
            number(database.queue.waiting),
            number(database.queue.running),
            number(database.parked)
        );
    }
    if let Some(vault) = &status.vault {
        let free = vault
            .free_bytes
            .map_or(String::new(), |free| format!(", {} free", bytes(free)));
        text += &format!(
            "vault {}{}: {} snapshots, {}{free}\n",
            vault.location,
            if vault.encrypted {
                " (encrypted)"
            } else {
                " (not encrypted: see docs/encryption.md)"
            },
            number(vault.snapshots),
            bytes(vault.pack_bytes + vault.chunk_bytes)
        );
        for snapshot in &vault.newest {
            let counts = &snapshot.counts;
            text += &format!(
                "  newest {}: {} ({}), {} blobs in gold, {} in files, {}{}\n",
                snapshot.mode,
                local(snapshot.time),
                ago(snapshot.time, status.time),
                number(counts.gold),
                number(counts.files),
                bytes(counts.files_bytes.max(counts.gold_bytes)),
                if snapshot.complete {
                    ""
                } else {
                    ", INCOMPLETE"
                },
            );
            if snapshot.by_url > 0 {
                text += &format!(
                    "    {} uploaded files are left to the web ('fo_backup verify --urls' asks for them)\n",
                    number(snapshot.by_url)
                );
            }
            if let Some(label) = &snapshot.external {
                text += &format!("    the database is in another program's backup {label}\n");
            }
        }
    }
    if let Some(offsite) = &status.offsite {
        text += &format!(
            "off-site {}: {} snapshots complete ({})\n",
            offsite.location,
            number(offsite.complete.len() as u64),
            ago(offsite.copied, status.time),
        );
        for mode in [Mode::Full, Mode::Gold] {
            if let Some(newest) = offsite.newest(mode) {
                let (time, age) = (local(newest.time), ago(newest.time, status.time));
                text += &format!("  newest {mode}: {time} ({age})\n");
            }
        }
        if offsite.lacking > 0 {
            let lacking = number(offsite.lacking);
            text += &format!("  {lacking} INCOMPLETE there; 'fo_backup copy' names them\n");
        }
        for snapshot in &offsite.not_there {
            text += &format!("  not there yet: {snapshot}\n");
        }
    }
    text + &known(status)
}

/// What is known of blobs and restores.
fn known(status: &Status) -> String {
    let mut text = String::new();
    if let Some(findings) = &status.findings {
        let words: Vec<String> = findings
            .iter()
            .map(|(kind, found)| format!("{} {}", number(found.count), kind.replace('_', " ")))
            .collect();
        let lost = findings.values().map(|found| found.lost).sum();
        text += &match words.is_empty() {
            true => "last check: nothing was found\n".to_owned(),
            false => format!("last check: {}; {} lost\n", words.join(", "), number(lost)),
        };
    }
    if let Some(database) = &status.database {
        text += &format!(
            "blobs: {} pruned, {} not reproducible\n",
            number(database.pruned),
            number(database.not_reproducible)
        );
    }
    let restore = status.drill.as_ref().and_then(|drill| {
        let took = drill.counts["full"]["restore_seconds"].as_f64()?;
        Some((drill, took))
    });
    if let Some((drill, took)) = restore {
        text += &format!(
            "last drill: snapshot {}; a restore of everything takes about {}\n",
            drill.snapshot.as_deref().unwrap_or_default(),
            seconds(took)
        );
    }
    text
}

/// Whether there is something to tell of a verb.
fn is_shown(verb: &VerbStatus) -> bool {
    !verb.last.is_empty()
        || verb.limit_seconds.is_some()
        || verb.next.is_some()
        || verb.completed.is_some()
}

fn rows(verb: &VerbStatus, now: Timestamp) -> Vec<Vec<String>> {
    let next = verb.next.map_or(String::new(), local);
    let good = verb
        .good
        .as_ref()
        .map_or(String::new(), |run| ago(run.started, now));
    if verb.last.is_empty() {
        let empty = String::new;
        return vec![vec![
            verb.verb.to_owned(),
            "never".to_owned(),
            empty(),
            empty(),
            empty(),
            next,
        ]];
    }
    let row = |run: &PastRun| {
        let took = run.ended.map_or(String::new(), |ended| {
            seconds(ended.duration_since(run.started).as_secs_f64().max(0.0))
        });
        vec![
            name(run),
            local(run.started),
            took,
            run.state.as_str().to_owned(),
            good.clone(),
            next.clone(),
        ]
    };
    verb.last.iter().map(row).collect()
}

fn name(run: &PastRun) -> String {
    match &run.mode {
        Some(mode) => format!("{} ({mode})", run.verb),
        None => run.verb.clone(),
    }
}

fn local(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", in_words(now.duration_since(time)))
}
