// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Losing things and getting them back.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::PfileName;
use fossology_backup::demo::sample::{HostRange, Options};
use fossology_backup::demo::{Role, snapshot_tree};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::fixture;
use support::queue::{clear, run_queued};
use support::restored::{blobs, lose_everything, lose_repository, queue, rows};
use support::world::World;

#[test]
fn everything_lost_comes_back() {
    let world = World::with_vault();
    let rows_before = rows(&mut world.sample().connect().unwrap());
    let queue_before = queue(&mut world.sample().connect().unwrap());
    let before = blobs(&world);
    world.backup("full");
    lose_everything(&world);

    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    assert_eq!(rows(&mut world.sample().connect().unwrap()), rows_before);
    assert_eq!(blobs(&world), before);
    assert_eq!(
        report["blobs"]["written"],
        world.sample().needed_blobs().len()
    );
    for (file, size) in [("report", 1), ("fossdash", 1)] {
        assert!(
            fs::read_dir(world.sample().repository().join(file))
                .unwrap()
                .count()
                >= size
        );
    }

    // No job runs by itself; 'jobs resume' queues them again, deletions only when they are named.
    let parked = report["database"]["parked_queued"].as_u64().unwrap()
        + report["database"]["parked_running"].as_u64().unwrap();
    assert!(parked >= 3, "{report}");
    let startable =
        "SELECT count(*) FROM jobqueue WHERE jq_starttime IS NULL OR jq_endtime IS NULL";
    let count = |query: &str| -> i64 {
        world
            .sample()
            .connect()
            .unwrap()
            .query_one(query, &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(count(startable), 0);
    let resumed = world.call(&["--json", "jobs", "resume"]).expect(0).json();
    assert!(resumed["resumed"].get("delagent").is_none(), "{resumed}");
    assert!(resumed["left"].as_u64().unwrap() >= 2, "{resumed}");
    world
        .call(&[
            "jobs",
            "resume",
            "--agent",
            "delagent",
            "--agent",
            "maintagent",
        ])
        .expect(0);
    let queue_after = queue(&mut world.sample().connect().unwrap());
    // What was running begins anew; the rest is as it was.
    let changed = queue_before
        .iter()
        .zip(&queue_after)
        .filter(|(a, b)| a != b)
        .count();
    assert_eq!(
        changed as u64,
        report["database"]["parked_running"].as_u64().unwrap()
    );
}

#[test]
fn the_old_database_is_kept_under_another_name() {
    let world = World::with_vault();
    world.backup("full");
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute("DELETE FROM uploadtree_a; CREATE TABLE made_since (x int)")
        .unwrap();
    drop(client);
    let report = world
        .call(&["--json", "restore", "latest", "--no-repository"])
        .expect(0)
        .json();
    let old = report["database"]["old"].as_str().unwrap();
    let mut client = world.cluster.connect(Role::Fossy, old).unwrap();
    client
        .query_one("SELECT count(*) FROM made_since", &[])
        .unwrap();
    let mut client = world.sample().connect().unwrap();
    assert!(
        client
            .query_one("SELECT count(*) FROM made_since", &[])
            .is_err()
    );
}

#[test]
fn good_blobs_are_left_alone_and_bad_ones_replaced() {
    let world = World::with_vault();
    world.backup("full");
    let before = blobs(&world);
    let paths: Vec<PathBuf> = before
        .keys()
        .map(|path| world.sample().repository().join(path))
        .collect();
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let good: BTreeMap<&PathBuf, u64> = paths[3..].iter().map(|path| (path, inode(path))).collect();
    let size = fs::metadata(&paths[0]).unwrap().len();
    fs::write(&paths[0], vec![b'?'; size as usize]).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &paths[2]).unwrap();

    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    assert_eq!(blobs(&world), before);
    for (path, inode_before) in good {
        assert_eq!(inode(path), inode_before, "{}", path.display());
    }
    let touched = report["blobs"]["written"].as_u64().unwrap()
        + report["blobs"]["replaced"].as_u64().unwrap();
    assert!((1..=3).contains(&touched), "{report}");
}

#[test]
fn another_layout_another_path_another_name() {
    let world = World::with_vault();
    let rows_before = rows(&mut world.sample().connect().unwrap());
    world.backup("full");
    // A second host: its own configuration, one host, depth 2, another database name.
    let etc = world.path("etc2");
    let repository = world.path("repository2");
    fs::create_dir(&etc).unwrap();
    let conf = fs::read_to_string(world.sample().sysconfdir().join("fossology.conf")).unwrap();
    let mut text = String::new();
    for line in conf.lines() {
        let key = line.split(['=', '[']).next().unwrap_or_default().trim();
        match key {
            "depth" => text += "depth = 2\n",
            "path" => text += &format!("path = {}\n", repository.display()),
            "alpha" if line.contains("[]") => text += "gamma[] = * 00 ff\n",
            "beta" if line.contains("[]") => {}
            _ => text += &format!("{line}\n"),
        }
    }
    fs::write(etc.join("fossology.conf"), text).unwrap();
    let db = fs::read_to_string(world.sample().sysconfdir().join("Db.conf")).unwrap();
    fs::write(
        etc.join("Db.conf"),
        db.replace(world.sample().database(), "second"),
    )
    .unwrap();

    world
        .call_for(&etc, &["restore", "latest"])
        .expect(1)
        .says("does not exist");
    fs::create_dir(&repository).unwrap();
    let report = world
        .call_for(&etc, &["--json", "restore", "latest"])
        .expect(0)
        .json();
    let mut second = world.cluster.connect(Role::Fossy, "second").unwrap();
    second
        .batch_execute("SET client_encoding = 'SQL_ASCII'")
        .unwrap();
    let mut rows_after = rows(&mut second);
    // Paths of reports follow the repository.
    assert!(report["database"]["paths_moved"].as_u64().unwrap() > 0);
    let moved: String = second
        .query_one("SELECT filepath::text FROM reportgen LIMIT 1", &[])
        .unwrap()
        .get(0);
    assert!(
        Path::new(&moved).starts_with(&repository) && Path::new(&moved).exists(),
        "{moved}"
    );
    let mut rows_before = rows_before;
    rows_before.remove("reportgen");
    rows_after.remove("reportgen");
    assert_eq!(rows_after, rows_before);
    for blob in world.sample().needed_blobs() {
        for tree in blob.trees.iter() {
            let path = repository.join(format!(
                "gamma/{tree}/{}{}",
                blob.name.folders(2),
                blob.name
            ));
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                blob.name.size(),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_gold_only_snapshot_brings_gold_and_what_cannot_be_unpacked_again() {
    let world = World::with_vault();
    let snapshot = world.backup("gold");
    assert!(
        snapshot["counts"]["files"].as_u64().unwrap() < 50,
        "{snapshot}"
    );
    lose_everything(&world);
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    assert!(report["not_in_snapshot"].as_u64().unwrap() > 100);
    let mut client = world.sample().connect().unwrap();
    let meta = "SELECT lower(pfile_sha1) FROM uploadtree JOIN pfile ON pfile_pk = pfile_fk WHERE ufile_name = 'artifact.meta'";
    let meta: Vec<String> = client
        .query(meta, &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(!meta.is_empty());
    let found: Vec<String> = blobs(&world)
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    for sha1 in meta {
        assert!(
            found.iter().any(|path| path.contains(&sha1)),
            "{sha1} is missing"
        );
    }
    let gold = found.iter().filter(|path| path.contains("/gold/")).count();
    assert_eq!(gold as u64, snapshot["counts"]["gold"].as_u64().unwrap());

    // The database says where it comes from, so that pages can say why files are missing.
    let row = client
        .query_one(
            "SELECT mode, state, snapshot, counts->>'not_in_snapshot' FROM backup_run
              WHERE verb = 'restore'",
            &[],
        )
        .unwrap();
    let words: (&str, &str, &str, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
    let (id, without) = (&snapshot["snapshot"], &report["not_in_snapshot"]);
    assert_eq!(
        words,
        ("gold", "done", id.as_str().unwrap(), &*without.to_string())
    );
}

#[test]
fn a_nested_archive_that_was_uploaded_later_is_restored_to_both_trees() {
    let mut world = World::with_vault();
    world.backup("full");
    let nested = world
        .sample()
        .needed_blobs()
        .into_iter()
        .find(|blob| blob.trees.iter().count() == 1)
        .unwrap();
    let content = fs::read(&nested.paths[0]).unwrap();
    use fossology_backup::demo::sample::{Entry, NewUpload};
    world
        .sample_mut()
        .add_upload(NewUpload::new("again.txt", Entry::File(content)))
        .unwrap();
    let second = world.backup("full");
    assert!(second["counts"]["new"].as_u64().unwrap() <= 1, "{second}");
    let before = blobs(&world);
    for without_database in [false, true] {
        lose_repository(&world);
        let mut arguments = vec!["restore", "latest"];
        if without_database {
            arguments.push("--no-database");
        }
        world.call(&arguments).expect(0);
        assert_eq!(blobs(&world), before);
    }
}

#[test]
fn one_damaged_pack_never_stops_the_rest() {
    let world = World::with(Options {
        extra_files: 200,
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.backup("full");
    let before = blobs(&world);
    // Flip a byte in the middle of each pack.
    let mut packs = Vec::new();
    for entry in walkdir::WalkDir::new(world.vault().join("packs")) {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(&path, bytes).unwrap();
            packs.push(path);
        }
    }
    lose_repository(&world);
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(3)
        .json();
    let damaged = report["damaged"].as_array().unwrap();
    assert!(!damaged.is_empty());
    let after = blobs(&world);
    assert!(
        after.len() * 2 > before.len(),
        "only {} of {} came back",
        after.len(),
        before.len()
    );
    for (path, state) in &after {
        assert_eq!(Some(state), before.get(path));
    }
    // What did not come is exactly what was named.
    let named: std::collections::BTreeSet<&str> = damaged
        .iter()
        .filter_map(|damage| damage["name"].as_str())
        .collect();
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        assert!(
            named.contains(path.file_name().unwrap().to_str().unwrap()),
            "{}",
            path.display()
        );
    }
}

#[test]
fn one_host_or_many_it_is_the_same() {
    let options = Options {
        hosts: vec![HostRange::new(
            fossology_backup::blob::HostName::new("localhost").unwrap(),
            0,
            255,
        )],
        depth: 1,
        ..Options::default()
    };
    let world = World::with(options);
    world.call(&["init"]).expect(0);
    world.backup("full");
    let before = blobs(&world);
    lose_repository(&world);
    world.call(&["restore", "latest"]).expect(0);
    assert_eq!(blobs(&world), before);
}

#[test]
fn a_real_instance_comes_back() {
    let Some(source) = fixture::source() else {
        println!("skipped: there is no real instance here");
        return;
    };
    let world = World::empty();
    let real = fixture::load(&source, world.folder.path(), &world.cluster, "real");
    let before = snapshot_tree(&real.repository).unwrap();
    let mut client = world.cluster.connect(Role::Fossy, "real").unwrap();
    let rows_before = rows(&mut client);
    let needed = support::needed_by_sql(&mut client);
    drop(client);
    world.call_for(&real.sysconfdir, &["init"]).expect(0);
    let arguments = ["--json", "backup", "--logs"];
    let snapshot = world
        .call_for(&real.sysconfdir, &arguments)
        .expect(0)
        .json();
    assert_eq!(snapshot["counts"]["new"], needed.len());

    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin.batch_execute("DROP DATABASE real").unwrap();
    fs::remove_dir_all(&real.repository).unwrap();
    fs::create_dir(&real.repository).unwrap();
    world
        .call_for(&real.sysconfdir, &["restore", "latest"])
        .expect(0);

    let mut client = world.cluster.connect(Role::Fossy, "real").unwrap();
    let mut rows_after = rows(&mut client);
    let mut rows_before = rows_before;
    for tables in [&mut rows_after, &mut rows_before] {
        tables.remove("reportgen"); // its paths follow the repository to where it is now
    }
    assert_eq!(rows_after, rows_before);
    let after = snapshot_tree(&real.repository).unwrap();
    for (path, state) in before.iter().filter(|(_, state)| !state.sha1.is_empty()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        // A deleted upload has left some: in a tree where nothing needs them.
        let orphan = name.parse::<PfileName>().is_ok_and(|name| {
            let trees = needed.get(&name).copied().unwrap_or_default();
            !trees
                .iter()
                .any(|tree| path.iter().any(|part| part == tree.as_str()))
        });
        if orphan {
            continue;
        }
        let restored = after
            .get(path)
            .unwrap_or_else(|| panic!("{} is missing", path.display()));
        assert_eq!(
            (restored.size, &restored.sha1),
            (state.size, &state.sha1),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_backup_that_made_the_snapshot_is_shown_as_done() {
    let world = World::with_vault();
    world.enable_agent();
    clear(&world);
    let request = support::hosts::queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let rows = support::hosts::rows(&world).len();
    lose_everything(&world);
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    assert_eq!(report["database"]["parked_running"], 0, "{report}");
    let (state, message) = world.request(request);
    assert_eq!(state, "done");
    assert!(
        message.contains("which this database came from"),
        "{message}"
    );
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT (SELECT count(*) FROM jobqueue WHERE jq_type = 'backup' AND jq_end_bits = 1
                           AND jq_endtext = 'Completed'),
                        (SELECT count(*) FROM backup_run
                          WHERE verb = 'backup' AND state = 'done' AND snapshot IS NOT NULL),
                        (SELECT count(*) FROM backup_part)";
    let row = client.query_one(query, &[]).unwrap();
    let counts: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(counts, (rows as i64, 1, 0));
}
