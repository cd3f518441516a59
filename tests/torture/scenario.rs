// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! An operation from a state that can be put back at any time, and what has to be true whatever
//! happened to it.

use crate::image::Image;
use crate::operation::{Ground, Operation};
use crate::stage::{Stage, Tables, snapshots, touched};
use crate::support::pruned::{prune, pruned};
use crate::support::restored::{lose_repository, rows};
use crate::support::scheduler::{Agent, Job};
use crate::support::verified::verify_all;
use crate::support::world::World;
use fossology_backup::blob::{PfileName, Tree, digest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
/// What is wrong, or nothing.
pub type Found<T = ()> = Result<T, String>;

macro_rules! ensure {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err(format!($($why)+));
        }
    };
}

/// Every object of a vault in a folder is what it has to be, to the last byte.
fn folder_is_whole(path: &Path) -> Found {
    let report = verify_all(path)?;
    let damage = report.damage;
    ensure!(damage.is_empty(), "the vault is damaged: {damage:?}");
    let broken = report.snapshots.iter().find(|one| !one.whole);
    ensure!(broken.is_none(), "{broken:?} is not whole");
    Ok(())
}

/// An operation and the state from which it begins.
pub struct Scenario<'a> {
    pub stage: &'a Stage,
    pub operation: Operation,
    /// What the scheduler's job is asked for.
    request: i32,
    images: Vec<Image>,
    tables: Tables,
    snapshots: BTreeSet<String>,
}

impl<'a> Scenario<'a> {
    /// An operation in the state from which it begins.
    pub fn new(stage: &'a Stage, operation: Operation) -> Self {
        stage.begin();
        let world = &stage.world;
        match operation {
            Operation::Init => std::fs::remove_dir_all(world.vault()).unwrap(),
            Operation::Backup
            | Operation::Gold
            | Operation::Verify
            | Operation::Check
            | Operation::Drill
            | Operation::Job
            | Operation::SealedBackup
            | Operation::BucketBackup => {}
            Operation::Copy => {
                // Some is there already.
                world.call(&["copy"]).expect(0);
                world.backup("full");
            }
            Operation::Restore | Operation::SealedRestore | Operation::BucketRestore => {
                world.backup("full");
                lose_repository(world);
            }
            Operation::Recover => drop(prune(world, &["--policy", "gold-only"], 0)),
            Operation::Prune => {
                // Proofs are made once.
                prune(world, &["--policy", "gold-only"], 0);
                world.call(&["recover", "--missing"]).expect(0);
            }
            Operation::Expire => drop(world.backup("full")),
        }
        let request = match operation {
            Operation::Job => world.ask("backup", "{}"),
            _ => 0,
        };
        Self {
            stage,
            operation,
            request,
            images: stage.look(),
            tables: stage.our_tables(),
            snapshots: stage.snapshots(),
        }
    }

    pub fn world(&self) -> &World {
        &self.stage.world
    }

    /// Puts everything back as it was before.
    pub fn begin(&self) {
        self.stage.put_back(&self.images, &self.tables);
        self.stage.wait_for_sessions();
    }

    pub fn command(&self) -> Command {
        self.world().command(self.operation.command())
    }

    /// The agent of the operation's job, as the scheduler starts it.
    pub fn start_agent(&self) -> Agent {
        self.world().start_agent(Job {
            id: 57,
            arguments: &format!("--request={}", self.request),
            ..Job::default()
        })
    }

    /// From the beginning to the end. Code and what was said.
    pub fn run(&self) -> (i32, String) {
        if self.operation == Operation::Job {
            let ended = self.start_agent().serve();
            return (ended.exit, ended.log.join("\n"));
        }
        let called = self.world().call(self.operation.command());
        (called.code, called.stdout + &called.stderr)
    }

    /// Nothing was lost and nothing wrong is there, whatever happened to the operation.
    pub fn nothing_is_lost(&self) -> Found {
        self.vault_is_whole()?;
        let far = self.stage.far();
        if far.join("vault.json").exists() {
            let whole = self.stage.once(&far, || folder_is_whole(&far));
            whole.map_err(|why| format!("the copy: {why}"))?;
        }
        self.repository_is_whole()?;
        let mut client = self
            .stage
            .world
            .sample()
            .connect()
            .map_err(|e| e.to_string())?;
        ensure!(
            rows(&mut client) == self.stage.rows,
            "the database has other rows"
        );
        Ok(())
    }

