// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Putting a job into FOSSology's queue and following it. A job of the whole system has no upload.
//! Its steps are rows of `jobqueue`, which the scheduler takes as soon as it looks.

use super::database::{Error as DatabaseError, RawText, Result as DatabaseResult};
use super::module::AGENT;
use postgres::{GenericClient, Transaction};

/// Why a job was not queued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user is not known.
    #[error("FOSSology has no user '{0}'; Admin → Users lists them, and --user names one")]
    NoUser(String),
    /// There is nobody whose job it could be.
    #[error("FOSSology has no active administrator whose job this could be; name a user by --user")]
    NoAdministrator,
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A user of FOSSology's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `user_pk`.
    pub key: i32,
    /// `group_pk` of the group that jobs of theirs belong to.
    pub group: Option<i32>,
    /// The name.
    pub name: String,
}

/// A step that is to be queued.
#[derive(Debug, Clone, Copy)]
pub struct NewStep<'a> {
    /// The agent.
    pub agent: &'a str,
    /// The key of `[HOSTS]` where it has to run; anywhere without one.
    pub host: Option<&'a str>,
    /// What the agent finds among its arguments: one word.
    pub arguments: &'a str,
}

/// A step that is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// `job_pk`.
    pub job: i32,
    /// `jq_pk`.
    pub entry: i32,
}

/// How a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether an agent was started for it.
    pub started: bool,
    /// Whether it has ended, however.
    pub ended: bool,
    /// Whether it failed.
    pub failed: bool,
    /// What the scheduler says of it.
    pub text: String,
    /// How many items were done.
    pub items: u64,
}

/// The user of this name, or FOSSology's administrator.
///
/// # Errors
/// When there is none.
pub fn user(client: &mut impl GenericClient, name: Option<&str>) -> Result<User, Error> {
    let failed = DatabaseError::sql("looking for the user");
    let row = match name {
        Some(name) => client.query_opt(
            "SELECT user_pk, group_fk, user_name FROM users WHERE user_name = $1",
            &[&name],
        ),
        // The one that every installation has goes before others.
        None => client.query_opt(
            "SELECT user_pk, group_fk, user_name FROM users
              WHERE user_perm = 10 AND coalesce(user_status, 'active') = 'active'
              ORDER BY user_name <> 'fossy', user_pk LIMIT 1",
            &[],
        ),
    }
    .map_err(failed)?;
    let Some(row) = row else {
        return Err(name.map_or(Error::NoAdministrator, |name| {
            Error::NoUser(name.to_owned())
        }));
    };
    Ok(User {
        key: row.get(0),
        group: row.get(1),
        name: row.get::<_, RawText>(2).lossy().into_owned(),
    })
}

/// The name of a user by their key, or that it is not known.
///
/// # Errors
/// When the statement fails.
pub fn user_name(client: &mut impl GenericClient, key: i32) -> DatabaseResult<String> {
    let row = client
        .query_opt("SELECT user_name FROM users WHERE user_pk = $1", &[&key])
        .map_err(DatabaseError::sql("looking for the user"))?;
    Ok(row.map_or_else(
        || format!("user {key}"),
        |row| row.get::<_, RawText>(0).lossy().into_owned(),
    ))
}

/// Queues a job of the whole system with one step; others may follow by [`add_step`].
///
/// # Errors
/// When a statement fails.
pub fn add_job(
    transaction: &mut Transaction<'_>,
    name: &str,
    user: &User,
    step: NewStep<'_>,
) -> DatabaseResult<Queued> {
    let failed = DatabaseError::sql("queueing the job");
    let job: i32 = transaction
        .query_one(
            "INSERT INTO job (job_user_fk, job_group_fk, job_queued, job_priority, job_name)
             VALUES ($1, $2, now(), 0, $3) RETURNING job_pk",
            &[&user.key, &user.group, &name],
        )
        .map_err(&failed)?
        .get(0);
    let entry = add_step(transaction, job, step, &[])?;
    Ok(Queued { job, entry })
}

