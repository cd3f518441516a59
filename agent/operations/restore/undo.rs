// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Undoes what a restore did to the database: the one from before gets its name back, the restored
//! one is kept under another. Both happen in one transaction, or none does. Files are left alone: a
//! restore only adds those that lack or replaces damaged ones.

use super::database::{BEFORE, beside, expect_unused, stamp, unused_name};
use crate::fossology::database::{Admin, assert_fossology};
use crate::fossology::scheduler;
use crate::operations::{Error, Instance, Result};

/// What the name of a restored database that was put aside has after its own name.
const RESTORED: &str = "_restored_";

/// What is to be undone.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The name that changes hands; that of Db.conf unless it is given.
    pub database: Option<String>,
    /// The database that gets it; else the one that the last restore replaced.
    pub before: Option<String>,
    /// Look and tell only.
    pub dry_run: bool,
    /// How to connect as a role that may rename databases.
    pub admin_url: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Undone {
    /// The name that has changed hands.
    pub database: String,
    /// What the database that has it now was called.
    pub was: String,
    /// What the database that had it is called now; none when there was none.
    pub kept: Option<String>,
    /// Whether this was only a look.
    pub dry_run: bool,
}

/// Gives the database from before a restore its name back.
///
/// # Errors
/// When FOSSology's scheduler runs, others are connected to one of the two databases, there is none
/// from before, or it is not FOSSology's.
pub fn undo(instance: &Instance, wanted: &Undo) -> Result<Undone> {
    let own = instance.database.name();
    let name = wanted.database.as_deref().unwrap_or(own);
    if name == own
        && let Some(place) = scheduler::running(&instance.config)
    {
        return Err(Error::SchedulerRuns { place });
    }
    let mut admin = Admin::connect(&instance.database, wanted.admin_url.as_deref())?;
    admin.lock(name)?;
    let was = match &wanted.before {
        Some(given) if given == name => {
            return Err(Error::Usage(format!(
                "'{name}' has that name already: name the database that is to get it"
            )));
        }
        Some(given) if !admin.exists(given)? => {
            let all = admin.names_with(&beginning(name, BEFORE))?;
            return Err(Error::Usage(format!(
                "there is no database '{given}'; {}",
                there_are(name, &all)
            )));
        }
        Some(given) => given.clone(),
        None => {
            let mut all = admin.names_with(&beginning(name, BEFORE))?;
            all.pop()
                .ok_or_else(|| Error::Usage(there_are(name, &[])))?
        }
    };
    expect_unused(&mut admin, &was)?;
    let mut kept = None;
    if admin.exists(name)? {
        expect_unused(&mut admin, name)?;
        // Who takes an undoing back can undo it again.
        let word = match was.starts_with(&beginning(name, RESTORED)) {
            true => BEFORE,
            false => RESTORED,
        };
        kept = Some(unused_name(&mut admin, name, word)?);
    }
    let mut client = instance
        .database
        .with_name(&was)
        .connect("fo_backup restore")?;
    assert_fossology(&mut client)?;
    drop(client);
    if !wanted.dry_run {
        admin.swap(&was, name, kept.as_deref().unwrap_or_default())?;
    }
    Ok(Undone {
        database: name.to_owned(),
        was,
        kept,
        dry_run: wanted.dry_run,
    })
}

/// How the names of databases begin that were put aside with this word; the newest is the last of them.
/// A long name is cut as it was then.
fn beginning(name: &str, word: &str) -> String {
    let stamp = stamp();
    let full = beside(name, &format!("{word}{stamp}"));
    full[..full.len() - stamp.len()].to_owned()
}

fn there_are(name: &str, all: &[String]) -> String {
    match all {
        [] => format!(
            "no database is called '{}…': no restore has replaced '{name}' here, or what it replaced was dropped",
            beginning(name, BEFORE)
        ),
        all => format!("those that restores have replaced are {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_database_is_found_by_its_name_however_long_that_is() {
        for name in ["fossology".to_owned(), "long".repeat(16)] {
            let replaced = beside(&name, "_before_20261124t061500z");
            let beginning = beginning(&name, BEFORE);
            assert!(replaced.starts_with(&beginning), "{replaced}, {beginning}");
            assert!(beginning.ends_with("_before_"));
            assert!(!beside(&name, "_restored_20261124t061500z").starts_with(&beginning));
        }
    }
}
