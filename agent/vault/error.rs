// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong with a vault, with what was being done and what to do next.

use super::Key;
use std::io;
use uuid::Uuid;

/// A failure of the vault or of one of its objects.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("{doing} {what}: {source}")]
    Io {
        /// What was being done, as in "reading".
        doing: &'static str,
        /// The object or place.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// No space is left where the vault lies.
    #[error(
        "{doing} {what}: no space is left in the vault's file system; what is complete stays and is used by the next run, so free space (or expire old snapshots) and run it again"
    )]
    Full {
        /// What was being done.
        doing: &'static str,
        /// The object or place.
        what: String,
    },
    /// What names a place is wrong, or what is set for it.
    #[error("'{text}' cannot be used as a vault's location: {why}")]
    Location {
        /// What was given, without secrets.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// A server could not be reached for long.
    #[error(
        "{location} did not answer for {seconds} s, {doing}: {source}; look at the network and the server, then run it again: what is complete there stays and is used"
    )]
    NoAnswer {
        /// The server's place.
        location: String,
        /// What was being done.
        doing: String,
        /// How long it was tried.
        seconds: u64,
        /// What was seen last.
        source: io::Error,
    },
    /// A server said no.
    #[error("{location} refused, {doing}: {says}; {todo}")]
    Refused {
        /// The server's place.
        location: String,
        /// What was being done.
        doing: String,
        /// The server's words.
        says: String,
        /// What to do about it.
        todo: String,
    },
    /// No room on this host for a pack on its way.
    #[error(
        "making a file in {folder}, where packs lie on their way: {source}; set scratch in fo_backup.toml",
        folder = folder.display()
    )]
    Scratch {
        /// The folder.
        folder: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no vault at the location.
    #[error("no vault at {location}; 'fo_backup --vault {location} init' makes one")]
    NotAVault {
        /// The location.
        location: String,
    },
    /// Something that is no vault lies at the location.
    #[error("{location} is not empty and is no vault; name an empty or a new directory")]
    NotEmpty {
        /// The location.
        location: String,
    },
    /// The vault was written by a newer program.
    #[error(
        "the vault at {location} has format {format}, newer than this program knows; update fo_backup"
    )]
    Newer {
        /// The location.
        location: String,
        /// Its format.
        format: u32,
    },
    /// An object is encrypted, and there is no key at hand for what it is.
    #[error(
        "the vault at {location} is encrypted, and reading {key} takes a private key: give --identity FILE (or FO_BACKUP_IDENTITY), the file that age-keygen made"
    )]
    NoKey {
        /// The object.
        key: Key,
        /// The vault.
        location: String,
    },
    /// The private keys are those of somebody else.
    #[error(
        "none of the private keys given opens the vault at {location}; it is encrypted for {recipients}"
    )]
    WrongKey {
        /// The vault.
        location: String,
        /// Its public keys.
        recipients: String,
    },
    /// None of the private keys at hand opens an object.
    #[error(
        "none of the keys at hand opens {key}: its head is damaged, or it was encrypted for other recipients ('fo_backup keys list' shows for whom and since when)"
    )]
    NotOpened {
        /// The object.
        key: Key,
    },
    /// The key that opens lists is not in the instance's database.
    #[error(
        "this instance's database has no key for the lists of the vault at {location}, so nobody here knows what the vault holds; 'fo_backup --identity FILE keys accept' brings it back, or 'fo_backup keys start-over' makes another one: then the next backup stores everything anew beside what is there"
    )]
    NoListKey {
        /// The vault.
        location: String,
    },
    /// The vault names other recipients than the instance knows.
    #[error(
        "the vault at {location} is encrypted for {found}, but this instance was told {known}; if you changed that elsewhere, run 'fo_backup keys accept', else somebody wants to read your backups: find out who can write to the vault"
    )]
    RecipientsDiffer {
        /// The vault.
        location: String,
        /// What it says.
        found: String,
        /// What the instance knows.
        known: String,
    },
    /// Nothing but the vault says for whom it is encrypted.
    #[error(
        "the vault at {location} says that it is encrypted for {found}, and no database of this instance says that those are the right ones, so nothing is written for them; if they are, 'fo_backup --identity FILE keys accept' takes them over, else find out who can write to the vault. Where the private key is lost, 'fo_backup keys start-over' goes on with those recipients and a new key of lists"
    )]
    RecipientsUnknown {
        /// The vault.
        location: String,
        /// What it says.
        found: String,
    },
    /// The vault is in the clear, and the instance does not know it so.
    #[error(
        "the vault at {location} says that it is not encrypted, but {known}, so nothing is written there: {todo}"
    )]
    NotEncrypted {
        /// The vault.
        location: String,
        /// What the instance knows.
        known: &'static str,
        /// What to do.
        todo: &'static str,
    },
    /// The vault is there and is not encrypted as was asked for.
    #[error("the vault at {location} {is}; {todo}")]
    OtherEncryption {
        /// The vault.
        location: String,
        /// What it is.
        is: String,
        /// What to do.
        todo: &'static str,
    },
    /// A file of private keys cannot be used.
    #[error("the private key in {file}: {why}")]
    Identity {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A recipient cannot be used.
    #[error("recipients: {why}")]
    Recipient {
        /// What is wrong.
        why: String,
    },
    /// The location names a storage that is not known.
    #[error(
        "'{scheme}://' is no storage that this version knows; name a directory, s3://BUCKET/PREFIX or sftp://USER@HOST/PATH"
    )]
    Scheme {
        /// The part before `://`.
        scheme: String,
    },
    /// The vault holds another instance's snapshots.
    #[error(
        "the vault at {location} belongs to FOSSology instance {vault}, this one is {instance}; name this instance's own vault, or, if it is the same instance after a restore by other means, run 'fo_backup init --adopt'"
    )]
    OtherInstance {
        /// The location.
        location: String,
        /// The instance in vault.json.
        vault: Uuid,
        /// The instance at hand.
        instance: Uuid,
    },
    /// An object that has to be there is not.
    #[error("{key} is missing in the vault at {location}")]
    Missing {
        /// The object.
        key: Key,
        /// The vault.
        location: String,
    },
    /// An object is there but not what it has to be.
    #[error("{key} in the vault is damaged: {why}")]
    Damaged {
        /// The object.
        key: Key,
        /// What is wrong with it.
        why: String,
    },
    /// The storage lets nobody remove an object, or not us.
    #[error(
        "{location} does not let us remove {key} ({source}); expire where removal is allowed, with the keys for that. What was not removed is whole and stays"
    )]
    NoRemoval {
        /// The object.
        key: Key,
        /// The vault.
        location: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another run works on the vault.
    #[error(
        "the vault is locked by '{verb}' of {owner} since {since}; wait until it ends (a lease left by a dead run ends by itself at {until})"
    )]
    Locked {
        /// The other run's verb.
        verb: String,
        /// Its host and process.
        owner: String,
        /// When it started.
        since: jiff::Timestamp,
        /// When its lease expires unless it is renewed.
        until: jiff::Timestamp,
    },
    /// The own lease was lost, so another run may have started.
    #[error(
        "the lease on the vault could not be renewed for too long and is lost: {why}; run it again"
    )]
    LeaseLost {
        /// Why it was not renewed.
        why: String,
    },
    /// No snapshot is named so.
    #[error("no snapshot '{wanted}' in the vault at {location}; 'fo_backup snapshots' lists them")]
    NoSnapshot {
        /// What was asked for.
        wanted: String,
        /// The vault.
        location: String,
    },
    /// Several snapshots begin so.
    #[error("several snapshots begin with '{wanted}': {found}; name one of them")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Their ids.
        found: String,
    },
    /// Somebody asked to stop while a stream was stored.
    #[error("interrupted; the chunks that are stored stay and are used by the next run")]
    Stopped,
    /// No thread could be started.
    #[error(transparent)]
    Thread(#[from] crate::threads::NotStarted),
    /// The source of a stream could not be read.
    #[error("reading {what} for the backup: {source}")]
    Source {
        /// What was read.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The result of this room's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done and where to an I/O error; for `map_err`.
    pub(super) fn io(doing: &'static str, what: impl ToString) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_string();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing, what },
            _ => Self::Io {
                doing,
                what,
                source,
            },
        }
    }

    /// An object that is not what it has to be.
    pub(crate) fn damaged(key: &Key, why: impl Into<String>) -> Self {
        Self::Damaged {
            key: key.clone(),
            why: why.into(),
        }
    }

    /// The same of reading an object, where that a disk cannot read it makes it a damaged one: the
    /// others may be whole.
    pub(crate) fn of_reading(self, key: &Key) -> Self {
        match self {
            Self::Io { source, .. }
                if matches!(
                    source.raw_os_error(),
                    Some(libc::EIO | libc::EBADMSG | libc::EUCLEAN)
                ) =>
            {
                Self::damaged(key, format!("it cannot be read ({source})"))
            }
            other => other,
        }
    }

    /// Whether this says that an object is missing or damaged, and not that the vault as a whole
    /// cannot be used.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::Damaged { .. } | Self::NotOpened { .. }
        )
    }

    /// Whether this says that the storage takes nothing (from us, or at all), and not that it may take it
    /// in a moment.
    pub(super) fn is_denial(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Refused { .. } => true,
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ),
            _ => false,
        }
    }

    /// Whether this says that an object is not for the keys at hand: it may be whole, and others read it.
    pub fn is_for_others(&self) -> bool {
        matches!(self, Self::NotOpened { .. })
    }

    /// Whether this says that the right private key is missing.
    pub fn is_about_keys(&self) -> bool {
        matches!(
            self,
            Self::NoKey { .. }
                | Self::WrongKey { .. }
                | Self::NotOpened { .. }
                | Self::NoListKey { .. }
                | Self::RecipientsDiffer { .. }
                | Self::RecipientsUnknown { .. }
                | Self::NotEncrypted { .. }
                | Self::Identity { .. }
        )
    }
}
