// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pruning beside others: backups and what they count, proofs from the vault, recoveries, a second
//! run, uploads that come meanwhile, scans of pruned uploads, and FOSSology's scheduler.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::NewUpload;
use fossology_backup::fossology::own::{self, Files};
use fossology_backup::operations::settings::Settings;
use fossology_backup::operations::{self, Context, Instance, Progress, Stop, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use support::checked::expect;
use support::pruned::{droppable, names, of_upload, prune, pruned, settings, there};
use support::recovered::needed_files;
use support::scheduler::Job;
use support::trouble::{Running, hold, until_held};
use support::world::World;

const GOLD_ONLY: [&str; 2] = ["--policy", "gold-only"];

/// Restores everything into an empty repository; says what came.
fn restored(world: &World) -> Value {
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        let path = entry.unwrap().path();
        if path.join("gold").is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
    world
        .call(&["--json", "restore", "latest"])
        .expect(0)
        .json()
}

#[test]
fn what_the_vault_has_stays_in_its_snapshots_after_it_is_pruned() {
    let world = World::with_vault();
    let files = world.backup("full")["counts"]["files"].clone();
    let gone = droppable(&world);
    prune(&world, &GOLD_ONLY, 0);
    let after = world.backup("full");
    assert_eq!(after["counts"]["files"], files);
    assert_eq!(after["counts"]["missing"], 0);
    assert_eq!(after["counts"]["pruned"], 0);
    world.call(&["verify", "--read-data"]).expect(0);

    // A restore brings the instance as it was: what was pruned stays away.
    let report = restored(&world);
    assert_eq!(report["pruned"], gone.len());
    assert_eq!(report["not_in_snapshot"], 0);
    assert!(there(&gone).is_empty());
    let found = world.call(&["--json", "check"]).expect(0).json();
    assert_eq!(found["counts"]["pruned"]["count"], gone.len());
    world
        .call(&["recover", "--missing", "--from", "vault"])
        .expect(0);
    let found = world.call(&["--json", "check", "--deep"]).expect(0).json();
    assert_eq!(found["counts"], json!({}));
}

#[test]
fn a_backup_of_what_was_pruned_before_is_complete_without_it() {
    let world = World::with_vault();
    let before = needed_files(&world);
    let gone = droppable(&world);
    prune(&world, &GOLD_ONLY, 0);
    let snapshot = world.backup("full");
    assert_eq!(snapshot["counts"]["pruned"], gone.len());
    assert_eq!(snapshot["counts"]["missing"], 0);
    world.backup("gold");
    world.call(&["verify", "--read-data"]).expect(0);
    assert_eq!(world.backup("full")["counts"]["pruned"], gone.len());

    let report = restored(&world);
    assert_eq!(report["pruned"], gone.len());
    assert_eq!(report["not_in_snapshot"], 0);
    world
        .call(&["recover", "--missing", "--from", "gold"])
        .expect(0);
    assert_eq!(needed_files(&world), before);
}

#[test]
fn a_snapshot_proves_what_it_holds_once_its_packs_were_read() {
    let world = World::with_vault();
    settings(&world, "[prune]\nproof = \"vault\"\n");
    let gone = droppable(&world);
    let nothing = |report: &Value| {
        assert_eq!(report["drop"]["blobs"], gone.len());
        assert_eq!(report["removed"]["blobs"], 0);
    };
    nothing(&prune(&world, &GOLD_ONLY, 0));
    world.backup("full");
    world.call(&["verify"]).expect(0);
    nothing(&prune(&world, &GOLD_ONLY, 0));
    world.call(&["verify", "--read-data"]).expect(0);
    // Seen too long ago.
    let mut client = world.sample().connect().unwrap();
    let age = "UPDATE backup_verified_pack SET verified = verified - interval '100 days'";
    client.batch_execute(age).unwrap();
    nothing(&prune(&world, &GOLD_ONLY, 0));

    world.call(&["verify", "--read-data"]).expect(0);
    let report = prune(&world, &GOLD_ONLY, 0);
    assert_eq!(report["removed"]["blobs"], gone.len());
    // Backups of gold carry what only a vault was seen to have.
    let snapshot = world.backup("gold");
    let golds = world.sample().uploads().len() as u64;
    let carried = snapshot["counts"]["files"].as_u64().unwrap();
    assert!(carried >= gone.len() as u64, "{carried}, {golds} uploads");
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    let full = list["snapshots"][0]["snapshot"]
        .as_str()
        .unwrap()
        .to_owned();
    fs::remove_file(world.vault().join(format!("snapshots/{full}.json"))).unwrap();
    world
        .call(&["recover", "--missing", "--from", "vault"])
        .expect(0);
    expect(&world, &["--deep"], &[]);
}

#[test]
fn both_proofs_are_wanted_where_the_policy_says_so() {
    let world = World::with_vault();
    settings(&world, "[prune]\nproof = \"both\"\n");
    let report = prune(&world, &GOLD_ONLY, 0);
    assert_eq!(report["removed"]["blobs"], 0);
    world.backup("full");
    world.call(&["verify", "--read-data"]).expect(0);
    let gone = droppable(&world);
    let report = prune(&world, &GOLD_ONLY, 0);
    assert_eq!(report["removed"]["blobs"], gone.len());
    // Without the vault there is no such proof.
    fs::rename(world.vault(), world.path("elsewhere")).unwrap();
    world
        .call(&["recover", "--missing", "--from", "gold"])
        .expect(0);
    let called = world.call(&["prune", "--policy", "gold-only", "--yes"]);
    called.expect(10);
    settings(&world, "[prune]\nproof = \"either\"\n");
    let report = prune(&world, &GOLD_ONLY, 0);
    assert_eq!(report["removed"]["blobs"], gone.len());
}

#[test]
fn storage_that_is_not_mounted_is_not_taken_for_empty() {
    let world = World::new();
    let (beta, away) = (world.sample().repository().join("beta"), world.path("away"));
    fs::rename(&beta, &away).unwrap();
    let called = world.call(&["prune", "--policy", "gold-only", "--yes"]);
    called.expect(1).says("repository host 'beta'");
    assert_eq!(pruned(&world), BTreeSet::new());
    fs::rename(&away, &beta).unwrap();
    prune(&world, &GOLD_ONLY, 0);
}

#[test]
fn only_one_prunes_at_a_time() {
    let world = World::with_vault();
    prune(&world, &["--policy", "gold-only", "--dry-run"], 0);
    let held = hold(&world, "backup_prune_upload");
    let first = Running::start(world.command(&["prune", "--policy", "gold-only", "--yes"]));
    until_held(&world, "fo_backup prune");
    let second = world.call(&["prune", "--policy", "gold-only", "--yes"]);
    second.expect(11).says("fo_backup prune");
    drop(held);
    first.wait().expect(0);
    assert!(there(&droppable(&world)).is_empty());
}

#[test]
fn nothing_goes_while_files_are_read_or_written_elsewhere() {
    let world = World::with_vault();
    let mut client = world.sample().connect().unwrap();
    own::ensure_schema(&mut client).unwrap();
    own::hold_files(&mut client, Files::Shared).unwrap();
    let called = world.call(&["prune", "--policy", "gold-only", "--yes"]);
    called.expect(11).says("another operation");
    assert_eq!(pruned(&world), BTreeSet::new());
    own::release_files(&mut client, Files::Shared).unwrap();

    // While files go, others wait a moment.
    own::hold_files(&mut client, Files::Alone).unwrap();
    for (verb, name) in [
        (&["backup"][..], "fo_backup backup"),
        (&["recover", "--missing"], "fo_backup recover"),
    ] {
        let waiting = Running::start(world.command(verb));
        until_held(&world, name);
        own::release_files(&mut client, Files::Alone).unwrap();
        waiting.wait().expect(0);
        own::hold_files(&mut client, Files::Alone).unwrap();
    }
}

#[test]
fn what_an_upload_needs_that_comes_meanwhile_stays() {
    let mut world = World::new();
    prune(
        &world,
        &["--policy", "gold-only", "--dry-run", "--prove"],
        0,
    );
    let gone = droppable(&world);
    // The plan is made, and nothing is removed yet.
    let held = hold(&world, "backup_prune_upload");
    let running =
        Running::start(world.command(&["--json", "prune", "--policy", "gold-only", "--yes"]));
    until_held(&world, "fo_backup prune");
    let content = fs::read(
        gone.iter()
            .find(|blob| blob.name.size() > 0)
            .map(|blob| &blob.paths[0])
            .unwrap(),
    )
    .unwrap();
    let entry = fossology_backup::demo::sample::Entry::File(content.clone());
    let upload = world
        .sample_mut()
        .add_upload(NewUpload::new("again.c", entry))
        .unwrap();
    drop(held);
    let report = running.wait().expect(0).json();
    assert_eq!(report["spared"], 1);
    assert_eq!(report["removed"]["blobs"], gone.len() - 1);
    for blob in world.sample().blobs_of(upload) {
        assert_eq!(there(std::slice::from_ref(&blob)).len(), blob.paths.len());
    }
}

#[test]
fn scans_of_a_pruned_upload_recover_it_first() {
    let world = World::new();
    world.enable_agent();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    prune(&world, &GOLD_ONLY, 0);
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "WITH made AS (INSERT INTO job (job_user_fk, job_queued, job_name, job_upload_fk)
                 VALUES (3, now(), 'scan', $1) RETURNING job_pk)
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits)
             SELECT job_pk, 'nomos', 0 FROM made",
            &[&tool],
        )
        .unwrap();
    let answer = world.call(&["--json", "jobs", "guard"]).expect(0).json();
    let recoveries = answer["recoveries"].as_array().unwrap();
    assert!(
        recoveries.iter().any(|one| one["upload"] == tool),
        "{answer}"
    );
    // While the scan waits the upload is not pruned again.
    let data = tool.to_string();
    let job = Job {
        id: 1,
        data: &data,
        ..Job::default()
    };
    world.run_job(job).expect(0).says("unpacked from gold");
    world.call(&["check", "--upload", &data]).expect(0);
    let report = prune(&world, &GOLD_ONLY, 0);
    assert_eq!(of_upload(&report, tool)["held"], "busy");
    world.call(&["check", "--upload", &data]).expect(0);
}

