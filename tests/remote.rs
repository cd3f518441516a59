// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault on a server: everything that is done with one in a directory goes there too, through
//! cut connections and killed servers, and what does not go says why.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use serde_json::Value;
use std::path::Path;
use support::restored::{blobs, lose_everything, rows};
use support::servers::{BUCKET, Proxy, S3Server, SECRET, Sshd, s3_settings, settings};
use support::world::{Called, World};

fn call(world: &World, location: &str, arguments: &[&str]) -> Called {
    let called = world.call_at(location, arguments);
    let said = format!("{}{}", called.stdout, called.stderr);
    assert!(!said.contains(SECRET), "{said}");
    called
}

fn json(world: &World, location: &str, arguments: &[&str]) -> Value {
    let arguments = [&["--json"], arguments].concat();
    call(world, location, &arguments).expect(0).json()
}

/// How many requests a call made.
fn requests(report: &Value) -> u64 {
    let server = &report["servers"][0];
    ["lists", "heads", "gets", "puts", "deletes"]
        .iter()
        .map(|kind| server[kind].as_u64().unwrap())
        .sum()
}

/// Backup, more, backup, verify, everything lost, restored, checked.
fn cycle(world: &mut World, location: &str) {
    call(world, location, &["init"]).expect(0);
    let first = json(world, location, &["backup", "--mode", "full"]);
    let gold = json(world, location, &["backup", "--mode", "gold"]);
    let nothing = json(world, location, &["backup", "--mode", "full"]);
    println!(
        "first: {} requests, nothing new: {}",
        requests(&first),
        requests(&nothing)
    );
    println!("{}\n{}", first["servers"], nothing["servers"]);
    assert_eq!(nothing["counts"]["new"], 0);
    assert_eq!(gold["counts"]["new"], 0);
    assert!(requests(&nothing) < 45, "{nothing}");
    let upload = NewUpload::sources("more-2.0.tar.gz", 77, 12);
    world.sample_mut().add_upload(upload).unwrap();
    let more = json(world, location, &["backup", "--mode", "full"]);
    println!("more: {} requests {}", requests(&more), more["servers"]);
    assert_eq!(more["counts"]["new"], 14, "{more}");

    let verified = json(world, location, &["verify", "--read-data"]);
    assert_eq!(verified["whole"], true, "{verified}");
    let rows_before = rows(&mut world.sample().connect().unwrap());
    let blobs_before = blobs(world);
    lose_everything(world);
    json(world, location, &["restore", "latest"]);
    assert_eq!(rows(&mut world.sample().connect().unwrap()), rows_before);
    assert_eq!(blobs(world), blobs_before);
    call(world, location, &["check", "--deep"]).expect(0);
}

#[test]
fn a_bucket_holds_a_vault() {
    let mut world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    settings(&world, &s3_settings(server.port));
    cycle(&mut world, &format!("s3://{BUCKET}/backups/fossology"));
}

#[test]
fn older_servers_hold_a_vault_too() {
    let world = World::new();
    for option in ["--unconditional", "--careless", "--tokenless"] {
        let server = S3Server::start(world.path(&option[2..]), &[option]);
        settings(&world, &s3_settings(server.port));
        let location = format!("s3://{BUCKET}");
        call(&world, &location, &["init"]).expect(0);
        json(&world, &location, &["backup"]);
        let nothing = json(&world, &location, &["backup"]);
        let asked = |kind: &str| nothing["servers"][0][kind].as_u64().unwrap();
        match option {
            "--tokenless" => assert!(asked("lists") > 10, "{nothing}"),
            // Each object is looked for before it is put.
            _ => assert!(asked("heads") > 4, "{nothing}"),
        }
        call(&world, &location, &["verify", "--read-data"]).expect(0);
    }
}

#[test]
fn a_server_that_speaks_sftp_holds_a_vault() {
    let mut world = World::new();
    let sshd = Sshd::start(world.path("sshd"), "");
    settings(&world, &sshd.settings(&[]));
    let location = sshd.location(sshd.port, &world.path("far/vault"));
    cycle(&mut world, &location);
    // To everybody else it is a vault in a directory.
    let folder = world.path("far/vault");
    world.call_at(&folder, &["verify", "--read-data"]).expect(0);
}

#[test]
fn cut_connections_are_taken_up_again() {
    let world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    let proxy = Proxy::start(server.port, 0, 0);
    let sshd = Sshd::start(world.path("sshd"), "");
    let tunnel = Proxy::start(sshd.port, 0, 0);
    let places = [
        (s3_settings(proxy.port), format!("s3://{BUCKET}/x"), &proxy),
        (
            sshd.settings(&[]),
            sshd.location(tunnel.port, &world.path("far")),
            &tunnel,
        ),
    ];
    for (text, location, proxy) in places {
        settings(&world, &text);
        call(&world, &location, &["init"]).expect(0);
        // The second one has nothing new, and asks on several connections: each carries little.
        for (cuts, limit) in [(3, 9_000), (4, 5_000)] {
            proxy.cut_more(cuts, limit);
            let report = json(&world, &location, &["backup"]);
            assert!(
                report["servers"][0]["retries"].as_u64().unwrap() > 0,
                "{report}"
            );
        }
        proxy.cut_more(3, 30_000);
        call(&world, &location, &["verify", "--read-data"]).expect(0);
        assert!(proxy.cut() >= 6, "{} were cut", proxy.cut());
    }
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    let world = World::new();
    let mut server = S3Server::start(world.path("s3"), &[]);
    let location = format!("s3://{BUCKET}/x");
    let good = s3_settings(server.port).replace("give_up_after = 20", "give_up_after = 1");
    settings(&world, &good.replace(SECRET, "another"));
    call(&world, &location, &["init"])
        .expect(1)
        .says("the keys are wrong");
    settings(&world, &good);
    call(&world, &location, &["snapshots"])
        .expect(10)
        .says("init");
    call(&world, "s3://other/x", &["init"])
        .expect(1)
        .says("make the bucket 'other' first");
    call(&world, "s3://id:key@other/x", &["init"])
        .expect(2)
        .says("keys do not belong");
    settings(&world, "[storage]\nendpoint = \"http://127.0.0.1:1\"\n");
    call(&world, &location, &["init"])
        .expect(2)
        .says("AWS_ACCESS_KEY_ID");
    server.kill();
    settings(&world, &good);
    let called = call(&world, &location, &["init"]).expect(1);
    called.says("did not answer").says("look at the network");

    let mut sshd = Sshd::start(world.path("sshd"), "");
    let quick = |text: String| text.replace("give_up_after = 20", "give_up_after = 1");
    let location = sshd.location(sshd.port, &world.path("far"));
    let other = Sshd::start(world.path("other"), "");
    settings(&world, &quick(other.settings(&[])));
    call(&world, &location, &["init"])
        .expect(1)
        .says("Host key verification failed")
        .says("accept it");
    settings(&world, &quick(sshd.settings(&[])).replace("/user", "/host"));
    call(&world, &location, &["init"])
        .expect(1)
        .says("Permission denied")
        .says("give a key");
    settings(&world, &quick(sshd.settings(&[])));
    let nowhere = sshd.location(sshd.port, Path::new("/proc/nowhere"));
    call(&world, &nowhere, &["init"]).expect(1).says("refused");
    call(&world, &location, &["snapshots"])
        .expect(10)
        .says("init");
    sshd.kill();
    call(&world, &location, &["init"])
        .expect(1)
        .says("did not answer");
    settings(&world, "[storage]\nssh = [\"no-such-ssh\"]\n");
    call(&world, &location, &["init"])
        .expect(1)
        .says("openssh-client");
}
