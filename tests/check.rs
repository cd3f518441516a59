// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check says of losses: exactly the damage that was done, whom it hits and how it comes
//! back, and nothing else.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree};
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use support::checked::{ORPHANS, counts, expect, in_files_only, only, own_blobs};
use support::world::World;

/// Everything about every file and folder that a check must not change.
fn traces(path: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, i64, SystemTime)> {
    let entries = walkdir::WalkDir::new(path).into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let data = entry.metadata().unwrap();
            let times = (data.atime_nsec(), data.mtime_nsec(), data.ctime_nsec());
            let trace = (
                data.mode(),
                data.ino(),
                if data.is_file() { times.0 } else { 0 },
                times.1,
                times.2,
                data.modified().unwrap(),
            );
            (entry.into_path(), trace)
        })
        .collect()
}

#[test]
fn a_whole_instance_shows_what_a_deletion_forgot_and_what_is_on_its_way() {
    let world = World::new();
    let before = traces(world.sample().repository());
    let report = expect(&world, &[], &[]);
    assert_eq!(
        report["needed"]["count"],
        world.sample().needed_blobs().len()
    );
    let paths = |blobs: Vec<StoredBlob>| blobs.iter().map(|blob| blob.paths.len()).sum::<usize>();
    let files = paths(world.sample().needed_blobs()) + paths(world.sample().orphans());
    assert_eq!(report["files"]["count"], files);
    let names: Vec<&str> = report["in_flight"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["filename"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"arriving-1.1.tar.gz") && names.contains(&"awaited-2.0.tar.gz"));
    assert_eq!(report["uploads"], json!([]));
    // Orphans only take space: that is told, and is a failure for those who want it so.
    let report = expect(&world, &["--deep"], &[]);
    assert_eq!(
        (&report["ok"], &report["severity"]),
        (&json!(true), &json!("clutter"))
    );
    let report = world
        .call(&["--json", "check", "--strict"])
        .expect(3)
        .json();
    assert_eq!(report["ok"], false);
    assert_eq!(traces(world.sample().repository()), before);

    for orphan in world.sample().orphans() {
        orphan
            .paths
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
    }
    let report = world.call(&["--json", "check", "--deep"]).expect(0).json();
    assert_eq!(report["counts"], json!({}));
    assert_eq!(
        (&report["ok"], &report["severity"]),
        (&json!(true), &Value::Null)
    );
    let text = world.call(&["-q", "check"]).expect(0).stdout;
    assert!(text.contains("repository and database agree"), "{text}");
}

