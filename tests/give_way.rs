// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Long runs under FOSSology's scheduler give way to jobs that run alone, and go on after them. The
//! scheduler is a stand-in (see support/scheduler.rs and support/queue.rs), and what a deletion does
//! is done by the sample.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::{NewUpload, Options};
use fossology_backup::operations::{Context, Error, Instance, Stop, verify};
use fossology_backup::vault::{Location, Vault};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use support::giving::AtTheFirst;
use support::hosts::{assert_restorable, queue, rows, snapshots};
use support::queue::{
    Entry, Queue, clear, counts, end_deletion, end_entry, queue_deletion, reset, run_queued,
    start_next,
};
use support::scheduler::{Agent, Ended, until_stopped};
use support::trouble::{Held, Running, files, hold, until_held, wait_for};
use support::world::World;

/// How often a run may be finished before the deletion is noticed, which depends on the machine.
const TRIES: usize = 8;

/// An instance whose largest upload takes a while, its vault, and agents that look often.
fn world(extra_files: usize) -> World {
    let world = World::with(Options {
        extra_files,
        ..Options::one_host()
    });
    world.call(&["init"]).expect(0);
    world.enable_agent();
    world.write_settings("threads = 1\n[give_way]\nseconds = 0.002");
    clear(&world);
    world
}

/// Lets an agent work until `begun`, queues a deletion then, and lets it go on to its end.
fn interrupt(world: &World, begun: impl Fn() -> bool) -> (Ended, Entry, i32) {
    let (mut agent, entry) = start_next(world).unwrap();
    agent.give_job();
    wait_for("the work to begin", || begun().then_some(()));
    agent.signal(Signal::SIGSTOP);
    until_stopped(agent.pid());
    let deletion = queue_deletion(world);
    agent.signal(Signal::SIGCONT);
    (agent.serve(), entry, deletion)
}

fn gave_way(ended: &Ended) -> bool {
    ended.log.iter().any(|line| line.contains("gave way"))
}

