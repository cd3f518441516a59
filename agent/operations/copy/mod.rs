// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Brings a vault's snapshots to another place: only what lacks there, the newest snapshot first.
//! What a snapshot needs goes before it, and each object is compared with its name on the way. Then
//! the far side is looked at by itself: is all there that its snapshots name, and does what is read
//! as a sample decode?
//!
//! The far vault is one of its own, of the same instance: it may keep its snapshots longer, and
//! nothing there is ever removed, nor written over unless it is cut. Killed in the middle, complete objects stay there,
//! and the next copy goes on behind them.

mod proof;
mod report;
mod settings;
mod there;
mod transfer;

pub use proof::Proven;
pub use report::{Complete, Copied, Hurt, Report, State, Tally};
pub use settings::Offsite;

use super::{Context, Error, Instance, Result, history, verify};
use crate::fossology::own::{Outcome, Run};
use crate::vault::{self, Lease, LeaseKind, Location, Object, Snapshot, SnapshotId, Vault};
use postgres::Client;
use transfer::Transfer;

/// What is copied, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The snapshots, as the user names them; all without any.
    pub snapshots: Vec<String>,
    /// Of these, only those with one of these words; all without any.
    pub tags: Vec<String>,
    /// Of these, only so many of the newest.
    pub newest: Option<usize>,
    /// How much is read at the far side afterwards, in percent.
    pub read: f64,
    /// How many objects travel at once.
    pub threads: usize,
}

/// Opens the far vault, and makes it when nothing is there.
///
/// # Errors
/// When something else lies there, or a vault of another instance.
pub fn open_far(vault: &Vault, to: &Location) -> Result<Vault> {
    let far = match Vault::open(to) {
        Err(vault::Error::NotAVault { .. }) => Vault::init_like(to, vault)?,
        opened => opened?,
    };
    far.expect_instance(vault.instance())?;
    far.follow(vault)?;
    if far.id() == vault.id() && far.location() == vault.location() {
        return Err(Error::Usage(format!(
            "{to} is the vault itself; name another place"
        )));
    }
    Ok(far)
}

/// Copies. The instance, if its configuration is there, keeps the run in its history.
///
/// # Errors
/// When one of the vaults cannot be listed, is locked, or a named snapshot is not there. That
/// something of a snapshot cannot be copied is no error, it is in the report.
pub fn run(
    vault: &Vault,
    far: &Vault,
    instance: Option<&Instance>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let lease = vault.lease(LeaseKind::Read, "copy")?;
    let far_lease = far.lease(LeaseKind::Append, "copy")?;
    let mut database = instance.and_then(|instance| {
        verify::connect(vault, instance, "copy")
            .inspect_err(|error| log::info!("the run is not in the history: {error}"))
            .ok()
    });
    let record = instance
        .zip(database.as_mut())
        .and_then(|(instance, client)| verify::start_record(instance, client, "copy"));
    let leases = Leases {
        near: lease,
        far: far_lease,
    };
    let result = copy(vault, far, options, context, &leases);
    if let (Some(record), Some(client)) = (record, database.as_mut()) {
        finish_record(record, client, &result);
    }
    result
}

/// The leases of a copy.
struct Leases {
    near: Lease,
    far: Lease,
}

impl Leases {
    fn check(&self) -> Result<()> {
        self.near.check()?;
        Ok(self.far.check()?)
    }
}

fn copy(
    vault: &Vault,
    far: &Vault,
    options: &Options,
    context: Context<'_>,
    leases: &Leases,
) -> Result<Report> {
    let mut report = Report::new(vault, far);
    let mut wanted = Wanted::new(vault, options)?;
    let there = far.snapshot_keys()?;
    let same_moment: Vec<SnapshotId> = far.snapshot_ids()?;
    let near = vault.chunks().sizes()?;
    let mut transfer = Transfer::new(vault, far, &near, options.threads, context)?;
    // One at a time: a snapshot of a large instance takes much memory.
    for file in vault.snapshot_keys()?.iter().rev() {
        context.stop.check()?;
        let snapshot = match vault.read_snapshot(file) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                report.unreadable.push(error.to_string());
                continue;
            }
        };
        if !wanted.takes(&snapshot) {
            continue;
        }
        let state = if is_there(far, &there, file)? {
            // It may have lost something since.
            transfer.bring(&snapshot)?;
            State::There
        } else if same_moment
            .iter()
            .any(|id| *id != snapshot.id && id.same_moment(&snapshot.id))
        {
            State::There
        } else if transfer.bring(&snapshot)? && transfer.confirm(&snapshot)? {
            leases.check()?;
            far.put_copy(vault, &snapshot.id)?;
            leases.far.confirm(&snapshot.id)?;
            State::Copied
        } else {
            State::Incomplete
        };
        report.snapshots.push(Copied::new(&snapshot, state));
    }
    report.unreadable.reverse();
    transfer.finish(&mut report);
    proof::prove(vault, far, &near, options, context, &mut report)?;
    leases.check()?;
    Ok(report)
}

/// Whether a snapshot's file is at the far side, and whole if it has another size than here.
fn is_there(far: &Vault, there: &[Object], file: &Object) -> Result<bool> {
    match there.iter().find(|other| other.key == file.key) {
        None => Ok(false),
        Some(other) if other.size == file.size => Ok(true),
        Some(other) => match far.read_snapshot(other) {
            Err(error) if error.is_damage() => Ok(false),
            read => Ok(read.map(|_| true)?),
        },
    }
}

/// Which snapshots are to be copied, asked of each, the newest first.
struct Wanted<'a> {
    named: Vec<SnapshotId>,
    tags: &'a [String],
    left: usize,
}

impl<'a> Wanted<'a> {
    fn new(vault: &Vault, options: &'a Options) -> Result<Self> {
        let mut named = Vec::new();
        for name in &options.snapshots {
            named.push(vault.snapshot(name)?.id);
        }
        Ok(Self {
            named,
            tags: &options.tags,
            left: options.newest.unwrap_or(usize::MAX),
        })
    }

    fn takes(&mut self, snapshot: &Snapshot) -> bool {
        let takes = self.left > 0
            && (self.named.is_empty() || self.named.contains(&snapshot.id))
            && (self.tags.is_empty() || snapshot.tags.iter().any(|tag| self.tags.contains(tag)));
        self.left -= usize::from(takes);
        takes
    }
}

fn finish_record(record: Run, client: &mut Client, result: &Result<Report>) {
    let noted = match result {
        Ok(report) => {
            let problem = report.problem();
            let outcome = match problem {
                None => Outcome::Done,
                Some(_) => Outcome::Incomplete,
            };
            let newest = report
                .complete
                .last()
                .map(|complete| complete.snapshot.to_string());
            let counts = report.for_history();
            record.finish(
                client,
                outcome,
                newest.as_deref(),
                &counts,
                problem.as_deref(),
            )
        }
        Err(error) => history::not_done(record, client, None, error),
    };
    if let Err(error) = noted {
        log::warn!("the run could not be written into the history: {error}");
    }
}
