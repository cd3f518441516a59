// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recovery that several hosts make together, each unpacking the uploads whose gold it has, brings
//! back and tells what one brings back that does it alone.

use crate::support::checked::own_blobs;
use crate::support::hosts::{parts_left, rows, world};
use crate::support::pruned::{droppable, pruned, there};
use crate::support::queue::{
    clear, counts, end_deletion, end_entry, queue_deletion, reset, run_queued, start_next,
};
use crate::support::recovered::{lose, lose_files, needed_files, notes};
use crate::support::scheduler::{Agent, until_stopped};
use crate::support::trouble::{files, wait_for};
use crate::support::world::World;
use fossology_backup::demo::sample::{NewUpload, Options};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Queues a recovery; gives its request.
fn queue(world: &World, arguments: &[&str]) -> i32 {
    let arguments = [&["--json", "queue", "recover"], arguments].concat();
    let queued = world.call(&arguments).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// What is known of blobs.
fn states(world: &World) -> Vec<String> {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT concat_ws(' ', pfile_sha1, kind) FROM backup_blob_state
                   JOIN pfile USING (pfile_pk) ORDER BY 1";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The runs of a request: verb and state.
fn runs(world: &World, request: i32) -> String {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT string_agg(verb || ':' || state, ' ' ORDER BY id) FROM backup_run
                  WHERE request = $1";
    client.query_one(query, &[&request]).unwrap().get(0)
}

/// Hosts of the queued entries and what each waits for.
fn shape(world: &World) -> Vec<(String, Vec<usize>)> {
    let rows = rows(world).into_iter();
    rows.map(|(host, _, after)| (host, after)).collect()
}

/// Lets all that is queued end, well or with something lost.
#[track_caller]
fn run_all(world: &World) {
    for (_, ended) in run_queued(world) {
        assert!(ended.code == Some(0) || ended.code == Some(3), "{ended:#?}");
    }
}

struct Outcome {
    counts: Value,
    told: (String, String),
    states: Vec<String>,
    files: BTreeMap<PathBuf, fossology_backup::demo::FileState>,
}

fn outcome(world: &World, request: i32) -> Outcome {
    Outcome {
        counts: counts(world, request),
        told: world.request(request),
        states: states(world),
        files: needed_files(world),
    }
}

#[test]
fn only_what_several_hosts_gain_from_is_divided() {
    let world = world();
    // Two uploads whose own files lie on one host, and one of another's.
    let gold_on = |host: &str| {
        let on = |upload: &i32| {
            let folder = world.sample().repository().join(host).join("gold");
            let blobs = world.sample().blobs_of(*upload).into_iter();
            let mut golds = blobs.flat_map(|blob| blob.paths);
            golds.any(|path| path.starts_with(&folder))
        };
        let uploads = world.sample().uploads().into_iter().filter(on);
        uploads.map(|upload| upload.to_string()).collect::<Vec<_>>()
    };
    let (alpha, beta) = (gold_on("alpha"), gold_on("beta"));
    let (first, same, second) = (&alpha[0], &alpha[1], &beta[0]);
    let blob = world.sample().needed_blobs()[0].name.to_string();
    let three = vec![
        ("alpha".to_owned(), vec![]),
        ("beta".to_owned(), vec![]),
        ("alpha".to_owned(), vec![0, 1]),
    ];
    let one = |host: &str| vec![(host.to_owned(), vec![])];
    for (arguments, expected) in [
        (&["--missing"][..], three.clone()),
        (&["--upload", first, "--upload", second], three),
        (&["--upload", first, "--upload", same], one("-")),
        (&["--upload", first], one("-")),
        (&["--upload", first, "--upload", first], one("-")),
        (&["--blob", &blob], one("-")),
        (&["--missing", "--host", "beta"], one("beta")),
    ] {
        let mut client = world.sample().connect().unwrap();
        client
            .batch_execute("DELETE FROM jobdepends; DELETE FROM jobqueue")
            .unwrap();
        queue(&world, arguments);
        assert_eq!(shape(&world), expected, "{arguments:?}");
    }
}

#[test]
fn all_hosts_together_bring_back_what_one_brings_back() {
    for vault in [false, true] {
        let recover = |more: &[&str]| {
            let world = world();
            clear(&world);
            if vault {
                // A backup of gold carries what cannot be unpacked again.
                world.backup("gold");
            }
            let gone = lose_files(&world);
            let gold = world.sample().blobs_of(world.sample().uploads()[0]);
            let gold = gold.iter().find(|blob| blob.paths.len() == 2);
            if let Some(gold) = gold {
                // It comes from the vault, if there is one.
                fs::remove_file(&gold.paths[0]).unwrap();
            }
            let request = queue(&world, &[&["--missing"], more].concat());
            run_all(&world);
            assert_eq!(parts_left(&world), 0);
            let outcome = outcome(&world, request);
            assert_eq!(
                outcome.counts["missing"]["blobs"],
                gone.len(),
                "{}",
                outcome.counts
            );
            (outcome, runs(&world, request))
        };
        let (alone, _) = recover(&["--host", "alpha"]);
        let (together, runs) = recover(&[]);
        assert_eq!(together.counts, alone.counts);
        assert_eq!(together.told, alone.told);
        assert_eq!(together.states, alone.states);
        assert_eq!(together.files, alone.files);
        let end = if vault { "done" } else { "incomplete" };
        assert_eq!(
            runs,
            format!("recover part:done recover part:done recover:{end}")
        );
    }
}

#[test]
fn several_uploads_are_divided_by_where_their_gold_lies() {
    let recover = |more: &[&str]| {
        let world = world();
        clear(&world);
        lose_files(&world);
        let uploads: Vec<String> = world.sample().uploads()[..4]
            .iter()
            .map(i32::to_string)
            .collect();
        let mut arguments: Vec<&str> = uploads
            .iter()
            .flat_map(|upload| ["--upload", upload.as_str()])
            .collect();
        arguments.extend(more);
        let request = queue(&world, &arguments);
        run_all(&world);
        let mut client = world.sample().connect().unwrap();
        let query = "SELECT (counts->>'looked')::bigint FROM backup_run
                      WHERE verb = 'recover part' AND (counts->>'looked')::bigint > 0";
        let shares = client.query(query, &[]).unwrap().len();
        (outcome(&world, request), shares)
    };
    let (alone, _) = recover(&["--host", "alpha"]);
    let (together, shares) = recover(&[]);
    assert_eq!(together.counts, alone.counts);
    assert_eq!(together.told, alone.told);
    assert_eq!(together.states, alone.states);
    assert_eq!(together.files, alone.files);
    assert_eq!(shares, 2, "both had something to look for");
}

#[test]
fn a_host_that_does_not_see_all_writes_nothing_and_fails_by_name() {
    let world = world();
    clear(&world);
    let before = needed_files(&world);
    lose_files(&world);
    let repository = world.sample().repository();
    let (beta, away) = (repository.join("beta"), world.path("away"));
    fs::rename(&beta, &away).unwrap();
    let request = queue(&world, &["--missing"]);
    let (alpha, entry) = start_next(&world).unwrap();
    let ended = alpha.serve().expect(1);
    end_entry(&world, &entry, &ended);
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.starts_with("recover on alpha: the storage of repository host 'beta' is not there"),
        "{message}"
    );
    assert!(!beta.exists());
    run_queued(&world);

    // The folders below a mount are there, and empty.
    fs::create_dir_all(beta.join("files")).unwrap();
    fs::create_dir_all(beta.join("gold")).unwrap();
    let request = queue(&world, &["--missing"]);
    let (alpha, entry) = start_next(&world).unwrap();
    let ended = alpha.serve().expect(1);
    end_entry(&world, &entry, &ended);
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message
            .starts_with("recover on alpha: the storage of repository host 'beta' holds nothing"),
        "{message}"
    );
    assert!(message.contains("mount it"), "{message}");
    assert_eq!(files(&beta), [""; 0].map(PathBuf::from));
    run_queued(&world);

    fs::remove_dir_all(&beta).unwrap();
    fs::rename(&away, &beta).unwrap();
    let request = queue(&world, &["--missing"]);
    run_all(&world);
    let lost = notes(&world).len();
    assert_eq!(counts(&world, request)["lost"]["blobs"], lost);
    assert_eq!(needed_files(&world).len(), before.len() - lost);
}

