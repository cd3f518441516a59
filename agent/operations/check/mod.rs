// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A check: the database's list of blobs and the repository's files, both in the order of names,
//! merged shard by shard (see [`walk`]), so that ten million blobs take no more memory than a
//! few shards. The database is looked at before the files are, so what comes meanwhile is never
//! taken for a loss; what seems to be one is asked for again before it is told.
//!
//! Nothing is changed but our own history and table of findings. Killed in the middle, a check
//! leaves the last one's findings as they were. Asked to give way, it finishes the shards that were
//! begun and hands over what it found there ([`carried`]).

mod carried;
mod content;
mod explain;
mod found;
mod merge;
mod merger;
pub mod parts;
mod probe;
mod record;
mod report;
mod roots;
mod shards;
mod temporary;
pub mod unknown_gold;
mod uploads;
mod walk;

pub use report::{Affected, Arriving, Finding, Kind, Recovery, Report, Severity, Tally};

use super::settings::Settings;
use super::{Context, Error, Instance, Result, keys};
use crate::fossology::catalogue::{self, Moment};
use crate::fossology::own;
use crate::vault::{IndexFile, Location, Vault};
use carried::Carried;
use content::Opener;
use explain::{Explainer, InVault};
use merger::{Merger, Source, Totals};
use parts::Part;
use roaring::RoaringBitmap;
use roots::Roots;
use shards::in_order;
use std::time::{SystemTime, UNIX_EPOCH};
use walk::Walker;

/// How a check is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether every content is read and compared with its name.
    pub deep: bool,
    /// Only what these uploads need; empty: everything.
    pub uploads: Vec<i32>,
    /// How many threads read and hash.
    pub threads: usize,
    /// Whether what only takes space is a problem, too.
    pub strict: bool,
}

/// How many files the walk may be ahead of the database's stream: about 60 MB.
const AHEAD: usize = 700_000;

/// Checks the repository against the database. A vault, if there is one, is asked whether it has
/// what is lost.
///
/// # Errors
/// When the check could not be made. What it finds is no error: [`Report::has_problems`].
pub fn run(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let roots = Roots::open(&instance.config.layout)?;
    let mut client = instance.connect("check")?;
    let record = record::begin(instance, &mut client, options, "check")?;
    let result = examine(instance, roots, vault, options, None, context).map(|part| part.report);
    record::end(record, &mut client, options, &result);
    result
}

/// Reads the blobs that have these keys and compares them with their names; others are not missed.
/// Nothing is left in the database.
///
/// # Errors
/// As for [`run`].
pub(super) fn of_blobs(
    instance: &Instance,
    keys: &RoaringBitmap,
    threads: usize,
    context: Context<'_>,
) -> Result<Report> {
    let options = Options {
        deep: true,
        uploads: Vec::new(),
        threads,
        strict: false,
    };
    let roots = Roots::open(&instance.config.layout)?;
    examine(instance, roots, None, &options, Some(keys), context).map(|part| part.report)
}

