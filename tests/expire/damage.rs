// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Damage: nothing of it goes silently, and nothing that is whole goes because of it.

use super::history::{History, data_bytes, objects, reasons};
use fossology_backup::vault::{IndexFile, Location, PackId, Record, Vault};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// A history of which only the newest full snapshot is left, and the mostly dead packs with it.
fn mostly_dead() -> History {
    let history = History::new();
    history.expire(&["--keep-last", "1", "--no-rewrite"], 0);
    let gold = &history.there()[0];
    fs::remove_file(history.world.vault().join(format!("snapshots/{gold}.json"))).unwrap();
    history
}

fn snapshot(history: &History) -> Value {
    let id = history.there().pop().unwrap();
    let path = history.world.vault().join(format!("snapshots/{id}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The packs of the newest snapshot.
fn packs(history: &History) -> Vec<PackId> {
    let snapshot = snapshot(history);
    let packs = snapshot["packs"].as_array().unwrap().iter();
    packs
        .map(|pack| pack["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn records(history: &History, pack: PackId) -> Vec<Record> {
    let vault = Vault::open(&Location::folder(&history.world.vault())).unwrap();
    let index = IndexFile::open(vault.storage().clone(), pack).unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    records
}

fn path(history: &History, pack: PackId) -> PathBuf {
    history.world.vault().join(pack.key().as_str())
}

fn flip(path: &PathBuf, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_pack_stays_as_it_is_and_is_named() {
    let history = mostly_dead();
    let rehearsal = history.expire(&["--keep-last", "1", "--dry-run"], 0);
    let candidates = rehearsal["rewritten"]["count"].as_u64().unwrap();
    assert!(candidates > 0, "{rehearsal:#}");
    let needed: Vec<_> = history.world.sample().needed_blobs();
    let is_needed = |record: &Record| needed.iter().any(|blob| blob.name == record.name);
    // Of the pack with the most that is dead, a frame that is needed.
    let dead = |pack: &PackId| -> u64 {
        let records = records(&history, *pack).into_iter();
        records
            .filter(|record| !is_needed(record))
            .map(|record| record.name.size())
            .sum()
    };
    let pack = packs(&history).into_iter().max_by_key(dead).unwrap();
    let live = records(&history, pack).into_iter().find(is_needed).unwrap();
    flip(
        &path(&history, pack),
        live.frame_offset + live.frame_len / 2,
    );
    let bytes = fs::read(path(&history, pack)).unwrap();

    let report = history.expire(&["--keep-last", "1"], 3);
    let alone = report["left_alone"].as_array().unwrap();
    assert_eq!(alone.len(), 1, "{report:#}");
    assert_eq!(alone[0]["pack"], pack.to_string());
    assert_eq!(report["rewritten"]["count"], candidates - 1);
    assert!(packs(&history).contains(&pack));
    assert_eq!(fs::read(path(&history, pack)).unwrap(), bytes);
    // Verification names that pack and nothing else.
    let verified = history
        .world
        .call(&["--json", "verify", "--read-data"])
        .expect(3)
        .json();
    let damage = verified["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{damage:#?}");
    assert_eq!(damage[0]["object"], pack.key().to_string());
    // Once it is put right, it is rewritten too.
    flip(
        &path(&history, pack),
        live.frame_offset + live.frame_len / 2,
    );
    let report = history.expire(&["--keep-last", "1"], 0);
    assert_eq!(report["rewritten"]["count"], 1);
    assert!(!path(&history, pack).exists());
    history.all_come_back();
}

#[test]
fn a_pack_without_a_whole_index_or_with_another_size_stays() {
    let history = mostly_dead();
    let packs = packs(&history);
    let (first, second) = (packs[0], packs[1]);
    flip(&history.world.vault().join(first.index_key().as_str()), 70);
    let cut = fs::read(path(&history, second)).unwrap();
    fs::write(path(&history, second), &cut[..cut.len() - 1]).unwrap();
    let before = objects(&history.world.vault());
    let report = history.expire(&["--keep-last", "1", "--max-dead", "0"], 3);
    let alone = report["left_alone"].as_array().unwrap();
    let alone: Vec<&str> = alone
        .iter()
        .map(|alone| alone["pack"].as_str().unwrap())
        .collect();
    assert_eq!(alone.len(), 2, "{report:#}");
    for pack in [first, second] {
        assert!(alone.contains(&pack.to_string().as_str()));
        let key = PathBuf::from(pack.key().as_str());
        assert_eq!(objects(&history.world.vault())[&key], before[&key]);
    }
}

#[test]
fn while_a_snapshot_cannot_be_read_no_space_is_given_back() {
    let history = History::new();
    let vault = history.world.vault();
    let ids = history.there();
    let damaged = vault.join(format!("snapshots/{}.json", ids[2]));
    flip(&damaged, 200);
    let spent = data_bytes(&vault);
    let report = history.expire(&["--keep-last", "1", "--grace", "0d"], 3);
    assert_eq!(report["unreadable"].as_array().unwrap().len(), 1);
    assert_eq!(data_bytes(&vault), spent);
    assert_eq!(history.there(), [&ids[2..]].concat());
    // What it needs is still there when it can be read again.
    flip(&damaged, 200);
    history.blobs_come_back(&vault, &ids[2]);
    history.expire(&["--keep-last", "1", "--grace", "0d"], 0);
    assert!(data_bytes(&vault) < spent);
    history.all_come_back();
}

#[test]
fn whole_snapshots_stay_while_the_newer_ones_are_not_whole() {
    let history = History::new();
    let vault = history.world.vault();
    let ids = history.there();
    // A chunk that only the newest full snapshot has is lost.
    let last = snapshot(&history);
    let others: String = ids[..4]
        .iter()
        .map(|id| fs::read_to_string(vault.join(format!("snapshots/{id}.json"))).unwrap())
        .collect();
    let files = last["database"]["files"].as_object().unwrap().values();
    let chunks = files.flat_map(|file| file["chunks"].as_array().unwrap());
    let only = chunks
        .map(|chunk| chunk.as_str().unwrap())
        .find(|id| !others.contains(*id));
    let only = only.unwrap();
    let chunk = vault.join(format!("database/{}/{only}.zst", &only[..2]));
    let content = fs::read(&chunk).unwrap();
    fs::remove_file(&chunk).unwrap();

    let report = history.expire(&["--keep-last", "1"], 3);
    assert_eq!(report["not_whole"], serde_json::json!([ids[4]]));
    let (keep, why) = reasons(&report, &ids[2]);
    assert_eq!(
        (keep.as_bool().unwrap(), why.as_str()),
        (true, "too few others are whole")
    );
    let there = history.there();
    let stayed = |at: usize| there.iter().any(|id| id[..16] == ids[at][..16]);
    assert!(stayed(2) && !stayed(1) && stayed(4), "{there:?}");
    let kept = there.iter().find(|id| id[..16] == ids[2][..16]).unwrap();
    history.blobs_come_back(&vault, kept);
    history.rows_come_back(kept);

    // Rot inside of a chunk is seen when the data is read.
    let mut rotten = content.clone();
    *rotten.last_mut().unwrap() ^= 1;
    fs::write(&chunk, &rotten).unwrap();
    let looked = history.expire(&["--keep-last", "1", "--dry-run"], 0);
    assert!(!reasons(&looked, kept).0.as_bool().unwrap());
    let looked = history.expire(&["--keep-last", "1", "--dry-run", "--read-data"], 3);
    assert!(reasons(&looked, kept).0.as_bool().unwrap());
    // With the chunk back, the older one may go.
    fs::write(&chunk, &content).unwrap();
    history.expire(&["--keep-last", "1", "--read-data"], 0);
    assert_eq!(history.there().len(), 2);
    history.all_come_back();
}
