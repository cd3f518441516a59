// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup that several hosts make together, one part for each repository host. The sample has
//! two, `alpha` and `beta`, each with an agent host of its name; here both are this machine.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

use fossology_backup::blob::HostName;
use fossology_backup::blob::digest;
use fossology_backup::demo::sample::{HostRange, NewUpload, Options};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use support::scheduler::{Queue, end_entry, run_queued, start_next};
use support::trouble::{ending, files, hold, until_held};
use support::world::World;

/// An instance that knows the agent, and its vault.
fn world() -> World {
    let world = World::with_vault();
    world.enable_agent();
    world
}

/// Queues a backup; gives its request.
fn queue(world: &World) -> i32 {
    let queued = world.call(&["--json", "queue", "backup"]).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// The snapshots of the vault, oldest first.
fn snapshots(world: &World) -> Vec<Value> {
    let read = |path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let all = ending(&world.vault(), ".json").into_iter();
    all.filter(|path| path.parent().unwrap().ends_with("snapshots"))
        .map(read)
        .collect()
}

fn packs(world: &World) -> usize {
    ending(&world.vault().join("packs"), ".tar.zst").len()
}

/// Every blob that the instance needs comes back from the newest snapshot.
#[track_caller]
fn assert_restorable(world: &World) {
    let folder = world.path("again");
    let _ = fs::remove_dir_all(&folder);
    let place = folder.to_str().unwrap();
    world.call(&["verify", "--read-data"]).expect(0);
    world
        .call(&["restore", "latest", "--repository", place, "--no-database"])
        .expect(0);
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let restored = folder.join(path.strip_prefix(world.sample().repository()).unwrap());
            assert_eq!(
                digest(&fs::read(&restored).unwrap()),
                blob.name,
                "{}",
                restored.display()
            );
        }
    }
}

/// State, host and arguments of each row of the queue that is ours, in order, with the places in
/// this list of those it waits for.
fn rows(world: &World) -> Vec<(String, String, Vec<usize>)> {
    let mut client = world.sample().connect().unwrap();
    let rows = client
        .query(
            "SELECT jq_pk, coalesce(jq_host, '-'), jq_cmd_args, array(
                        SELECT jdep_jq_depends_fk FROM jobdepends WHERE jdep_jq_fk = jq_pk ORDER BY 1)
               FROM jobqueue WHERE jq_type = 'backup' AND jq_cmd_args IS NOT NULL
              ORDER BY jq_pk",
            &[],
        )
        .unwrap();
    let keys: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let place = |key: &i32| keys.iter().position(|known| known == key).unwrap();
    rows.iter()
        .map(|row| {
            let after: Vec<i32> = row.get(3);
            (row.get(1), row.get(2), after.iter().map(place).collect())
        })
        .collect()
}

fn parts_left(world: &World) -> i64 {
    let mut client = world.sample().connect().unwrap();
    client
        .query_one("SELECT count(*) FROM backup_part", &[])
        .unwrap()
        .get(0)
}

#[test]
fn what_was_packed_by_hand_on_each_host_the_next_backup_only_finds() {
    let world = World::with_vault();
    let pack = |host: &str| {
        world
            .call(&["--json", "backup", "--repo-host", host])
            .expect(0)
            .json()
    };
    let alpha = pack("alpha");
    assert_eq!(alpha["snapshot"], Value::Null);
    assert!(alpha["new"].as_u64() > Some(100), "{alpha}");
    assert_eq!(pack("alpha")["new"], 0);
    let beta = pack("beta");
    let all = world.sample().needed_blobs().len() as u64;
    assert_eq!(
        alpha["new"].as_u64().unwrap() + beta["new"].as_u64().unwrap(),
        all
    );
    assert!(snapshots(&world).is_empty());
    let whole = world.backup("full");
    assert_eq!(whole["counts"]["new"], 0, "{whole}");
    assert_restorable(&world);

    let called = world.call(&["backup", "--repo-host", "alpha"]).expect(0);
    assert!(
        called.stdout.contains("No snapshot was made"),
        "{}",
        called.stdout
    );
    world
        .call(&["backup", "--repo-host", "gamma"])
        .expect(2)
        .says("it has: alpha, beta");
    world.call(&["backup", "--repo-host", "../x"]).expect(2);
    // Storage that is not mounted is no storage with lost files.
    let lost = World::with_vault();
    let beta = lost.sample().repository().join("beta");
    fs::rename(beta, lost.path("away")).unwrap();
    lost.call(&["backup", "--repo-host", "beta"])
        .expect(1)
        .says("the storage of repository host 'beta' is not there");
    lost.call(&["backup", "--repo-host", "alpha"]).expect(0);
}

