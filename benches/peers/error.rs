// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can stop the benchmark. A command that fails does not: its row says so.

use fossology_backup::demo;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("{doing} {}: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("making the instance: {0}")]
    Demo(#[from] demo::Error),
    #[error("filling the database: {0}")]
    Database(#[from] postgres::Error),
    #[error("{0} is not understood: {1}")]
    Json(PathBuf, serde_json::Error),
    #[error("{command} failed ({status}), see {}", log.display())]
    Command {
        command: String,
        status: String,
        log: PathBuf,
    },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done and where; for `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
