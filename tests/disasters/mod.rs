// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Disasters: a repository on two hosts, jobs in the queue and at work, one of them such that it runs
//! alone; then something is lost. Each ends in the same state: rows equal, every blob there or on
//! its way by a queued recovery, all jobs ended well, and a deep check that finds no harm. A
//! stand-in plays FOSSology's scheduler and its agents (see support/queue.rs).

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

mod agent_host;
mod database;
mod everything;
mod others;
mod runbooks;

use fossology_backup::demo::TableDigest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::restored;
use support::world::World;

/// What there was before the disaster.
struct Before {
    rows: BTreeMap<String, TableDigest>,
    blobs: BTreeMap<PathBuf, (u32, u64, String)>,
}

impl Before {
    fn of(world: &World) -> Self {
        Self {
            rows: restored::rows(&mut world.sample().connect().unwrap()),
            blobs: restored::blobs(world),
        }
    }

    /// Rows are as they were; those that the finished jobs write are not looked at.
    #[track_caller]
    fn expect_rows(&self, world: &World) {
        let rows = restored::rows(&mut world.sample().connect().unwrap());
        assert_eq!(rows, self.rows);
    }

    /// Blobs are as they were; what was moved aside lies aside.
    #[track_caller]
    fn expect_blobs(&self, world: &World) {
        let mut blobs = restored::blobs(world);
        blobs.retain(|path, _| !path.starts_with("fo_backup-quarantine"));
        let lacking = self
            .blobs
            .iter()
            .filter(|(path, _)| !blobs.contains_key(*path));
        let lacking: Vec<&PathBuf> = lacking.map(|(path, _)| path).collect();
        assert_eq!(lacking, Vec::<&PathBuf>::new());
        let other = blobs
            .iter()
            .filter(|(path, state)| self.blobs.get(*path) != Some(state));
        let other: Vec<&PathBuf> = other.map(|(path, _)| path).collect();
        assert_eq!(other, Vec::<&PathBuf>::new());
    }
}

/// An instance with jobs in its queue, and its vault.
fn world() -> World {
    let world = World::with_vault();
    world.enable_agent();
    let mut client = world.sample().connect().unwrap();
    let count = |client: &mut postgres::Client, which: &str| -> i64 {
        let query = format!("SELECT count(*) FROM jobqueue WHERE jq_endtime IS NULL AND {which}");
        client.query_one(&query, &[]).unwrap().get(0)
    };
    // What the disasters are about: jobs that wait, run, and run alone.
    assert!(count(&mut client, "jq_starttime IS NULL") > 3);
    assert!(count(&mut client, "jq_starttime IS NOT NULL") >= 2);
    assert!(count(&mut client, "jq_type IN ('delagent', 'maintagent')") == 2);
    world
}

/// A deep check that finds nothing that harms; gives what it found.
#[track_caller]
fn deep_check(world: &World) -> Value {
    let report = world.call(&["--json", "check", "--deep"]).expect(0).json();
    for kind in report["counts"].as_object().unwrap().keys() {
        let harmless = ["orphan", "in_flight", "pruned"];
        assert!(harmless.contains(&kind.as_str()), "{report:#}");
    }
    report
}

/// Inode, time of change of the content, and size of every file below a folder.
fn identities(folder: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u64)> {
    let identity = |path: PathBuf| {
        let data = fs::metadata(&path).unwrap();
        let seen = (data.ino(), data.mtime(), data.mtime_nsec(), data.size());
        (path, seen)
    };
    let files = support::trouble::files(folder).into_iter();
    files.map(identity).collect()
}
