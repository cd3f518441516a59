// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recovery: what is missing comes back, from gold or from the vault, nothing else is touched,
//! and what does not come back is told.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree, TreeSet, digest};
use fossology_backup::demo::sample::{Options, StoredBlob};
use fossology_backup::demo::{TableDigest, dump_rows, snapshot_tree};
use fossology_backup::operations::by_url::GoldSettings;
use fossology_backup::operations::recover::{self, Scope, Sources, Wanted};
use fossology_backup::operations::{Context, Instance, Quiet, Stop};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use support::checked::{expect, in_files_only, own_blobs};
use support::recovered::{
    add_made_file, inode, lose, lose_files, lost, needed_files, notes, recover_with, stand_in,
};
use support::world::World;

/// All rows that are not ours.
fn rows_of_fossology(world: &World) -> BTreeMap<String, TableDigest> {
    let mut rows = dump_rows(&mut world.sample().connect().unwrap()).unwrap();
    rows.retain(|table, _| !table.starts_with("backup_"));
    rows
}

/// What is known of blobs.
fn states(world: &World) -> Vec<(String, String)> {
    let mut client = world.sample().connect().unwrap();
    let rows = client.query(
        "SELECT lower(p.pfile_sha1 || '.' || p.pfile_md5) || '.' || p.pfile_size, s.kind
           FROM backup_blob_state s JOIN pfile p USING (pfile_pk) ORDER BY 1",
        &[],
    );
    let rows = rows.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn everything_comes_back_but_notes(options: Options) {
    let world = World::with(options);
    let before = needed_files(&world);
    let rows = rows_of_fossology(&world);
    let notes = notes(&world);
    assert!(notes.len() > 2);
    let gone = lose_files(&world);

    let report = world.call(&["--json", "recover", "--missing"]).expect(3);
    let report = report.json();
    assert_eq!(report["missing"]["blobs"], gone.len());
    let golds = gone.iter().filter(|b| b.trees.contains(Tree::Gold));
    assert_eq!(report["linked"]["blobs"], golds.count());
    assert_eq!(report["lost"]["blobs"], notes.len(), "{report:#}");
    let after = needed_files(&world);
    let missing: Vec<&PathBuf> = before
        .keys()
        .filter(|path| !after.contains_key(*path))
        .collect();
    assert_eq!(missing.len(), notes.len());
    for (path, state) in &after {
        assert_eq!(state, &before[path], "{}", path.display());
    }
    assert_eq!(rows_of_fossology(&world), rows);
    for (path, why) in lost(&report) {
        assert!(path.ends_with("/artifact.meta"), "{path}");
        assert_eq!(why, "known_not_reproducible");
    }
    expect(&world, &["--deep"], &[("missing", notes.len() as u64)]);

    // Nothing is left to do: the second time nothing is unpacked.
    let again = world.call(&["--json", "recover", "--missing"]).expect(3);
    let again = again.json();
    assert_eq!(again["missing"]["blobs"], notes.len());
    assert_eq!(again["unpacked"]["blobs"], 0);
    let left = fs::read_dir(world.sample().repository()).unwrap();
    let names: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("fo_backup"))
        .collect();
    assert_eq!(names, [""; 0]);
}

#[test]
fn all_that_was_unpacked_once_comes_back() {
    everything_comes_back_but_notes(Options::default());
}

#[test]
fn all_comes_back_on_one_host_too() {
    everything_comes_back_but_notes(Options::one_host());
}

#[test]
fn what_gold_does_not_give_comes_from_the_vault() {
    let world = World::with_vault();
    let before = needed_files(&world);
    let notes = notes(&world);
    // A backup of gold carries what cannot be unpacked again.
    world.backup("gold");
    lose_files(&world);
    let report = world.call(&["--json", "recover", "--missing"]).expect(0);
    let report = report.json();
    assert_eq!(report["from_vault"]["blobs"], notes.len());
    assert_eq!(report["lost"]["blobs"], 0);
    assert_eq!(needed_files(&world), before);
    expect(&world, &["--deep"], &[]);
    let nothing = world.call(&["recover", "--missing"]).expect(0).stdout;
    assert!(nothing.contains("nothing is missing"), "{nothing}");
}

