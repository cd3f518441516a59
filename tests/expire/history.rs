// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! An instance that has lived for a while, and its snapshots with what each has to bring back.

use crate::support::needed_by_sql;
use crate::support::trouble::ending;
use crate::support::world::{Called, World};
use fossology_backup::blob::{PfileName, TreeSet, digest};
use fossology_backup::demo::sample::{Entry, NewUpload, Options, Random};
use fossology_backup::demo::{Role, TableDigest, dump_rows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A snapshot and what it has to bring back.
pub struct Kept {
    pub id: String,
    pub mode: &'static str,
    rows: BTreeMap<String, TableDigest>,
    /// The blobs that its database needs.
    needed: BTreeMap<PfileName, TreeSet>,
}

/// A world with snapshots, oldest first.
pub struct History {
    pub world: World,
    pub kept: Vec<Kept>,
}

impl History {
    /// Five snapshots. The third and fourth have packs of which the fifth needs a small part: a
    /// large upload came and went, with a small one that stays. Among what stays is a blob with
    /// frames of its own.
    pub fn new() -> Self {
        let mut history = Self {
            world: World::with(Options::one_host()),
            kept: Vec::new(),
        };
        history.world.call(&["init"]).expect(0);
        history.backup("full", &[]);
        let first = history.add("first.tar.gz", 11, 40);
        history.backup("full", &["--tag", "release-1"]);
        let large = history.add("large.tar.gz", 12, 260);
        history.add("stays.tar.gz", 13, 12);
        let mut random = Random::new(3);
        // Small when packed, so that most of its pack is something else.
        let bytes: Vec<u8> = (0..5_u32 << 20)
            .map(|at| {
                if at % 4096 == 0 {
                    random.number() as u8
                } else {
                    0
                }
            })
            .collect();
        let noise: Vec<u8> = (0..7 << 20).map(|_| random.number() as u8).collect();
        let file = |name, bytes| NewUpload::new(name, Entry::File(bytes));
        let sample = history.world.sample_mut();
        sample.add_upload(file("stays.bin", bytes)).unwrap();
        let goes = sample.add_upload(file("goes.bin", noise)).unwrap();
        history.backup("full", &[]);
        history.backup("gold", &[]);
        for upload in [first, large, goes] {
            history.world.sample_mut().delete_upload(upload, 0).unwrap();
        }
        history.backup("full", &[]);
        history
    }

    fn add(&mut self, name: &str, seed: u64, files: usize) -> i32 {
        let upload = NewUpload::sources(name, seed, files);
        self.world.sample_mut().add_upload(upload).unwrap()
    }

    /// Makes a snapshot and remembers what it holds.
    pub fn backup(&mut self, mode: &'static str, more: &[&str]) {
        let mut client = self.world.sample().connect().unwrap();
        let mut rows = dump_rows(&mut client).unwrap();
        let needed = needed_by_sql(&mut client);
        let arguments = [&["--json", "backup", "--mode", mode], more].concat();
        let report = self.world.call(&arguments).expect(0).json();
        rows.retain(|table, _| !table.starts_with("backup_"));
        self.kept.push(Kept {
            id: report["snapshot"].as_str().unwrap().to_owned(),
            mode,
            rows,
            needed,
        });
    }

    /// What `--json` says of an expiry that ends so.
    #[track_caller]
    pub fn expire(&self, arguments: &[&str], code: i32) -> Value {
        let all = [&["--json", "expire"], arguments].concat();
        self.world.call(&all).expect(code).json()
    }

    /// What was kept as the n-th snapshot.
    pub fn of(&self, id: &str) -> &Kept {
        let moment = &id[..16];
        self.kept
            .iter()
            .find(|kept| kept.id.starts_with(moment))
            .unwrap()
    }

    /// The ids of the snapshots that are there.
    pub fn there(&self) -> Vec<String> {
        ids(&self.world.vault())
    }

    /// Restores the database of a snapshot too, and compares all rows.
    #[track_caller]
    pub fn rows_come_back(&self, id: &str) {
        let database = format!("back_{}", &id[17..]);
        let arguments = ["restore", id, "--no-repository", "--database", &database];
        self.world.call(&arguments).expect(0);
        let mut client = self
            .world
            .cluster
            .connect(Role::Superuser, &database)
            .unwrap();
        client
            .batch_execute("SET client_encoding = 'SQL_ASCII'")
            .unwrap();
        let mut rows = dump_rows(&mut client).unwrap();
        let mut expected = self.of(id).rows.clone();
        // A restore parks jobs.
        rows.retain(|table, _| !table.starts_with("backup_") && table != "jobqueue");
        expected.remove("jobqueue");
        assert!(rows == expected, "rows of {id} differ");
    }

    /// Restores the blobs of a snapshot from a vault and compares every byte.
    #[track_caller]
    pub fn blobs_come_back(&self, vault: &Path, id: &str) {
        let target = self.world.path("again");
        let _ = fs::remove_dir_all(&target);
        let arguments = [
            "restore",
            id,
            "--no-database",
            "--repository",
            target.to_str().unwrap(),
        ];
        self.world.call_at(vault, &arguments).expect(0);
        let mut found: BTreeMap<PfileName, BTreeSet<String>> = BTreeMap::new();
        for path in crate::support::trouble::files(&target) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if let Ok(name) = name.parse::<PfileName>() {
                assert_eq!(
                    digest(&fs::read(&path).unwrap()),
                    name,
                    "{}",
                    path.display()
                );
                let mut parts = path.strip_prefix(&target).unwrap().iter();
                let tree = parts.nth(1).unwrap().to_str().unwrap().to_owned();
                found.entry(name).or_default().insert(tree);
            }
        }
        let kept = self.of(id);
        for (name, trees) in &kept.needed {
            let wanted = trees
                .iter()
                .filter(|tree| kept.mode == "full" || tree.as_str() == "gold");
            for tree in wanted {
                let there = found
                    .get(name)
                    .is_some_and(|trees| trees.contains(tree.as_str()));
                assert!(there, "{id}: {tree}/{name} did not come back");
            }
        }
    }

    /// The vault is whole, and each snapshot that is there comes back.
    #[track_caller]
    pub fn all_come_back(&self) {
        self.world.call(&["verify", "--read-data"]).expect(0);
        for id in self.there() {
            self.blobs_come_back(&self.world.vault(), &id);
            self.rows_come_back(&id);
        }
    }
}

