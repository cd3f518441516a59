// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The database of a restore: loaded beside the old one, made ready, then swapped in. A comment on
//! the new database says how far it is: one that was interrupted while loading is made again, one
//! that is complete is used.

use super::Options;
use super::life::Loading;
use crate::blob::Tree;
use crate::fossology::catalogue::Moment;
use crate::fossology::database::{
    Admin, Database, DatabaseProperties, Error as Sql, Tools, assert_fossology,
};
use crate::fossology::jobs::{self, Parked, Relocated};
use crate::fossology::own::{self, Outcome};
use crate::fossology::repository::Layout;
use crate::operations::{Context, Error, Instance, Result, Scratch, keys, workers};
use crate::threads;
use crate::vault::{ChunkStore, Members, Snapshot, Stream, Vault};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Mutex;

/// The database that a restore makes.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RestoredDatabase {
    /// Its name.
    pub name: String,
    /// What the database that had the name before is called now.
    pub old: Option<String>,
    /// Jobs that were waiting and are parked.
    pub parked_queued: u64,
    /// Jobs that were running and are parked.
    pub parked_running: u64,
    /// Paths of reports and logs that follow the repository to its new place.
    pub paths_moved: u64,
    /// Settings and grants that could not be carried over.
    pub left_out: Vec<String>,
}

/// Where the database goes.
pub(in crate::operations) struct Target {
    admin: Admin,
    tools: Tools,
    base: Database,
    name: String,
    staging: String,
    old: Option<String>,
    loading: String,
    complete: String,
}

/// A database that is complete and waits for the switch.
pub(in crate::operations) struct Staged {
    result: RestoredDatabase,
}

impl Staged {
    /// What became of it, without a switch.
    pub fn into_result(self) -> RestoredDatabase {
        self.result
    }
}

/// What the name of a replaced database has after its own name, before a stamp.
pub(super) const BEFORE: &str = "_before_";

/// How the mark of a drill's database begins.
const DRILL: &str = "fo_backup: drill of snapshot ";

/// The name of the database in which an instance's restore is tried.
pub(in crate::operations) fn drill_name(database: &str) -> String {
    beside(database, "_drill")
}

impl Target {
    /// Looks whether the name may be taken over, and keeps other restores from doing it.
    pub fn new(
        instance: &Instance,
        mut admin: Admin,
        tools: Tools,
        name: &str,
        snapshot: &Snapshot,
    ) -> Result<Self> {
        admin.lock(name)?;
        let mut old = None;
        if admin.exists(name)? {
            expect_unused(&mut admin, name)?;
            old = Some(unused_name(&mut admin, name, BEFORE)?);
        }
        let id = snapshot.id.as_str();
        Ok(Self {
            admin,
            tools,
            base: instance.database.clone(),
            name: name.to_owned(),
            staging: beside(name, &format!("_restore_{}", snapshot.id.short())),
            old,
            loading: format!("fo_backup: snapshot {id}, loading"),
            complete: format!("fo_backup: snapshot {id}, complete"),
        })
    }

    /// A database for a drill: it never gets another name. Whoever calls this holds the lock of
    /// restores into it.
    pub fn for_drill(
        instance: &Instance,
        admin: Admin,
        tools: Tools,
        name: &str,
        snapshot: &Snapshot,
    ) -> Self {
        let id = snapshot.id.as_str();
        Self {
            admin,
            tools,
            base: instance.database.clone(),
            name: name.to_owned(),
            staging: name.to_owned(),
            old: None,
            loading: format!("{DRILL}{id}, loading"),
            complete: format!("{DRILL}{id}, complete"),
        }
    }

