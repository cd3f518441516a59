// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Is the vault whole? Every snapshot names packs and chunks; each of them has to be there, the
//! indexes have to be whole and to cover the snapshots' members. Asked to, it reads the data too.
//! Damage is followed down to the blobs and uploads that it hits, and to the snapshots; whatever
//! is not named stays restorable.
//!
//! Nothing is changed, except that `repair_indexes` makes lost indexes again from their packs.
//! Memory: bitmaps of keys for each pack, never names; snapshots are read one at a time, twice.

mod data;
mod inventory;
mod members;
mod notes;
mod packs;
pub mod parts;
mod report;
mod uploads;

pub(super) use data::{pack_is_whole, sample};
pub(super) use packs::holds_its_blobs;
pub use report::{Checked, Damage, HitBlob, HitUpload, Kind, NAMED, Note, Report, Verified};

use super::by_url::{self, GoldSettings, Rechecked};
use super::{Context, Error, Instance, Result, history, keys};
use crate::fossology::own::{self, Outcome, Run};
use crate::threads;
use crate::vault::{ChunkId, LeaseKind, Vault};
use data::Lengths;
use inventory::Inventory;
use packs::Packs;
use postgres::Client;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is verified, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Options {
    /// The snapshot, as the user names it; all without one.
    pub snapshot: Option<String>,
    /// How much of the data is read, in percent; nothing without a number.
    pub read: Option<f64>,
    /// Whether lost or damaged indexes are made again.
    pub repair_indexes: bool,
    /// Whether what snapshots leave to the web is asked for, too.
    pub urls: Option<Urls>,
    /// How many threads read.
    pub threads: usize,
}

/// How the web is asked for what snapshots leave to it.
#[derive(Clone, Debug)]
pub struct Urls {
    /// How much of it is downloaded, in percent.
    pub percent: f64,
    /// Who may be asked.
    pub gold: GoldSettings,
}

/// Verifies a vault. The instance, if its configuration is there, tells which uploads are hit;
/// that its database cannot be reached is no failure.
///
/// # Errors
/// When the vault cannot be listed, is locked, or a named snapshot is not there. Damage is no
/// error, it is in the report.
pub fn run(
    vault: &Vault,
    instance: Option<&Instance>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let carried = instance.and_then(|instance| data::Carried::of(&instance.asked));
    recorded(
        vault,
        instance,
        options,
        context,
        |packs, chunks, report| data::read(vault, packs, chunks, options, carried, context, report),
    )
}

/// Verifies a vault, with a row in the history. The data is read as it is told, if it is to be read.
fn recorded(
    vault: &Vault,
    instance: Option<&Instance>,
    options: &Options,
    context: Context<'_>,
    read: impl FnOnce(&mut Packs, &[(ChunkId, u64)], &mut Report) -> Result<Option<Lengths>>,
) -> Result<Report> {
    let kind = if options.repair_indexes {
        LeaseKind::Append
    } else {
        LeaseKind::Read
    };
    vault.expect_lists()?;
    if options.repair_indexes {
        vault.expect_readable()?;
    }
    let lease = vault.lease(kind, "verify")?;
    let mut database = instance.and_then(|instance| {
        connect(vault, instance, "verify")
            .inspect_err(|error| {
                log::info!("uploads are not named, and the run is not in the history: {error}");
            })
            .ok()
    });
    if options.repair_indexes {
        keys::expect_confirmed(database.as_mut(), vault)?;
    }
    let record = instance
        .zip(database.as_mut())
        .and_then(|(instance, client)| start_record(instance, client, "verify"));
    let verified = verify(vault, database.as_mut(), options, context, read);
    let result = verified.and_then(|mut report| {
        report.urls = ask_the_web(vault, instance, options, context)?;
        lease.check()?;
        Ok(report)
    });
    if let (Some(record), Some(client)) = (record, database.as_mut()) {
        finish_record(record, client, options, &result);
    }
    result
}

/// Asks for what the snapshots leave to the web, if that is wanted. That nobody could be asked takes
/// nothing from what else was found.
fn ask_the_web(
    vault: &Vault,
    instance: Option<&Instance>,
    options: &Options,
    context: Context<'_>,
) -> Result<Option<Rechecked>> {
    let Some(urls) = &options.urls else {
        return Ok(None);
    };
    let snapshot = options.snapshot.as_deref();
    match by_url::recheck(vault, snapshot, urls, instance, context) {
        Ok(rechecked) => Ok(Some(rechecked)),
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(error) => Ok(Some(Rechecked {
            failed: Some(error.to_string()),
            ..Rechecked::default()
        })),
    }
}

