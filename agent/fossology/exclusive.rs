// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Jobs that run alone. While one of them waits that could run, FOSSology's scheduler starts nothing
//! else, until all agents have ended. So a long run of ours looks for one, and puts the rest of its
//! work behind it: an entry of the queue that waits for the run's own. What waits for that waits for
//! the new one too. All of it is rows in the caller's transaction.

use super::database::{Error, Result};
use super::module::AGENT;
use postgres::GenericClient;
use std::fs;
use std::path::Path;

/// The agents that run alone, by the configuration of FOSSology's modules on this host. A module that
/// cannot be read is passed over.
pub fn agents(sysconfdir: &Path) -> Vec<String> {
    let modules = fs::read_dir(sysconfdir.join("mods-enabled"));
    let mut agents: Vec<String> = modules
        .into_iter()
        .flatten()
        .filter_map(|module| {
            let module = module.ok()?;
            let name = module.file_name().into_string().ok()?;
            let conf = fs::read(module.path().join(format!("{name}.conf"))).ok()?;
            is_exclusive(&String::from_utf8_lossy(&conf)).then_some(name)
        })
        .collect();
    agents.sort_unstable();
    agents
}

fn is_exclusive(conf: &str) -> bool {
    let lines = conf.lines().filter_map(|line| line.split_once('='));
    let mut values = lines.filter(|(key, _)| key.trim() == "special[]");
    // The scheduler goes by the first letters.
    values.any(|(_, value)| value.trim_start().starts_with("EXCLUSIVE"))
}

