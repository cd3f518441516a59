// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One flipped bit anywhere in a vault is found, and the object that it is in is named.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::operations::verify::Report;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::path::{Path, PathBuf};
use support::figures::{self, count, seed};
use support::verified::verify_all;
use support::world::World;

/// Names how many bits are flipped in each kind of object, if not [`FEW`].
const VARIABLE: &str = "FO_BACKUP_TORTURE_FLIPS";

const FEW: usize = 60;

/// The objects of one kind, as paths below the vault.
fn objects(vault: &Path, folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(vault.join(folder))
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file() && path.to_str().unwrap().ends_with(ending))
        .collect();
    found.sort();
    found
}

#[test]
fn every_flipped_bit_is_found() {
    let world = World::with_vault();
    world.backup("full");
    world.backup("gold");
    let vault = world.vault();
    assert!(!verify_all(&vault).unwrap().is_damaged());
    let flips = count(VARIABLE, FEW);
    let mut random = StdRng::seed_from_u64(seed("flipped bits"));
    let mut without_effect = 0;
    for (folder, ending) in [
        ("packs", ".tar.zst"),
        ("packs", ".idx"),
        ("database", ".zst"),
        ("snapshots", ".json"),
        ("", "vault.json"),
        ("", "RESTORE.md"),
    ] {
        let objects = objects(&vault, folder, ending);
        for _ in 0..flips {
            let path = &objects[random.random_range(0..objects.len())];
            let key = path.strip_prefix(&vault).unwrap().to_str().unwrap();
            let good = fs::read(path).unwrap();
            let mut bad = good.clone();
            let (at, bit) = (
                random.random_range(0..good.len()),
                random.random_range(0..8),
            );
            bad[at] ^= 1 << bit;
            fs::write(path, &bad).unwrap();
            let found = verify_all(&vault);
            fs::write(path, &good).unwrap();

            let place = format!("bit {bit} of byte {at} of {key}");
            match (ending, &found) {
                // The text for people is no damage; that it differs is noted.
                ("RESTORE.md", Ok(report)) => {
                    assert!(!report.is_damaged(), "{place}: {report:?}");
                    let noted = |what: &str| what.starts_with("RESTORE.md");
                    assert!(report.notes.iter().any(|note| noted(&note.what)), "{place}");
                }
                ("vault.json", found) => {
                    let harmless = same_head(&good, &bad);
                    let caught = found.as_ref().map_or(true, Report::is_damaged);
                    assert!(caught || harmless, "{place}: {found:?}");
                }
                (_, Ok(report)) if report.is_damaged() => {
                    for damage in &report.damage {
                        assert_eq!(damage.object, key, "{place}: {damage:?}");
                    }
                }
                // zstd has bits that change nothing of what is decoded.
                (".zst", Ok(_)) => {
                    let decoded = |bytes: &[u8]| zstd::decode_all(bytes).ok();
                    assert!(decoded(&bad) == decoded(&good), "{place} was not found");
                    without_effect += 1;
                }
                (_, found) => panic!("{place} was not found: {found:?}"),
            }
        }
        let kind = if folder.is_empty() { ending } else { folder };
        figures::add("flipped bits", &format!("{kind} (*{ending})"), flips, 0);
    }
    assert!(
        without_effect < flips.div_ceil(10),
        "{without_effect} flips in chunks changed nothing"
    );
    assert!(!verify_all(&vault).unwrap().is_damaged());
}

/// Whether two vault.json say the same of what matters: blanks, the vault's own id, which nothing
/// else names, and the day when it was made do not.
fn same_head(good: &[u8], bad: &[u8]) -> bool {
    let read = |text| serde_json::from_slice::<serde_json::Value>(text).ok();
    let (Some(good), Some(bad)) = (read(good), read(bad)) else {
        return false;
    };
    // Hexadecimal digits mean the same in both cases.
    let instance = |head: &serde_json::Value| head["instance"].as_str().map(str::to_lowercase);
    let recipients = |head: &serde_json::Value| head["recipients"].as_array().map_or(0, Vec::len);
    good["format"] == bad["format"]
        && instance(&good) == instance(&bad)
        && recipients(&good) == recipients(&bad)
}