/// Looks whether all snapshots of a vault are whole, for an operation that holds a lease.
///
/// # Errors
/// As [`run`].
pub(super) fn look(vault: &Vault, options: &Options, context: Context<'_>) -> Result<Report> {
    verify(vault, None, options, context, |packs, chunks, report| {
        data::read(vault, packs, chunks, options, None, context, report)
    })
}

fn verify(
    vault: &Vault,
    mut database: Option<&mut Client>,
    options: &Options,
    context: Context<'_>,
    read: impl FnOnce(&mut Packs, &[(ChunkId, u64)], &mut Report) -> Result<Option<Lengths>>,
) -> Result<Report> {
    let mut report = Report::default();
    let inventory = Inventory::take(vault, options, context, &mut report)?;
    let mut packs = Packs::look(vault, &inventory, options, context, &mut report)?;
    let chunks = inventory.look_at_chunks(&mut report);
    let mut lengths = None;
    if options.read.is_some() {
        lengths = read(&mut packs, &chunks, &mut report)?;
        if let Some(client) = database.as_deref_mut() {
            note_read(vault, client, &packs)?;
        }
    }
    packs.name_hits(vault, database.as_deref_mut(), context, &mut report)?;
    members::compare(
        vault,
        &inventory,
        &packs,
        lengths.as_ref(),
        database,
        context,
        &mut report,
    )?;
    for (key, why) in vault.damaged_recipients() {
        let todo = "put back that of a copy of the vault; without one, move it out of the vault: then the change of recipients before it counts";
        report
            .damage
            .push(Damage::new(&key, Kind::Damaged, why, todo.into()));
    }
    if options.snapshot.is_none() {
        notes::look(vault, &inventory, &mut report)?;
    }
    report.name_as_stored(vault);
    Ok(report)
}

/// Writes down which packs were read and are whole: pruning takes that for a proof that what they
/// hold can come back. An encrypted pack is only proven by what it holds, so not without a private key.
fn note_read(vault: &Vault, client: &mut Client, packs: &Packs) -> Result<()> {
    let (mut proven, mut bad) = (Vec::new(), Vec::new());
    for pack in packs.0.iter().filter(|pack| pack.read) {
        let id = *pack.reference.id.bytes();
        match pack.damage {
            Some(_) => bad.push(id),
            None if !vault.is_encrypted() => proven.push(id),
            None if pack.held => proven.push(id),
            None => {}
        }
    }
    own::pruning::enter_verified_packs(client, &proven)?;
    own::pruning::forget_packs(client, &bad)?;
    Ok(())
}

/// Connects to the database of the vault's own instance, when that is possible.
pub(super) fn connect(vault: &Vault, instance: &Instance, verb: &str) -> Result<Client> {
    let mut client = instance.connect(verb)?;
    own::ensure_schema(&mut client)?;
    vault.expect_instance(own::instance_id(&mut client)?)?;
    Ok(client)
}

/// Enters the run in the history, when that is possible.
pub(super) fn start_record(instance: &Instance, client: &mut Client, verb: &str) -> Option<Run> {
    own::settle(client)
        .and_then(|_| instance.start_run(client, verb, None))
        .inspect_err(|error| log::warn!("the run could not be written into the history: {error}"))
        .ok()
}

fn finish_record(record: Run, client: &mut Client, options: &Options, result: &Result<Report>) {
    let snapshot = options.snapshot.as_deref();
    let noted = match result {
        Ok(report) => {
            let outcome = if report.is_incomplete() {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let mut counts = serde_json::json!({
                "checked": report.checked,
                "damage": report.damage.len(),
                "hit": report.damage.iter().map(|damage| damage.hit).sum::<u64>(),
            });
            // The next backup does not believe these URLs without a download.
            if let Some(urls) = &report.urls {
                counts["urls"] = serde_json::json!(urls);
            }
            record.finish(client, outcome, snapshot, &counts, None)
        }
        Err(error) => history::not_done(record, client, snapshot, error),
    };
    if let Err(error) = noted {
        log::warn!("the run could not be written into the history: {error}");
    }
}

/// Does something with each item on several threads, and gives back what came of it, in the
/// order of the items.
fn on_all_cores<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    context: Context<'_>,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let count = threads.clamp(1, items.len().max(1));
    let parts: Vec<Result<Vec<(usize, R)>>> = threads::together("verifying", count, || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return Ok(done);
            };
            context.stop.check()?;
            done.push((at, work(item)?));
        }
    });
    let mut all = Vec::with_capacity(items.len());
    let mut failed: Option<Error> = None;
    for part in parts {
        match part {
            Ok(part) => all.extend(part),
            // A real reason goes before "interrupted".
            Err(error) if !matches!(failed, None | Some(Error::Interrupted)) => drop(error),
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    all.sort_unstable_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}
