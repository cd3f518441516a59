// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::operations::install::Waker;
use crate::operations::schedule::{Day, When};
use crate::operations::status::Newest;
use crate::vault::{Counts, Mode};
use serde_json::{Value, json};

const NOW: &str = "2026-11-24T12:00[UTC]";

fn now() -> ZonedDateTime {
    NOW.parse().unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now().timestamp() - SignedDuration::from_hours(hours)
}

/// A run that began so many hours ago.
fn run(verb: &str, mode: Option<&str>, state: State, hours: i64) -> PastRun {
    PastRun {
        id: 1,
        verb: verb.to_owned(),
        mode: mode.map(str::to_owned),
        state,
        started: hours_ago(hours),
        ended: Some(hours_ago(hours)),
        host: "here".to_owned(),
        who: "me".to_owned(),
        snapshot: None,
        counts: json!({}),
        message: Some("it broke\nand more".to_owned()),
    }
}

fn check(state: State, hours: i64, findings: Value) -> PastRun {
    PastRun {
        counts: json!({"findings": findings}),
        ..run("check", Some("plain"), state, hours)
    }
}

fn vault(hours: Option<i64>) -> VaultStatus {
    let newest = hours.map(|hours| Newest {
        snapshot: "20261124T020000Z-3f9a1b2c".parse().unwrap(),
        mode: Mode::Full,
        time: hours_ago(hours),
        complete: true,
        host: "here".to_owned(),
        counts: Counts::default(),
        by_url: 0,
        external: None,
    });
    VaultStatus {
        encrypted: false,
        newest: newest.into_iter().collect(),
        ..VaultStatus::default()
    }
}

/// What is said of these runs and this vault, an installation that is so many hours old, with these
/// settings and with everything planned here or nothing.
fn said(
    runs: &[PastRun],
    vault: Option<VaultStatus>,
    since: i64,
    settings: &str,
    is_planned: bool,
) -> Vec<String> {
    let when = When {
        minute: 15,
        hour: Some(2),
        day: Day::Every,
    };
    let planned = Planned {
        by: Waker::Cron,
        when: Some(when),
        enabled: true,
    };
    let planned: BTreeMap<_, _> = ["backup", "check", "verify"]
        .into_iter()
        .filter(|_| is_planned)
        .map(|verb| (verb, planned))
        .collect();
    let facts = Facts {
        runs,
        vault: vault.as_ref(),
        since: Some(hours_ago(since)),
        schedule: &toml::from_str(settings).unwrap(),
        planned: &planned,
        now: &now(),
        has_history: true,
    };
    let (verbs, reasons) = judge(&facts);
    assert_eq!(verbs.len(), VERBS.len());
    for verb in verbs.iter().filter(|verb| verb.next.is_some()) {
        assert!(planned.contains_key(verb.verb));
        assert_eq!(verb.next.unwrap().to_string(), "2026-11-25T02:15:00Z");
    }
    reasons
        .into_iter()
        .map(|reason| format!("{}: {}", reason.health.as_str(), reason.text))
        .collect()
}

#[track_caller]
fn expect(said: &[String], expected: &[&str]) {
    let fits = said.len() == expected.len()
        && said
            .iter()
            .zip(expected)
            .all(|(said, expected)| said.contains(expected));
    assert!(fits, "{said:#?}");
}

#[test]
fn a_backup_is_always_expected() {
    let backup = run("backup", Some("full"), State::Done, 9);
    expect(
        &said(&[], None, 1, "", false),
        &["late: there is no backup yet"],
    );
    expect(
        &said(&[], Some(vault(None)), 1, "", false),
        &["there is no backup yet"],
    );
    expect(
        &said(
            std::slice::from_ref(&backup),
            Some(vault(Some(9))),
            1,
            "",
            false,
        ),
        &[],
    );
    // The vault goes before the history: it may have been lost, or the database be an older one.
    expect(
        &said(&[backup], Some(vault(None)), 1, "", false),
        &["there is no backup yet"],
    );
    expect(&said(&[], Some(vault(Some(29))), 1, "", false), &[]);
    expect(
        &said(&[], Some(vault(Some(31))), 1, "", false),
        &["late: the last backup is 31 hours old (from 2026-11-23 05:00), the limit is 30 hours"],
    );
    expect(
        &said(&[], Some(vault(Some(31))), 1, "backup = \"2 days\"", false),
        &[],
    );
    expect(
        &said(
            &[],
            Some(vault(Some(25))),
            1,
            "backup = \"24 hours\"",
            false,
        ),
        &["the limit is 24 hours"],
    );
    expect(
        &said(&[], Some(vault(None)), 1, "backup = \"never\"", false),
        &[],
    );
}