/// Of these agents, those that an entry waits for which the scheduler would start now, if nothing
/// else ran.
///
/// # Errors
/// When the statement fails.
pub fn waiting(client: &mut impl GenericClient, agents: &[String]) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT DISTINCT q.jq_type FROM jobqueue q
               JOIN job j ON j.job_pk = q.jq_job_fk JOIN users u ON u.user_pk = j.job_user_fk
              WHERE q.jq_type = ANY ($1) AND q.jq_starttime IS NULL AND q.jq_end_bits < 2
                AND NOT EXISTS (
                    SELECT 1 FROM jobdepends d JOIN jobqueue b ON b.jq_pk = d.jdep_jq_depends_fk
                     WHERE d.jdep_jq_fk = q.jq_pk AND (b.jq_endtime IS NULL OR b.jq_end_bits > 1))
              ORDER BY q.jq_type",
            &[&agents],
        )
        .map_err(Error::sql("looking for jobs that run alone"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The entry of the queue (`jq_pk`) that an agent of ours was started for, by what it was told: its
/// job, the argument that says what is to be done, and its line of data. None when there is no
/// such entry that was started and has not ended, or several.
///
/// # Errors
/// When the statement fails.
pub fn own_entry(
    client: &mut impl GenericClient,
    job: i32,
    argument: &str,
    data: &str,
) -> Result<Option<i32>> {
    let rows = client
        .query(
            "SELECT jq_pk FROM jobqueue
              WHERE jq_job_fk = $1 AND jq_type = $2 AND jq_starttime IS NOT NULL
                AND jq_endtime IS NULL AND jq_end_bits < 2
                AND coalesce(jq_cmd_args, '') = $3 AND coalesce(jq_args, '') = $4",
            &[&job, &AGENT, &argument, &data],
        )
        .map_err(Error::sql("looking for the own entry of the queue"))?;
    Ok(match rows.as_slice() {
        [row] => Some(row.get(0)),
        _ => None,
    })
}

/// Queues an entry with this argument behind another one, in the same job and on the same host, and
/// lets everybody wait for it who waits for the other one. Gives its `jq_pk`.
///
/// It waits for the own entry, not for the job that runs alone: that one is held by the scheduler
/// already and starts as soon as the last agent has ended, and should it fail, the scheduler would
/// fail what waits for it.
///
/// # Errors
/// When a statement fails.
pub fn go_on_behind(step: &mut impl GenericClient, entry: i32, argument: &str) -> Result<i32> {
    let failed = Error::sql("queueing what is left");
    let next: i32 = step
        .query_one(
            "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_host, jq_cmd_args)
             SELECT jq_job_fk, jq_type, 0, jq_host, $2 FROM jobqueue WHERE jq_pk = $1
             RETURNING jq_pk",
            &[&entry, &argument],
        )
        .map_err(&failed)?
        .get(0);
    step.execute(
        "INSERT INTO jobdepends (jdep_jq_fk, jdep_jq_depends_fk)
         SELECT DISTINCT jdep_jq_fk, $2::int FROM jobdepends WHERE jdep_jq_depends_fk = $1
          UNION ALL SELECT $2::int, $1::int",
        &[&entry, &next],
    )
    .map_err(&failed)?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;
    use postgres::Client;

    #[test]
    fn modules_say_who_runs_alone() {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("mods-enabled");
        for (name, special) in [
            ("delagent", "special[] = EXCLUSIVE"),
            ("maintagent", "special[]=EXCLUSIVE ; alone"),
            ("demomod", ";special[] = EXCLUSIVE"),
            ("backup", "special[] ="),
        ] {
            fs::create_dir_all(modules.join(name)).unwrap();
            let conf = format!("; EXCLUSIVE: alone\n[default]\ncommand = {name}\n{special}\n");
            fs::write(modules.join(name).join(format!("{name}.conf")), conf).unwrap();
        }
        fs::create_dir(modules.join("broken")).unwrap();
        assert_eq!(agents(folder.path()), ["delagent", "maintagent"]);
        assert!(agents(&folder.path().join("nowhere")).is_empty());
    }

    fn queue() -> Client {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        client
            .batch_execute(
                "INSERT INTO users (user_pk, user_name) VALUES (3, 'fossy') ON CONFLICT DO NOTHING;
                 INSERT INTO job (job_pk, job_user_fk) VALUES (1, 3), (2, 3), (3, 4711);
                 INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_host, jq_cmd_args, jq_args,
                                       jq_starttime, jq_end_bits) VALUES
                     (11, 1, 'backup', 'alpha', '--request=7', NULL, now(), 0),
                     (12, 1, 'backup', NULL, '--request=8', NULL, NULL, 0),
                     (13, 1, 'backup', NULL, NULL, '12', now(), 0),
                     (21, 2, 'nomos', NULL, NULL, '1', NULL, 0);
                 SELECT setval(pg_get_serial_sequence('jobqueue', 'jq_pk'), 100);
                 INSERT INTO jobdepends VALUES (21, 11)",
            )
            .unwrap();
        client
    }

    #[test]
    fn only_what_could_run_now_is_given_way_to() {
        let mut client = queue();
        let agents = ["delagent".to_owned(), "maintagent".to_owned()];
        assert!(waiting(&mut client, &agents).unwrap().is_empty());
        client
            .batch_execute(
                "INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_starttime, jq_end_bits) VALUES
                     (31, 2, 'delagent', NULL, 0), (32, 2, 'maintagent', now(), 0),
                     (33, 3, 'maintagent', NULL, 0);
                 INSERT INTO jobdepends VALUES (31, 12)",
            )
            .unwrap();
        assert!(waiting(&mut client, &agents).unwrap().is_empty());
        client
            .batch_execute(
                "UPDATE jobqueue SET jq_endtime = now(), jq_end_bits = 1 WHERE jq_pk = 12",
            )
            .unwrap();
        assert_eq!(waiting(&mut client, &agents).unwrap(), ["delagent"]);
    }

    #[test]
    fn what_is_left_is_put_behind_and_all_who_wait_wait_for_it_too() {
        let mut client = queue();
        let own =
            |client: &mut Client, argument, data| own_entry(client, 1, argument, data).unwrap();
        assert_eq!(own(&mut client, "--request=7", ""), Some(11));
        assert_eq!(
            own(&mut client, "--request=8", ""),
            None,
            "it was not started"
        );
        assert_eq!(own(&mut client, "", "12"), Some(13));
        let next = go_on_behind(&mut client, 11, "--request=7").unwrap();
        let row = client
            .query_one(
                "SELECT jq_job_fk, jq_host, jq_cmd_args, jq_starttime IS NULL FROM jobqueue
                  WHERE jq_pk = $1",
                &[&next],
            )
            .unwrap();
        let words: (i32, &str, &str) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(words, (1, "alpha", "--request=7"));
        assert!(row.get::<_, bool>(3));
        let again = go_on_behind(&mut client, next, "--request=7").unwrap();
        let depends = client
            .query(
                "SELECT jdep_jq_fk, jdep_jq_depends_fk FROM jobdepends ORDER BY 1, 2",
                &[],
            )
            .unwrap();
        let depends: Vec<(i32, i32)> = depends.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(
            depends,
            [(21, 11), (21, next), (21, again), (next, 11), (again, next)]
        );
    }
}
