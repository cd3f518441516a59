// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A restore, from top to bottom:
//!
//! 1. what forbids it is looked for, before anything is touched;
//! 2. the dump goes into a new database beside the old one, jobs are parked there, and it is
//!    marked as complete;
//! 3. the blobs that this database needs go into the repository, each compared with its name
//!    before it gets its own; a good one that is there already is left alone;
//! 4. the other directories follow, and everything is synced to disk;
//! 5. the new database's history gets a row that says where it comes from, so that FOSSology's
//!    pages can say why files are missing;
//! 6. last, old and new database change names in one transaction.
//!
//! With repository hosts named, the living database is left alone and only what these hosts lack comes
//! back (see [`hosts`]).
//!
//! Killed anywhere, FOSSology still has its old database, and the same command again takes the
//! complete new database and the blobs that are there, and goes on. One damaged pack or blob never
//! stops the rest: it is named at the end.

pub(super) mod blobs;
pub(super) mod database;
pub(super) mod directories;
mod hit;
mod hosts;
mod life;
pub(super) mod plan;
mod record;
pub(super) mod room;
mod undo;
mod uploads;
pub(super) mod writer;

use super::by_url::{self, Fetched, GoldSettings};
use super::recover::Amount;
use super::{Context, Error, Instance, Result, check};
use crate::blob::{HostName, PfileName, TreeSet};
use crate::fossology::repository::Layout;
use crate::vault::{ByUrl, LeaseKind, Mode, Snapshot, SnapshotId, Vault};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

pub use blobs::Damage;
pub use database::RestoredDatabase;
pub use hit::Hit;
pub(super) use plan::free;
pub use undo::{Undo, Undone, undo};
pub use uploads::{RestoredUpload, run_uploads};
pub use writer::Written;

/// What is restored, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database's name; that of Db.conf unless it is given. `None` with `no_database`.
    pub database: Option<String>,
    /// Leave the database alone.
    pub no_database: bool,
    /// The repository's path; that of fossology.conf unless it is given.
    pub repository: Option<PathBuf>,
    /// Leave the repository alone.
    pub no_repository: bool,
    /// Only what lacks on these repository hosts by the living database; needs `no_database`.
    pub repo_hosts: Vec<HostName>,
    /// How gold comes back from the web.
    pub gold: GoldSettings,
    /// Look and tell only.
    pub dry_run: bool,
    /// How to connect as a role that may create databases.
    pub admin_url: Option<String>,
    /// How many threads decode, check and write.
    pub threads: usize,
    /// Where the dump lies on its way.
    pub scratch: PathBuf,
    /// Where PostgreSQL's programs are, when they are not where Debian has them.
    pub postgres_bin: Option<PathBuf>,
}

/// What came of a restore.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// Whether this was only a look.
    pub dry_run: bool,
    /// The uploads whose blobs alone were wanted; none when it was everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<RestoredUpload>,
    /// How many blobs the snapshot has of those uploads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected: Option<u64>,
    /// The database, unless it was left alone.
    pub database: Option<RestoredDatabase>,
    /// Where the repository is.
    pub repository: Option<PathBuf>,
    /// Blobs, unless the repository was left alone.
    pub blobs: Option<Written>,
    /// Blobs that the database needs and the snapshot never had: what it was incomplete by, and
    /// for a gold-only snapshot what has to be unpacked again.
    pub not_in_snapshot: u64,
    /// Blobs that are pruned by what the restored database says: they stay away, whether or not the
    /// snapshot has them.
    pub pruned: u64,
    /// Blobs that the snapshot names and that cannot be read from the vault.
    pub damaged: Vec<Damage>,
    /// The uploads that lack something of what should have come, if the database tells.
    pub uploads: Vec<Hit>,
    /// What lacked on the repository hosts that were named and is in the vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacking: Option<Amount>,
    /// What lacked on these hosts and is in no pack: snapshots leave it to the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_the_web: Option<Amount>,
    /// Uploaded files in the repository that the restored database does not know, as after the
    /// restore of an older snapshot.
    pub unknown_gold: u64,
    /// Gold that the snapshot (for repository hosts: any one) leaves to the web.
    pub by_url: Fetched,
    /// Files of the other directories that were written.
    pub other_files: u64,
    /// Files of the other directories that could not be written.
    pub other_failures: Vec<String>,
    /// Tables and columns of which secrets were left out of the dump.
    pub scrubbed: Vec<String>,
    /// How long each part took, in seconds.
    pub seconds: Seconds,
}

