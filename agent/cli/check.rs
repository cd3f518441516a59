// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup check`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::blob::HostName;
use crate::operations::check::{self, Kind, Recovery, Report, Severity, unknown_gold};
use crate::operations::{Error, Instance, Result, request};
use crate::vault::Vault;
use std::time::Instant;

/// Check the repository against the database; nothing is changed
#[derive(clap::Args)]
pub struct Args {
    /// Read every file and compare its content with its name
    #[arg(long)]
    deep: bool,

    /// Check only what this upload needs; may be given several times
    #[arg(long = "upload", value_name = "N")]
    uploads: Vec<i32>,

    /// End with 3 for what only takes space, too (orphans and debris)
    #[arg(long)]
    strict: bool,

    /// Only list uploaded files in gold that no upload of the database has, as after the restore of an
    /// older snapshot: what each is and the first names in it, so that it can be uploaded again
    #[arg(long, conflicts_with_all = ["deep", "uploads", "strict", "repo_host"])]
    unknown_gold: bool,

    /// Look only at this host of [REPOSITORY], of which the storage has to be here; what may lie on
    /// others is counted, and the last findings in the database stay
    #[arg(long, value_name = "NAME", value_parser = super::backup::host)]
    repo_host: Vec<HostName>,
}

impl Args {
    /// As a request of the scheduler's agent.
    pub fn for_queue(self) -> Result<request::Check> {
        if !self.repo_host.is_empty() {
            return Err(Error::Usage(
                "--repo-host is for a check by hand; one by the scheduler is divided among the hosts by itself".into(),
            ));
        }
        if self.unknown_gold {
            return Err(Error::Usage(
                "--unknown-gold is for a look by hand; a check by the scheduler counts such files among orphans".into(),
            ));
        }
        Ok(request::Check {
            deep: self.deep,
            uploads: self.uploads,
            strict: self.strict,
        })
    }
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    seconds: f64,
    ok: bool,
    /// How bad the worst finding is.
    severity: Option<Severity>,
    /// How many blobs may lie on hosts that were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<u64>,
    #[serde(flatten)]
    report: &'a Report,
}

/// How many findings and uploads the text names.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    if args.unknown_gold {
        let report = unknown_gold::run(&instance, session.context())?;
        session.output.result("check", &report, || {
            unknown(&report) + &unreadable(&report.unreadable)
        });
        return Ok(if report.unreadable.is_empty() {
            Exit::Done
        } else {
            Exit::Incomplete
        });
    }
    let vault = vault(session, &instance)?;
    let mut uploads = args.uploads;
    uploads.sort_unstable();
    uploads.dedup();
    let options = check::Options {
        deep: args.deep,
        uploads,
        threads: settings.lookers(),
        strict: args.strict,
    };
    let began = Instant::now();
    let (report, elsewhere) = if args.repo_host.is_empty() {
        let report = check::run(&instance, vault.as_ref(), &options, session.context())?;
        (report, None)
    } else {
        let hosts = instance.repository_hosts(&args.repo_host)?;
        let context = session.context();
        let part = check::parts::look(&instance, vault.as_ref(), &options, &hosts, context)?;
        let elsewhere = part.elsewhere();
        (part.report, Some(elsewhere))
    };
    let spent = began.elapsed().as_secs_f64();
    let answer = Answer {
        seconds: spent,
        ok: !report.has_problems(options.strict),
        severity: report.severity(),
        elsewhere,
        report: &report,
    };
    session
        .output
        .result("check", &answer, || text(&report, elsewhere, spent));
    Ok(if report.has_problems(options.strict) {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

/// The vault, if one is named and can be opened: a check goes without one, too.
fn vault(session: &Session<'_>, instance: &Instance) -> Result<Option<Vault>> {
    let settings = session.settings()?;
    let Ok(location) = session.location(&settings) else {
        return Ok(None);
    };
    match check::open_vault(instance, &location, &settings) {
        Ok(vault) => Ok(Some(vault)),
        Err(error) => {
            log::warn!("the vault is not asked what it has: {error}");
            Ok(None)
        }
    }
}

/// What to do about a kind of finding.
fn advice(kind: Kind) -> &'static str {
    match kind {
        Kind::Missing | Kind::GoldDeleted => "see below where it can come back from",
        Kind::MissingInTree => "'recover --missing' links it from the other tree",
        Kind::SizeWrong => "'recover --missing' replaces it",
        Kind::Corrupt => "'recover --blob NAME' replaces it",
        Kind::Unreadable => "look at permissions and the system's log",
        Kind::WrongPlace => "move it, or correct [REPOSITORY] in fossology.conf",
        Kind::WrongDepth => "move it, or correct depth in fossology.conf",
        Kind::WrongMode => "chmod 2770 folders, 0660 files",
        Kind::WrongOwner => "chgrp to FOSSology's group",
        Kind::BrokenRow => "look at the row of table pfile",
        Kind::ReleaseMissing => "set it before the next fo-postinstall",
        Kind::Orphan => "nothing needs it (after an older snapshot: --unknown-gold)",
        Kind::Debris => "remove it when no agent runs",
        Kind::InFallback => "nothing: FOSSology reads it there",
        Kind::InFlight => "nothing: check again when the job has ended",
        Kind::Pruned => "nothing: a policy removed it",
    }
}

fn recovery(recovery: Recovery) -> &'static str {
    match recovery {
        Recovery::OtherTree => "from the other tree",
        Recovery::RecoverableFromGold => "from gold (gold is there)",
        Recovery::RecoverableFromVault => "from the vault",
        Recovery::RecoverableFromWeb => "from the web, where a snapshot left it",
        Recovery::Lost => "lost",
    }
}

