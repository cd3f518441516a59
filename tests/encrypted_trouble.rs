// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encrypted vaults with which somebody has meddled, or of which something is lost: nothing is written
//! for anybody but those whom the instance knows, and what can be read is read.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::{Value, json};
use std::fs;
use support::files_of;
use support::world::World;

const WRONG_KEY: i32 = 12;

/// Whether anything of a vault lies open that has to be encrypted.
fn lies_open(world: &World) -> bool {
    ["packs", "database", "snapshots"].iter().any(|folder| {
        let folder = world.vault().join(folder);
        let mut files = files_of(&folder).into_iter();
        files.any(|file| file.extension().unwrap() != "age")
    })
}

/// Changes a JSON object of the vault.
fn edit(world: &World, object: &str, to: &str, change: impl FnOnce(&mut Value)) {
    let text = fs::read(world.vault().join(object)).unwrap();
    let mut value: Value = serde_json::from_slice(&text).unwrap();
    change(&mut value);
    fs::write(world.vault().join(to), value.to_string()).unwrap();
}

#[test]
fn a_vault_that_says_it_is_not_encrypted_any_more_gets_no_backup() {
    let world = World::encrypted();
    world.backup("full");
    let plainly = |head: &mut Value| head["recipients"] = json!([]);
    let good = fs::read(world.vault().join("vault.json")).unwrap();
    edit(&world, "vault.json", "vault.json", plainly);
    world
        .call(&["backup"])
        .expect(WRONG_KEY)
        .says("find out who");
    assert!(!lies_open(&world));
    world.call(&["keys", "accept"]).expect(WRONG_KEY);
    // Nor when it says that it is another vault.
    edit(&world, "vault.json", "vault.json", |head| {
        head["vault"] = json!("0d8f9a5e-6a58-4a2c-9d0e-0b6f1c1d2e3f");
    });
    world
        .call(&["backup"])
        .expect(WRONG_KEY)
        .says("keys accept");
    assert!(!lies_open(&world));
    // One in the clear is possible, when somebody says so.
    let beside = world.path("beside");
    world.call_at(&beside, &["init"]).expect(0);
    world.call_at(&beside, &["backup"]).expect(WRONG_KEY);
    let accepted = world.call_at(&beside, &["keys", "accept"]).expect(0);
    assert!(accepted.stdout.contains("NOT encrypted"));
    world.call_at(&beside, &["backup"]).expect(0);
    fs::write(world.vault().join("vault.json"), good).unwrap();
    world.backup("full");
}

#[test]
fn who_can_only_write_to_the_vault_does_not_become_the_reader_of_its_lists() {
    let world = World::encrypted();
    world.backup("full");
    let intruder = world.key("intruder");
    let second = "recipients/2.json";
    edit(&world, "recipients/1.json", second, |next| {
        next["number"] = json!(2);
        next["lists"] = json!(intruder);
    });
    let before = files_of(&world.vault()).len();
    let refused = world.call(&["backup"]).expect(WRONG_KEY);
    refused.says(&intruder).says("find out who");
    assert_eq!(files_of(&world.vault()).len(), before);
    // It is not taken over by a look at something else, either.
    world.call_with_key("key", &["backup"]).expect(WRONG_KEY);
    world.call(&["keys", "accept"]).expect(WRONG_KEY);
    fs::remove_file(world.vault().join(second)).unwrap();
    world.backup("full");
}

#[test]
fn a_new_key_of_lists_is_made_for_the_recipients_that_the_instance_knows() {
    let world = World::encrypted();
    world.backup("full");
    let intruder = world.key("intruder");
    edit(&world, "recipients/1.json", "recipients/2.json", |next| {
        next["number"] = json!(2);
        next["recipients"] = json!([intruder]);
    });
    let refused = world.call(&["keys", "start-over"]).expect(WRONG_KEY);
    refused.says(&intruder);
    assert!(!world.vault().join("recipients/3.json").exists());
}

#[test]
fn what_is_encrypted_for_others_is_no_damage_and_stays() {
    let world = World::encrypted();
    let old = world.backup("full");
    let later = world.key("later");
    world.call(&["keys", "add", &later]).expect(0);
    world.backup("full");
    let read = ["verify", "--read-data"];
    let told = world.call_with_key("later", &read).expect(3).stdout;
    assert!(told.contains("FOR OTHERS"), "{told}");
    assert!(told.contains("leave it where it is"), "{told}");
    assert!(
        !told.contains("move ") && !told.contains("DAMAGED"),
        "{told}"
    );
    let restore = ["restore", old["snapshot"].as_str().unwrap()];
    let restore = [&restore[..], &["--database", "again"]].concat();
    world.call_with_key("later", &restore).expect(WRONG_KEY);
    // With both everything is read.
    let both = world.path("key");
    let both = [&read[..], &["--identity", both.to_str().unwrap()]].concat();
    world.call_with_key("later", &both).expect(0);
}

#[test]
fn rubbish_among_the_recipients_keeps_nothing_from_being_read() {
    let world = World::encrypted();
    world.backup("full");
    let junk = world.vault().join("recipients/9.json");
    fs::write(&junk, "{").unwrap();
    let named = world.call(&["verify"]).expect(3).stdout;
    assert!(named.contains("recipients/9.json"), "{named}");
    let restore = ["restore", "latest", "--database", "again"];
    let place = world.path("again");
    let repository = ["--repository", place.to_str().unwrap()];
    let restore = [&restore[..], &repository].concat();
    world.call_with_key("key", &restore).expect(0);
    world.call(&["backup"]).expect(2).says("recipients/9.json");
    fs::remove_file(&junk).unwrap();
    world.backup("full");
}

#[test]
fn a_restore_of_an_older_day_knows_the_recipients_of_today() {
    let world = World::encrypted();
    let old = world.backup("full");
    let second = world.key("second");
    world.call(&["keys", "add", &second]).expect(0);
    let restore = ["restore", old["snapshot"].as_str().unwrap()];
    let restore = [&restore[..], &["--no-repository"]].concat();
    world.call_with_key("key", &restore).expect(0);
    world.backup("full");
}

#[test]
fn a_copy_leaves_rubbish_among_the_recipients_behind() {
    let world = World::encrypted();
    world.backup("full");
    let recipients = world.vault().join("recipients");
    fs::copy(recipients.join("1.json"), recipients.join("01.json")).unwrap();
    fs::write(recipients.join("notes.txt"), "mine").unwrap();
    let far = world.path("far");
    let copy = ["copy", "--to", far.to_str().unwrap()];
    world.call_with_key("key", &copy).expect(0);
    let names = || -> Vec<String> {
        let name = |file: std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().into();
        let mut names: Vec<String> = files_of(&far.join("recipients"))
            .into_iter()
            .map(name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["1.json"]);
    // Nor does one that cannot be read get a place that a good one may need.
    fs::write(recipients.join("2.json"), "{").unwrap();
    let second = world.call_with_key("key", &copy);
    assert_eq!(names(), ["1.json"], "{}", second.stderr);
    fs::remove_file(recipients.join("2.json")).unwrap();
    let later = world.key("later");
    world.call(&["keys", "add", &later]).expect(0);
    world.call_with_key("key", &copy).expect(0);
    assert_eq!(names(), ["1.json", "2.json"]);
    let read = ["verify", "--read-data"];
    let mut verify = world.command_at(&far, &read);
    verify.arg("--identity").arg(world.path("key"));
    let verified = support::world::Called::new(&verify.output().unwrap());
    verified.expect(0);
}
