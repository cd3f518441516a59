// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A drill: a restore that is tried, beside everything. The snapshot's database is loaded under a
//! name of its own, its blobs (or a share of them) are written into a scratch folder, all of it is
//! read again and compared, each part's time is taken, and then it is removed.
//!
//! The instance is not touched but for a row of our history. A drill that fails or is asked to stop
//! removes what it made; what one leaves that is killed, the next one removes (see [`ground`]). One
//! that gives way removes what it made too, and begins anew later, with the same snapshot.

mod ground;
mod report;
mod share;

pub use report::{Amount, Compared, Full, Report, Seconds};
pub use share::Percent;

use super::backup::external::expect_dump;
use super::by_url::GoldSettings;
use super::restore::{blobs, database, directories, room, writer};
use super::{Context, Error, Instance, Result, Stop, check, history, restore};
use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::own::{self, Asked, Outcome, Run};
use crate::threads;
use crate::vault::{Lease, LeaseKind, Members, Snapshot, Vault};
use crossbeam_channel::{RecvTimeoutError, bounded};
use ground::Ground;
use postgres::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use share::Share;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Table `[drill]` of fo_backup.toml.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder below which a drill takes place; `scratch` unless it is set.
    pub to: Option<PathBuf>,
    /// Which share of the blobs is restored; all unless it is set.
    pub sample: Option<Percent>,
}

/// How a drill is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder below which it takes place.
    pub parent: PathBuf,
    /// Which share of the blobs is restored; all without one.
    pub sample: Option<Percent>,
    /// How to connect as a role that may create databases.
    pub admin_url: Option<String>,
    /// How many threads decode, check and write.
    pub threads: usize,
    /// How many threads look at files.
    pub lookers: usize,
    /// Where PostgreSQL's programs are, when they are not where Debian has them.
    pub postgres_bin: Option<PathBuf>,
}

/// Tries to restore a snapshot.
///
/// # Errors
/// When something forbids it or it could not be done. What it found wrong is no error:
/// [`Report::problems`].
pub fn run(
    instance: &Instance,
    vault: &Vault,
    wanted: &str,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    vault.expect_readable()?;
    let carried = Carried::of(&instance.asked);
    let wanted = carried
        .as_ref()
        .map_or(wanted, |carried| carried.snapshot.as_str());
    // Before the snapshot is read: with the lease nobody removes what it names.
    let lease = vault.lease(LeaseKind::Read, "drill")?;
    let snapshot = vault.snapshot(wanted)?;
    expect_dump(&snapshot)?;
    let record = begin(instance, vault, &snapshot)?;
    let result = leaving(&snapshot, context, |context| {
        rehearse(instance, vault, &snapshot, options, &lease, context)
    });
    if let Some((run, client)) = record {
        end(run, client, &snapshot, &result);
    }
    result
}

/// What a drill has to know that goes on with one which gave way.
#[derive(Serialize, Deserialize)]
struct Carried {
    snapshot: String,
}

impl Carried {
    fn of(asked: &Asked) -> Option<Self> {
        Self::deserialize(asked.carried.as_ref()?).ok()
    }
}

/// How often it is looked whether somebody wants a drill to end.
const LOOK: Duration = Duration::from_millis(50);

/// Does something that is stopped when it should give way, too: nothing of a drill is worth keeping.
fn leaving<T>(
    snapshot: &Snapshot,
    outer: Context<'_>,
    work: impl FnOnce(Context<'_>) -> Result<T>,
) -> Result<T> {
    let stop = Stop::new();
    let (end, ended) = bounded::<()>(0);
    let result = std::thread::scope(|scope| {
        threads::scoped(scope, "drill's end", || {
            // Ends when the sender is dropped.
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if outer.stop.requested() || outer.stop.gives_way() {
                    stop.request();
                }
            }
        })?;
        let result = work(Context {
            progress: outer.progress,
            stop: &stop,
        });
        drop(end);
        result
    });
    match result {
        // A signal to the whole group may end a program of ours before the wish comes through.
        Err(error) if outer.stop.requested() => {
            log::info!("stopped: {error}");
            Err(Error::Interrupted)
        }
        Err(Error::Interrupted) => Err(Error::GaveWay {
            carried: json!(Carried {
                snapshot: snapshot.id.to_string(),
            }),
        }),
        result => result,
    }
}

