// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pruning: what a policy drops goes, if it is proven to come back, and nothing else; a check
//! calls it pruned, and recovery brings it back byte for byte.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree};
use fossology_backup::demo::sample::Options;
use fossology_backup::demo::{dump_rows, snapshot_tree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use support::checked::expect;
use support::pruned::{droppable, held, names, of_upload, prune, pruned, settings, there};
use support::recovered::{needed_files, notes};
use support::world::World;

/// Everything that is not ours in the database.
fn rows(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut rows = dump_rows(&mut world.sample().connect().unwrap()).unwrap();
    rows.retain(|table, _| !table.starts_with("backup_"));
    rows
}

fn all_goes_and_comes_back(options: Options) {
    let world = World::with(options);
    let (before, rows_before) = (needed_files(&world), rows(&world));
    let droppable = droppable(&world);
    assert!(droppable.len() > 300, "{}", droppable.len());

    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(report["removed"]["blobs"], droppable.len(), "{report:#}");
    assert_eq!(there(&droppable), Vec::<PathBuf>::new());
    assert!(pruned(&world) == names(&droppable));
    let left = needed_files(&world);
    assert_eq!(left.len(), before.len() - droppable.len());
    for (path, state) in &left {
        assert_eq!(state, &before[path], "{}", path.display());
    }
    assert_eq!(rows(&world), rows_before, "only our own tables differ");
    // Pruned is not missing.
    let found = expect(&world, &["--deep"], &[("pruned", droppable.len() as u64)]);
    assert_eq!(found["uploads"], serde_json::json!([]));

    // There is nothing left to do, and nothing is rehearsed again for it.
    let again = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(again["drop"]["blobs"], 0);
    assert_eq!(again["pruned_before"]["blobs"], droppable.len());

    let back = world.call(&["--json", "recover", "--missing", "--from", "gold"]);
    let back = back.expect(0).json();
    assert_eq!(back["unpacked"]["blobs"], droppable.len());
    assert_eq!(needed_files(&world), before);
    assert_eq!(pruned(&world), BTreeSet::new());
    expect(&world, &["--deep"], &[]);
    assert_eq!(rows(&world), rows_before);
}

#[test]
fn all_that_gold_gives_back_goes_and_comes_back() {
    all_goes_and_comes_back(Options::default());
}

#[test]
fn so_it_is_on_one_host() {
    all_goes_and_comes_back(Options::one_host());
}

#[test]
fn a_dry_run_tells_what_a_run_does_and_changes_nothing() {
    let world = World::new();
    world
        .call(&["prune", "--policy", "gold-only", "--dry-run"])
        .expect(0);
    let files = snapshot_tree(world.sample().repository()).unwrap();
    let before = rows(&world);
    let look = ["--json", "prune", "--policy", "gold-only", "--dry-run"];
    let told = world.call(&look).expect(0).json();
    assert_eq!(told["proven"]["blobs"], 0, "nothing was rehearsed");
    let proven = world
        .call(&[&look[..], &["--prove"]].concat())
        .expect(0)
        .json();
    assert_eq!(proven["proven"], proven["drop"]);
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), files);
    assert_eq!(rows(&world), before);
    assert_eq!(pruned(&world), BTreeSet::new());

    let text = world.call(&look[1..]).expect(0).stdout;
    for part in [
        "default",
        "beta-tool-2.3.zip",
        "from gold",
        "100.0 %",
        "stays whole",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let done = prune(&world, &["--policy", "gold-only"], 0);
    for number in ["files", "drop", "not_reproducible"] {
        assert_eq!(told[number], done[number], "{number}");
    }
    assert_eq!(done["removed"], told["drop"]);
    // Largest first.
    let sizes: Vec<u64> = told["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["drop"]["bytes"].as_u64().unwrap())
        .collect();
    assert!(
        sizes.is_sorted_by(|a, b| a >= b) && sizes[0] > 0,
        "{sizes:?}"
    );
}

#[test]
fn only_the_named_upload_loses_what_no_other_one_needs() {
    let world = World::new();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let others: BTreeSet<PfileName> = world
        .sample()
        .uploads()
        .into_iter()
        .filter(|upload| *upload != tool)
        .flat_map(|upload| world.sample().blobs_of(upload))
        .map(|blob| blob.name)
        .collect();
    let mut own = droppable(&world);
    let of_tool = names(&world.sample().blobs_of(tool));
    own.retain(|blob| of_tool.contains(&blob.name) && !others.contains(&blob.name));
    assert!(!own.is_empty());
    let number = tool.to_string();
    let report = prune(&world, &["--policy", "gold-only", "--upload", &number], 0);
    assert!(pruned(&world) == names(&own));
    assert_eq!(there(&own), Vec::<PathBuf>::new());
    assert_eq!(report["removed"]["blobs"], own.len());
    let other = report["uploads"].as_array().unwrap().iter();
    let mut other = other.filter(|one| one["upload"] != tool);
    assert!(other.all(|one| one["held"].is_string()));

    let called = world.call(&[
        "prune",
        "--policy",
        "gold-only",
        "--upload",
        "9999",
        "--yes",
    ]);
    called.expect(2).says("no upload 9999");
    // It comes back by its number.
    world.call(&["prune", "--undo", &number]).expect(0);
    assert_eq!(pruned(&world), BTreeSet::new());
    assert_eq!(
        there(&own).len(),
        own.iter().map(|blob| blob.paths.len()).sum::<usize>()
    );
}

#[test]
fn a_file_stays_that_one_place_keeps() {
    let world = World::new();
    settings(
        &world,
        r#"
[prune]
default = "drop"
[[prune.rule]]
title = "sources"
action = "keep"
name = ["*.c", "*.h"]
[[prune.rule]]
title = "readmes"
action = "keep"
path = ["*/**/README*"]
"#,
    );
    let mut client = world.sample().connect().unwrap();
    let kept = client
        .query(
            "SELECT DISTINCT p.pfile_sha1::text, p.pfile_md5::text, p.pfile_size
               FROM uploadtree t JOIN pfile p ON p.pfile_pk = t.pfile_fk
              WHERE t.ufile_name ~* '\\.[ch]$' OR t.ufile_name ~* '(^|/)readme'",
            &[],
        )
        .unwrap();
    let kept: BTreeSet<PfileName> = kept
        .iter()
        .map(|row| {
            let (sha1, md5): (String, String) = (row.get(0), row.get(1));
            PfileName::from_database(sha1.as_bytes(), md5.as_bytes(), row.get(2)).unwrap()
        })
        .collect();
    let mut expected = droppable(&world);
    expected.retain(|blob| !kept.contains(&blob.name));
    assert!(!expected.is_empty() && kept.len() > 100);
    let report = prune(&world, &[], 0);
    assert!(pruned(&world) == names(&expected));
    let titles: Vec<&str> = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["rule"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["sources", "readmes", "default"]);
    assert_eq!(report["rules"][2]["drop"], report["drop"]);
}

#[test]
fn mistakes_in_a_policy_end_before_anything_is_looked_at() {
    let world = World::new();
    for (text, says) in [
        (
            "[prune]\n[[prune.rule]]\naction = \"drop\"\nsize = 3\n",
            "line 4",
        ),
        ("[prune]\nproof = \"luck\"\n", "luck"),
        ("[prune]\npolicy = \"mine\"\n", "no policy 'mine'"),
        ("", "no policy is chosen"),
    ] {
        settings(&world, text);
        world.call(&["prune", "--yes"]).expect(2).says(says);
    }
    settings(&world, "");
    let called = world.call(&["prune", "--yes", "--policy", "everything"]);
    called.expect(2).says("gold-only");
    // Nobody is there to say yes.
    let called = world.call(&["prune", "--policy", "gold-only"]);
    called.expect(2).says("--yes");
    assert_eq!(there(&droppable(&world)).len(), droppable(&world).len());
}

/// What comes of it when the file of an upload is spoilt.
fn with_bad_gold(name: &str, held: &str, spoil: impl Fn(&Path)) {
    let world = World::new();
    let upload = world.sample().upload_named(name).unwrap();
    let mut blobs = world.sample().blobs_of(upload);
    let gold = blobs.iter().find(|blob| blob.trees.contains(Tree::Gold));
    spoil(&gold.unwrap().paths[0]);
    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(of_upload(&report, upload)["held"], held);
    blobs.retain(|blob| !blob.trees.contains(Tree::Gold));
    assert_eq!(there(&blobs).len(), blobs.len());
    assert!(report["removed"]["blobs"].as_u64().unwrap() > 0);
}

#[test]
fn what_lies_in_missing_gold_stays() {
    with_bad_gold("beta-tool-2.3.zip", "gold_missing", |path| {
        fs::remove_file(path).unwrap();
    });
}

#[test]
fn what_lies_in_damaged_gold_stays() {
    with_bad_gold("alpha-lib-1.0.tar.gz", "gold_damaged", |path| {
        let mut content = fs::read(path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    });
}

#[test]
fn an_upload_with_a_job_stays_whole() {
    let world = World::new();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "WITH made AS (INSERT INTO job (job_user_fk, job_queued, job_name, job_upload_fk)
                 VALUES (3, now(), 'scan', $1) RETURNING job_pk)
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits)
             SELECT job_pk, 'nomos', 0 FROM made",
            &[&tool],
        )
        .unwrap();
    assert!(held(&world).contains(&tool));
    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(of_upload(&report, tool)["held"], "busy");
    assert!(pruned(&world) == names(&droppable(&world)));
}