#[test]
fn other_verbs_are_missed_where_they_are_planned_or_set() {
    let good = Some(vault(Some(9)));
    expect(&said(&[], good.clone(), 9000, "", false), &[]);
    // What was installed today cannot be late yet.
    expect(&said(&[], good.clone(), 100, "", true), &[]);
    expect(
        &said(&[], good.clone(), 9000, "", true),
        &[
            "late: there was no check since",
            "there was no verify since",
        ],
    );
    let runs = [
        run("check", Some("plain"), State::Done, 200),
        run("verify", None, State::Done, 220),
    ];
    expect(
        &said(&runs, good.clone(), 9000, "", true),
        &["the last verify is 9 days 4 hours old"],
    );
    expect(
        &said(&runs, good.clone(), 9000, "verify = \"never\"", true),
        &[],
    );
    expect(
        &said(&[], good, 9000, "drill = \"monthly\"", false),
        &["there was no drill since"],
    );
}

#[test]
fn what_failed_last_is_wrong_until_it_is_done() {
    let good = Some(vault(Some(9)));
    let failed = run("backup", Some("full"), State::Failed, 3);
    let done = run("backup", Some("full"), State::Done, 1);
    expect(
        &said(std::slice::from_ref(&failed), good.clone(), 1, "", false),
        &["wrong: the last backup (full, 2026-11-24 09:00) failed: it broke"],
    );
    expect(
        &said(&[done.clone(), failed.clone()], good.clone(), 1, "", false),
        &[],
    );
    // One mode does not hide the other, but one that was given up is forgotten.
    let gold = |hours| run("backup", Some("gold"), State::Failed, hours);
    expect(
        &said(&[done.clone(), gold(100)], good.clone(), 1, "", false),
        &["(gold, "],
    );
    expect(
        &said(&[done.clone(), gold(36 * 24)], good.clone(), 1, "", false),
        &[],
    );
    // A run that goes on tells nothing yet.
    let running = run("backup", Some("full"), State::Running, 0);
    expect(
        &said(&[running, failed], good.clone(), 1, "", false),
        &["failed"],
    );
    let recovery = run("recover", Some("upload"), State::Failed, 1);
    expect(&said(&[recovery], good.clone(), 1, "", false), &[]);
    let incomplete = PastRun {
        counts: json!({"missing": 3, "corrupt": 1}),
        ..run("backup", Some("full"), State::Incomplete, 1)
    };
    expect(
        &said(&[incomplete], good, 1, "", false),
        &["is incomplete: 3 blobs are missing and 1 corrupt"],
    );
}

#[test]
fn a_check_is_wrong_when_it_found_what_harms() {
    let good = Some(vault(Some(9)));
    let space = json!({"orphan": {"count": 5, "bytes": 7}, "pruned": {"count": 2, "bytes": 7}});
    let runs = [check(State::Incomplete, 1, space)];
    expect(
        &said(&runs, good.clone(), 1, "check = \"weekly\"", false),
        &[],
    );
    let losses = json!({
        "missing": {"count": 3, "bytes": 7, "recovery": {"lost": 1, "other_tree": 2}},
        "size_wrong": {"count": 1, "bytes": 7}, "orphan": {"count": 5, "bytes": 7},
    });
    let runs = [check(State::Incomplete, 1, losses)];
    expect(
        &said(&runs, good, 1, "", false),
        &["found 3 missing (1 of them lost), 1 size wrong"],
    );
}

#[test]
fn a_snapshot_that_cannot_be_read_is_wrong() {
    let mut vault = vault(Some(9));
    vault
        .unreadable
        .push("snapshots/x.json: its digest does not match".to_owned());
    expect(
        &said(&[], Some(vault), 1, "", false),
        &["wrong: a snapshot cannot be read: snapshots/x"],
    );
}
