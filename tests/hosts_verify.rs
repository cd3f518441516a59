// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A verification that several hosts make together, each reading its share of packs and chunks, finds
//! and proves what one finds and proves that reads all; and nothing is proven where one of them fails.

use crate::support::giving::AtTheFirst;
use crate::support::hosts::{parts_left, rows};
use crate::support::queue::{clear, counts, end_entry, run_queued, start_next};
use crate::support::scheduler::Ended;
use crate::support::trouble::{ending, files, hold, until_waited_for};
use crate::support::world::World;
use fossology_backup::demo::sample::NewUpload;
use fossology_backup::operations::verify::{self, Options, Report, parts};
use fossology_backup::operations::{Context, Error, Instance, Quiet, Stop};
use fossology_backup::vault::{Location, Vault};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Queues a verification of the data; gives its request.
fn queue(world: &World) -> i32 {
    let arguments = ["--json", "queue", "verify", "--read-data"];
    let queued = world.call(&arguments).expect(0).json();
    i32::try_from(queued["request"].as_i64().unwrap()).unwrap()
}

/// The packs that are proven.
fn proven(world: &World) -> BTreeSet<String> {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT encode(pack, 'hex') FROM backup_verified_pack";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn prove_nothing(world: &World) {
    let mut client = world.sample().connect().unwrap();
    client
        .execute("DELETE FROM backup_verified_pack", &[])
        .unwrap();
}

fn pack_paths(world: &World) -> Vec<PathBuf> {
    ending(&world.vault().join("packs"), ".tar.zst")
}

/// An instance with a vault of several packs, on which nothing is proven.
fn world() -> World {
    let mut world = World::with_vault();
    fill(&mut world);
    world
}

fn fill(world: &mut World) {
    world.enable_agent();
    for (name, seed) in [
        ("", 0),
        ("one.tar.gz", 1),
        ("two.tar.gz", 2),
        ("three.tar.gz", 3),
    ] {
        if !name.is_empty() {
            let upload = NewUpload::sources(name, seed, 10);
            world.sample_mut().add_upload(upload).unwrap();
        }
        world.backup("full");
    }
    clear(world);
    world.call(&["check"]);
    prove_nothing(world);
}

/// Runs the next entry, which has to be for this host.
#[track_caller]
fn run_one(world: &World, host: &str, code: i32) -> Ended {
    let (agent, entry) = start_next(world).unwrap();
    assert_eq!(entry.host.as_deref(), Some(host));
    let ended = agent.serve().expect(code);
    end_entry(world, &entry, &ended);
    ended
}

/// A request that has failed with these words, and has proven nothing.
#[track_caller]
fn assert_failed(world: &World, request: i32, words: &str) {
    let (state, message) = world.request(request);
    assert_eq!(state, "failed");
    assert!(message.contains(words), "{message}");
    assert_eq!(proven(world), BTreeSet::new());
}

#[test]
fn only_reading_is_divided() {
    let world = World::with_vault();
    world.enable_agent();
    for (arguments, hosts) in [
        (
            &["verify", "--read-data"][..],
            &["alpha", "beta", "alpha"][..],
        ),
        (&["verify", "--read-data=20"], &["alpha", "beta", "alpha"]),
        (&["verify"], &["-"]),
        (&["verify", "--read-data", "--repair-indexes"], &["-"]),
        (&["verify", "--read-data", "--host", "beta"], &["beta"]),
    ] {
        let mut client = world.sample().connect().unwrap();
        client
            .batch_execute("DELETE FROM jobdepends; DELETE FROM jobqueue")
            .unwrap();
        world.call(&[&["queue"], arguments].concat()).expect(0);
        let queued = rows(&world);
        let queued: Vec<&str> = queued.iter().map(|(host, ..)| host.as_str()).collect();
        assert_eq!(queued, hosts, "{arguments:?}");
    }
}

