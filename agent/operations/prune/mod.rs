// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pruning removes unpacked files that a policy says not to keep, and only what is proven to come
//! back. From top to bottom:
//!
//! 1. what a run that died has left half done is settled;
//! 2. the policy decides about every place of every blob, and tables say what would go ([`plan`]);
//! 3. uploaded files are read: what lies in a damaged one stays;
//! 4. what is not proven yet is rehearsed, upload by upload ([`proof`]);
//! 5. the files go, in batches, each entered before it goes ([`removal`]);
//! 6. what somebody came to need meanwhile is brought back.
//!
//! A dry run ends after step 2, or, if it is to prove, after step 4. Killed anywhere, a file that is
//! missing is known as pruned, proofs are kept, and the same command goes on.

mod facts;
pub mod parts;
mod plan;
pub mod policy;
mod proof;
mod record;
mod removal;
mod report;
mod survey;
mod tables;
mod usage;

pub use facts::Hold;
pub use report::{Report, RulePlan, UploadPlan, Way};
pub use usage::{Usage, usage};

use super::by_url::GoldSettings;
use super::restore::free;
use super::{Context, Error, Instance, Result, guard, instance as place, recover};
use crate::blob::PfileName;
use crate::fossology::guard::Entries;
use crate::fossology::own;
use crate::fossology::repository::Reader;
use crate::unpack::fallback::Ununpack;
use crate::vault::Vault;
use plan::{Plan, Planner};
use policy::Policy;
use postgres::Client;
use removal::{Removal, Removed};
use std::collections::BTreeMap;

/// How pruning is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// What goes.
    pub policy: Policy,
    /// Only of these uploads; of all when there are none. All others then keep what they need.
    pub uploads: Vec<i32>,
    /// Nothing is removed.
    pub dry_run: bool,
    /// Whether a dry run proves what is not proven yet, which takes as long as unpacking it.
    pub prove: bool,
    /// How gold comes back from the web, should somebody come to need what was just removed.
    pub gold: GoldSettings,
    /// FOSSology's own unpacker, if this host has it.
    pub ununpack: Option<Ununpack>,
    /// How many threads unpack, hash and remove.
    pub threads: usize,
    /// How many threads look for files.
    pub lookers: usize,
}

impl Options {
    fn changes_something(&self) -> bool {
        !self.dry_run || self.prove
    }
}

/// Prunes, or plans it. The vault, if there is one, must be this instance's.
///
/// # Errors
/// When it could not go on. What is removed by then is known as pruned.
pub fn run(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    if let Some(wrong) = options.uploads.iter().find(|upload| **upload < 1) {
        return Err(Error::Usage(format!(
            "{wrong} is no upload's number; they begin with 1"
        )));
    }
    let mut client = instance.connect("prune")?;
    own::ensure_schema(&mut client)?;
    if options.changes_something() {
        own::prune_alone(&mut client)?;
    }
    let record = record::begin(instance, &mut client, options, "prune")?;
    let number = record.id();
    let result = prune(instance, vault, options, context, &mut client, number);
    // A rehearsal leaves between two uploads; what is proven by then is in our tables.
    let result = result.map_err(|error| match error {
        Error::GaveWay { .. } => Error::GaveWay {
            carried: serde_json::Value::Null,
        },
        error => error,
    });
    record::end(record, &mut client, options, &result);
    result
}

fn prune(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
    client: &mut Client,
    run: i32,
) -> Result<Report> {
    let reader = Reader::new(instance.config.layout.clone())?;
    place::expect_storage(reader.layout())?;
    let free_before = free(reader.layout().path())?;
    let taken_up = if options.changes_something() {
        removal::settle(instance, client, false)?
    } else {
        0
    };
    let planner = Planner {
        instance,
        vault,
        options,
        context,
        reader: &reader,
    };
    let mut plan = planner.plan(client, &BTreeMap::new())?;
    if options.changes_something() {
        plan = with_good_gold(&planner, client, plan)?;
        prove(&planner, client, &mut plan)?;
    }
    record::plan(client, run, &plan)?;
    let removed = if options.dry_run {
        Removed::default()
    } else {
        remove(&planner, client, &plan)?
    };
    let policy = &options.policy;
    let mut report = Report {
        dry_run: options.dry_run,
        policy: policy.name.clone(),
        words: policy.words(),
        files: plan.tables.files,
        pruned_before: plan.tables.pruned,
        not_reproducible: plan.tables.not_reproducible,
        drop: plan.tables.drop,
        proven: plan.tables.proven,
        removed: removed.amount,
        was_absent: removed.was_absent,
        spared: removed.spared,
        taken_up,
        postponed: removed.postponed,
        brought_back: Vec::new(),
        free_before,
        free_after: free_before,
        rules: plan.tables.rules,
        uploads: plan.tables.uploads,
    };
    if !options.dry_run {
        bring_back(instance, vault, options, context, &removed.missed)?;
        report.brought_back = removed.missed;
        report.free_after = free(reader.layout().path())?;
    }
    Ok(report)
}