#[test]
fn after_a_restore_of_gold_nothing_at_all_is_missing() {
    let world = World::with_vault();
    let before = needed_files(&world);
    world.backup("gold");
    fs::remove_dir_all(world.sample().repository()).unwrap();
    fs::create_dir(world.sample().repository()).unwrap();
    world
        .call(&["restore", "latest", "--no-database"])
        .expect(0);
    let report = world
        .call(&["--json", "recover", "--missing", "--from", "gold"])
        .expect(0)
        .json();
    assert!(report["unpacked"]["blobs"].as_u64().unwrap() > 500);
    assert_eq!(needed_files(&world), before);
}

#[test]
fn only_what_the_named_upload_needs_comes_back() {
    let world = World::new();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let needs: BTreeSet<PfileName> = world
        .sample()
        .blobs_of(kernel)
        .iter()
        .map(|blob| blob.name)
        .collect();
    let gone = lose_files(&world);
    let upload = kernel.to_string();
    let report = world
        .call(&["--json", "recover", "--upload", &upload])
        .expect(0)
        .json();
    assert_eq!(report["missing"]["blobs"], needs.len());
    assert_eq!(report["uploads"].as_array().unwrap().len(), 1);
    assert_eq!(report["uploads"][0]["upload"], kernel);
    for blob in gone {
        let path = blob.paths.last().unwrap();
        assert_eq!(path.exists(), needs.contains(&blob.name), "{path:?}");
    }
}

#[test]
fn a_rehearsal_says_the_same_numbers_and_writes_nothing() {
    let world = World::new();
    lose_files(&world);
    let files = snapshot_tree(world.sample().repository()).unwrap();
    world.call(&["init"]).expect(0);
    let rows = dump_rows(&mut world.sample().connect().unwrap()).unwrap();
    let told = world
        .call(&["--json", "recover", "--missing", "--dry-run"])
        .expect(3)
        .json();
    assert_eq!(told["dry_run"], true);
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), files);
    assert_eq!(
        dump_rows(&mut world.sample().connect().unwrap()).unwrap(),
        rows
    );
    let done = world.call(&["--json", "recover", "--missing"]).expect(3);
    let done = done.json();
    for number in ["missing", "linked", "unpacked", "from_vault", "lost"] {
        assert_eq!(told[number], done[number], "{number}");
    }
    assert_eq!(told["uploads"], done["uploads"]);
}

#[test]
fn one_file_comes_alone_from_the_nearest_archive() {
    let world = World::new();
    let library = world.sample().upload_named("alpha-lib-1.0.tar.gz").unwrap();
    let mut client = world.sample().connect().unwrap();
    let rows = client
        .query_one(
            "SELECT p.pfile_sha1 || '.' || p.pfile_md5 || '.' || p.pfile_size,
                    (SELECT lower(z.pfile_sha1 || '.' || z.pfile_md5) || '.' || z.pfile_size
                       FROM uploadtree t JOIN pfile z ON z.pfile_pk = t.pfile_fk
                      WHERE t.upload_fk = $1 AND t.ufile_name = 'deep-1.tar')
               FROM uploadtree t JOIN pfile p ON p.pfile_pk = t.pfile_fk
              WHERE t.upload_fk = $1 AND t.ufile_name = 'deep/noise.bin'",
            &[&library],
        )
        .unwrap();
    let (deepest, nearest): (String, String) = (rows.get(0), rows.get(1));
    let name: PfileName = deepest.to_ascii_lowercase().parse().unwrap();
    let blobs = in_files_only(&world);
    let blob = blobs.iter().find(|blob| blob.name == name).unwrap();
    let other = blobs.iter().find(|other| other.name != name).unwrap();
    lose(blob);
    lose(other);
    let before = snapshot_tree(world.sample().repository()).unwrap();

    let report = world
        .call(&["--json", "recover", "--blob", &deepest])
        .expect(0)
        .json();
    let told = json!([{"name": name.to_string(), "came": "unpacked", "container": nearest}]);
    assert_eq!(report["blobs"], told);
    let mut after = snapshot_tree(world.sample().repository()).unwrap();
    let path = blob.paths[0]
        .strip_prefix(world.sample().repository())
        .unwrap();
    assert_eq!(after.remove(path).unwrap().size, 70_000);
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before);

    // Without that archive, and all others, the upload itself gives it.
    lose_files(&world);
    let report = world
        .call(&["--json", "recover", "--blob", &deepest])
        .expect(0)
        .json();
    let gold = world.sample().blobs_of(library);
    let gold = gold.iter().find(|b| b.trees.contains(Tree::Gold)).unwrap();
    assert_eq!(report["blobs"][0]["container"], gold.name.to_string());
    let files = walkdir::WalkDir::new(world.sample().repository())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    let in_files = files.filter(|entry| entry.path().to_str().unwrap().contains("/files/"));
    assert_eq!(in_files.count(), 1);
    let report = world
        .call(&["--json", "recover", "--blob", &deepest])
        .expect(0)
        .json();
    assert_eq!(report["blobs"][0]["came"], "was_there");
}