/// As soon as all files are gone somebody queues a job for an upload, and a deletion waits besides.
struct WhenGone<'a> {
    instance: &'a Instance,
    stop: &'a Stop,
    upload: i32,
    agent: &'static str,
}

impl Progress for WhenGone<'_> {
    fn begin(&self, step: &str, _: u64, _: u64) {
        if step == "syncing to disk" && !self.stop.gives_way() {
            let mut client = self.instance.database.connect("test").unwrap();
            client
                .execute(
                    "WITH made AS (INSERT INTO job (job_user_fk, job_queued, job_name, job_upload_fk)
                         VALUES (3, now(), 'job', $1) RETURNING job_pk)
                     INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits)
                     SELECT job_pk, $2, 0 FROM made",
                    &[&self.upload, &self.agent],
                )
                .unwrap();
            self.stop.give_way();
        }
    }
    fn advance(&self, _: u64, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

/// Prunes while a job of this agent comes for an upload; says for which uploads files were brought back.
fn pruned_while_a_job_comes(world: &World, upload: i32, agent: &'static str) -> Vec<i32> {
    let sysconfdir = world.sample().sysconfdir();
    let instance = Instance::load(&sysconfdir).unwrap();
    let wanted = request::Prune {
        policy: Some("gold-only".to_owned()),
        ..request::Prune::default()
    };
    let settings = Settings::load(Some(&sysconfdir)).unwrap();
    let options = wanted.options(&instance, &settings).unwrap();
    let stop = Stop::new();
    let progress = WhenGone {
        instance: &instance,
        stop: &stop,
        upload,
        agent,
    };
    let context = Context {
        progress: &progress,
        stop: &stop,
    };
    let report = operations::prune::run(&instance, None, &options, context).unwrap();
    assert!(report.removed.blobs > 0);
    report.brought_back
}

#[test]
fn what_a_scan_came_to_need_is_back_before_a_deletion_that_waits() {
    let world = World::new();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    assert_eq!(pruned_while_a_job_comes(&world, tool, "nomos"), [tool]);
    world
        .call(&["check", "--upload", &tool.to_string()])
        .expect(0);
    let mut client = world.sample().connect().unwrap();
    let left = "SELECT count(*) FROM backup_run WHERE state <> 'done'";
    let left: i64 = client.query_one(left, &[]).unwrap().get(0);
    assert_eq!(left, 0, "no recovery is left half done");
}

#[test]
fn what_is_about_to_be_deleted_is_not_brought_back() {
    let world = World::new();
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let back = pruned_while_a_job_comes(&world, tool, "delagent");
    assert_eq!(back, [0; 0]);
}

/// Queues what the arguments say for one host, and does it as the scheduler would; gives the request's
/// counts.
fn by_the_scheduler(world: &World, arguments: &[&str]) -> Value {
    let queued = world
        .call(&[&["--json", "queue", "--host", "alpha"], arguments].concat())
        .expect(0)
        .json();
    let request = i32::try_from(queued["request"].as_i64().unwrap()).unwrap();
    let arguments = format!("--request={request}");
    let job = Job {
        id: i32::try_from(queued["job"].as_i64().unwrap()).unwrap(),
        arguments: &arguments,
        ..Job::default()
    };
    world.run_job(job).expect(0);
    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1
              WHERE jq_job_fk = $1 RETURNING (SELECT counts FROM backup_request WHERE id = $2)",
            &[
                &i32::try_from(queued["job"].as_i64().unwrap()).unwrap(),
                &request,
            ],
        )
        .unwrap();
    row.get(0)
}