/// Adds a step to a job, which waits until others (`jq_pk`) have ended well; gives its `jq_pk`.
///
/// # Errors
/// When a statement fails.
pub fn add_step(
    transaction: &mut Transaction<'_>,
    job: i32,
    step: NewStep<'_>,
    after: &[i32],
) -> DatabaseResult<i32> {
    let failed = DatabaseError::sql("queueing a step of the job");
    let entry = transaction
        .query_one(
            "INSERT INTO jobqueue (jq_job_fk, jq_type, jq_end_bits, jq_host, jq_cmd_args)
             VALUES ($1, $2, 0, $3, $4) RETURNING jq_pk",
            &[&job, &step.agent, &step.host, &step.arguments],
        )
        .map_err(&failed)?
        .get(0);
    transaction
        .execute(
            "INSERT INTO jobdepends (jdep_jq_fk, jdep_jq_depends_fk) SELECT $1, unnest($2::int[])",
            &[&entry, &after],
        )
        .map_err(&failed)?;
    Ok(entry)
}

/// How the steps of a job that are ours stand, in their order; none when somebody has removed it.
///
/// # Errors
/// When the statement fails.
pub fn standing(client: &mut impl GenericClient, job: i32) -> DatabaseResult<Vec<Standing>> {
    let rows = client
        .query(
            "SELECT jq_starttime IS NOT NULL, jq_endtime IS NOT NULL OR jq_end_bits >= 2,
                    jq_end_bits >= 2, coalesce(jq_endtext, ''), coalesce(jq_itemsprocessed, 0)
               FROM jobqueue WHERE jq_job_fk = $1 AND jq_type = $2 ORDER BY jq_pk",
            &[&job, &AGENT],
        )
        .map_err(DatabaseError::sql("following the job"))?;
    let standing = rows.iter().map(|row| Standing {
        started: row.get(0),
        ended: row.get(1),
        failed: row.get(2),
        text: row.get::<_, RawText>(3).lossy().into_owned(),
        items: u64::from(row.get::<_, i32>(4).unsigned_abs()),
    });
    Ok(standing.collect())
}

/// How many entries the scheduler runs now, as far as the queue tells.
///
/// # Errors
/// When the statement fails.
pub fn running(client: &mut impl GenericClient) -> DatabaseResult<u64> {
    let row = client
        .query_one(
            // What was paused before its start has one in the year 9999.
            "SELECT count(*) FROM jobqueue
              WHERE jq_starttime < '9999-12-30' AND jq_endtime IS NULL AND jq_end_bits < 2",
            &[],
        )
        .map_err(DatabaseError::sql("asking which jobs are running"))?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}

/// How many entries of an agent wait and run, as far as the queue tells.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Entries {
    /// Nobody has begun them.
    pub waiting: u64,
    /// An agent was started for them.
    pub running: u64,
}

