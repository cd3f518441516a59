// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the database is asked, and that all answers are of one moment.

use super::*;
use crate::blob::{PfileNameError, Tree, TreeSet, digest};
use crate::fossology::database::Database;
use crate::fossology::database::testing::cluster;
use crate::fossology::own;
use postgres::Client;
use std::collections::BTreeSet;

fn database() -> Database {
    cluster().fossology("UTF8")
}

/// Makes the pfile of some content and gives back its key.
fn pfile(client: &mut Client, content: &str) -> i32 {
    let name = digest(content.as_bytes());
    let row = client
        .query_one(
            "INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES ($1, $2, $3) RETURNING pfile_pk",
            &[&name.sha1_column(), &name.md5_column(), &(content.len() as i64)],
        )
        .unwrap();
    row.get(0)
}

fn gold(client: &mut Client, pfile: i32) -> i32 {
    let row = client
        .query_one(
            "INSERT INTO upload (upload_filename, upload_mode, pfile_fk) VALUES ('x', 104, $1) RETURNING upload_pk",
            &[&pfile],
        )
        .unwrap();
    row.get(0)
}

fn file(client: &mut Client, upload: i32, pfile: i32, name: &str, mode: i32) {
    client
        .execute(
            "INSERT INTO uploadtree (upload_fk, pfile_fk, ufile_name, ufile_mode) VALUES ($1, $2, $3, $4)",
            &[&upload, &pfile, &name, &mode],
        )
        .unwrap();
}

fn keys(moment: &mut Moment<'_>, tree: Tree) -> BTreeSet<u32> {
    let mut keys = BTreeSet::new();
    moment
        .keys(tree, |key, _| {
            assert!(keys.insert(key), "{key} comes twice")
        })
        .unwrap();
    keys
}

#[test]
fn a_blob_is_needed_where_an_upload_or_its_tree_names_it() {
    let database = database();
    let mut client = database.connect("test").unwrap();
    let (root, member, nobody) = (
        pfile(&mut client, "root"),
        pfile(&mut client, "member"),
        pfile(&mut client, "x"),
    );
    let upload = gold(&mut client, root);
    gold(&mut client, root); // the same file uploaded twice
    file(&mut client, upload, root, "root.tar", 0);
    file(&mut client, upload, member, "member", 0);
    file(&mut client, upload, member, "member again", 0);
    file(&mut client, upload, 0, "a folder", 0);

    let mut moment = Moment::begin(&mut client).unwrap();
    assert_eq!(keys(&mut moment, Tree::Gold), [root as u32].into());
    assert_eq!(
        keys(&mut moment, Tree::Files),
        [root as u32, member as u32].into()
    );
    let mut sorted = Vec::new();
    moment
        .sorted(|needed| {
            sorted.push(needed);
            Ok(())
        })
        .unwrap();
    let mut expected = vec![
        Needed {
            pfile: root as u32,
            name: Ok(digest(b"root")),
            trees: TreeSet::of(Tree::Gold).with(Tree::Files),
        },
        Needed {
            pfile: member as u32,
            name: Ok(digest(b"member")),
            trees: TreeSet::of(Tree::Files),
        },
    ];
    expected.sort_by_key(|needed| needed.name.unwrap());
    assert_eq!(sorted, expected);
    let asked: Vec<u32> = moment
        .blobs(&[nobody as u32, root as u32, 4_000_000_000])
        .unwrap()
        .iter()
        .map(|b| b.pfile)
        .collect();
    assert_eq!(asked, [root as u32, nobody as u32]);
    moment.end().unwrap();
    assert_eq!(
        still_needed(&mut client, &[nobody as u32, root as u32]).unwrap(),
        [root as u32]
    );
}