/// Reads the uploaded files behind what goes; with one that is bad the plan is made anew.
fn with_good_gold(planner: &Planner<'_>, client: &mut Client, mut plan: Plan) -> Result<Plan> {
    let mut read: BTreeMap<PfileName, Option<Hold>> = BTreeMap::new();
    loop {
        let affected = plan.tables.uploads.iter().filter(|one| one.drop.blobs > 0);
        let golds = affected.filter_map(|one| plan.uploads.get(&one.upload)?.row.gold);
        let mut new: Vec<PfileName> = golds.filter(|gold| !read.contains_key(gold)).collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(plan);
        }
        let bad = proof::bad_gold(
            planner.reader,
            &new,
            planner.options.threads,
            planner.context,
        )?;
        read.extend(new.iter().map(|gold| (*gold, bad.get(gold).copied())));
        if bad.is_empty() {
            return Ok(plan);
        }
        let bad: BTreeMap<i32, Hold> = plan
            .uploads
            .values()
            .filter_map(|upload| {
                let hold = read.get(&upload.row.gold?).copied().flatten()?;
                Some((upload.row.upload, hold))
            })
            .collect();
        plan = planner.plan(client, &bad)?;
    }
}

/// Rehearses what is not proven. Where a goal is set and something turns out not to come, something
/// else is chosen instead, as long as there is something.
fn prove(planner: &Planner<'_>, client: &mut Client, plan: &mut Plan) -> Result<()> {
    let policy = &planner.options.policy;
    loop {
        if policy.proof != policy::Proof::Vault {
            proof::rehearse(
                planner.instance,
                client,
                &plan.uploads,
                &plan.tables,
                &mut plan.known,
                planner.options,
                planner.context,
            )?;
        }
        let falls_short = plan.falls_short(policy);
        planner.again(plan)?;
        if !falls_short {
            return Ok(());
        }
    }
}

fn remove(planner: &Planner<'_>, client: &mut Client, plan: &Plan) -> Result<Removed> {
    let policy = &planner.options.policy;
    let planned: Vec<i32> = plan.uploads.keys().copied().collect();
    let held = plan.uploads.values().filter(|upload| upload.hold.is_some());
    let held = held.map(|upload| upload.row.upload).collect();
    let removal = Removal {
        instance: planner.instance,
        policy,
        known: &plan.known,
        planned: &planned,
        held: &held,
        threads: planner.options.threads,
        context: planner.context,
    };
    removal.run(client, &plan.removable(policy))
}

/// What somebody came to need while it was removed: its recovery goes before jobs that wait for it,
/// and is made at once.
fn bring_back(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
    uploads: &[i32],
) -> Result<()> {
    if uploads.is_empty() {
        return Ok(());
    }
    // Whoever came to need it may be next; and the plan of the one who goes on would leave it alone.
    context.stop.stay();
    log::warn!(
        "uploads {uploads:?} came to need files that were just removed; they are brought back"
    );
    if guard::is_installed(instance) {
        guard::recover_first(instance, Entries::Waiting, None, options.lookers, context)?;
    }
    let recovery = recover::Options {
        scope: recover::Scope::Uploads(uploads.to_vec()),
        wanted: recover::Wanted::Missing,
        dry_run: false,
        from: recover::Sources::Any,
        retry: false,
        gold: options.gold.clone(),
        ununpack: options.ununpack.clone(),
        threads: options.threads,
        lookers: options.lookers,
    };
    recover::run(instance, vault, &recovery, context).map(drop)
}
