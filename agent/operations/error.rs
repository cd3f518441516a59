// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why an operation did not do what it was asked for.

use crate::{fossology, vault};
use std::io;
use std::path::{Path, PathBuf};

/// A failed operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something of the FOSSology instance.
    #[error(transparent)]
    Fossology(#[from] fossology::Error),
    /// Its database.
    #[error(transparent)]
    Database(#[from] fossology::database::Error),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The command or its settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// Somebody asked to stop.
    #[error("interrupted; what is complete is kept, and the same command goes on from there")]
    Interrupted,
    /// The vault lies where the repository is.
    #[error(
        "the vault {vault} lies inside the repository {}; a backup must not share the fate of what it saves: name another place",
        repository.display()
    )]
    VaultInRepository {
        /// The vault's location.
        vault: String,
        /// The repository's path.
        repository: PathBuf,
    },
    /// A file of ours could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The result of operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done and where to an I/O error; for `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
