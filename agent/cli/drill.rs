// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup drill`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::restore::expect_no_password;
use super::session::Session;
use crate::operations::drill::{self, Percent, Report};
use crate::operations::{Error, Result, request};
use std::path::PathBuf;

/// Try a restore beside everything, check it, tell how long it takes, and remove it again
#[derive(clap::Args)]
pub struct Args {
    /// A snapshot's id or the beginning of one [default: the newest]
    snapshot: Option<String>,

    /// Restore only this share of the blobs, such as 1% [default: sample in [drill] of
    /// fo_backup.toml, else all]
    #[arg(long, value_name = "PERCENT")]
    sample: Option<Percent>,

    /// The folder below which it takes place [default: to in [drill] of fo_backup.toml, else where
    /// dumps lie on their way]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// How to connect as a role that may create databases; a password in it belongs into the
    /// environment variable instead, since everybody can read command lines
    #[arg(
        long,
        value_name = "URL",
        env = "FO_BACKUP_ADMIN_URL",
        hide_env_values = true
    )]
    admin_url: Option<String>,
}

impl Args {
    /// As a request of the scheduler's agent.
    pub fn for_queue(self) -> Result<request::Drill> {
        if self.to.is_some() {
            return Err(Error::Usage(
                "--to is for a drill by hand; one by the scheduler takes place where to in [drill] of fo_backup.toml says, on the host where it runs".into(),
            ));
        }
        Ok(request::Drill {
            snapshot: self.snapshot,
            sample: self.sample,
        })
    }
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    proven: bool,
    problems: &'a [String],
    #[serde(flatten)]
    report: &'a Report,
}

/// How many lines of each kind are shown.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    expect_no_password(args.admin_url.as_deref())?;
    let settings = session.settings()?;
    let vault = session.open_vault(&settings)?;
    let instance = session.instance()?;
    let asked = request::Drill {
        snapshot: args.snapshot,
        sample: args.sample,
    };
    let usual = asked.options(&settings);
    let options = drill::Options {
        parent: args.to.unwrap_or(usual.parent),
        admin_url: args.admin_url,
        ..usual
    };
    let report = drill::run(
        &instance,
        &vault,
        asked.wanted(),
        &options,
        session.context(),
    )?;
    let problems = report.problems();
    let answer = Answer {
        proven: problems.is_empty(),
        problems: &problems,
        report: &report,
    };
    session
        .output
        .result("drill", &answer, || text(&report, &problems));
    Ok(match problems.is_empty() {
        true => Exit::Done,
        false => Exit::Incomplete,
    })
}

fn text(report: &Report, problems: &[String]) -> String {
    let mut text = match problems.is_empty() {
        true => format!(
            "PROVEN: snapshot {} ({}) can be restored\n",
            report.snapshot, report.mode
        ),
        false => format!(
            "NOT PROVEN: snapshot {} ({}):\n",
            report.snapshot, report.mode
        ),
    };
    for problem in problems {
        text += &format!("  {problem}\n");
    }
    for damage in report.damaged.iter().take(SHOWN) {
        let what = damage
            .name
            .map_or("all of it".to_owned(), |name| name.to_string());
        text += &format!("  pack {}: {what}: {}\n", damage.pack, damage.why);
    }
    for failure in report.other_failures.iter().take(SHOWN) {
        text += &format!("  not written: {failure}\n");
    }
    let sample = report.sample.map_or(String::new(), |percent| {
        format!(
            ", a sample of {}% of {} blobs",
            percent.number(),
            number(report.all.blobs)
        )
    });
    text += &format!(
        "restored and read again: {} blobs, {}{sample}; {} other files; a database of {}\n",
        number(report.restored.blobs),
        bytes(report.restored.bytes),
        number(report.other_files),
        bytes(report.database_bytes),
    );
    if report.not_in_snapshot > 0 {
        text += &format!(
            "{} blobs were never in this snapshot: not there when it was made, or left to be unpacked again\n",
            number(report.not_in_snapshot)
        );
    }
    if report.by_url > 0 {
        text += &format!(
            "{} files are left to the web and were not tried; 'fo_backup verify --urls' asks for them\n",
            number(report.by_url)
        );
    }
    for setting in &report.left_out {
        text += &format!("not carried over: {setting}\n");
    }
    text += "\n";
    let took = &report.seconds;
    let rows: Vec<Vec<String>> = [
        ("database", took.database),
        ("blobs", took.blobs),
        ("other directories", took.directories),
        ("deep check", took.check),
        ("removing it again", took.removal),
        ("all of it", took.total),
    ]
    .iter()
    .map(|(part, took)| vec![(*part).to_owned(), seconds(*took)])
    .collect();
    text += &table(&rows, &[]);
    text += &match &report.full {
        Some(full) => {
            let reckoned = match report.sample {
                Some(_) => format!(
                    " (reckoned: what blobs took, times {:.0}; it rather takes less, since a sample reads more than it takes)",
                    full.factor
                ),
                None => String::new(),
            };
            format!(
                "a restore of everything takes about {}, a deep check after it {}{reckoned}\n",
                seconds(full.restore_seconds),
                seconds(full.check_seconds)
            )
        }
        None => "the sample was too small to tell how long all of it takes\n".to_owned(),
    };
    text
}
