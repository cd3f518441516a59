// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup estimate`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::operations::Result;
use crate::operations::check;
use crate::operations::estimate::{self, Estimate, Number, Options, Report, Rests};

/// Tell what backups and restores would take here: sizes and times, for full and gold-only
///
/// It measures for a second or two and writes some megabytes, which it removes.
#[derive(clap::Args)]
pub struct Args {}

pub fn run(session: &Session<'_>, _: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    let location = session.location(&settings).ok();
    // It goes without a vault: then it is told what the first backup makes.
    let vault =
        location.and_then(|location| check::open_vault(&instance, &location, &settings).ok());
    let options = Options {
        threads: settings.threads(),
        compression: settings.compression.unwrap_or(1),
        scratch: settings.scratch(),
    };
    let report = estimate::run(&instance, vault.as_ref(), &options, session.context())?;
    session.output.result("estimate", &report, || text(&report));
    Ok(Exit::Done)
}

fn text(report: &Report) -> String {
    let counts = &report.counts;
    let dump = counts.dump_bytes.map_or("none yet".to_owned(), bytes);
    let mut text = format!(
        "{} uploads; gold: {} blobs, {}; unpacked from it: {} blobs, {}; database {}, its dump {dump}\n\n",
        number(counts.uploads),
        number(counts.gold.blobs),
        bytes(counts.gold.bytes),
        number(counts.unpacked.blobs),
        bytes(counts.unpacked.bytes),
        bytes(counts.database_bytes),
    );
    let (full, gold) = (&report.full, &report.gold);
    let size = |value: f64| bytes(value as u64);
    let mut rows = vec![
        ["", "full", "", "gold-only", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut add =
        |what: &str, of: &dyn Fn(&Estimate) -> Option<Number>, show: &dyn Fn(f64) -> String| {
            let mut row = vec![what.to_owned()];
            for estimate in [full, gold] {
                let cells = match of(estimate) {
                    Some(number) => [
                        show(number.likely),
                        format!(
                            "{} to {}, {}",
                            show(number.low),
                            show(number.high),
                            rests(number.rests)
                        ),
                    ],
                    None => ["-".to_owned(), String::new()],
                };
                row.extend(cells);
            }
            rows.push(row);
        };
    add(
        "vault after the first backup",
        &|one| Some(one.vault_bytes),
        &size,
    );
    add("growth a day", &|one| one.growth_bytes_per_day, &size);
    add(
        "first backup",
        &|one| Some(one.first_backup_seconds),
        &seconds,
    );
    add(
        "backup with nothing new",
        &|one| Some(one.nothing_new_seconds),
        &seconds,
    );
    add(
        "restore, until people can work",
        &|one| Some(one.restore_seconds),
        &seconds,
    );
    add(
        "unpacking everything again",
        &|one| one.unpack_seconds,
        &seconds,
    );
    text += &table(&rows, &[1, 3]);
    text += "\nroom that a restore needs (at most):\n";
    for (name, room) in [("full", full.room), ("gold-only", gold.room)] {
        let later = match room.repository_unpacked > room.repository {
            true => format!(
                " ({} when all is unpacked again)",
                bytes(room.repository_unpacked)
            ),
            false => String::new(),
        };
        text += &format!(
            "  {name}: repository {}{later}, PostgreSQL {} beside the old database, scratch {}\n",
            bytes(room.repository),
            bytes(room.database),
            bytes(room.scratch)
        );
    }
    let measured = &report.measured;
    text += &format!(
        "\nhistory: runs on this instance. measured: just now, {} blobs read and {} written to {}; what lies in memory is read faster than from a disk. assumed: what is usual.\n",
        number(measured.blobs),
        bytes(measured.written_bytes),
        measured.place.display()
    );
    text + "'fo_backup drill' measures a whole restore, and makes these numbers better.\n"
}

fn rests(rests: Rests) -> &'static str {
    match rests {
        Rests::History => "history",
        Rests::Measured => "measured",
        Rests::Assumed => "assumed",
    }
}
