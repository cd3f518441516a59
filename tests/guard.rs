// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! No scan begins on an upload that lacks files: its recovery goes first. A stand-in plays the
//! scheduler (see support/scheduler.rs).

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use support::recovered::lose_files;
use support::scheduler::Job;
use support::world::World;

/// The entries that wait and read files, with their upload and the recoveries they wait for.
fn waiting(world: &World) -> Vec<(i32, i32, Vec<i32>)> {
    let mut client = world.sample().connect().unwrap();
    let rows = client.query(
        "SELECT q.jq_pk, j.job_upload_fk,
                coalesce((SELECT array_agg(r.jq_pk) FROM jobdepends d
                            JOIN jobqueue r ON r.jq_pk = d.jdep_jq_depends_fk
                           WHERE d.jdep_jq_fk = q.jq_pk AND r.jq_type = 'backup'
                             AND r.jq_args = j.job_upload_fk::text), '{}')
           FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
          WHERE q.jq_starttime IS NULL AND q.jq_endtime IS NULL AND j.job_upload_fk IS NOT NULL
            AND q.jq_type NOT IN ('backup', 'delagent', 'ununpack', 'adj2nest', 'wget_agent')
          ORDER BY q.jq_pk",
        &[],
    );
    rows.unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

fn uploads(answer: &Value) -> BTreeSet<i32> {
    let recoveries = answer["recoveries"].as_array().unwrap().iter();
    recoveries
        .map(|one| i32::try_from(one["upload"].as_i64().unwrap()).unwrap())
        .collect()
}

/// A scan of an upload that waits.
fn queue_scan(world: &World, upload: i32) {
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "WITH made AS (
                 INSERT INTO job (job_user_fk, job_queued, job_priority, job_name, job_upload_fk)
                 VALUES (3, now(), 0, 'scan', $1) RETURNING job_pk)
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_args)
             SELECT job_pk, 'nomos', 0, $1::text FROM made",
            &[&upload],
        )
        .unwrap();
}

/// An upload with files of its own.
fn an_upload(world: &World) -> i32 {
    let mut client = world.sample().connect().unwrap();
    let row = client.query_one(
        "SELECT upload_fk FROM uploadtree WHERE pfile_fk > 0
          GROUP BY upload_fk ORDER BY count(*) DESC, upload_fk LIMIT 1",
        &[],
    );
    row.unwrap().get(0)
}

#[test]
fn after_a_restore_of_gold_resumed_scans_wait_for_the_recovery() {
    let world = World::with_vault();
    world.enable_agent();
    let upload = an_upload(&world);
    queue_scan(&world, upload);
    world.backup("gold");
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        let path = entry.unwrap().path();
        if path.join("gold").is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    world.call(&["restore", "latest"]).expect(0);
    assert_eq!(waiting(&world), [], "a restore lets nothing begin");

    let answer = world.call(&["--json", "jobs", "resume"]).expect(0).json();
    let guarded = uploads(&answer);
    assert!(guarded.contains(&upload), "{answer}");
    let entries = waiting(&world);
    assert!(!entries.is_empty());
    for (entry, upload, recoveries) in &entries {
        let expected = usize::from(guarded.contains(upload));
        assert_eq!(recoveries.len(), expected, "entry {entry} of {upload}");
    }

    // The recovery itself, as the scheduler starts it.
    let data = upload.to_string();
    let job = Job {
        id: 1,
        data: &data,
        ..Job::default()
    };
    world.run_job(job).expect(0).says("unpacked from gold");
    world.call(&["check", "--upload", &data]).expect(0);
    let answer = world.call(&["--json", "jobs", "guard"]).expect(0).json();
    assert!(!uploads(&answer).contains(&upload), "nothing lacks there");
}

#[test]
fn whoever_queues_something_puts_recoveries_before_scans() {
    let world = World::with_vault();
    world.enable_agent();
    let upload = an_upload(&world);
    queue_scan(&world, upload);
    let answer = world.call(&["--json", "queue", "check"]).expect(0).json();
    assert_eq!(uploads(&answer), BTreeSet::new(), "no file is missing");

    lose_files(&world);
    let answer = world.call(&["--json", "queue", "check"]).expect(0).json();
    assert!(uploads(&answer).contains(&upload), "{answer}");
    let before = waiting(&world);
    let scans = before.iter().filter(|(_, of, _)| *of == upload);
    assert!(scans.clone().count() > 0);
    for (entry, _, recoveries) in scans {
        assert_eq!(recoveries.len(), 1, "entry {entry}");
    }
    // Again, it is the same recovery, and nothing waits twice.
    world.call(&["queue", "verify"]).expect(0);
    world.call(&["jobs", "guard"]).expect(0);
    assert_eq!(waiting(&world), before);
}

#[test]
fn reports_are_written_without_the_files() {
    let world = World::with_vault();
    world.enable_agent();
    queue_scan(&world, an_upload(&world));
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "UPDATE jobqueue SET jq_type = 'spdx2' WHERE jq_starttime IS NULL",
            &[],
        )
        .unwrap();
    lose_files(&world);
    let answer = world.call(&["--json", "queue", "check"]).expect(0).json();
    assert_eq!(uploads(&answer), BTreeSet::new());
}

#[test]
fn without_the_agent_scans_stay_parked() {
    let world = World::with_vault();
    let upload = an_upload(&world);
    queue_scan(&world, upload);
    world.backup("full");
    world.call(&["restore", "latest"]).expect(0);
    lose_files(&world);
    let called = world.call(&["jobs", "resume"]).expect(2);
    called.says("fo_backup install").says("recover --missing");
    assert_eq!(waiting(&world), []);

    world.call(&["recover", "--missing"]).expect(0);
    let answer = world.call(&["--json", "jobs", "resume"]).expect(0).json();
    assert_eq!(uploads(&answer), BTreeSet::new());
    assert!(!waiting(&world).is_empty());
}