fn rehearse(
    instance: &Instance,
    vault: &Vault,
    snapshot: &Snapshot,
    options: &Options,
    lease: &Lease,
    context: Context<'_>,
) -> Result<Report> {
    let began = Instant::now();
    let mut ground = Ground::prepare(instance, vault, snapshot, options, context)?;
    let tried = attempt(&mut ground, instance, vault, snapshot, options, context);
    let removal = Instant::now();
    context.progress.begin("removing what the drill made", 0, 0);
    let not_removed = ground.remove(context.progress);
    context.progress.end();
    let mut report = tried.inspect_err(|_| {
        for left in &not_removed {
            log::warn!("{left}");
        }
    })?;
    lease.check()?;
    report.not_removed = not_removed;
    report.seconds.removal = removal.elapsed().as_secs_f64();
    report.seconds.total = began.elapsed().as_secs_f64();
    Ok(report)
}

/// What a restore does, and a check of it.
fn attempt(
    ground: &mut Ground,
    instance: &Instance,
    vault: &Vault,
    snapshot: &Snapshot,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let layout = ground.layout(instance);
    std::fs::create_dir(layout.path()).map_err(Error::io("making", layout.path()))?;
    let restore_options = restore_options(ground, options);
    let mut seconds = Seconds::default();

    let part = Instant::now();
    let target = &mut ground.target;
    let staged = database::stage(target, vault, snapshot, &layout, &restore_options, context)?;
    seconds.database = part.elapsed().as_secs_f64();
    let database_bytes = target.size()?;

    let part = Instant::now();
    let mut chosen = Chosen::new(
        options
            .sample
            .map(|percent| Share::new(percent, &snapshot.id)),
    );
    let mut selection = blobs::needed_by(
        &target.staging(),
        vault,
        snapshot,
        &mut |key, name, trees| chosen.choose(key, name, trees),
    )?;
    let by_url = std::mem::take(&mut selection.by_url).len() as u64;
    room::expect_space(&layout, &selection)?;
    let not_in_snapshot = selection.not_in_snapshot;
    let (written, damaged) = writer::write(
        vault,
        selection,
        &layout,
        instance,
        options.threads,
        context,
        &|_| {},
    )?;
    seconds.blobs = part.elapsed().as_secs_f64();

    let part = Instant::now();
    let others = directories::restore(vault, snapshot, layout.path(), instance)?;
    seconds.directories = part.elapsed().as_secs_f64();

    let part = Instant::now();
    let mut config = instance.config.clone();
    config.layout = layout.clone();
    let copy = Instance {
        config,
        database: target.staging(),
        asked: instance.asked.clone(),
    };
    let checked = check::of_blobs(&copy, &chosen.restored, options.lookers, context)?;
    seconds.check = part.elapsed().as_secs_f64();

    Ok(Report {
        snapshot: snapshot.id.clone(),
        mode: snapshot.mode,
        time: snapshot.time,
        sample: options.sample,
        database_bytes,
        left_out: staged.into_result().left_out,
        all: chosen.all,
        restored: chosen.amount,
        written,
        compared: chosen.compare(snapshot, checked.files.count),
        not_in_snapshot,
        by_url,
        damaged,
        other_files: others.files,
        other_failures: others.failures,
        findings: checked.counts,
        not_removed: Vec::new(),
        full: Full::extrapolate(&seconds, chosen.all, chosen.amount),
        seconds,
    })
}

/// All that a drill needs of a restore's options: what it makes lies in its own folder.
fn restore_options(ground: &Ground, options: &Options) -> restore::Options {
    restore::Options {
        database: None,
        no_database: false,
        repository: None,
        no_repository: false,
        repo_hosts: Vec::new(),
        gold: GoldSettings::default(),
        dry_run: false,
        admin_url: options.admin_url.clone(),
        threads: options.threads,
        scratch: ground.folder().to_owned(),
        postgres_bin: options.postgres_bin.clone(),
    }
}

