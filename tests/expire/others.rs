// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Others at work at the same time, and storage that does not let anything go.

use super::history::{History, copy, objects, said};
use crate::support::hosts;
use crate::support::queue::{end_entry, run_queued, start_next};
use crate::support::trouble::{
    Running, ending, files, give, held_backup, hold, unprivileged, until_held,
};
use crate::support::world::Called;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn a_backup_and_an_expiry_keep_out_of_each_others_way() {
    let mut history = History::new();
    let (backup, held) = held_backup(&history.world, &["backup"]);
    let before = objects(&history.world.vault());
    let busy = history
        .world
        .call(&["expire", "--keep-last", "1"])
        .expect(11);
    busy.says("locked by 'backup'");
    assert_eq!(history.there().len(), 5);
    // A rehearsal only reads.
    history.expire(&["--keep-last", "1", "--dry-run"], 0);
    assert!(
        before
            .keys()
            .all(|path| history.world.vault().join(path).exists())
    );
    drop(held);
    backup.wait().expect(0);

    // The other way round, and two of them: held where it enters itself in the history.
    let held = hold(&history.world, "backup_run");
    let rule = ["expire", "--keep-last", "1"];
    let first = Running::start(history.world.command(&rule));
    until_held(&history.world, "fo_backup expire");
    for others in [
        &rule[..],
        &["backup"],
        &["verify"],
        &["restore", "latest", "--dry-run"],
    ] {
        let other = history.world.call(others).expect(11);
        other.says("locked by 'expire'");
    }
    drop(held);
    first.wait().expect(0);
    assert_eq!(history.there().len(), 2);
    history.kept.truncate(4);
    history.backup("full", &[]);
    assert!(files(&history.world.vault().join("locks")).is_empty());
    history.world.call(&["verify", "--read-data"]).expect(0);
}

#[test]
fn an_expiry_that_was_killed_stops_nobody() {
    let history = History::new();
    let held = hold(&history.world, "backup_run");
    let first = Running::start(history.world.command(&["expire", "--keep-last", "1"]));
    until_held(&history.world, "fo_backup expire");
    first.signal(nix::sys::signal::Signal::SIGKILL);
    first.wait().expect(137);
    drop(held);
    history.expire(&["--keep-last", "1"], 0);
    assert!(files(&history.world.vault().join("locks")).is_empty());
    history.all_come_back();
}

#[test]
fn a_backup_of_several_hosts_that_is_half_done_keeps_the_vault_as_it_is() {
    let world = hosts::world();
    world.backup("full");
    world.backup("full");
    hosts::queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    let busy = world.call(&["expire", "--keep-last", "1"]).expect(11);
    busy.says("is half done");
    assert_eq!(world.snapshots(), 2);
    assert!(
        run_queued(&world)
            .iter()
            .all(|(_, ended)| ended.code == Some(0))
    );
    world.call(&["expire", "--keep-last", "1"]).expect(0);
    assert_eq!(world.snapshots(), 1);
    hosts::assert_restorable(&world);
}

#[test]
fn a_chunk_that_went_between_two_parts_makes_no_snapshot() {
    let world = hosts::world();
    world.backup("full");
    hosts::queue(&world);
    let (list, entry) = start_next(&world).unwrap();
    end_entry(&world, &entry, &list.serve().expect(0));
    // As an expiry that cannot see the database does with chunks of old snapshots.
    for chunk in ending(&world.vault().join("database"), ".zst") {
        fs::remove_file(chunk).unwrap();
    }
    let ended = run_queued(&world);
    let last = &ended.last().unwrap().1;
    assert_eq!(last.code, Some(1));
    last.says("is not in the vault any more");
    assert_eq!(world.snapshots(), 1);
}

/// The command as a user whom modes bind, on a copy of the vault whose folders have other modes.
fn refused(history: &History, closed: &[&str], arguments: &[&str]) -> (Called, Seen) {
    let place = history.world.path("closed");
    copy(&history.world.vault(), &place);
    give(&place);
    let chmod = |mode: u32| {
        for folder in closed {
            let folder = place.join(folder);
            for entry in walkdir::WalkDir::new(&folder).contents_first(true) {
                let entry = entry.unwrap();
                if entry.file_type().is_dir() {
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
                }
            }
        }
    };
    let before = objects(&place);
    chmod(0o500);
    // Everybody has to come through to it.
    fs::set_permissions(
        history.world.folder.path(),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let none = history.world.path("none");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fo_backup"));
    // Where there is no FOSSology, as on a host that keeps copies.
    command
        .arg("-c")
        .arg(&none)
        .arg("--vault")
        .arg(&place)
        .args(arguments);
    let called = Called::new(&unprivileged(command).output().unwrap());
    chmod(0o700);
    let after = objects(&place);
    (called, Seen { before, after })
}

/// What lay in the vault before and after.
struct Seen {
    before: BTreeMap<PathBuf, u64>,
    after: BTreeMap<PathBuf, u64>,
}

#[test]
fn storage_that_lets_nothing_go_is_left_as_it_is() {
    let history = History::new();
    let rule = ["expire", "--keep-last", "1"];
    // Nothing can be written.
    let (called, seen) = refused(&history, &[""], &rule);
    assert_eq!(called.code, 1, "{}", said(&called));
    assert_eq!(seen.before, seen.after);
    let (called, seen) = refused(&history, &[""], &[&rule[..], &["--dry-run"]].concat());
    assert_eq!(called.code, 0, "{}", said(&called));
    assert_eq!(seen.before, seen.after);
    // Leases come and go, all else only comes.
    let (called, seen) = refused(&history, &["packs", "snapshots", "database"], &rule);
    assert_eq!(called.code, 1, "{}", said(&called));
    called.says("does not let us remove snapshots/");
    assert_eq!(seen.before, seen.after);
}
