// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What people call to have FOSSology's scheduler do it: install, queue, uninstall. A stand-in
//! plays the scheduler (see support/scheduler.rs).

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::Options;
use serde_json::Value;
use std::fs;
use support::queue::Queue;
use support::scheduler::{Job, held_job};
use support::world::World;

/// An instance that knows the agent, and its vault.
fn world() -> World {
    // A backup of several hosts is more than one entry: tests/hosts.rs.
    let world = World::with(Options::one_host());
    world.call(&["init"]).expect(0);
    world.enable_agent();
    world
}

#[test]
fn pages_are_told_what_status_calls_late() {
    let world = world();
    let settings = world.sample().sysconfdir().join("fo_backup.toml");
    let mut text = fs::read_to_string(&settings).unwrap_or_default();
    text += "\n[schedule]\nbackup = \"2 days\"\ncheck = \"never\"\ndrill = \"monthly\"\n";
    fs::write(&settings, text).unwrap();
    world.call(&["queue", "verify"]).expect(0);

    let mut client = world.sample().connect().unwrap();
    let told: Value = client
        .query_one("SELECT limits FROM backup_instance", &[])
        .unwrap()
        .get(0);
    assert_eq!(told["backup"], 48 * 3600);
    assert_eq!(told["drill"], 35 * 86400);
    let status = world.call(&["--json", "status"]).json();
    for verb in status["verbs"].as_array().unwrap() {
        let name = verb["verb"].as_str().unwrap();
        assert_eq!(told[name], verb["limit_seconds"], "{name}: {told}");
    }
}

#[test]
fn people_queue_a_job_and_follow_it() {
    let world = world();
    // Nobody is there who would do it: that is said, and the job waits.
    let answer = world.call(&["--json", "queue", "check"]).expect(0).json();
    assert!(
        answer["not_told"]
            .as_str()
            .unwrap()
            .contains("does not answer"),
        "{answer}"
    );
    world
        .call(&["queue", "backup", "--wait"])
        .expect(2)
        .says("is queued, but");
    world
        .call(&["queue", "backup", "--user", "nobody"])
        .expect(2)
        .says("no user 'nobody'");
    world
        .call(&["queue", "backup", "--host", "moon"])
        .expect(2)
        .says("no host of [HOSTS]");
    world
        .call(&["queue", "verify", "--read-data=0"])
        .expect(2)
        .says("above 0");

    let queue = Queue::open(&world);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| queue.serve(4));
        // The two from above go first.
        let answer = world
            .call(&["--json", "queue", "backup", "--mode", "gold", "--wait"])
            .expect(0)
            .json();
        assert_eq!(answer["state"], "done");
        assert!(
            answer["message"].as_str().unwrap().contains("(gold)"),
            "{answer}"
        );
        let strict = ["queue", "--wait", "check", "--strict"];
        let text = world.call(&strict).expect(3).stdout;
        assert!(
            text.contains("incomplete") && text.contains("orphan"),
            "{text}"
        );
        let codes: Vec<_> = ended
            .join()
            .unwrap()
            .iter()
            .map(|ended| ended.code)
            .collect();
        assert_eq!(codes, [Some(0), Some(0), Some(0), Some(3)]);
    });
    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE job_upload_fk IS NULL AND job_user_fk = 3
                                                 AND jq_cmd_args = '--request=' || id)
               FROM backup_request JOIN job ON job_pk = backup_request.job
               JOIN jobqueue ON jq_job_fk = job_pk",
            &[],
        )
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (4, 4));
}

#[test]
fn an_instance_that_does_not_know_the_agent_gets_no_job() {
    let world = World::new();
    world
        .call(&["queue", "backup"])
        .expect(2)
        .says("fo_backup install");
    assert!(!world.has_tables());
}

#[test]
fn install_makes_an_agent_of_it_and_uninstall_takes_it_away() {
    let world = World::with_vault();
    let sysconfdir = world.sample().sysconfdir();
    let text = world.call(&["install"]).expect(0).stdout;
    // The sample has jobs that run, which a reload could break.
    assert!(
        text.contains("scheduler was not told (2 of its jobs"),
        "{text}"
    );
    // On an agent host there may be no database to ask.
    let conf = fs::read(sysconfdir.join("Db.conf")).unwrap();
    fs::remove_file(sysconfdir.join("Db.conf")).unwrap();
    let text = world.call(&["install", "--no-database"]).expect(0).stdout;
    assert!(
        text.contains("was not told (without the database"),
        "{text}"
    );
    fs::write(sysconfdir.join("Db.conf"), conf).unwrap();
    world.write_settings("");
    let link = sysconfdir.join("mods-enabled/backup");
    let module = fs::read_link(&link).unwrap();
    assert_eq!(
        module.parent(),
        fs::read_link(sysconfdir.join("mods-enabled/nomos"))
            .unwrap()
            .parent()
    );
    world.start_agent(Job::default()).close().expect(0);
    // The agent that runs keeps its program while it is replaced.
    let id = world.ask("backup", "{}");
    let (agent, held) = held_job(&world, id);
    world.call(&["install"]).expect(0);
    drop(held);
    agent.serve().expect(0);
    let mut client = world.sample().connect().unwrap();
    let agents = "SELECT count(*) FROM agent WHERE agent_name = 'backup'";
    assert_eq!(client.query_one(agents, &[]).unwrap().get::<_, i64>(0), 1);

    world.call(&["uninstall"]).expect(0);
    assert!(!module.exists() && fs::symlink_metadata(&link).is_err());
    assert!(world.has_tables());
    assert_eq!(world.snapshots(), 1);
    world.call(&["uninstall", "--drop-history"]).expect(0);
    assert!(!world.has_tables());
    assert_eq!(world.snapshots(), 1);

    // A host that runs agents only may have no way to the database.
    fs::remove_file(sysconfdir.join("Db.conf")).unwrap();
    let text = world.call(&["install"]).expect(0).stdout;
    assert!(text.contains("our tables were not made"), "{text}");
    world.call(&["install", "--no-database"]).expect(0);
    assert!(link.join("agent/backup").is_file());
}
