// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong with a FOSSology instance, each with what was being done and where.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// A failure while reading or writing something of FOSSology's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "reading".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No configuration folder was named and none was found.
    #[error(
        "found no fossology.conf (looked in {}); name FOSSology's configuration folder with -c or FO_SYSCONFDIR",
        list(looked)
    )]
    NoConfiguration {
        /// The folders that were looked in.
        looked: Vec<PathBuf>,
    },
    /// A configuration file says something that FOSSology would not understand either.
    #[error("{}{}: {problem}", file.display(), place(*line, key.as_deref()))]
    Configuration {
        /// The file.
        file: PathBuf,
        /// The line's number from 1, where a line is to blame.
        line: Option<usize>,
        /// The key, or the section in brackets.
        key: Option<String>,
        /// What is wrong and what is expected; never a password.
        problem: String,
    },
}

/// The result of this room's functions.
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

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

fn place(line: Option<usize>, key: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(line) = line {
        let _ = write!(text, ", line {line}");
    }
    if let Some(key) = key {
        let _ = write!(text, ", {key}");
    }
    text
}
