// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands of a vault's own RESTORE.md, exactly as they stand there, bring everything back
//! without fo_backup.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree, TreeSet};
use fossology_backup::demo::sample::{Entry, NewUpload};
use fossology_backup::demo::{Cluster, FileState, Role, TableDigest, dump_rows, snapshot_tree};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::world::World;
use support::{fixture, needed_by_sql};

/// The fenced blocks of commands in a text.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split("```");
    parts
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n").map(str::to_owned))
        .collect()
}

/// The variables that a block of assignments sets.
fn variables(block: &str) -> Vec<&str> {
    block
        .lines()
        .flat_map(|line| {
            let code = line.split('#').next().unwrap_or_default();
            code.split_whitespace()
                .filter_map(|word| word.split_once('=').map(|(name, _)| name))
        })
        .collect()
}

/// Runs the commands of the vault's RESTORE.md with variables of our own.
fn restore_by_hand(vault: &Path, set: &[(&str, String)], password: &str) {
    let text = fs::read_to_string(vault.join("RESTORE.md")).unwrap();
    let blocks = blocks(&text);
    assert!(blocks.len() > 8, "RESTORE.md has {} blocks", blocks.len());
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    assert_eq!(variables(&blocks[0]), names);
    let mut script = String::new();
    for (name, value) in set {
        script += &format!("export {name}='{value}'\n");
    }
    script += &blocks[1..].join("\n");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("PGPASSWORD", password)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An instance before its disaster.
struct Before {
    rows: BTreeMap<String, TableDigest>,
    needed: BTreeMap<PfileName, TreeSet>,
    files: BTreeMap<PathBuf, FileState>,
}

impl Before {
    fn of(client: &mut postgres::Client, repository: &Path) -> Self {
        Self {
            rows: dump_rows(client).unwrap(),
            needed: needed_by_sql(client),
            files: snapshot_tree(repository).unwrap(),
        }
    }

    /// The paths of the files that a tree needs.
    fn blobs(&self, tree: Tree) -> BTreeMap<&Path, &FileState> {
        let wanted = |path: &Path| {
            let name = path.file_name()?.to_str()?.parse().ok()?;
            let trees: &TreeSet = self.needed.get(&name)?;
            let in_tree = path.iter().any(|part| part == tree.as_str());
            (trees.contains(tree) && in_tree).then_some(())
        };
        self.files
            .iter()
            .filter(|(path, _)| wanted(path).is_some())
            .map(|(path, state)| (path.as_path(), state))
            .collect()
    }
}

/// Restores by hand into a new database and a new repository and compares.
fn comes_back(cluster: &Cluster, folder: &Path, vault: &Path, before: &Before, mode: &str) {
    let snapshot = newest(vault);
    let target = folder.join("by hand").join(mode);
    let database = format!("by_hand_{mode}");
    let us = format!("{}:{}", nix::unistd::geteuid(), nix::unistd::getegid());
    let password = cluster.password(Role::Superuser);
    restore_by_hand(
        vault,
        &[
            ("VAULT", vault.display().to_string()),
            ("SNAPSHOT", snapshot),
            ("TARGET", target.display().to_string()),
            ("DATABASE", database.clone()),
            ("FILES_OWNER", us),
            (
                "WORK",
                folder.join(format!("work {mode}")).display().to_string(),
            ),
            ("IDENTITY", folder.join("key").display().to_string()),
            ("PGHOST", "127.0.0.1".into()),
            ("PGPORT", cluster.port().to_string()),
            ("PGUSER", "postgres".into()),
        ],
        password,
    );

    // Every row of every table, but for what a restore changes on purpose.
    let mut client = cluster.connect(Role::Superuser, &database).unwrap();
    let encoding: String = client
        .query_one("SHOW server_encoding", &[])
        .unwrap()
        .get(0);
    // Text as the bytes that it is.
    client
        .batch_execute(&format!("SET client_encoding = '{encoding}'"))
        .unwrap();
    let mut rows = dump_rows(&mut client).unwrap();
    let mut expected = before.rows.clone();
    assert!(rows["jobqueue"].rows == expected["jobqueue"].rows);
    for table in ["jobqueue", "backup_parked_job", "reportgen", "backup_run"] {
        rows.remove(table);
        expected.remove(table);
    }
    assert_eq!(rows, expected);
    let count = |client: &mut postgres::Client, query: &str| -> i64 {
        client.query_one(query, &[]).unwrap().get(0)
    };
    let live = "SELECT count(*) FROM jobqueue
                 WHERE jq_end_bits < 2 AND (jq_starttime IS NULL OR jq_endtime IS NULL)";
    assert_eq!(
        count(&mut client, live),
        0,
        "the scheduler would start jobs"
    );
    let owner =
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'fossy'";
    assert_eq!(count(&mut client, owner), 0);
    let strangers = format!(
        "SELECT count(*) FROM reportgen WHERE filepath LIKE '/%' AND filepath NOT LIKE '{}/%'",
        target.display()
    );
    assert_eq!(count(&mut client, &strangers), 0);

    // Every blob that the database needs, byte for byte, with FOSSology's modes.
    let after = snapshot_tree(&target).unwrap();
    let trees = match mode {
        "gold" => &[Tree::Gold][..],
        _ => &[Tree::Gold, Tree::Files],
    };
    for tree in trees {
        let blobs = before.blobs(*tree);
        assert!(!blobs.is_empty());
        for (path, state) in blobs {
            let found = after
                .get(path)
                .unwrap_or_else(|| panic!("{mode}: {} did not come back", path.display()));
            assert_eq!((found.size, &found.sha1), (state.size, &state.sha1));
            assert_eq!(found.mode & 0o7777, 0o660, "{}", path.display());
            let parent = target.join(path.parent().unwrap());
            let mode = fs::metadata(parent).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o2770);
        }
    }
    for (path, state) in before
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("report"))
    {
        assert_eq!(after[path].sha1, state.sha1, "{}", path.display());
    }
}

