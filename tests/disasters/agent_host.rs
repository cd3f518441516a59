// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One of two agent hosts is lost with its storage; database and the other one live. An upload that
//! the last backup has not seen has its gold on the host that is left, and files on both.

use super::support::checked::own_blobs;
use super::support::queue::{finish_all, run_others};
use super::support::world::World;
use super::{Before, deep_check, identities, world};
use fossology_backup::blob::Tree;
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What lies on the host that is lost.
fn on_beta(blob: &StoredBlob) -> bool {
    blob.paths
        .iter()
        .any(|path| path.iter().any(|part| part == "beta"))
}

struct Disaster {
    world: World,
    before: Before,
    /// The upload that came after the backup.
    newer: i32,
    /// What of it lay on the lost host only, and so in no snapshot and nowhere else.
    unsaved: usize,
    /// What else lay there.
    saved: usize,
    beta: PathBuf,
}

/// A backup, an upload, and the loss of host `beta`.
fn lose_a_host() -> Disaster {
    let mut world = world();
    world.backup("full");
    let saved = world.sample().needed_blobs().into_iter();
    let saved = saved.filter(on_beta).count();
    let new = NewUpload::sources("newer-1.0.tar.gz", 4711, 25);
    let newer = world.sample_mut().add_upload(new).unwrap();
    let own = own_blobs(&world, newer);
    let gold = own.iter().find(|blob| blob.trees.contains(Tree::Gold));
    assert!(
        !on_beta(gold.unwrap()),
        "its gold is on the host that stays"
    );
    let unsaved = own.iter().filter(|blob| on_beta(blob)).count();
    assert!(unsaved > 5 && saved > 100);
    let before = Before::of(&world);
    let beta = world.sample().repository().join("beta");
    fs::remove_dir_all(&beta).unwrap();
    Disaster {
        world,
        before,
        newer,
        unsaved,
        saved,
        beta,
    }
}

/// The uploads with jobs that a scheduler would start.
fn waiting(world: &World) -> BTreeSet<i32> {
    let mut client = world.sample().connect().unwrap();
    let query =
        "SELECT DISTINCT j.job_upload_fk FROM jobqueue q JOIN job j ON j.job_pk = q.jq_job_fk
                  WHERE j.job_upload_fk IS NOT NULL AND q.jq_endtime IS NULL";
    let rows = client.query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Jobs that need what is lost are parked; the others go on.
fn park(world: &World) {
    let mut lacking = waiting(world);
    lacking.retain(|upload| world.sample().blobs_of(*upload).iter().any(on_beta));
    assert!(!lacking.is_empty());
    let done = world
        .call(&["--json", "jobs", "park", "--lacking"])
        .expect(0)
        .json();
    let parked: BTreeSet<i32> = serde_json::from_value(done["uploads"].clone()).unwrap();
    assert_eq!(parked, lacking, "{done:#}");
    assert!(waiting(world).is_disjoint(&lacking));
    // Maintenance would take what lacks for deleted.
    assert_eq!(done["parked"]["by_agent"]["maintagent"], 1, "{done:#}");
    while !run_others(world).is_empty() {}
}

fn uploads(report: &Value) -> Vec<i64> {
    let uploads = report["uploads"].as_array().unwrap().iter();
    uploads.map(|hit| hit["upload"].as_i64().unwrap()).collect()
}

#[test]
fn a_new_host_gets_what_the_lost_one_had() {
    let Disaster {
        world,
        before,
        newer,
        unsaved,
        saved,
        beta,
    } = lose_a_host();
    let alpha = world.sample().repository().join("alpha");
    let rest = identities(&alpha);
    // What is left is proven whole.
    world
        .call(&["check", "--deep", "--repo-host", "alpha"])
        .expect(0);
    park(&world);

    let ask = [
        "--json",
        "restore",
        "latest",
        "--no-database",
        "--repo-host",
        "beta",
    ];
    world.call(&ask).expect(1).says("'beta' is not there");
    let dry = [&ask[..], &["--dry-run"]].concat();
    let outlook = world.call(&dry).expect(3).json();
    assert_eq!(outlook["lacking"]["blobs"], saved);
    assert_eq!(outlook["not_in_snapshot"], unsaved);
    assert_eq!(uploads(&outlook), [i64::from(newer)]);
    assert!(!beta.exists(), "it was only a look");

    fs::create_dir(&beta).unwrap();
    fs::set_permissions(&beta, fs::Permissions::from_mode(0o2770)).unwrap();
    // Killed and called again it goes on; here it is called twice.
    let report = world.call(&ask).expect(3).json();
    assert_eq!(report["blobs"]["written"], saved);
    let report = world.call(&ask).expect(3).json();
    assert_eq!(report["lacking"]["blobs"], 0);
    assert_eq!(identities(&alpha), rest, "nothing else is touched");

    // What came after the backup is unpacked from gold.
    let report = world
        .call(&["--json", "recover", "--missing"])
        .expect(0)
        .json();
    assert_eq!(report["unpacked"]["blobs"], unsaved);
    deep_check(&world);
    before.expect_blobs(&world);
    finish_all(&world);
    deep_check(&world);
}

#[test]
fn the_hosts_that_are_left_take_over_what_the_lost_one_had() {
    let Disaster {
        world,
        newer,
        unsaved,
        saved,
        ..
    } = lose_a_host();
    park(&world);
    // All names go to the host that is left.
    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("beta"));
    let lines = lines.map(|line| match line.starts_with("alpha[]") {
        true => "alpha[] = * 00 ff\n".to_owned(),
        false => format!("{line}\n"),
    });
    fs::write(&conf, lines.collect::<String>()).unwrap();

    // Jobs that need what lacks get its recovery before them, also without being parked.
    let ask = [
        "--json",
        "restore",
        "latest",
        "--no-database",
        "--repo-host",
        "alpha",
    ];
    let report = world.call(&ask).expect(3).json();
    assert_eq!(report["blobs"]["written"], saved);
    assert_eq!(uploads(&report), [i64::from(newer)]);
    assert_eq!(report["uploads"][0]["blobs"], unsaved);
    // The rest comes with the jobs: the newer upload is scanned again, behind its recovery.
    world.call(&["recover", "--missing"]).expect(0);
    deep_check(&world);
    finish_all(&world);
    deep_check(&world);
    assert!(!world.sample().repository().join("beta").exists());
}