#[test]
fn a_rotten_file_is_replaced_and_a_good_one_left_alone() {
    let world = World::new();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let blobs = own_blobs(&world, kernel);
    let only_files = |blob: &&StoredBlob| blob.trees == TreeSet::of(Tree::Files);
    let mut own = blobs.iter().filter(only_files);
    let (rotten, cut, good) = (
        own.find(|blob| blob.name.size() > 9).unwrap(),
        own.find(|blob| blob.name.size() > 9).unwrap(),
        own.next().unwrap(),
    );
    let gold = blobs.iter().find(|b| b.paths.len() == 2).unwrap();
    let kept: Vec<_> = [good, gold].map(|blob| inode(&blob.paths[0])).into();
    let whole = fs::read(&rotten.paths[0]).unwrap();
    let mut content = whole.clone();
    content[3] ^= 0x40;
    fs::write(&rotten.paths[0], &content).unwrap();
    fs::write(&cut.paths[0], b"cut").unwrap();

    // A cut file is missing; a rotten one is known only to who reads it.
    let report = world.call(&["--json", "recover", "--missing"]).expect(0);
    assert_eq!(report.json()["missing"]["blobs"], 1);
    assert_eq!(cut.paths[0].metadata().unwrap().len(), cut.name.size());
    let name = rotten.name.to_string();
    world.call(&["recover", "--blob", &name]).expect(0);
    assert_eq!(fs::read(&rotten.paths[0]).unwrap(), whole);
    assert_eq!(
        rotten.paths[0].metadata().unwrap().permissions().mode() & 0o7777,
        0o660
    );
    expect(&world, &["--deep"], &[]);
    let now: Vec<_> = [good, gold].map(|blob| inode(&blob.paths[0])).into();
    assert_eq!(now, kept);
    assert_eq!(
        inode(&gold.paths[0]).0,
        inode(&gold.paths[1]).0,
        "the hard link stays"
    );
}

