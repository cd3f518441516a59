// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From what was asked for to the operation that does it, and from its result to what the job's
//! log, the notification mail and the request's row say.

use crate::fossology::own::Outcome;
use crate::operations::request::{self, Work};
use crate::operations::schedule::in_words;
use crate::operations::settings::Settings;
use crate::operations::{
    Context, Error, Instance, Result, backup, check, drill, expire, keys, prune, recover, verify,
};
use crate::vault::{Location, Snapshot, Vault};
use indicatif::{DecimalBytes, HumanCount};
use jiff::SignedDuration;
use serde_json::Value;
use std::fmt::Write;

/// How many findings and damages a job's log names; the rest is told by the command line.
const SHOWN: usize = 20;

/// What came of it.
pub struct Done {
    /// How it ended.
    pub outcome: Outcome,
    /// Numbers for the request's row.
    pub counts: Value,
    /// For people; the first line is for the mail.
    pub summary: String,
}

/// Does it.
///
/// # Errors
/// When the operation was not done.
pub fn run(
    work: &Work,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    match work {
        Work::Backup(parameters) => back_up(parameters, instance, settings, context),
        Work::Check(parameters) => check(parameters, instance, settings, context),
        Work::Verify(parameters) => verify(parameters, instance, settings, context),
        Work::Recover(parameters) => recover(parameters, instance, settings, context),
        Work::Expire(parameters) => expire(parameters, instance, settings, context),
        Work::Drill(parameters) => drill(parameters, instance, settings, context),
        Work::Prune(parameters) => prune(parameters, instance, settings, context),
    }
}

pub(super) fn location(settings: &Settings) -> Result<Location> {
    settings.vault()?.ok_or_else(|| {
        Error::Usage(
            "no vault is named: set vault in fo_backup.toml in FOSSology's configuration folder"
                .into(),
        )
    })
}

fn back_up(
    parameters: &request::Backup,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = backup_options(parameters, settings);
    let snapshot = backup::run(instance, &vault, &options, context)?;
    Ok(taken(&snapshot))
}

/// How a backup is made that was asked for so.
pub(super) fn backup_options(parameters: &request::Backup, settings: &Settings) -> backup::Options {
    backup::Options {
        mode: parameters.mode,
        level: settings.compression.unwrap_or(1),
        threads: settings.threads(),
        logs: parameters.logs || settings.logs.unwrap_or(false),
        scrub: parameters.scrub || settings.scrub.unwrap_or(false),
        external: settings.database.external(),
        by_url: settings.gold.by_url(),
        tags: parameters.tags.clone(),
        scratch: settings.scratch(),
        postgres_bin: settings.postgres_bin.clone(),
    }
}

/// What is said of a snapshot that was made.
pub(super) fn taken(snapshot: &Snapshot) -> Done {
    let counts = snapshot.counts;
    let mut summary = format!(
        "snapshot {} ({}): {} blobs in gold, {} in files; new: {} blobs, {}; added to the vault: {}\n",
        snapshot.id,
        snapshot.mode,
        HumanCount(counts.gold),
        HumanCount(counts.files),
        HumanCount(counts.new),
        DecimalBytes(counts.new_bytes),
        DecimalBytes(counts.stored_bytes),
    );
    let incomplete = snapshot.is_incomplete();
    if incomplete {
        summary.insert_str(0, "INCOMPLETE ");
        let _ = writeln!(
            summary,
            "{} blobs are missing and {} corrupt or unreadable in the repository, {} other files could not be read; 'fo_backup check' lists them by upload",
            HumanCount(counts.missing),
            HumanCount(counts.corrupt),
            snapshot.left_out.len(),
        );
    }
    Done {
        outcome: outcome(incomplete),
        counts: serde_json::to_value(counts).unwrap_or_default(),
        summary,
    }
}

fn check(
    parameters: &request::Check,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let vault = vault_of_check(instance, settings);
    let options = check_options(parameters, settings);
    let report = check::run(instance, vault.as_ref(), &options, context)?;
    Ok(checked(parameters, &report))
}

/// A check goes without a vault, too.
pub(super) fn vault_of_check(instance: &Instance, settings: &Settings) -> Option<Vault> {
    let location = settings.vault().transpose()?;
    location
        .and_then(|location| check::open_vault(instance, &location, settings))
        .inspect_err(|error| log::warn!("the vault is not asked what it has: {error}"))
        .ok()
}

/// How a check is made that was asked for so.
pub(super) fn check_options(parameters: &request::Check, settings: &Settings) -> check::Options {
    let mut uploads = parameters.uploads.clone();
    uploads.sort_unstable();
    uploads.dedup();
    check::Options {
        deep: parameters.deep,
        uploads,
        threads: settings.lookers(),
        strict: parameters.strict,
    }
}

