// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup backup`.

use super::exit::Exit;
use super::output::{bytes, number, seconds};
use super::session::Session;
use crate::blob::{HostName, HostNameError};
use crate::fossology::database::LIES_OPEN;
use crate::operations::backup::stages;
use crate::operations::{Error, Result, backup, request};
use crate::vault::retention::is_tag;
use crate::vault::{Absent, Counts, Mode, Snapshot, SnapshotId};
use std::time::Instant;

/// Take a snapshot of the database, the repository and the configuration
#[derive(clap::Args)]
pub struct Args {
    /// full: gold and files; gold: gold, and what cannot be unpacked again from it
    #[arg(long, value_enum, default_value = "full")]
    mode: ModeArg,

    /// Take the job logs too
    #[arg(long)]
    logs: bool,

    /// Leave secrets out of the dump: passwords of users and of the configuration, tokens. Users need
    /// new passwords after a restore
    #[arg(long)]
    scrub: bool,

    /// A word by which the snapshot is to be known, for keep_tags of the rotation for one; several
    /// if need be
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,

    /// Only pack what lies on this host of [REPOSITORY] and the vault lacks, and make no snapshot:
    /// the next backup, here or elsewhere, finds it in the vault
    #[arg(long, value_name = "NAME", value_parser = host)]
    repo_host: Vec<HostName>,
}

/// A tag on the command line.
pub fn tag(text: &str) -> Result<String, String> {
    if is_tag(text) {
        Ok(text.to_owned())
    } else {
        Err("a tag is one word of letters, digits and ._-:@+/, at most 64".into())
    }
}

pub(super) fn host(text: &str) -> Result<HostName, HostNameError> {
    HostName::new(text)
}

/// The modes on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum ModeArg {
    Full,
    Gold,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Full => Self::Full,
            ModeArg::Gold => Self::Gold,
        }
    }
}

impl Args {
    /// As a request of the scheduler's agent.
    pub fn for_queue(self) -> Result<request::Backup> {
        if !self.repo_host.is_empty() {
            return Err(Error::Usage(
                "--repo-host is for a backup by hand; one by the scheduler is divided among the hosts by itself".into(),
            ));
        }
        Ok(request::Backup {
            mode: self.mode.into(),
            logs: self.logs,
            scrub: self.scrub,
            tags: self.tags,
        })
    }
}

#[derive(serde::Serialize)]
struct Report<'a> {
    snapshot: &'a SnapshotId,
    mode: Mode,
    seconds: f64,
    complete: bool,
    counts: &'a Counts,
    absent: &'a [Absent],
    left_out: &'a [String],
    scrubbed: &'a [String],
}

/// What is said of blobs that were packed for a later backup.
#[derive(serde::Serialize)]
struct Ahead<'a> {
    /// There is none.
    snapshot: Option<&'a SnapshotId>,
    repo_hosts: &'a [HostName],
    seconds: f64,
    new: u64,
    new_bytes: u64,
    stored_bytes: u64,
    lacking: u64,
}

/// How many absent blobs are named in the text.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    let vault = session.open_vault(&settings)?;
    let options = backup::Options {
        mode: args.mode.into(),
        level: settings.compression.unwrap_or(1),
        threads: settings.threads(),
        logs: args.logs || settings.logs.unwrap_or(false),
        scrub: args.scrub || settings.scrub.unwrap_or(false),
        tags: args.tags,
        external: settings.database.external(),
        by_url: settings.gold.by_url(),
        scratch: settings.scratch(),
        postgres_bin: settings.postgres_bin.clone(),
    };
    if !vault.is_encrypted() && !options.scrub {
        session.output.progress().note(&format!(
            "the vault is not encrypted, so its dumps hold in the open: {LIES_OPEN}; see 'init --recipient' and 'backup --scrub'"
        ));
    }
    let began = Instant::now();
    if !args.repo_host.is_empty() {
        let hosts = &args.repo_host;
        let part = stages::pack_ahead(&instance, &vault, &options, hosts, session.context())?;
        let report = Ahead {
            snapshot: None,
            repo_hosts: hosts,
            seconds: began.elapsed().as_secs_f64(),
            new: part.blobs,
            new_bytes: part.bytes,
            stored_bytes: part.stored(),
            lacking: part.lacking(),
        };
        session
            .output
            .result("backup", &report, || ahead_text(&report));
        return Ok(if report.lacking > 0 {
            Exit::Incomplete
        } else {
            Exit::Done
        });
    }
    let snapshot = backup::run(&instance, &vault, &options, session.context())?;
    let spent = began.elapsed().as_secs_f64();
    let report = Report {
        snapshot: &snapshot.id,
        mode: snapshot.mode,
        seconds: spent,
        complete: !snapshot.is_incomplete(),
        counts: &snapshot.counts,
        absent: &snapshot.absent,
        left_out: &snapshot.left_out,
        scrubbed: &snapshot.scrubbed,
    };
    session
        .output
        .result("backup", &report, || text(&snapshot, spent));
    Ok(if snapshot.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn ahead_text(report: &Ahead<'_>) -> String {
    let hosts: Vec<&str> = report.repo_hosts.iter().map(HostName::as_str).collect();
    let mut text = format!(
        "packed from {} in {}: {} blobs, {}; added to the vault: {}\nNo snapshot was made: the next backup finds these blobs in the vault\n",
        hosts.join(", "),
        seconds(report.seconds),
        number(report.new),
        bytes(report.new_bytes),
        bytes(report.stored_bytes),
    );
    if report.lacking > 0 {
        text += &format!(
            "INCOMPLETE: {} blobs are missing or unreadable; 'fo_backup check' lists them by upload\n",
            number(report.lacking)
        );
    }
    text
}

fn text(snapshot: &Snapshot, spent: f64) -> String {
    let counts = &snapshot.counts;
    let mut text = format!(
        "snapshot {} ({}) in {}\n  gold {} blobs, {}; files {} blobs, {}; database {}\n  new: {} blobs, {}; added to the vault: {}\n",
        snapshot.id,
        snapshot.mode,
        seconds(spent),
        number(counts.gold),
        bytes(counts.gold_bytes),
        number(counts.files),
        bytes(counts.files_bytes),
        bytes(counts.dump_bytes),
        number(counts.new),
        bytes(counts.new_bytes),
        bytes(counts.stored_bytes),
    );
    if counts.deleted > 0 {
        text += &format!(
            "  {} blobs were deleted while the backup ran\n",
            number(counts.deleted)
        );
    }
    if snapshot.is_incomplete() {
        text += &format!(
            "INCOMPLETE: {} blobs are missing and {} corrupt or unreadable in the repository, {} other files could not be read\n",
            number(counts.missing),
            number(counts.corrupt),
            snapshot.left_out.len(),
        );
        for absent in snapshot
            .absent
            .iter()
            .filter(|absent| absent.kind != "deleted")
            .take(SHOWN)
        {
            text += &format!("  {} {}: {}\n", absent.kind, absent.name, absent.why);
        }
        for file in snapshot.left_out.iter().take(SHOWN) {
            text += &format!("  {file}\n");
        }
        text += "  'fo_backup check' lists them by upload\n";
    }
    text
}
