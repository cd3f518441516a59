// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup, from top to bottom:
//!
//! 1. one transaction sees one moment of the database; pg_dump gets the same moment;
//! 2. the moment's list of blobs, less those that the vault has, is what is new;
//! 3. the dump, the configuration and the other directories become chunks, and all of that a plan;
//! 4. what is new is read, compared with its name, and packed, beside the dump;
//! 5. the snapshot is put, last: all that it names is durable.
//!
//! Asked to give way, it leaves in the middle of step 4, with its packs completed: who goes on sees
//! another moment, and packs what those packs lack. Later it does not leave, since the rest is short
//! or, as the dump, would have to be done again.
//!
//! Here one process does all of it. The same steps can be those of several processes, on several
//! hosts: see [`stages`]. Killed before step 5, complete packs and chunks stay in the vault, and
//! the next backup finds them there instead of reading their blobs again.

mod commit;
mod division;
pub(super) mod external;
mod gate;
mod life;
mod listing;
mod packer;
mod part;
mod plan;
mod select;
pub mod stages;
mod streams;

pub use division::{Division, divide};
pub use external::DatabaseSettings;
pub(super) use listing::trusted;
pub use part::Part;
pub use plan::Plan;
pub(super) use select::held;

use super::by_url::GoldSettings;
use super::{Context, Instance, Result, history, keys};
use crate::fossology::own::{self, Files, Outcome, parts};
use crate::fossology::repository::Reader;
use crate::vault::{LeaseKind, Mode, Snapshot, Vault};
use part::{Assignment, Earlier};
use postgres::Client;
use serde_json::Value;
use std::path::PathBuf;

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What of the repository it takes.
    pub mode: Mode,
    /// The zstd level of packs.
    pub level: i32,
    /// How many threads read, hash and compress.
    pub threads: usize,
    /// Whether job logs are taken too.
    pub logs: bool,
    /// The command that backs up the database, where it is not dumped.
    pub external: Option<Vec<String>>,
    /// How gold is left to the web, if it is.
    pub by_url: Option<GoldSettings>,
    /// Whether secrets are left out of the dump.
    pub scrub: bool,
    /// Words by which the snapshot is to be known.
    pub tags: Vec<String>,
    /// Where the dump lies until it is stored.
    pub scratch: PathBuf,
    /// Where PostgreSQL's programs are, when they are not where Debian has them.
    pub postgres_bin: Option<PathBuf>,
}

/// How many absent blobs a snapshot names; [`crate::vault::Counts`] has their full number, and
/// which they are follows from its members.
const NAMED_ABSENT: usize = 10_000;

/// Makes a snapshot.
///
/// # Errors
/// When no snapshot could be made. One that lacks blobs which the repository lacks is made, and
/// says so: [`Snapshot::is_incomplete`].
pub fn run(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    context: Context<'_>,
) -> Result<Snapshot> {
    let mut client = begin(instance, vault)?;
    // Two locks that die with their owner: one for this instance, one for this vault.
    own::try_lock(&mut client)?;
    let lease = vault.lease(LeaseKind::Append, "backup")?;
    take_over(instance, &mut client)?;
    recorded(
        instance,
        &mut client,
        "backup",
        options.mode,
        |client| {
            let reader = Reader::new(instance.config.layout.clone())?;
            let (plan, part) = plan::plan(
                instance,
                vault,
                options,
                context,
                |listing, moment, stop| {
                    let all = Assignment {
                        listing,
                        candidates: &listing.candidates,
                        hosts: None,
                        earlier: Earlier::of(&instance.asked),
                    };
                    let mut names = |keys: &[u32]| Ok(moment.blobs(keys)?);
                    part::pack(vault, &reader, &all, &mut names, options, context, stop)
                },
            )?;
            let snapshot = commit::commit(vault, plan, &[part], client)?;
            lease.check()?;
            vault.put_snapshot(&snapshot)?;
            lease.confirm(&snapshot.id)?;
            Ok(snapshot)
        },
        ending,
    )
}

/// Connects, and makes sure that instance and vault belong together.
fn begin(instance: &Instance, vault: &Vault) -> Result<Client> {
    instance.expect_outside(vault.storage().folder())?;
    let mut client = instance.connect("backup")?;
    own::ensure_schema(&mut client)?;
    vault.expect_instance(own::instance_id(&mut client)?)?;
    keys::expect_own(&mut client, vault)?;
    // A pruned blob must not go while it is looked for.
    own::hold_files(&mut client, Files::Shared)?;
    Ok(client)
}

/// Clears up behind runs that died. A backup in parts of which nobody works on any is taken over,
/// unless it and this one are in the same queue: then it is first.
fn take_over(instance: &Instance, client: &mut Client) -> Result<()> {
    let request = instance.asked.request;
    if let Some(request) = request {
        parts::expect_no_other(client, request)?;
    }
    parts::take_over(client, request)?;
    own::settle(client)?;
    Ok(())
}

/// What the history says of a run's end.
struct Ending {
    outcome: Outcome,
    snapshot: Option<String>,
    counts: Value,
}

fn ending(snapshot: &Snapshot) -> Ending {
    Ending {
        outcome: if snapshot.is_incomplete() {
            Outcome::Incomplete
        } else {
            Outcome::Done
        },
        snapshot: Some(snapshot.id.to_string()),
        counts: serde_json::to_value(snapshot.counts).unwrap_or_default(),
    }
}

/// Does something that has a row in the history.
fn recorded<T>(
    instance: &Instance,
    client: &mut Client,
    verb: &str,
    mode: Mode,
    work: impl FnOnce(&mut Client) -> Result<T>,
    ending: impl FnOnce(&T) -> Ending,
) -> Result<T> {
    let record = instance.start_run(client, verb, Some(&mode.to_string()))?;
    let result = work(client);
    let noted = match &result {
        Ok(done) => {
            let Ending {
                outcome,
                snapshot,
                counts,
            } = ending(done);
            record.finish(client, outcome, snapshot.as_deref(), &counts, None)
        }
        Err(error) => history::not_done(record, client, None, error),
    };
    if let Err(error) = noted {
        log::warn!("the run could not be written into the history: {error}");
    }
    result
}
