// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::vault::retention::Policy;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn what_is_left_out_is_as_on_the_command_line() {
    let read = |verb| Work::read(verb, &json!({})).unwrap();
    assert_eq!(read("backup"), Work::Backup(Backup::default()));
    assert_eq!(read("check"), Work::Check(Check::default()));
    assert_eq!(read("verify"), Work::Verify(Verify::default()));
    assert_eq!(read("drill"), Work::Drill(Drill::default()));
}

#[test]
fn every_verb_is_known() {
    for verb in VERBS {
        let error = Work::read(verb, &json!({"no such": 1})).unwrap_err();
        assert!(!error.to_string().contains("is nothing"), "{error}");
    }
}

#[test]
fn mistakes_are_named() {
    for (verb, parameters, says) in [
        ("backup", json!({"mode": "half"}), "unknown variant `half`"),
        ("backup", json!({"deep": true}), "unknown field `deep`"),
        ("backup", json!([1]), "backup"),
        ("backup", json!({"tags": ["two words"]}), "is no tag"),
        (
            "check",
            json!({"uploads": [3, 0]}),
            "0 is no upload's number",
        ),
        (
            "check",
            json!({"uploads": [3_000_000_000_u32]}),
            "3000000000",
        ),
        ("check", json!({"deep": "yes"}), "boolean"),
        ("verify", json!({"read_data": 101}), "up to 100"),
        ("verify", json!({"read_data": 0}), "above 0"),
        ("drill", json!({"sample": 0}), "above 0"),
        ("drill", json!({"to": "/"}), "unknown field `to`"),
        ("recover", json!({}), "uploads, blobs or missing"),
        (
            "recover",
            json!({"missing": true, "uploads": [2]}),
            "one of them",
        ),
        (
            "recover",
            json!({"uploads": [-2]}),
            "-2 is no upload's number",
        ),
        ("recover", json!({"blobs": ["x"]}), "sha1.md5.size"),
        ("expire", json!({"keep": {}}), "keeps nothing"),
        ("expire", json!({"keep": {"keep_first": 1}}), "keep_first"),
        ("expire", json!({"grace": "long"}), "no length of time"),
        ("expire", json!({"max_dead": 101}), "up to 100"),
        (
            "expire",
            json!({"snapshots_only": true, "no_rewrite": true}),
            "leave no_rewrite out",
        ),
        ("prune", json!({"uploads": [0]}), "0 is no upload's number"),
        (
            "prune",
            json!({"undo": [3, -1]}),
            "-1 is no upload's number",
        ),
        (
            "prune",
            json!({"undo": [3], "policy": "cold"}),
            "nothing else",
        ),
        ("prune", json!({"prove": true}), "dry run"),
        ("prune", json!({"yes": true}), "unknown field `yes`"),
        (
            "recover",
            json!({"blobs": ["da39a3ee5e6b4b0d3255bfef95601890afd80709.d41d8cd98f00b204e9800998ecf8427e.0"], "as_if_gone": true}),
            "not blobs",
        ),
        ("destroy", json!({}), "'destroy' is nothing"),
    ] {
        let error = Work::read(verb, &parameters).unwrap_err().to_string();
        assert!(error.contains(says), "{verb} {parameters}: {error}");
    }
}

proptest! {
    #[test]
    fn what_was_asked_is_what_is_read(
        gold in any::<bool>(), flag in any::<bool>(),
        uploads in prop::collection::vec(1..i32::MAX, 0..4),
        halves in prop::option::of(1..=200_u8), snapshot in prop::option::of("[0-9a-z]{1,9}"),
    ) {
        let percent = halves.map(|halves| f64::from(halves) / 2.0);
        let mode = if gold { Mode::Gold } else { Mode::Full };
        for work in [
            Work::Backup(Backup { mode, logs: flag, scrub: gold, tags: snapshot.iter().cloned().collect() }),
            Work::Check(Check { deep: flag, uploads: uploads.clone(), strict: gold }),
            Work::Prune(Prune { policy: snapshot.clone(), uploads: uploads.clone(), dry_run: flag, prove: flag, undo: Vec::new() }),
            Work::Verify(Verify { snapshot: snapshot.clone(), read_data: percent, urls: percent, repair_indexes: flag }),
            Work::Drill(Drill { snapshot: snapshot.clone(), sample: percent.map(|percent| Percent::new(percent).unwrap()) }),
            Work::Expire(Expire {
                mode: Some(mode),
                keep: Some(Policy { keep_last: 1, keep_tags: snapshot.iter().cloned().collect(), ..Policy::default() }),
                read_data: percent, no_rewrite: flag, ..Expire::default()
            }),
        ] {
            let text = work.parameters().to_string();
            let row: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&Work::read(work.verb(), &row).unwrap(), &work);
        }
    }
}
