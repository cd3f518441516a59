// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The change of names, in one transaction.

use super::super::error::{Error, Result};
use super::Admin;
use postgres::GenericClient;
use postgres::error::SqlState;

impl Admin {
    /// Gives the database `staging` the name `target`, and the one that had it the name `old`.
    /// Both happen or none does. Where no `target` is, only the first happens.
    ///
    /// # Errors
    /// When others are connected to one of the two, when `staging` is not there or `old` is, or
    /// when the role may not.
    pub fn swap(&mut self, staging: &str, target: &str, old: &str) -> Result<()> {
        if !self.exists(staging)? {
            return Err(Error::Absent(staging.to_owned()));
        }
        let mut statements = Vec::new();
        if self.exists(target)? {
            if self.exists(old)? {
                return Err(Error::Exists(old.to_owned()));
            }
            statements.push(self.format("ALTER DATABASE %I RENAME TO %I", &[&target, &old])?);
        }
        statements.push(self.format("ALTER DATABASE %I RENAME TO %I", &[&staging, &target])?);
        match rename(&mut self.client, &statements) {
            Err(error) if error.has_code(&SqlState::OBJECT_IN_USE) => {
                Err(self.in_use([target, staging]))
            }
            Err(error) => Err(self.not_allowed(error, &format!("rename the database '{target}'"))),
            Ok(()) => Ok(()),
        }
    }

    /// The error that names who is connected; nobody when they left before we looked.
    pub(super) fn in_use(&mut self, names: [&str; 2]) -> Error {
        let mut error = Error::InUse {
            database: names[0].to_owned(),
            sessions: Vec::new(),
        };
        for name in names {
            match self.connected_others(name) {
                Ok(sessions) if sessions.is_empty() => {}
                Ok(sessions) => {
                    error = Error::InUse {
                        database: name.to_owned(),
                        sessions,
                    };
                    break;
                }
                Err(lost) => return lost,
            }
        }
        error
    }
}

/// Renames in one transaction: PostgreSQL keeps the names as rows of a table like any other.
fn rename(client: &mut impl GenericClient, statements: &[String]) -> Result<()> {
    let failed = Error::sql("renaming a database");
    let mut step = client.transaction().map_err(&failed)?;
    for statement in statements {
        step.batch_execute(statement).map_err(&failed)?;
    }
    step.commit().map_err(&failed)
}