/// How long each part of a restore took, in seconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Seconds {
    /// The database, until it was complete.
    pub database: f64,
    /// The blobs and other directories, synced.
    pub repository: f64,
    /// The change of names.
    pub switch: f64,
    /// All of it.
    pub total: f64,
}

impl Report {
    /// Whether something that the snapshot should give back did not come.
    pub fn is_incomplete(&self) -> bool {
        let lost = self.mode == Mode::Full && self.not_in_snapshot > 0;
        lost || !self.uploads.is_empty()
            || !self.by_url.lost.is_empty()
            || !self.damaged.is_empty()
            || !self.other_failures.is_empty()
    }
}

/// Brings a snapshot back.
///
/// # Errors
/// When something forbids it, or it could not be finished; see the head of this module for what is
/// left then.
pub fn run(
    instance: &Instance,
    vault: &Vault,
    wanted: &str,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    vault.expect_readable()?;
    // Before the snapshot is read: with the lease nobody removes what it names.
    let lease = vault.lease(LeaseKind::Read, "restore")?;
    let snapshot = vault.snapshot(wanted)?;
    let layout = plan::layout(instance, options);
    let mut report = Report::new(&snapshot, &layout, options);
    let mut plan = plan::make(instance, vault, &snapshot, &layout, options)?;
    if !options.repo_hosts.is_empty() {
        hosts::run(instance, vault, &layout, options, &mut report, context)?;
        lease.check()?;
        report.seconds.total = began.elapsed().as_secs_f64();
        return Ok(report);
    }
    if options.dry_run {
        report.database = plan.database.as_ref().map(|target| target.outlook());
        report.seconds.total = began.elapsed().as_secs_f64();
        return Ok(report);
    }

    let mut staged = None;
    if let Some(target) = &mut plan.database {
        staged = Some(database::stage(
            target, vault, &snapshot, &layout, options, context,
        )?);
        report.seconds.database = began.elapsed().as_secs_f64();
    }
    lease.check()?;

    let mut later = Vec::new();
    if !options.no_repository {
        let began = Instant::now();
        let _files = plan::hold_files(instance, &layout, options)?;
        let selection = match &plan.database {
            Some(target) => {
                blobs::needed_by(&target.staging(), vault, &snapshot, &mut |_, _, _| true)?
            }
            None => blobs::members_of(vault, &snapshot)?,
        };
        report.not_in_snapshot = selection.not_in_snapshot;
        report.pruned = selection.pruned;
        room::expect_space(&layout, &selection)?;
        let lacking = selection.lacking.clone();
        later = report.bring_back(vault, selection, &layout, instance, options, context)?;
        if let Some(target) = &plan.database {
            let mut client = target.staging().connect("fo_backup restore")?;
            report.uploads = hit::uploads(&mut client, &lacking, &report.damaged)?;
        }
        let others = directories::restore(vault, &snapshot, layout.path(), instance)?;
        report.other_files = others.files;
        report.other_failures = others.failures;
        report.seconds.repository = began.elapsed().as_secs_f64();
    }
    lease.check()?;

    // A repository that had nothing has nothing that is unknown.
    let had_blobs = report.blobs.is_none_or(|blobs| blobs.kept > 0);
    if let Some(target) = plan
        .database
        .as_ref()
        .filter(|_| had_blobs && layout.path().is_dir())
    {
        // All that was asked for is there by now: this is only something to know.
        match check::unknown_gold::count(&target.staging(), &layout, context) {
            Ok(count) => report.unknown_gold = count,
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(error) => {
                log::warn!("gold that the database does not know is not counted: {error}")
            }
        }
    }
    if let (Some(target), Some(staged)) = (&mut plan.database, staged) {
        report.seconds.total = began.elapsed().as_secs_f64();
        record::enter(instance, &target.staging(), &report);
        let began = Instant::now();
        report.database = Some(target.switch(staged)?);
        report.seconds.switch = began.elapsed().as_secs_f64();
    }
    // People can work by now; a host that is away keeps nobody waiting.
    report.once_more(&later, &layout, instance, options, context)?;
    report.seconds.total = began.elapsed().as_secs_f64();
    Ok(report)
}