#[test]
fn all_hosts_together_prove_what_one_proves() {
    let world = world();
    let alone = world.call(&["--json", "verify", "--read-data"]).expect(0);
    let alone = alone.json();
    let all = proven(&world);
    assert_eq!(all.len(), pack_paths(&world).len());
    assert!(all.len() > 4);
    prove_nothing(&world);
    let request = queue(&world);
    for host in ["alpha", "beta"] {
        run_one(&world, host, 0);
        assert_eq!(proven(&world), BTreeSet::new(), "only the last one proves");
    }
    run_one(&world, "alpha", 0);
    let (state, message) = world.request(request);
    assert_eq!(state, "done");
    assert!(message.contains("all of it is whole"), "{message}");
    assert_eq!(counts(&world, request), alone["checked"]);
    assert_eq!(proven(&world), all);
    assert_eq!(
        (
            parts_left(&world),
            files(&world.vault().join("locks")).len()
        ),
        (0, 0)
    );
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT string_agg(verb || ':' || state, ' ' ORDER BY id),
                        sum((counts->>'packs_read')::int) FILTER (WHERE verb = 'verify part')
                   FROM backup_run WHERE request = $1";
    let row = client.query_one(query, &[&request]).unwrap();
    assert_eq!(
        row.get::<_, String>(0),
        "verify part:done verify part:done verify:done"
    );
    // The hosts have read all, each pack once.
    assert_eq!(row.get::<_, i64>(1), all.len() as i64);
}

fn options(percent: f64) -> Options {
    Options {
        snapshot: None,
        read: Some(percent),
        repair_indexes: false,
        urls: None,
        threads: 2,
    }
}

fn quiet(stop: &Stop) -> Context<'_> {
    Context {
        progress: &Quiet,
        stop,
    }
}

struct Opened {
    vault: Vault,
    instance: Instance,
    stop: Stop,
}

fn open(world: &World) -> Opened {
    Opened {
        vault: Vault::open(&Location::folder(&world.vault())).unwrap(),
        instance: Instance::load(&world.sample().sysconfdir()).unwrap(),
        stop: Stop::new(),
    }
}

impl Opened {
    /// What each of so many hosts sees, as it is handed over.
    fn shares(&self, of: usize, percent: f64) -> Vec<(String, parts::Share, parts::Part)> {
        let share = |share| {
            let (instance, vault) = (&self.instance, &self.vault);
            let context = quiet(&self.stop);
            let part = parts::share(instance, vault, &options(percent), share, context).unwrap();
            let handed = serde_json::to_vec(&part).unwrap();
            (
                format!("verify on {share:?}"),
                share,
                serde_json::from_slice(&handed).unwrap(),
            )
        };
        parts::Share::all(of).map(share).collect()
    }

    fn merge(&self, shares: Vec<(String, parts::Share, parts::Part)>, percent: f64) -> Report {
        let context = quiet(&self.stop);
        parts::merge(
            &self.instance,
            &self.vault,
            &options(percent),
            shares,
            context,
        )
        .unwrap()
    }
}

