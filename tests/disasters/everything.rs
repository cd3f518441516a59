// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything is lost: the machine with configuration and repository, and PostgreSQL with databases and
//! roles. There is the vault, or a copy of it.

use super::support::queue::finish_all;
use super::support::world::World;
use super::{Before, deep_check, world};
use fossology_backup::demo::Role;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where FOSSology lies in these worlds.
fn home(world: &World) -> PathBuf {
    world.sample().sysconfdir().parent().unwrap().to_owned()
}

/// Loses all but the vault, and installs FOSSology anew: a stand-in for its packages, which bring
/// modules and their links and no configuration that is worth anything.
pub fn lose_everything(world: &mut World) {
    world.cluster.lose().unwrap();
    let (home, packages) = (home(world), world.path("packages"));
    fs::create_dir(&packages).unwrap();
    fs::rename(home.join("local"), packages.join("local")).unwrap();
    fs::rename(home.join("etc/mods-enabled"), packages.join("mods-enabled")).unwrap();
    fs::remove_dir_all(&home).unwrap();
    fs::create_dir_all(home.join("etc")).unwrap();
    fs::rename(packages.join("local"), home.join("local")).unwrap();
    fs::rename(packages.join("mods-enabled"), home.join("etc/mods-enabled")).unwrap();
}

/// What has to be done on a new machine, in this order.
fn set_up_anew(world: &World) {
    let saved = world.path("saved-etc");
    let folder = saved.to_str().unwrap();
    let only = ["--no-database", "--no-repository"];
    let arguments = [&["restore", "latest", "--config-to", folder][..], &only].concat();
    world.call(&arguments).expect(0);
    for name in ["fossology.conf", "Db.conf", "fo_backup.toml"] {
        fs::copy(saved.join(name), world.sample().sysconfdir().join(name)).unwrap();
    }
    // The role, as Db.conf names it.
    world.call(&["restore", "latest"]).expect(1);
    let statement = format!(
        "CREATE ROLE fossy LOGIN CREATEDB PASSWORD '{}'",
        world.cluster.password(Role::Fossy)
    );
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin.batch_execute(&statement).unwrap();
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("does not exist");
    fs::create_dir(world.sample().repository()).unwrap();
}

/// Copies the vault as the admin guide says and loses the original. Without rsync says so.
fn only_the_copy_is_left(world: &World) -> bool {
    let (vault, copy) = (world.vault(), world.path("copy"));
    for excluded in [&["--exclude=/snapshots"][..], &[]] {
        let status = Command::new("rsync")
            .args(["-a", "--exclude=/tmp", "--exclude=/locks"])
            .args(excluded)
            .arg(format!("{}/", vault.display()))
            .arg(format!("{}/", copy.display()))
            .status();
        let Ok(status) = status else {
            println!("skipped: there is no rsync");
            return false;
        };
        assert!(status.success());
    }
    fs::remove_dir_all(&vault).unwrap();
    fs::rename(copy, vault).unwrap();
    true
}

fn everything_comes_back(mode: &str, from_a_copy: bool) {
    let mut world = world();
    let before = Before::of(&world);
    let snapshot = world.backup(mode);
    if from_a_copy && !only_the_copy_is_left(&world) {
        return;
    }
    lose_everything(&mut world);
    set_up_anew(&world);

    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json();
    before.expect_rows(&world);
    let carried = snapshot["counts"]["gold"].as_u64().unwrap();
    assert!(report["blobs"]["written"].as_u64().unwrap() >= carried);
    assert_eq!(report["unknown_gold"], 0);
    world.call(&["verify", "--read-data"]).expect(0);
    if mode == "gold" {
        // Jobs that need files wait for the recovery of their upload; the rest comes by one more job.
        let resumed = world.call(&["--json", "jobs", "resume"]).expect(0).json();
        assert!(!resumed["recoveries"].as_array().unwrap().is_empty());
        world.call(&["queue", "recover", "--missing"]).expect(0);
    } else {
        before.expect_blobs(&world);
        deep_check(&world);
    }
    finish_all(&world);
    deep_check(&world);
    before.expect_blobs(&world);
}

#[test]
fn a_full_backup_brings_everything_back_on_a_new_machine() {
    everything_comes_back("full", false);
}

#[test]
fn gold_brings_everything_back_with_jobs_in_the_middle() {
    everything_comes_back("gold", false);
}

#[test]
fn a_copy_of_the_vault_is_as_good_as_the_vault() {
    everything_comes_back("full", true);
}