#[test]
fn the_scheduler_prunes_and_a_page_can_show_what_it_did() {
    let world = World::with_vault();
    world.enable_agent();
    world
        .call(&["queue", "prune", "--policy", "gold-only"])
        .expect(2)
        .says("--yes");
    let gone = droppable(&world);
    let size: u64 = gone.iter().map(|blob| blob.name.size()).sum();
    let counts = by_the_scheduler(&world, &["prune", "--policy", "gold-only", "--dry-run"]);
    assert_eq!(counts["dry_run"], true);
    assert_eq!(counts["policy"], "gold-only");
    assert_eq!(counts["words"][0], "drop all files");
    assert_eq!(counts["drop"], json!({"blobs": gone.len(), "bytes": size}));
    assert_eq!(counts["rules"][0]["rule"], "default");
    assert_eq!(counts["rules"][0]["drop"], counts["drop"]);
    assert!(there(&gone).len() == gone.len());
    let mut client = world.sample().connect().unwrap();
    let row = client
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE held IS NULL AND drop_blobs > 0),
                    (SELECT count(*) FROM backup_run r WHERE r.id = max(p.run) AND r.verb = 'prune')
               FROM backup_prune_upload p",
            &[],
        )
        .unwrap();
    let (all, hit, run): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert!(all > 5 && hit > 2 && run == 1, "{all} {hit} {run}");

    let counts = by_the_scheduler(&world, &["prune", "--policy", "gold-only", "--yes"]);
    assert_eq!(counts["removed"]["blobs"], gone.len());
    assert!(pruned(&world) == names(&gone));
    let tool = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let number = tool.to_string();
    by_the_scheduler(&world, &["prune", "--undo", &number]);
    let of_it = world.sample().blobs_of(tool);
    assert!(names(&of_it).is_disjoint(&pruned(&world)));
    assert_eq!(
        there(&of_it).len(),
        of_it.iter().map(|blob| blob.paths.len()).sum::<usize>()
    );
}
