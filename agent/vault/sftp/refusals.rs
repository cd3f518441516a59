// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What ssh and the server say when they refuse, in words that tell what to do.

use super::super::remote::Failure;
use super::wire::Status;
use super::{Error, Sftp};
use std::io;

impl Sftp {
    /// What keeps a connection from being made: some of it passes by itself.
    pub(super) fn failure(&self, what: &str, error: io::Error) -> Failure {
        let says = error.to_string();
        let login = self.location.trim_start_matches("sftp://");
        let login = login.split_once('/').map_or(login, |(server, _)| server);
        let todo = if says.contains("Permission denied") || says.contains("authentication failures")
        {
            format!(
                "give a key that {login} takes to the user that runs this (ssh = [\"ssh\", \"-i\", FILE] in [storage] of fo_backup.toml)"
            )
        } else if says.contains("Host key verification failed") || says.contains("host key") {
            format!(
                "connect once by hand as the user that runs this ('ssh {login}'), compare the server's key, and accept it"
            )
        } else if says.contains("ubsystem request failed") || says.contains("none of SFTP") {
            "the server has to offer the subsystem sftp to this user".into()
        } else if says.contains("Bad configuration option")
            || says.contains("command-line")
            || error.kind() == io::ErrorKind::NotFound
        {
            "correct ssh in [storage] of fo_backup.toml, or install openssh-client".into()
        } else {
            return Failure::Passing(error);
        };
        Failure::Final(Error::Refused {
            location: self.location.clone(),
            doing: what.to_owned(),
            says,
            todo,
        })
    }

    /// What the server said no to.
    pub(super) fn refused(&self, what: &str, status: &Status) -> Error {
        let todo = match status.code {
            Status::DENIED => "let the user write into that folder, or name another one",
            _ => "look whether the folder's file system is full or cannot be written",
        };
        Error::Refused {
            location: self.location.clone(),
            doing: what.to_owned(),
            says: says(status),
            todo: todo.into(),
        }
    }
}

/// What the server said, or what its number means.
pub(super) fn says(status: &Status) -> String {
    match (status.code, &*status.message) {
        (Status::DENIED, "") => "permission denied".into(),
        (code, "") => format!("SFTP's error {code}"),
        (_, message) => message.to_owned(),
    }
}
