// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How things stand, as people, Prometheus and scripts are told.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::Options;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::trouble::held_backup;
use support::world::World;

fn world() -> World {
    World::with(Options::one_host())
}

/// The reasons that are given, each with its word.
fn reasons(status: &Value) -> Vec<String> {
    let reasons = status["reasons"].as_array().unwrap();
    let words = |reason: &Value| {
        format!(
            "{}: {}",
            reason["health"].as_str().unwrap(),
            reason["text"].as_str().unwrap()
        )
    };
    reasons.iter().map(words).collect()
}

#[track_caller]
fn expect(world: &World, code: i32, expected: &[&str]) -> Value {
    let status = world.call(&["--json", "status"]).expect(code).json();
    let said = reasons(&status);
    let fits = said.len() == expected.len()
        && said
            .iter()
            .zip(expected)
            .all(|(said, expected)| said.contains(expected));
    assert!(fits, "{said:#?}");
    status
}

fn verb<'a>(status: &'a Value, name: &str) -> &'a Value {
    let verbs = status["verbs"].as_array().unwrap();
    verbs.iter().find(|verb| verb["verb"] == name).unwrap()
}

/// Reads metrics as Prometheus does, strictly: gives each sample's name and labels with its value.
fn metrics(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families = BTreeSet::new();
    let mut family = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} comes twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{family} gauge"));
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(key.split('{').next().unwrap(), family, "{line}");
            let value = value.parse().unwrap();
            assert!(
                samples.insert(key.to_owned(), value).is_none(),
                "{key} comes twice"
            );
        }
    }
    samples
}

#[test]
fn from_an_empty_vault_to_one_that_is_fine() {
    let world = world();
    expect(
        &world,
        1,
        &[
            "unreachable: the vault cannot be asked: no vault at",
            "late: there is no backup yet",
        ],
    );
    world.call(&["init"]).expect(0);
    let status = expect(&world, 3, &["late: there is no backup yet"]);
    assert_eq!(status["health"], "late");
    let backup = world.backup("full");
    let status = expect(&world, 0, &[]);
    assert_eq!(status["health"], "ok");
    assert_eq!(status["vault"]["snapshots"], 1);
    assert_eq!(status["vault"]["newest"][0]["snapshot"], backup["snapshot"]);
    assert_eq!(status["vault"]["newest"][0]["counts"], backup["counts"]);
    let last = &verb(&status, "backup")["last"][0];
    assert_eq!(
        (&last["state"], &last["mode"]),
        (&"done".into(), &"full".into())
    );
    assert_eq!(verb(&status, "backup")["limit_seconds"], 30 * 3600);

    let text = world.call(&["status"]).expect(0).stdout;
    assert!(text.starts_with("OK: "), "{text}");
    assert!(
        text.contains("backup (full)") && text.contains("1 snapshots"),
        "{text}"
    );
    // So that cron sends no mail.
    assert_eq!(world.call(&["-q", "status"]).expect(0).stdout, "");
}

#[test]
fn what_is_missing_is_wrong_until_it_is_back() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    world.call(&["check"]).expect(0);
    // Orphans only take space.
    let status = expect(&world, 0, &[]);
    assert!(status["findings"]["orphan"]["count"].as_u64().unwrap() > 0);

    let lost = world.sample().needed_blobs().remove(0);
    for path in &lost.paths {
        fs::remove_file(path).unwrap();
    }
    world.call(&["check"]).expect(3);
    let status = expect(&world, 3, &["wrong: the last check (plain, "]);
    assert_eq!(status["health"], "wrong");
    let text = world.call(&["-q", "status"]).expect(3).stdout;
    assert!(
        text.starts_with("WRONG:\n") && text.contains("found 1 missing"),
        "{text}"
    );

    world
        .call(&["recover", "--missing", "--from", "vault"])
        .expect(0);
    world.call(&["check"]).expect(0);
    expect(&world, 0, &[]);
}

#[test]
fn what_is_expected_comes_from_the_settings_and_is_late_by_them() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    world.call(&["verify"]).expect(0);
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute(
            "UPDATE backup_run SET started = started - interval '219 hours' WHERE verb = 'verify'",
        )
        .unwrap();
    expect(&world, 0, &[]);
    let settings = world.sample().sysconfdir().join("fo_backup.toml");
    fs::write(&settings, "[schedule]\nverify = \"weekly\"\n").unwrap();
    let status = expect(&world, 3, &["late: the last verify is 9 days 3 hours old"]);
    assert_eq!(status["health"], "late");
    assert_eq!(verb(&status, "verify")["late"], true);
    fs::write(&settings, "[schedule]\nverify = \"10 days\"\n").unwrap();
    expect(&world, 0, &[]);
    fs::write(
        &settings,
        "[schedule]\nbackup = \"daily\"\nverify = \"often\"\n",
    )
    .unwrap();
    world
        .call(&["status"])
        .expect(2)
        .says("line 3")
        .says("'often'")
        .says("\"26 hours\"");
}

