// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program as an agent of FOSSology's scheduler, which a stand-in plays (see
//! support/scheduler.rs): its test at the start, requests, mistakes, and what happens when
//! something goes away in the middle.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::Role;
use fossology_backup::demo::sample::Random;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};
use support::scheduler::{Ended, Job, held_job, is_closed, until_stopped};
use support::trouble::{files, lives};
use support::world::World;

/// An instance that knows the agent, and its vault.
fn world() -> World {
    let world = World::with_vault();
    world.enable_agent();
    world
}

/// The job of a request.
fn carry_out(world: &World, request: i32) -> Ended {
    world.run_job(Job {
        id: 57,
        arguments: &format!("--request={request}"),
        ..Job::default()
    })
}

fn leases(world: &World) -> usize {
    files(&world.vault().join("locks")).len()
}

#[test]
fn the_test_at_the_schedulers_start_is_passed_and_changes_nothing() {
    let world = World::new();
    world.enable_agent();
    let test = || world.start_agent(Job::default());
    let began = Instant::now();
    let mut agent = test();
    agent.until_ready(1);
    // What leaked into it is closed while it still runs.
    assert!(is_closed(&agent.foreign));
    let ended = agent.close().expect(0);
    assert_eq!(ended.log, [concat!("VERSION: ", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(ended.beats.last(), Some(&(0, false)));
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(!world.has_tables() && !world.vault().exists());
    let mut client = world.sample().connect().unwrap();
    let agents = "SELECT count(*) FROM agent WHERE agent_name = 'backup'";
    assert_eq!(client.query_one(agents, &[]).unwrap().get::<_, i64>(0), 0);

    // Neither a database nor a configuration is needed for it.
    let mut agent = test();
    agent.until_ready(1);
    agent.hang_up();
    agent.wait().expect(0);
    fs::remove_file(world.sample().sysconfdir().join("Db.conf")).unwrap();
    fs::remove_file(world.sample().sysconfdir().join("fossology.conf")).unwrap();
    test().close().expect(0);
}

#[test]
fn requests_are_carried_out_and_their_rows_tell_how() {
    let world = world();
    let id = world.ask("backup", "{}");
    let ended = carry_out(&world, id).expect(0);
    let (state, message) = world.request(id);
    assert_eq!(state, "done");
    assert!(message.starts_with("snapshot "), "{message}");
    assert_eq!(ended.mail, Some(format!("backup: {message}")));
    ended.says(&message);
    assert_eq!(world.snapshots(), 1);
    // The heart beats with the real total, which only grows.
    assert!(ended.beats.is_sorted_by_key(|(items, _)| *items));
    let blobs = world.sample().needed_blobs().len() as i32;
    assert!(ended.beats.last().unwrap().0 >= blobs, "{ended:?}");
    assert!(ended.beats.iter().any(|(_, alive)| *alive));

    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "SELECT q.counts, q.job, q.ended >= q.started, r.verb, r.who, r.job, r.state, a.agent_rev
               FROM backup_request q JOIN backup_run r ON r.request = q.id
               JOIN agent a ON agent_name = 'backup' WHERE q.id = $1",
            &[&id],
        )
        .unwrap();
    assert!(row.get::<_, serde_json::Value>(0)["gold"].as_u64() > Some(0));
    assert_eq!((row.get::<_, i32>(1), row.get::<_, i32>(5)), (57, 57));
    assert!(row.get::<_, bool>(2));
    let words: Vec<String> = [3, 4, 6, 7].map(|at| row.get(at)).into();
    assert_eq!(words, ["backup", "tester", "done", "7.8.9.abc"]);

    // As on another host, where nobody names the configuration.
    let id = world.ask("verify", r#"{"read_data": 100}"#);
    let ended = world.run_job(Job {
        id: 58,
        arguments: &format!("--request={id}"),
        remote: true,
        ..Job::default()
    });
    ended.expect(0).says("all of it is whole");
    // A check finds what the sample has from the start, which harms nobody.
    let id = world.ask("check", r#"{"deep": true}"#);
    let ended = carry_out(&world, id).expect(0);
    ended.says("orphan").says("only takes space");
    assert_eq!(world.request(id).0, "done");
    let id = world.ask("check", r#"{"strict": true}"#);
    carry_out(&world, id).expect(3).says("orphan");
    assert_eq!(world.request(id).0, "incomplete");
    let id = world.ask("backup", r#"{"mode": "gold"}"#);
    carry_out(&world, id).expect(0).says("(gold)");
    assert_eq!(world.snapshots(), 2);
    assert_eq!(leases(&world), 0);
}

#[test]
fn what_cannot_be_done_fails_and_says_why() {
    let world = world();
    let fails = |arguments: &str, data: &str, says: &str| {
        let ended = world.run_job(Job {
            id: 57,
            data,
            arguments,
            remote: false,
        });
        assert!(
            ended.code.unwrap() > 0 && ended.code == Some(ended.exit),
            "{ended:#?}"
        );
        ended.says(says);
        assert!(
            ended
                .mail
                .as_ref()
                .is_some_and(|mail| mail.contains("failed")),
            "{ended:#?}"
        );
    };
    fails("", "", "does not say what is to be done");
    fails("", "12 - https://me:secret@host", "no upload's number");
    fails("--request=4711", "", "there is no request 4711");
    fails("--request=seven", "", "--request=seven");
    fails("\"two words\"", "", "not understood");
    fails("--request=1", "12", "expected one of them");
    for (verb, parameters, says) in [
        ("backup", r#"{"mode": "half"}"#, "unknown variant `half`"),
        ("check", r#"{"depth": 3}"#, "unknown field `depth`"),
        ("verify", r#"{"read_data": 200}"#, "up to 100"),
        ("verify", r#"{"snapshot": "nonsense"}"#, "nonsense"),
        ("destroy", "{}", "'destroy' is nothing"),
    ] {
        let id = world.ask(verb, parameters);
        fails(&format!("--request={id}"), "", says);
        let (state, message) = world.request(id);
        assert_eq!(state, "failed");
        assert!(message.contains(says), "{message}");
    }

    // An upload's number is a request of its own.
    fails("", "4711", "no upload 4711");
    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one("SELECT verb, parameters->>'uploads', who, state FROM backup_request ORDER BY id DESC LIMIT 1", &[])
        .unwrap();
    let words: Vec<String> = (0..4).map(|at| row.get(at)).collect();
    assert_eq!(words, ["recover", "[4711]", "fossy", "failed"]);

    // The vault is gone; when it is back the same job succeeds.
    let id = world.ask("backup", "{}");
    let away = world.path("away");
    fs::rename(world.vault(), &away).unwrap();
    fails(&format!("--request={id}"), "", "vault");
    assert_eq!(world.request(id).0, "failed");
    fs::rename(&away, world.vault()).unwrap();
    carry_out(&world, id).expect(0);
    let arguments = format!("--request={id}");
    let again = |job| {
        world.run_job(Job {
            id: job,
            arguments: &arguments,
            ..Job::default()
        })
    };
    again(58).expect(1).says("was carried out already");
    // The same job once more: its scheduler died before it saw the end.
    again(57).expect(0).says("done before");
    assert_eq!(
        (world.request(id).0.as_str(), world.snapshots()),
        ("done", 1)
    );

    // A request that came along in a copy of another instance's database.
    let id = world.ask("backup", "{}");
    client
        .batch_execute(
            "UPDATE backup_request SET instance = gen_random_uuid() WHERE state = 'queued'",
        )
        .unwrap();
    fails(
        &format!("--request={id}"),
        "",
        "was made for FOSSology instance",
    );
    assert_eq!(world.request(id).0, "failed");
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn one_request_is_carried_out_by_one_agent() {
    let world = world();
    let id = world.ask("backup", "{}");
    let arguments = format!("--request={id}");
    let job = |id| Job {
        id,
        arguments: &arguments,
        ..Job::default()
    };
    let (agent, held) = held_job(&world, id);
    world
        .run_job(job(58))
        .expect(11)
        .says("is being carried out already");
    assert_eq!(world.request(id).0, "running");
    // Neither does another request work beside it.
    let other = world.ask("backup", "{}");
    carry_out(&world, other).expect(11);
    // A scheduler that was started anew starts the same job once more: that waits, and ends as the
    // first one does.
    let mut again = world.start_agent(job(57));
    again.give_job();
    again.until_says("whose end is waited for");
    again.until_beats(2);
    drop(held);
    agent.serve().expect(0);
    again.serve().expect(0).says("done before");
    assert_eq!(world.request(id).0, "done");
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_job_that_is_started_anew_goes_on_when_its_first_agent_has_no_scheduler_any_more() {
    let world = world();
    let id = world.ask("backup", "{}");
    let arguments = format!("--request={id}");
    let (mut first, held) = held_job(&world, id);
    let mut second = world.start_agent(Job {
        id: 57,
        arguments: &arguments,
        ..Job::default()
    });
    second.give_job();
    second.until_says("whose end is waited for");
    first.go_away();
    first.until_gone();
    drop(held);
    assert_eq!(first.wait().exit, 130);
    second.serve().expect(0).says("snapshot");
    assert_eq!(world.request(id).0, "done");
    assert_eq!((world.snapshots(), leases(&world)), (1, 0));
}

#[test]
fn the_scheduler_may_ask_beside_the_work_and_close_before_it() {
    let world = world();
    let id = world.ask("backup", "{}");
    let (mut agent, held) = held_job(&world, id);
    agent.say("VERSION");
    agent.say("VERBOSE 3");
    // The heart beats although nothing can be done; it is honest about that.
    agent.until_beats(4);
    drop(held);
    let ended = agent.serve().expect(0);
    let version = concat!("VERSION: ", env!("CARGO_PKG_VERSION"));
    assert_eq!(ended.log.iter().filter(|line| *line == version).count(), 2);
    assert!(ended.beats.contains(&(0, false)), "{ended:#?}");

    let arguments = format!("--request={}", world.ask("backup", "{}"));
    let job = Job {
        id: 57,
        arguments: &arguments,
        ..Job::default()
    };
    let mut agent = world.start_agent(job);
    agent.until_ready(1);
    agent.close().expect(1).says("nothing was done");
    let mut agent = world.start_agent(job);
    agent.until_ready(1);
    agent.hang_up();
    agent.wait().expect(1).says("nothing was done");
    assert_eq!(world.snapshots(), 1);
    // The job is as it was, and can still be done: also when the input ends behind it.
    let mut agent = world.start_agent(job);
    agent.give_job();
    agent.hang_up();
    agent.wait().expect(0);
    assert_eq!(world.snapshots(), 2);
}

#[test]
fn asked_to_stop_it_ends_cleanly_and_the_job_can_be_done_again() {
    let world = world();
    let id = world.ask("backup", "{}");
    let (mut agent, held) = held_job(&world, id);
    agent.signal(Signal::SIGTERM);
    drop(held);
    // It does not leave before the scheduler lets it.
    agent.until_beats(2);
    agent.serve().expect(130).says("interrupted");
    let (state, message) = world.request(id);
    assert_eq!(state, "failed");
    assert!(message.contains("interrupted"), "{message}");
    assert_eq!((world.snapshots(), leases(&world)), (0, 0));

    // Nobody hears it any more: then it stops by itself.
    let (mut agent, held) = held_job(&world, id);
    agent.go_away();
    agent.until_gone();
    drop(held);
    assert_eq!(agent.wait().exit, 130);
    assert_eq!((world.snapshots(), leases(&world)), (0, 0));

    carry_out(&world, id).expect(0);
    assert_eq!(world.request(id).0, "done");
}

#[test]
fn a_pause_does_no_harm() {
    let world = world();
    let id = world.ask("backup", "{}");
    let (mut agent, held) = held_job(&world, id);
    agent.until_beats(1);
    agent.signal(Signal::SIGSTOP);
    until_stopped(agent.pid());
    drop(held);
    // While it is paused others work: this would end what it began, if that were not held.
    world.call(&["backup"]).expect(11);
    agent.signal(Signal::SIGCONT);
    agent.serve().expect(0);
    assert_eq!((world.snapshots(), leases(&world)), (1, 0));
}

#[test]
fn the_database_goes_away_in_the_middle() {
    let world = world();
    let id = world.ask("backup", "{}");
    let (agent, held) = held_job(&world, id);
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fo_backup%'";
    admin.execute(end, &[]).unwrap();
    drop(held);
    agent
        .serve()
        .expect(1)
        .says("connection to the database was lost");
    let (state, message) = world.request(id);
    assert_eq!(state, "failed");
    assert!(message.contains("lost"), "{message}");
    assert_eq!((world.snapshots(), leases(&world)), (0, 0));
    carry_out(&world, id).expect(0);
}

#[test]
fn killed_at_any_instant_the_same_job_finishes_the_work() {
    const SEED: u64 = 20_261_125;
    const KILLS: usize = 12;
    let world = world();
    let mut random = Random::new(SEED);
    let first = world.ask("backup", "{}");
    carry_out(&world, first).expect(0);
    // As long as those that are killed: the first one has more to do.
    let second = world.ask("backup", "{}");
    let began = Instant::now();
    carry_out(&world, second).expect(0);
    let whole = began.elapsed();
    println!("seed {SEED}, a whole job takes {whole:?}");
    let mut killed = 0;
    for _ in 0..KILLS {
        let id = world.ask("backup", "{}");
        let arguments = format!("--request={id}");
        let mut agent = world.start_agent(Job {
            id: 57,
            arguments: &arguments,
            ..Job::default()
        });
        agent.give_job();
        // This wait is the instant itself: nothing is expected to have happened by then.
        std::thread::sleep(whole.mul_f64(random.below(1000) as f64 / 1000.0));
        agent.signal(Signal::SIGKILL);
        let pid = agent.pid().as_raw();
        let ended = agent.wait();
        assert!(!lives(pid));
        if world.request(id).0 != "done" {
            killed += 1;
            assert_eq!((ended.code, ended.exit), (None, 137));
            carry_out(&world, id).expect(0);
            assert_eq!(world.request(id).0, "done");
        }
    }
    println!("{killed} of {KILLS} jobs were killed in the middle");
    assert!(killed * 3 > KILLS, "{killed}");
    world.call(&["verify", "--read-data"]).expect(0);
}

#[test]
fn nobody_but_us_speaks_to_the_scheduler() {
    let world = world();
    // A pg_dump that writes what it should not to where it should not: our standard output.
    let tools = world.path("noisy");
    fs::create_dir(&tools).unwrap();
    let real = world.cluster.bin_directory();
    for entry in fs::read_dir(real).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), tools.join(entry.file_name())).unwrap();
    }
    fs::remove_file(tools.join("pg_dump")).unwrap();
    let long = "x".repeat(5000);
    let script = format!(
        "#!/bin/sh\n\
         case $* in *--version*) ;; *)\n\
         printf 'BYE 0\\nOK\\nHEART: nonsense\\n@@@1\\nSPECIAL: 2 1\\nEMAIL you won\\n' >/proc/$PPID/fd/1\n\
         printf 'before\\000after\\n{long}\\nno end' >/proc/$PPID/fd/2\n\
         echo 'BYE 7' >&2 ;;\n\
         esac\n\
         exec {}/pg_dump \"$@\"\n",
        real.display()
    );
    fs::write(tools.join("pg_dump"), script).unwrap();
    fs::set_permissions(tools.join("pg_dump"), PermissionsExt::from_mode(0o755)).unwrap();
    world.write_settings(&format!("postgres_bin = {tools:?}"));
    let id = world.ask("backup", "{}");
    let ended = carry_out(&world, id).expect(0);
    for line in [
        "| BYE 0",
        "| OK",
        "| HEART: nonsense",
        "| @@@1",
        "| before after",
        "| no end",
    ] {
        assert!(
            ended.log.iter().any(|other| other == line),
            "{line}: {ended:#?}"
        );
    }
    let loud = ended
        .log
        .iter()
        .map(|line| line.matches('x').count())
        .sum::<usize>();
    assert!(loud >= 5000, "{loud}");
    assert!(ended.mail.unwrap().contains("snapshot"));
}
