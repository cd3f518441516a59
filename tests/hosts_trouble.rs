// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What goes wrong while several hosts make a backup together: storage that is not there, hosts that
//! disagree, parts that die, and others who want to do the same.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use fossology_backup::demo::sample::Options;
use nix::sys::signal::Signal;
use std::fs;
use support::hosts::{assert_restorable, packs, parts_left, queue, rows, snapshots, world};
use support::queue::{Entry, end_entry, run_queued, start_next};
use support::scheduler::Job;
use support::trouble::{ending, files, hold, until_held, wait_for};
use support::world::World;

#[test]
fn hosts_that_disagree_fail_the_run() {
    let world = world();
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    // As if the other host's file had been forgotten when the ranges were changed.
    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("* 80 ff", "* 70 ff")).unwrap();
    let (pack, entry) = start_next(&world).unwrap();
    let ended = pack.serve().expect(1);
    ended.says("another depth or [REPOSITORY]");
    end_entry(&world, &entry, &ended);
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(message.starts_with("pack on alpha: "), "{message}");
    fs::write(&conf, text).unwrap();

    // Neither does another vault do.
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    assert_eq!(
        entry.host.as_deref(),
        Some("beta"),
        "the part that was left"
    );
    end_entry(&world, &entry, &list.serve().expect(0));
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    fs::rename(world.vault(), world.path("old")).unwrap();
    world.call(&["init"]).expect(0);
    let (pack, entry) = start_next(&world).unwrap();
    let ended = pack.serve().expect(1);
    ended.says("is another vault than that of");
    end_entry(&world, &entry, &ended);
    assert_eq!(world.request(request).0, "failed");
}

#[test]
fn a_host_whose_storage_is_not_there_fails_the_run_by_name() {
    let world = world();
    let (beta, away) = (world.sample().repository().join("beta"), world.path("away"));
    let request = queue(&world);
    fs::rename(&beta, &away).unwrap();
    let ended = run_queued(&world);
    let codes: Vec<_> = ended.iter().map(|(_, ended)| ended.code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 1], "the last row has failed with beta's");
    ended[2]
        .1
        .says("the storage of repository host 'beta' is not there");
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.starts_with("pack on beta: the storage"),
        "{message}"
    );
    assert!(snapshots(&world).is_empty());

    // Mounted again, a new run reads nothing of alpha.
    fs::rename(&away, &beta).unwrap();
    let made = packs(&world);
    assert!(made > 0);
    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    let all = world.sample().needed_blobs().len() as u64;
    let new = snapshots(&world)[0]["counts"]["new"].as_u64().unwrap();
    assert!(0 < new && new < all, "{new} of {all}");
    assert_eq!(parts_left(&world), 0);
    assert_restorable(&world);
}