impl Report {
    /// Writes the selected blobs, downloads what the snapshot leaves to the web, and notes both. Gives
    /// back what may be there in a while.
    fn bring_back(
        &mut self,
        vault: &Vault,
        mut selection: blobs::Selection,
        layout: &Layout,
        instance: &Instance,
        options: &Options,
        context: Context<'_>,
    ) -> Result<Vec<ByUrl>> {
        let mut by_url = std::mem::take(&mut selection.by_url);
        let (written, damaged) = writer::write(
            vault,
            selection,
            layout,
            instance,
            options.threads,
            context,
            &|_| {},
        )?;
        self.blobs = Some(written);
        self.damaged = damaged;
        let held = from_other_packs(vault, &mut by_url, layout, instance, options, context)?;
        let gold = &options.gold;
        let (fetched, later) = by_url::bring_back(&by_url, gold, instance, layout, context)?;
        self.by_url = fetched;
        self.by_url.from_vault = held;
        Ok(later)
    }

    fn once_more(
        &mut self,
        later: &[ByUrl],
        layout: &Layout,
        instance: &Instance,
        options: &Options,
        context: Context<'_>,
    ) -> Result<()> {
        let fetched = &mut self.by_url;
        by_url::once_more(later, &options.gold, instance, layout, context, fetched)
    }

    fn new(snapshot: &Snapshot, layout: &Layout, options: &Options) -> Self {
        Self {
            snapshot: snapshot.id.clone(),
            mode: snapshot.mode,
            dry_run: options.dry_run,
            chosen: Vec::new(),
            selected: None,
            database: None,
            repository: (!options.no_repository).then(|| layout.path().to_owned()),
            blobs: None,
            not_in_snapshot: 0,
            pruned: 0,
            damaged: Vec::new(),
            uploads: Vec::new(),
            lacking: None,
            on_the_web: None,
            unknown_gold: 0,
            by_url: Fetched::default(),
            other_files: 0,
            other_failures: Vec::new(),
            scrubbed: snapshot.scrubbed.clone(),
            seconds: Seconds::default(),
        }
    }
}

/// Brings back what a snapshot leaves to the web and packs of other snapshots have, takes it out of the
/// list, and tells how much it was. What cannot be read there stays in the list.
fn from_other_packs(
    vault: &Vault,
    by_url: &mut Vec<ByUrl>,
    layout: &Layout,
    instance: &Instance,
    options: &Options,
    context: Context<'_>,
) -> Result<u64> {
    if by_url.is_empty() {
        return Ok(0);
    }
    let wanted: BTreeMap<PfileName, TreeSet> = by_url
        .iter()
        .map(|blob| (blob.name, blob.trees()))
        .collect();
    let selection = blobs::these(vault, wanted.into_iter())?;
    if selection.blobs == 0 {
        return Ok(0);
    }
    let arrived = Mutex::new(HashSet::new());
    let note = |name: &PfileName| {
        let mut arrived = arrived.lock().unwrap_or_else(|error| error.into_inner());
        arrived.insert(*name);
    };
    let threads = options.threads;
    writer::write(vault, selection, layout, instance, threads, context, &note)?;
    let arrived = arrived
        .into_inner()
        .unwrap_or_else(|error| error.into_inner());
    by_url.retain(|blob| !arrived.contains(&blob.name));
    Ok(arrived.len() as u64)
}

/// Writes a snapshot's configuration files into a folder, for a look or for an empty machine.
///
/// # Errors
/// When they cannot be read from the vault or written.
pub fn configuration(vault: &Vault, wanted: &str, folder: &std::path::Path) -> Result<u64> {
    vault.expect_readable()?;
    let snapshot = vault.snapshot(wanted)?;
    directories::configuration(vault, &snapshot, folder)
}
