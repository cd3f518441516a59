// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup expire`.

use super::backup::{ModeArg, tag};
use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::operations::Result;
use crate::operations::expire::{self, Options, Report};
use crate::operations::request::{self, Work};
use crate::vault::retention::{Age, Mark, Policy};
use std::fmt::Write;
use std::time::Instant;

/// Remove snapshots that no rule keeps, and give their space back
///
/// The rules are those of [retention] in fo_backup.toml, or the --keep- options instead of them. Each
/// mode is looked at by itself. The newest of a mode never goes.
#[derive(clap::Args)]
pub struct Args {
    /// Only snapshots of this mode go
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,

    #[command(flatten)]
    keep: Keep,

    /// Say what would go and why, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Remove snapshots and nothing else: no space comes back
    #[arg(long)]
    snapshots_only: bool,

    /// Drop what nothing needs, but rewrite no pack of which a part is needed
    #[arg(long, conflicts_with = "snapshots_only")]
    no_rewrite: bool,

    /// Read the data too, all of it or so many percent, to tell which snapshots are whole
    #[arg(
        long,
        value_name = "PERCENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100"
    )]
    read_data: Option<f64>,

    /// Of each mode so many stay that are whole [default: minimum_verified in fo_backup.toml, else 1]
    #[arg(long, value_name = "NUMBER")]
    minimum_verified: Option<u32>,

    /// So long stays what no snapshot names, as of an interrupted backup [default: grace in
    /// fo_backup.toml, else 7d]
    #[arg(long, value_name = "AGE")]
    grace: Option<Age>,

    /// Rewrite packs of which more than this is dead [default: max_dead in fo_backup.toml, else 50]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    max_dead: Option<u8>,
}

/// A policy on the command line.
#[derive(clap::Args)]
struct Keep {
    /// So many of the newest
    #[arg(long, value_name = "NUMBER")]
    keep_last: Option<u32>,

    /// The newest of each of so many hours that have one
    #[arg(long, value_name = "NUMBER")]
    keep_hourly: Option<u32>,

    /// Of each of so many days
    #[arg(long, value_name = "NUMBER")]
    keep_daily: Option<u32>,

    /// Of each of so many weeks
    #[arg(long, value_name = "NUMBER")]
    keep_weekly: Option<u32>,

    /// Of each of so many months
    #[arg(long, value_name = "NUMBER")]
    keep_monthly: Option<u32>,

    /// Of each of so many years
    #[arg(long, value_name = "NUMBER")]
    keep_yearly: Option<u32>,

    /// All that are not older than the newest by more than this, as in 30d, 8w, 2m, 1y6m
    #[arg(long, value_name = "AGE")]
    keep_within: Option<Age>,

    /// All that have this tag; several if need be
    #[arg(long, value_name = "TAG", value_parser = tag)]
    keep_tag: Vec<String>,
}

impl Keep {
    /// The policy, if any option was given.
    fn policy(self) -> Option<Policy> {
        let numbers = [
            self.keep_last,
            self.keep_hourly,
            self.keep_daily,
            self.keep_weekly,
            self.keep_monthly,
            self.keep_yearly,
        ];
        let given = numbers.iter().any(Option::is_some)
            || self.keep_within.is_some()
            || !self.keep_tag.is_empty();
        let [
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
        ] = numbers.map(|number| number.unwrap_or(0));
        given.then_some(Policy {
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            keep_within: self.keep_within,
            keep_tags: self.keep_tag,
        })
    }
}

impl From<Args> for request::Expire {
    fn from(args: Args) -> Self {
        Self {
            mode: args.mode.map(Into::into),
            keep: args.keep.policy(),
            minimum_verified: args.minimum_verified,
            read_data: args.read_data,
            grace: args.grace,
            max_dead: args.max_dead,
            snapshots_only: args.snapshots_only,
            no_rewrite: args.no_rewrite,
            dry_run: args.dry_run,
        }
    }
}

#[derive(serde::Serialize)]
struct Envelope<'a> {
    seconds: f64,
    given_back: u64,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let request: request::Expire = args.into();
    Work::Expire(request.clone()).check()?;
    let settings = session.settings()?;
    let vault = session.open_vault(&settings)?;
    // A vault can be expired where there is no FOSSology.
    let instance = session
        .instance()
        .inspect_err(|error| log::info!("the run is not in the history: {error}"))
        .ok();
    let options = request.options(&settings);
    let began = Instant::now();
    let report = expire::run(&vault, instance.as_ref(), &options, session.context())?;
    let result = Envelope {
        seconds: began.elapsed().as_secs_f64(),
        given_back: report.given_back(),
        report: &report,
    };
    session.output.result("expire", &result, || {
        text(&report, &options, result.seconds)
    });
    Ok(if report.has_problems() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn text(report: &Report, options: &Options, spent: f64) -> String {
    let row = |mark: &Mark| {
        let reasons: Vec<String> = mark.reasons.iter().map(ToString::to_string).collect();
        vec![
            if mark.keep { "stays" } else { "goes" }.to_owned(),
            mark.snapshot.to_string(),
            mark.mode.to_string(),
            mark.tags.join(" "),
            reasons.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = report.snapshots.iter().map(row).collect();
    let mut text = table(&rows, &[]);
    if !report.policy {
        return text
            + "nothing goes: there is no policy; set [retention.full] or [retention.gold] in fo_backup.toml, or give --keep- options\n";
    }
    let (verb, total) = (
        if report.dry_run {
            "would go"
        } else {
            "removed"
        },
        report.snapshots.len() as u64,
    );
    let _ = writeln!(
        text,
        "{verb} in {}: {} of {} snapshots",
        seconds(spent),
        number(report.going()),
        number(total),
    );
    if report.packs.count + report.chunks.count > 0 {
        let _ = writeln!(
            text,
            "  {} packs, {}; {} chunks, {}",
            number(report.packs.count),
            bytes(report.packs.bytes),
            number(report.chunks.count),
            bytes(report.chunks.bytes),
        );
    }
    if report.rewritten.count > 0 {
        let about = if report.dry_run { "about " } else { "" };
        let _ = writeln!(
            text,
            "  {} packs, {}, of which more than {} % is dead: {about}{} of them stay, in new packs",
            number(report.rewritten.count),
            bytes(report.rewritten.bytes),
            options.max_dead,
            bytes(report.new_packs.bytes),
        );
    }
    for renamed in &report.renamed {
        let _ = writeln!(text, "  snapshot {} is {} now", renamed.from, renamed.to);
    }
    if report.young.count > 0 {
        let _ = writeln!(
            text,
            "  {} packs and chunks that no snapshot names, {}, stay: they are not older than {}",
            number(report.young.count),
            bytes(report.young.bytes),
            options.grace,
        );
    }
    let _ = writeln!(
        text,
        "given back: {}; {} more is dead in packs that stay",
        bytes(report.given_back()),
        bytes(report.dead_bytes),
    );
    for why in &report.unreadable {
        let _ = writeln!(text, "UNREADABLE {why}");
    }
    if !report.unreadable.is_empty() {
        text += "  nobody knows what it needs, so no pack and no chunk went; move it out of the vault if it is of no use\n";
    }
    for snapshot in &report.not_whole {
        let _ = writeln!(text, "NOT WHOLE {snapshot}: 'fo_backup verify' says why");
    }
    for alone in &report.left_alone {
        let _ = writeln!(
            text,
            "DAMAGED pack {}, which stays as it is: {}",
            alone.pack, alone.why
        );
    }
    text
}
