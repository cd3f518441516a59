// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a backup takes, and what it leaves alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::digest;
use fossology_backup::demo::sample::NewUpload;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use support::world::World;

#[test]
fn a_second_backup_with_nothing_new_reads_no_blob() {
    let world = World::with_vault();
    let first = world.backup("full");
    let needed = world.sample().needed_blobs().len() as u64;
    assert_eq!(first["counts"]["new"], needed, "{first}");
    let second = world.backup("full");
    assert_eq!(second["counts"]["new"], 0);
    assert_eq!(second["counts"]["files"], first["counts"]["files"]);
    assert_ne!(second["snapshot"], first["snapshot"]);
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    assert_eq!(list["snapshots"].as_array().unwrap().len(), 2);
}

/// Every needed blob comes back from the newest snapshot into an empty repository.
fn assert_restorable(world: &World) {
    let folder = world.path("again");
    let _ = fs::remove_dir_all(&folder);
    let place = folder.to_str().unwrap();
    world
        .call(&[
            "restore",
            "latest",
            "--repository",
            place,
            "--database",
            "again",
        ])
        .expect(0);
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let restored = folder.join(path.strip_prefix(world.sample().repository()).unwrap());
            let content = fs::read(&restored)
                .unwrap_or_else(|error| panic!("{}: {error}", restored.display()));
            assert_eq!(digest(&content), blob.name, "{}", restored.display());
        }
    }
}

fn forget_snapshots(world: &World) {
    fs::remove_dir_all(world.vault().join("snapshots")).unwrap();
}

#[test]
fn only_what_is_new_is_read_whatever_was_touched() {
    let mut world = World::with_vault();
    world.backup("full");
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            fs::File::options()
                .append(true)
                .open(path)
                .unwrap()
                .set_modified(SystemTime::now())
                .unwrap();
        }
    }
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("more-2.0.tar.gz", 77, 12))
        .unwrap();
    let third = world.backup("full");
    assert_eq!(third["counts"]["new"], 14, "{third}"); // 12 sources, the tar, the tar.gz
    assert_restorable(&world);
}

#[test]
fn packs_of_an_interrupted_backup_are_taken_over() {
    let world = World::with_vault();
    let first = world.backup("full");
    // As a kill before the last step leaves it: complete packs, no snapshot.
    forget_snapshots(&world);
    let second = world.backup("full");
    assert_eq!(second["counts"]["new"], 0, "{second}");
    assert_eq!(second["counts"]["files"], first["counts"]["files"]);
    assert_restorable(&world);
}

#[test]
fn rows_that_commit_late_with_a_low_key_are_not_missed() {
    let mut world = World::with_vault();
    let mut client = world.sample().connect().unwrap();
    // Somebody takes keys, but commits only after others with higher ones, and after a backup.
    let high = world.sample().last_pfile() + 1000;
    world.sample_mut().set_last_pfile(high);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("high-keys.tar.gz", 5, 3))
        .unwrap();
    world.backup("full");
    let content = b"a late one".to_vec();
    let name = digest(&content);
    client
        .execute(
            "INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
             VALUES ((SELECT max(pfile_pk) - 500 FROM pfile), $1, $2, $3)",
            &[
                &name.sha1_column(),
                &name.md5_column(),
                &(name.size() as i64),
            ],
        )
        .unwrap();
    client
        .execute(
            "INSERT INTO upload (upload_filename, upload_mode, pfile_fk)
             SELECT 'late', 104, pfile_pk FROM pfile WHERE pfile_sha1 = $1",
            &[&name.sha1_column()],
        )
        .unwrap();
    drop(client);
    let second = world.call(&["--json", "backup"]).expect(3).json();
    // It is looked for at once: here its file is not there yet.
    assert_eq!(second["absent"][0]["name"], name.to_string());
    assert_eq!(second["absent"][0]["kind"], "missing");
}

#[test]
fn two_rows_of_one_blob_share_its_fate() {
    let world = World::with_vault();
    let mut client = world.sample().connect().unwrap();
    let blobs = world.sample().needed_blobs();
    let blob = blobs.iter().find(|blob| blob.paths.len() == 1).unwrap();
    let uploads = "INSERT INTO upload (upload_filename, upload_mode, pfile_fk)
                   SELECT 'twin', 104, max(pfile_pk) FROM pfile";
    let twin = client.execute(
        "INSERT INTO pfile (pfile_pk, pfile_sha1, pfile_md5, pfile_size)
         SELECT (SELECT max(pfile_pk) + 1 FROM pfile), pfile_sha1, pfile_md5, pfile_size
           FROM pfile WHERE pfile_sha1 = $1",
        &[&blob.name.sha1_column()],
    );
    assert_eq!(twin.unwrap(), 1);
    client.execute(uploads, &[]).unwrap();
    fs::remove_file(&blob.paths[0]).unwrap();
    let lost = world.call(&["--json", "backup"]).expect(3).json();
    assert_eq!(lost["counts"]["missing"], 2, "{lost}");
    for absent in lost["absent"].as_array().unwrap() {
        assert_eq!(absent["name"], blob.name.to_string());
    }
}

