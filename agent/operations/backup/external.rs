// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A database that another program backs up (`[database] method = "external"`). Its command runs to its
//! end before the blobs are listed: what the database needs at any moment up to that list is in the
//! list, unless somebody deleted its upload meanwhile. So the database may be recovered to any moment
//! between the end of that backup and the position in its log that the snapshot has.
//!
//! Killed in the middle, there is a backup in the other program that no snapshot names.

use crate::fossology::catalogue::Moment;
use crate::fossology::database::back_up_externally;
use crate::operations::{Context, Error, Instance, Result, Scratch};
use crate::vault::{External, Snapshot, now};
use postgres::Client;
use std::time::{Duration, Instant};

/// How long is waited for transactions, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);

/// How the database is backed up: `[database]` in fo_backup.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// By pg_dump into the vault, or by the command.
    method: Method,
    /// The program and its arguments. No shell is between.
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Method {
    #[default]
    Dump,
    External,
}

impl DatabaseSettings {
    /// The command that backs up the database, if one does.
    pub fn external(&self) -> Option<Vec<String>> {
        (self.method == Method::External).then(|| self.command.clone())
    }

    /// Refuses settings that contradict each other.
    ///
    /// # Errors
    /// Says what is wrong.
    pub(in crate::operations) fn check(&self) -> Result<()> {
        let wrong = match self.method {
            Method::External if self.command.is_empty() => {
                "[database] method is \"external\" and command is not set; it takes a list, as in command = [\"/usr/local/bin/back-up-db\", \"--full\"]"
            }
            Method::Dump if !self.command.is_empty() => {
                "[database] has a command that nothing runs; set method = \"external\", or take the command out"
            }
            _ => return Ok(()),
        };
        Err(Error::Usage(wrong.to_owned()))
    }
}

/// Runs the command, and notes until when its database may be recovered.
pub(super) fn back_up(
    command: &[String],
    instance: &Instance,
    client: &mut Client,
    scratch: &Scratch,
    context: Context<'_>,
) -> Result<External> {
    let began = now();
    context
        .progress
        .begin("the database, by the command of [database]", 0, 0);
    let stop = || {
        // It tells nothing of how far it is; that it goes on is told for it.
        context.progress.advance(0, 0);
        context.stop.requested()
    };
    let made = back_up_externally(command, &instance.database, scratch.path(), &stop);
    context.stop.check()?;
    let made = made?;
    context.progress.end();
    let (timeline, until) = Moment::log_position(client)?;
    let unsure = !everybody_ended(client, context)?;
    Ok(External {
        label: made.label,
        details: made.details,
        began,
        ended: now(),
        timeline,
        until,
        unsure,
    })
}

/// Waits for the transactions in progress: the end of one may lie before the position in the log while
/// nobody sees it yet, and the blobs are listed by what is seen. Whether all have ended in time.
fn everybody_ended(client: &mut Client, context: Context<'_>) -> Result<bool> {
    let next = Moment::next_transaction(client)?;
    let deadline = Instant::now() + PATIENCE;
    while Moment::goes_on(client, next)? {
        context.stop.check()?;
        if Instant::now() > deadline {
            log::warn!(
                "transactions of before the end of the database's backup still go on: if one of them ends just now, what it uploads may be in the database and not in this snapshot ('unsure' in it says so)"
            );
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

/// Refuses to do something with the dump of a snapshot that has none.
pub(in crate::operations) fn expect_dump(snapshot: &Snapshot) -> Result<()> {
    let Some(external) = &snapshot.database.external else {
        return Ok(());
    };
    Err(Error::External {
        id: snapshot.id.to_string(),
        label: external.label.clone(),
        until: external.until.clone(),
        timeline: external.timeline,
    })
}
