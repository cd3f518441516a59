// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup recover`.

use super::exit::Exit;
use super::output::{bytes, number, seconds, table};
use super::session::Session;
use crate::blob::PfileName;
use crate::operations::Result;
use crate::operations::recover::{self, Amount, Came, Report, Sources};
use crate::operations::request::Recover;
use std::time::Instant;

/// Bring missing files back: unpacked again from gold, or from the vault
///
/// Nothing is written to FOSSology's tables. After an interruption the same command goes on.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Where files may come from
    #[arg(long, value_enum, default_value = "any")]
    from: Sources,

    /// Try again what is known not to come from unpacking, as after a new unpacker was installed
    #[arg(long)]
    retry: bool,

    /// A rehearsal: unpack and compare, put nothing into the repository
    #[arg(long)]
    dry_run: bool,

    /// A rehearsal as if all but uploaded files were gone: what would come back?
    #[arg(long, conflicts_with = "blobs")]
    as_if_gone: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct ScopeArgs {
    /// All that is missing, uploads with small gold first
    #[arg(long)]
    missing: bool,

    /// What this upload needs; may be given several times
    #[arg(long = "upload", value_name = "N")]
    uploads: Vec<i32>,

    /// One file by its name in the repository, sha1.md5.size, as fast as it goes; may be given
    /// several times
    #[arg(long = "blob", value_name = "NAME", value_parser = parse_name)]
    blobs: Vec<PfileName>,
}

fn parse_name(text: &str) -> Result<PfileName, String> {
    // As FOSSology's tables have it, too.
    text.to_ascii_lowercase()
        .parse()
        .map_err(|error| format!("{error}; it takes the file's name in the repository"))
}

impl From<Args> for Recover {
    fn from(args: Args) -> Self {
        Self {
            uploads: args.scope.uploads,
            blobs: args.scope.blobs,
            missing: args.scope.missing,
            from: args.from,
            retry: args.retry,
            dry_run: args.dry_run,
            as_if_gone: args.as_if_gone,
        }
    }
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    seconds: f64,
    complete: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// How many uploads, and how many lost blobs of one, the text names.
const SHOWN: usize = 20;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    perform(session, &args.into())
}

/// Recovers what was asked for, by whichever verb.
pub(super) fn perform(session: &Session<'_>, asked: &Recover) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    let location = session.location(&settings);
    let vault = recover::open_vault(&instance, location, asked.from, &settings)?;
    let options = asked.options(&instance, &settings)?;
    let began = Instant::now();
    let report = recover::run(&instance, vault.as_ref(), &options, session.context())?;
    let spent = began.elapsed().as_secs_f64();
    let answer = Answer {
        seconds: spent,
        complete: !report.is_incomplete(),
        report: &report,
    };
    session
        .output
        .result("recover", &answer, || text(&report, spent));
    Ok(if report.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

fn amount(amount: Amount) -> String {
    format!("{}, {}", number(amount.blobs), bytes(amount.bytes))
}

fn text(report: &Report, spent: f64) -> String {
    let mut text = format!(
        "{} blobs looked for; missing: {}; in {}\n",
        number(report.needed.blobs),
        amount(report.missing),
        seconds(spent)
    );
    for blob in &report.blobs {
        let came = match (blob.came, blob.container) {
            (Came::WasThere, _) => "was there, and good".to_owned(),
            (Came::OtherTree, _) => "from the other tree".to_owned(),
            (Came::Unpacked, Some(container)) => format!("unpacked from {container}"),
            (Came::Unpacked, None) => "unpacked from gold".to_owned(),
            (Came::Vault, _) => "from the vault".to_owned(),
            (Came::Web, _) => "from the web".to_owned(),
            (Came::No, _) => "did not come".to_owned(),
        };
        text += &format!("  {}: {came}\n", blob.name);
    }
    if report.missing.blobs == 0 {
        return text + "nothing is missing\n";
    }
    let would = if report.dry_run {
        "would come back"
    } else {
        "back"
    };
    for (way, came) in [
        ("from the other tree", report.linked),
        ("unpacked from gold", report.unpacked),
        ("from the vault", report.from_vault),
        ("from the web", report.from_web),
    ] {
        if came.blobs > 0 {
            text += &format!("  {would} {way}: {}\n", amount(came));
        }
    }
    if report.deleted > 0 {
        text += &format!("  deleted meanwhile: {}\n", number(report.deleted));
    }
    if report.lost.blobs > 0 {
        text += &format!("  NOT {would}: {}\n", amount(report.lost));
    }
    for lost in report.lost_urls.iter().take(SHOWN) {
        text += &format!("  {} does not give {}: {}\n", lost.url, lost.name, lost.why);
    }
    text += &more(report.lost_urls.len());
    if report.recorded > 0 {
        text += &format!(
            "  newly known not to come from unpacking, so that backups of gold carry them: {}\n",
            number(report.recorded)
        );
    }
    text += "\n";
    text += &uploads(report);
    text + &lost(report)
}

fn uploads(report: &Report) -> String {
    let mut rows = vec![
        ["upload", "file", "missing", "size", "not back"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for upload in report.uploads.iter().take(SHOWN) {
        rows.push(vec![
            upload.upload.to_string(),
            upload.filename.clone(),
            number(upload.missing.blobs),
            bytes(upload.missing.bytes),
            number(upload.lost.blobs),
        ]);
    }
    table(&rows, &[0, 2, 3, 4]) + &more(report.uploads.len())
}

/// What did not come back, by upload, with the path in it and the reason.
fn lost(report: &Report) -> String {
    let mut text = String::new();
    let hit = report.uploads.iter().filter(|upload| upload.lost.blobs > 0);
    for upload in hit.take(SHOWN) {
        text += &format!("\n{} {}:\n", upload.upload, upload.filename);
        for problem in &upload.problems {
            text += &format!("  not unpacked: {problem}\n");
        }
        for lost in upload.blobs.iter().take(SHOWN) {
            let (path, name) = (&lost.path, lost.name);
            text += &format!("  {path} ({name}): {}\n", lost.why.text());
        }
        text += &more(usize::try_from(upload.lost.blobs).unwrap_or(usize::MAX));
    }
    text
}

fn more(all: usize) -> String {
    match all.saturating_sub(SHOWN) {
        0 => String::new(),
        left => format!("  and {} more; --json has them\n", number(left as u64)),
    }
}