#[test]
fn a_lost_blob_is_told_with_the_uploads_it_hits_and_how_it_comes_back() {
    let world = World::with_vault();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let in_vault = own_blobs(&world, kernel)[7].clone();
    world.backup("full");
    let single = world.sample().upload_named("COPYING").unwrap();
    let library = world.sample().upload_named("alpha-lib-1.0.tar.gz").unwrap();

    // In an archive whose gold is there.
    let from_gold = in_vault;
    fs::remove_file(&from_gold.paths[0]).unwrap();
    let report = expect(&world, &[], &[("missing", 1)]);
    let finding = only(&report, "missing");
    assert_eq!(finding["name"], from_gold.name.to_string());
    assert_eq!(finding["recovery"], "recoverable_from_gold");
    assert_eq!(finding["uploads"], json!([kernel]));
    let hit =
        json!([{"upload": kernel, "filename": "kernel-6.1.tar.gz", "counts": {"missing": 1}}]);
    assert_eq!(report["uploads"], hit);
    let text = world.call(&["-q", "check"]).expect(3).stdout;
    assert!(
        text.contains("from gold") && text.contains("kernel-6.1.tar.gz: 1 missing"),
        "{text}"
    );

    // Without the gold only the vault has both.
    let gold = world
        .sample()
        .blobs_of(kernel)
        .into_iter()
        .find(|blob| blob.trees.contains(Tree::Gold));
    let gold = gold.unwrap();
    let kept = fs::read(&gold.paths[0]).unwrap();
    gold.paths
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    let report = expect(&world, &[], &[("missing", 1), ("gold_deleted", 1)]);
    assert_eq!(
        only(&report, "missing")["recovery"],
        "recoverable_from_vault"
    );
    let finding = only(&report, "gold_deleted");
    assert_eq!(finding["name"], gold.name.to_string());
    assert_eq!(finding["recovery"], "recoverable_from_vault");

    // Without the vault nobody has them.
    fs::rename(world.vault(), world.path("elsewhere")).unwrap();
    let report = expect(&world, &[], &[("missing", 1), ("gold_deleted", 1)]);
    assert_eq!(report["counts"]["missing"]["recovery"], json!({"lost": 1}));
    assert_eq!(report["vault"], Value::Null);
    fs::rename(world.path("elsewhere"), world.vault()).unwrap();

    // A gold that is cut counts for nothing.
    fs::write(&gold.paths[0], &kept[1..]).unwrap();
    fs::set_permissions(&gold.paths[0], fs::Permissions::from_mode(0o660)).unwrap();
    let report = expect(&world, &[], &[("missing", 2), ("size_wrong", 1)]);
    for finding in report["findings"].as_array().unwrap() {
        if finding["kind"] != "orphan" {
            assert_eq!(finding["recovery"], "recoverable_from_vault", "{finding}");
        }
    }
    fs::write(&gold.paths[0], &kept).unwrap();
    fs::hard_link(&gold.paths[0], &gold.paths[1]).unwrap();

    // What several uploads share hits all of them.
    let license = world.sample().blobs_of(single).remove(0);
    license
        .paths
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    let report = world.call(&["--json", "check"]).expect(3).json();
    let hit = report["uploads"].as_array().unwrap();
    let hit: Vec<i64> = hit
        .iter()
        .map(|upload| upload["upload"].as_i64().unwrap())
        .collect();
    assert!(
        hit.contains(&i64::from(single)) && hit.contains(&i64::from(library)),
        "{report:#}"
    );
}

#[test]
fn a_blob_in_one_tree_only_needs_a_link() {
    let world = World::new();
    let both = |blob: &StoredBlob| blob.paths.len() == 2;
    let mut blobs = world.sample().needed_blobs().into_iter().filter(both);
    let (no_gold, no_files) = (blobs.next().unwrap(), blobs.next().unwrap());
    fs::remove_file(&no_gold.paths[0]).unwrap();
    fs::remove_file(&no_files.paths[1]).unwrap();
    let report = expect(&world, &[], &[("missing_in_tree", 2)]);
    assert_eq!(
        report["counts"]["missing_in_tree"]["recovery"],
        json!({"other_tree": 2})
    );
    for finding in report["findings"].as_array().unwrap() {
        if finding["kind"] == "missing_in_tree" {
            let is_gold = finding["name"] == no_gold.name.to_string();
            assert_eq!(finding["tree"], if is_gold { "gold" } else { "files" });
        }
    }
}

#[test]
fn a_flipped_byte_is_found_by_a_deep_check_and_a_cut_file_by_each() {
    let world = World::new();
    let blobs = in_files_only(&world);
    let (flipped, cut, empty) = (&blobs[3], &blobs[5], &blobs[8]);
    let mut content = fs::read(&flipped.paths[0]).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&flipped.paths[0], content).unwrap();
    expect(&world, &[], &[]);
    let report = expect(&world, &["--deep"], &[("corrupt", 1)]);
    assert_eq!(only(&report, "corrupt")["name"], flipped.name.to_string());
    assert_eq!(
        only(&report, "corrupt")["recovery"],
        "recoverable_from_gold"
    );

    let file = |blob: &StoredBlob| {
        fs::File::options()
            .write(true)
            .open(&blob.paths[0])
            .unwrap()
    };
    file(cut).set_len(cut.name.size() - 1).unwrap();
    file(empty).set_len(0).unwrap();
    let report = expect(&world, &[], &[("size_wrong", 2)]);
    assert_eq!(
        report["counts"]["size_wrong"]["bytes"],
        cut.name.size() + empty.name.size()
    );
    expect(&world, &["--deep"], &[("size_wrong", 2), ("corrupt", 1)]);

    // A large file is read in pieces.
    let large = world
        .sample()
        .needed_blobs()
        .into_iter()
        .max_by_key(|blob| blob.name.size())
        .unwrap();
    let mut content = fs::read(&large.paths[0]).unwrap();
    content[0] ^= 0x80;
    large
        .paths
        .iter()
        .for_each(|path| fs::write(path, &content).unwrap());
    let files = large.paths.len() as u64;
    expect(
        &world,
        &["--deep"],
        &[("size_wrong", 2), ("corrupt", 1 + files)],
    );
}

