// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup, from top to bottom:
//!
//! 1. one transaction sees one moment of the database; pg_dump gets the same moment;
//! 2. the moment's list of blobs, less those that the vault has, is what is new;
//! 3. what is new is read, compared with its name, and packed;
//! 4. the dump, the configuration and the other directories become chunks;
//! 5. the snapshot is put, last: all that it names is durable.
//!
//! Killed before step 5, complete packs and chunks stay in the vault, and the next backup finds
//! them there instead of reading their blobs again. Asked to stop, or after a failure, the packs
//! that were begun are completed first.

mod gate;
mod life;
mod packer;
mod select;
mod streams;

use super::{Context, Error, Instance, Result, Scratch, workers};
use crate::blob::Tree;
use crate::fossology::catalogue::{Moment, still_needed};
use crate::fossology::database::{Error as DatabaseError, Tools, properties, server_major};
use crate::fossology::own::{self, Outcome, Run};
use crate::fossology::repository::Reader;
use crate::vault::{Absent, Counts, Database, FORMAT, LeaseKind, Members, Mode, Snapshot, Vault};
use gate::Gate;
use life::Growth;
use packer::Packer;
use postgres::Client;
use select::Selection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Where the dump lies until it is stored.
    pub scratch: PathBuf,
    /// Where PostgreSQL's programs are, when they are not where Debian has them.
    pub postgres_bin: Option<PathBuf>,
}

/// How many absent blobs a snapshot names; [`Counts`] has their full number, and which they are
/// follows from its members.
const NAMED_ABSENT: usize = 10_000;

/// How many workers may wait for the disk side by side: each may hold up to 25 MB.
const MOST_WORKERS: usize = 6;

/// How many of the highest members a snapshot remembers.
const HIGHEST: usize = 64;

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
    instance.expect_outside(&vault.location())?;
    let mut client = instance.connect("backup")?;
    own::ensure_schema(&mut client)?;
    vault.expect_instance(own::instance_id(&mut client)?)?;
    // Two locks that die with their owner: one for this instance, one for this vault.
    own::try_lock(&mut client)?;
    let lease = vault.lease(LeaseKind::Append, "backup")?;
    Run::fail_dead(&mut client)?;
    let record = instance.start_run(&mut client, "backup", Some(&options.mode.to_string()))?;
    let result = take(instance, vault, options, context, &mut client).and_then(|snapshot| {
        lease.check()?;
        vault.put_snapshot(&snapshot)?;
        Ok(snapshot)
    });
    let noted = match &result {
        Ok(snapshot) => {
            let state = if snapshot.is_incomplete() {
                Outcome::Incomplete
            } else {
                Outcome::Done
            };
            let counts = serde_json::to_value(snapshot.counts).unwrap_or_default();
            record.finish(
                &mut client,
                state,
                Some(snapshot.id.as_str()),
                &counts,
                None,
            )
        }
        Err(error) => {
            let message = error.to_string();
            record.finish(
                &mut client,
                Outcome::Failed,
                None,
                &serde_json::json!({}),
                Some(&message),
            )
        }
    };
    if let Err(error) = noted {
        log::warn!("the run could not be written into the history: {error}");
    }
    result
}

