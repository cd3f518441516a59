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
    /// What somebody asked for through FOSSology's scheduler.
    #[error(transparent)]
    Request(#[from] fossology::own::requests::Error),
    /// A part of a backup that several hosts make.
    #[error(transparent)]
    Part(#[from] fossology::own::parts::Error),
    /// The storage of a repository host cannot be seen here.
    #[error(
        "the storage of repository host '{host}' is not there ({} is no folder); mount it, or, if the host is new and holds nothing yet, make the folder",
        path.display()
    )]
    NoStorage {
        /// The host.
        host: String,
        /// The folder that is missing.
        path: PathBuf,
    },
    /// The storage of a repository host holds nothing here, though it should.
    #[error(
        "the storage of repository host '{host}' holds nothing here ({} is empty), though blobs lie there that seem to be missing; nothing was written. Who recovers writes to all hosts, so mount it on this host as FOSSology's own agents need it, or let a host recover that sees all of them ('fo_backup queue recover --host NAME')",
        path.display()
    )]
    EmptyStorage {
        /// The host.
        host: String,
        /// The folder.
        path: PathBuf,
    },
    /// This host and the one that made the plan disagree.
    #[error("{what}; all hosts need the same, so make them equal and ask anew")]
    HostDiffers {
        /// What differs.
        what: String,
    },
    /// A repository host was left out.
    #[error(
        "nobody has packed repository host '{host}' (was [REPOSITORY] changed meanwhile?); ask anew with 'fo_backup queue'"
    )]
    HostNotPacked {
        /// The host.
        host: String,
    },
    /// A pack has gone since it was seen.
    #[error(
        "pack {pack} is not in the vault any more, so there is no snapshot (did somebody clean the vault up?); run the backup again"
    )]
    PackGone {
        /// The pack.
        pack: vault::PackId,
    },
    /// A chunk has gone since it was stored.
    #[error(
        "chunk {chunk} of the dump or of another stream is not in the vault any more, so there is no snapshot (did somebody clean the vault up?); run the backup again"
    )]
    ChunkGone {
        /// The chunk.
        chunk: vault::ChunkId,
    },
    /// Blobs are not where they have to be.
    #[error(
        "{count} blobs are not in the packs that should hold them, so there is no snapshot; 'fo_backup verify' looks at the vault, and the next backup packs them again"
    )]
    NotInVault {
        /// How many.
        count: u64,
    },
    /// FOSSology's queue.
    #[error(transparent)]
    Queue(#[from] fossology::queue::Error),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// No thread could be started.
    #[error(transparent)]
    Thread(#[from] crate::threads::NotStarted),
    /// The command or its settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// Somebody asked to stop.
    #[error("interrupted; what is complete is kept, and the same command goes on from there")]
    Interrupted,
    /// It gave way to a job that runs alone, and goes on after it.
    #[error("gave way to a job that runs alone; the rest is done after it")]
    GaveWay {
        /// What the run that goes on has to know of what was done, as the operation writes and
        /// reads it.
        carried: serde_json::Value,
    },
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
    /// A scheduler would work on what is being restored or parked.
    #[error(
        "FOSSology's scheduler runs ({place}); stop it first, for instance with 'systemctl stop fossology', and start it again afterwards"
    )]
    SchedulerRuns {
        /// Where it was seen.
        place: String,
    },
    /// Somebody is connected to the database that is to be replaced.
    #[error(
        "others are connected to the database '{name}':\n{others}\nStop them (the scheduler, the web server, fo_backup on other hosts) and try again"
    )]
    DatabaseInUse {
        /// The database.
        name: String,
        /// Who, a line each.
        others: String,
    },
    /// The repository's folder is missing.
    #[error(
        "the repository {} does not exist; mount its file system, or make the folder, or name another one with --repository",
        path.display()
    )]
    NoRepository {
        /// Its path.
        path: PathBuf,
    },
    /// There is too little space.
    #[error(
        "{what} need {} but {} has only {} free; free space or name another place",
        megabytes(*needed), place.display(), megabytes(*free)
    )]
    NoRoom {
        /// What needs it.
        what: &'static str,
        /// The folder.
        place: PathBuf,
        /// In bytes.
        needed: u64,
        /// In bytes.
        free: u64,
    },
    /// The dump found no room on its way into the vault.
    #[error(
        "{source}\nThe dump lies in {} until it is in the vault; free space there, or name another folder (scratch in fo_backup.toml, FO_BACKUP_SCRATCH), then run the same command again",
        place.display()
    )]
    NoRoomForDump {
        /// The scratch folder.
        place: PathBuf,
        /// What pg_dump said.
        source: fossology::database::Error,
    },
    /// A snapshot says something that makes no sense.
    #[error("snapshot {id} cannot be restored: {why}")]
    Snapshot {
        /// Its id.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// The database of a snapshot is in a backup of another program.
    #[error(
        "the database of snapshot {id} was backed up by another program, as '{label}': restore it with that program (up to position {until} of timeline {timeline} in its log, not further), let no job start ('fo_backup jobs park --all'), then bring back the files with 'fo_backup restore {id} --no-database'"
    )]
    External {
        /// The snapshot.
        id: String,
        /// The backup's label.
        label: String,
        /// Where its recovery has to end.
        until: String,
        /// The timeline of that.
        timeline: u32,
    },
    /// FOSSology's user or group is not known on this host.
    #[error(
        "this host has no {kind} '{name}' (fossology.conf, PROJECT{}), to whom the repository should belong; make it, or run as the user who owns the repository",
        kind.to_uppercase()
    )]
    NoOwner {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The demonstration's own instance could not be made.
    #[error(transparent)]
    Sample(#[from] crate::demo::Error),
    /// A command of the demonstration failed.
    #[error("'{command}' ended with {status}")]
    Demo {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
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

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

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