#[test]
fn hosts_that_disagree_fail_the_run_by_name() {
    let world = world();
    clear(&world);
    lose_files(&world);
    let both = |world: &World| {
        let request = queue(world, &["--missing"]);
        for _ in 0..2 {
            let (share, entry) = start_next(world).unwrap();
            end_entry(world, &entry, &share.serve().expect(0));
        }
        request
    };
    let request = both(&world);
    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("* 80 ff", "* 70 ff")).unwrap();
    let (merge, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &merge.serve().expect(1));
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.contains("the host of 'recover on alpha' has another depth or [REPOSITORY]"),
        "{message}"
    );
    fs::write(&conf, text).unwrap();

    let request = both(&world);
    fs::rename(world.vault(), world.path("old")).unwrap();
    world.call(&["init"]).expect(0);
    let (merge, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &merge.serve().expect(1));
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.contains("the host of 'recover on alpha' has another vault"),
        "{message}"
    );

    // Another version.
    let request = both(&world);
    let mut client = world.sample().connect().unwrap();
    let change = "UPDATE backup_part SET data = convert_to(regexp_replace(
                      convert_from(data, 'UTF8'), '\"program\":\"[^\"]*\"', '\"program\":\"0.0.1\"'), 'UTF8')
                   WHERE request = $1 AND host = 'beta'";
    assert_eq!(client.execute(change, &[&request]).unwrap(), 1);
    let (merge, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &merge.serve().expect(1));
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(
        message.contains("the host of 'recover on beta' has fo_backup 0.0.1"),
        "{message}"
    );
}

