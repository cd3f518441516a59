// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encrypted vaults: who reads them, who does not, and what is still done without a private key. The
//! usual flow of backups, restores, kills and damage is tested over encrypted vaults by the tests of
//! plain ones, with FO_BACKUP_TEST_ENCRYPTED set.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{Tree, digest};
use fossology_backup::demo::sample::NewUpload;
use std::fs;
use std::io::Write;
use support::files_of;
use support::world::{Called, World};

const WRONG_KEY: i32 = 12;

/// For whom a vault is encrypted first.
fn recipient_of(world: &World) -> String {
    let text = fs::read(world.vault().join("recipients/1.json")).unwrap();
    let first: serde_json::Value = serde_json::from_slice(&text).unwrap();
    first["recipients"][0].as_str().unwrap().to_owned()
}

/// Everything comes back from a snapshot with a key into an empty repository.
#[track_caller]
fn assert_restores(world: &World, snapshot: &str, key: &str, trees: &[&str]) {
    let folder = world.path("again");
    let _ = fs::remove_dir_all(&folder);
    let place = folder.to_str().unwrap();
    world
        .call_with_key(
            key,
            &[
                "restore",
                snapshot,
                "--repository",
                place,
                "--database",
                "again",
            ],
        )
        .expect(0);
    let mut compared = 0;
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let inside = path.strip_prefix(world.sample().repository()).unwrap();
            let tree = |tree: &&str| {
                inside
                    .components()
                    .any(|part| part.as_os_str().to_str() == Some(*tree))
            };
            if trees.iter().any(tree) {
                assert_eq!(digest(&fs::read(folder.join(inside)).unwrap()), blob.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 0);
}

#[test]
fn a_host_without_a_private_key_makes_backups_and_knows_what_the_vault_holds() {
    let mut world = World::encrypted();
    let first = world.backup("full");
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    world
        .sample_mut()
        .add_upload(NewUpload::sources("more-2.0.tar.gz", 77, 12))
        .unwrap();
    let third = world.backup("full");
    assert_eq!(third["counts"]["new"], 14, "{third}");
    let gold = world.backup("gold");
    assert_eq!(gold["counts"]["new"], 0, "{gold}");

    // Complete packs of a backup that was killed are found, too.
    fs::remove_dir_all(world.vault().join("snapshots")).unwrap();
    let again = world.backup("full");
    assert_eq!(again["counts"]["new"], 0, "{again}");
    assert_eq!(again["counts"]["files"], third["counts"]["files"]);
    assert_ne!(again["snapshot"], first["snapshot"]);

    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    assert_eq!(list["snapshots"].as_array().unwrap().len(), 1);
    world.call(&["status"]).expect(0);
    world.call(&["verify"]).expect(0);
    world.call(&["verify", "--read-data"]).expect(0);
    world
        .call_with_key("key", &["verify", "--read-data"])
        .expect(0);
    world.call(&["expire", "--keep-last", "1"]).expect(0);
    world.call(&["check"]).expect(0);
    assert_restores(&world, "latest", "key", &["gold", "files"]);

    let lost = world.sample().needed_blobs();
    let lost = lost
        .iter()
        .find(|blob| blob.trees.contains(Tree::Gold))
        .unwrap();
    for path in &lost.paths {
        fs::remove_file(path).unwrap();
    }
    let check = world.call(&["check"]).expect(3);
    assert!(check.stdout.contains("vault"), "{}", check.stdout);
    let recover = ["recover", "--missing", "--from", "vault"];
    world.call(&recover).expect(WRONG_KEY);
    world.call_with_key("key", &recover).expect(0);
    assert_eq!(digest(&fs::read(&lost.paths[0]).unwrap()), lost.name);
    world.call(&["drill"]).expect(WRONG_KEY).says("--identity");
    world.call_with_key("key", &["drill"]).expect(0);
}

#[test]
fn gold_alone_comes_back_from_an_encrypted_vault() {
    let world = World::encrypted();
    world.backup("gold");
    assert_restores(&world, "latest", "key", &["gold"]);
}

#[test]
fn whoever_steals_the_host_reads_no_backup() {
    let world = World::encrypted();
    let secret = "correct-horse-battery-staple-4711";
    let mut client = world.sample().connect().unwrap();
    client
        .execute("UPDATE users SET user_pass = $1", &[&secret])
        .unwrap();
    world.backup("full");
    let blob = world.sample().needed_blobs();
    let content = blob
        .iter()
        .map(|blob| fs::read(&blob.paths[0]).unwrap())
        .find(|content| content.len() > 200)
        .unwrap();

    // Nothing lies open, whatever is looked through.
    let mut objects = 0;
    for file in files_of(&world.vault()) {
        let stored = fs::read(&file).unwrap();
        let name = file
            .strip_prefix(world.vault())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let clear = ["vault.json", "RESTORE.md"].contains(&name.as_str())
            || name.starts_with("recipients/");
        assert_eq!(clear, !name.ends_with(".age"), "{name}");
        assert!(!clear || !stored.windows(9).any(|part| part == b"user_pass"));
        if clear {
            continue;
        }
        objects += 1;
        assert!(stored.starts_with(b"age-encryption.org/v1\n"), "{name}");
        for open in [secret.as_bytes(), &content[..64], b"PGDMP", &b"ustar"[..]] {
            assert!(
                !stored.windows(open.len()).any(|part| part == open),
                "{name}"
            );
        }
    }
    assert!(objects > 5);

    // The thief has the database with all that it holds, and fo_backup.
    let key: String = client
        .query_one("SELECT list_key FROM backup_vault_key", &[])
        .unwrap()
        .get(0);
    fs::write(world.path("stolen"), &key).unwrap();
    let restore = ["restore", "latest", "--database", "stolen"];
    world.call(&restore).expect(WRONG_KEY).says("--identity");
    world.call_with_key("stolen", &restore).expect(WRONG_KEY);
    let identity: age::x25519::Identity = key.trim().parse().unwrap();
    for (folder, opens) in [("packs", false), ("database", false), ("snapshots", true)] {
        for file in files_of(&world.vault().join(folder)) {
            if file.to_str().unwrap().ends_with(".idx.age") {
                continue;
            }
            let opened = age::decrypt(&identity, &fs::read(&file).unwrap());
            assert_eq!(opened.is_ok(), opens, "{}", file.display());
        }
    }
    assert!(
        !fs::read_to_string(world.vault().join("recipients/1.json"))
            .unwrap()
            .contains(&key)
    );
}

#[test]
fn a_wrong_or_missing_key_ends_with_12_and_says_what_to_do() {
    let world = World::encrypted();
    world.backup("full");
    world.key("other");
    let restore = ["restore", "latest", "--database", "again"];
    world
        .call(&restore)
        .expect(WRONG_KEY)
        .says("--identity FILE");
    world
        .call_with_key("other", &restore)
        .expect(WRONG_KEY)
        .says("age1");
    fs::write(world.path("rubbish"), "AGE-SECRET-KEY-1NONSENSE\n").unwrap();
    let called = world.call_with_key("rubbish", &restore).expect(WRONG_KEY);
    assert!(!called.stderr.contains("NONSENSE"), "{}", called.stderr);
    let secret = fs::read_to_string(world.path("key")).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    let called = world.call_at(world.path("new"), &["init", "--recipient", secret]);
    let called = called.expect(2);
    called.says("private key");
    assert!(!called.stderr.contains(secret), "a secret in an error");
    // Where there is neither database nor key, the ids of snapshots are told.
    let empty = world.path("nowhere");
    fs::create_dir(&empty).unwrap();
    let list = world
        .call_for(&empty, &["--json", "snapshots"])
        .expect(WRONG_KEY);
    assert!(list.stdout.contains("snapshots/2"), "{}", list.stdout);
    world.call_for(&empty, &["verify"]).expect(WRONG_KEY);
}

#[test]
fn a_private_key_may_have_a_passphrase() {
    let world = World::encrypted();
    world.backup("full");
    let mut sealed = Vec::new();
    let mut word = age::scrypt::Recipient::new("open sesame".to_owned().into());
    word.set_work_factor(12);
    let mut writer = age::Encryptor::with_recipients(std::iter::once(&word as _))
        .unwrap()
        .wrap_output(&mut sealed)
        .unwrap();
    writer
        .write_all(&fs::read(world.path("key")).unwrap())
        .unwrap();
    writer.finish().unwrap();
    fs::write(world.path("sealed"), sealed).unwrap();
    fs::write(world.path("word"), "open sesame\n").unwrap();
    fs::write(world.path("wrong"), "open barley\n").unwrap();
    let with = |word: &str| {
        let word = world.path(word);
        let arguments = [
            "verify",
            "--read-data",
            "--passphrase-file",
            word.to_str().unwrap(),
        ];
        world.call_with_key("sealed", &arguments)
    };
    with("word").expect(0);
    with("wrong").expect(WRONG_KEY).says("passphrase");
    // Through a descriptor, as a script gives it.
    let mut command = world.command(&["verify", "--passphrase-fd", "0"]);
    command.arg("--identity").arg(world.path("sealed"));
    command.stdin(fs::File::open(world.path("word")).unwrap());
    Called::new(&command.output().unwrap()).expect(0);
    // Nobody is there to be asked.
    world
        .call_with_key("sealed", &["verify"])
        .expect(WRONG_KEY)
        .says("--passphrase-f");
}

#[test]
fn each_recipient_alone_opens_it_and_a_change_counts_from_then_on() {
    let mut world = World::new();
    let [first, second, third] = ["first", "second", "third"].map(|name| world.key(name));
    world
        .call(&["init", "--recipient", &first, "--recipient", &second])
        .expect(0);
    // The same again is no mistake; another one is.
    world
        .call(&["init", "--recipient", &second, "--recipient", &first])
        .expect(0);
    world
        .call(&["init", "--recipient", &third])
        .expect(2)
        .says("keys add");
    let old = world.backup("full");
    let old = old["snapshot"].as_str().unwrap();
    assert_restores(&world, old, "first", &["gold", "files"]);
    assert_restores(&world, old, "second", &["gold", "files"]);

    world.call(&["keys", "add", &third]).expect(0);
    world.call(&["keys", "remove", &first]).expect(0);
    world
        .call(&["keys", "remove", &second, &third])
        .expect(2)
        .says("nobody");
    world
        .sample_mut()
        .add_upload(NewUpload::sources("later.tar.gz", 5, 3))
        .unwrap();
    let new = world.backup("full");
    assert_eq!(
        new["counts"]["new"], 5,
        "what is there is not stored again: {new}"
    );
    assert_restores(&world, "latest", "second", &["gold", "files"]);
    // The third reads what was written since, and the first what was written before.
    let unread = world
        .call_with_key("third", &["verify", "--read-data"])
        .expect(3);
    assert!(
        unread.stdout.contains("other recipients"),
        "{}",
        unread.stdout
    );
    let place = world.path("old");
    let restore = ["restore", old, "--no-database", "--repository"];
    let restore = [&restore[..], &[place.to_str().unwrap()]].concat();
    world.call_with_key("first", &restore).expect(0);
    let list = world.call(&["--json", "keys"]).expect(0).json();
    assert_eq!(list["changes"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["recipients"].as_array().unwrap().len(), 2, "{list}");
}

#[test]
fn who_can_only_write_to_the_vault_does_not_become_a_recipient() {
    let world = World::encrypted();
    world.backup("full");
    let intruder = world.key("intruder");
    let first = fs::read_to_string(world.vault().join("recipients/1.json")).unwrap();
    let mut next: serde_json::Value = serde_json::from_str(&first).unwrap();
    next["number"] = 2.into();
    next["recipients"]
        .as_array_mut()
        .unwrap()
        .push(intruder.into());
    fs::write(world.vault().join("recipients/2.json"), next.to_string()).unwrap();
    world
        .call(&["backup"])
        .expect(WRONG_KEY)
        .says("find out who");
    world.call(&["keys", "accept"]).expect(0);
    world.backup("full");
}

#[test]
fn a_lost_key_of_lists_comes_back_with_the_private_key_or_everything_is_stored_anew() {
    let world = World::encrypted();
    let first = world.backup("full");
    let mut client = world.sample().connect().unwrap();
    let mut lose = || client.execute("DELETE FROM backup_vault_key", &[]).unwrap();
    lose();
    world.call(&["backup"]).expect(WRONG_KEY).says("start-over");
    // Whom the vault names is shown, and not believed by the way.
    let recipient = recipient_of(&world);
    let with_key = world.call_with_key("key", &["backup"]).expect(WRONG_KEY);
    with_key.says(&recipient).says("keys accept");
    let accepted = world.call_with_key("key", &["keys", "accept"]).expect(0);
    assert!(accepted.stdout.contains(&recipient), "{}", accepted.stdout);
    assert_eq!(
        world.backup("full")["counts"]["new"],
        0,
        "it is known again"
    );
    lose();
    world.call(&["keys", "start-over"]).expect(0);
    let anew = world.backup("full");
    assert_eq!(anew["counts"]["new"], first["counts"]["new"], "{anew}");
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    // Nothing that is older is lost.
    let old = first["snapshot"].as_str().unwrap();
    assert_restores(&world, old, "key", &["gold", "files"]);
    assert_restores(&world, "latest", "key", &["gold", "files"]);
    // What the instance cannot read keeps everything from being removed.
    world.call(&["expire", "--keep-last", "1"]).expect(3);
    world
        .call_with_key("key", &["verify", "--read-data"])
        .expect(0);
}

#[test]
fn damage_of_encrypted_objects_is_found_and_named() {
    let world = World::encrypted();
    world.backup("full");
    world
        .call_with_key("key", &["verify", "--read-data"])
        .expect(0);
    for folder in ["packs", "database", "snapshots"] {
        for file in files_of(&world.vault().join(folder)) {
            let whole = fs::read(&file).unwrap();
            let name = file.strip_prefix(world.vault()).unwrap().to_str().unwrap();
            // In the head, in the content, and in the last piece's tag.
            for at in [40, whole.len() / 2, whole.len() - 1] {
                let mut bad = whole.clone();
                bad[at] ^= 4;
                fs::write(&file, &bad).unwrap();
                let called = world.call_with_key("key", &["--json", "verify", "--read-data"]);
                let report = called.expect(3).json();
                let named = report["damage"].as_array().unwrap().iter();
                let named: Vec<_> = named
                    .map(|damage| damage["object"].as_str().unwrap())
                    .collect();
                assert!(named.contains(&name), "byte {at} of {name}: {named:?}");
                fs::write(&file, &whole).unwrap();
            }
            if folder == "database" {
                break; // they are all alike, and many
            }
        }
    }
    world
        .call_with_key("key", &["verify", "--read-data"])
        .expect(0);
}

#[test]
fn copies_of_indexes_that_are_kept_are_never_believed_for_more_than_they_are() {
    let mut world = World::encrypted();
    let cache = world.path("cache");
    let toml = world.sample().sysconfdir().join("fo_backup.toml");
    fs::write(&toml, format!("[encryption]\ncache = {cache:?}\n")).unwrap();
    world.backup("full");
    let mut add = |seed: u64| {
        let name = format!("{seed}.tar.gz");
        let upload = NewUpload::sources(&name, seed, 3);
        world.sample_mut().add_upload(upload).unwrap();
        let made = world.backup("full");
        assert_eq!(made["counts"]["new"], 5, "{made}");
    };
    add(1);
    let copies = files_of(&cache);
    assert!(!copies.is_empty());
    // Damaged: found, and made again.
    for file in &copies {
        let mut bytes = fs::read(file).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    }
    add(2);
    // That of another pack.
    let [one, other] = [&files_of(&cache)[0], &files_of(&cache)[1]];
    fs::copy(one, other).unwrap();
    add(3);
    // Lost altogether.
    fs::remove_dir_all(&cache).unwrap();
    add(4);
    assert_restores(&world, "latest", "key", &["gold", "files"]);
    // Of packs that are gone: their blobs count as new, and are packed again.
    fs::remove_dir_all(world.vault().join("packs")).unwrap();
    let anew = world.backup("full");
    let needed = world.sample().needed_blobs().len() as u64;
    assert_eq!(anew["counts"]["new"], needed, "{anew}");
    assert_restores(&world, "latest", "key", &["gold", "files"]);
}

#[test]
fn a_copy_takes_no_key_and_is_as_good_as_the_vault() {
    let world = World::encrypted();
    world.backup("full");
    let far = world.path("far");
    let copy = ["copy", "--to", far.to_str().unwrap()];
    world.call(&copy).expect(0);
    let second = world.key("second");
    world.call(&["keys", "add", &second]).expect(0);
    let newest = world.backup("full");
    world.call(&copy).expect(0);
    let damaged = files_of(&far.join("packs"));
    assert!(
        damaged
            .iter()
            .all(|file| file.extension().unwrap() == "age")
    );
    // The far vault is one of its own, with the same recipients and changes of them.
    world.call_at(&far, &["snapshots"]).expect(WRONG_KEY);
    let place = world.path("from far");
    let arguments = [
        "restore",
        newest["snapshot"].as_str().unwrap(),
        "--no-database",
        "--repository",
    ];
    let mut command = world.command_at(&far, &arguments);
    command.arg(&place).arg("--identity").arg(world.path("key"));
    Called::new(&command.output().unwrap()).expect(0);
    for blob in world.sample().needed_blobs() {
        let inside = blob.paths[0]
            .strip_prefix(world.sample().repository())
            .unwrap();
        assert_eq!(digest(&fs::read(place.join(inside)).unwrap()), blob.name);
    }
    // Into a plain vault nothing of it goes.
    let plain = world.path("plain");
    world.call_at(&plain, &["init"]).expect(0);
    world
        .call(&["copy", "--to", plain.to_str().unwrap()])
        .expect(2)
        .says("not encrypted");
}
