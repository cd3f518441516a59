// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A real instance loses all of `files` and gets it back. With FO_BACKUP_REAL_UNUNPACK naming
//! FOSSology's own unpacker, that is tried too.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

use fossology_backup::blob::{PfileName, Tree, TreeSet};
use fossology_backup::demo::{Role, TableDigest, dump_rows};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use support::fixture::{self, RealInstance};
use support::needed_by_sql;
use support::world::{Called, World};

struct Real {
    world: World,
    instance: RealInstance,
    needed: BTreeMap<PfileName, TreeSet>,
}

impl Real {
    fn load() -> Option<Self> {
        let Some(source) = fixture::source() else {
            println!("skipped: there is no real instance on this machine");
            return None;
        };
        let world = World::empty();
        let instance = fixture::load(&source, world.folder.path(), &world.cluster, "real");
        let mut client = world.cluster.connect(Role::Fossy, "real").unwrap();
        let needed = needed_by_sql(&mut client);
        // What the program wants to see of its module.
        let module = instance.sysconfdir.join("mods-enabled/ununpack");
        fs::create_dir_all(&module).unwrap();
        let version = "[ununpack]\nVERSION=1\nCOMMIT_HASH=1\n";
        fs::write(module.join("VERSION"), version).unwrap();
        Some(Self {
            world,
            instance,
            needed,
        })
    }

    fn call(&self, arguments: &[&str]) -> Called {
        let mut command = self.world.command_for(&self.instance.sysconfdir, arguments);
        if let Some(program) = std::env::var_os("FO_BACKUP_REAL_UNUNPACK") {
            command.env("FO_BACKUP_UNUNPACK", program);
        }
        Called::new(&command.output().unwrap())
    }

    fn rows(&self) -> BTreeMap<String, TableDigest> {
        let mut client = self.world.cluster.connect(Role::Fossy, "real").unwrap();
        let mut rows = dump_rows(&mut client).unwrap();
        rows.retain(|table, _| !table.starts_with("backup_"));
        rows
    }

    /// The needed blobs that are not where they have to be.
    fn missing(&self) -> BTreeSet<PfileName> {
        let host = self.instance.repository.join("localhost");
        let is_there = |name: &PfileName, tree: Tree| {
            let folder = host.join(tree.as_str()).join(name.folders(3));
            folder.join(name.to_string()).exists()
        };
        let needed = self.needed.iter();
        needed
            .filter(|(name, trees)| trees.iter().any(|tree| !is_there(name, tree)))
            .map(|(name, _)| *name)
            .collect()
    }
}

fn lost(report: &Value) -> BTreeMap<PfileName, String> {
    let uploads = report["uploads"].as_array().unwrap();
    let blobs = uploads
        .iter()
        .flat_map(|upload| upload["blobs"].as_array().unwrap());
    blobs
        .map(|blob| {
            let name = blob["name"].as_str().unwrap().parse().unwrap();
            let why = blob["why"].as_str().unwrap();
            (name, format!("{} ({why})", blob["path"].as_str().unwrap()))
        })
        .collect()
}

#[test]
fn a_real_instance_gets_its_files_back() {
    let Some(real) = Real::load() else { return };
    let rows = real.rows();
    fs::remove_dir_all(real.instance.repository.join("localhost/files")).unwrap();
    let report = real.call(&["--json", "recover", "--missing"]).expect(3);
    let report = report.json();
    let lost = lost(&report);
    println!(
        "{} of {} did not come back: {lost:#?}",
        lost.len(),
        real.needed.len()
    );
    assert_eq!(real.rows(), rows);
    assert_eq!(
        lost.keys().copied().collect::<BTreeSet<_>>(),
        real.missing()
    );
    let made_by_tools = |path: &&String| !path.contains("artifact.meta (known");
    let others: Vec<&String> = lost.values().filter(made_by_tools).collect();
    // Text of a PDF, a boot sector, what an executable is made of: only FOSSology's unpacker
    // makes these.
    assert!(others.len() < 12, "{others:#?}");
    let check = real.call(&["--json", "check", "--deep"]).expect(3).json();
    for finding in check["findings"].as_array().unwrap() {
        let kind = finding["kind"].as_str().unwrap();
        assert!(["missing", "orphan"].contains(&kind), "{finding:#}");
    }
    assert_eq!(check["counts"]["missing"]["count"], lost.len());
}

#[test]
fn after_a_gold_only_backup_and_restore_nothing_is_missing() {
    let Some(real) = Real::load() else { return };
    real.call(&["init"]).expect(0);
    // A rehearsal tells what unpacking does not give, so that the backup carries it.
    real.call(&["--json", "recover", "--missing"]).expect(0);
    fs::rename(
        real.instance.repository.join("localhost/files"),
        real.world.path("files"),
    )
    .unwrap();
    let report = real.call(&["--json", "recover", "--missing", "--dry-run"]);
    let report = report.expect(3).json();
    let recorded = report["recorded"].as_u64().unwrap();
    fs::rename(
        real.world.path("files"),
        real.instance.repository.join("localhost/files"),
    )
    .unwrap();
    real.call(&["backup", "--mode", "gold"]).expect(0);
    fs::remove_dir_all(&real.instance.repository).unwrap();
    fs::create_dir(&real.instance.repository).unwrap();
    real.call(&["restore", "latest", "--no-database"]).expect(0);
    let report = real.call(&["--json", "recover", "--missing", "--from", "gold"]);
    if std::env::var_os("FO_BACKUP_REAL_UNUNPACK").is_some() {
        assert_eq!(report.expect(0).json()["lost"]["blobs"], 0);
        assert_eq!(real.missing(), BTreeSet::new());
    } else {
        // Without the unpacker nobody may say that something cannot be unpacked.
        assert_eq!(recorded, 0);
        let lost = lost(&report.json());
        assert!(
            lost.values().all(|why| why.ends_with("(no_tool)")),
            "{lost:#?}"
        );
    }
}
