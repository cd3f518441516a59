// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup export`.

use super::exit::Exit;
use super::output::{bytes, number};
use super::session::Session;
use crate::operations::export::{self, Output, Report};
use crate::operations::settings::Settings;
use crate::operations::{Error, Result};
use crate::vault::Vault;
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
    if output == Output::Stdout && session.output.is_json() {
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
        threads: settings.threads(),
        scratch: settings.scratch(),
        postgres_bin: settings.postgres_bin.clone(),
    };
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
        "  from the repository {}, from the vault {}, unpacked {}\n",
        number(report.from.repository),
        number(report.from.vault),
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
