// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rotation, from top to bottom, under a lease that nobody shares:
//!
//! 1. the policy marks snapshots; too few that are whole keep others from going;
//! 2. snapshots go, and are gone for good before anything that they named is touched;
//! 3. packs and chunks that no snapshot needs go;
//! 4. of packs that are mostly dead the rest is packed again; snapshots that name them are put
//!    anew, then the old ones go, then the old packs.
//!
//! Killed at any instant, every snapshot that is there has all that it names, and the same command
//! goes on: what was packed again is found by its names. Nothing goes before what replaces it is
//! durable.

mod report;
mod rewrite;
mod settings;
mod space;

pub use report::{LeftAlone, Renamed, Report, Tally};
pub use settings::Retention;

use super::{Context, Error, Instance, Result, history, keys, verify};
use crate::fossology::own::{Outcome, parts};
use crate::vault::retention::{self, Age, Item, Mark, Policies, Reason};
use crate::vault::{self, Lease, LeaseKind, Object, Removal, SnapshotId, Vault};
use postgres::Client;
use serde_json::{Value, json};
use space::{Needs, Plan};
use std::collections::{BTreeMap, BTreeSet};

/// What stays, and how space is given back.
#[derive(Clone, Debug)]
pub struct Options {
    /// What stays.
    pub policies: Policies,
    /// Of each mode at least so many stay that are whole.
    pub minimum_verified: u32,
    /// How much of the data is read to tell whether a snapshot is whole, in percent; without a
    /// number it is only looked whether everything is there.
    pub read: Option<f64>,
    /// How long packs and chunks stay that no snapshot names.
    pub grace: Age,
    /// Packs of which more is dead than this, in percent, are rewritten.
    pub max_dead: u8,
    /// How far it goes.
    pub extent: Extent,
    /// Whether nothing is changed.
    pub dry_run: bool,
    /// The zstd level of new frames.
    pub level: i32,
    /// How many threads look whether snapshots are whole.
    pub threads: usize,
}

/// How far an expiry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only snapshots go.
    Snapshots,
    /// What no snapshot needs goes, too.
    Drop,
    /// Packs are rewritten, too.
    Rewrite,
}

/// A snapshot that can be read.
struct Known {
    file: Object,
    item: Item,
    replaces: Vec<SnapshotId>,
}

/// Applies the policies to a vault. The instance, if it is reachable, gets a row in its history, and
/// a backup of it that is half done keeps the vault as it is.
///
/// # Errors
/// When the vault is locked, belongs to another instance, or does not allow removal. What was done
/// by then is whole.
pub fn run(
    vault: &Vault,
    instance: Option<&Instance>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let kind = if options.dry_run {
        LeaseKind::Read
    } else {
        LeaseKind::Exclusive
    };
    let lease = vault.lease(kind, "expire")?;
    let mut database = None;
    if let Some(instance) = instance {
        database = connect(vault, instance)?;
    }
    // Between its parts nobody holds a lease; with ours no part of it begins.
    if let Some((client, instance)) = database.as_mut().zip(instance) {
        parts::expect_no_other(client, instance.asked.request.unwrap_or(0))?;
    }
    let record = instance
        .zip(database.as_mut())
        .filter(|_| !options.dry_run)
        .and_then(|(instance, client)| verify::start_record(instance, client, "expire"));
    let result = as_far_as_keys_go(vault, database.as_mut(), options)
        .and_then(|options| expire(vault, &lease, &options, context));
    if let (Some(record), Some(client)) = (record, database.as_mut()) {
        let noted = match &result {
            Ok(report) => {
                let outcome = if report.has_problems() {
                    Outcome::Incomplete
                } else {
                    Outcome::Done
                };
                record.finish(client, outcome, None, &counts(report), None)
            }
            Err(error) => history::not_done(record, client, None, error),
        };
        if let Err(error) = noted {
            log::warn!("the run could not be written into the history: {error}");
        }
    }
    result
}