#[test]
fn rows_that_nobody_can_use_are_told() {
    let world = World::new();
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute(
            "UPDATE sysconfig SET conf_value = ' ' WHERE variablename = 'Release';
             INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES (repeat('x', 40), E'\\xe4', 7);
             INSERT INTO uploadtree_a (upload_fk, pfile_fk, ufile_mode, ufile_name)
             VALUES (1, currval('pfile_pfile_pk_seq'), 0, 'broken');",
        )
        .unwrap();
    expect(&world, &[], &[("release_missing", 1), ("broken_row", 1)]);
    client
        .batch_execute("DELETE FROM sysconfig WHERE variablename = 'Release'")
        .unwrap();
    expect(&world, &[], &[("release_missing", 1), ("broken_row", 1)]);
}

#[test]
fn what_is_on_its_way_or_was_removed_on_purpose_is_not_lost() {
    let mut world = World::new();
    let arriving = world.sample().upload_named("arriving-1.1.tar.gz").unwrap();
    let coming = own_blobs(&world, arriving)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    fs::remove_file(&coming.paths[0]).unwrap();
    let pruned = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let pruned = own_blobs(&world, pruned)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    fs::remove_file(&pruned.paths[0]).unwrap();
    expect(&world, &[], &[("in_flight", 1), ("missing", 1)]);
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "INSERT INTO backup_blob_state (pfile_pk, kind)
             SELECT pfile_pk, 'pruned' FROM pfile WHERE pfile_sha1 = $1",
            &[&pruned.name.sha1_column()],
        )
        .unwrap();
    expect(&world, &[], &[("in_flight", 1), ("pruned", 1)]);
    for orphan in world.sample().orphans() {
        orphan
            .paths
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
    }
    world.call(&["check"]).expect(0);

    // Two rows of the same content, one of which has a SHA-256: needed by either.
    let twin = world
        .sample_mut()
        .add_upload(NewUpload::sources("twin.tar.gz", 7, 3))
        .unwrap();
    let blob = world
        .sample()
        .blobs_of(twin)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    client
        .execute(
            "WITH new AS (INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size)
                          SELECT pfile_sha1, pfile_md5, pfile_size FROM pfile
                           WHERE pfile_sha1 = $1 RETURNING pfile_pk)
             INSERT INTO uploadtree_a (upload_fk, pfile_fk, ufile_mode, ufile_name)
             SELECT 1, pfile_pk, 0, 'twin' FROM new",
            &[&blob.name.sha1_column()],
        )
        .unwrap();
    fs::remove_file(&blob.paths[0]).unwrap();
    let report = world.call(&["--json", "check"]).expect(3).json();
    assert_eq!(report["counts"]["missing"]["count"], 1);
    assert_eq!(only(&report, "missing")["uploads"], json!([1, twin]));
}