/// Something is written into a pack.
fn packing(world: &World) -> bool {
    fs::read_dir(world.vault().join("tmp"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.metadata().is_ok_and(|file| file.len() > 100_000))
}

fn runs(world: &World, verb: &str) -> String {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT string_agg(state, ' ' ORDER BY id) FROM backup_run WHERE verb = $1";
    client.query_one(query, &[&verb]).unwrap().get(0)
}

#[test]
fn a_backup_that_gives_way_to_a_deletion_packs_every_blob_once() {
    let mut world = world(4000);
    for attempt in 1.. {
        let request = queue(&world);
        let (ended, entry, deletion) = interrupt(&world, || packing(&world));
        let ended = ended.expect(0);
        end_entry(&world, &entry, &ended);
        if !gave_way(&ended) {
            println!("attempt {attempt}: the backup had ended before it looked");
            assert!(attempt < TRIES);
            end_deletion(&world, deletion, true);
            for folder in ["snapshots", "packs"] {
                fs::remove_dir_all(world.vault().join(folder)).unwrap();
            }
            continue;
        }
        // The one who asked sees one run, which goes on.
        assert_eq!(ended.mail, None);
        assert_eq!(world.request(request).0, "running");
        assert!(snapshots(&world).is_empty());
        assert!(!files(&world.vault().join("packs")).is_empty());
        world.call(&["check"]);
        assert_eq!(
            world.request(request).0,
            "running",
            "it is not taken for dead"
        );

        // The deletion fails for the scheduler; that does not take the backup with it.
        let upload = world.sample().upload_named("COPYING").unwrap();
        world.sample_mut().delete_upload(upload, 0).unwrap();
        end_deletion(&world, deletion, false);
        let ended = run_queued(&world);
        assert_eq!(ended.len(), 1);
        for (_, ended) in ended {
            assert!(ended.expect(0).mail.unwrap().contains("snapshot"));
        }
        assert_eq!(world.request(request).0, "done");
        assert_eq!(snapshots(&world).len(), 1);
        assert_eq!(runs(&world, "backup"), "done");
        // All that is in the packs was counted, and no blob is in two of them.
        let held = world.call(&["--json", "verify"]).expect(0).json()["checked"]["blobs"].clone();
        let counts = counts(&world, request);
        assert_eq!(counts["new"], held, "{counts}");
        let needed = world.sample().needed_blobs().len() as u64;
        assert!(
            (needed..=needed + 1).contains(&held.as_u64().unwrap()),
            "{held}"
        );
        assert_eq!(snapshots(&world)[0]["counts"]["new"], held);
        assert_restorable(&world);
        return;
    }
}

#[test]
fn parts_give_way_too_and_what_waits_for_them_goes_on_waiting() {
    let world = World::with_vault();
    world.enable_agent();
    world.write_settings("[give_way]\nseconds = 0.002");
    clear(&world);
    let request = queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    let held = hold(&world, "pfile");
    let (mut part, entry) = start_next(&world).unwrap();
    part.give_job();
    until_held(&world, "fo_backup backup names");
    let deletion = queue_deletion(&world);
    part.until_says("waits and runs alone");
    drop(held);
    end_entry(&world, &entry, &part.serve().expect(0));
    // Behind the part, on its host, and before the end of all.
    let queued = rows(&world);
    let (host, word, after) = queued.last().unwrap();
    assert_eq!((host.as_str(), after.as_slice()), ("alpha", &[1][..]));
    assert_eq!(word, &queued[1].1);
    assert_eq!(queued[3].2, [0, 1, 2, 4]);
    end_deletion(&world, deletion, true);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    let all = world.sample().needed_blobs().len();
    assert_eq!(snapshots(&world)[0]["counts"]["new"], all);
    assert_restorable(&world);
}

/// Takes everything that was unpacked away; gives the paths, in no order.
fn lose_files(world: &World) -> usize {
    let gone: Vec<_> = world
        .sample()
        .needed_blobs()
        .into_iter()
        .filter(|blob| blob.paths.len() == 1)
        .flat_map(|blob| blob.paths)
        .filter(|path| path.components().any(|part| part.as_os_str() == "files"))
        .collect();
    gone.iter().for_each(|path| fs::remove_file(path).unwrap());
    gone.len()
}

fn files_below(folder: &Path) -> usize {
    files(folder).len()
}

#[test]
fn a_recovery_that_gives_way_goes_on_and_tells_of_both() {
    let world = world(1500);
    for attempt in 1.. {
        let gone = lose_files(&world) as u64;
        let tree = world.sample().repository().join("localhost/files");
        let left = files_below(&tree);
        let queued = world
            .call(&["--json", "queue", "recover", "--missing"])
            .expect(0)
            .json();
        let request = queued["request"].as_i64().unwrap() as i32;
        let (ended, entry, deletion) = interrupt(&world, || files_below(&tree) > left);
        end_entry(&world, &entry, &ended);
        if !gave_way(&ended) {
            println!("attempt {attempt}: the recovery had ended before it looked");
            assert!(attempt < TRIES);
            end_deletion(&world, deletion, true);
            continue;
        }
        ended.expect(0);
        assert_eq!(world.request(request).0, "running");
        end_deletion(&world, deletion, true);
        let ended = run_queued(&world);
        assert!(!ended.is_empty());
        ended.last().unwrap().1.says("not back");
        let counts = counts(&world, request);
        let sum = |key: &str| counts[key]["blobs"].as_u64().unwrap();
        assert_eq!(
            sum("missing"),
            sum("linked") + sum("unpacked") + sum("from_vault") + sum("lost"),
            "{counts}"
        );
        assert!(sum("missing") >= gone, "{gone}: {counts}");
        assert_eq!(runs(&world, "recover").split(' ').count(), attempt);
        return;
    }
}

#[test]
fn a_deep_check_goes_on_at_the_shard_before_which_it_left() {
    let world = world(0);
    let blobs = world.sample().needed_blobs();
    let in_files: Vec<_> = blobs.iter().filter(|blob| blob.paths.len() == 1).collect();
    // One loss at each end.
    fs::remove_file(&in_files[0].paths[0]).unwrap();
    fs::write(&in_files.last().unwrap().paths[0], "rotten").unwrap();
    let whole = world.call(&["--json", "check", "--deep"]).expect(3).json();
    let queued = world
        .call(&["--json", "queue", "check", "--deep", "--host", "localhost"])
        .expect(0)
        .json();
    let request = queued["request"].as_i64().unwrap() as i32;
    let mut turns = 0;
    loop {
        // Whoever begins finds the next deletion waiting.
        let held = hold(&world, "pfile");
        let (mut agent, entry) = start_next(&world).unwrap();
        agent.give_job();
        until_held(&world, "fo_backup check catalogue");
        let deletion = (turns < 3).then(|| queue_deletion(&world));
        if deletion.is_some() {
            agent.until_says("waits and runs alone");
        }
        drop(held);
        let ended = agent.serve();
        end_entry(&world, &entry, &ended);
        turns += 1;
        let Some(deletion) = deletion else {
            ended.expect(3);
            break;
        };
        assert!(gave_way(&ended.expect(0)));
        end_deletion(&world, deletion, true);
    }
    assert_eq!(turns, 4);
    assert_eq!(world.request(request).0, "incomplete");
    assert_eq!(counts(&world, request), whole["counts"]);
    assert_eq!(runs(&world, "check"), "incomplete incomplete");
}

#[test]
fn a_verification_reads_no_pack_twice() {
    let mut world = world(0);
    for name in ["", "one.tar.gz", "two.tar.gz"] {
        if !name.is_empty() {
            let upload = NewUpload::sources(name, name.len() as u64, 10);
            world.sample_mut().add_upload(upload).unwrap();
        }
        world.backup("full");
    }
    let whole = world
        .call(&["--json", "verify", "--read-data"])
        .expect(0)
        .json();
    let packs = whole["checked"]["packs_read"].as_u64().unwrap();
    assert!(packs > 3, "{packs}");
    let vault = Vault::open(&Location::folder(&world.vault())).unwrap();
    let mut instance = Instance::load(&world.sample().sysconfdir()).unwrap();
    let options = verify::Options {
        snapshot: None,
        read: Some(100.0),
        repair_indexes: false,
        urls: None,
        threads: 1,
    };
    let mut turns = 0;
    let report = loop {
        let stop = Stop::new();
        let progress = AtTheFirst::of(&stop);
        let context = Context {
            progress: &progress,
            stop: &stop,
        };
        match verify::run(&vault, Some(&instance), &options, context) {
            Err(Error::GaveWay { carried }) => instance.asked.carried = Some(carried),
            report => break report.unwrap(),
        }
        turns += 1;
        assert!(turns <= packs);
    };
    // One pack was read each time.
    assert_eq!(turns, packs - 1);
    assert_eq!(
        serde_json::to_value(&report.checked).unwrap(),
        whole["checked"]
    );
}

/// An agent that is about to queue its rest, and cannot.
fn held_while_giving_way(world: &World) -> (Agent, Entry, i32, Held) {
    let held = hold(world, "pfile");
    let (mut agent, entry) = start_next(world).unwrap();
    agent.give_job();
    until_held(world, "fo_backup backup catalogue");
    let deletion = queue_deletion(world);
    agent.until_says("waits and runs alone");
    let requests = hold(world, "backup_request");
    drop(held);
    until_held(world, "fo_backup backup");
    (agent, entry, deletion, requests)
}

#[test]
fn killed_while_it_gives_way_nothing_is_left_in_the_queue_and_the_job_can_be_done_again() {
    let world = world(0);
    let request = queue(&world);
    let before = rows(&world).len();
    let (agent, entry, deletion, held) = held_while_giving_way(&world);
    agent.signal(Signal::SIGKILL);
    let ended = agent.wait();
    drop(held);
    assert_eq!((ended.code, ended.exit), (None, 137));
    assert_eq!(rows(&world).len(), before);
    // The scheduler died too: started anew, it does the job again, after the deletion.
    reset(&world);
    end_deletion(&world, deletion, true);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(snapshots(&world).len(), 1);

    // Else its job has failed, and whoever looks is told so.
    for folder in ["snapshots", "packs"] {
        fs::remove_dir_all(world.vault().join(folder)).unwrap();
    }
    let second = queue(&world);
    let (agent, again, _, held) = held_while_giving_way(&world);
    agent.signal(Signal::SIGKILL);
    let ended = agent.wait();
    drop(held);
    assert_ne!(again.entry, entry.entry);
    end_entry(&world, &again, &ended);
    // By then the server has seen that its client is gone.
    wait_for("the request to be settled", || {
        world.call(&["verify"]).expect(0);
        (world.request(second).0 != "running").then_some(())
    });
    let (state, message) = world.request(second);
    assert_eq!(
        (state.as_str(), message.as_str()),
        ("failed", "ended without a word")
    );
    assert!(snapshots(&world).is_empty());
}

#[test]
fn who_waits_sees_one_run() {
    let world = world(0);
    let mut scheduler = Queue::open(&world);
    let waiting = Running::start(world.command(&["--json", "queue", "backup", "--wait"]));
    scheduler.hear();
    let held = hold(&world, "pfile");
    let (mut agent, entry) = start_next(&world).unwrap();
    agent.give_job();
    until_held(&world, "fo_backup backup catalogue");
    let deletion = queue_deletion(&world);
    agent.until_says("waits and runs alone");
    drop(held);
    // By then it has to know of the deletion, which it starts when the agent has ended.
    scheduler.hear();
    let ended = agent.serve().expect(0);
    assert!(gave_way(&ended));
    end_entry(&world, &entry, &ended);
    end_deletion(&world, deletion, true);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    let answer = waiting.wait().expect(0).json();
    assert_eq!(answer["state"], "done", "{answer}");
    assert!(answer["message"].as_str().unwrap().starts_with("snapshot"));
}

#[test]
fn who_says_no_does_not_give_way() {
    let world = world(0);
    world.write_settings("[give_way]\nenabled = false\nseconds = 0.002");
    queue(&world);
    let held = hold(&world, "pfile");
    let (mut agent, entry) = start_next(&world).unwrap();
    agent.give_job();
    until_held(&world, "fo_backup backup catalogue");
    queue_deletion(&world);
    agent.until_beats(3);
    drop(held);
    let ended = agent.serve().expect(0);
    assert!(!gave_way(&ended));
    end_entry(&world, &entry, &ended);
    assert_eq!(snapshots(&world).len(), 1);
    // Neither does a run from the command line, whatever waits.
    world.write_settings("[give_way]\nseconds = 0.002");
    queue_deletion(&world);
    world.backup("full");
}
