// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup prune`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::recover;
use super::session::Session;
use super::tidy;
use crate::operations::prune::{self, Options, Report};
use crate::operations::recover::Amount;
use crate::operations::tidy::{self as operation, Options as Tidying};
use crate::operations::{Error, Result, request};
use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::time::Instant;

/// Remove unpacked files that a policy says not to keep, and that are proven to come back
///
/// Uploaded files are never removed. After an interruption the same command goes on.
#[derive(clap::Args)]
pub struct Args {
    /// What goes: source-only, cold, gold-only, or a name of [prune.policies] in fo_backup.toml
    /// [default: what [prune] there says]
    #[arg(long, value_name = "NAME", conflicts_with = "undo")]
    policy: Option<String>,

    /// Only of this upload; may be given several times
    #[arg(long = "upload", value_name = "N", conflicts_with = "undo")]
    uploads: Vec<i32>,

    /// Remove nothing, tell what would go and how it would come back
    #[arg(long)]
    dry_run: bool,

    /// In a dry run, prove what is not proven yet; takes as long as unpacking it
    #[arg(long, requires = "dry_run")]
    prove: bool,

    /// Bring all back that was pruned of this upload; may be given several times
    #[arg(long, value_name = "N", num_args = 1.., conflicts_with_all = ["dry_run", "yes"])]
    undo: Vec<i32>,

    /// Don't ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    tidy: tidy::TidyArgs,
}

impl Args {
    /// What is asked of the scheduler, where nobody can be asked back.
    ///
    /// # Errors
    /// When nobody has said yes.
    pub fn for_queue(self) -> Result<request::Prune> {
        if self.tidy.options(false, 1).is_something() {
            return Err(Error::Usage(
                "tidying up is not done by the scheduler: call fo_backup prune itself".into(),
            ));
        }
        if !self.yes && !self.dry_run && self.undo.is_empty() {
            return Err(nobody_said_yes());
        }
        Ok(request::Prune {
            policy: self.policy,
            uploads: self.uploads,
            undo: self.undo,
            dry_run: self.dry_run,
            prove: self.prove,
        })
    }
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    seconds: f64,
    #[serde(flatten)]
    report: Option<&'a Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tidy: Option<&'a operation::Report>,
}