#[test]
fn keys_that_are_given_out_anew_do_not_deceive() {
    let mut world = World::with_vault();
    world.backup("full");
    let mark = world.sample().last_pfile();
    // Uploads come and are backed up, then the whole instance goes back to before them, as with a
    // virtual machine's snapshot, and others come that get the same keys.
    let gone = world
        .sample_mut()
        .add_upload(NewUpload::sources("gone.tar.gz", 1001, 10))
        .unwrap();
    world.backup("full");
    world.sample_mut().delete_upload(gone, 0).unwrap();
    world.sample_mut().set_last_pfile(mark);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("other.tar.gz", 2002, 30))
        .unwrap();
    let third = world.backup("full");
    assert_eq!(third["counts"]["new"], 32, "{third}");
    assert_restorable(&world);
}

#[test]
fn a_pack_that_is_lost_is_packed_again() {
    let world = World::with_vault();
    world.backup("full");
    for entry in walkdir::WalkDir::new(world.vault().join("packs")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let second = world.backup("full");
    assert_eq!(second["counts"]["new"], world.sample().needed_blobs().len());
    assert_restorable(&world);
}

#[test]
fn a_lost_index_is_made_again() {
    let world = World::with_vault();
    world.backup("full");
    forget_snapshots(&world);
    for entry in walkdir::WalkDir::new(world.vault().join("packs")) {
        let entry = entry.unwrap();
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "idx")
        {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    assert_restorable(&world);
}

#[test]
fn a_deleted_upload_leaves_the_next_snapshot() {
    let mut world = World::with_vault();
    let first = world.backup("full");
    let upload = world
        .sample_mut()
        .add_upload(NewUpload::sources("short-lived.tar.gz", 9, 25))
        .unwrap();
    let second = world.backup("full");
    world.sample_mut().delete_upload(upload, 0).unwrap();
    let third = world.backup("full");
    assert_eq!(third["counts"]["files"], first["counts"]["files"]);
    let packs = |id: &serde_json::Value| {
        let path = format!("snapshots/{}.json", id.as_str().unwrap());
        let snapshot: serde_json::Value = serde_json::from_slice(&world.plain(&path)).unwrap();
        snapshot["packs"].as_array().unwrap().len()
    };
    assert!(packs(&third["snapshot"]) < packs(&second["snapshot"]));
    assert_restorable(&world);
}

#[test]
fn from_gold_only_to_everything_and_back() {
    let world = World::with_vault();
    let gold = world.backup("gold");
    let full = world.backup("full");
    let read = |report: &serde_json::Value| report["counts"]["new"].as_u64().unwrap();
    // Nothing is read twice.
    assert_eq!(
        read(&gold) + read(&full),
        world.sample().needed_blobs().len() as u64
    );
    assert_restorable(&world);
    let again = world.backup("gold");
    assert_eq!(read(&again), 0);
    assert_eq!(again["counts"]["files"], gold["counts"]["files"]);
    assert_eq!(world.backup("full")["counts"]["new"], 0);
}

#[test]
fn logs_are_taken_when_asked_for() {
    let world = World::with_vault();
    let directories = |arguments: &[&str]| {
        let id = world.call(arguments).expect(0).json()["snapshot"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("snapshots/{id}.json");
        let snapshot: serde_json::Value = serde_json::from_slice(&world.plain(&path)).unwrap();
        snapshot["directories"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(directories(&["--json", "backup"]), ["fossdash", "report"]);
    assert_eq!(
        directories(&["--json", "backup", "--logs"]),
        ["fossdash", "logs", "report"]
    );
}

#[test]
fn every_run_is_in_the_history() {
    let world = World::with_vault();
    let first = world.backup("full");
    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "SELECT verb, mode, state, snapshot, counts->>'new' FROM backup_run",
            &[],
        )
        .unwrap();
    let text = |at: usize| row.get::<_, Option<String>>(at).unwrap();
    assert_eq!(
        (text(0).as_str(), text(1).as_str(), text(2).as_str()),
        ("backup", "full", "done")
    );
    assert_eq!(text(3), first["snapshot"].as_str().unwrap());
    assert_eq!(text(4), first["counts"]["new"].to_string());
}

/// Client programs that are the server's own, and say that they are of this version.
fn programs_that_say(world: &World, version: &str) -> PathBuf {
    let folder = world.path("programs");
    fs::create_dir(&folder).unwrap();
    for name in ["pg_dump", "pg_restore"] {
        let file = folder.join(name);
        let real = world.cluster.bin_directory().join(name);
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo '{name} (PostgreSQL) {version}' && exit\nexec '{}' \"$@\"\n",
            real.display()
        );
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn a_dump_that_the_server_itself_could_not_load_is_warned_of_with_what_to_install() {
    let world = World::with_vault();
    let major = world.cluster.server_major();
    if major >= 17 {
        println!("skipped: what any programs write can be loaded into PostgreSQL {major}");
        return;
    }
    let backup = ["backup"];
    let warned = |said: &str| said.contains("can be restored into PostgreSQL 17 and newer only");
    let programs = programs_that_say(&world, "17.2");
    let configure = |folder: &Path| {
        let text = format!("postgres_bin = {folder:?}\n");
        fs::write(world.sample().sysconfdir().join("fo_backup.toml"), text).unwrap();
    };
    configure(&programs);
    let called = world.call(&backup).expect(0);
    assert!(warned(&called.stderr), "{}", called.stderr);
    called.says(&format!("postgresql-client-{major}"));
    configure(world.cluster.bin_directory());
    let called = world.call(&backup).expect(0);
    assert!(!warned(&called.stderr), "{}", called.stderr);
}
