// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup init`.

use super::exit::Exit;
use super::session::Session;
use crate::fossology::database::LIES_OPEN;
use crate::operations::Result;
use crate::operations::init;
use crate::vault::Recipients;

/// Make a vault for this FOSSology instance
#[derive(clap::Args)]
pub struct Args {
    /// Make this database the instance that an existing vault belongs to: after a restore by other means
    #[arg(long)]
    adopt: bool,

    /// Encrypt the vault for this public key of age ('age-keygen -o FILE' prints one); may be repeated
    #[arg(long, value_name = "AGE1…", conflicts_with = "adopt")]
    recipient: Vec<String>,
}

#[derive(serde::Serialize)]
struct Report {
    vault: String,
    id: uuid::Uuid,
    instance: uuid::Uuid,
    recipients: Recipients,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let settings = session.settings()?;
    let location = session.location(&settings)?;
    let instance = session.instance()?;
    let vault = if args.adopt {
        init::adopt(&instance, &location)?
    } else {
        init::run(&instance, &location, &Recipients::parse(&args.recipient)?)?
    };
    let report = Report {
        vault: vault.location(),
        id: vault.id(),
        instance: vault.instance(),
        recipients: vault.recipients(),
    };
    session.output.result("init", &report, || {
        let encrypted = if report.recipients.is_empty() {
            format!(
                "It is not encrypted. Whoever can read it finds in its dumps: {LIES_OPEN}. 'init --recipient' makes an encrypted one elsewhere, 'backup --scrub' leaves those out\n"
            )
        } else {
            format!("It is encrypted for {}\n", report.recipients)
        };
        format!(
            "vault {} at {} holds instance {}\n{encrypted}",
            report.id, report.vault, report.instance
        )
    });
    Ok(Exit::Done)
}
