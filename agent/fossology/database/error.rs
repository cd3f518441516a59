// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong with the database, told apart so that each message can say what to do next.
//!
//! A server's error may quote the row it failed on (its DETAIL and CONTEXT lines), and FOSSology's
//! rows hold passwords. So only the message and the hint of a server's error are kept.

use std::io;
use std::path::PathBuf;

use postgres::error::SqlState;

/// A failure of the database or of one of PostgreSQL's programs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No thread could be started.
    #[error(transparent)]
    Thread(#[from] crate::threads::NotStarted),
    /// Nobody answers there, or the server does not take connections now.
    #[error(
        "the database server at {place} cannot be reached: {reason}\nCheck that PostgreSQL runs there, and host and port in Db.conf."
    )]
    Unreachable {
        /// Host and port.
        place: String,
        /// What was seen.
        reason: String,
    },
    /// The server answers, but not to this role with this password.
    #[error(
        "the database server at {place} refuses the role '{role}': {reason}\nCheck user and password in Db.conf, that the role exists, and the server's pg_hba.conf."
    )]
    Refused {
        /// Host and port.
        place: String,
        /// The role's name.
        role: String,
        /// What the server said; never the password.
        reason: String,
    },
    /// The site's own backup command did not say by which label its backup is known.
    #[error(
        "the command of [database] ended well but did not print the label of its backup as its last line (a word, or a JSON object with the field \"label\")"
    )]
    NoLabel,
    /// A stream of rows broke off or made no sense.
    #[error("{doing}: the stream of rows broke off: {source}")]
    Stream {
        /// What was being done.
        doing: &'static str,
        /// What was seen.
        source: io::Error,
    },
    /// The server has no database of that name.
    #[error(
        "the server at {place} has no database '{database}'\nCheck dbname in Db.conf; `psql -l` lists what is there."
    )]
    NoDatabase {
        /// Host and port.
        place: String,
        /// The database's name.
        database: String,
    },
    /// The database is there, but it is not FOSSology's.
    #[error(
        "'{database}' is not a FOSSology database, it lacks: {}\nCheck dbname in Db.conf; in a new installation run fo-postinstall first.",
        missing.join(", ")
    )]
    NotFossology {
        /// The database's name.
        database: String,
        /// The tables that every FOSSology has and that are not there.
        missing: Vec<String>,
    },
    /// The server's version cannot be worked with.
    #[error("PostgreSQL {found} at {place} is too old: at least version {needed} is needed")]
    ServerTooOld {
        /// Host and port.
        place: String,
        /// The server's major version.
        found: u32,
        /// The lowest major version that works.
        needed: u32,
    },
    /// The connection broke while it was used.
    #[error(
        "the connection to the database was lost while {doing}: {reason}\nWas the server stopped or restarted? Run the same command again."
    )]
    Lost {
        /// What was being done.
        doing: &'static str,
        /// What was seen.
        reason: String,
    },
    /// A statement failed.
    #[error("{doing}: {message}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// The server's code, as `42501`; empty when the failure was on our side.
        code: String,
        /// The server's message.
        message: String,
    },
    /// The address of the administrator's connection cannot be read.
    #[error(
        "the address of the administrator's connection is not valid;          expected postgresql://user:password@host:port/postgres"
    )]
    AdminUrl,
    /// The role may not do what a restore needs.
    #[error(
        "the role '{role}' may not {what}\nLet a PostgreSQL superuser run: ALTER ROLE {role} CREATEDB;          or give a connection that may with --admin-url."
    )]
    NotAllowed {
        /// The role's name, quoted as SQL needs it.
        role: String,
        /// What it was to do.
        what: String,
    },
    /// A database cannot be made with the properties of the snapshot's.
    #[error(
        "the database '{database}' cannot be made like the one in the snapshot ({like}): {message}\nThe server needs that locale (on Debian: dpkg-reconfigure locales, then restart PostgreSQL);          SQL_ASCII with another locale than C takes a superuser (--admin-url)."
    )]
    CannotCreateLike {
        /// The database to be made.
        database: String,
        /// Encoding and locale that were asked for.
        like: String,
        /// What the server said.
        message: String,
    },
    /// A database of that name exists already.
    #[error("a database '{0}' exists already")]
    Exists(String),
    /// A database to be swapped or dropped is not there.
    #[error("there is no database '{0}'")]
    Absent(String),
    /// Others are connected to a database that has to be renamed or dropped.
    #[error(
        "others are connected to the database '{database}':{}\nStop the scheduler and the web server, then run the same command again.",
        sessions.iter().map(|s| format!("\n  {s}")).collect::<String>()
    )]
    InUse {
        /// The database's name.
        database: String,
        /// Who is connected.
        sessions: Vec<super::OtherSession>,
    },
    /// A database that would be dropped is not one that we made.
    #[error("the database '{0}' was not made by a restore: it is left alone")]
    NotStaging(String),
    /// Another operation works on this database.
    #[error(
        "another operation works on this database{}\n\
         Wait until it has ended.",
        .0.as_ref().map(|s| format!(": {s}")).unwrap_or_default()
    )]
    Locked(Option<super::OtherSession>),
    /// Our tables were made by a newer version of this program.
    #[error(
        "the tables of fo_backup in this database have version {found}, this program knows \
         version {known}\nInstall a newer fo_backup."
    )]
    NewerSchema {
        /// The tables' version.
        found: u32,
        /// The version that this program makes.
        known: u32,
    },
    /// The role may not make our tables.
    #[error(
        "making our own tables: {message}\n\
         Let the database's owner or a superuser run in it: GRANT CREATE ON SCHEMA public TO {role}"
    )]
    NoTables {
        /// The role's name, quoted as SQL needs it.
        role: String,
        /// What the server said.
        message: String,
    },
    /// PostgreSQL's programs are not there in a version that fits the server.
    #[error(
        "pg_dump and pg_restore of version {needed} or newer are needed, found: {found}\nInstall the Debian package postgresql-client-{needed} (or set the folder of the programs in fo_backup.toml)."
    )]
    NoTools {
        /// The server's major version.
        needed: u32,
        /// What was found instead.
        found: String,
    },
    /// The server is older than what is to be loaded.
    #[error(
        "the database was dumped {from}, and the server here is PostgreSQL {server}, which does not understand all of that; restore into PostgreSQL {needed} or newer"
    )]
    OlderServer {
        /// What made the dump, or would load it.
        from: String,
        /// The server's major version.
        server: u32,
        /// The lowest that will do.
        needed: u32,
    },
    /// A program could not be started or watched.
    #[error("running {}: {source}", program.display())]
    Program {
        /// The program's file.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}):\n{messages}")]
    ProgramFailed {
        /// The program's name.
        program: &'static str,
        /// How it ended.
        status: String,
        /// What it said, without quoted rows.
        messages: String,
    },
    /// We were asked to stop, and the program was ended.
    #[error("{program} was stopped")]
    Stopped {
        /// The program's name.
        program: &'static str,
    },
    /// A file or folder could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "reading".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The result of this room's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done to a failed statement; for `map_err`.
    pub fn sql(doing: &'static str) -> impl Fn(postgres::Error) -> Self {
        move |error| {
            let message = message(&error);
            if is_lost(&error) {
                return Self::Lost {
                    doing,
                    reason: message,
                };
            }
            Self::Sql {
                doing,
                code: error
                    .code()
                    .map(|code| code.code().to_owned())
                    .unwrap_or_default(),
                message,
            }
        }
    }

    /// Whether the server gave this code.
    pub(crate) fn has_code(&self, state: &SqlState) -> bool {
        matches!(self, Self::Sql { code, .. } if code == state.code())
    }
}

/// The server's message and hint, or what broke on our side; never a quoted row.
pub(crate) fn message(error: &postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return match db.hint() {
            Some(hint) => format!("{} ({hint})", db.message()),
            None => db.message().to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn is_lost(error: &postgres::Error) -> bool {
    if error.is_closed() {
        return true;
    }
    match error.code() {
        // Class 08 is about the connection; 57P is the server going down or ending the session.
        Some(code) => code.code().starts_with("08") || code.code().starts_with("57P"),
        None => std::error::Error::source(error).is_some_and(|cause| cause.is::<io::Error>()),
    }
}
