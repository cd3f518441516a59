// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Backup, copy to another place, loss of everything, restore from there, over lines that break again
//! and again: in full and of gold alone. `make torture` does it more often.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::Random;
use std::any::Any;
use std::fs;
use support::figures::{self, count, seed};
use support::restored::{blobs, lose_everything, rows};
use support::servers::{BUCKET, Proxy, S3Server, Sshd, s3_settings, settings};
use support::world::World;

/// The next connections break, each after some bytes; one that carries fewer does not.
fn break_some(line: &Proxy, random: &mut Random) {
    line.cut_more(
        1 + random.below(4) as i64,
        3_000 + random.below(50_000) as i64,
    );
}

/// One cycle; in it every way over the line is broken.
fn cycle(world: &World, location: &str, line: &Proxy, mode: &str, random: &mut Random) {
    let rows_before = rows(&mut world.sample().connect().unwrap());
    let blobs_before = blobs(world);
    world.call(&["init"]).expect(0);
    world.backup(mode);
    break_some(line, random);
    world.call(&["copy"]).expect(0);

    lose_everything(world);
    fs::remove_dir_all(world.vault()).unwrap();
    break_some(line, random);
    world.call_at(location, &["restore", "latest"]).expect(0);
    assert_eq!(rows(&mut world.sample().connect().unwrap()), rows_before);
    if mode == "gold" {
        // Nothing is unpacked by itself.
        assert_ne!(blobs(world), blobs_before);
        break_some(line, random);
        world.call_at(location, &["recover", "--missing"]).expect(0);
    }
    assert_eq!(blobs(world), blobs_before);
    world.call_at(location, &["check", "--deep"]).expect(0);
    break_some(line, random);
    world
        .call_at(location, &["verify", "--read-data"])
        .expect(0);
    assert!(line.cut() > 1, "{} connections broke", line.cut());
}

/// Where the other place is, the line to it, and what serves it for as long as it lives.
struct Far {
    location: String,
    storage: String,
    line: Proxy,
    _server: Box<dyn Any>,
}

/// Cycles of both kinds in turns, each with an instance and another place of its own.
fn cycles(on: &str, first: usize, far: impl Fn(&World) -> Far) {
    let tries = count("FO_BACKUP_TORTURE_CYCLES", 1);
    let mut random = Random::new(seed(on));
    for round in 0..tries {
        let world = World::new();
        let far = far(&world);
        let storage = far.storage.replace("[storage]", "[offsite.storage]");
        let location = &far.location;
        let offsite = format!("[offsite]\nlocation = \"{location}\"\n{storage}");
        settings(&world, &offsite);
        let mode = ["full", "gold"][(first + round) % 2];
        cycle(&world, location, &far.line, mode, &mut random);
    }
    figures::add("cycles over lines that break", on, tries, 0);
}

#[test]
fn a_bucket_behind_a_line_that_breaks_brings_everything_back() {
    cycles("S3", 0, |world| {
        let server = S3Server::start(world.path("s3"), &[]);
        let line = Proxy::start(server.port, 0, 0);
        Far {
            location: format!("s3://{BUCKET}/far"),
            storage: s3_settings(line.port),
            line,
            _server: Box::new(server),
        }
    });
}

#[test]
fn a_server_of_sftp_behind_a_line_that_breaks_does_too() {
    cycles("SFTP", 1, |world| {
        let sshd = Sshd::start(world.path("sshd"), "");
        let line = Proxy::start(sshd.port, 0, 0);
        Far {
            location: sshd.location(line.port, &world.path("far/vault")),
            storage: sshd.settings(&[]),
            line,
            _server: Box::new(sshd),
        }
    });
}