/// Steps 1 to 4: everything but the snapshot's own file.
fn take(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    context: Context<'_>,
    client: &mut Client,
) -> Result<Snapshot> {
    let layout = &instance.config.layout;
    let reader = Reader::new(layout.clone())?;
    let tools = Tools::find(options.postgres_bin.as_deref(), server_major(client)?)?;
    let scratch = Scratch::new(&options.scratch)?;
    let chunks = vault.chunks();

    let mut catalogue = instance.connect("backup catalogue")?;
    let mut moment = Moment::begin(&mut catalogue)?;
    let exported = moment.export()?;
    let time = crate::vault::now();
    let properties = properties(moment.transaction())?;
    let release = moment.release()?;

    // Each job of pg_dump is a connection, which a small database is not worth.
    let jobs = (properties.size / (256 << 20) + 1).min(4) as usize;
    // Whichever side fails first stops the other.
    let failed = AtomicBool::new(false);
    let stop = || context.stop.requested() || failed.load(Ordering::Relaxed);
    let (dumped, packed) = std::thread::scope(|scope| {
        let dump = scope.spawn(|| {
            let growth = Growth::new(context.progress);
            let make = |folder: &Path| {
                let look_and_stop = || {
                    growth.look(folder);
                    stop()
                };
                let database = &instance.database;
                let dumped = tools.dump(database, &exported, folder, jobs, &look_and_stop);
                dumped.map_err(|source| match &source {
                    DatabaseError::ProgramFailed { messages, .. }
                        if messages.contains("No space left on device") =>
                    {
                        let place = options.scratch.clone();
                        Error::NoRoomForDump { place, source }
                    }
                    _ => source.into(),
                })
            };
            let dumped = streams::dump(make, &scratch, &chunks, options, context.progress, &stop);
            failed.fetch_or(dumped.is_err(), Ordering::Relaxed);
            dumped
        });
        let packed = pack(vault, layout, &reader, options, context, &mut moment, &stop);
        failed.fetch_or(packed.is_err(), Ordering::Relaxed);
        (
            dump.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            packed,
        )
    });
    context.stop.check()?;
    let Packed {
        members,
        selection,
        packer,
    } = match (packed, dumped.as_ref()) {
        // The side that was only stopped has nothing to say.
        (Err(Error::Interrupted), Err(_)) => {
            return Err(dumped.err().unwrap_or(Error::Interrupted));
        }
        (packed, _) => packed?,
    };
    let (files, dump_bytes) = dumped?;
    let mark = selection.mark(&mut moment, &members, HIGHEST)?;
    moment.end()?;

    context
        .progress
        .begin("configuration and other directories", 0, 0);
    let mut left_out = Vec::new();
    let configuration = streams::configuration(instance, &chunks, options, &mut left_out)?;
    let directories = streams::directories(layout.path(), &chunks, options, &mut left_out)?;
    context.progress.end();

    let (absent, absent_counts) = explain(packer.absent, client)?;
    let packs = selection.packs(vault, &members, &packer.packs)?;
    let (aliases, extra) = selection.side_notes(&members);
    let counts = Counts {
        gold: members.of(Tree::Gold).len(),
        gold_bytes: selection.bytes(Tree::Gold),
        files: members.of(Tree::Files).len(),
        files_bytes: selection.bytes(Tree::Files),
        new: packer.blobs,
        new_bytes: packer.bytes,
        stored_bytes: packer.packs.iter().map(|pack| pack.size).sum::<u64>() + chunks.stored(),
        dump_bytes,
        ..absent_counts
    };
    Ok(Snapshot {
        format: FORMAT,
        id: vault.new_snapshot_id(time)?,
        mode: options.mode,
        instance: vault.instance(),
        host: crate::process::host_name(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        time,
        finished: crate::vault::now(),
        release,
        repository: layout.path().display().to_string(),
        depth: layout.depth(),
        database: Database {
            name: instance.database.name().to_owned(),
            files,
            tool_major: tools.major(),
            properties: serde_json::to_value(properties).unwrap_or_default(),
        },
        configuration,
        directories,
        packs,
        members,
        aliases,
        extra,
        absent,
        left_out,
        catalogue: mark,
        counts,
    })
}

/// What packing left.
struct Packed {
    members: Members,
    selection: Selection,
    packer: packer::Done,
}

/// Steps 2 and 3.
fn pack(
    vault: &Vault,
    layout: &crate::fossology::repository::Layout,
    reader: &Reader,
    options: &Options,
    context: Context<'_>,
    moment: &mut Moment<'_>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Packed> {
    context.progress.begin("listing what is needed", 0, 0);
    let mut selection = Selection::new(vault, moment, options.mode)?;
    context.progress.end();
    // More may wait for a disk than may compute; each takes some megabytes.
    let gate = Gate::new(options.threads, (options.threads * 4).min(MOST_WORKERS));
    let packer = Packer::new(
        vault,
        layout,
        reader,
        options.level,
        &gate,
        context.progress,
        stop,
    );
    context.progress.begin("blobs", selection.candidates(), 0);
    let worked = std::thread::scope(|scope| {
        let (send, receive) = crossbeam_channel::bounded(2 * gate.most());
        let workers: Vec<_> = (0..gate.most())
            .map(|_| {
                let (packer, jobs) = (&packer, receive.clone());
                scope.spawn(move || packer.work(jobs))
            })
            .collect();
        drop(receive);
        let selected = selection.each_new(moment, context.progress, |job| {
            if stop() {
                return Err(Error::Interrupted);
            }
            // Fails when every worker has ended, each with the error that is found below.
            send.send(job).map_err(|_| Error::Interrupted)
        });
        drop(send);
        workers::join(workers, selected)
    });
    // Also when something failed: what is packed by then need not be read again.
    let finished = packer.finish();
    worked?;
    let packer = finished?;
    context.progress.end();
    let members = selection.members(&packer.members);
    Ok(Packed {
        members,
        selection,
        packer,
    })
}

/// Tells blobs that were deleted while the backup ran from those that are lost.
fn explain(mut absent: Vec<Absent>, client: &mut Client) -> Result<(Vec<Absent>, Counts)> {
    let keys: Vec<u32> = absent.iter().map(|absent| absent.pfile).collect();
    let needed: std::collections::BTreeSet<u32> =
        still_needed(client, &keys)?.into_iter().collect();
    let mut counts = Counts::default();
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for absent in &mut absent {
        if !needed.contains(&absent.pfile) {
            absent.kind = "deleted".into();
            absent.why = "its upload was deleted while the backup ran".into();
        }
        *kinds.entry(absent.kind.clone()).or_default() += 1;
    }
    for (kind, count) in kinds {
        match kind.as_str() {
            "deleted" => counts.deleted = count,
            "missing" => counts.missing = count,
            _ => counts.corrupt += count,
        }
    }
    absent.sort_by_key(|absent| absent.pfile);
    absent.truncate(NAMED_ABSENT);
    Ok((absent, counts))
}
