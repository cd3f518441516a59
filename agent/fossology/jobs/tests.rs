// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What has to be true of parked jobs, told with what the scheduler does to its queue.

use std::ffi::OsStr;

use postgres::Client;

use super::super::database::testing::cluster;
use super::super::own::ensure_schema;
use super::*;

/// What no scheduler would start.
const NOTHING: [i32; 0] = [];

/// A queue with every kind of entry. Keys: 1 ended well, 2 failed, 3 waiting, 4 waiting for 3,
/// 5 running, 6 paused while it ran, 7 paused before it started, 8 deletion waiting, 9 maintenance
/// running, 10 ended by the reset of an old scheduler but without a start, so live.
fn queue() -> Client {
    let mut client = cluster().fossology("SQL_ASCII").connect("test").unwrap();
    ensure_schema(&mut client).unwrap();
    client
        .batch_execute(
            "INSERT INTO job (job_queued, job_priority, job_name, job_upload_fk, job_user_fk)
             VALUES (now(), 0, convert_from('\\xff2e7a6970', 'SQL_ASCII'), 7, 1),
                    (now(), 5, 'Delete', NULL, 1);
             INSERT INTO jobqueue (jq_job_fk, jq_type, jq_starttime, jq_endtime, jq_endtext,
                                   jq_end_bits, jq_schedinfo, jq_log)
             VALUES (1, 'ununpack', '2026-01-01', '2026-01-02', 'Completed', 1, NULL, '/srv/repo/logs/1'),
                    (1, 'adj2nest', '2026-01-01', '2026-01-02', 'Failed', 2, NULL, NULL),
                    (1, 'nomos', NULL, NULL, NULL, 0, NULL, NULL),
                    (1, 'monk', NULL, NULL, 'note', 0, 'info', NULL),
                    (1, 'copyright', '2026-01-01', NULL, 'Started', 0, 'localhost.42', NULL),
                    (1, 'ojo', '2026-01-01', NULL, 'Paused', 0, 'localhost.43', NULL),
                    (1, 'ecc', '9999-12-31', NULL, 'Paused', 0, NULL, NULL),
                    (2, 'delagent', NULL, NULL, NULL, 0, NULL, NULL),
                    (2, 'maintagent', '2026-01-01', NULL, 'Started', 0, 'localhost.44', NULL),
                    (1, 'keyword', NULL, '2026-01-02', NULL, 0, NULL, NULL);
             INSERT INTO jobdepends VALUES (4, 3)",
        )
        .unwrap();
    client
}

