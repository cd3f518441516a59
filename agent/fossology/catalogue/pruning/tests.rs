// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a policy is told about uploads and places.

use super::*;
use crate::blob::digest;
use crate::fossology::database::testing::cluster;
use postgres::Client;
use std::collections::BTreeMap;

const DAY: u64 = 24 * 3600;

/// As much of FOSSology's tables as the sample instance has.
const SCHEMA: &str = include_str!("../../../../tests/sample/schema.sql");

fn client() -> Client {
    let mut client = cluster().empty("UTF8").connect("test").unwrap();
    client.batch_execute(SCHEMA).unwrap();
    client
        .batch_execute(
            "INSERT INTO users (user_pk, user_name, root_folder_fk) VALUES (7, 'alice', 1);
             INSERT INTO upload (upload_pk, upload_filename, upload_mode, user_fk, upload_ts) VALUES
                 (1, 'a.tar', 104, 7, now() - interval '10 days'), (2, 'b.tar', 104, 99, now()),
                 (3, 'gone.tar', 104, 7, now());
             UPDATE upload SET expire_action = 'd' WHERE upload_pk = 3",
        )
        .unwrap();
    client
}

fn pfile(client: &mut Client, content: &str) -> u32 {
    let name = digest(content.as_bytes());
    let row = client.query_one(
        "INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES ($1, $2, $3) RETURNING pfile_pk",
        &[&name.sha1_column(), &name.md5_column(), &(content.len() as i64)],
    );
    row.unwrap().get::<_, i32>(0).cast_unsigned()
}

fn text<K: Ord>(pairs: Vec<(K, Vec<u8>)>) -> Vec<(K, String)> {
    let mut pairs: Vec<(K, String)> = pairs
        .into_iter()
        .map(|(key, text)| (key, String::from_utf8(text).unwrap()))
        .collect();
    pairs.sort();
    pairs
}

#[test]
fn uploads_are_told_with_who_brought_them_and_when() {
    let mut client = client();
    let gold = pfile(&mut client, "gold");
    client
        .execute(
            "UPDATE upload SET pfile_fk = $1 WHERE upload_pk = 1",
            &[&gold.cast_signed()],
        )
        .unwrap();
    let mut moment = Moment::begin(&mut client).unwrap();
    let uploads = moment.pruned_uploads().unwrap();
    assert_eq!(uploads.len(), 3);
    let first = &uploads[0];
    assert_eq!((first.upload, first.gold_key), (1, Some(gold)));
    assert_eq!(first.gold, Some(digest(b"gold")));
    assert_eq!(
        (first.user.as_slice(), first.age / DAY),
        (&b"alice"[..], 10)
    );
    assert!(uploads[1].user.is_empty() && uploads[1].gold.is_none());
    assert!(uploads[2].deleted && !uploads[1].deleted);
}

#[test]
fn a_job_makes_an_upload_busy_until_it_has_ended_and_is_remembered() {
    let mut client = client();
    client
        .batch_execute(
            "INSERT INTO job (job_pk, job_queued, job_upload_fk) VALUES
                 (1, now() - interval '9 days', 1), (2, now() - interval '1 day', 2), (3, now(), NULL);
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_starttime, jq_endtime, jq_end_bits) VALUES
                 (1, 'nomos', now() - interval '9 days', now() - interval '8 days', 1),
                 (1, 'monk', NULL, now(), 2), (3, 'maintagent', NULL, NULL, 0),
                 (2, 'nomos', now(), NULL, 0)",
        )
        .unwrap();
    assert_eq!(busy_uploads(&mut client).unwrap(), [2].into());
    assert_eq!(other_uploads(&mut client, &[1, 7]).unwrap(), [2, 3]);
    client
        .batch_execute(
            "UPDATE jobqueue SET jq_endtime = NULL, jq_end_bits = 0 WHERE jq_type = 'monk'",
        )
        .unwrap();
    let mut moment = Moment::begin(&mut client).unwrap();
    assert_eq!(moment.busy_uploads().unwrap(), [1, 2].into());
    let jobs: BTreeMap<i32, u64> = moment.last_jobs().unwrap().into_iter().collect();
    assert_eq!(jobs.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(jobs[&1] / DAY, 8);
}

