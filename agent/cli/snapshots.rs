// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup snapshots`.

use super::exit::Exit;
use super::output::{bytes, number, table};
use super::session::Session;
use crate::operations::Result;
use crate::vault::{Counts, Mode, Snapshot, SnapshotId};

/// List the snapshots in the vault
#[derive(clap::Args)]
pub struct Args {}

#[derive(serde::Serialize)]
struct Report<'a> {
    snapshots: Vec<Row<'a>>,
    unreadable: Vec<String>,
}

#[derive(serde::Serialize)]
struct Row<'a> {
    snapshot: &'a SnapshotId,
    time: jiff::Timestamp,
    mode: Mode,
    host: &'a str,
    release: Option<&'a str>,
    complete: bool,
    tags: &'a [String],
    counts: &'a Counts,
}

pub fn run(session: &Session<'_>, _: Args) -> Result<Exit> {
    let vault = session.open_vault(&session.settings()?)?;
    let list = vault.snapshots()?;
    let row = |snapshot: &'_ Snapshot| -> Vec<String> {
        let counts = &snapshot.counts;
        vec![
            snapshot.id.to_string(),
            snapshot.mode.to_string(),
            number(counts.gold),
            number(counts.files),
            bytes(counts.files_bytes.max(counts.gold_bytes)),
            bytes(counts.stored_bytes),
            snapshot.host.clone(),
            snapshot.tags.join(" "),
            if snapshot.is_incomplete() {
                "incomplete".into()
            } else {
                String::new()
            },
        ]
    };
    let report = Report {
        snapshots: list
            .readable
            .iter()
            .map(|snapshot| Row {
                snapshot: &snapshot.id,
                time: snapshot.time,
                mode: snapshot.mode,
                host: &snapshot.host,
                release: snapshot.release.as_deref(),
                complete: !snapshot.is_incomplete(),
                tags: &snapshot.tags,
                counts: &snapshot.counts,
            })
            .collect(),
        unreadable: list
            .unreadable
            .iter()
            .map(|(key, error)| format!("{key}: {error}"))
            .collect(),
    };
    session.output.result("snapshots", &report, || {
        let head = [
            "snapshot", "mode", "gold", "files", "size", "added", "host", "tags", "",
        ]
        .map(str::to_owned);
        let rows: Vec<Vec<String>> = std::iter::once(head.to_vec())
            .chain(list.readable.iter().map(row))
            .collect();
        let mut text = table(&rows, &[2, 3, 4, 5]);
        for line in &report.unreadable {
            text += &format!("UNREADABLE {line}\n");
        }
        text
    });
    if list
        .unreadable
        .iter()
        .any(|(_, error)| error.is_about_keys() && !error.is_for_others())
    {
        return Ok(Exit::WrongKey);
    }
    Ok(if report.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Incomplete
    })
}