/// A report, with its damage in the order of the objects.
fn sorted(report: &Report) -> Value {
    let mut report = serde_json::to_value(report).unwrap();
    let damage = report["damage"].as_array_mut().unwrap();
    damage.sort_by_key(|damage| damage["object"].as_str().unwrap().to_owned());
    report
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn all_hosts_together_name_the_damage_that_one_names() {
    let world = world();
    let packs = pack_paths(&world);
    flip(&packs[0], 100);
    flip(&packs[1], 200);
    let bytes = fs::read(&packs[2]).unwrap();
    fs::write(&packs[2], &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(&packs[3]).unwrap();
    fs::remove_file(packs[4].to_str().unwrap().replace(".tar.zst", ".idx")).unwrap();
    let chunks = ending(&world.vault().join("database"), ".zst");
    flip(&chunks[0], 20);
    fs::write(&chunks[1], "").unwrap();
    fs::remove_file(&chunks[2]).unwrap();
    let opened = open(&world);
    let alone = verify::run(
        &opened.vault,
        Some(&opened.instance),
        &options(100.0),
        quiet(&opened.stop),
    );
    let (alone, by_one) = (sorted(&alone.unwrap()), proven(&world));
    assert!(alone["damage"].as_array().unwrap().len() >= 8, "{alone:#}");
    assert!(alone["damage"][0]["blobs"].is_array());
    for of in [2, 3, 7] {
        prove_nothing(&world);
        let together = opened.merge(opened.shares(of, 100.0), 100.0);
        assert_eq!(sorted(&together), alone);
        assert_eq!(proven(&world), by_one);
    }
}

#[test]
fn of_a_sample_only_what_was_read_is_proven() {
    let world = world();
    let opened = open(&world);
    let shares = opened.shares(2, 30.0);
    let read: u64 = shares.iter().map(|(.., part)| part.read().0).sum();
    let packs = pack_paths(&world).len() as u64;
    assert!(0 < read && read < packs, "{read} of {packs}");
    let report = opened.merge(shares, 30.0);
    assert_eq!(report.checked.packs_read, read);
    assert!(report.damage.is_empty());
    assert_eq!(proven(&world).len() as u64, read);
}

#[test]
fn the_last_one_reads_what_nobody_has_read() {
    let mut world = world();
    let request = queue(&world);
    run_one(&world, "alpha", 0);
    run_one(&world, "beta", 0);
    let upload = NewUpload::sources("late.tar.gz", 9, 20);
    world.sample_mut().add_upload(upload).unwrap();
    world.backup("full");
    run_one(&world, "alpha", 0);
    assert_eq!(world.request(request).0, "done");
    assert_eq!(
        counts(&world, request)["packs_read"],
        pack_paths(&world).len()
    );
    assert_eq!(proven(&world).len(), pack_paths(&world).len());
}

#[test]
fn a_host_without_the_vault_or_with_another_one_fails_the_run_by_name() {
    let world = world();
    let away = world.path("away");
    let request = queue(&world);
    run_one(&world, "alpha", 0);
    fs::rename(world.vault(), &away).unwrap();
    run_one(&world, "beta", 10);
    assert!(start_next(&world).is_none());
    let (_, message) = world.request(request);
    assert!(message.starts_with("verify on beta: "), "{message}");
    fs::rename(&away, world.vault()).unwrap();
    assert_failed(&world, request, "verify on beta: ");

    // A copy of the vault, which is one of its own.
    let request = queue(&world);
    run_one(&world, "alpha", 0);
    fs::rename(world.vault(), &away).unwrap();
    world.call(&["init"]).expect(0);
    world.backup("full");
    run_one(&world, "beta", 0);
    fs::remove_dir_all(world.vault()).unwrap();
    fs::rename(&away, world.vault()).unwrap();
    run_one(&world, "alpha", 1);
    assert_failed(
        &world,
        request,
        "the host of 'verify on beta' has another vault",
    );

    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(proven(&world).len(), pack_paths(&world).len());
}

/// Changes what a host has left, as text.
fn tamper(world: &World, request: i32, change: impl Fn(String) -> String) {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT data FROM backup_part WHERE request = $1 AND host = 'beta'";
    let data: Vec<u8> = client.query_one(query, &[&request]).unwrap().get(0);
    let data = change(String::from_utf8(data).unwrap()).into_bytes();
    let update = "UPDATE backup_part SET data = $2 WHERE request = $1 AND host = 'beta'";
    client.execute(update, &[&request, &data]).unwrap();
}

#[test]
fn what_is_torn_or_forged_proves_nothing() {
    let world = world();
    let of_another = |text: String| {
        let mut left: Value = serde_json::from_str(&text).unwrap();
        left["rules"]["request"] = json!(999);
        left.to_string()
    };
    let of_all = |text: String| {
        // As if it had read every pack.
        let mut left: Value = serde_json::from_str(&text).unwrap();
        let packs = pack_paths(&world);
        let packs = packs.iter().map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let size = fs::metadata(path).unwrap().len();
            json!({"id": name.replace(".tar.zst", ""), "size": size, "held": true, "wrong": null})
        });
        left["share"]["packs"] = packs.collect();
        left.to_string()
    };
    let of_one = |text: String| {
        // As if there were one host only.
        let mut left: Value = serde_json::from_str(&of_all(text)).unwrap();
        left["share"]["share"] = json!({"number": 0, "of": 1});
        left.to_string()
    };
    let torn = |text: String| text[..text.len() - 10].to_owned();
    let version = |text: String| text.replacen("\"program\":\"", "\"program\":\"9.", 1);
    let changes: [(&dyn Fn(String) -> String, &str); 5] = [
        (&of_another, "a result of request 999"),
        (&of_all, "tells of objects that were not its to read"),
        (&of_one, "tells of objects that were not its to read"),
        (&torn, "what 'verify on beta' left cannot be read"),
        (&version, "the host of 'verify on beta' has fo_backup 9."),
    ];
    for (change, words) in changes {
        let request = queue(&world);
        run_one(&world, "alpha", 0);
        run_one(&world, "beta", 0);
        tamper(&world, request, change);
        run_one(&world, "alpha", 1);
        assert_failed(&world, request, words);
    }
}