/// The blobs that the restored database needs and the snapshot's packs have, counted, and which of
/// them are restored.
struct Chosen {
    share: Option<Share>,
    /// Keys and trees of all of them.
    found: Members,
    all: Amount,
    /// Keys of those that are restored.
    restored: roaring::RoaringBitmap,
    amount: Amount,
    /// How many files that makes.
    files: u64,
    last: Option<(PfileName, TreeSet)>,
}

impl Chosen {
    fn new(share: Option<Share>) -> Self {
        Self {
            share,
            found: Members::default(),
            all: Amount::default(),
            restored: roaring::RoaringBitmap::new(),
            amount: Amount::default(),
            files: 0,
            last: None,
        }
    }

    /// Takes note of a blob; they come in the order of names. Whether it is restored.
    fn choose(&mut self, key: u32, name: &PfileName, trees: TreeSet) -> bool {
        self.found.insert(key, trees);
        // Two rows may have one name: that is one blob.
        let seen = match self.last {
            Some((last, seen)) if last == *name => Some(seen),
            _ => None,
        };
        let add = |amount: &mut Amount| {
            if seen.is_none() {
                amount.blobs += 1;
                amount.bytes += name.size();
            }
        };
        add(&mut self.all);
        let seen_trees = seen.unwrap_or(TreeSet::NONE);
        self.last = Some((*name, seen_trees.union(trees)));
        if self.share.is_some_and(|share| !share.has(name)) {
            return false;
        }
        add(&mut self.amount);
        self.files += trees
            .iter()
            .filter(|tree| !seen_trees.contains(*tree))
            .count() as u64;
        self.restored.insert(key);
        true
    }

    /// What was counted when the snapshot was made, and what is there now.
    fn compare(&self, snapshot: &Snapshot, files: u64) -> Vec<Compared> {
        let found = self.found.common(&snapshot.members);
        let compared = |what, expected, found| Compared {
            what,
            expected,
            found,
        };
        vec![
            compared(
                "blobs in gold",
                snapshot.counts.gold,
                found.of(Tree::Gold).len(),
            ),
            compared(
                "blobs in files",
                snapshot.counts.files,
                found.of(Tree::Files).len(),
            ),
            compared("files in the repository", self.files, files),
        ]
    }
}

/// Enters the drill in the history. On another host, where there is no such instance, a drill leaves
/// no trace; another instance's vault is refused.
fn begin(instance: &Instance, vault: &Vault, snapshot: &Snapshot) -> Result<Option<(Run, Client)>> {
    let ready = instance.connect("drill").and_then(|mut client| {
        own::ensure_schema(&mut client)?;
        own::settle(&mut client)?;
        Ok((own::instance_id(&mut client)?, client))
    });
    match ready {
        Ok((ours, mut client)) => {
            vault.expect_instance(ours)?;
            let mode = snapshot.mode.to_string();
            let run = instance.start_run(&mut client, "drill", Some(&mode))?;
            Ok(Some((run, client)))
        }
        Err(error) => {
            log::warn!("the drill leaves no trace in the history: {error}");
            Ok(None)
        }
    }
}

fn end(run: Run, mut client: Client, snapshot: &Snapshot, result: &Result<Report>) {
    let id = Some(snapshot.id.as_str());
    let noted = match result {
        Ok(report) => {
            let problems = report.problems();
            let (outcome, message) = match problems.is_empty() {
                true => (Outcome::Done, None),
                false => (Outcome::Incomplete, Some(problems.join("; "))),
            };
            run.finish(
                &mut client,
                outcome,
                id,
                &numbers(report),
                message.as_deref(),
            )
        }
        Err(error) => history::not_done(run, &mut client, id, error),
    };
    if let Err(error) = noted {
        log::warn!("the drill's end could not be written into the history: {error}");
    }
}

/// What of a report the history and a request's row keep.
pub fn numbers(report: &Report) -> Value {
    json!({
        "sample": report.sample, "database_bytes": report.database_bytes, "all": report.all,
        "restored": report.restored, "compared": report.compared, "damaged": report.damaged.len(),
        "not_in_snapshot": report.not_in_snapshot, "findings": report.findings,
        "seconds": report.seconds, "full": report.full,
    })
}
