// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup that several hosts make together, one part for each repository host. The sample has
//! two, `alpha` and `beta`, each with an agent host of its name; here both are this machine.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::HostName;
use fossology_backup::demo::sample::{HostRange, NewUpload, Options};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use support::hosts::{assert_restorable, parts_left, queue, rows, snapshots, world};
use support::queue::{Queue, end_entry, run_queued, start_next};
use support::trouble::files;
use support::world::World;

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
