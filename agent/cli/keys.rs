// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup keys`.

use super::exit::Exit;
use super::session::Session;
use crate::operations::{Result, keys};
use crate::vault::Recipients;

/// For whom an encrypted vault is encrypted
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the recipients, and since when [default]
    List,
    /// Encrypt what is written from now on for these, too
    Add {
        /// Public keys, as age-keygen prints them
        #[arg(value_name = "AGE1…", required = true)]
        recipients: Vec<String>,
    },
    /// Encrypt what is written from now on no longer for these; they still open what was written before
    Remove {
        /// Public keys
        #[arg(value_name = "AGE1…", required = true)]
        recipients: Vec<String>,
    },
    /// Take over the recipients that the vault names, after they were changed elsewhere
    Accept,
    /// Make a new key for the vault's lists, when the old one and the private key are lost
    StartOver,
}

#[derive(serde::Serialize)]
struct Report {
    vault: String,
    recipients: Recipients,
    changes: Vec<Change>,
    /// For whom lists are encrypted besides.
    lists: Option<String>,
    /// Whether this call opens what is encrypted, and the lists.
    private_key: bool,
    list_key: bool,
}

#[derive(serde::Serialize)]
struct Change {
    number: u64,
    made: jiff::Timestamp,
    recipients: Recipients,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let vault = session.open_vault(&session.settings()?)?;
    let taken_over = match args.action {
        Some(Action::Accept) => "taken over: ",
        _ => "",
    };
    match args.action.unwrap_or(Action::List) {
        Action::List => vault.expect_encrypted()?,
        Action::Add { recipients } => {
            let new = Recipients::parse(recipients)?;
            keys::change(&session.instance()?, &vault, |old| old.with(&new))?;
        }
        Action::Remove { recipients } => {
            let gone = Recipients::parse(recipients)?;
            keys::change(&session.instance()?, &vault, |old| old.without(&gone))?;
        }
        Action::Accept => drop(keys::accept(&session.instance()?, &vault)?),
        Action::StartOver => keys::start_over(&session.instance()?, &vault)?,
    }
    let changes = vault.recipients_history().into_iter();
    let report = Report {
        vault: vault.location(),
        recipients: vault.recipients(),
        lists: vault.lists_recipient(),
        changes: changes
            .map(|(number, made, recipients)| Change {
                number,
                made,
                recipients,
            })
            .collect(),
        private_key: vault.is_readable(),
        list_key: vault.list_key().is_some(),
    };
    session.output.result("keys", &report, || {
        let mut text = String::new();
        for change in &report.changes {
            text += &format!("{}. since {}:\n", change.number, change.made);
            for key in change.recipients.iter() {
                text += &format!("   {key}\n");
            }
        }
        if !vault.is_encrypted() {
            return "what is written into this vault is NOT encrypted, and this instance takes that for right\n".into();
        }
        text += &format!("{taken_over}what is written from now on is for\n");
        for key in report.recipients.iter() {
            text += &format!("   {key}\n");
        }
        if let Some(lists) = &report.lists {
            text += &format!("lists also for\n   {lists}\n");
        }
        text += match (report.private_key, report.list_key) {
            (true, _) => "the private key at hand opens this vault\n",
            (false, true) => "no private key is at hand; the lists can be read\n",
            (false, false) => "no private key is at hand, and the lists cannot be read\n",
        };
        text
    });
    Ok(Exit::Done)
}
