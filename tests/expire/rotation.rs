// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What goes, what stays, and what comes back.

use super::history::{History, bytes, data_bytes, objects, reasons};
use crate::support::queue::Queue;
use crate::support::trouble::ending;
use crate::support::world::World;
use fossology_backup::demo::sample::Options;

#[test]
fn what_no_rule_keeps_goes_and_what_stays_comes_back() {
    let history = History::new();
    let vault = history.world.vault();
    let ids = history.there();
    let before = objects(&vault);

    // Without a policy nothing goes.
    let text = history.world.call(&["expire"]).expect(0).stdout;
    assert!(text.contains("there is no policy"), "{text}");
    assert!(text.contains("no policy for gold"), "{text}");
    assert_eq!(objects(&vault), before);

    // A rehearsal changes nothing and says why.
    let rule = ["--keep-last", "1", "--keep-tag", "release-1"];
    let rehearsal = history.expire(&[&rule[..], &["--dry-run"]].concat(), 0);
    assert_eq!(objects(&vault), before);
    assert_eq!(rehearsal["dry_run"], true);
    let reason = |at: usize| {
        let (keep, reasons) = reasons(&rehearsal, &ids[at]);
        (keep.as_bool().unwrap(), reasons)
    };
    assert_eq!(reason(0), (false, "no rule keeps it".into()));
    assert_eq!(reason(1), (true, "tag release-1".into()));
    assert_eq!(reason(2), (false, "no rule keeps it".into()));
    assert_eq!(reason(3), (true, "newest gold, last".into()));
    assert_eq!(reason(4), (true, "newest full, last".into()));

    let report = history.expire(&rule, 0);
    assert_eq!(report["snapshots"], rehearsal["snapshots"]);
    assert_eq!(report["packs"], rehearsal["packs"]);
    assert_eq!(report["chunks"], rehearsal["chunks"]);
    let there = history.there();
    assert_eq!(there.len(), 3);
    assert!(
        there
            .iter()
            .zip([1, 3, 4])
            .all(|(id, at)| id[..16] == ids[at][..16])
    );
    // What it says has come back has come back.
    let spent = before
        .iter()
        .filter(|(path, _)| !path.starts_with("snapshots"));
    let spent = spent.map(|(_, size)| size).sum::<u64>();
    let left = objects(&vault).into_iter();
    let left = left.filter(|(path, _)| !path.starts_with("snapshots"));
    let left = left.map(|(_, size)| size).sum::<u64>();
    let gone = bytes(&report, &["packs", "chunks", "rewritten"]) - bytes(&report, &["new_packs"]);
    assert_eq!(spent - left, gone);
    assert!(bytes(&report, &["chunks"]) > 0, "{report:#}");
    history.all_come_back();

    // A pack that was mostly dead was rewritten; its snapshots have new ids.
    assert!(
        report["rewritten"]["count"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    assert!(
        bytes(&report, &["new_packs"]) * 2 < bytes(&report, &["rewritten"]),
        "{report:#}"
    );
    let last = ids[4].as_str();
    assert_eq!(report["renamed"][0]["from"], last);
    history.blobs_come_back(&vault, last);

    // The one with the tag goes, and whatever else is dead; by its old names the other is still found.
    let all = ["--keep-last", "1", "--max-dead", "0"];
    let report = history.expire(&all, 0);
    assert_eq!(report["removed"]["count"], 1, "{report:#}");
    history.all_come_back();
    history.blobs_come_back(&vault, last);
    history.blobs_come_back(&vault, &last[..16]);
    history.world.call(&["verify", &last[17..]]).expect(0);

    // Nothing is left to do, and the next backup builds on what there is.
    let now = objects(&vault);
    let report = history.expire(&all, 0);
    assert_eq!(
        (&report["given_back"], &report["dead_bytes"]),
        (&0.into(), &0.into())
    );
    assert_eq!(objects(&vault), now);
    let report = history.world.backup("full");
    assert_eq!(report["counts"]["new"], 0, "{report}");
    let verified = history.world.call(&["--json", "verify"]).expect(0).json();
    assert_eq!(
        verified["notes"].as_array().unwrap().len(),
        0,
        "{verified:#}"
    );

    // All of that is in the history of runs.
    let mut client = history.world.sample().connect().unwrap();
    let rows = "SELECT count(*), count(*) FILTER (WHERE state = 'done'),
                       sum((counts->>'given_back')::bigint)::bigint
                  FROM backup_run WHERE verb = 'expire'";
    let row = client.query_one(rows, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (4, 4));
    assert!(row.get::<_, i64>(2) > 0);
    // Whoever lists the history knows which snapshots are gone, and how others are called now. (The
    // first run had no policy.)
    let rows = "SELECT counts FROM backup_run WHERE verb = 'expire' ORDER BY id OFFSET 1 LIMIT 1";
    let counts: serde_json::Value = client.query_one(rows, &[]).unwrap().get(0);
    assert_eq!(counts["gone"], serde_json::json!([ids[0], ids[2]]));
    assert_eq!(counts["renamed"][0]["from"], last);
}

#[test]
fn space_is_given_back_as_far_as_it_is_wanted() {
    let history = History::new();
    let vault = history.world.vault();
    let spent = data_bytes(&vault);
    let packs = |world: &World| ending(&world.vault().join("packs"), ".tar.zst").len();
    let all = packs(&history.world);
    history.expire(&["--keep-last", "1", "--snapshots-only"], 0);
    assert_eq!(history.there().len(), 2);
    assert_eq!(data_bytes(&vault), spent);

    // What was left over is no interrupted backup's, but nobody can tell: it stays for a while.
    let report = history.expire(&["--keep-last", "1", "--no-rewrite"], 0);
    assert!(report["young"]["count"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["given_back"], 0);
    assert_eq!(data_bytes(&vault), spent);
    let rule = ["--keep-last", "1", "--no-rewrite", "--grace", "0d"];
    let report = history.expire(&rule, 0);
    assert!(report["given_back"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["dead_bytes"].as_u64().unwrap() > 0, "{report:#}");
    assert!(report["renamed"].as_array().unwrap().is_empty());
    assert!(packs(&history.world) < all);
    // A limit of its own: everything that has something dead in it.
    let text = history
        .world
        .call(&["expire", "--keep-last", "1", "--max-dead", "0"])
        .expect(0)
        .stdout;
    assert!(
        text.contains("given back") && text.contains("of which more than 0 % is dead"),
        "{text}"
    );
    assert!(text.contains("0 B more is dead"), "{text}");
    history.all_come_back();
}

#[test]
fn packs_of_an_interrupted_backup_stay_for_the_next_one() {
    let mut history = History::new();
    let mut world = history.world;
    let late = fossology_backup::demo::sample::NewUpload::sources("late.tar.gz", 77, 30);
    world.sample_mut().add_upload(late).unwrap();
    let ahead = world
        .call(&["--json", "backup", "--repo-host", "localhost"])
        .expect(0)
        .json();
    assert!(ahead["new"].as_u64().unwrap() > 30, "{ahead}");
    history.world = world;
    let report = history.expire(&["--keep-last", "1", "--max-dead", "0"], 0);
    assert!(
        report["young"]["count"].as_u64().unwrap() >= 2,
        "{report:#}"
    );
    let report = history.world.backup("full");
    assert_eq!(report["counts"]["new"], 0, "{report}");
    history.world.call(&["verify", "--read-data"]).expect(0);
}

#[test]
fn the_policy_is_in_the_settings_and_the_scheduler_applies_it() {
    let world = World::with(Options::one_host());
    world.call(&["init"]).expect(0);
    world.enable_agent();
    let policy = |text: &str| world.write_settings(text);
    policy("[retention.full]\nkeep_dayly = 3\n");
    let error = world.call(&["expire"]).expect(2);
    error.says("fo_backup.toml").says("keep_dayly").says("line");
    policy("[retention.full]\nkeep_within = '1x'\n");
    world.call(&["expire"]).expect(2).says("no length of time");
    policy("");

    for _ in 0..3 {
        world.backup("full");
        world.backup("gold");
    }
    policy("[retention.full]\nkeep_last = 2\n");
    let queue = Queue::open(&world);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| queue.serve(2));
        let queued = ["--json", "queue", "expire", "--dry-run", "--wait"];
        let message = world.call(&queued).expect(0).json()["message"].to_string();
        assert!(
            message.contains("1 of 6 snapshots would be removed, 5 stay"),
            "{message}"
        );
        assert_eq!(world.snapshots(), 6);
        let queued = ["--json", "queue", "expire", "--wait"];
        let message = world.call(&queued).expect(0).json()["message"].to_string();
        assert!(
            message.contains("1 of 6 snapshots removed, 5 stay"),
            "{message}"
        );
        assert!(
            ended
                .join()
                .unwrap()
                .iter()
                .all(|ended| ended.code == Some(0))
        );
    });
    assert_eq!(world.snapshots(), 5);
    // Of a mode without a policy everything stays.
    let list = world.call(&["--json", "snapshots"]).expect(0).json();
    let list = list["snapshots"].as_array().unwrap();
    assert_eq!(list.iter().filter(|row| row["mode"] == "gold").count(), 3);
    world
        .call(&["expire", "--keep-last", "0"])
        .expect(2)
        .says("keeps nothing");
    world
        .call(&["queue", "expire", "--keep-tag", "a b"])
        .expect(2);
}
