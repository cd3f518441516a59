// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The one place that turns errors into exit codes (restic's, where it has one).

use crate::operations::Error;
use crate::{fossology, vault};
use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command or its configuration is wrong.
    Usage = 2,
    /// Done, but something is incomplete or problems were found.
    Incomplete = 3,
    /// There is no vault.
    NoVault = 10,
    /// Another run is at work.
    Locked = 11,
    /// A private key is missing, or it is the wrong one.
    WrongKey = 12,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The code for an error.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Interrupted => Self::Interrupted,
            Error::Usage(_) | Error::Queue(fossology::queue::Error::NoUser(_)) => Self::Usage,
            Error::Fossology(
                fossology::Error::NoConfiguration { .. } | fossology::Error::Configuration { .. },
            ) => Self::Usage,
            Error::Vault(vault::Error::NotAVault { .. }) => Self::NoVault,
            Error::Vault(error) if error.is_about_keys() => Self::WrongKey,
            Error::Vault(vault::Error::Locked { .. })
            | Error::Database(fossology::database::Error::Locked(_))
            | Error::Request(fossology::own::requests::Error::Running { .. })
            | Error::Part(
                fossology::own::parts::Error::Running { .. }
                | fossology::own::parts::Error::Busy { .. },
            ) => Self::Locked,
            Error::Vault(
                vault::Error::Scheme { .. }
                | vault::Error::Location { .. }
                | vault::Error::Recipient { .. }
                | vault::Error::OtherEncryption { .. }
                | vault::Error::NoSnapshot { .. }
                | vault::Error::Ambiguous { .. },
            ) => Self::Usage,
            _ => Self::Failed,
        }
    }

    /// The code as a number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
