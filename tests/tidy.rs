// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What gives space back without losing anything: each only when it is asked for, all of it listed by
//! a dry run, and nothing that changed not long ago.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{Tree, digest};
use fossology_backup::demo::sample::{Options, StoredBlob};
use fossology_backup::demo::snapshot_tree;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use support::checked::{ORPHANS, expect};
use support::recovered::needed_files;
use support::world::World;

/// Tidies up whatever its age.
#[track_caller]
fn tidy(world: &World, arguments: &[&str]) -> Value {
    let always = ["--json", "prune", "--yes", "--older-than", "0 hours"];
    let report = world.call(&[&always, arguments].concat()).expect(0).json();
    report["tidy"].clone()
}

/// An uploaded file that lies in gold and in files, as two copies.
fn second_copy(world: &World) -> StoredBlob {
    let mut blobs = world.sample().needed_blobs().into_iter();
    let both = blobs.find(|blob| {
        blob.trees.contains(Tree::Gold) && blob.trees.contains(Tree::Files) && blob.paths.len() == 2
    });
    let both = both.unwrap();
    let content = fs::read(&both.paths[0]).unwrap();
    fs::remove_file(&both.paths[1]).unwrap();
    fs::write(&both.paths[1], content).unwrap();
    both
}

fn inode(path: &Path) -> u64 {
    path.metadata().unwrap().ino()
}

/// Puts something into the repository that nobody needs.
fn put(world: &World, path: &str) -> PathBuf {
    let path = world.sample().repository().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "nobody needs it").unwrap();
    path
}

#[test]
fn second_copies_of_gold_become_links_and_keep_their_content() {
    let world = World::new();
    let before = needed_files(&world);
    let both = second_copy(&world);
    let told = tidy(&world, &["--hard-links", "--dry-run"]);
    assert_ne!(inode(&both.paths[0]), inode(&both.paths[1]));
    let done = tidy(&world, &["--hard-links"]);
    assert_eq!(done["hard_links"], told["hard_links"]);
    let paths = done["hard_links"]["paths"].as_array().unwrap();
    let is_it = |path: &Value| path.as_str().unwrap().contains(&both.name.to_string());
    assert!(paths.iter().any(is_it), "{done}");
    assert_eq!(inode(&both.paths[0]), inode(&both.paths[1]));
    for (path, state) in needed_files(&world) {
        assert_eq!(state.sha1, before[&path].sha1);
    }
    assert_eq!(tidy(&world, &["--hard-links"])["hard_links"]["blobs"], 0);
}

#[test]
fn nothing_is_put_in_the_place_of_a_copy_when_gold_is_damaged() {
    let world = World::new();
    let both = second_copy(&world);
    let good = fs::read(&both.paths[1]).unwrap();
    let mut bad = good.clone();
    bad[0] ^= 1;
    fs::write(&both.paths[0], bad).unwrap();
    let called = world.call(&["prune", "--yes", "--hard-links"]).expect(3);
    assert!(called.stdout.contains("NOT done"), "{}", called.stdout);
    assert_eq!(fs::read(&both.paths[1]).unwrap(), good);
}

#[test]
fn orphans_are_moved_aside_with_their_paths_and_can_be_moved_back() {
    let world = World::new();
    let before = snapshot_tree(world.sample().repository()).unwrap();
    let needed = needed_files(&world);
    let told = tidy(&world, &["--orphans", "--dry-run"]);
    assert_eq!(told["orphans"]["blobs"], ORPHANS);
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), before);
    let done = tidy(&world, &["--orphans=quarantine"]);
    assert_eq!(done["orphans"], told["orphans"]);
    assert_eq!(needed_files(&world), needed);
    world.call(&["check", "--deep"]).expect(0);
    let quarantine = PathBuf::from(done["quarantine"].as_str().unwrap());
    let date = quarantine.file_name().unwrap().to_str().unwrap();
    assert!(date.starts_with("20") && date.len() == 10, "{date}");
    for path in done["orphans"]["paths"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        let (here, there) = (
            quarantine.join(path),
            world.sample().repository().join(path),
        );
        assert!(!there.exists());
        let content = fs::read(&here).unwrap();
        let name = here.file_name().unwrap().to_str().unwrap();
        assert_eq!(digest(&content).to_string(), name);
        fs::rename(here, there).unwrap();
    }
    expect(&world, &["--deep"], &[]);
}

#[test]
fn what_dead_agents_and_writers_left_goes_and_what_is_young_or_in_use_stays() {
    let world = World::with(Options::one_host());
    let blob = "da39a3ee5e6b4b0d3255bfef95601890afd80709.d41d8cd98f00b204e9800998ecf8427e.0";
    let half = put(&world, &format!("localhost/files/da/39/a3/{blob}.I"));
    let ours = put(
        &world,
        &format!("localhost/gold/da/39/a3/{blob}.0123456789abcdef.I"),
    );
    let other = put(&world, "localhost/files/da/39/a3/notes.I");
    let left = put(&world, "localhost/ununpack/4711/kernel/main.c");
    let mut client = world.sample().connect().unwrap();
    let arriving: i32 = client
        .query_one("SELECT job_upload_fk FROM job JOIN jobqueue ON jq_job_fk = job_pk WHERE jq_type = 'ununpack' AND jq_endtime IS NULL LIMIT 1", &[])
        .unwrap()
        .get(0);
    let used = put(&world, &format!("localhost/ununpack/{arriving}/main.c"));
    // As long as something is fetched nobody knows whose this is.
    let unknown = put(&world, "localhost/wget/wget.4711.dir/file");
    let empty = world.sample().repository().join("localhost/files/aa/bb/cc");
    fs::create_dir_all(&empty).unwrap();
    let all = ["--leftovers", "--debris", "--empty-folders"];

    let young = [&["--json", "prune", "--yes"], &all[..]].concat();
    let young = world.call(&young).expect(0).json();
    assert_eq!(young["tidy"]["debris"]["blobs"], 0);
    assert_eq!(young["tidy"]["leftovers"]["blobs"], 0);
    let told = tidy(&world, &[&all[..], &["--dry-run"]].concat());
    assert!([&half, &ours, &left].iter().all(|path| path.exists()) && empty.exists());
    let done = tidy(&world, &all);
    for kind in ["leftovers", "debris", "empty_folders"] {
        assert_eq!(done[kind], told[kind], "{kind}");
    }
    assert_eq!(done["debris"]["blobs"], 2);
    assert_eq!(
        done["leftovers"]["paths"],
        serde_json::json!(["localhost/ununpack/4711"])
    );
    assert!(![&half, &ours, &left].iter().any(|path| path.exists()));
    assert!(!empty.exists() && [&other, &used, &unknown].iter().all(|path| path.exists()));
    assert!(world.sample().repository().join("localhost/files").exists());
    assert!(done["orphans"].is_null(), "it was not asked for");
}

#[test]
fn tidying_asks_and_keeps_away_from_others() {
    let world = World::new();
    world.call(&["prune", "--orphans"]).expect(2).says("--yes");
    world
        .call(&["prune", "--older-than", "soon", "--orphans"])
        .expect(2)
        .says("90 days");
    world
        .call(&["queue", "prune", "--orphans", "--yes"])
        .expect(2)
        .says("scheduler");
    use fossology_backup::fossology::own::{self, Files};
    let mut client = world.sample().connect().unwrap();
    own::ensure_schema(&mut client).unwrap();
    own::hold_files(&mut client, Files::Shared).unwrap();
    world.call(&["prune", "--orphans", "--yes"]).expect(11);
}