#[test]
fn what_nobody_can_make_again_is_never_pruned() {
    let world = World::new();
    prune(&world, &["--policy", "gold-only"], 0);
    let notes = notes(&world);
    assert!(pruned(&world).is_disjoint(&notes));
    let mut blobs = world.sample().needed_blobs();
    blobs.retain(|blob| notes.contains(&blob.name));
    assert_eq!(there(&blobs).len(), blobs.len());
}

#[test]
fn the_newest_uploads_stay_and_a_goal_takes_old_ones_first() {
    let world = World::new();
    settings(&world, "[prune]\nkeep_newest = 1000\n");
    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(report["drop"]["blobs"], 0);

    settings(&world, "[prune]\nuntil_free = \"1 B\"\n");
    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(report["drop"]["blobs"], 0, "so much is free already");
    settings(&world, "[prune]\nuntil_free = \"1000000 TB\"\n");
    let all = droppable(&world);
    let report = prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(report["removed"]["blobs"], all.len(), "all there is");
}

#[test]
fn folders_that_become_empty_go_when_that_is_wanted() {
    let world = World::with(Options::one_host());
    let folders = || {
        let tree = snapshot_tree(world.sample().repository()).unwrap();
        let state = tree.values();
        state.filter(|state| state.sha1.is_empty()).count()
    };
    let before = folders();
    prune(&world, &["--policy", "gold-only"], 0);
    assert_eq!(folders(), before);
    world.call(&["recover", "--missing"]).expect(0);
    settings(&world, "[prune]\nempty_folders = true\n");
    prune(&world, &["--policy", "gold-only"], 0);
    assert!(folders() < before, "{}", folders());
    world.call(&["recover", "--missing"]).expect(0);
    expect(&world, &["--deep"], &[]);
}