#[test]
fn what_cannot_be_reached_is_named_and_the_rest_is_told() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    let conf = world.sample().sysconfdir().join("Db.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let port = world.cluster.port().to_string();
    fs::write(&conf, text.replace(&port, "1")).unwrap();
    let status = expect(&world, 1, &["unreachable: the database cannot be asked"]);
    assert_eq!(status["vault"]["snapshots"], 1);
    assert_eq!(status["database"], Value::Null);
    let samples = metrics(&world.call(&["status", "--prometheus"]).expect(1).stdout);
    assert_eq!(samples["fo_backup_reachable{what=\"database\"}"], 0.0);
    assert_eq!(samples["fo_backup_snapshots"], 1.0);
    fs::write(&conf, text).unwrap();

    fs::rename(world.vault(), world.path("elsewhere")).unwrap();
    let status = expect(&world, 1, &["unreachable: the vault cannot be asked"]);
    assert_eq!(verb(&status, "backup")["last"][0]["state"], "done");
    fs::rename(world.path("elsewhere"), world.vault()).unwrap();
    let text = world.call(&["status"]).expect(0).stdout;
    assert!(text.starts_with("OK"), "{text}");
}

#[test]
fn what_runs_is_told_and_what_died_has_failed() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    let (running, held) = held_backup(&world, &["backup"]);
    let status = expect(&world, 0, &[]);
    assert_eq!(status["running"][0]["verb"], "backup");
    running.signal(nix::sys::signal::Signal::SIGKILL);
    drop(held);
    running.wait();
    support::trouble::wait_for("the killed backup's session to end", || {
        let status = world.call(&["--json", "status"]).json();
        let running = status["running"].as_array().unwrap().len();
        (running == 0).then_some(())
    });
    // Snapshots tell whole seconds, and one of the same second would seem to be this backup's.
    let later =
        "UPDATE backup_run SET started = started + interval '1 minute' WHERE state = 'running'";
    let mut client = world.sample().connect().unwrap();
    assert_eq!(client.execute(later, &[]).unwrap(), 1);
    expect(&world, 3, &["wrong: the last backup (full, "]);
    world.backup("full");
    expect(&world, 0, &[]);
}

#[test]
fn an_instance_that_was_restored_is_fine() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    world.call(&["restore", "latest"]).expect(0);
    let status = expect(&world, 0, &[]);
    assert_eq!(verb(&status, "backup")["last"][0]["state"], "done");
    assert!(status["database"]["parked"].as_u64().unwrap() > 0);
}

#[test]
fn files_for_prometheus_and_scripts_are_replaced_whole() {
    let world = world();
    world.call(&["init"]).expect(0);
    world.backup("full");
    world.call(&["check"]).expect(0);
    world
        .call(&["status", "--files"])
        .expect(2)
        .says("status_file");
    let (json, prom) = (world.path("status.json"), world.path("fo_backup.prom"));
    fs::write(
        world.sample().sysconfdir().join("fo_backup.toml"),
        format!("[schedule]\nstatus_file = {json:?}\nmetrics = {prom:?}\n"),
    )
    .unwrap();
    for _ in 0..2 {
        assert_eq!(
            world.call(&["-q", "status", "--files"]).expect(0).stdout,
            ""
        );
        for file in [&json, &prom] {
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644);
        }
    }
    let status: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(
        (&status["schema"], &status["health"]),
        (&1.into(), &"ok".into())
    );
    let samples = metrics(&fs::read_to_string(&prom).unwrap());
    assert_eq!(samples["fo_backup_health{health=\"ok\"}"], 1.0);
    assert_eq!(samples["fo_backup_health{health=\"wrong\"}"], 0.0);
    assert_eq!(samples["fo_backup_late{verb=\"backup\"}"], 0.0);
    assert_eq!(
        samples["fo_backup_last_run_success{verb=\"check\",mode=\"plain\"}"],
        1.0
    );
    let orphans = status["findings"]["orphan"]["count"].as_f64().unwrap();
    assert_eq!(
        samples["fo_backup_check_findings{kind=\"orphan\"}"],
        orphans
    );
    let snapshot = &status["vault"]["newest"][0]["counts"];
    let gold = samples["fo_backup_snapshot_blobs{mode=\"full\",tree=\"gold\"}"];
    assert_eq!(gold, snapshot["gold"].as_f64().unwrap());

    let other = world.path("other");
    let name = other.to_str().unwrap();
    world
        .call(&["status", "--prometheus", "--to", name])
        .expect(0);
    assert!(!metrics(&fs::read_to_string(&other).unwrap()).is_empty());
    world.call(&["--json", "status", "--to", name]).expect(0);
    let status: Value = serde_json::from_slice(&fs::read(&other).unwrap()).unwrap();
    assert_eq!(status["verb"], "status");
    world
        .call(&["status", "--to", "/no/such/folder/x"])
        .expect(1)
        .says("/no/such/folder/x");
}