#[test]
fn decisions_are_asked_for_where_there_are_any() {
    let mut client = client();
    let mut moment = Moment::begin(&mut client).unwrap();
    assert_eq!(moment.last_decisions().unwrap(), []);
    moment.end().unwrap();
    client
        .batch_execute(
            "CREATE TABLE clearing_event (uploadtree_fk int, date_added timestamptz);
             CREATE TABLE clearing_decision (uploadtree_fk int, date_added timestamptz);
             INSERT INTO uploadtree_a (uploadtree_pk, upload_fk) VALUES (11, 1), (12, 1), (21, 2);
             INSERT INTO clearing_event VALUES (11, now() - interval '5 days'), (12, now() - interval '4 days');
             INSERT INTO clearing_decision VALUES (11, now() - interval '3 days'), (77, now())",
        )
        .unwrap();
    let mut moment = Moment::begin(&mut client).unwrap();
    let found = moment.last_decisions().unwrap();
    let days: Vec<(i32, u64)> = found.iter().map(|(key, s)| (*key, s / DAY)).collect();
    assert_eq!(days, [(1, 4), (1, 3)]);
}

#[test]
fn folders_statuses_and_scans_are_those_of_the_pages() {
    let mut client = client();
    client
        .batch_execute(
            "INSERT INTO folder (folder_pk, folder_name) VALUES (1, 'Software Repository'), (2, 'old'), (3, 'loop');
             INSERT INTO foldercontents (parent_fk, foldercontents_mode, child_id) VALUES
                 (1, 1, 2), (1, 1, 3), (3, 1, 3), (2, 2, 1), (1, 2, 1), (1, 2, 2), (1, 4, 11);
             INSERT INTO upload_clearing (upload_fk, group_fk, status_fk) VALUES (1, 1, 3), (1, 2, NULL), (2, 1, 2);
             INSERT INTO agent (agent_pk, agent_name, agent_rev) VALUES (901, 'monk', 'old'), (902, 'monk', 'new');
             INSERT INTO ars_master (agent_fk, upload_fk, ars_success) VALUES (901, 1, true), (902, 1, true), (902, 2, false)",
        )
        .unwrap();
    let mut moment = Moment::begin(&mut client).unwrap();
    let expected = [
        (1, "Software Repository"),
        (1, "Software Repository/old"),
        (2, "Software Repository"),
    ];
    assert_eq!(
        text(moment.folders().unwrap()),
        expected.map(|(key, path)| (key, path.to_owned()))
    );
    let mut statuses = moment.statuses().unwrap();
    statuses.sort();
    assert_eq!(statuses, [(1, 1), (1, 3), (2, 2)]);
    assert_eq!(moment.scans().unwrap(), [(1, "monk".to_owned())]);
}