/// The ids of a vault's snapshots, oldest first.
pub fn ids(vault: &Path) -> Vec<String> {
    let files = ending(&vault.join("snapshots"), ".json");
    let id = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(id).collect()
}

/// The files of a vault but leases, with their sizes.
pub fn objects(vault: &Path) -> BTreeMap<PathBuf, u64> {
    let files = crate::support::trouble::files(vault).into_iter();
    files
        .filter(|path| !path.starts_with(vault.join("locks")))
        .map(|path| {
            let size = fs::metadata(&path).unwrap().len();
            (path.strip_prefix(vault).unwrap().to_owned(), size)
        })
        .collect()
}

/// The bytes of packs, indexes and chunks.
pub fn data_bytes(vault: &Path) -> u64 {
    let data = |path: &Path| path.starts_with("packs") || path.starts_with("database");
    let objects = objects(vault).into_iter();
    objects
        .filter(|(path, _)| data(path))
        .map(|(_, size)| size)
        .sum()
}

/// The bytes under some keys of a report.
pub fn bytes(report: &Value, of: &[&str]) -> u64 {
    of.iter()
        .map(|key| report[key]["bytes"].as_u64().unwrap())
        .sum()
}

/// The reasons for a snapshot's mark.
pub fn reasons<'a>(report: &'a Value, id: &str) -> (&'a Value, String) {
    let marks = report["snapshots"].as_array().unwrap();
    let mark = marks.iter().find(|mark| mark["snapshot"] == id).unwrap();
    let reasons = mark["reasons"].as_array().unwrap().iter();
    let reasons: Vec<&str> = reasons.map(|reason| reason.as_str().unwrap()).collect();
    (&mark["keep"], reasons.join(", "))
}

/// Copies a vault.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let status = std::process::Command::new("cp")
        .args(["-a", "--"])
        .arg(from)
        .arg(to)
        .status();
    assert!(status.unwrap().success());
}

/// What a call says on both channels.
pub fn said(called: &Called) -> String {
    format!("{}{}", called.stdout, called.stderr)
}
