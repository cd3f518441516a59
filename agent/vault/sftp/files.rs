// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making, naming and finding files through a session, each in as few round trips as the protocol
//! allows. Nothing here is tried again: who asks knows whether that does harm.

use super::POSIX_RENAME;
use super::session::{self, Problem, Session};
use super::wire::{Ask, CREATE, Status};
use crate::vault::Put;

/// Opens a new file, and makes its folder if need be.
pub fn create(session: &mut Session, path: &str) -> session::Result<Vec<u8>> {
    let open = |session: &mut Session| {
        let id = session.send(Ask::Open, |packet| {
            packet.text(path.as_bytes()).number(CREATE).mode(0o600)
        })?;
        session.handle(id)
    };
    match open(session) {
        Err(Problem::Refused(status)) if status.code == Status::NO_SUCH_FILE => {
            make_folders_of(session, path)?;
            open(session)
        }
        other => other,
    }
}

/// Makes the folders above a file; those that are there are left as they are.
pub fn make_folders_of(session: &mut Session, path: &str) -> session::Result<()> {
    let folders: Vec<&str> = path
        .match_indices('/')
        .map(|(at, _)| &path[..at])
        .filter(|folder| !folder.is_empty())
        .collect();
    let mut ids = Vec::new();
    for folder in folders {
        ids.push(session.send(Ask::MakeDir, |packet| {
            packet.text(folder.as_bytes()).mode(0o700)
        })?);
    }
    // Most are there already. If one could not be made, what follows fails and says so.
    ids.into_iter()
        .try_for_each(|id| accept_refusal(session.done(id)))
}

/// Gives a file its name. One that is taken stays as it is, unless it is to be replaced.
pub fn rename(session: &mut Session, from: &str, to: &str, replace: bool) -> session::Result<Put> {
    let in_place = replace && session.has(POSIX_RENAME);
    let attempt = |session: &mut Session| {
        let id = match in_place {
            true => session.send(Ask::Extended, |packet| {
                packet
                    .text(POSIX_RENAME.as_bytes())
                    .text(from.as_bytes())
                    .text(to.as_bytes())
            })?,
            false => session.send(Ask::Rename, |packet| {
                packet.text(from.as_bytes()).text(to.as_bytes())
            })?,
        };
        session.done(id)
    };
    if replace && !in_place {
        let id = session.send(Ask::Remove, |packet| packet.text(to.as_bytes()))?;
        accept_refusal(session.done(id))?;
    }
    let renamed = match attempt(session) {
        Err(Problem::Refused(status)) if status.code == Status::NO_SUCH_FILE => {
            make_folders_of(session, to)?;
            attempt(session)
        }
        other => other,
    };
    let Err(Problem::Refused(status)) = renamed else {
        return renamed.map(|()| Put::Made);
    };
    // Version 3 has no word for "it exists", so it is looked for.
    let id = session.send(Ask::Stat, |packet| packet.text(to.as_bytes()))?;
    match session.attributes(id)? {
        Some(_) => Ok(Put::Existed),
        None => Err(Problem::Refused(status)),
    }
}

/// Takes what the server refuses for done.
pub fn accept_refusal(result: session::Result<()>) -> session::Result<()> {
    match result {
        Err(Problem::Refused(_)) => Ok(()),
        other => other,
    }
}