#[test]
fn the_parts_together_make_what_one_run_makes() {
    let world = world();
    let request = queue(&world);
    let queued = rows(&world);
    let shape: Vec<_> = queued
        .iter()
        .map(|(host, _, after)| (host.as_str(), after.clone()))
        .collect();
    assert_eq!(
        shape,
        [
            ("alpha", vec![]),
            ("alpha", vec![0]),
            ("beta", vec![0]),
            ("alpha", vec![0, 1, 2])
        ]
    );
    // One short word each.
    assert!(
        queued
            .iter()
            .all(|(_, word, _)| word.starts_with("--part=") && word.len() < 20)
    );

    let ended = run_queued(&world);
    assert_eq!(ended.len(), 4);
    for (_, ended) in ended {
        ended.expect(0);
    }
    let (state, message) = world.request(request);
    assert_eq!(state, "done");
    assert!(message.starts_with("snapshot "), "{message}");
    assert_eq!(
        (
            parts_left(&world),
            files(&world.vault().join("locks")).len()
        ),
        (0, 0)
    );
    assert_restorable(&world);

    // A run by one process into another vault, for comparison.
    let other = world.path("other");
    world.call_at(&other, &["init"]).expect(0);
    let single = world
        .call_at(&other, &["--json", "backup"])
        .expect(0)
        .json();
    let path = other.join(format!(
        "snapshots/{}.json",
        single["snapshot"].as_str().unwrap()
    ));
    let single: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let together = &snapshots(&world)[0];
    for same in [
        "members", "aliases", "extra", "absent", "left_out", "mode", "depth", "release",
    ] {
        assert_eq!(together[same], single[same], "{same}");
    }
    for same in [
        "gold",
        "gold_bytes",
        "files",
        "files_bytes",
        "new",
        "new_bytes",
        "missing",
        "corrupt",
        "deleted",
    ] {
        assert_eq!(together["counts"][same], single["counts"][same], "{same}");
    }

    // The history has each part, and one backup with a snapshot.
    let mut client = world.sample().connect().unwrap();
    let verbs = client
        .query_one(
            "SELECT string_agg(verb || ':' || state, ' ' ORDER BY id) FROM backup_run WHERE request = $1",
            &[&request],
        )
        .unwrap();
    assert_eq!(
        verbs.get::<_, String>(0),
        "backup list:done backup part:done backup part:done backup:done"
    );

    // Nothing is new: nobody reads anything.
    queue(&world);
    assert!(
        run_queued(&world)
            .iter()
            .all(|(_, ended)| ended.code == Some(0))
    );
    assert_eq!(snapshots(&world)[1]["counts"]["new"], 0);
    assert_eq!(world.backup("full")["counts"]["new"], 0);
}

#[test]
fn all_parts_show_one_moment_whatever_comes_and_goes_meanwhile() {
    let mut world = world();
    // The sample gives its jobs keys of its own.
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute("SELECT setval('job_job_pk_seq', 1000), setval('jobqueue_jq_pk_seq', 1000)")
        .unwrap();
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    // Uploads come, which are not in the snapshot, and one goes.
    let uploads = world.sample().uploads();
    let largest = uploads
        .iter()
        .max_by_key(|upload| world.sample().blobs_of(**upload).len());
    let before = world.sample().needed_blobs().len();
    world
        .sample_mut()
        .delete_upload(*largest.unwrap(), 0)
        .unwrap();
    let deleted = before - world.sample().needed_blobs().len();
    assert!(deleted > 10);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("late.tar.gz", 5, 40))
        .unwrap();

    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    let counts = &snapshots(&world)[0]["counts"];
    assert_eq!(counts["deleted"], deleted, "{counts}");
    assert_eq!(
        (&counts["missing"], &counts["corrupt"]),
        (&Value::from(0), &Value::from(0))
    );
    assert_eq!(counts["new"], before - deleted);
    // The next one has the upload that came late: 40 sources, the tar, the tar.gz.
    assert_eq!(world.backup("full")["counts"]["new"], 42);
    assert_restorable(&world);
}