#[test]
fn what_unpacking_does_not_give_is_written_down_and_backed_up_from_then_on() {
    let world = World::with_vault();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let content = "text that a tool took out of a guide";
    let (name, path) = add_made_file(&world, kernel, content);
    fs::remove_file(&path).unwrap();
    let upload = ["--upload", &kernel.to_string()];
    let why = |report: &Value| {
        let file = "kernel-6.1.tar.gz/kernel-6.1.tar/kernel-6.1/guide.text".to_owned();
        let lost = lost(report);
        assert_eq!((lost.len(), &lost[0].0), (1, &file));
        lost[0].1.clone()
    };

    // As long as not all was tried nothing is known.
    let report = world
        .call(&["--json", "recover", "--upload", upload[1]])
        .expect(3)
        .json();
    assert_eq!(why(&report), "no_tool");
    let failing = stand_in(&world, "echo 'no room' >&2; exit 7");
    let report = recover_with(&world, &failing, &upload, 3);
    assert_eq!(why(&report), "tool_failed");
    let said = report["uploads"][0]["problems"].to_string();
    assert!(said.contains("ended with 7 (no room)"), "{said}");
    assert!(states(&world).is_empty());

    // All was tried, in a rehearsal too.
    let content_with_all = stand_in(&world, "exit 0");
    let dry = [&upload[..], &["--dry-run"]].concat();
    let report = recover_with(&world, &content_with_all, &dry, 3);
    assert_eq!(why(&report), "not_reproducible");
    assert_eq!(report["recorded"], 1);
    let known = vec![(name.to_string(), "not_reproducible".to_owned())];
    assert_eq!(states(&world), known);

    // From then on nobody tries again unless it is asked for.
    let never = stand_in(&world, "touch \"$0.ran\"");
    let report = recover_with(&world, &never, &upload, 3);
    assert_eq!(why(&report), "known_not_reproducible");
    assert!(!world.path("ununpack.ran").exists());

    // A backup of gold carries it; what comes from the vault is known as before.
    fs::write(&path, content).unwrap();
    world.backup("gold");
    fs::remove_file(&path).unwrap();
    let report = recover_with(&world, &never, &upload, 0);
    assert_eq!(
        report["from_vault"],
        json!({"blobs": 1, "bytes": content.len()})
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
    assert_eq!(states(&world), known);
    fs::remove_dir_all(world.sample().repository()).unwrap();
    fs::create_dir(world.sample().repository()).unwrap();
    world
        .call(&["restore", "latest", "--no-database"])
        .expect(0);
    let report = world.call(&["--json", "recover", "--missing", "--from", "gold"]);
    assert_eq!(report.expect(0).json()["lost"]["blobs"], 0);

    // Another version of the tool gives it after all.
    fs::remove_file(&path).unwrap();
    let better = stand_in(
        &world,
        &format!("mkdir -p \"$dir/a\" && printf '%s' '{content}' > \"$dir/a/guide.text\""),
    );
    let retry = [&upload[..], &["--retry", "--from", "gold"]].concat();
    let report = recover_with(&world, &better, &retry, 0);
    assert_eq!(report["unpacked"]["blobs"], 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
    assert!(states(&world).is_empty());
    world.call(&["check", "--deep"]).expect(0);
}

#[test]
fn what_was_pruned_and_is_back_is_pruned_no_more() {
    let world = World::with_vault();
    let blobs = in_files_only(&world);
    let notes = notes(&world);
    let mut blobs = blobs.iter().filter(|blob| !notes.contains(&blob.name));
    let (gone, killed) = (blobs.next().unwrap(), blobs.next().unwrap());
    let mut client = world.sample().connect().unwrap();
    for blob in [gone, killed] {
        let sha1 = blob.name.sha1_column();
        client
            .execute(
                "INSERT INTO backup_blob_state (pfile_pk, kind)
                 SELECT pfile_pk, 'pruned' FROM pfile WHERE pfile_sha1 = $1",
                &[&sha1],
            )
            .unwrap();
    }
    // The other one was brought back by a recovery that was killed before it said so.
    lose(gone);
    world.call(&["recover", "--missing", "--dry-run"]).expect(0);
    assert_eq!(states(&world).len(), 2);
    world
        .call(&["recover", "--missing", "--from", "gold"])
        .expect(0);
    assert!(gone.paths[0].exists());
    assert!(states(&world).is_empty());
}

#[test]
fn a_rehearsal_can_take_everything_but_gold_for_gone() {
    let world = World::new();
    let instance = Instance::load(&world.sample().sysconfdir()).unwrap();
    let files = snapshot_tree(world.sample().repository()).unwrap();
    let options = recover::Options {
        scope: Scope::Missing,
        wanted: Wanted::AsIfGone,
        dry_run: false,
        from: Sources::Gold,
        retry: false,
        gold: GoldSettings::default(),
        ununpack: None,
        threads: 2,
        lookers: 2,
    };
    let stop = Stop::new();
    let context = Context {
        progress: &Quiet,
        stop: &stop,
    };
    let report = recover::run(&instance, None, &options, context).unwrap();
    let notes = notes(&world);
    let proven: BTreeSet<PfileName> = in_files_only(&world)
        .iter()
        .map(|blob| blob.name)
        .chain([digest(b"")])
        .filter(|name| !notes.contains(name))
        .collect();
    let mut client = world.sample().connect().unwrap();
    let rows = client
        .query(
            "SELECT pfile_pk, pfile_sha1::text, pfile_md5::text, pfile_size FROM pfile",
            &[],
        )
        .unwrap();
    let found: BTreeSet<PfileName> = rows
        .iter()
        .filter(|row| report.proven.contains(row.get::<_, i32>(0) as u32))
        .map(|row| {
            let (sha1, md5): (String, String) = (row.get(1), row.get(2));
            PfileName::from_database(sha1.as_bytes(), md5.as_bytes(), row.get(3)).unwrap()
        })
        .collect();
    assert_eq!(found, proven);
    assert_eq!(report.lost.blobs, notes.len() as u64);
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), files);

    // Three uploads, as a policy asks for them.
    let some: Vec<i32> = world.sample().uploads().into_iter().take(3).collect();
    let options = recover::Options {
        scope: Scope::Uploads(some.clone()),
        ..options
    };
    let report = recover::run(&instance, None, &options, context).unwrap();
    assert!(report.proven.len() > 200 && report.uploads.len() <= some.len());
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), files);
}
