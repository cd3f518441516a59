// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup export`.

use super::exit::Exit;
use super::output::{bytes, number};
use super::session::Session;
use crate::operations::export::{self, At, Listed, Listing, Options, Output, Report};
use crate::operations::settings::Settings;
use crate::operations::{Error, Instance, Result};
use crate::vault::Vault;
use std::io::{self, Write};
use std::path::PathBuf;

/// Write an upload's files, with their names and folders, as an ordinary archive
///
/// Folders are those that FOSSology shows. A file's content comes from the repository, else from the
/// vault, else it is unpacked from the upload's own file.
#[derive(clap::Args)]
pub struct Args {
    /// The upload's number
    #[arg(long, value_name = "N")]
    upload: i32,

    /// As this snapshot has it (its id or the beginning of one, or `latest`); FOSSology need not be
    /// there then
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,

    /// The archive: a .tar.zst or .tar that is not there yet, or `-` for a tar on standard output
    /// [default: upload-N.tar.zst]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Add the file that was uploaded, below gold/
    #[arg(long)]
    gold: bool,

    /// List what would be in it, and where each content is; nothing is written, and no content is read
    #[arg(long, conflicts_with = "output")]
    list: bool,
}

/// How many lines of each kind are shown.
const SHOWN: usize = 20;

/// The vault, when its files can be read.
fn readable(session: &Session<'_>, settings: &Settings) -> Result<Vault> {
    let vault = session.open_vault(settings)?;
    vault.expect_readable()?;
    Ok(vault)
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let default = || format!("upload-{}.tar.zst", args.upload).into();
    let output = Output::parse(&args.output.clone().unwrap_or_else(default))?;
    if !args.list && output == Output::Stdout && session.output.is_json() {
        return Err(Error::Usage(
            "--json and the archive cannot both go to standard output; name a file with --output"
                .into(),
        ));
    }
    let settings = session.settings()?;
    // What is named has to be there; else whatever is there may help.
    let instance = match (session.instance(), &args.snapshot) {
        (Ok(instance), _) => Some(instance),
        (Err(error), None) => return Err(error),
        (Err(_), Some(_)) => None,
    };
    let vault = match (readable(session, &settings), &args.snapshot) {
        (Ok(vault), _) => Some(vault),
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => {
            log::info!("nothing comes from a vault: {error}");
            None
        }
    };
    let options = export::Options {
        upload: args.upload,
        gold: args.gold,
        output,
        web: settings.gold.clone(),
        threads: settings.threads(),
        scratch: settings.scratch(),
        postgres_bin: settings.postgres_bin.clone(),
    };
    if args.list {
        let snapshot = args.snapshot.as_deref();
        return list(
            session,
            instance.as_ref(),
            vault.as_ref(),
            snapshot,
            &options,
        );
    }
    let report = export::run(
        instance.as_ref(),
        vault.as_ref(),
        args.snapshot.as_deref(),
        &options,
        session.context(),
    )?;
    if report.output.is_some() {
        session.output.result("export", &report, || text(&report));
    } else if !session.output.is_quiet() {
        eprint!("{}", text(&report));
    }
    Ok(if report.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

/// What `--list --json` prints.
#[derive(serde::Serialize)]
struct Whole {
    #[serde(flatten)]
    listing: Listing,
    entries: Vec<Listed>,
}

/// Lines go to standard output as they come, and the sum of them to the other one.
fn list(
    session: &Session<'_>,
    instance: Option<&Instance>,
    vault: Option<&Vault>,
    snapshot: Option<&str>,
    options: &Options,
) -> Result<Exit> {
    let is_json = session.output.is_json();
    let mut entries = Vec::new();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut each = |listed: Listed| {
        if is_json {
            entries.push(listed);
        } else {
            // Who reads only the beginning is done.
            let _ = writeln!(out, "{}", line(&listed));
        }
    };
    let context = session.context();
    let listing = export::list(instance, vault, snapshot, options, context, &mut each)?;
    let _ = out.flush();
    drop(out);
    let exit = if listing.is_incomplete() {
        Exit::Incomplete
    } else {
        Exit::Done
    };
    if is_json {
        let whole = Whole { listing, entries };
        session.output.result("export", &whole, String::new);
    } else if !session.output.is_quiet() {
        eprint!("{}", sum(&listing));
    }
    Ok(exit)
}

/// Size, where it is, and path, in which nothing can harm a terminal.
fn line(listed: &Listed) -> String {
    let (size, at) = match listed.at {
        None => (String::new(), ""),
        Some(at) => (listed.bytes.to_string(), at_word(at)),
    };
    let path = match listed.path.contains(char::is_control) {
        true => listed.path.escape_debug().to_string(),
        false => listed.path.clone(),
    };
    format!("{size:>13} {at:<10} {path}")
}

fn at_word(at: At) -> &'static str {
    match at {
        At::Repository => "repository",
        At::Vault => "vault",
        At::Web => "web",
        At::Gold => "unpacked",
        At::Nowhere => "NOWHERE",
    }
}

fn sum(listing: &Listing) -> String {
    let mut text = format!(
        "upload {} ({}): {} files in {} folders, {}\n",
        listing.upload,
        listing.filename,
        number(listing.files),
        number(listing.folders),
        bytes(listing.bytes)
    );
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            text += &format!("  {} {what}\n", number(count));
        }
    };
    add(
        listing.unpacked,
        "of them would be unpacked from the upload's own file, if it has them",
    );
    add(
        listing.without_content,
        "links or devices are left out: FOSSology keeps no content for them",
    );
    add(
        listing.renamed,
        "names cannot be written as they are, and are shown as they would be",
    );
    add(
        listing.unreachable,
        "nodes of the upload's tree hang on nothing: INCOMPLETE",
    );
    add(listing.missing, "files are nowhere: INCOMPLETE");
    text
}

fn text(report: &Report) -> String {
    let place = report
        .output
        .as_ref()
        .map_or("standard output".to_owned(), |path| {
            path.display().to_string()
        });
    let mut text = format!(
        "upload {} ({}) is in {place}: {} files in {} folders, {}\n",
        report.upload,
        report.filename,
        number(report.files),
        number(report.folders),
        bytes(report.bytes)
    );
    text += &format!(
        "  from the repository {}, from the vault {}, from the web {}, unpacked {}\n",
        number(report.from.repository),
        number(report.from.vault),
        number(report.from.web),
        number(report.from.gold)
    );
    if report.without_content > 0 {
        text += &format!(
            "  {} links or devices are left out: FOSSology keeps no content for them\n",
            number(report.without_content)
        );
    }
    if report.renamed_count > 0 {
        text += &format!(
            "  {} names cannot be written as they are:\n",
            number(report.renamed_count)
        );
        for renamed in report.renamed.iter().take(SHOWN) {
            text += &format!("    {:?} is {:?}\n", renamed.path, renamed.became);
        }
    }
    if report.unreachable > 0 {
        text += &format!(
            "INCOMPLETE: {} nodes of the upload's tree hang on nothing\n",
            number(report.unreachable)
        );
    }
    if report.missing_count > 0 {
        text += &format!(
            "INCOMPLETE: {} files are not in it, their content is nowhere:\n",
            number(report.missing_count)
        );
        for missing in report.missing.iter().take(SHOWN) {
            text += &format!("    {}: {}\n", missing.path, missing.why);
        }
    }
    text
}