fn examine(
    instance: &Instance,
    mut roots: Roots,
    vault: Option<&Vault>,
    options: &Options,
    only: Option<&RoaringBitmap>,
    context: Context<'_>,
) -> Result<Part> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH);
    let began = began.map_or(0, |time| time.as_nanos() as i64);
    let mut catalogue = instance.connect("check catalogue")?;
    let mut moment = Moment::begin(&mut catalogue)?;
    let release = moment.release()?;
    let (blobs, bytes) = moment.totals()?;
    // Answers of the present, which the moment's transaction cannot give.
    let mut client = instance.connect("check")?;
    expect_uploads(&mut client, &options.uploads)?;

    let in_vault = vault.map(in_vault).transpose()?.unwrap_or_default();
    let early = std::mem::take(&mut roots.findings);
    let group = nix::unistd::Group::from_name(&instance.config.group())
        .ok()
        .flatten();
    let walker = Walker {
        roots: &roots,
        opener: Opener::default(),
        deep: options.deep,
        group: group.map(|group| group.gid.as_raw()),
        began,
        only,
        context,
    };
    let carried = match only {
        None => Carried::of(&instance.asked, walker.shards()),
        Some(_) => Carried::default(),
    };
    let mut explainer = Explainer::new(&roots, &mut client, &in_vault)?;
    explainer.bad_gold.extend(&carried.bad_gold);
    explainer.unseen = carried.unseen;

    let step = if options.deep {
        "checking contents"
    } else {
        "checking"
    };
    let everything = options.uploads.is_empty();
    context.progress.begin(
        step,
        if everything { blobs } else { 0 },
        if everything && options.deep { bytes } else { 0 },
    );
    let mut totals = Totals::default();
    let first = carried.next;
    if everything {
        let work = |number| walker.read(first + number);
        // While the database sorts, the walk goes ahead; as far as there is memory for.
        let in_a_shard = (blobs as usize / walker.shards()).max(1);
        let window = (AHEAD / in_a_shard).max(options.threads + 2);
        // One job more than there are shards: what lies outside of them.
        let jobs = walker.shards() + 1 - first;
        in_order(jobs, options.threads, window, work, |results| {
            let source = Source::Walk(results);
            let mut merger = Merger::new(&walker, &mut explainer, &mut totals, source, first);
            merger.merge(&mut moment, &options.uploads)?;
            merger.rest()
        })?;
    } else {
        let source = Source::Probe(options.threads);
        let mut merger = Merger::new(&walker, &mut explainer, &mut totals, source, first);
        merger.merge(&mut moment, &options.uploads)?;
    }
    // Who leaves in the middle finds all of this again, and tells it then.
    if totals.left_at.is_none() {
        if everything {
            let path = instance.config.layout.path();
            temporary::look(&roots, path, &mut explainer, began, context)?;
        }
        let mut told = early;
        if roots.whole {
            told.append(&mut totals.broken);
        }
        for finding in told {
            explainer.findings.add(finding);
        }
        if roots.whole && release.is_none_or(|release| release.trim().is_empty()) {
            explainer.findings.add(Finding::new(
                Kind::ReleaseMissing,
                "sysconfig has no Release: the next fo-postinstall would start its migrations from version 0",
            ));
        }
    }
    moment.end()?;
    context.progress.end();
    context
        .progress
        .begin("asking where losses can come back from", 0, 0);
    explainer.explain_all()?;
    context.progress.end();
    context.stop.check()?;

    let (uploads, in_flight) = explainer.uploads.into_parts();
    let (hidden, deleted) = (explainer.hidden, explainer.deleted);
    let (counts, findings) = explainer.findings.into_parts();
    let (bad_gold, mut unseen) = (explainer.bad_gold, explainer.unseen);
    unseen.optimize();
    let mut report = Report {
        deep: options.deep,
        only_uploads: options.uploads.clone(),
        needed: totals.needed,
        files: totals.files,
        folders: totals.folders,
        empty_folders: totals.empty,
        hidden,
        deleted,
        vault: vault.map(Vault::location),
        truncated: counts.values().map(|tally| tally.count).sum::<u64>() > findings.len() as u64,
        counts,
        findings,
        uploads,
        in_flight,
    };
    if let Some(earlier) = carried.report {
        report.join(earlier);
    }
    match totals.left_at {
        None => Ok(Part { report, unseen }),
        Some(next) => {
            let shards = walker.shards();
            Err(carried::gave_way(next, shards, report, unseen, bad_gold))
        }
    }
}

fn expect_uploads(client: &mut postgres::Client, wanted: &[i32]) -> Result<()> {
    let known = catalogue::uploads(client, wanted)?;
    let unknown = wanted
        .iter()
        .find(|upload| known.iter().all(|row| row.upload != **upload));
    match unknown {
        Some(upload) => Err(Error::Usage(format!(
            "there is no upload {upload}; FOSSology's pages show an upload's number in their address (upload=N)"
        ))),
        None => Ok(()),
    }
}

/// The indexes of the vault's packs. An index that cannot be used is passed over: what only it has
/// counts as lost, and `verify` tells of it.
fn in_vault(vault: &Vault) -> Result<InVault<'_>> {
    let mut found = InVault {
        vault: Some(vault),
        ..InVault::default()
    };
    for pack in vault.packs()? {
        match IndexFile::open(vault.storage().clone(), pack.id) {
            Ok(index) if index.pack_size() == pack.size => found.indexes.push(index),
            Ok(_) => log::warn!(
                "pack {} is cut; 'fo_backup verify' names what it hits",
                pack.id
            ),
            Err(error) => log::warn!("pack {} is not asked: {error}", pack.id),
        }
    }
    Ok(found)
}

/// Opens a vault that can give blobs back to this instance.
///
/// # Errors
/// When there is none, or it is another instance's.
pub fn open_vault(instance: &Instance, location: &Location, settings: &Settings) -> Result<Vault> {
    let vault = keys::open(location, settings, Some(instance))?;
    let mut client = instance.connect("check")?;
    if own::schema_version(&mut client)?.is_some() {
        vault.expect_instance(own::instance_id(&mut client)?)?;
    }
    Ok(vault)
}
