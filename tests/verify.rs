// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A damaged vault: `verify` names what is hit, and a backup makes it good again.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree};
use fossology_backup::operations::{Context, Error, Quiet, Stop, verify};
use fossology_backup::vault::{IndexFile, Location, PackId, PackReader, Record, Vault};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::world::{Called, World};

/// A world with a vault that holds one snapshot.
fn backed_up() -> (World, Value) {
    let world = World::with_vault();
    let snapshot = world.backup("full");
    (world, snapshot)
}

fn call_verify(world: &World, arguments: &[&str]) -> Called {
    let mut all = vec!["--json", "verify"];
    all.extend(arguments);
    world.call(&all)
}

/// The damage that has to be there, and nothing else.
#[track_caller]
fn only_damage(called: Called) -> Value {
    let mut json = called.expect(3).json();
    assert_eq!(json["whole"], false);
    let damage = json["damage"].as_array_mut().unwrap();
    assert_eq!(damage.len(), 1, "{damage:#?}");
    damage.remove(0)
}

/// The vault's objects with a folder and an ending, as keys.
fn keys(world: &World, folder: &str, ending: &str) -> Vec<String> {
    let root = world.vault();
    let mut keys: Vec<String> = walkdir::WalkDir::new(root.join(folder))
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let key = entry.path().strip_prefix(&root).unwrap();
            key.to_str().unwrap().to_owned()
        })
        .filter(|key| key.ends_with(ending))
        .collect();
    keys.sort();
    keys
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn pack_id(key: &str) -> PackId {
    let name = key.rsplit('/').next().unwrap();
    name.strip_suffix(".tar.zst").unwrap().parse().unwrap()
}

fn records(world: &World, pack: &str) -> Vec<Record> {
    let vault = Vault::open(&Location::folder(&world.vault())).unwrap();
    let index = IndexFile::open(vault.storage().clone(), pack_id(pack)).unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    records
}