#[test]
fn what_is_missing_or_rotten_makes_an_incomplete_snapshot() {
    let world = world();
    let blobs = world.sample().needed_blobs();
    let in_files: Vec<_> = blobs.iter().filter(|blob| blob.paths.len() == 1).collect();
    fs::remove_file(&in_files[3].paths[0]).unwrap();
    fs::write(&in_files[4].paths[0], "rotten").unwrap();
    let request = queue(&world);
    let ended = run_queued(&world);
    // The parts have done what they could; that something is lacking is told at the end.
    let codes: Vec<_> = ended.iter().map(|(_, ended)| ended.code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 0, 3]);
    assert_eq!(world.request(request).0, "incomplete");
    let snapshot = &snapshots(&world)[0];
    let absent = snapshot["absent"].as_array().unwrap();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    for absent in absent {
        let text = |key: &str| absent[key].as_str().unwrap().to_owned();
        kinds.insert(text("name"), text("kind"));
    }
    let expected = [(in_files[3], "missing"), (in_files[4], "corrupt")];
    let expected = expected.map(|(blob, kind)| (blob.name.to_string(), kind.to_owned()));
    assert_eq!(kinds, BTreeMap::from(expected));
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
    let job = support::scheduler::Job {
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
    let mut admin = world
        .cluster
        .connect(fossology_backup::demo::Role::Superuser, "postgres")
        .unwrap();
    support::trouble::wait_for("both parts to wait for the lock", || {
        let waiting: i64 = admin
            .query_one(
                "SELECT count(*) FROM pg_stat_activity
                  WHERE application_name = 'fo_backup backup names' AND wait_event_type = 'Lock'",
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
            let ended = world.run_job(support::scheduler::Job {
                id: row.get(1),
                arguments: &words[*at],
                ..Default::default()
            });
            let entry = support::scheduler::Entry {
                entry: row.get(0),
                host: None,
            };
            end_entry(world, &entry, &ended);
            ended.code.unwrap()
        })
        .collect()
}

#[test]
fn one_waits_for_all_rows_and_ends_as_the_whole_does() {
    let world = world();
    let scheduler = Queue::open(&world);
    let serving = std::thread::spawn(move || scheduler.serve(4));
    let called = world
        .call(&["--json", "queue", "backup", "--wait"])
        .expect(0);
    assert_eq!(called.json()["state"], "done", "{}", called.stdout);
    assert_eq!(called.json()["entries"].as_array().unwrap().len(), 4);
    for ended in serving.join().unwrap() {
        ended.expect(0);
    }
    assert_eq!(snapshots(&world).len(), 1);

    // A host fails: so does the whole, with that host's words.
    fs::rename(world.sample().repository().join("beta"), world.path("away")).unwrap();
    forget_vault(&world);
    let scheduler = Queue::open(&world);
    let serving = std::thread::spawn(move || scheduler.serve(3));
    let called = world
        .call(&["--json", "queue", "backup", "--wait"])
        .expect(1);
    let message = called.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("pack on beta"), "{message}");
    serving.join().unwrap();

    // By a host of one's choice it is one row, as for every other verb.
    world
        .call(&["queue", "backup", "--host", "alpha"])
        .expect(0);
    let queued = rows(&world);
    assert!(
        queued.last().unwrap().1.starts_with("--request="),
        "{queued:?}"
    );
    world
        .call(&["queue", "backup", "--repo-host", "alpha"])
        .expect(2);
}

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
fn what_lies_in_a_fall_back_is_packed_once_by_its_host() {
    let range = |host, from, to| HostRange::new(HostName::new(host).unwrap(), from, to);
    let world = World::with(Options {
        // New blobs go to alpha; beta holds what was there before alpha came.
        hosts: vec![range("alpha", 0x00, 0xff), range("beta", 0x00, 0xff)],
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    let repository = world.sample().repository();
    let blobs = world.sample().needed_blobs();
    for path in blobs.iter().step_by(3).flat_map(|blob| &blob.paths) {
        let below = path.strip_prefix(repository.join("alpha")).unwrap();
        let place = repository.join("beta").join(below);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::rename(path, place).unwrap();
    }
    queue(&world);
    let ended = run_queued(&world);
    let packed: Vec<_> = ended.iter().map(|(_, ended)| ended.log.join(" ")).collect();
    let third = blobs.len().div_ceil(3);
    for (log, blobs) in packed[1..3].iter().zip([blobs.len() - third, third]) {
        assert!(
            log.contains(&format!("packed: {blobs} blobs")),
            "{blobs}: {log}"
        );
    }
    for (_, ended) in ended {
        ended.expect(0);
    }
    let counts = &snapshots(&world)[0]["counts"];
    assert_eq!(counts["new"], blobs.len(), "{counts}");
}

/// Makes everything new again.
fn forget_vault(world: &World) {
    for folder in ["snapshots", "packs"] {
        fs::remove_dir_all(world.vault().join(folder)).unwrap();
    }
}