/// Two hosts, and an upload whose unpacking takes a while.
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

/// How many files lie in the repository.
fn in_place(world: &World) -> usize {
    files(world.sample().repository()).len()
}

/// Lets an agent work until files come back, and holds it there.
fn hold_in_the_middle(world: &World, agent: &mut Agent) {
    let left = in_place(world);
    agent.give_job();
    wait_for("files to come back", || {
        (in_place(world) > left).then_some(())
    });
    agent.signal(Signal::SIGSTOP);
    until_stopped(agent.pid());
}

#[test]
fn a_share_that_is_killed_in_the_middle_fails_by_name_and_is_done_again() {
    let world = slow_world();
    lose_files(&world);
    let request = queue(&world, &["--missing"]);
    let (mut alpha, entry) = start_next(&world).unwrap();
    hold_in_the_middle(&world, &mut alpha);
    alpha.signal(Signal::SIGKILL);
    alpha.wait();
    // Started anew by the scheduler, it goes on.
    reset(&world);
    let (again, same) = start_next(&world).unwrap();
    assert_eq!(
        (same.entry, same.host.as_deref()),
        (entry.entry, Some("alpha"))
    );
    end_entry(&world, &same, &again.serve().expect(0));
    run_all(&world);
    // What is lost is known not to come out of archives.
    assert_eq!(world.request(request).0, "done");
    let lost = notes(&world).len();
    assert_eq!(counts(&world, request)["lost"]["blobs"], lost);

    // Else it has failed for the scheduler, the rest with it, and whoever asks anew goes on.
    lose_files(&world);
    let request = queue(&world, &["--missing"]);
    let (mut alpha, entry) = start_next(&world).unwrap();
    hold_in_the_middle(&world, &mut alpha);
    alpha.signal(Signal::SIGKILL);
    end_entry(&world, &entry, &alpha.wait());
    let (beta, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &beta.serve().expect(0));
    assert!(start_next(&world).is_none());
    world.call(&["check"]);
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert_eq!(message, "recover on alpha: ended without a word");
    let request = queue(&world, &["--missing"]);
    run_all(&world);
    assert_eq!(counts(&world, request)["lost"]["blobs"], lost);
}

#[test]
fn a_share_gives_way_and_goes_on_and_all_is_told_of_both() {
    let world = slow_world();
    for attempt in 1.. {
        let gone = lose_files(&world);
        let request = queue(&world, &["--missing"]);
        let (mut alpha, entry) = start_next(&world).unwrap();
        hold_in_the_middle(&world, &mut alpha);
        let deletion = queue_deletion(&world);
        alpha.signal(Signal::SIGCONT);
        let ended = alpha.serve().expect(0);
        end_entry(&world, &entry, &ended);
        end_deletion(&world, deletion, true);
        let gave_way = ended.log.iter().any(|line| line.contains("gave way"));
        run_all(&world);
        let counts = counts(&world, request);
        assert_eq!(counts["missing"]["blobs"], gone.len(), "{counts}");
        let sum = |key: &str| counts[key]["blobs"].as_u64().unwrap();
        assert_eq!(
            sum("missing"),
            sum("linked") + sum("unpacked") + sum("lost"),
            "{counts}"
        );
        assert_eq!(sum("lost"), notes(&world).len() as u64);
        assert_eq!(
            runs(&world, request),
            "recover part:done recover part:done recover:incomplete"
        );
        if gave_way {
            return;
        }
        println!("attempt {attempt}: the share had ended before it looked");
        assert!(attempt < 8);
    }
}