/// How many uploads the text names.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    let yes = args.yes;
    let tidying = args.tidy.options(args.dry_run, settings.lookers());
    let prunes = !tidying.is_something() || args.policy.is_some();
    let asked = request::Prune {
        policy: args.policy,
        uploads: args.uploads,
        undo: args.undo,
        dry_run: args.dry_run,
        prove: args.prove,
    };
    if !asked.undo.is_empty() {
        return recover::perform(session, &asked.undoing());
    }
    let began = Instant::now();
    let mut report = None;
    if prunes {
        let options = asked.options(&instance, &settings)?;
        let location = session.location(&settings);
        let vault = asked.vault(&instance, location, &settings, &options)?;
        let prune =
            |options: &Options| prune::run(&instance, vault.as_ref(), options, session.context());
        if !options.dry_run && !yes {
            expect_somebody()?;
            let began = Instant::now();
            let look = prune(&Options {
                dry_run: true,
                ..options.clone()
            })?;
            eprint!("{}", text(&look, began.elapsed().as_secs_f64()));
            let what = format!(
                "Prove what is not proven yet, and remove up to {}",
                amount(look.drop)
            );
            if look.drop.blobs == 0 || !agreed(&what)? {
                return Ok(Exit::Done);
            }
        }
        report = Some(prune(&options)?);
    }
    let mut tidied = None;
    if tidying.is_something() {
        if !tidying.dry_run && !yes {
            expect_somebody()?;
            let look = Tidying {
                dry_run: true,
                ..tidying
            };
            let look = operation::run(&instance, &look, session.context())?;
            eprint!("{}", tidy::text(&look));
            if !agreed("Do all that")? {
                return Ok(Exit::Done);
            }
        }
        tidied = Some(operation::run(&instance, &tidying, session.context())?);
    }
    let spent = began.elapsed().as_secs_f64();
    let answer = Answer {
        seconds: spent,
        report: report.as_ref(),
        tidy: tidied.as_ref(),
    };
    session.output.result("prune", &answer, || {
        let pruned = report.as_ref().map(|report| text(report, spent));
        pruned.unwrap_or_default() + &tidied.as_ref().map(tidy::text).unwrap_or_default()
    });
    let is_incomplete = report.as_ref().is_some_and(Report::is_incomplete)
        || tidied.is_some_and(|tidied| !tidied.problems.is_empty());
    Ok(if is_incomplete {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn expect_somebody() -> Result<()> {
    if std::io::stdin().is_terminal() {
        Ok(())
    } else {
        Err(nobody_said_yes())
    }
}

fn nobody_said_yes() -> Error {
    Error::Usage(
        "there is nobody to ask whether files may be removed: look at --dry-run, then give --yes"
            .into(),
    )
}

fn agreed(what: &str) -> Result<bool> {
    eprint!("\n{what}? Type yes: ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::Usage(format!("the answer could not be read: {error}")))?;
    Ok(line.trim() == "yes")
}

fn amount(amount: Amount) -> String {
    format!("{} files, {}", number(amount.blobs), bytes(amount.bytes))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn text(report: &Report, spent: f64) -> String {
    let mut text = format!("policy {}:\n", report.policy);
    for words in &report.words {
        text += &format!("  {words}\n");
    }
    text += &format!(
        "\n{} beside uploaded ones; pruned before: {}; {} cannot be made again and stay; in {}\n",
        amount(report.files),
        amount(report.pruned_before),
        number(report.not_reproducible.blobs),
        seconds(spent)
    );
    text += &format!(
        "{}: {}; of them proven to come back: {}\n\n",
        if report.dry_run { "would go" } else { "to go" },
        amount(report.drop),
        amount(report.proven)
    );
    text += &rules(report);
    text += "\n";
    text += &uploads(report);
    text += &held(report);
    if report.dry_run {
        return text;
    }
    text += &format!(
        "\nremoved: {}; free now: {} (before: {})\n",
        amount(report.removed),
        bytes(report.free_after),
        bytes(report.free_before)
    );
    for (count, what) in [
        (report.was_absent, "were not there before"),
        (
            report.spared,
            "were spared, because somebody came to need them",
        ),
        (report.taken_up, "were left there by a run that died"),
    ] {
        if count > 0 {
            text += &format!("  {} {what}\n", number(count));
        }
    }
    if let Some(why) = &report.postponed {
        text += &format!("NOT ALL was removed: {why}\nThe same command goes on.\n");
    }
    for upload in &report.brought_back {
        text += &format!("  upload {upload} came to need some of it: that was brought back\n");
    }
    text
}

fn rules(report: &Report) -> String {
    let mut rows = vec![
        ["rule", "files", "size", "share", "proven"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for rule in &report.rules {
        rows.push(vec![
            rule.rule.clone(),
            number(rule.drop.blobs),
            bytes(rule.drop.bytes),
            percent(rule.share),
            number(rule.proven.blobs),
        ]);
    }
    table(&rows, &[1, 2, 3, 4])
}

fn uploads(report: &Report) -> String {
    let head = [
        "upload",
        "file",
        "gold",
        "unpacked",
        "goes",
        "share",
        "comes back",
        "in about",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let hit: Vec<_> = report
        .uploads
        .iter()
        .filter(|upload| upload.drop.blobs > 0)
        .collect();
    for upload in hit.iter().take(SHOWN) {
        rows.push(vec![
            upload.upload.to_string(),
            upload.filename.clone(),
            bytes(upload.gold_bytes),
            bytes(upload.files.bytes),
            bytes(upload.drop.bytes),
            percent(upload.share),
            upload.way.map_or("", prune::Way::text).to_owned(),
            upload.seconds.map(seconds).unwrap_or_default(),
        ]);
    }
    let more = match hit.len().saturating_sub(SHOWN) {
        0 => String::new(),
        left => format!("  and {} more; --json has them\n", number(left as u64)),
    };
    table(&rows, &[0, 2, 3, 4, 5, 7]) + &more
}

/// How many uploads stay whole, by the reason.
fn held(report: &Report) -> String {
    let mut reasons: BTreeMap<prune::Hold, Vec<i32>> = BTreeMap::new();
    for upload in &report.uploads {
        if let Some(hold) = upload.held {
            reasons.entry(hold).or_default().push(upload.upload);
        }
    }
    let mut text = String::new();
    for (hold, mut uploads) in reasons {
        uploads.sort_unstable();
        let named: Vec<String> = uploads.iter().take(SHOWN).map(i32::to_string).collect();
        let more = if uploads.len() > SHOWN { ", …" } else { "" };
        text += &format!(
            "stays whole, {}: {} ({}{more})\n",
            hold.text(),
            number(uploads.len() as u64),
            named.join(", ")
        );
    }
    text
}