/// What is said of what was found.
pub(super) fn checked(parameters: &request::Check, report: &check::Report) -> Done {
    let mut summary = format!(
        "{} blobs needed, {} files looked at: ",
        HumanCount(report.needed.count),
        HumanCount(report.files.count)
    );
    let found: Vec<String> = report
        .counts
        .iter()
        .map(|(kind, tally)| format!("{} {}", HumanCount(tally.count), kind.as_str()))
        .collect();
    summary += &if found.is_empty() {
        "nothing was found\n".to_owned()
    } else {
        found.join(", ") + "\n"
    };
    let problems = report.has_problems(parameters.strict);
    if !problems && report.severity().is_some() {
        summary += "nothing of it harms: it only takes space\n";
    }
    for upload in report.uploads.iter().take(SHOWN) {
        let _ = writeln!(
            summary,
            "upload {} {} is hit",
            upload.upload, upload.filename
        );
    }
    Done {
        outcome: outcome(problems),
        counts: serde_json::to_value(&report.counts).unwrap_or_default(),
        summary,
    }
}

fn verify(
    parameters: &request::Verify,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = parameters.options(settings);
    let report = verify::run(&vault, Some(instance), &options, context)?;
    Ok(verified(&report))
}

/// What is said of what was found in a vault.
pub(super) fn verified(report: &verify::Report) -> Done {
    let mut summary = format!(
        "{} snapshots, {} packs and {} chunks looked at, {} read: ",
        report.snapshots.len(),
        HumanCount(report.checked.packs),
        HumanCount(report.checked.chunks),
        DecimalBytes(report.checked.bytes_read)
    );
    if report.is_damaged() {
        summary.insert_str(0, "DAMAGED ");
        let _ = writeln!(summary, "{} objects are damaged", report.damage.len());
    } else {
        summary += "all of it is whole\n";
    }
    if let Some(urls) = &report.urls {
        let _ = writeln!(
            summary,
            "the web: {} of {} files compared, {} lost",
            HumanCount(urls.compared),
            HumanCount(urls.all),
            HumanCount(urls.lost.len() as u64)
        );
        if let Some(why) = &urls.failed {
            let _ = writeln!(summary, "the web was not asked: {why}");
        }
        for lost in urls.lost.iter().take(SHOWN) {
            let _ = writeln!(summary, "{}: {}", lost.url, lost.why);
        }
    }
    for damage in report.damage.iter().take(SHOWN) {
        let _ = writeln!(
            summary,
            "{}: {}; hits {} blobs; {}",
            damage.object,
            damage.why,
            HumanCount(damage.hit),
            damage.todo
        );
    }
    Done {
        outcome: outcome(report.is_incomplete()),
        counts: serde_json::to_value(&report.checked).unwrap_or_default(),
        summary,
    }
}

fn recover(
    parameters: &request::Recover,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let location = location(settings);
    let vault = recover::open_vault(instance, location, parameters.from, settings)?;
    let options = parameters.options(instance, settings)?;
    let report = recover::run(instance, vault.as_ref(), &options, context)?;
    Ok(recovered(&report))
}

/// What is said of what came back.
pub(super) fn recovered(report: &recover::Report) -> Done {
    let mut summary = format!(
        "{} blobs looked for, {} missing: {} linked from the other tree, {} unpacked from gold, {} from the vault, {} from the web, {} not back\n",
        HumanCount(report.needed.blobs),
        HumanCount(report.missing.blobs),
        HumanCount(report.linked.blobs),
        HumanCount(report.unpacked.blobs),
        HumanCount(report.from_vault.blobs),
        HumanCount(report.from_web.blobs),
        HumanCount(report.lost.blobs),
    );
    if report.is_incomplete() {
        summary.insert_str(0, "INCOMPLETE ");
    }
    let hit = report.uploads.iter().filter(|upload| upload.lost.blobs > 0);
    for upload in hit.take(SHOWN) {
        let (number, name) = (upload.upload, &upload.filename);
        for problem in &upload.problems {
            let _ = writeln!(summary, "upload {number} {name}: not unpacked: {problem}");
        }
        for lost in upload.blobs.iter().take(SHOWN) {
            let (path, why) = (&lost.path, lost.why.text());
            let _ = writeln!(
                summary,
                "upload {number} {name}: {path} ({}): {why}",
                lost.name
            );
        }
    }
    Done {
        // A scan that waits for this must not fail for ever because of what nobody can make again.
        outcome: outcome(report.is_unfinished()),
        counts: serde_json::json!({
            "not_reproducible": report.not_reproducible, "needed": report.needed, "missing": report.missing, "linked": report.linked,
            "unpacked": report.unpacked, "from_vault": report.from_vault, "from_web": report.from_web, "lost": report.lost,
        }),
        summary,
    }
}

