// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A database that another program backs up. Here that program is pg_basebackup in a script, as a
//! site may have it.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use fossology_backup::demo::{Role, free_port};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::needed_by_sql;
use support::restored::lose_repository;
use support::world::World;

/// Lets the world's backups leave the database to a script.
fn set_command(world: &World, script: &str) {
    let path = world.path("back-up-db");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = format!(
        "[database]\nmethod = \"external\"\ncommand = ['{}']\n",
        path.display()
    );
    fs::write(world.sample().sysconfdir().join("fo_backup.toml"), settings).unwrap();
}

/// A script that makes a copy of the whole cluster in a folder of the world.
fn base_backup(world: &World) -> String {
    format!(
        "set -e\n\
         test \"$FO_BACKUP_DATABASE\" = {database}\n\
         export PGUSER=postgres PGPASSWORD={password}\n\
         {bin}/pg_basebackup --no-password --pgdata={to} --wal-method=stream --checkpoint=fast >&2\n\
         echo '{{\"label\": \"base-1\", \"kind\": \"pg_basebackup\"}}'",
        database = world.sample().database(),
        password = world.cluster.password(Role::Superuser),
        bin = world.cluster.bin_directory().display(),
        to = world.path("base").display(),
    )
}

/// A server on the copy, which ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, so that it ends its children; they are waited for by the server.
        let id = i32::try_from(self.0.id()).unwrap();
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(id),
            nix::sys::signal::Signal::SIGINT,
        );
        let _ = self.0.wait();
    }
}

fn start(world: &World, data: &Path) -> (Server, u16) {
    let home = world.cluster.socket_directory().join("data");
    let owner = fs::metadata(home).unwrap();
    for entry in walkdir::WalkDir::new(data) {
        chown(entry.unwrap().path(), Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let port = free_port().unwrap();
    let mut command = Command::new(world.cluster.bin_directory().join("postgres"));
    command
        .arg("-D")
        .arg(data)
        .args([
            "-c",
            &format!("port={port}"),
            "-c",
            "listen_addresses=127.0.0.1",
        ])
        .args(["-c", "unix_socket_directories="])
        .current_dir(data)
        .uid(owner.uid())
        .gid(owner.gid())
        .stdin(Stdio::null())
        .stderr(fs::File::create(world.path("log-of-the-copy")).unwrap());
    (Server(command.spawn().unwrap()), port)
}

#[test]
fn the_database_comes_back_from_there_and_the_files_from_the_vault() {
    let mut world = World::replicable();
    set_command(&world, &base_backup(&world));
    let snapshot = world.backup("full");
    let id = snapshot["snapshot"].as_str().unwrap().to_owned();
    let listed = fs::read_to_string(world.vault().join(format!("snapshots/{id}.json"))).unwrap();
    assert!(listed.contains("\"label\": \"base-1\""), "{listed}");
    let stored = fs::read_dir(world.vault().join("database"))
        .into_iter()
        .flatten();
    assert!(stored.count() < 12, "no dump is in the vault");
    world.call(&["verify", "--read-data"]).expect(0);

    // Life goes on, then everything is lost.
    let late = NewUpload::sources("late-1.0.tar.gz", 4711, 20);
    world.sample_mut().add_upload(late).unwrap();
    lose_repository(&world);
    for refused in [
        &["restore", "latest"][..],
        &["drill"],
        &["export", "--upload", "1", "--snapshot", "latest"],
    ] {
        let called = world.call(refused).expect(1);
        called.says("base-1").says("--no-database");
    }

    // By the other program's means; then the files.
    let (_server, port) = start(&world, &world.path("base"));
    let mut config = postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(Role::Fossy.name())
        .password(world.cluster.password(Role::Fossy))
        .dbname(world.sample().database());
    let mut client = (0..600)
        .find_map(|_| {
            // A server that recovers refuses until it is done, and has no other way to tell.
            let client = config.connect(postgres::NoTls).ok();
            if client.is_none() {
                std::thread::sleep(Duration::from_millis(100));
            }
            client
        })
        .expect("the copy takes connections");
    let place = world.path("place");
    let restore = [
        "restore",
        &id,
        "--no-database",
        "--repository",
        place.to_str().unwrap(),
    ];
    world.call(&restore).expect(0);
    let needed = needed_by_sql(&mut client);
    assert!(needed.len() > 500);
    let there: Vec<String> = walkdir::WalkDir::new(&place)
        .into_iter()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    for name in needed.keys() {
        assert!(there.contains(&name.to_string()), "{name}");
    }
}

#[test]
fn without_a_label_or_with_a_failure_there_is_no_snapshot() {
    let world = World::with_vault();
    set_command(&world, "echo 'the archive is full' >&2; exit 7");
    world
        .call(&["backup"])
        .expect(1)
        .says("the archive is full");
    set_command(&world, "exit 0");
    world.call(&["backup"]).expect(1).says("label");
    let listed = world.call(&["--json", "snapshots"]).expect(0).json();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 0);
}

#[test]
fn jobs_of_a_database_that_came_back_otherwise_wait_until_somebody_lets_them_go() {
    let world = World::with_vault();
    let parked = world
        .call(&["--json", "jobs", "park", "--all"])
        .expect(0)
        .json();
    assert!(parked["queued"].as_u64().unwrap() >= 2, "{parked}");
    let startable =
        "SELECT count(*) FROM jobqueue WHERE jq_starttime IS NULL OR jq_endtime IS NULL";
    let mut client = world.sample().connect().unwrap();
    let left: i64 = client.query_one(startable, &[]).unwrap().get(0);
    assert_eq!(left, 0);
    world.call(&["jobs", "resume"]).expect(0);
    let left: i64 = client.query_one(startable, &[]).unwrap().get(0);
    assert!(left > 0);
}