#[test]
fn two_shares_at_once_do_each_other_no_harm() {
    let world = slow_world();
    let before = needed_files(&world);
    let gone = lose_files(&world);
    let request = queue(&world, &["--missing"]);
    let mut running = Vec::new();
    for _ in 0..2 {
        let (mut agent, entry) = start_next(&world).unwrap();
        agent.give_job();
        running.push((agent, entry));
    }
    for (agent, entry) in running {
        end_entry(&world, &entry, &agent.serve().expect(0));
    }
    run_all(&world);
    let counts = counts(&world, request);
    assert_eq!(counts["missing"]["blobs"], gone.len(), "{counts}");
    let lost = notes(&world).len();
    assert_eq!(counts["lost"]["blobs"], lost, "{counts}");
    let after = needed_files(&world);
    assert_eq!(after.len(), before.len() - lost);
    assert!(after.iter().all(|(path, state)| before[path] == *state));
}

#[test]
fn the_last_one_takes_what_nobody_has_looked_for() {
    let mut world = world();
    clear(&world);
    let request = queue(&world, &["--missing"]);
    for _ in 0..2 {
        let (share, entry) = start_next(&world).unwrap();
        end_entry(&world, &entry, &share.serve().expect(0));
    }
    let late = NewUpload::sources("late.tar.gz", 9, 20);
    let late = world.sample_mut().add_upload(late).unwrap();
    let before = needed_files(&world);
    let blobs = own_blobs(&world, late);
    let gone: Vec<_> = blobs.iter().filter(|blob| blob.paths.len() == 1).collect();
    gone.iter().for_each(|blob| lose(blob));
    run_all(&world);
    assert_eq!(world.request(request).0, "done");
    let counts = counts(&world, request);
    assert_eq!(counts["missing"]["blobs"], gone.len(), "{counts}");
    assert_eq!(counts["unpacked"]["blobs"], gone.len(), "{counts}");
    assert_eq!(needed_files(&world), before);
}

#[test]
fn a_rehearsal_is_divided_too_and_writes_nothing() {
    let world = world();
    clear(&world);
    let before = needed_files(&world);
    let rehearse = |more: &[&str]| {
        let request = queue(&world, &[&["--missing", "--as-if-gone"], more].concat());
        run_all(&world);
        let mut client = world.sample().connect().unwrap();
        client
            .execute("DELETE FROM backup_blob_state", &[])
            .unwrap();
        counts(&world, request)
    };
    let alone = rehearse(&["--host", "alpha"]);
    assert!(alone["unpacked"]["blobs"].as_u64() > Some(100), "{alone}");
    assert_eq!(rehearse(&[]), alone);
    assert_eq!(needed_files(&world), before);
}

#[test]
fn what_was_pruned_of_several_uploads_comes_back_by_several_hosts() {
    let world = world();
    clear(&world);
    let before = needed_files(&world);
    world
        .call(&["prune", "--policy", "gold-only", "--yes"])
        .expect(0);
    let gone = droppable(&world);
    assert_eq!(there(&gone), [""; 0].map(PathBuf::from));
    let uploads: Vec<String> = world
        .sample()
        .uploads()
        .iter()
        .map(i32::to_string)
        .collect();
    let uploads: Vec<&str> = uploads.iter().map(String::as_str).collect();
    let arguments = [&["--json", "queue", "prune", "--undo"], &uploads[..]].concat();
    let queued = world.call(&arguments).expect(0).json();
    let request = i32::try_from(queued["request"].as_i64().unwrap()).unwrap();
    let hosts: Vec<String> = shape(&world).into_iter().map(|(host, _)| host).collect();
    assert_eq!(hosts, ["alpha", "beta", "alpha"]);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(counts(&world, request)["unpacked"]["blobs"], gone.len());
    assert_eq!(needed_files(&world), before);
    assert!(pruned(&world).is_empty());
}