#[test]
fn an_upload_can_be_checked_alone() {
    let world = World::new();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let single = world.sample().upload_named("COPYING").unwrap();
    let (lost, moved) = {
        let mut blobs = own_blobs(&world, kernel)
            .into_iter()
            .filter(|blob| blob.paths.len() == 1);
        (blobs.next().unwrap(), blobs.next().unwrap())
    };
    fs::remove_file(&lost.paths[0]).unwrap();
    let elsewhere = moved.paths[0].to_str().unwrap();
    let elsewhere = if elsewhere.contains("/alpha/") {
        elsewhere.replace("/alpha/", "/beta/")
    } else {
        elsewhere.replace("/beta/", "/alpha/")
    };
    fs::create_dir_all(Path::new(&elsewhere).parent().unwrap()).unwrap();
    fs::rename(&moved.paths[0], &elsewhere).unwrap();

    let numbers = [kernel.to_string(), single.to_string()];
    let good = world
        .call(&["--json", "check", "--deep", "--upload", &numbers[1]])
        .expect(0)
        .json();
    assert_eq!(
        good["needed"]["count"],
        world.sample().blobs_of(single).len()
    );
    let both = [
        "--json",
        "check",
        "--upload",
        &numbers[0],
        "--upload",
        &numbers[1],
    ];
    let report = world.call(&both).expect(3).json();
    let found = report["counts"].as_object().unwrap();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["missing", "wrong_place"],
        "{report:#}"
    );
    let names: std::collections::BTreeSet<PfileName> = [kernel, single]
        .iter()
        .flat_map(|upload| world.sample().blobs_of(*upload))
        .map(|blob| blob.name)
        .collect();
    assert_eq!(report["needed"]["count"], names.len());
    world
        .call(&["check", "--upload", "4711"])
        .expect(2)
        .says("no upload 4711");
}

#[test]
fn findings_and_history_are_in_the_database_and_nothing_else_changed() {
    let world = World::new();
    let blob = in_files_only(&world).remove(0);
    fs::remove_file(&blob.paths[0]).unwrap();
    expect(&world, &[], &[("missing", 1)]);
    let mut client = world.sample().connect().unwrap();
    let mut rows = |kind: &str| {
        let query =
            "SELECT count(*), min(sha1), min(upload_fk) FROM backup_finding WHERE kind = $1";
        let row = client.query_one(query, &[&kind]).unwrap();
        (
            row.get::<_, i64>(0),
            row.get::<_, Option<String>>(1),
            row.get::<_, Option<i32>>(2),
        )
    };
    let (count, sha1, upload) = rows("missing");
    assert_eq!(sha1, Some(blob.name.sha1_column()));
    let hit = |upload: &i32| {
        world
            .sample()
            .blobs_of(*upload)
            .iter()
            .any(|b| b.name == blob.name)
    };
    let hit: Vec<i32> = world.sample().uploads().into_iter().filter(hit).collect();
    assert_eq!((count, upload), (hit.len() as i64, Some(hit[0])));
    assert_eq!(rows("orphan").0, ORPHANS as i64);

    // The next check's findings take the place of these.
    let upload = hit[0].to_string();
    fs::write(&blob.paths[0], vec![0; blob.name.size() as usize]).unwrap();
    fs::set_permissions(&blob.paths[0], fs::Permissions::from_mode(0o660)).unwrap();
    world.call(&["check", "--upload", &upload]).expect(0);
    assert_eq!(rows("orphan").0, ORPHANS as i64);
    assert_eq!(rows("missing").0, hit.len() as i64 - 1);
    expect(&world, &["--deep"], &[("corrupt", 1)]);
    assert_eq!(rows("missing").0, 0);
    let runs = client
        .query(
            "SELECT mode, state FROM backup_run WHERE verb = 'check' ORDER BY id",
            &[],
        )
        .unwrap();
    let runs: Vec<(String, String)> = runs.iter().map(|row| (row.get(0), row.get(1))).collect();
    let run = |mode: &str, state: &str| (mode.to_owned(), state.to_owned());
    assert_eq!(
        runs,
        [
            run("plain", "incomplete"),
            run("plain", "done"),
            run("deep", "incomplete")
        ]
    );
}

#[test]
fn a_role_that_may_not_make_tables_can_check() {
    let world = World::new();
    let mut client = world.cluster.config(
        fossology_backup::demo::Role::Superuser,
        world.sample().database(),
    );
    let mut client = client
        .application_name("test")
        .connect(postgres::NoTls)
        .unwrap();
    client.batch_execute("ALTER DATABASE fossology OWNER TO CURRENT_USER; REVOKE CREATE ON SCHEMA public FROM PUBLIC, fossy; ALTER SCHEMA public OWNER TO CURRENT_USER").unwrap();
    let called = world.call(&["--json", "check"]).expect(0);
    called.says("leaves no trace");
    assert_eq!(counts(&called.json()), BTreeMap::new());
}