fn expire(
    parameters: &request::Expire,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = parameters.options(settings);
    let report = expire::run(&vault, Some(instance), &options, context)?;
    let total = report.snapshots.len() as u64;
    let going = report.going();
    let mut summary = if report.policy {
        format!(
            "{} of {} snapshots {}removed, {} stay; {} {}given back\n",
            HumanCount(going),
            HumanCount(total),
            if report.dry_run { "would be " } else { "" },
            HumanCount(total - going),
            DecimalBytes(report.given_back()),
            if report.dry_run { "would be " } else { "" },
        )
    } else {
        "nothing was removed: [retention] in fo_backup.toml has no policy\n".to_owned()
    };
    if report.has_problems() {
        summary.insert_str(0, "INCOMPLETE ");
    }
    for mark in report
        .snapshots
        .iter()
        .filter(|mark| !mark.keep)
        .take(SHOWN)
    {
        let _ = writeln!(summary, "removed: {} ({})", mark.snapshot, mark.mode);
    }
    for why in &report.unreadable {
        let _ = writeln!(summary, "cannot be read, so no space was given back: {why}");
    }
    for snapshot in report.not_whole.iter().take(SHOWN) {
        let _ = writeln!(
            summary,
            "not whole: {snapshot}; 'fo_backup verify' says why"
        );
    }
    for alone in report.left_alone.iter().take(SHOWN) {
        let _ = writeln!(summary, "pack {} stays as it is: {}", alone.pack, alone.why);
    }
    Ok(Done {
        outcome: outcome(report.has_problems()),
        counts: expire::counts(&report),
        summary,
    })
}

fn drill(
    parameters: &request::Drill,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = parameters.options(settings);
    let report = drill::run(instance, &vault, parameters.wanted(), &options, context)?;
    let restored = match report.sample {
        Some(percent) => format!("a sample of {}% of", percent.number()),
        None => "all of".to_owned(),
    };
    let full = report.full.map_or(String::new(), |full| {
        let took = SignedDuration::from_secs(full.restore_seconds.ceil() as i64);
        format!("; a restore of everything takes about {}", in_words(took))
    });
    let problems = report.problems();
    let mut summary = format!(
        "{}snapshot {} ({}): {restored} {} blobs, {}, restored and read again{full}\n",
        if problems.is_empty() {
            ""
        } else {
            "NOT PROVEN "
        },
        report.snapshot,
        report.mode,
        HumanCount(report.all.blobs),
        DecimalBytes(report.all.bytes),
    );
    for problem in &problems {
        let _ = writeln!(summary, "{problem}");
    }
    Ok(Done {
        outcome: outcome(!problems.is_empty()),
        counts: drill::numbers(&report),
        summary,
    })
}

fn prune(
    parameters: &request::Prune,
    instance: &Instance,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Done> {
    if !parameters.undo.is_empty() {
        return recover(&parameters.undoing(), instance, settings, context);
    }
    let options = parameters.options(instance, settings)?;
    let location = location(settings);
    let vault = parameters.vault(instance, location, settings, &options)?;
    let report = prune::run(instance, vault.as_ref(), &options, context)?;
    Ok(pruned(&report))
}

/// What is said of what was removed.
pub(super) fn pruned(report: &prune::Report) -> Done {
    let mut summary = format!(
        "policy {}: {} files, {} {}, {} of them proven to come back; removed: {} files, {}\n",
        report.policy,
        HumanCount(report.drop.blobs),
        DecimalBytes(report.drop.bytes),
        if report.dry_run {
            "would go"
        } else {
            "were to go"
        },
        HumanCount(report.proven.blobs),
        HumanCount(report.removed.blobs),
        DecimalBytes(report.removed.bytes),
    );
    if let Some(why) = &report.postponed {
        summary.insert_str(0, "INCOMPLETE ");
        let _ = writeln!(summary, "not all was removed: {why}; ask again to go on");
    }
    let hit = report.uploads.iter().filter(|upload| upload.drop.blobs > 0);
    for upload in hit.take(SHOWN) {
        let _ = writeln!(
            summary,
            "upload {} {}: {} files, {}; comes back {}",
            upload.upload,
            upload.filename,
            HumanCount(upload.drop.blobs),
            DecimalBytes(upload.drop.bytes),
            upload.way.map_or("", prune::Way::text),
        );
    }
    Done {
        outcome: outcome(report.is_incomplete()),
        counts: report.counts(),
        summary,
    }
}

fn outcome(problems: bool) -> Outcome {
    if problems {
        Outcome::Incomplete
    } else {
        Outcome::Done
    }
}