/// What the scheduler would start now: no start, no failure, all it depends on ended well.
fn would_start(client: &mut Client) -> Vec<i32> {
    client
        .query(
            "SELECT jq_pk FROM jobqueue q JOIN job ON job_pk = jq_job_fk
              WHERE jq_starttime IS NULL AND jq_end_bits < 2
                AND (SELECT coalesce(bool_and(d.jq_endtime IS NOT NULL AND d.jq_end_bits < 2), true)
                       FROM jobdepends JOIN jobqueue d ON d.jq_pk = jdep_jq_depends_fk
                      WHERE jdep_jq_fk = q.jq_pk)
              ORDER BY job_priority DESC, jq_pk",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// What a scheduler that is started with `--reset` does to entries without an end.
fn reset(client: &mut Client) {
    client
        .batch_execute(
            "UPDATE jobqueue SET jq_starttime = NULL, jq_endtext = NULL, jq_schedinfo = NULL
              WHERE jq_endtime IS NULL",
        )
        .unwrap();
}

/// Entries as text, without those that live only in our tables.
fn rows(client: &mut Client) -> Vec<String> {
    client
        .query("SELECT q::text FROM jobqueue q ORDER BY jq_pk", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

fn park_now(client: &mut Client) -> Parked {
    let mut step = client.transaction().unwrap();
    let parked = park(&mut step, "snapshot-1").unwrap();
    step.commit().unwrap();
    parked
}

fn agents(names: &[&str]) -> BTreeMap<String, u64> {
    names.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

#[test]
fn nothing_of_a_restored_queue_starts_even_after_the_schedulers_reset() {
    let mut client = queue();
    assert_eq!(would_start(&mut client), [8, 3, 10]);

    let parked = park_now(&mut client);
    assert_eq!((parked.queued, parked.running), (5, 3));
    assert_eq!(parked.by_agent.len(), 8);
    assert_eq!(would_start(&mut client), NOTHING);
    reset(&mut client);
    assert_eq!(would_start(&mut client), NOTHING);

    // Parking again, as an interrupted restore does, keeps the first columns.
    assert_eq!(park_now(&mut client), Parked::default());
}

#[test]
fn without_parking_the_reset_would_start_even_maintenance() {
    let mut client = queue();
    reset(&mut client);
    assert!(would_start(&mut client).contains(&9));
}

#[test]
fn history_is_not_touched() {
    let mut client = queue();
    let before = rows(&mut client);
    park_now(&mut client);
    assert_eq!(rows(&mut client)[..2], before[..2]);
}

#[test]
fn a_new_job_that_depends_on_a_parked_one_waits_and_does_not_fail() {
    let mut client = queue();
    park_now(&mut client);
    client
        .batch_execute(
            "INSERT INTO jobqueue (jq_job_fk, jq_type) VALUES (1, 'decider');
             INSERT INTO jobdepends VALUES (11, 3)",
        )
        .unwrap();
    assert_eq!(would_start(&mut client), NOTHING);
    let row = client
        .query_one("SELECT jq_end_bits FROM jobqueue WHERE jq_pk = 11", &[])
        .unwrap();
    assert_eq!(row.get::<_, i16>(0), 0);

    resume(&mut client, &Selection::Harmless).unwrap();
    assert!(!would_start(&mut client).contains(&11), "3 has not run yet");
    client
        .batch_execute("UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 1 WHERE jq_pk = 3")
        .unwrap();
    assert!(would_start(&mut client).contains(&11));
}

#[test]
fn parked_jobs_are_listed_with_what_a_person_wants_to_know() {
    let mut client = queue();
    park_now(&mut client);
    let list = parked(&mut client).unwrap();
    let keys: Vec<i32> = list.iter().map(|job| job.jq_pk).collect();
    assert_eq!(keys, [8, 9, 3, 4, 5, 6, 7, 10]);
    let running = &list[4];
    assert_eq!(
        (running.agent.as_str(), running.upload),
        ("copyright", Some(7))
    );
    assert_eq!(
        (running.name.as_str(), running.was_running),
        ("\u{fffd}.zip", true)
    );
    assert_eq!(running.snapshot, "snapshot-1");
    assert!((Timestamp::now().as_second() - running.parked.as_second()).abs() < 600);
}

#[test]
fn resuming_gives_queued_entries_back_as_they_were_and_starts_running_ones_anew() {
    let mut client = queue();
    let before = rows(&mut client);
    park_now(&mut client);
    let resumed = resume(&mut client, &Selection::Harmless).unwrap();
    assert_eq!(
        resumed.by_agent,
        agents(&["copyright", "ecc", "keyword", "monk", "nomos", "ojo"])
    );
    assert_eq!((resumed.changed, resumed.left), (0, 2));

    let after = rows(&mut client);
    for waiting in [3, 4, 10] {
        assert_eq!(after[waiting - 1], before[waiting - 1]);
    }
    // 4 still waits for 3; 5, 6 and 7 are as after the scheduler's own reset.
    assert_eq!(would_start(&mut client), [3, 5, 6, 7, 10]);
    let mut untouched = queue();
    reset(&mut untouched);
    assert_eq!(after[4..7], rows(&mut untouched)[4..7]);

    let again = resume(&mut client, &Selection::Harmless).unwrap();
    assert_eq!((again.by_agent.len(), again.left), (0, 2));
}

#[test]
fn deletions_and_maintenance_go_on_only_when_they_are_named() {
    let mut client = queue();
    park_now(&mut client);
    resume(&mut client, &Selection::Harmless).unwrap();
    assert!(
        !would_start(&mut client)
            .iter()
            .any(|key| [8, 9].contains(key))
    );

    let named = resume(&mut client, &Selection::Agents(vec!["delagent".to_owned()])).unwrap();
    assert_eq!(named.by_agent, agents(&["delagent"]));
    let one = resume(&mut client, &Selection::Entries(vec![9, 1, 12345])).unwrap();
    assert_eq!((one.by_agent, one.left), (agents(&["maintagent"]), 0));
    assert_eq!(would_start(&mut client)[..2], [8, 9]);
}

#[test]
fn an_entry_that_somebody_changed_meanwhile_is_left_as_it_is() {
    let mut client = queue();
    park_now(&mut client);
    client
        .batch_execute(
            "UPDATE jobqueue SET jq_end_bits = 1, jq_endtext = 'Completed' WHERE jq_pk = 3;
             DELETE FROM jobqueue WHERE jq_pk = 5",
        )
        .unwrap();
    let changed = rows(&mut client)[2].clone();
    let resumed = resume(&mut client, &Selection::Entries(vec![3, 5, 10])).unwrap();
    assert_eq!(
        (resumed.by_agent, resumed.changed),
        (agents(&["keyword"]), 1)
    );
    assert_eq!(rows(&mut client)[2], changed);
}

#[test]
fn paths_follow_the_repository_only_where_a_folders_name_ends() {
    let mut client = queue();
    client
        .batch_execute(
            "INSERT INTO reportgen VALUES
             (1, 1, '/srv/repo/report/a.docx'), (2, 2, '/srv/repository/report/b.docx'),
             (3, 3, '/elsewhere/srv/repo/c'), (4, 4, NULL), (5, 5, '/srv/repo'),
             (6, 6, convert_from('\\x2f7372762f7265706f2fff', 'SQL_ASCII'));
             UPDATE jobqueue SET jq_log = 'no' WHERE jq_pk = 2",
        )
        .unwrap();
    let new = Path::new(OsStr::from_bytes(b"/data/new_%\\'\xfe/"));
    let mut step = client.transaction().unwrap();
    let moved = relocate_paths(&mut step, Path::new("/srv/repo/"), new).unwrap();
    assert_eq!(
        moved,
        Relocated {
            reports: 3,
            logs: 1
        }
    );
    let again = relocate_paths(&mut step, Path::new("/srv/repo"), new).unwrap();
    assert_eq!(again, Relocated::default());
    step.commit().unwrap();
    let paths: Vec<Option<RawText>> = client
        .query("SELECT filepath FROM reportgen ORDER BY upload_fk", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let bytes: Vec<_> = paths
        .iter()
        .map(|path| path.as_ref().map(RawText::bytes))
        .collect();
    assert_eq!(
        bytes,
        [
            Some(b"/data/new_%\\'\xfe/report/a.docx".as_slice()),
            Some(b"/srv/repository/report/b.docx"),
            Some(b"/elsewhere/srv/repo/c"),
            None,
            Some(b"/data/new_%\\'\xfe"),
            Some(b"/data/new_%\\'\xfe/\xff"),
        ]
    );
}

#[test]
fn jobs_of_uploads_that_lack_files_wait_and_others_go_on() {
    let mut client = queue();
    client
        .batch_execute(
            "INSERT INTO upload (upload_pk, upload_filename, upload_mode)
             VALUES (7, 'a.tar', 104), (8, 'b.tar', 104), (9, 'c.tar', 104);
             INSERT INTO job (job_pk, job_queued, job_name, job_upload_fk, job_user_fk)
             VALUES (8, now(), 'scan b', 8, 1), (9, now(), 'scan c', 9, 1);
             INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_end_bits, jq_endtime)
             VALUES (81, 8, 'nomos', 0, NULL), (91, 9, 'nomos', 1, '2026-01-02')",
        )
        .unwrap();
    client
        .batch_execute("UPDATE jobqueue SET jq_starttime = '2026-01-01' WHERE jq_pk = 91")
        .unwrap();
    assert_eq!(live_uploads(&mut client).unwrap(), [7, 8]);
    let before = rows(&mut client);
    // What would take files for deleted that lack goes, whether or not something waits for them.
    let mut step = client.transaction().unwrap();
    let alone = park_uploads(&mut step, &[]).unwrap();
    step.rollback().unwrap();
    let names: Vec<&str> = alone.by_agent.keys().map(String::as_str).collect();
    assert_eq!(names, ["delagent", "maintagent"]);
    let mut step = client.transaction().unwrap();
    let parked = park_uploads(&mut step, &[7]).unwrap();
    step.commit().unwrap();
    assert_eq!((parked.queued, parked.running), (5, 3));
    let names: Vec<&str> = parked.by_agent.keys().map(String::as_str).collect();
    assert!(names.contains(&"delagent") && names.contains(&"maintagent"));
    reset(&mut client);
    assert_eq!(would_start(&mut client), [81]);
    let kept = super::parked(&mut client).unwrap();
    assert!(kept.iter().all(|job| job.snapshot.is_empty()) && kept.len() == 8);

    let agents = ["delagent", "maintagent"].map(str::to_owned).into();
    resume(&mut client, &Selection::Harmless).unwrap();
    let resumed = resume(&mut client, &Selection::Agents(agents)).unwrap();
    assert_eq!((resumed.changed, resumed.left), (0, 0));
    // All but the one that depends on another.
    assert_eq!(would_start(&mut client), [8, 9, 3, 5, 6, 7, 10, 81]);
    let after = rows(&mut client);
    let same = before.iter().filter(|row| after.contains(row)).count();
    // But those that had been started begin anew.
    assert_eq!(same, before.len() - 4, "{before:#?} {after:#?}");
}