fn newest(vault: &Path) -> String {
    let entries = fs::read_dir(vault.join("snapshots")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.max().unwrap()[..25].to_owned()
}

#[test]
fn the_sample_comes_back_by_hand_on_another_server() {
    let mut world = World::with_vault();
    world.backup("full");
    // What was unpacked before is uploaded by itself: its blob gets a second place, and no pack
    // knows of it.
    let unpacked = world
        .sample()
        .needed_blobs()
        .into_iter()
        .find(|blob| blob.trees == TreeSet::of(Tree::Files) && blob.name.size() > 100);
    let content = fs::read(&unpacked.unwrap().paths[0]).unwrap();
    let late = NewUpload::new("late.c", Entry::File(content));
    world.sample_mut().add_upload(late).unwrap();
    // What is no part of the tables: a role that only reads, and settings of the database.
    let mut admin = world
        .cluster
        .connect(Role::Superuser, world.sample().database())
        .unwrap();
    admin
        .batch_execute(
            "CREATE ROLE \"the reader\";
             GRANT SELECT ON upload TO \"the reader\";
             ALTER DATABASE fossology SET search_path TO public, \"$user\";
             ALTER ROLE fossy IN DATABASE fossology SET work_mem TO '7MB'",
        )
        .unwrap();

    let other = world.path("other server");
    fs::create_dir(&other).unwrap();
    let other = Cluster::start(&other).unwrap();
    let mut empty = other.connect(Role::Superuser, "postgres").unwrap();
    empty.batch_execute("DROP ROLE fossy").unwrap();
    let repository = world.sample().repository().to_owned();
    for mode in ["full", "gold"] {
        world.backup(mode);
        let path = format!("snapshots/{}.json", newest(&world.vault()));
        let text = world.plain(&path);
        let snapshot: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(snapshot["extra"].as_array().unwrap().len(), 1);
        let before = Before::of(&mut world.sample().connect().unwrap(), &repository);
        let folder = world.folder.path();
        comes_back(&other, folder, &world.vault(), &before, mode);

        // FOSSology gets in with what its Db.conf says, and finds the same settings.
        let mut client = other
            .config(Role::Fossy, &format!("by_hand_{mode}"))
            .password(world.cluster.password(Role::Fossy))
            .connect(postgres::NoTls)
            .unwrap();
        let row = client.query_one(
            "SELECT current_setting('search_path'), current_setting('work_mem'),
                    has_table_privilege('the reader', 'upload', 'SELECT')",
            &[],
        );
        let row = row.unwrap();
        assert_eq!(row.get::<_, &str>(0), "public, \"$user\"");
        assert_eq!(row.get::<_, &str>(1), "7MB");
        assert!(row.get::<_, bool>(2));
    }
}

#[test]
fn packs_that_were_rewritten_come_back_by_hand() {
    let mut world = World::with_vault();
    let goes = NewUpload::sources("goes.tar.gz", 5, 200);
    let goes = world.sample_mut().add_upload(goes).unwrap();
    let stays = NewUpload::sources("stays.tar.gz", 6, 10);
    world.sample_mut().add_upload(stays).unwrap();
    world.backup("full");
    world.sample_mut().delete_upload(goes, 0).unwrap();
    let repository = world.sample().repository().to_owned();
    world.backup("full");
    let before = Before::of(&mut world.sample().connect().unwrap(), &repository);
    let expire = ["--json", "expire", "--keep-last", "1", "--max-dead", "0"];
    let report = world.call(&expire).expect(0).json();
    assert!(
        report["rewritten"]["count"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    let (cluster, folder) = (&world.cluster, world.folder.path());
    comes_back(cluster, folder, &world.vault(), &before, "full");
}

#[test]
fn a_real_instance_comes_back_by_hand() {
    let Some(source) = fixture::source() else {
        eprintln!("skipped: there is no real instance on this machine");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let instance = fixture::load(&source, scratch.path(), &cluster, "real");
    let vault = scratch.path().join("vault");
    let call = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_fo_backup"))
            .arg("-c")
            .arg(&instance.sysconfdir)
            .arg("--vault")
            .arg(&vault)
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
    };
    call(&["init"]);
    for mode in ["full", "gold"] {
        call(&["backup", "--mode", mode]);
        let mut client = cluster.connect(Role::Fossy, &instance.database).unwrap();
        let before = Before::of(&mut client, &instance.repository);
        comes_back(&cluster, scratch.path(), &vault, &before, mode);
    }
}