#[test]
fn disk_use_tells_what_an_upload_costs() {
    let world = World::new();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let usage = world.call(&["--json", "du"]).expect(0).json();
    let all: u64 = droppable(&world).iter().map(|blob| blob.name.size()).sum();
    assert_eq!(usage["drop"]["bytes"], all);
    assert_eq!(usage["policy"], "gold-only");
    let of_tool = of_upload(&usage, tool).clone();
    let mut golds = world.sample().needed_blobs();
    golds.retain(|blob| blob.trees.contains(Tree::Gold));
    let golds = names(&golds);
    let of_it = names(&world.sample().blobs_of(tool));
    let unpacked: u64 = of_it.difference(&golds).map(PfileName::size).sum();
    assert_eq!(of_tool["files"]["bytes"], unpacked);
    prune(&world, &["--policy", "gold-only"], 0);
    let number = tool.to_string();
    let usage = world
        .call(&["--json", "du", "--upload", &number])
        .expect(0)
        .json();
    assert_eq!(usage["uploads"].as_array().unwrap().len(), 1);
    let after = of_upload(&usage, tool);
    assert_eq!(after["files"], of_tool["files"]);
    assert_eq!(after["pruned"], of_tool["drop"]);
    assert_eq!(after["drop"]["blobs"], 0);
    let text = world.call(&["du"]).expect(0).stdout;
    assert!(text.contains("beta-tool-2.3.zip"), "{text}");
    world
        .call(&["du", "--upload", "9999"])
        .expect(2)
        .says("no upload 9999");
}

#[test]
fn a_rehearsal_over_files_that_are_there_tells_what_gold_gives() {
    let world = World::new();
    let before = snapshot_tree(world.sample().repository()).unwrap();
    let told = world.call(&[
        "--json",
        "recover",
        "--missing",
        "--as-if-gone",
        "--from",
        "gold",
    ]);
    let told = told.expect(3).json();
    assert_eq!(told["dry_run"], true);
    assert_eq!(told["wanted"], "as_if_gone");
    assert_eq!(told["lost"]["blobs"], notes(&world).len());
    assert_eq!(snapshot_tree(world.sample().repository()).unwrap(), before);
}
