// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recipients that are changed by one while another is about to write: whoever holds the lease has looked
//! again, so nothing is written for those of before.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use support::servers::{BUCKET, S3Server, s3_settings, settings};
use support::world::{Called, World};

/// Carries requests to a server, and stops before the one that puts a lease, until it is told to go on.
struct Gate {
    port: u16,
    arrived: Receiver<()>,
    go_on: Sender<()>,
}

impl Gate {
    fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, arrived) = channel();
        let (go_on, wait) = channel();
        let once = Arc::new(Mutex::new(Some((tell, wait))));
        // Ends with the process: it only waits for connections.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", target)).unwrap();
                let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || carry(answers, back, |_| {}));
                let once = once.clone();
                std::thread::spawn(move || {
                    carry(client, server, |piece: &[u8]| {
                        if !puts_lease(piece) {
                            return;
                        }
                        let first = once.lock().unwrap().take();
                        if let Some((tell, wait)) = first {
                            tell.send(()).unwrap();
                            wait.recv().unwrap();
                        }
                    });
                });
            }
        });
        Self {
            port,
            arrived,
            go_on,
        }
    }
}

fn puts_lease(piece: &[u8]) -> bool {
    let line = piece
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.starts_with("PUT ") && line.contains("/locks/")
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut before: impl FnMut(&[u8])) {
    let mut piece = [0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        before(&piece[..len]);
        if to.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// An encrypted vault in a bucket, with a snapshot.
fn world(location: &str) -> (World, S3Server) {
    let world = World::new();
    let server = S3Server::start(world.path("s3"), &[]);
    settings(&world, &s3_settings(server.port));
    let recipient = world.key("key");
    let init = ["init", "--recipient", &recipient];
    world.call_at(location, &init).expect(0);
    world.call_at(location, &["backup"]).expect(0);
    (world, server)
}

/// Starts a command, stops it before its lease, lets a recipient be added meanwhile, and lets it end.
fn overtaken(
    world: &World,
    server: &S3Server,
    location: &str,
    arguments: &[&str],
) -> (Called, String) {
    let gate = Gate::start(server.port);
    settings(world, &s3_settings(gate.port));
    let mut command = world.command_at(location, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child: Child = command.spawn().unwrap();
    gate.arrived.recv().unwrap();
    settings(world, &s3_settings(server.port));
    let second = world.key("second");
    world.call_at(location, &["keys", "add", &second]).expect(0);
    gate.go_on.send(()).unwrap();
    (Called::new(&child.wait_with_output().unwrap()), second)
}

#[test]
fn a_backup_is_for_the_recipients_of_the_moment_when_it_has_the_lease() {
    let location = format!("s3://{BUCKET}/vault");
    let (world, server) = world(&location);
    let backup = ["--json", "backup"];
    let (called, _) = overtaken(&world, &server, &location, &backup);
    let made = called.expect(0).json();
    let id = made["snapshot"].as_str().unwrap();
    // All that it wrote can be read with the new key alone: at least the snapshot.
    let object = format!("{BUCKET}/vault/snapshots/{id}.json.age");
    let sealed = std::fs::read(server.root.join(object)).unwrap();
    for key in ["key", "second"] {
        let text = std::fs::read_to_string(world.path(key)).unwrap();
        let key: age::x25519::Identity = text.lines().last().unwrap().parse().unwrap();
        age::decrypt(&key, &sealed).unwrap();
    }
}

#[test]
fn two_who_add_a_recipient_at_once_lose_none() {
    let location = format!("s3://{BUCKET}/vault");
    let (world, server) = world(&location);
    let third = world.key("third");
    let add = ["keys", "add", &third];
    let (called, second) = overtaken(&world, &server, &location, &add);
    called.expect(0);
    let listed = world.call_at(&location, &["--json", "keys"]).expect(0);
    let recipients = listed.json()["recipients"].to_string();
    for key in [second, third] {
        assert!(recipients.contains(&key), "{recipients}");
    }
    world.call_at(&location, &["backup"]).expect(0);
}
