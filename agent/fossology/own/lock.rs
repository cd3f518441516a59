// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The lock that lets a single operation work at a time, and the one that keeps those who remove
//! files apart from those who read or write them. Each ends with its session.

use super::{FILES, OPERATION, PRUNING};
use crate::fossology::database::{Error, OtherSession, Result};
use postgres::Client;
use postgres::error::SqlState;
use postgres::types::ToSql;

/// Takes the lock that lets one operation work at a time on this database. It is held until
/// [`unlock`] or the end of the session. The session of a run that was killed ends a moment after
/// it, so that is waited for.
///
/// # Errors
/// When another session has it: the error names that session.
pub fn try_lock(client: &mut Client) -> Result<()> {
    take(client, "SELECT pg_advisory_lock($1)", OPERATION, SHORT)
}

/// Takes the operation's lock together with others who take it by this: the parts of one backup
/// work side by side, while whole operations are kept out.
///
/// # Errors
/// When another session has it for itself: the error names that session.
pub fn try_lock_shared(client: &mut Client) -> Result<()> {
    take(
        client,
        "SELECT pg_advisory_lock_shared($1)",
        OPERATION,
        SHORT,
    )
}

/// Takes the lock that lets one process prune at a time; it ends with the session.
///
/// # Errors
/// When another session has it: the error names that session.
pub fn prune_alone(client: &mut Client) -> Result<()> {
    take(client, "SELECT pg_advisory_lock($1)", PRUNING, SHORT)
}

/// How somebody works on the repository's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Reads them, or adds some.
    Shared,
    /// Removes some.
    Alone,
}

/// Takes the lock on the repository's files, until [`release_files`] or the end of the session.
/// Who removes files gives it back every second or so, which is waited for; who reads or adds some
/// may take hours, which is not.
///
/// # Errors
/// When another session has it: the error names that session.
pub fn hold_files(client: &mut Client, how: Files) -> Result<()> {
    match how {
        Files::Shared => take(client, "SELECT pg_advisory_lock_shared($1)", FILES, LONG),
        Files::Alone => take(client, "SELECT pg_advisory_lock($1)", FILES, SHORT),
    }
}

/// Gives the lock on the repository's files back.
///
/// # Errors
/// When the statement fails.
pub fn release_files(client: &mut Client, how: Files) -> Result<()> {
    let statement = match how {
        Files::Shared => "SELECT pg_advisory_unlock_shared($1)",
        Files::Alone => "SELECT pg_advisory_unlock($1)",
    };
    client
        .execute(statement, &[&FILES])
        .map(drop)
        .map_err(Error::sql("giving back the lock on the repository's files"))
}

/// How long a lock is waited for that its holder gives back soon, if at all.
const SHORT: &str = "2s";
/// How long one is waited for that others take and give back all the time.
const LONG: &str = "60s";

/// Takes a lock by a statement that waits; not for long. Whether it was given.
pub(super) fn locked_within(
    client: &mut Client,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<bool, postgres::Error> {
    within(client, SHORT, statement, values)
}

fn within(
    client: &mut Client,
    patience: &str,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<bool, postgres::Error> {
    let mut step = client.transaction()?;
    step.batch_execute(&format!("SET LOCAL lock_timeout TO '{patience}'"))?;
    match step.execute(statement, values) {
        Ok(_) => step.commit().map(|()| true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The condition of a statement that no session holds a lock of two numbers, `class` and the one
/// that is called `id` there.
pub(super) fn unlocked(class: i32, id: &str) -> String {
    format!(
        "NOT EXISTS (
             SELECT 1 FROM pg_locks
              WHERE locktype = 'advisory' AND granted AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND classid::bigint = {class} AND objid::bigint = {id})"
    )
}

fn take(client: &mut Client, statement: &str, lock: i64, patience: &str) -> Result<()> {
    let failed = Error::sql("taking the lock of the operation");
    if within(client, patience, statement, &[&lock]).map_err(&failed)? {
        return Ok(());
    }
    // Who has it may end before we look: then nobody is named.
    let holder = client
        .query_opt(
            "SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
                    CASE WHEN a.client_port = -1 THEN 'local'
                         ELSE coalesce(host(a.client_addr), 'unknown') END
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
              WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32) | l.objid::bigint = $1
              ORDER BY l.pid LIMIT 1",
            &[&lock],
        )
        .map_err(&failed)?;
    Err(Error::Locked(holder.map(|row| OtherSession {
        pid: row.get(0),
        user: row.get(1),
        application: row.get(2),
        client: row.get(3),
    })))
}

/// Gives the operation's lock back before the session ends.
///
/// # Errors
/// When the statement fails.
pub fn unlock(client: &mut Client) -> Result<()> {
    client
        .execute("SELECT pg_advisory_unlock($1)", &[&OPERATION])
        .map(drop)
        .map_err(Error::sql("giving back the lock of the operation"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;

    #[test]
    fn parts_go_together_and_keep_whole_operations_out() {
        let database = cluster().fossology("UTF8");
        let connect = |name: &str| database.connect(name).unwrap();
        let (mut first, mut second) = (connect("fo_backup part"), connect("fo_backup part"));
        try_lock_shared(&mut first).unwrap();
        try_lock_shared(&mut second).unwrap();
        let mut whole = connect("fo_backup backup");
        let error = try_lock(&mut whole).unwrap_err();
        assert!(matches!(error, Error::Locked(Some(_))), "{error}");
        drop((first, second));
        try_lock(&mut whole).unwrap();
        let error = try_lock_shared(&mut connect("fo_backup part")).unwrap_err();
        assert!(error.to_string().contains("fo_backup backup"), "{error}");
    }

    #[test]
    fn who_removes_files_waits_for_all_who_use_them() {
        let database = cluster().fossology("UTF8");
        let connect = |name: &str| database.connect(name).unwrap();
        let (mut reader, mut writer) = (connect("fo_backup backup"), connect("fo_backup recover"));
        let mut remover = connect("fo_backup prune");
        hold_files(&mut reader, Files::Shared).unwrap();
        hold_files(&mut writer, Files::Shared).unwrap();
        release_files(&mut reader, Files::Shared).unwrap();
        let error = hold_files(&mut remover, Files::Alone).unwrap_err();
        assert!(error.to_string().contains("fo_backup recover"), "{error}");
        // It is another lock than the operation's.
        try_lock(&mut remover).unwrap();
        drop(writer);
        hold_files(&mut remover, Files::Alone).unwrap();
        release_files(&mut remover, Files::Alone).unwrap();
        hold_files(&mut reader, Files::Shared).unwrap();
    }

    #[test]
    fn one_operation_at_a_time_and_the_second_is_told_who_works() {
        let database = cluster().fossology("UTF8");
        let mut first = database.connect("fo_backup backup").unwrap();
        let mut second = database.connect("fo_backup check").unwrap();
        let pid: i32 = first
            .query_one("SELECT pg_backend_pid()", &[])
            .unwrap()
            .get(0);
        try_lock(&mut first).unwrap();
        match try_lock(&mut second) {
            Err(Error::Locked(Some(holder))) => {
                assert_eq!(
                    (holder.pid, holder.application.as_str()),
                    (pid, "fo_backup backup")
                );
            }
            other => panic!("{other:?}"),
        }
        // Another instance on the same server has a lock of its own.
        try_lock(&mut cluster().fossology("UTF8").connect("test").unwrap()).unwrap();
        unlock(&mut first).unwrap();
        try_lock(&mut second).unwrap();
    }
}