/// The entries of an agent that have not ended.
///
/// # Errors
/// When the statement fails.
pub fn entries_of(client: &mut impl GenericClient, agent: &str) -> DatabaseResult<Entries> {
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE started IS NOT TRUE), count(*) FILTER (WHERE started)
               FROM (SELECT jq_starttime < '9999-12-30' AS started FROM jobqueue
                      WHERE jq_type = $1 AND jq_endtime IS NULL AND jq_end_bits < 2) AS entries",
            &[&agent],
        )
        .map_err(DatabaseError::sql("asking which jobs are queued"))?;
    Ok(Entries {
        waiting: row.get::<_, i64>(0).unsigned_abs(),
        running: row.get::<_, i64>(1).unsigned_abs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;
    use postgres::Client;

    const USERS: &str = "
        DELETE FROM users;
        INSERT INTO users (user_pk, user_name, user_perm, group_fk) VALUES
            (1, 'Default User', 0, NULL), (2, 'admin', 10, 2), (3, 'fossy', 10, 2),
            (4, 'writer', 3, 5)";

    #[test]
    fn a_job_of_the_whole_system_is_queued_as_fossology_does_it() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        client.batch_execute(USERS).unwrap();
        let admin = user(&mut client, None).unwrap();
        assert_eq!((admin.key, admin.name.as_str()), (3, "fossy"));
        let mut transaction = client.transaction().unwrap();
        let step = NewStep {
            agent: "backup",
            host: Some("agent2"),
            arguments: "--request=7",
        };
        let queued = add_job(&mut transaction, "Backup", &admin, step).unwrap();
        transaction.commit().unwrap();
        let row = client
            .query_one(
                "SELECT job_upload_fk IS NULL, job_user_fk, job_group_fk, jq_type, jq_host,
                        jq_cmd_args, jq_args IS NULL, jq_starttime IS NULL AND jq_endtime IS NULL
                   FROM jobqueue JOIN job ON job_pk = jq_job_fk WHERE jq_pk = $1",
                &[&queued.entry],
            )
            .unwrap();
        assert!(row.get::<_, bool>(0) && row.get::<_, bool>(6) && row.get::<_, bool>(7));
        assert_eq!((row.get::<_, i32>(1), row.get::<_, i32>(2)), (3, 2));
        let words: Vec<String> = (3..6).map(|at| row.get(at)).collect();
        assert_eq!(words, ["backup", "agent2", "--request=7"]);

        assert_eq!(running(&mut client).unwrap(), 0);
        client
            .batch_execute("UPDATE jobqueue SET jq_starttime = '9999-12-31'")
            .unwrap();
        assert_eq!(running(&mut client).unwrap(), 0, "paused before its start");
        client
            .batch_execute("UPDATE jobqueue SET jq_starttime = now()")
            .unwrap();
        assert_eq!(running(&mut client).unwrap(), 1);
        let ours = entries_of(&mut client, "backup").unwrap();
        assert_eq!((ours.waiting, ours.running), (0, 1));
        assert_eq!(
            entries_of(&mut client, "nomos").unwrap(),
            Entries::default()
        );
        client
            .batch_execute("UPDATE jobqueue SET jq_starttime = NULL")
            .unwrap();

        let at = |client: &mut Client| standing(client, queued.job).unwrap().remove(0);
        assert!(!at(&mut client).started && !at(&mut client).ended);
        client
            .batch_execute(
                "UPDATE jobqueue SET jq_starttime = now(), jq_endtime = now(), jq_end_bits = 2,
                                     jq_endtext = 'Failed', jq_itemsprocessed = 12",
            )
            .unwrap();
        let failed = at(&mut client);
        assert!(failed.started && failed.ended && failed.failed);
        assert_eq!((failed.text.as_str(), failed.items), ("Failed", 12));
        client.batch_execute("DELETE FROM jobqueue").unwrap();
        assert!(standing(&mut client, queued.job).unwrap().is_empty());
    }

    #[test]
    fn users_are_found_by_name_and_by_key() {
        let mut client = cluster().fossology("SQL_ASCII").connect("test").unwrap();
        client.batch_execute(USERS).unwrap();
        assert_eq!(user(&mut client, Some("writer")).unwrap().group, Some(5));
        let error = user(&mut client, Some("nobody")).unwrap_err();
        assert!(
            matches!(&error, Error::NoUser(name) if name == "nobody"),
            "{error}"
        );
        assert_eq!(user_name(&mut client, 4).unwrap(), "writer");
        assert_eq!(user_name(&mut client, 44).unwrap(), "user 44");

        client
            .batch_execute("UPDATE users SET user_status = 'inactive' WHERE user_name = 'fossy'")
            .unwrap();
        assert_eq!(user(&mut client, None).unwrap().name, "admin");
        client.batch_execute("DELETE FROM users").unwrap();
        let error = user(&mut client, None).unwrap_err();
        assert!(matches!(error, Error::NoAdministrator), "{error}");
    }
}
