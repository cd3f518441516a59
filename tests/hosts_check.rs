// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A check that several hosts make together, each looking at its own storage, finds what one finds that
//! sees everything.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::HostName;
use fossology_backup::demo::sample::{HostRange, Options};
use serde_json::Value;
use std::fs;
use support::checked::in_files_only;
use support::hosts::{parts_left, rows, world};
use support::queue::{clear, counts, end_entry, run_queued, start_next};
use support::world::World;

/// Queues a check; gives its request.
fn queue(world: &World, more: &[&str]) -> i32 {
    let arguments = [&["--json", "queue", "check"], more].concat();
    let queued = world.call(&arguments).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// What the table of findings has: kind, tree, host, name, upload.
fn findings(world: &World) -> Vec<String> {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT concat_ws(' ', kind, tree, host, sha1, upload_fk, detail) FROM backup_finding ORDER BY 1";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn check_together(world: &World) -> (Value, Vec<String>) {
    let request = queue(world, &["--deep"]);
    for (_, ended) in run_queued(world) {
        assert!(ended.code == Some(0) || ended.code == Some(3), "{ended:#?}");
    }
    assert_eq!(parts_left(world), 0);
    (counts(world, request), findings(world))
}

#[test]
fn all_hosts_together_find_what_one_finds_that_sees_everything() {
    let world = world();
    clear(&world);
    let request = queue(&world, &[]);
    let queued = rows(&world);
    let shape: Vec<_> = queued
        .iter()
        .map(|(host, _, after)| (host.as_str(), after.clone()))
        .collect();
    assert_eq!(
        shape,
        [("alpha", vec![]), ("beta", vec![]), ("alpha", vec![0, 1])]
    );
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let (state, message) = world.request(request);
    assert_eq!(state, "done");
    assert!(message.contains("orphan"), "{message}");

    // Something on each host: gone, rotten, in the wrong place, open to all.
    let blobs = in_files_only(&world);
    let (first, second) = blobs.split_at(blobs.len() / 2);
    fs::remove_file(&first[0].paths[0]).unwrap();
    fs::remove_file(&second[0].paths[0]).unwrap();
    let size = usize::try_from(first[1].name.size()).unwrap();
    fs::write(&first[1].paths[0], vec![b'x'; size]).unwrap();
    fs::write(&second[1].paths[0], "rotten").unwrap();
    let name = first[2].name.to_string();
    let misplaced = world.sample().repository().join("alpha/files").join(name);
    fs::rename(&first[2].paths[0], misplaced).unwrap();
    let single = world.call(&["--json", "check", "--deep"]).expect(3).json();
    let expected = findings(&world);
    let (found, rows) = check_together(&world);
    assert_eq!(found, single["counts"]);
    assert_eq!(rows, expected);
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT string_agg(verb || ':' || state, ' ' ORDER BY id) FROM backup_run
                  WHERE id > (SELECT max(id) - 3 FROM backup_run)";
    let verbs: String = client.query_one(query, &[]).unwrap().get(0);
    assert_eq!(verbs, "check part:done check part:done check:incomplete");
}

#[test]
fn what_may_lie_on_several_hosts_is_missing_when_it_lies_on_none() {
    let range = |host| HostRange::new(HostName::new(host).unwrap(), 0x00, 0xff);
    let world = World::with(Options {
        // New blobs go to alpha; beta holds what was there before alpha came.
        hosts: vec![range("alpha"), range("beta")],
        ..Options::default()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    clear(&world);
    let repository = world.sample().repository();
    let blobs = in_files_only(&world);
    for path in blobs.iter().step_by(3).flat_map(|blob| &blob.paths) {
        let below = path.strip_prefix(repository.join("alpha")).unwrap();
        let place = repository.join("beta").join(below);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::rename(path, place).unwrap();
    }
    // The test has made folders of other modes.
    let single = world.call(&["--json", "check", "--deep"]).expect(3).json();
    let (found, _) = check_together(&world);
    assert_eq!(found, single["counts"]);
    assert!(found.get("missing").is_none(), "{found}");

    fs::remove_file(&blobs[1].paths[0]).unwrap();
    let single = world.call(&["--json", "check", "--deep"]).expect(3).json();
    let (found, rows) = check_together(&world);
    assert_eq!(found, single["counts"]);
    assert_eq!(found["missing"]["count"], 1, "{found}");
    assert!(
        rows.iter().any(|row| row.starts_with("missing files")),
        "{rows:#?}"
    );
}

#[test]
fn a_host_tells_nothing_of_storage_that_it_does_not_see() {
    let world = world();
    clear(&world);
    world.call(&["check"]).expect(0);
    let before = findings(&world);
    let (beta, away) = (world.sample().repository().join("beta"), world.path("away"));
    fs::rename(&beta, &away).unwrap();
    let looked = world
        .call(&["--json", "check", "--repo-host", "alpha"])
        .expect(0)
        .json();
    assert!(looked["elsewhere"].as_u64() > Some(100), "{looked}");
    assert_eq!(looked["severity"], "clutter");
    assert_eq!(findings(&world), before, "the last whole check's are left");
    world
        .call(&["check", "--repo-host", "beta"])
        .expect(1)
        .says("the storage of repository host 'beta' is not there");
    world
        .call(&["check", "--repo-host", "gamma"])
        .expect(2)
        .says("it has: alpha, beta");
    world
        .call(&["queue", "check", "--repo-host", "alpha"])
        .expect(2);

    // Neither is anything taken for lost when its host's part fails.
    let request = queue(&world, &[]);
    let (alpha, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &alpha.serve().expect(0));
    let (beta_part, entry) = start_next(&world).unwrap();
    let ended = beta_part.serve().expect(1);
    end_entry(&world, &entry, &ended);
    assert!(start_next(&world).is_none());
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.starts_with("look on beta: the storage"),
        "{message}"
    );
    assert_eq!(findings(&world), before);
    fs::rename(&away, &beta).unwrap();
    check_together(&world);
    assert_eq!(findings(&world), before);
}
