// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A pruning whose proving several hosts divide removes what one removes that does it alone, and nothing
//! before all of them have ended well.

use crate::support::checked::own_blobs;
use crate::support::hosts::{parts_left, rows, world};
use crate::support::pruned::{droppable, names, pruned, there};
use crate::support::queue::{
    clear, end_deletion, end_entry, queue_deletion, run_queued, start_next,
};
use crate::support::recovered::needed_files;
use crate::support::scheduler::until_stopped;
use crate::support::trouble::wait_for;
use crate::support::world::World;
use fossology_backup::blob::Tree;
use fossology_backup::demo::sample::{Options, StoredBlob};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// Queues a pruning by the preset `gold-only`; gives its request.
fn queue(world: &World, more: &[&str]) -> i32 {
    let arguments = ["--json", "queue", "prune", "--policy", "gold-only"];
    let queued = world.call(&[&arguments, more].concat()).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// The counts of a request; how much is free depends on others.
fn counts(world: &World, request: i32) -> Value {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT counts - 'free_before' - 'free_after' FROM backup_request WHERE id = $1";
    client.query_one(query, &[&request]).unwrap().get(0)
}

/// Which uploaded files were rehearsed, and when.
fn proofs(world: &World) -> Vec<(i32, String)> {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT gold, proven::text FROM backup_proof ORDER BY gold";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Runs the next entry, which has to be for this host.
#[track_caller]
fn run_one(world: &World, host: &str, code: i32) {
    let (agent, entry) = start_next(world).unwrap();
    assert_eq!(entry.host.as_deref(), Some(host));
    end_entry(world, &entry, &agent.serve().expect(code));
}

/// Everything that was pruned comes back.
#[track_caller]
fn assert_comes_back(world: &World) {
    let uploads: Vec<String> = world
        .sample()
        .uploads()
        .iter()
        .map(i32::to_string)
        .collect();
    let uploads: Vec<&str> = uploads.iter().map(String::as_str).collect();
    world
        .call(&[&["prune", "--undo"], &uploads[..]].concat())
        .expect(0);
    assert_eq!(pruned(world), BTreeSet::new());
    let blobs = world.sample().needed_blobs();
    let places: usize = blobs.iter().map(|blob| blob.paths.len()).sum();
    assert_eq!(there(&blobs).len(), places);
}

/// The file of an upload itself.
fn gold_of(world: &World, upload: i32) -> StoredBlob {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT pfile_sha1::text FROM upload JOIN pfile ON pfile_pk = pfile_fk
                  WHERE upload_pk = $1";
    let sha1: String = client.query_one(query, &[&upload]).unwrap().get(0);
    let mut blobs = world.sample().needed_blobs().into_iter();
    let gold = |blob: &StoredBlob| {
        blob.trees.contains(Tree::Gold) && blob.name.sha1_column() == sha1.to_uppercase()
    };
    blobs.find(gold).unwrap()
}

#[test]
fn only_proving_is_divided() {
    let world = world();
    for (more, hosts) in [
        (&["--yes"][..], &["alpha", "beta", "alpha"][..]),
        (&["--dry-run", "--prove"], &["alpha", "beta", "alpha"]),
        (&["--dry-run"], &["-"]),
        (&["--yes", "--host", "beta"], &["beta"]),
        (&["--yes", "--upload", "1"], &["-"]),
    ] {
        let mut client = world.sample().connect().unwrap();
        client
            .batch_execute("DELETE FROM jobdepends; DELETE FROM jobqueue")
            .unwrap();
        queue(&world, more);
        let queued = rows(&world);
        let queued: Vec<&str> = queued.iter().map(|(host, ..)| host.as_str()).collect();
        assert_eq!(queued, hosts, "{more:?}");
    }
}

#[test]
fn all_hosts_together_prove_and_one_removes_what_one_does_alone() {
    let alone = world();
    clear(&alone);
    let request = queue(&alone, &["--yes", "--host", "alpha"]);
    for (_, ended) in run_queued(&alone) {
        ended.expect(0);
    }
    let (by_one, one_told) = (counts(&alone, request), alone.request(request));
    assert!(by_one["removed"]["blobs"].as_u64() > Some(100), "{by_one}");

    let world = world();
    clear(&world);
    let before = needed_files(&world);
    let request = queue(&world, &["--yes"]);
    run_one(&world, "alpha", 0);
    let half = proofs(&world).len();
    run_one(&world, "beta", 0);
    let all = proofs(&world);
    assert!(0 < half && half < all.len(), "{half} of {}", all.len());
    // Nothing is removed, and nothing known as pruned, until all is proven.
    assert_eq!(needed_files(&world), before);
    assert_eq!(pruned(&world), BTreeSet::new());
    run_one(&world, "alpha", 0);
    assert_eq!(
        proofs(&world),
        all,
        "the last one had nothing left to prove"
    );
    assert_eq!(counts(&world, request), by_one);
    assert_eq!(world.request(request).0, one_told.0);
    assert_eq!(pruned(&world), pruned(&alone));
    let (left, left_alone) = (needed_files(&world), needed_files(&alone));
    assert_eq!(
        left.keys().collect::<Vec<_>>(),
        left_alone.keys().collect::<Vec<_>>()
    );
    assert_eq!(parts_left(&world), 0);
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT string_agg(verb || ':' || state, ' ' ORDER BY id) FROM backup_run
                  WHERE request = $1 AND verb LIKE 'prune%'";
    let runs: String = client.query_one(query, &[&request]).unwrap().get(0);
    assert_eq!(runs, "prune part:done prune part:done prune:done");
    assert_comes_back(&world);
    assert_eq!(needed_files(&world), before);
}

#[test]
fn what_proved_it_may_be_gone_or_damaged_when_it_is_removed() {
    let mut world = world();
    clear(&world);
    queue(&world, &["--yes"]);
    run_one(&world, "alpha", 0);
    run_one(&world, "beta", 0);
    // A deletion that ran between the entries, and a disk that fails.
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    world.sample_mut().delete_upload(kernel, 0).unwrap();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let gold = gold_of(&world, tool);
    let good: Vec<(PathBuf, Vec<u8>)> = gold
        .paths
        .iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    for (path, content) in &good {
        let mut bad = content.clone();
        bad[10] ^= 1;
        fs::write(path, bad).unwrap();
    }
    let mut own = own_blobs(&world, tool);
    own.retain(|blob| blob.trees.iter().all(|tree| tree == Tree::Files));
    assert!(!own.is_empty());
    run_one(&world, "alpha", 0);
    let places: usize = own.iter().map(|blob| blob.paths.len()).sum();
    assert_eq!(there(&own).len(), places, "it stays with its damaged gold");
    assert!(names(&own).is_disjoint(&pruned(&world)));
    assert!(!pruned(&world).is_empty());
    for (path, content) in &good {
        fs::write(path, content).unwrap();
    }
    assert_comes_back(&world);
}

#[test]
fn where_one_host_fails_nothing_is_removed() {
    let world = world();
    clear(&world);
    let before = needed_files(&world);
    let (beta, away) = (world.sample().repository().join("beta"), world.path("away"));
    let request = queue(&world, &["--yes"]);
    run_one(&world, "alpha", 0);
    fs::rename(&beta, &away).unwrap();
    run_one(&world, "beta", 1);
    assert!(start_next(&world).is_none());
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.starts_with("prune on beta: the storage of repository host 'beta' is not there"),
        "{message}"
    );
    fs::rename(&away, &beta).unwrap();
    assert_eq!(needed_files(&world), before);
    assert_eq!(pruned(&world), BTreeSet::new());

    // What was proven is not proven again.
    let proven = proofs(&world);
    queue(&world, &["--yes"]);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let all = proofs(&world);
    assert!(proven.iter().all(|proof| all.contains(proof)));
    assert_eq!(there(&droppable(&world)), [""; 0].map(PathBuf::from));
}

/// Two hosts, uploads whose unpacking takes a while, and agents that look often.
fn slow_world() -> World {
    let world = World::with(Options {
        extra_files: 1500,
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    world.write_settings("threads = 1\n[give_way]\nseconds = 0.002");
    clear(&world);
    world
}

#[test]
fn a_share_gives_way_between_two_uploads_and_goes_on() {
    let world = slow_world();
    let before = needed_files(&world);
    for attempt in 1.. {
        let request = queue(&world, &["--yes"]);
        let (mut alpha, entry) = start_next(&world).unwrap();
        alpha.give_job();
        wait_for("something to be proven", || {
            (!proofs(&world).is_empty()).then_some(())
        });
        alpha.signal(Signal::SIGSTOP);
        until_stopped(alpha.pid());
        let deletion = queue_deletion(&world);
        alpha.signal(Signal::SIGCONT);
        let ended = alpha.serve().expect(0);
        end_entry(&world, &entry, &ended);
        end_deletion(&world, deletion, true);
        for (_, ended) in run_queued(&world) {
            ended.expect(0);
        }
        assert_eq!(world.request(request).0, "done");
        assert!(!pruned(&world).is_empty());
        assert_comes_back(&world);
        assert_eq!(needed_files(&world), before);
        if ended.log.iter().any(|line| line.contains("gave way")) {
            return;
        }
        println!("attempt {attempt}: the share had ended before it looked");
        assert!(attempt < 8);
        let mut client = world.sample().connect().unwrap();
        client.execute("DELETE FROM backup_proof", &[]).unwrap();
    }
}

#[test]
fn a_share_that_is_killed_in_the_middle_has_proven_what_it_had_and_removed_nothing() {
    let world = slow_world();
    let before = needed_files(&world);
    let request = queue(&world, &["--yes"]);
    let (mut alpha, entry) = start_next(&world).unwrap();
    alpha.give_job();
    wait_for("something to be proven", || {
        (!proofs(&world).is_empty()).then_some(())
    });
    alpha.signal(Signal::SIGKILL);
    end_entry(&world, &entry, &alpha.wait());
    let proven = proofs(&world);
    run_one(&world, "beta", 0);
    assert!(start_next(&world).is_none());
    world.call(&["check"]);
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert_eq!(message, "prune on alpha: ended without a word");
    assert_eq!(needed_files(&world), before);
    assert_eq!(pruned(&world), BTreeSet::new());
    queue(&world, &["--yes"]);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let all = proofs(&world);
    assert!(proven.iter().all(|proof| all.contains(proof)));
    assert!(!pruned(&world).is_empty());
    assert_comes_back(&world);
    assert_eq!(needed_files(&world), before);
}