#[test]
fn places_come_upload_by_upload_with_what_was_asked_for() {
    let mut client = client();
    let (tar, file) = (pfile(&mut client, "a tar"), pfile(&mut client, "a file!"));
    client
        .batch_execute(&format!(
            "INSERT INTO mimetype (mimetype_pk, mimetype_name) VALUES (901, 'text/x-test');
             UPDATE pfile SET pfile_mimetypefk = 901 WHERE pfile_pk = {file};
             INSERT INTO uploadtree_a (uploadtree_pk, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name) VALUES
                 (20, 2, {file}, 0, 1, 2, 'b.c'), (13, 1, {file}, 0, 3, 4, 'a.c'),
                 (12, 1, 0, 268435456, 2, 5, 'artifact.dir'), (11, 1, {tar}, 536870912, 1, 6, 'a.tar')"
        ))
        .unwrap();
    let list = |client: &mut Client, columns| {
        let mut moment = Moment::begin(client).unwrap();
        let mut rows = Vec::new();
        moment
            .places(columns, |row| {
                rows.push((row.upload, row.pfile, row.size, row.mode, row.mimetype));
                let name = String::from_utf8(row.name.to_vec()).unwrap();
                assert_eq!(name.is_empty(), !columns.names && !columns.paths);
                assert_eq!(row.range.is_some(), columns.paths);
                Ok(())
            })
            .unwrap();
        rows
    };
    let all = Columns {
        mimetypes: true,
        names: true,
        paths: true,
    };
    assert_eq!(
        list(&mut client, all),
        [
            (1, Some(tar), 5, 1 << 29, None),
            (1, None, 0, 1 << 28, None),
            (1, Some(file), 7, 0, Some(901)),
            (2, Some(file), 7, 0, Some(901)),
        ]
    );
    let mut few = list(&mut client, Columns::default());
    few.sort();
    let expected = [
        (1, Some(tar), 5, 1 << 29, None),
        (1, Some(file), 7, 0, None),
        (2, Some(file), 7, 0, None),
    ];
    assert_eq!(few, expected);
    let mut moment = Moment::begin(&mut client).unwrap();
    let types = text(moment.mimetypes().unwrap());
    assert!(types.contains(&(901, "text/x-test".to_owned())));
}

#[test]
fn rows_of_one_name_are_twins_and_each_stands_for_the_other() {
    let mut client = client();
    let (one, other) = (pfile(&mut client, "one"), pfile(&mut client, "other"));
    let twin = pfile(&mut client, "one");
    client
        .batch_execute(&format!(
            "INSERT INTO uploadtree_a (uploadtree_pk, upload_fk, pfile_fk) VALUES (21, 2, {twin})"
        ))
        .unwrap();
    let mut keys = keys_by_any_row(&mut client, 2).unwrap();
    keys.sort();
    assert_eq!(keys, [one, twin]);
    let mut moment = Moment::begin(&mut client).unwrap();
    let mut pairs = Vec::new();
    moment.twins(|a, b| pairs.push((a, b))).unwrap();
    pairs.sort();
    assert_eq!(pairs, [(one, twin), (twin, one)]);
    let mut named = Vec::new();
    for first in 0..=u8::MAX {
        moment
            .names_from(first, |key, name| {
                assert_eq!(name.sha1()[0], first);
                named.push(key);
            })
            .unwrap();
    }
    named.sort();
    assert_eq!(named, [one, other, twin]);
}

#[test]
fn that_nothing_was_found_is_no_finding() {
    let mut client = client();
    let keys = ["a", "b", "c"].map(|content| pfile(&mut client, content).cast_signed());
    let [a, b, c] = keys;
    client
        .batch_execute(&format!(
            "INSERT INTO license_ref (rf_pk, rf_shortname, rf_text, rf_detector_type) VALUES
                 (901, 'MIT', '', 1), (902, 'No_license_found', '', 1);
             INSERT INTO license_file (rf_fk, agent_fk, pfile_fk) VALUES
                 (901, 1, {a}), (902, 1, {a}), (902, 1, {b}), (NULL, 1, {c})"
        ))
        .unwrap();
    let mut found = Vec::new();
    let mut moment = Moment::begin(&mut client).unwrap();
    moment.with_findings(|key| found.push(key)).unwrap();
    assert_eq!(found, [a.cast_unsigned()]);
}

#[test]
fn while_the_queue_is_held_no_job_begins() {
    let database = cluster().fossology("UTF8");
    let mut holder = database.connect("test").unwrap();
    let mut other = database.connect("test").unwrap();
    other
        .batch_execute("INSERT INTO job (job_pk) VALUES (1); SET lock_timeout TO '100ms'")
        .unwrap();
    let queue = "INSERT INTO jobqueue (jq_job_fk, jq_type) VALUES (1, 'nomos')";
    let mut step = holder.transaction().unwrap();
    assert!(hold_queue(&mut step).unwrap());
    let error = other.batch_execute(queue).unwrap_err();
    assert!(error.to_string().contains("db error"), "{error}");
    step.rollback().unwrap();
    other.batch_execute(queue).unwrap();
}
