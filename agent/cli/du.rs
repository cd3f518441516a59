// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup du`.

use super::exit::Exit;
use super::output::{bytes, number, table};
use super::session::Session;
use crate::operations::prune::{self, Usage, policy};
use crate::operations::{Error, Result};

/// Tell what uploads really cost: their own files, what they share, what could go
///
/// By the database alone; nothing is changed.
#[derive(clap::Args)]
pub struct Args {
    /// Only this upload; may be given several times
    #[arg(long = "upload", value_name = "N")]
    uploads: Vec<i32>,

    /// By which policy something could go [default: what [prune] in fo_backup.toml says, else
    /// gold-only]
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
}

/// How many uploads the text names.
const SHOWN: usize = 50;

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let instance = session.instance()?;
    let usual = settings.prune.policy(args.policy.as_deref());
    let chosen = match (&args.policy, usual) {
        (None, Err(_)) => settings.prune.policy(Some(policy::GOLD_ONLY)),
        (_, chosen) => chosen,
    };
    let policy = chosen.map_err(Error::Usage)?;
    let usage = prune::usage(&instance, &args.uploads, &policy, session.context())?;
    session.output.result("du", &usage, || text(&usage));
    Ok(Exit::Done)
}

fn text(usage: &Usage) -> String {
    let head = [
        "upload",
        "file",
        "gold",
        "unpacked",
        "of it own",
        "shared",
        "pruned",
        "could go",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for upload in usage.uploads.iter().take(SHOWN) {
        rows.push(vec![
            upload.upload.to_string(),
            upload.filename.clone(),
            bytes(upload.gold_bytes),
            bytes(upload.files.bytes),
            bytes(upload.own.bytes),
            bytes(upload.files.bytes - upload.own.bytes),
            bytes(upload.pruned.bytes),
            bytes(upload.drop.bytes),
        ]);
    }
    let mut text = table(&rows, &[0, 2, 3, 4, 5, 6, 7]);
    if usage.uploads.len() > SHOWN {
        let left = (usage.uploads.len() - SHOWN) as u64;
        text += &format!("  and {} more; --json has them\n", number(left));
    }
    text += &format!(
        "\nof all uploads, each file once: gold {}, unpacked {} ({} files), pruned {}, could go by '{}': {}\n",
        bytes(usage.gold.bytes),
        bytes(usage.files.bytes),
        number(usage.files.blobs),
        bytes(usage.pruned.bytes),
        usage.policy,
        bytes(usage.drop.bytes)
    );
    text
}