fn text(report: &Report, elsewhere: Option<u64>, spent: f64) -> String {
    let mut text = format!(
        "{} blobs needed, {}; {} files looked at, {}{}, in {}\n",
        number(report.needed.count),
        bytes(report.needed.bytes),
        number(report.files.count),
        bytes(report.files.bytes),
        if report.deep { ", all read" } else { "" },
        seconds(spent),
    );
    if let Some(elsewhere) = elsewhere {
        text += &format!(
            "{} blobs may lie on hosts that were not looked at\n",
            number(elsewhere)
        );
    }
    if report.empty_folders > 0 {
        text += &format!("{} folders are empty\n", number(report.empty_folders));
    }
    if report.hidden > 0 {
        text += &format!(
            "{} blobs could not be looked for: a folder is unreadable\n",
            number(report.hidden)
        );
    }
    if report.deleted > 0 {
        text += &format!("{} blobs were deleted meanwhile\n", number(report.deleted));
    }
    if report.counts.is_empty() {
        return text + "nothing was found: repository and database agree\n";
    }
    let mut rows = vec![["found", "count", "size", ""].map(str::to_owned).to_vec()];
    for (kind, tally) in &report.counts {
        let row = |name: &str, count, size: String, advice: &str| {
            vec![name.to_owned(), number(count), size, advice.to_owned()]
        };
        rows.push(row(
            kind.as_str(),
            tally.count,
            bytes(tally.bytes),
            advice(*kind),
        ));
        for (way, count) in &tally.recovery {
            rows.push(row(
                &format!("  {}", recovery(*way)),
                *count,
                String::new(),
                "",
            ));
        }
    }
    text += "\n";
    text += &table(&rows, &[1, 2]);
    if !report.uploads.is_empty() {
        text += "\nuploads that are hit:\n";
        for upload in report.uploads.iter().take(SHOWN) {
            let counts: Vec<String> = upload
                .counts
                .iter()
                .map(|(kind, count)| format!("{} {}", number(*count), kind.as_str()))
                .collect();
            text += &format!(
                "  {} {}: {}\n",
                upload.upload,
                upload.filename,
                counts.join(", ")
            );
        }
        text += &more(report.uploads.len());
    }
    if !report.in_flight.is_empty() {
        text += "\nuploads that are still being fetched or unpacked:\n";
        for upload in report.in_flight.iter().take(SHOWN) {
            text += &format!("  {} {}\n", upload.upload, upload.filename);
        }
        text += &more(report.in_flight.len());
    }
    text += "\n";
    for finding in report.findings.iter().take(SHOWN) {
        let name = finding.name.map(|name| name.to_string());
        let tree = finding.tree.map_or("gold, files", |tree| tree.as_str());
        let what = match (&finding.path, name) {
            (Some(path), _) => path.clone(),
            (None, Some(name)) => format!("{name} ({tree})"),
            (None, None) => String::new(),
        };
        text += &format!("{} {what}: {}\n", finding.kind.as_str(), finding.detail);
    }
    let all: u64 = report.counts.values().map(|tally| tally.count).sum();
    text + &more(usize::try_from(all).unwrap_or(usize::MAX))
}

/// Folders that nobody could look into.
fn unreadable(folders: &[String]) -> String {
    let mut text = String::new();
    for why in folders.iter().take(SHOWN) {
        text += &format!("NOT LOOKED AT {why}\n");
    }
    text + &more(folders.len())
}

/// Uploaded files that no upload has, the newest first.
fn unknown(report: &unknown_gold::Report) -> String {
    if report.count == 0 {
        return format!(
            "{} uploaded files lie in gold, and the database knows them all\n",
            number(report.files)
        );
    }
    let mut text = format!(
        "{} of {} uploaded files in gold are of no upload that the database has, {}:\n",
        number(report.count),
        number(report.files),
        bytes(report.bytes)
    );
    for one in report.unknown.iter().take(SHOWN) {
        let came = one.came.map_or("unknown".to_owned(), |came| {
            came.strftime("%Y-%m-%d %H:%M UTC").to_string()
        });
        let mut layers = one.layers.clone();
        layers.reverse();
        let kind = match layers.is_empty() {
            true => "a single file".to_owned(),
            false => layers.join(" in "),
        };
        text += &format!(
            "\n{}: {kind}, {}, came {came}\n  {}\n",
            one.call_it,
            bytes(one.bytes),
            one.path
        );
        if !one.inside.is_empty() {
            let more = if one.more { ", …" } else { "" };
            text += &format!("  in it: {}{more}\n", one.inside.join(", "));
        }
        if let Some(problem) = &one.problem {
            text += &format!("  WRONG: {problem}\n");
        }
    }
    let left = more(usize::try_from(report.count).unwrap_or(usize::MAX));
    text + &left
        + "\nEach was uploaded after the database's state, or its upload was deleted since. The names are guesses: copy a file under such a name, and upload that again.\n"
}

fn more(all: usize) -> String {
    match all.saturating_sub(SHOWN) {
        0 => String::new(),
        left => format!("  and {} more; --json has them\n", number(left as u64)),
    }
}
