// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup copy`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::operations::copy::{self, Hurt, Report, State};
use crate::operations::{Error, Result};
use std::fmt::Write;
use std::time::Instant;

/// Copy snapshots to a vault at another place, and look whether they are complete there
#[derive(clap::Args)]
pub struct Args {
    /// The snapshots' ids, the start of each, or 'latest' [default: all]
    snapshots: Vec<String>,

    /// The other vault, which is made if nothing is there [default: location in [offsite] of fo_backup.toml]
    #[arg(long, value_name = "LOCATION")]
    to: Option<String>,

    /// Only snapshots with this tag; several if need be
    #[arg(long)]
    tag: Vec<String>,

    /// Only so many of the newest
    #[arg(long, value_name = "NUMBER")]
    newest: Option<usize>,

    /// How much is read at the other place afterwards, chosen at random each time: at least a pack
    /// and a chunk
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    read_data: f64,
}

#[derive(serde::Serialize)]
struct Envelope<'a> {
    complete: bool,
    seconds: f64,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    if !(args.read_data > 0.0 && args.read_data <= 100.0) {
        return Err(Error::Usage(format!(
            "--read-data={}: it takes a percentage above 0, up to 100",
            args.read_data
        )));
    }
    let settings = session.settings()?;
    let to = args.to.as_ref().or(settings.offsite.location.as_ref());
    let to = to.ok_or_else(|| {
        Error::Usage(
            "no other place is named: give --to LOCATION, or set location in [offsite] of fo_backup.toml".into(),
        )
    })?;
    let vault = session.open_vault(&settings)?;
    let far = copy::open_far(&vault, &settings.place(to)?)?;
    session.output.watch(&far);
    // A vault can be copied where there is no FOSSology.
    let instance = session
        .instance()
        .inspect_err(|error| log::info!("the run is not in the history: {error}"))
        .ok();
    let options = copy::Options {
        snapshots: args.snapshots,
        tags: args.tag,
        newest: args.newest,
        read: args.read_data,
        threads: settings.lookers(),
    };
    let began = Instant::now();
    let report = copy::run(&vault, &far, instance.as_ref(), &options, session.context())?;
    let result = Envelope {
        complete: report.problem().is_none(),
        seconds: began.elapsed().as_secs_f64(),
        report: &report,
    };
    session
        .output
        .result("copy", &result, || text(&report, result.seconds));
    Ok(match result.complete {
        true => Exit::Done,
        false => Exit::Incomplete,
    })
}

fn text(report: &Report, spent: f64) -> String {
    let rows: Vec<Vec<String>> = report
        .snapshots
        .iter()
        .map(|copied| {
            let state = match copied.state {
                State::Copied => "copied",
                State::There => "there already",
                State::Incomplete => "NOT COPIED",
            };
            vec![
                copied.snapshot.to_string(),
                copied.mode.to_string(),
                state.to_owned(),
            ]
        })
        .collect();
    let mut text = table(&rows, &[]);
    let mut list = |title: &str, hurt: &[Hurt]| {
        for Hurt { object, why } in hurt {
            let _ = writeln!(text, "{title} {object}: {why}");
        }
    };
    list("NOT COPIED", &report.hurt);
    list("INCOMPLETE there:", &report.lacking);
    list("DAMAGED there:", &report.proven.damaged);
    for why in &report.unreadable {
        let _ = writeln!(text, "UNREADABLE here: {why}");
    }
    for snapshot in &report.newer_there {
        let _ = writeln!(
            text,
            "NEWER there: {snapshot}: somebody makes backups there too, or this vault went back to an older state"
        );
    }
    let _ = writeln!(
        text,
        "copied to {} in {}: {} packs ({}), {} chunks ({})",
        report.to,
        seconds(spent),
        number(report.packs.count),
        bytes(report.packs.bytes),
        number(report.chunks.count),
        bytes(report.chunks.bytes),
    );
    let proven = &report.proven;
    let _ = writeln!(
        text,
        "there: {} snapshots complete; read {} packs and {} chunks, {}",
        number(report.complete.len() as u64),
        number(proven.packs),
        number(proven.chunks),
        bytes(proven.bytes),
    );
    text
}