#[test]
fn a_share_that_is_killed_in_the_middle_fails_by_name_and_proves_nothing() {
    let world = world();
    let request = queue(&world);
    let (mut alpha, entry) = start_next(&world).unwrap();
    alpha.give_job();
    alpha.until_says("verify on alpha");
    let held = hold(&world, "backup_part");
    until_waited_for(&world, "backup_part");
    alpha.signal(Signal::SIGKILL);
    end_entry(&world, &entry, &alpha.wait());
    drop(held);
    run_one(&world, "beta", 0);
    assert!(start_next(&world).is_none());
    world.call(&["check"]);
    assert_failed(&world, request, "verify on alpha: ended without a word");
    // Its lease is that of a dead process, and asked anew all is read.
    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(proven(&world).len(), pack_paths(&world).len());
}

#[test]
fn a_share_that_gives_way_reads_no_pack_twice() {
    let world = world();
    let mut opened = open(&world);
    let alone = verify::run(
        &opened.vault,
        Some(&opened.instance),
        &options(100.0),
        quiet(&opened.stop),
    );
    let alone = sorted(&alone.unwrap());
    prove_nothing(&world);
    let options = Options {
        threads: 1,
        ..options(100.0)
    };
    let mut shares = Vec::new();
    let mut turns = 0;
    for share in parts::Share::all(2) {
        let part = loop {
            let stop = Stop::new();
            let progress = AtTheFirst::of(&stop);
            let context = Context {
                progress: &progress,
                stop: &stop,
            };
            match parts::share(&opened.instance, &opened.vault, &options, share, context) {
                Err(Error::GaveWay { carried }) => opened.instance.asked.carried = Some(carried),
                part => break part.unwrap(),
            }
            turns += 1;
            assert!(turns <= pack_paths(&world).len());
        };
        opened.instance.asked.carried = None;
        shares.push((format!("verify on {share:?}"), share, part));
    }
    assert!(turns > 1, "{turns}");
    assert_eq!(sorted(&opened.merge(shares, 100.0)), alone);
}

#[test]
fn an_encrypted_vault_is_proven_where_all_have_the_key() {
    let mut world = World::encrypted();
    fill(&mut world);
    let key = format!("[encryption]\nidentity = {:?}", world.path("key"));
    world.write_settings(&key);
    let alone = world.call_with_key("key", &["--json", "verify", "--read-data"]);
    let alone = alone.expect(0).json();
    let all = proven(&world);
    assert!(all.len() > 4);
    prove_nothing(&world);
    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(counts(&world, request), alone["checked"]);
    assert_eq!(proven(&world), all);
    prove_nothing(&world);

    // One that lacks it can only compare packs with their names.
    let request = queue(&world);
    run_one(&world, "alpha", 0);
    world.write_settings("");
    run_one(&world, "beta", 0);
    world.write_settings(&key);
    run_one(&world, "alpha", 1);
    assert_failed(
        &world,
        request,
        "the host of 'verify on beta' has no private key",
    );

    // Where nobody has it, nothing is damaged, and nothing proven.
    world.write_settings("");
    let request = queue(&world);
    for (_, ended) in run_queued(&world) {
        ended.expect(0);
    }
    assert_eq!(world.request(request).0, "done");
    assert_eq!(counts(&world, request)["packs_read"], all.len());
    assert_eq!(proven(&world), BTreeSet::new());
}