/// Numbers for the history, and which snapshots of it are gone or have another id: pages that list
/// the history don't look into the vault.
pub fn counts(report: &Report) -> Value {
    let gone = report.snapshots.iter().filter(|mark| !mark.keep);
    let gone: Vec<&SnapshotId> = gone.map(|mark| &mark.snapshot).collect();
    json!({
        "gone": gone, "renamed": report.renamed,
        "snapshots": report.snapshots.len(), "removed": report.removed, "packs": report.packs,
        "chunks": report.chunks, "rewritten": report.rewritten, "new_packs": report.new_packs,
        "young": report.young, "given_back": report.given_back(),
        "not_whole": report.not_whole.len(), "left_alone": report.left_alone.len(),
    })
}

/// The vault of another instance is not this one's to expire; that there is no instance at hand is
/// no reason not to.
fn connect(vault: &Vault, instance: &Instance) -> Result<Option<Client>> {
    match verify::connect(vault, instance, "expire") {
        Ok(client) => Ok(Some(client)),
        Err(error @ Error::Vault(vault::Error::OtherInstance { .. })) => Err(error),
        Err(error) => {
            log::info!("the run is not in the history: {error}");
            Ok(None)
        }
    }
}

/// Packing again what is left of packs takes reading them, and writing for those whom the instance knows.
fn as_far_as_keys_go(
    vault: &Vault,
    client: Option<&mut Client>,
    options: &Options,
) -> Result<Options> {
    let mut options = options.clone();
    if options.extent != Extent::Rewrite {
        return Ok(options);
    }
    let why = if !vault.is_readable() {
        "that takes a private key (--identity FILE)".to_owned()
    } else {
        match keys::expect_confirmed(client, vault) {
            Ok(()) => return Ok(options),
            Err(Error::Vault(error @ vault::Error::RecipientsUnknown { .. })) => error.to_string(),
            Err(error) => return Err(error),
        }
    };
    log::warn!("packs that are mostly dead are not rewritten, what is dead as a whole goes: {why}");
    options.extent = Extent::Drop;
    Ok(options)
}

fn expire(vault: &Vault, lease: &Lease, options: &Options, context: Context<'_>) -> Result<Report> {
    let mut report = Report {
        dry_run: options.dry_run,
        policy: options.policies != Policies::default(),
        ..Report::default()
    };
    let known = read(vault, context, &mut report)?;
    report.snapshots = marks(&known, &options.policies);
    if !report.policy {
        return Ok(report);
    }
    look_for_whole(vault, options, context, &mut report)?;
    let going: BTreeSet<&SnapshotId> = report
        .snapshots
        .iter()
        .filter(|mark| !mark.keep)
        .map(|mark| &mark.snapshot)
        .collect();
    let (gone, kept): (Vec<Known>, Vec<Known>) = known
        .into_iter()
        .partition(|known| going.contains(&known.item.id));
    for known in &gone {
        report.removed.add(known.file.size);
    }
    // Nobody knows what a snapshot needs that cannot be read.
    let plan = match options.extent {
        Extent::Snapshots => None,
        _ if !report.unreadable.is_empty() => None,
        _ => {
            let (before, after) = needs(vault, &gone, &kept, context)?;
            let old = options.grace.before(lease.storage_time()?);
            Some(Plan::make(vault, &before, &after, old, options, context)?)
        }
    };
    if let Some(plan) = &plan {
        plan.tell(&mut report);
    }
    if options.dry_run {
        return Ok(report);
    }

    let removal = Removal::new(vault, lease)?;
    for known in &gone {
        context.stop.check()?;
        removal.snapshot(&known.item.id)?;
    }
    removal.settle_snapshots()?;
    if let Some(plan) = plan {
        plan.drop_dead(&removal, context)?;
        let kept = kept.into_iter().map(|known| known.file).collect();
        rewrite::rewrite(vault, &removal, plan, kept, options, context, &mut report)?;
    }
    Ok(report)
}

/// Reads all snapshots, one at a time.
fn read(vault: &Vault, context: Context<'_>, report: &mut Report) -> Result<Vec<Known>> {
    let mut found = Vec::new();
    for file in vault.snapshot_keys()? {
        context.stop.check()?;
        match vault.read_snapshot(&file) {
            Ok(snapshot) => found.push(Known {
                file,
                item: Item {
                    id: snapshot.id,
                    mode: snapshot.mode,
                    time: snapshot.time,
                    tags: snapshot.tags,
                },
                replaces: snapshot.replaces,
            }),
            // That a key is missing says nothing about this snapshot.
            Err(error) if error.is_about_keys() && !error.is_for_others() => {
                return Err(error.into());
            }
            Err(error) => report.unreadable.push(format!("{}: {error}", file.key)),
        }
    }
    Ok(found)
}