    /// Drops the database of a drill, whichever snapshot it is of; `false` when there is none.
    /// One that no drill made is left alone, unless nothing was put into it.
    pub fn drop_drill(&mut self) -> Result<bool> {
        if !self.admin.exists(&self.staging)? {
            return Ok(false);
        }
        let marker = self.admin.marker(&self.staging)?;
        let ours = marker.filter(|marker| marker.starts_with(DRILL));
        let dropped = self
            .admin
            .drop_staging(&self.staging, ours.as_deref().unwrap_or(DRILL));
        match dropped {
            Ok(()) => Ok(true),
            Err(Sql::NotStaging(name)) => Err(Error::Usage(format!(
                "a drill needs the name '{name}' for its database, and the one that has it was not made by a drill: it is left alone; give it another name"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes of the database that is being made.
    pub fn size(&mut self) -> Result<u64> {
        Ok(self.admin.size(&self.staging)?)
    }

    /// What would be made.
    pub fn outlook(&self) -> RestoredDatabase {
        RestoredDatabase {
            name: self.name.clone(),
            old: self.old.clone(),
            ..Default::default()
        }
    }

    /// The database that is being made.
    pub fn staging(&self) -> Database {
        self.base.with_name(&self.staging)
    }

    /// Gives the new database its name; the old one stays under another.
    pub fn switch(&mut self, staged: Staged) -> Result<RestoredDatabase> {
        let old = self.old.clone().unwrap_or_default();
        self.admin.swap(&self.staging, &self.name, &old)?;
        self.admin.set_marker(&self.name, None)?;
        Ok(staged.result)
    }
}

/// Refuses while others are connected to a database.
pub(super) fn expect_unused(admin: &mut Admin, name: &str) -> Result<()> {
    let others = admin.connected_others(name)?;
    if others.is_empty() {
        return Ok(());
    }
    let others: Vec<String> = others.iter().map(|other| format!("  {other}")).collect();
    Err(Error::DatabaseInUse {
        name: name.to_owned(),
        others: others.join("\n"),
    })
}

/// A name for a database that loses its own: with a word and the time.
pub(super) fn unused_name(admin: &mut Admin, name: &str, word: &str) -> Result<String> {
    let now = stamp();
    let mut unused = beside(name, &format!("{word}{now}"));
    for number in 2.. {
        if !admin.exists(&unused)? {
            break;
        }
        // Another one of the same second.
        unused = beside(name, &format!("{word}{now}_{number}"));
    }
    Ok(unused)
}

/// The present second, as it stands in names.
pub(super) fn stamp() -> String {
    let now = crate::vault::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    now.to_lowercase()
}

/// The name of a database that belongs to another: PostgreSQL cuts names at 63 bytes, so the
/// other's name is cut before that happens.
pub(super) fn beside(name: &str, suffix: &str) -> String {
    const MOST: usize = 63;
    let mut end = name.len().min(MOST - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}

/// Loads the dump into the new database and makes it ready; takes the complete one that an
/// interrupted restore has left.
pub(in crate::operations) fn stage(
    target: &mut Target,
    vault: &Vault,
    snapshot: &Snapshot,
    layout: &Layout,
    options: &Options,
    context: Context<'_>,
) -> Result<Staged> {
    let mut result = target.outlook();
    let found = if target.admin.exists(&target.staging)? {
        target.admin.marker(&target.staging)?
    } else {
        None
    };
    if found.as_deref() != Some(&target.complete) {
        // Made anew also when it was loading: half a dump cannot be gone on with.
        target
            .admin
            .drop_staging(&target.staging, &target.loading)?;
        result.left_out = load(target, vault, snapshot, options, context)?;
    } else {
        context.progress.note(&format!(
            "going on with database {}, which is complete",
            target.staging
        ));
    }
    // Again and again the same result, so an interruption before the mark does no harm.
    let mut client = target.staging().connect("fo_backup restore")?;
    verify(&mut client, snapshot)?;
    own::ensure_schema(&mut client)?;
    let outcome = if snapshot.is_incomplete() {
        Outcome::Incomplete
    } else {
        Outcome::Done
    };
    let counts = serde_json::to_value(snapshot.counts).unwrap_or_default();
    own::finish_own_backup(&mut client, snapshot.id.as_str(), outcome, &counts)?;
    own::settle(&mut client)?;
    if target.staging != target.name {
        keep_vault_keys(target, &mut client);
        if let Err(error) = keys::expect_own(&mut client, vault) {
            context.progress.note(&format!(
                "the next backup into this vault will stop: {error}"
            ));
        }
    }
    let (parked, moved) = make_ready(&mut client, snapshot, layout)?;
    result.parked_queued = parked.queued;
    result.parked_running = parked.running;
    result.paths_moved = moved.reports + moved.logs;
    client
        .batch_execute("ANALYZE")
        .map_err(Sql::sql("collecting statistics"))?;
    drop(client);
    target
        .admin
        .set_marker(&target.staging, Some(&target.complete))?;
    Ok(Staged { result })
}

/// What is known of vaults is that of the snapshot's day; the database that is replaced knows better. It
/// may be broken, so that it cannot be asked is no failure.
fn keep_vault_keys(target: &Target, client: &mut postgres::Client) {
    if target.old.is_none() {
        return;
    }
    let carried = target
        .base
        .with_name(&target.name)
        .connect("fo_backup restore")
        .and_then(|mut old| own::carry_vault_keys(&mut old, client));
    if let Err(error) = carried {
        log::warn!("keys of vaults are not taken over from the old database: {error}");
    }
}

/// Makes sure that this is the database of the snapshot: it needs every blob that the snapshot
/// holds, and is of the same release.
fn verify(client: &mut postgres::Client, snapshot: &Snapshot) -> Result<()> {
    assert_fossology(client)?;
    let mut moment = Moment::begin(client)?;
    let mut needed = Members::default();
    for tree in Tree::ALL {
        moment.keys(tree, |pfile, _| {
            needed.of_mut(tree).insert(pfile);
        })?;
    }
    let release = moment.release()?;
    moment.end()?;
    let strangers = snapshot.members.without(&needed).any().len();
    let why = if release != snapshot.release {
        format!(
            "the restored database is of release {release:?}, the snapshot of {:?}",
            snapshot.release
        )
    } else if strangers > 0 {
        format!("the restored database does not need {strangers} of the snapshot's blobs")
    } else {
        return Ok(());
    };
    Err(Error::Snapshot {
        id: snapshot.id.to_string(),
        why,
    })
}

fn load(
    target: &mut Target,
    vault: &Vault,
    snapshot: &Snapshot,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<String>> {
    let properties: DatabaseProperties =
        serde_json::from_value(snapshot.database.properties.clone()).map_err(|error| {
            Error::Snapshot {
                id: snapshot.id.to_string(),
                why: error.to_string(),
            }
        })?;
    // Whatever takes long comes after it.
    target
        .admin
        .expect_loads(properties.server_major, &target.tools)?;
    let scratch = Scratch::new(&options.scratch)?;
    let dump = scratch.join("dump");
    fs::create_dir(&dump).map_err(Error::io("making", &dump))?;
    fetch(&vault.chunks(), snapshot, &dump, options.threads, context)?;
    let owner = target.base.role().to_owned();
    let mut left_out =
        target
            .admin
            .create(&target.staging, &owner, &properties, &target.loading)?;
    context.progress.begin("loading the database", 0, 0);
    let database = target.staging();
    let life = Loading::new(&mut target.admin, &target.staging, context.progress);
    let stop = || {
        life.look();
        context.stop.requested()
    };
    let restored = target.tools.restore(
        &database,
        &owner,
        &dump,
        scratch.path(),
        options.threads.min(4),
        &stop,
    );
    context.stop.check()?;
    left_out.extend(restored?.grants_left_out);
    context.progress.end();
    Ok(left_out)
}

/// Brings the dump's files out of the vault, several at once.
fn fetch(
    chunks: &ChunkStore,
    snapshot: &Snapshot,
    folder: &Path,
    threads: usize,
    context: Context<'_>,
) -> Result<()> {
    let mut files: Vec<(&String, &Stream)> = snapshot.database.files.iter().collect();
    // The largest last in the list is taken first.
    files.sort_by_key(|(_, stream)| stream.size);
    let total = files.iter().map(|(_, stream)| stream.size).sum();
    context
        .progress
        .begin("the database's dump", files.len() as u64, total);
    let files = Mutex::new(files);
    let next = || {
        files
            .lock()
            .unwrap_or_else(|error| error.into_inner())
            .pop()
    };
    let fetched = threads::together("fetching a dump", threads, || -> Result<()> {
        while let Some((name, stream)) = next() {
            context.stop.check()?;
            // A name comes out of a file of the vault, so it is not trusted.
            if Path::new(name).file_name().and_then(|plain| plain.to_str()) != Some(name) {
                return Err(Error::Snapshot {
                    id: snapshot.id.to_string(),
                    why: format!("'{name}' is no name of a dump's file"),
                });
            }
            let path = folder.join(name);
            let mut file = File::create_new(&path).map_err(Error::io("writing", &path))?;
            chunks.copy(&path.display().to_string(), stream, &mut file)?;
            context.progress.advance(1, stream.size);
        }
        Ok(())
    });
    workers::reason(fetched)?;
    context.progress.end();
    Ok(())
}

/// Parks what the scheduler would start, and makes paths follow the repository.
fn make_ready(
    client: &mut postgres::Client,
    snapshot: &Snapshot,
    layout: &Layout,
) -> Result<(Parked, Relocated)> {
    let mut step = client
        .transaction()
        .map_err(Sql::sql("beginning a transaction"))?;
    let parked = jobs::park(&mut step, snapshot.id.as_str())?;
    let mut moved = Relocated::default();
    let old = Path::new(&snapshot.repository);
    if old != layout.path() {
        moved = jobs::relocate_paths(&mut step, old, layout.path())?;
    }
    step.commit().map_err(Sql::sql("parking jobs"))?;
    Ok((parked, moved))
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn long_names_stay_within_what_postgresql_takes() {
        assert_eq!(
            beside("fossology", "_restore_3f9a1b2c"),
            "fossology_restore_3f9a1b2c"
        );
        for name in [
            "f".repeat(63),
            "ö".repeat(31),
            format!("x{}", "ö".repeat(31)),
        ] {
            let beside = beside(&name, "_before_20261124t061500z_12");
            assert!(
                beside.len() <= 63 && beside.ends_with("_before_20261124t061500z_12"),
                "{beside}"
            );
        }
    }
}
