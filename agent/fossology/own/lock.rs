// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The lock that lets a single operation work at a time; it ends with its session.

use super::OPERATION;
use crate::fossology::database::{Error, OtherSession, Result};
use postgres::Client;
use postgres::error::SqlState;

/// Takes the lock that lets one operation work at a time on this database. It is held until
/// [`unlock`] or the end of the session. The session of a run that was killed ends a moment after
/// it, so that is waited for.
///
/// # Errors
/// When another session has it: the error names that session.
pub fn try_lock(client: &mut Client) -> Result<()> {
    let failed = Error::sql("taking the lock of the operation");
    let mut step = client.transaction().map_err(&failed)?;
    step.batch_execute("SET LOCAL lock_timeout TO '2s'")
        .map_err(&failed)?;
    let locked = step
        .execute("SELECT pg_advisory_lock($1)", &[&OPERATION])
        .map_err(&failed);
    match locked {
        Ok(_) => return step.commit().map_err(&failed),
        Err(error) if error.has_code(&SqlState::LOCK_NOT_AVAILABLE) => {}
        Err(error) => return Err(error),
    }
    drop(step);
    // Who has it may end before we look: then nobody is named.
    let holder = client
        .query_opt(
            "SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
                    CASE WHEN a.client_port = -1 THEN 'local'
                         ELSE coalesce(host(a.client_addr), 'unknown') END
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
              WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32) | l.objid::bigint = $1",
            &[&OPERATION],
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