#[test]
fn all_answers_are_of_one_moment() {
    let database = database();
    let (mut client, mut other) = (
        database.connect("test").unwrap(),
        database.connect("test").unwrap(),
    );
    let first = pfile(&mut other, "first");
    gold(&mut other, first);
    let mut moment = Moment::begin(&mut client).unwrap();
    assert_eq!(keys(&mut moment, Tree::Gold).len(), 1);
    let second = pfile(&mut other, "second");
    gold(&mut other, second);
    other
        .execute("DELETE FROM upload WHERE pfile_fk = $1", &[&first])
        .unwrap();
    assert_eq!(keys(&mut moment, Tree::Gold), [first as u32].into());
    let exported = moment.export().unwrap();
    let mut third = database.connect("test").unwrap();
    third
        .batch_execute(&format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{exported}'"
        ))
        .unwrap();
    let seen: i32 = third
        .query_one("SELECT pfile_fk FROM upload", &[])
        .unwrap()
        .get(0);
    assert_eq!(seen, first);
}

#[test]
fn what_cannot_be_unpacked_again_is_known() {
    let database = database();
    let mut client = database.connect("test").unwrap();
    let (meta, plain, found) = (
        pfile(&mut client, "m"),
        pfile(&mut client, "p"),
        pfile(&mut client, "f"),
    );
    let upload = gold(&mut client, plain);
    file(&mut client, upload, meta, "artifact.meta", 1 << 28);
    file(&mut client, upload, plain, "artifact.meta", 0); // somebody's file of that name
    let list = |client: &mut Client| {
        let mut moment = Moment::begin(client).unwrap();
        let mut keys = BTreeSet::new();
        moment
            .not_reproducible(|key| {
                keys.insert(key);
            })
            .unwrap();
        keys
    };
    assert_eq!(list(&mut client), [meta as u32].into());
    own::ensure_schema(&mut client).unwrap();
    client
        .execute("INSERT INTO backup_blob_state (pfile_pk, kind) VALUES ($1, 'not_reproducible'), ($2, 'pruned')", &[&found, &plain])
        .unwrap();
    assert_eq!(list(&mut client), [meta as u32, found as u32].into());
}

#[test]
fn a_broken_row_is_told_and_stops_nothing() {
    let database = database();
    let mut client = database.connect("test").unwrap();
    let good = pfile(&mut client, "good");
    gold(&mut client, good);
    let row = client
        .query_one("INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES ('zz', 'yy', 1) RETURNING pfile_pk", &[])
        .unwrap();
    let broken: i32 = row.get(0);
    gold(&mut client, broken);
    let mut moment = Moment::begin(&mut client).unwrap();
    let names: Vec<_> = moment
        .blobs(&[good as u32, broken as u32])
        .unwrap()
        .into_iter()
        .map(|blob| blob.name)
        .collect();
    assert_eq!(names, [Ok(digest(b"good")), Err(PfileNameError::Digit)]);
}

#[test]
fn another_table_or_an_older_sequence_is_another_identity() {
    let (first, second) = (database(), database());
    let identity = |database: &Database| {
        let mut client = database.connect("test").unwrap();
        Moment::begin(&mut client).unwrap().identity().unwrap()
    };
    let before = identity(&first);
    assert_ne!(before.0, identity(&second).0);
    let mut client = first.connect("test").unwrap();
    pfile(&mut client, "one more");
    let after = identity(&first);
    assert_eq!(after.0, before.0);
    assert!(after.1 > before.1);
}

#[test]
fn transactions_of_before_a_position_in_the_log_are_waited_for_and_later_ones_are_not() {
    let database = database();
    let mut client = database.connect("test").unwrap();
    let mut other = database.connect("test").unwrap();
    let mut open = other.transaction().unwrap();
    open.execute("UPDATE sysconfig SET conf_value = conf_value", &[])
        .unwrap();
    let own: i64 = open.query_one("SELECT txid_current()", &[]).unwrap().get(0);
    let (_, position) = Moment::log_position(&mut client).unwrap();
    assert!(position.contains('/'), "{position}");
    let next = Moment::next_transaction(&mut client).unwrap();
    assert!(own < next);
    assert!(Moment::goes_on(&mut client, next).unwrap());
    assert!(!Moment::goes_on(&mut client, 1).unwrap());
    open.commit().unwrap();
    // Those of other tests in the same cluster count as well, and end.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while Moment::goes_on(&mut client, own + 1).unwrap() {
        assert!(std::time::Instant::now() < deadline);
    }
}
