// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a backup takes, and what it leaves alone.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

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
    println!("{}", world.call(&["snapshots"]).stdout);
}