fn names(damage: &Value) -> BTreeSet<PfileName> {
    let blobs = damage["blobs"].as_array().unwrap().iter();
    blobs
        .map(|blob| blob["name"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// The pack with the most frames, so that one bad frame is not all of it.
fn largest_pack(world: &World) -> String {
    let packs = keys(world, "packs", ".tar.zst");
    let size = |key: &String| fs::metadata(world.vault().join(key)).unwrap().len();
    packs.into_iter().max_by_key(size).unwrap()
}

#[test]
fn a_whole_vault_is_whole() {
    let (world, snapshot) = backed_up();
    world.backup("gold");
    for arguments in [&[][..], &["--read-data"], &["--read-data=10"], &["latest"]] {
        let report = call_verify(&world, arguments).expect(0).json();
        assert_eq!(report["whole"], true);
        assert_eq!(report["notes"].as_array().unwrap().len(), 0, "{report:#}");
    }
    let report = call_verify(&world, &["--read-data"]).expect(0).json();
    assert_eq!(report["snapshots"].as_array().unwrap().len(), 2);
    assert_eq!(
        report["checked"]["blobs"],
        world.sample().needed_blobs().len() as u64
    );
    assert_eq!(
        report["checked"]["chunks_read"],
        keys(&world, "database", ".zst").len() as u64
    );
    let id = snapshot["snapshot"].as_str().unwrap();
    let text = world.call(&["verify", id]).expect(0).stdout;
    assert!(text.contains("all of it is whole"), "{text}");
    // The runs are in the history.
    let count: i64 = world
        .sample()
        .connect()
        .unwrap()
        .query_one(
            "SELECT count(*) FROM backup_run WHERE verb = 'verify' AND state = 'done'",
            &[],
        )
        .unwrap()
        .get(0);
    assert_eq!(count, 6);
}

#[test]
fn one_bad_frame_hits_its_blobs_and_uploads_and_no_others() {
    let (world, first) = backed_up();
    let pack = largest_pack(&world);
    let all = records(&world, &pack);
    let hit = all[all.len() / 2];
    let expected: BTreeSet<PfileName> = all
        .iter()
        .filter(|record| record.frame_offset == hit.frame_offset)
        .map(|record| record.name)
        .collect();
    assert!(expected.len() < all.len(), "the pack has a single frame");
    let path = world.vault().join(&pack);
    flip(&path, (hit.frame_offset + hit.frame_len / 2) as usize);

    // Nothing that a look without the data could find.
    call_verify(&world, &[]).expect(0);
    let damage = only_damage(call_verify(&world, &["--read-data"]));
    assert_eq!(damage["object"], pack);
    assert_eq!(damage["kind"], "damaged");
    assert_eq!(names(&damage), expected);
    assert_eq!(damage["snapshots"][0], first["snapshot"]);
    let uploads: BTreeSet<i64> = damage["uploads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["upload"].as_i64().unwrap())
        .collect();
    let needing = world.sample().uploads().into_iter().filter(|upload| {
        let blobs = world.sample().blobs_of(*upload);
        blobs.iter().any(|blob| expected.contains(&blob.name))
    });
    assert_eq!(uploads, needing.map(i64::from).collect());

    // What was not named is whole.
    let vault = Vault::open(&Location::folder(&world.vault())).unwrap();
    let reader = PackReader::new(vault.storage().clone(), pack_id(&pack));
    for record in all.iter().filter(|record| !expected.contains(&record.name)) {
        let content = reader.blob(record).unwrap();
        assert_eq!(fossology_backup::blob::digest(&content), record.name);
    }

    // What the report says to do makes the next snapshot whole.
    let text = world.call(&["verify", "--read-data"]).expect(3).stdout;
    assert!(text.contains("move packs/"), "{text}");
    let away = world.path("away");
    fs::create_dir(&away).unwrap();
    fs::rename(&path, away.join("pack")).unwrap();
    fs::rename(
        world.vault().join(pack.replace(".tar.zst", ".idx")),
        away.join("index"),
    )
    .unwrap();
    let second = world.backup("full");
    assert_eq!(second["counts"]["new"], all.len() as u64, "{second:#}");
    call_verify(&world, &["latest", "--read-data"]).expect(0);
}

#[test]
fn a_missing_pack_is_named_by_its_index_and_packed_anew() {
    let (world, first) = backed_up();
    let pack = largest_pack(&world);
    let all: BTreeSet<PfileName> = records(&world, &pack).iter().map(|r| r.name).collect();
    fs::remove_file(world.vault().join(&pack)).unwrap();
    let damage = only_damage(call_verify(&world, &[]));
    assert_eq!(damage["object"], pack);
    assert_eq!(damage["kind"], "missing");
    assert_eq!(names(&damage), all);
    assert_eq!(damage["elsewhere"], 0);
    let second = world.backup("full");
    assert_eq!(second["counts"]["new"], all.len() as u64);
    call_verify(&world, &["latest", "--read-data"]).expect(0);
    // The first snapshot is whole again when the very same pack came back; if not, it is named.
    let report = call_verify(&world, &[]).json();
    for damage in report["damage"].as_array().unwrap() {
        assert_eq!(damage["snapshots"][0], first["snapshot"]);
        assert_eq!(damage["elsewhere"], all.len() as u64);
    }
}

#[test]
fn a_pack_that_is_lost_with_its_index_is_named_by_the_database() {
    let (world, _) = backed_up();
    let pack = largest_pack(&world);
    let all = records(&world, &pack);
    fs::remove_file(world.vault().join(&pack)).unwrap();
    fs::remove_file(world.vault().join(pack.replace(".tar.zst", ".idx"))).unwrap();
    let report = call_verify(&world, &[]).expect(3).json();
    assert_eq!(report["snapshots"][0]["whole"], false);
    let found = report["damage"].as_array().unwrap();
    let damage = found
        .iter()
        .find(|damage| damage["object"] == pack)
        .unwrap();
    assert_eq!(
        names(damage),
        all.iter().map(|record| record.name).collect()
    );
    assert_ne!(damage["uploads"].as_array().unwrap().len(), 0);

    // Without the database the keys are all that is left.
    let report = world
        .call_for(Path::new("/nowhere"), &["--json", "verify"])
        .expect(3)
        .json();
    let found = report["damage"].as_array().unwrap();
    let damage = found
        .iter()
        .find(|damage| damage["object"] == pack)
        .unwrap();
    assert_eq!(damage["hit"], all.len() as u64);
    assert_eq!(damage["blobs"][0]["name"], Value::Null);

    world.backup("full");
    call_verify(&world, &["latest", "--read-data"]).expect(0);
}

#[test]
fn a_cut_pack_still_has_its_first_blobs() {
    let (world, _) = backed_up();
    let pack = largest_pack(&world);
    let all = records(&world, &pack);
    // Into the last frame, wherever that lies: the ones before it are whole.
    let cut = 1 + all.iter().map(|record| record.frame_offset).max().unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(world.vault().join(&pack))
        .unwrap();
    file.set_len(cut).unwrap();
    let damage = only_damage(call_verify(&world, &[]));
    let lost: BTreeSet<PfileName> = all
        .iter()
        .filter(|record| record.frame_offset + record.frame_len > cut)
        .map(|record| record.name)
        .collect();
    assert!(lost.len() < all.len());
    assert_eq!(names(&damage), lost);
    assert!(damage["why"].as_str().unwrap().contains("instead of"));
    // A cut pack that nobody moved away must not get into the next snapshot as it is.
    world.backup("full");
    call_verify(&world, &["latest", "--read-data"]).expect(0);
}

#[test]
fn a_cut_pack_gives_way_to_the_very_same_pack() {
    let world = World::with_vault();
    // One worker packs the same blobs to the same bytes, so the new pack has the cut one's name.
    let backup = || {
        let mut command = world.command(&["backup"]);
        let output = command.env("FO_BACKUP_THREADS", "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    backup();
    let before = keys(&world, "packs", "");
    for key in keys(&world, "packs", ".tar.zst") {
        let path = world.vault().join(key);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        flip(&path.with_extension("").with_extension("idx"), 100);
    }
    backup();
    assert_eq!(keys(&world, "packs", ""), before);
    call_verify(&world, &["--read-data"]).expect(0);
}

#[test]
fn lost_and_damaged_indexes_are_made_again() {
    let (world, _) = backed_up();
    let indexes = keys(&world, "packs", ".idx");
    let before: Vec<Vec<u8>> = indexes
        .iter()
        .map(|key| fs::read(world.vault().join(key)).unwrap())
        .collect();
    fs::remove_file(world.vault().join(&indexes[0])).unwrap();
    let damage = only_damage(call_verify(&world, &[]));
    assert_eq!(damage["object"], indexes[0]);
    assert_eq!(damage["hit"], 0);
    let report = call_verify(&world, &[]).json();
    assert_eq!(report["snapshots"][0]["whole"], true, "nothing is lost");

    for (key, good) in indexes.iter().zip(&before).skip(1) {
        flip(&world.vault().join(key), good.len() / 2);
    }
    let report = call_verify(&world, &["--repair-indexes"]).expect(0).json();
    let repaired = report["damage"].as_array().unwrap();
    assert_eq!(repaired.len(), indexes.len());
    assert!(repaired.iter().all(|damage| damage["repaired"] == true));
    for (key, good) in indexes.iter().zip(&before) {
        assert!(fs::read(world.vault().join(key)).unwrap() == *good, "{key}");
    }
    call_verify(&world, &["--read-data"]).expect(0);
}

#[test]
fn chunks_are_named_by_what_they_belong_to() {
    let (world, _) = backed_up();
    let snapshot = keys(&world, "snapshots", ".json").remove(0);
    let json: Value =
        serde_json::from_slice(&fs::read(world.vault().join(&snapshot)).unwrap()).unwrap();
    let id = json["database"]["files"]["toc.dat"]["chunks"][0]
        .as_str()
        .unwrap();
    let key = format!("database/{}/{id}.zst", &id[..2]);
    let path = world.vault().join(&key);
    let good = fs::read(&path).unwrap();

    flip(&path, good.len() / 2);
    call_verify(&world, &[]).expect(0);
    let damage = only_damage(call_verify(&world, &["--read-data"]));
    assert_eq!(
        (damage["object"].as_str(), damage["kind"].as_str()),
        (Some(&key[..]), Some("damaged"))
    );
    assert_eq!(damage["parts"][0], "the database's toc.dat");

    fs::remove_file(&path).unwrap();
    let damage = only_damage(call_verify(&world, &[]));
    assert_eq!(
        (damage["object"].as_str(), damage["kind"].as_str()),
        (Some(&key[..]), Some("missing"))
    );
    assert_eq!(damage["parts"][0], "the database's toc.dat");
    assert_eq!(
        call_verify(&world, &[]).json()["snapshots"][0]["whole"],
        false
    );

    world.backup("full");
    call_verify(&world, &["latest", "--read-data"]).expect(0);
}

#[test]
fn a_damaged_snapshot_takes_no_other_along() {
    let (world, first) = backed_up();
    let second = world.backup("full");
    let id = first["snapshot"].as_str().unwrap();
    let key = format!("snapshots/{id}.json");
    let path = world.vault().join(&key);
    // A value that no parser could find wrong.
    let text = fs::read_to_string(&path).unwrap();
    let depth = text.find("\"depth\": 3").unwrap() + "\"depth\": ".len();
    flip(&path, depth);
    let damage = only_damage(call_verify(&world, &[]));
    assert_eq!(damage["object"], key);
    assert_eq!(damage["snapshots"][0], id);
    let report = call_verify(&world, &[]).json();
    assert_eq!(report["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(report["snapshots"][0]["snapshot"], second["snapshot"]);
    assert_eq!(report["snapshots"][0]["whole"], true);
    only_damage(call_verify(&world, &[id]));
    call_verify(&world, &["latest"]).expect(0);
}

#[test]
fn left_overs_and_foreign_files_are_notes() {
    let (world, first) = backed_up();
    let id = first["snapshot"].as_str().unwrap();
    let vault = world.vault();
    fs::remove_file(vault.join(format!("snapshots/{id}.json"))).unwrap();
    fs::write(vault.join("packs/notes.txt"), "from me to me").unwrap();
    fs::write(vault.join("tmp/something"), "half").unwrap();
    fs::write(vault.join("RESTORE.md"), "ask Anna").unwrap();
    let orphan = "packs/00/".to_owned() + &"00".repeat(32) + ".idx";
    fs::create_dir_all(vault.join("packs/00")).unwrap();
    fs::write(vault.join(&orphan), "index").unwrap();
    let report = call_verify(&world, &["--read-data"]).expect(0).json();
    let note = |words: &str| -> Value {
        let notes = report["notes"].as_array().unwrap();
        let found = notes
            .iter()
            .find(|note| note["what"].as_str().unwrap().contains(words));
        found
            .unwrap_or_else(|| panic!("{words}: {notes:#?}"))
            .clone()
    };
    let packs = keys(&world, "packs", ".tar.zst").len() as u64;
    assert_eq!(note("packs that no readable")["count"], packs);
    let chunks = keys(&world, "database", ".zst").len() as u64;
    assert_eq!(note("chunks that no readable")["count"], chunks);
    assert_eq!(note("no part of a vault")["objects"][0], "packs/notes.txt");
    assert_eq!(note("indexes without")["objects"][0], orphan);
    assert_eq!(note("unfinished")["count"], 1);
    assert_eq!(note("RESTORE.md")["count"], 1);
}

#[test]
fn it_stops_when_it_is_asked_to() {
    let (world, _) = backed_up();
    let vault = Vault::open(&Location::folder(&world.vault())).unwrap();
    let stop = Stop::new();
    stop.request();
    let context = Context {
        progress: &Quiet,
        stop: &stop,
    };
    let options = verify::Options {
        snapshot: None,
        read: Some(100.0),
        repair_indexes: false,
        urls: None,
        threads: 2,
    };
    let stopped = verify::run(&vault, None, &options, context);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert_eq!(
        keys(&world, "locks", ""),
        [""; 0],
        "the lease is given back"
    );
}

#[test]
fn trees_of_a_hit_blob_are_named() {
    let (world, _) = backed_up();
    let packs = keys(&world, "packs", ".tar.zst");
    let gold = packs.iter().find(|pack| {
        let records = records(&world, pack);
        records
            .iter()
            .any(|record| record.trees.contains(Tree::Gold))
    });
    let gold = gold.unwrap();
    fs::remove_file(world.vault().join(gold)).unwrap();
    let damage = only_damage(call_verify(&world, &[]));
    for blob in damage["blobs"].as_array().unwrap() {
        let name: PfileName = blob["name"].as_str().unwrap().parse().unwrap();
        let stored = world.sample().needed_blobs();
        let stored = stored.iter().find(|stored| stored.name == name).unwrap();
        let trees: Vec<&str> = stored.trees.iter().map(Tree::as_str).collect();
        assert_eq!(blob["trees"], serde_json::json!(trees));
    }
    let text = world.call(&["verify"]).expect(3).stdout;
    assert!(
        text.contains("MISSING packs/") && text.contains("needed by upload"),
        "{text}"
    );
}