/// A snapshot whose packs were rewritten may still be there, if that run was killed: it goes, and
/// does not count.
fn marks(known: &[Known], policies: &Policies) -> Vec<Mark> {
    let replaced: BTreeMap<&SnapshotId, &SnapshotId> = known
        .iter()
        .flat_map(|known| known.replaces.iter().map(|old| (old, &known.item.id)))
        .collect();
    let items = known.iter().map(|known| &known.item);
    let (old, current): (Vec<&Item>, Vec<&Item>) =
        items.partition(|item| replaced.contains_key(&item.id));
    let current: Vec<Item> = current.into_iter().cloned().collect();
    let mut marks = retention::mark(&current, policies);
    // Without a policy for its mode nothing is touched, however plain it is.
    marks.extend(old.into_iter().map(|item| {
        let keep = policies.of(item.mode).is_none();
        Mark {
            snapshot: item.id.clone(),
            mode: item.mode,
            tags: item.tags.clone(),
            keep,
            reasons: vec![match keep {
                true => Reason::NoPolicy(item.mode),
                false => Reason::Replaced(replaced[&item.id].clone()),
            }],
        }
    }));
    marks.sort_by(|a, b| a.snapshot.cmp(&b.snapshot));
    marks
}

/// Keeps more where too few of those that stay are whole. The history of verifications is not
/// asked: it is not at hand where a vault is expired from elsewhere, and it may be old.
fn look_for_whole(
    vault: &Vault,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let goes = report.snapshots.iter().any(|mark| !mark.keep);
    if options.read.is_none() && (!goes || options.minimum_verified == 0) {
        return Ok(());
    }
    let look = verify::Options {
        snapshot: None,
        read: options.read,
        repair_indexes: false,
        urls: None,
        threads: options.threads,
    };
    let seen = verify::look(vault, &look, context)?.snapshots;
    let whole: BTreeSet<SnapshotId> = seen
        .into_iter()
        .filter(|verified| verified.whole)
        .map(|verified| verified.snapshot)
        .collect();
    let minimum = options.minimum_verified;
    let is_whole = |id: &SnapshotId| whole.contains(id);
    // What was replaced is no snapshot of its own, but it may be better.
    let replaced = |mark: &Mark| matches!(mark.reasons[..], [Reason::Replaced(_)]);
    let (mut old, mut current): (Vec<Mark>, Vec<Mark>) = std::mem::take(&mut report.snapshots)
        .into_iter()
        .partition(replaced);
    retention::keep_whole(&mut current, minimum, is_whole);
    let bad = current
        .iter()
        .filter(|mark| mark.keep && !is_whole(&mark.snapshot));
    report.not_whole = bad.map(|mark| mark.snapshot.clone()).collect();
    for mark in &mut old {
        if let [Reason::Replaced(by)] = &mark.reasons[..]
            && is_whole(&mark.snapshot)
            && !is_whole(by)
        {
            (mark.keep, mark.reasons) = (true, vec![Reason::Whole]);
        }
    }
    current.extend(old);
    current.sort_by(|a, b| a.snapshot.cmp(&b.snapshot));
    report.snapshots = current;
    Ok(())
}

/// What snapshots name now, and what those need that stay.
fn needs(
    vault: &Vault,
    gone: &[Known],
    kept: &[Known],
    context: Context<'_>,
) -> Result<(Needs, Needs)> {
    let mut before = Needs::default();
    for known in gone {
        context.stop.check()?;
        before.add(&vault.read_snapshot(&known.file)?);
    }
    let mut after = Needs::default();
    for known in kept {
        context.stop.check()?;
        after.add(&vault.read_snapshot(&known.file)?);
    }
    before.packs.extend(&after.packs);
    before.chunks.extend(&after.chunks);
    Ok((before, after))
}
