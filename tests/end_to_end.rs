// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The program as its users meet it: on real databases, servers and disks. One program of many
//! modules, since each one by itself would be linked with all that the crate stands on, and would
//! keep a core idle while the last of its tests ends.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod append_only;
mod backup;
mod bad_input;
mod bad_vault;
mod by_url;
mod by_url_lost;
mod by_url_ways;
mod check;
mod check_places;
mod concurrency;
mod cuts;
mod demo;
mod disasters;
mod drill;
mod encrypted_far;
mod encrypted_trouble;
mod encryption;
mod estimate;
mod expire;
mod external_database;
mod flips;
mod forged_pack;
mod format;
mod full_disk;
mod give_way;
mod guard;
mod hosts;
mod hosts_check;
mod hosts_prune;
mod hosts_recover;
mod hosts_trouble;
mod hosts_verify;
mod keys_rotation;
mod kill;
mod offsite;
mod offsite_cycles;
mod one_upload;
mod package;
mod prune;
mod prune_beside;
mod prune_kill;
mod queue;
mod real_instance;
mod real_prune;
mod real_recovery;
mod real_ununpack;
mod recover;
mod recover_trouble;
mod remote;
mod restore;
mod restore_by_hand;
mod restore_refused;
mod restore_undo;
mod s3_server;
mod sample_instance;
mod scheduler;
mod scrub;
mod status;
mod support;
mod tidy;
mod unusable_vault;
mod verify;

/// Cargo does not look for them: a file that nobody names would never be run.
#[test]
fn every_file_of_tests_is_part_of_this_program_or_of_one_that_cargo_knows() {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (named, manifest) = (
        include_str!("end_to_end.rs"),
        std::fs::read_to_string(package.join("Cargo.toml")).unwrap(),
    );
    let mut seen = 0;
    for entry in std::fs::read_dir(package.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_code = path.extension().is_some_and(|end| end == "rs")
            || path.join("mod.rs").exists()
            || path.join("main.rs").exists();
        if !is_code {
            continue;
        }
        let is_module = named.contains(&format!("\nmod {name};\n"));
        let is_program = manifest.contains(&format!("[[test]]\nname = \"{name}\"\n"));
        assert!(is_module ^ is_program, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}