    fn vault_is_whole(&self) -> Found {
        let path = self.world().vault();
        if self.operation == Operation::Init && !path.join("vault.json").exists() {
            return Ok(());
        }
        self.stage.once(&path, || match self.stage.ground {
            Ground::Folder => folder_is_whole(&path),
            // It takes the key, or what the server says.
            Ground::Sealed | Ground::Bucket => {
                let called = self.world().call(&["verify", "--read-data"]);
                let (code, said) = (called.code, called.stdout + &called.stderr);
                ensure!(code == 0, "verify ends with {code}: {said}");
                Ok(())
            }
        })?;
        let there = self.stage.snapshots();
        let moments = |ids: &BTreeSet<String>| -> BTreeSet<String> {
            ids.iter().map(|id| id[..16].to_owned()).collect()
        };
        let (now, before) = (moments(&there), moments(&self.snapshots));
        let lost = match self.operation {
            // The newest of each mode stays, maybe under another id.
            Operation::Expire => before
                .iter()
                .next_back()
                .is_some_and(|id| !now.contains(id)),
            _ => !there.is_superset(&self.snapshots),
        };
        ensure!(
            !lost,
            "snapshots are gone: {there:?} of {:?}",
            self.snapshots
        );
        Ok(())
    }

    /// What has a blob's name is that blob, and what is needed is there unless it may be missing.
    fn repository_is_whole(&self) -> Found {
        let repository = self.world().sample().repository();
        let mut whole = self.stage.whole.borrow_mut();
        let known = whole.entry(repository.to_owned()).or_default();
        let now = touched(repository);
        for (path, ..) in now.difference(known) {
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            if let Ok(name) = name.parse::<PfileName>() {
                let content = std::fs::read(path).map_err(|error| error.to_string())?;
                ensure!(
                    digest(&content) == name,
                    "{} has {} bytes of something else",
                    path.display(),
                    content.len()
                );
            }
        }
        *known = now;
        let missing = self.missing();
        let may = match self.operation {
            Operation::Restore | Operation::SealedRestore | Operation::BucketRestore => {
                return Ok(());
            }
            Operation::Prune | Operation::Recover => pruned(self.world()),
            _ => BTreeSet::new(),
        };
        let lost: Vec<_> = missing.difference(&may).collect();
        ensure!(lost.is_empty(), "missing and not known as pruned: {lost:?}");
        Ok(())
    }

    fn missing(&self) -> BTreeSet<PfileName> {
        let there = |path: &PathBuf| path.exists();
        let blobs = self.stage.needed.iter();
        blobs
            .filter(|blob| {
                let gold_is_gone = blob.trees.contains(Tree::Gold) && !there(&blob.paths[0]);
                gold_is_gone || !blob.paths.iter().all(there)
            })
            .map(|blob| blob.name)
            .collect()
    }

    /// The same command again does what it was to do.
    pub fn finishes(&self) -> Found {
        // Those of this test's own questions, too: a restore refuses to work beside others.
        self.stage.wait_for_sessions();
        let (code, said) = self.run();
        ensure!(
            code == 0,
            "the same command again ends with {code}:\n{said}"
        );
        self.stage.wait_for_sessions();
        self.is_done()
    }

    /// What the operation was to do is done.
    pub fn is_done(&self) -> Found {
        self.nothing_is_lost()?;
        let (missing, known) = (self.missing(), pruned(self.world()));
        match self.operation {
            Operation::Prune => {
                ensure!(!missing.is_empty() && missing == known, "not all is pruned");
            }
            _ => ensure!(missing.is_empty(), "still missing: {missing:?}"),
        }
        let (before, now) = (&self.snapshots, self.stage.snapshots());
        match self.operation {
            Operation::Backup
            | Operation::Gold
            | Operation::Job
            | Operation::SealedBackup
            | Operation::BucketBackup => {
                ensure!(now.len() > before.len(), "there is no new snapshot");
            }
            Operation::Copy => {
                let far = snapshots(&self.stage.far());
                ensure!(
                    far == now && now == *before,
                    "{far:?} were copied of {now:?}"
                );
            }
            Operation::Drill => {
                ensure!(now == *before, "other snapshots are there: {now:?}");
                let scratch = std::fs::read_dir(self.world().path("scratch")).unwrap();
                ensure!(scratch.count() == 0, "the drill left something");
                let query = "SELECT count(*) FROM pg_database WHERE datname LIKE '%drill%'";
                let left: i64 = self.stage.admin().query_one(query, &[]).unwrap().get(0);
                ensure!(left == 0, "the drill left a database");
            }
            Operation::Expire => ensure!(now.len() == 2, "{now:?} are there"),
            Operation::Init => {
                ensure!(
                    self.world().vault().join("vault.json").exists(),
                    "there is no vault"
                );
            }
            _ => ensure!(now == *before, "other snapshots are there: {now:?}"),
        }
        Ok(())
    }

    /// A deep check finds nothing that harms.
    pub fn check_is_clean(&self) -> Found {
        let called = self.world().call(&["--json", "check", "--deep"]);
        ensure!(
            called.code == 0,
            "check ends with {}:\n{}",
            called.code,
            called.stdout
        );
        let report: Value = serde_json::from_str(&called.stdout).map_err(|e| e.to_string())?;
        let kinds = report["counts"].as_object().unwrap().keys();
        let harmless = ["debris", "orphan", "pruned", "in_flight"];
        let bad: Vec<_> = kinds
            .filter(|kind| !harmless.contains(&kind.as_str()))
            .collect();
        ensure!(bad.is_empty(), "check found {bad:?}");
        Ok(())
    }
}
