// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::super::{adopt_instance, ensure_schema, requests, settle};
use super::*;
use crate::fossology::database::testing::cluster;
use serde_json::json;
use uuid::Uuid;

fn asked(client: &mut Client) -> (i32, [i32; 3]) {
    let request = requests::ask(client, "backup", &json!({}), "fossy").unwrap();
    let mut enter = |role, host| enter(client, request, role, host, &json!([host])).unwrap();
    let parts = [
        enter(Role::List, None),
        enter(Role::Pack, Some("alpha")),
        enter(Role::Commit, None),
    ];
    (request, parts)
}

fn state(client: &mut Client, request: i32) -> (String, String) {
    let standing = requests::standing(client, request).unwrap().unwrap();
    (standing.state, standing.message.unwrap_or_default())
}

#[test]
fn parts_hand_their_results_to_those_after_them() {
    let database = cluster().fossology("UTF8");
    let mut client = database.connect("test").unwrap();
    ensure_schema(&mut client).unwrap();
    let (request, [list, pack, commit]) = asked(&mut client);
    let first = take(&mut client, list, 9, "here").unwrap();
    let mut other = database.connect("other").unwrap();
    let error = take(&mut other, list, 9, "there").unwrap_err();
    assert!(matches!(error, Error::Running { .. }), "{error}");
    first.finish(&mut client, b"plan", "listed").unwrap();

    let second = take(&mut other, pack, 9, "there").unwrap();
    assert_eq!(second.repository_hosts, json!(["alpha"]));
    assert_eq!(second.plan(&mut other).unwrap(), b"plan");
    let last = take(&mut client, commit, 9, "here").unwrap();
    let error = last.packed(&mut client).unwrap_err().to_string();
    assert!(error.contains("pack on alpha"), "{error}");
    second.finish(&mut other, b"packs", "packed").unwrap();
    let packed = last.packed(&mut client).unwrap();
    assert_eq!(
        (packed[0].name.as_str(), packed[0].data.as_slice()),
        ("pack on alpha", &b"packs"[..])
    );
    // Between the parts nobody takes the request for a dead one.
    assert_eq!(settle(&mut other).unwrap().requests, 0);
    complete(
        &mut client,
        request,
        Outcome::Done,
        &json!({}),
        "snapshot x",
    )
    .unwrap();
    assert_eq!(
        state(&mut client, request),
        ("done".into(), "snapshot x".into())
    );
    let error = take(&mut other, list, 9, "there").unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error}");
}

#[test]
fn a_part_that_fails_or_dies_is_named_in_its_request() {
    let database = cluster().fossology("SQL_ASCII");
    let mut client = database.connect("test").unwrap();
    ensure_schema(&mut client).unwrap();
    let (request, [list, pack, _]) = asked(&mut client);
    let part = take(&mut client, pack, 9, "here").unwrap();
    part.fail(&mut client, "no storage").unwrap();
    let failed = ("failed".to_owned(), "pack on alpha: no storage".to_owned());
    assert_eq!(state(&mut client, request), failed);

    // Those that go on, or come later, leave that to be read.
    let beta = enter(&mut client, request, Role::Pack, Some("beta"), &json!([])).unwrap();
    let later = take(&mut client, beta, 9, "there").unwrap();
    assert_eq!(state(&mut client, request), failed);
    later.finish(&mut client, b"packs", "packed").unwrap();
    assert_eq!(state(&mut client, request), failed);
    // A list that is made anew begins everything anew.
    let anew = take(&mut client, list, 9, "here").unwrap();
    assert_eq!(state(&mut client, request).0, "running");
    let error = anew.packed(&mut client).unwrap_err().to_string();
    assert!(error.contains("is queued"), "{error}");
    anew.finish(&mut client, b"plan", "listed").unwrap();

    let mut dying = database.connect("dying").unwrap();
    take(&mut dying, pack, 9, "here").unwrap();
    assert_eq!(settle(&mut client).unwrap().parts, 0);
    drop(dying);
    // The server ends a session when it has seen that its client is gone.
    while settle(&mut client).unwrap().parts == 0 {}
    let dead = "pack on alpha: ended without a word".to_owned();
    assert_eq!(state(&mut client, request), ("failed".to_owned(), dead));
    take(&mut client, pack, 9, "here").unwrap();

    adopt_instance(&mut client, Uuid::new_v4()).unwrap();
    let mut other = database.connect("other").unwrap();
    let (_, [list, ..]) = asked(&mut other);
    take(&mut other, list, 9, "here").unwrap();
    let error = take(&mut client, pack, 9, "here").unwrap_err();
    assert!(matches!(error, Error::OtherInstance(_)), "{error}");
}

#[test]
fn what_was_begun_is_taken_over_and_what_waits_stays() {
    let mut client = cluster().fossology("UTF8").connect("test").unwrap();
    ensure_schema(&mut client).unwrap();
    let (begun, [list, ..]) = asked(&mut client);
    let (waiting, _) = asked(&mut client);
    let part = take(&mut client, list, 9, "here").unwrap();
    part.finish(&mut client, b"plan", "listed").unwrap();
    // Its job has nothing left in the queue.
    expect_no_other(&mut client, waiting).unwrap();
    client
        .batch_execute(
            "INSERT INTO job (job_pk) VALUES (9);
             INSERT INTO jobqueue (jq_job_fk, jq_type) VALUES (9, 'backup')",
        )
        .unwrap();
    let error = expect_no_other(&mut client, waiting).unwrap_err();
    assert!(matches!(error, Error::Busy { job: 9, .. }), "{error}");
    expect_no_other(&mut client, begun).unwrap();

    assert_eq!(take_over(&mut client, Some(begun)).unwrap(), 0);
    assert_eq!(take_over(&mut client, Some(waiting)).unwrap(), 3);
    assert_eq!(state(&mut client, begun).0, "failed");
    assert_eq!(state(&mut client, waiting).0, "queued");
    let error = part.finish(&mut client, b"late", "late").unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error}");
    assert_eq!(take_over(&mut client, None).unwrap(), 0);
}
