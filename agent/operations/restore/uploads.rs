// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The blobs of some uploads alone. Which ones these are says the snapshot's own dump, which is read
//! and not restored: a bitmap of keys is all that is kept of it.
//!
//! Nothing that is good is touched, and each blob gets its name when it is whole, so people may go
//! on working in the repository that it comes into, and after a kill the same command goes on.

use super::blobs::Selection;
use super::writer::Written;
use super::{Options, Report, Seconds, blobs, plan, room};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue;
use crate::fossology::own::{self, BlobState};
use crate::operations::dumped::Dump;
use crate::operations::{Context, Instance, Result};
use crate::vault::{LeaseKind, Members, Snapshot, Vault};
use postgres::Client;
use std::time::Instant;

/// An upload whose blobs came back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoredUpload {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name.
    pub filename: String,
    /// How many blobs it needs.
    pub blobs: u64,
}

/// How many blobs are asked for at once.
const BATCH: usize = 4096;

/// Brings the blobs of some uploads back into the repository, or another folder.
///
/// # Errors
/// When the snapshot has no such upload, or it could not be finished.
pub fn run_uploads(
    instance: &Instance,
    vault: &Vault,
    wanted: &str,
    uploads: &[i32],
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    vault.expect_readable()?;
    let lease = vault.lease(LeaseKind::Read, "restore")?;
    let snapshot = vault.snapshot(wanted)?;
    let layout = plan::layout(instance, options);
    plan::expect_repository(&layout, vault, options)?;
    let mut report = Report::new(&snapshot, &layout, options);

    context
        .progress
        .begin("reading the dump's list of files", 0, 0);
    let needed = needed(vault, &snapshot, uploads, options, context, &mut report)?;
    context.progress.end();
    let selection = blobs::members_among(vault, &snapshot, Some(&needed))?;
    report.not_in_snapshot = selection.not_in_snapshot;
    report.selected = Some(selection.blobs);
    if !options.dry_run {
        room::expect_space(&layout, &selection)?;
        let mut client = plan::hold_files(instance, &layout, options)?;
        let names = names_of(&selection, client.is_some())?;
        let later = report.bring_back(vault, selection, &layout, instance, options, context)?;
        report.once_more(&later, &layout, instance, options, context)?;
        if let Some(client) = &mut client {
            no_longer_pruned(client, &names, &report)?;
        }
    }
    lease.check()?;
    let total = began.elapsed().as_secs_f64();
    report.seconds = Seconds {
        repository: total,
        total,
        ..Seconds::default()
    };
    Ok(report)
}

/// What the uploads need, by the keys of the snapshot's database.
fn needed(
    vault: &Vault,
    snapshot: &Snapshot,
    uploads: &[i32],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<Members> {
    let dump = Dump::open(
        vault,
        snapshot,
        &options.scratch,
        options.postgres_bin.as_deref(),
    )?;
    let mut needed = Members::default();
    for upload in dump.uploads(uploads)? {
        context.stop.check()?;
        let mut own = Members::default();
        own.gold.extend(upload.gold);
        dump.nodes(&upload, |node| own.files.extend(node.pfile))?;
        report.chosen.push(RestoredUpload {
            upload: upload.upload,
            filename: upload.filename,
            blobs: own.any().len(),
        });
        needed.gold |= own.gold;
        needed.files |= own.files;
    }
    Ok(needed)
}

/// The names of what is selected, if the database has to be told.
fn names_of(selection: &Selection, wanted: bool) -> Result<Vec<PfileName>> {
    let mut names = Vec::new();
    if wanted {
        selection.for_each(|name, trees| {
            // Gold is never pruned.
            if trees.contains(Tree::Files) {
                names.push(*name);
            }
        })?;
    }
    Ok(names)
}

/// What a policy had removed is there again.
fn no_longer_pruned(client: &mut Client, names: &[PfileName], report: &Report) -> Result<()> {
    let came = |written: &Written| written.written + written.replaced > 0;
    if !report.blobs.as_ref().is_some_and(came) {
        return Ok(());
    }
    let lost: Vec<PfileName> = report.damaged.iter().filter_map(|lost| lost.name).collect();
    for some in names.chunks(BATCH) {
        let there = catalogue::needed_now(client, some)?;
        let keys: Vec<u32> = there
            .iter()
            .filter(|(name, ..)| !lost.contains(name))
            .map(|(_, pfile, _)| *pfile)
            .collect();
        own::clear_state(client, BlobState::Pruned, &keys)?;
    }
    Ok(())
}
