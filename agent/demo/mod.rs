// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The parts of `fo_backup demo` and of the end-to-end tests: an own PostgreSQL cluster, a sample
//! instance of FOSSology in a scratch directory, and ways to tell whether two instances are equal.
//!
//! Everything lies below a directory that the caller gives, nothing outside it is touched, and
//! nothing here uses the code that it serves to prove: it imitates FOSSology and writes the
//! repository and the rows by itself. When it dies in the middle, PostgreSQL ends with it and the
//! scratch directory can be removed.

mod cluster;
mod compare;
mod data;
pub mod sample;
mod server;

pub use cluster::{Cluster, ClusterOptions, Role, free_port};
pub use compare::{FileState, TableDigest, dump_rows, snapshot_tree};
pub use sample::Sample;

use std::io;
use std::path::{Path, PathBuf};

/// What can go wrong with the scratch cluster or the sample instance.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "writing".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This machine has no PostgreSQL server, or not the wanted one.
    #[error(
        "no PostgreSQL server{} found below /usr/lib/postgresql, by pg_config or in PATH: install the \
         Debian package `{}`",
        major.map(|major| format!(" {major}")).unwrap_or_default(),
        major.map_or("postgresql".to_owned(), |major| format!("postgresql-{major}"))
    )]
    NoServer {
        /// The major version that was asked for, if one was.
        major: Option<u32>,
    },
    /// PostgreSQL refuses to run as root and no other user is there.
    #[error(
        "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`: run \
         this as an ordinary user"
    )]
    NoUser,
    /// PostgreSQL's user cannot enter the scratch directory.
    #[error(
        "user {user}, as whom PostgreSQL has to run, cannot enter {}: give a scratch directory \
         whose parents everybody may enter (such as one below /var/tmp)",
        path.display()
    )]
    Unreachable {
        /// The first directory on the way that keeps the user out.
        path: PathBuf,
        /// PostgreSQL's user.
        user: String,
    },
    /// A program of PostgreSQL's failed.
    #[error("{} failed ({status}): {output}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it said.
        output: String,
    },
    /// The server ended or stayed silent before it accepted connections.
    #[error("PostgreSQL did not start, see {}; its last words: {last}", log.display())]
    NotReady {
        /// The server's log.
        log: PathBuf,
        /// The log's end.
        last: String,
    },
    /// The database refused something.
    #[error("{doing}: {}", in_words(source))]
    Database {
        /// What was being done, as in "filling table pfile".
        doing: String,
        /// What PostgreSQL or its client said.
        source: postgres::Error,
    },
    /// There is no such upload in the sample, or it is deleted.
    #[error("the sample has no live upload {0}")]
    NoUpload(i32),
}

/// The result of this room's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done and where to an I/O error; for `map_err`.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Adds what was being done to an error of the database; for `map_err`.
    fn database(doing: impl Into<String>) -> impl FnOnce(postgres::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Database { doing, source }
    }
}

/// The client's own text says only "db error" where the server had more to say.
fn in_words(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) => refusal.to_string(),
        None => error.to_string(),
    }
}