#[test]
fn a_part_that_is_killed_fails_the_run_and_its_packs_are_taken_over() {
    let world = World::with(Options {
        extra_files: 400,
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    // Both parts at once, one killed when it begins to ask for names.
    let (alpha, alphas) = start_next(&world).unwrap();
    end_entry(&world, &alphas, &alpha.serve().expect(0));
    let held = hold(&world, "pfile");
    let (mut beta, betas) = start_next(&world).unwrap();
    assert_eq!(betas.host.as_deref(), Some("beta"));
    beta.give_job();
    until_held(&world, "fo_backup backup names");
    beta.signal(Signal::SIGKILL);
    let ended = beta.wait();
    assert_eq!(ended.exit, 137);
    drop(held);

    // A scheduler that was started anew does the part again, with the same plan.
    let mut client = world.sample().connect().unwrap();
    let word: String = client
        .query_one(
            "SELECT jq_cmd_args FROM jobqueue WHERE jq_pk = $1",
            &[&betas.entry],
        )
        .unwrap()
        .get(0);
    // Else the row is failed, the rest with it; the next run finds alpha's packs.
    end_entry(&world, &betas, &ended);
    assert!(start_next(&world).is_none());
    let second = queue(&world);
    let ended = run_queued(&world);
    assert!(
        ended.iter().all(|(_, ended)| ended.code == Some(0)),
        "{ended:#?}"
    );
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(message.contains("ended without a word"), "{message}");
    assert_eq!(world.request(second).0, "done");
    let all = world.sample().needed_blobs().len() as u64;
    assert!(snapshots(&world)[0]["counts"]["new"].as_u64() < Some(all));
    assert_restorable(&world);

    // The old part has nothing to do any more.
    let job = Job {
        id: 57,
        arguments: &word,
        ..Default::default()
    };
    world
        .run_job(job)
        .expect(1)
        .says("another backup has taken over");
    assert_eq!(world.request(second).0, "done");
}

#[test]
fn two_parts_work_at_once_and_nobody_else() {
    let world = world();
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    let held = hold(&world, "pfile");
    let mut running = Vec::new();
    for _ in 0..2 {
        let (mut agent, entry) = start_next(&world).unwrap();
        agent.give_job();
        running.push((agent, entry));
    }
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    wait_for("both parts to wait for the lock", || {
        let waiting: i64 = admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity
                  WHERE application_name LIKE 'fo_backup backup names,%' AND wait_event_type = 'Lock'",
                &[],
            )
            .unwrap()
            .get(0);
        (waiting == 2).then_some(())
    });
    assert_eq!(files(&world.vault().join("locks")).len(), 2);
    world.call(&["backup"]).expect(11).says("fo_backup backup");
    world.call(&["backup", "--repo-host", "alpha"]).expect(11);
    drop(held);
    for (agent, entry) in running {
        end_entry(&world, &entry, &agent.serve().expect(0));
    }
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    let all = world.sample().needed_blobs().len();
    assert_eq!(snapshots(&world)[0]["counts"]["new"], all);
    assert_restorable(&world);
}

#[test]
fn of_two_in_the_queue_the_first_is_made_and_the_second_is_told() {
    let world = world();
    let (first, second) = (queue(&world), queue(&world));
    // The scheduler starts what waits for nothing: both lists, one after the other.
    let ended: Vec<_> = run_queued_in(&world, &[0, 4, 1, 2, 3]);
    assert_eq!(ended, [0, 11, 0, 0, 0]);
    assert_eq!(world.request(first).0, "done");
    let (state, message) = world.request(second);
    assert_eq!(state, "failed");
    assert!(
        message.contains(&format!("request {first} is half done")),
        "{message}"
    );
    assert_eq!(snapshots(&world).len(), 1);

    // Somebody who does not wait for the queue takes over between two stages.
    let third = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    world.backup("full");
    let (state, message) = world.request(third);
    assert_eq!(state, "failed");
    assert!(message.contains("taken over"), "{message}");
    let (pack, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &pack.serve().expect(1));
    assert_eq!(snapshots(&world).len(), 2);
    world.backup("full");
}

/// Runs our entries in an order of the test's own; gives their codes.
fn run_queued_in(world: &World, order: &[usize]) -> Vec<i32> {
    let words: Vec<String> = rows(world).into_iter().map(|(_, word, _)| word).collect();
    order
        .iter()
        .map(|at| {
            let mut client = world.sample().connect().unwrap();
            let row = client
                .query_one(
                    "UPDATE jobqueue SET jq_starttime = now() WHERE jq_cmd_args = $1
                     RETURNING jq_pk, jq_job_fk",
                    &[&words[*at]],
                )
                .unwrap();
            let ended = world.run_job(Job {
                id: row.get(1),
                arguments: &words[*at],
                ..Default::default()
            });
            let entry = Entry {
                entry: row.get(0),
                host: None,
            };
            end_entry(world, &entry, &ended);
            ended.code.unwrap()
        })
        .collect()
}

#[test]
fn a_pack_that_goes_away_between_the_parts_and_the_end_is_noticed() {
    let world = world();
    let request = queue(&world);
    for _ in 0..3 {
        let (part, entry) = start_next(&world).unwrap();
        end_entry(&world, &entry, &part.serve().expect(0));
    }
    // As a clean-up of the vault does it, for which no snapshot names the pack.
    let pack = ending(&world.vault().join("packs"), ".tar.zst").remove(0);
    fs::remove_file(&pack).unwrap();
    let (commit, entry) = start_next(&world).unwrap();
    let ended = commit.serve().expect(1);
    ended.says("is not in the vault any more");
    end_entry(&world, &entry, &ended);
    assert_eq!(world.request(request).0, "failed");
    assert!(snapshots(&world).is_empty());
    queue(&world);
    assert!(run_queued(&world).iter().all(|(_, ended)| ended.completed));
    assert_restorable(&world);
}

#[test]
fn a_row_that_is_started_anew_when_all_is_done_ends_as_the_whole() {
    let world = world();
    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT jq_job_fk FROM jobqueue WHERE jq_cmd_args = $1";
    for (_, word, _) in rows(&world) {
        let row = client.query_one(query, &[&word]).unwrap();
        let job = Job {
            id: row.get(0),
            arguments: &word,
            ..Default::default()
        };
        world.run_job(job).expect(0).says("done before (done)");
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(snapshots(&world).len(), 1);
}

#[test]
fn whose_job_was_ended_in_fossology_is_no_running_request() {
    let world = world();
    let (first, second) = (queue(&world), queue(&world));
    for _ in 0..3 {
        let (part, entry) = start_next(&world).unwrap();
        end_entry(&world, &entry, &part.serve().expect(0));
        world.call(&["check"]);
        assert_eq!(world.request(first).0, "running");
    }
    assert_eq!(world.request(second).0, "queued");
    // As its list of jobs does it: what has not ended has failed.
    let mut client = world.sample().connect().unwrap();
    let end = "UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 2, jq_endtext = 'Killed'
                WHERE jq_type = 'backup' AND jq_endtime IS NULL";
    client.execute(end, &[]).unwrap();
    world.call(&["check"]);
    for request in [first, second] {
        let (state, message) = world.request(request);
        assert_eq!(state, "failed");
        assert!(message.contains("its job was ended"), "{message}");
    }
    world.backup("full");
}
