// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a backup is: immutable packs of blobs, chunks of everything else, and snapshots that say
//! which of them belong together. The format is written down in docs/vault-format.md.
//!
//! Objects are only ever added, each whole or not at all; a snapshot is put last, when all that
//! it names is durable. A run that dies leaves complete packs (the next run takes them over) and
//! at most a few files in `tmp/`, never half an object.

mod chunks;
mod crypt;
mod encryption;
mod error;
mod index;
mod key;
mod lease;
mod local;
mod location;
mod members;
mod pack;
mod rebuild;
mod remote;
mod removal;
mod repack;
mod restore_md;
pub mod retention;
mod s3;
mod seal;
mod sftp;
mod snapshot;
mod storage;
mod tarball;
mod transport;

pub use chunks::{ChunkStore, Stream, StreamReader};
pub use crypt::{Identities, ListKey, Passphrase, Recipients};
pub use error::{Error, Result};
pub use index::{IndexFile, IndexMerge, Record};
pub use key::{ChunkId, Key, Kind as ObjectKind, PackId, SnapshotId};
pub use lease::{Lease, LeaseKind};
pub use location::Location;
pub use members::{Members, bitmap};
pub use pack::{
    FRAME_TARGET, Frame, FrameBuilder, LARGE, LargeBlob, PackInfo, PackReader, PackWriter,
};
pub use rebuild::rebuild_index;
pub use remote::{Requests, Settings as StorageSettings};
pub use removal::Removal;
pub use repack::{Moved, Repacker};
pub use snapshot::{
    Absent, Alias, ByUrl, CatalogueMark, Counts, Database, External, ExtraPath, Mode, PackRef,
    Snapshot, SnapshotList,
};
pub use storage::{Object, Put, Spool, Storage};

use location::Place;
use remote::Remote;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The format that this program writes, and the newest of a vault that it reads.
pub const FORMAT: u32 = 1;

/// More bytes than any vault.json has.
const HEAD_MOST: u64 = 1 << 20;

/// The format of a snapshot that lacks what an earlier reader would take to be in it: gold that
/// comes back from the web, or a database that another program has backed up.
pub const FORMAT_ELSEWHERE: u32 = 2;

/// An open vault.
#[derive(Clone)]
pub struct Vault {
    storage: Arc<dyn Storage>,
    /// Where everything lies as it is stored; the same where nothing is encrypted.
    raw: Arc<dyn Storage>,
    /// `storage`, when it is encrypted.
    sealed: Option<Arc<crypt::Sealed>>,
    head: Head,
}

/// The contents of `vault.json`, written once.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Head {
    format: u32,
    vault: Uuid,
    instance: Uuid,
    made: jiff::Timestamp,
    /// For whom it was encrypted when it was made; nobody where it is not encrypted.
    #[serde(default)]
    recipients: Recipients,
}

impl Head {
    fn new(instance: Uuid, recipients: Recipients) -> Self {
        Self {
            format: FORMAT,
            vault: Uuid::new_v4(),
            instance,
            made: now(),
            recipients,
        }
    }
}

impl Vault {
    /// Makes a vault for one FOSSology instance, encrypted when there are recipients. An empty or missing
    /// directory becomes a vault; one that is a vault of the same instance already is opened as it is.
    ///
    /// `keep` is given the new vault's id and the key of its lists, and has to keep it for good before
    /// it returns: only then is the vault there.
    ///
    /// # Errors
    /// When something else lies there, the vault belongs to another instance or is not encrypted in
    /// that way, or `keep` fails.
    pub fn init<E: From<Error>>(
        location: &Location,
        instance: Uuid,
        recipients: &Recipients,
        keep: impl FnOnce(Uuid, &ListKey) -> Result<(), E>,
    ) -> Result<Self, E> {
        let storage = open_storage(location, true)?;
        if !is_vault(&*storage, location)? {
            let head = Head::new(instance, recipients.clone());
            // RESTORE.md goes first: whoever finds vault.json finds the instructions too.
            storage.put(&Key::restore_md(), restore_md::TEXT.as_bytes())?;
            if !recipients.is_empty() {
                let earlier = crypt::Generations::read(&*storage)?;
                let list_key = ListKey::generate();
                keep(head.vault, &list_key)?;
                let first = crypt::Generation::after(&earlier, recipients.clone(), &list_key)?;
                first.put(&*storage)?;
            }
            storage.put(&Key::head(), &to_json(&head))?;
        }
        let vault = Self::open(location)?;
        vault.expect_instance(instance)?;
        vault.expect_encryption(recipients)?;
        Ok(vault)
    }

    /// Opens the vault at a location.
    ///
    /// # Errors
    /// [`Error::NotAVault`] when there is none, and when its format is newer.
    pub fn open(location: &Location) -> Result<Self> {
        let storage = open_storage(location, false)?;
        let key = Key::head();
        let text = match storage.whole(&key, HEAD_MOST) {
            Err(Error::Missing { .. }) => {
                return Err(Error::NotAVault {
                    location: location.to_string(),
                });
            }
            text => text?,
        };
        // The format is looked at first: a newer vault.json may have any form besides.
        #[derive(serde::Deserialize)]
        struct Format {
            format: u32,
        }
        let damaged = |error: serde_json::Error| {
            Error::damaged(&key, format!("no valid vault.json ({error})"))
        };
        let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(Error::Newer {
                location: location.to_string(),
                format,
            });
        }
        let head: Head = serde_json::from_slice(&text).map_err(damaged)?;
        if head.recipients.is_empty() {
            return Ok(Self {
                raw: storage.clone(),
                storage,
                sealed: None,
                head,
            });
        }
        let generations = crypt::Generations::read(&*storage)?;
        let sealed = Arc::new(crypt::Sealed::new(storage.clone(), generations));
        Ok(Self {
            raw: storage,
            storage: sealed.clone(),
            sealed: Some(sealed),
            head,
        })
    }

    /// The storage that the vault lies in.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// Where the vault is, for messages; without secrets.
    pub fn location(&self) -> String {
        self.storage.location()
    }

    /// The FOSSology instance whose snapshots the vault holds.
    pub fn instance(&self) -> Uuid {
        self.head.instance
    }

    /// The vault's own id.
    pub fn id(&self) -> Uuid {
        self.head.vault
    }

    /// Refuses a vault of another instance.
    ///
    /// # Errors
    /// [`Error::OtherInstance`].
    pub fn expect_instance(&self, instance: Uuid) -> Result<()> {
        if self.head.instance == instance {
            return Ok(());
        }
        Err(Error::OtherInstance {
            location: self.location(),
            vault: self.head.instance,
            instance,
        })
    }

    /// The chunks of database dumps and other streams.
    pub fn chunks(&self) -> ChunkStore {
        ChunkStore::new(self.storage.clone())
    }

    /// Takes a lease; see [`Lease`].
    ///
    /// # Errors
    /// [`Error::Locked`] when another live run holds one that conflicts.
    pub fn lease(&self, kind: LeaseKind, verb: &str) -> Result<Lease> {
        Lease::acquire(self.storage.clone(), kind, verb, None)
    }

    /// Takes a lease to add objects together with others of the same run: several processes, on
    /// several hosts perhaps, that do one thing. `run` tells them from everybody else.
    ///
    /// # Errors
    /// As [`Vault::lease`].
    pub fn shared_lease(&self, verb: &str, run: &str) -> Result<Lease> {
        Lease::acquire(self.storage.clone(), LeaseKind::Append, verb, Some(run))
    }

    /// The packs that lie in the vault, whether or not a snapshot names them, in the order of
    /// their ids.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn packs(&self) -> Result<Vec<PackInfo>> {
        pack::list(&*self.storage)
    }

    /// The sizes of the packs and of the indexes that lie in the vault, in bytes.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn packs_and_indexes(&self) -> Result<(HashMap<PackId, u64>, HashMap<PackId, u64>)> {
        let (mut packs, mut indexes) = (HashMap::new(), HashMap::new());
        for Object { key, size } in self.storage.list("packs/")? {
            match key.kind() {
                ObjectKind::Pack(id) => drop(packs.insert(id, size)),
                ObjectKind::Index(id) => drop(indexes.insert(id, size)),
                _ => {}
            }
        }
        Ok((packs, indexes))
    }

    /// Takes a pack of another vault over, with its index: the index first, so that a pack is never
    /// without one. `went` hears of each piece, and says whether to go on.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the pack is not what its name says; then nothing of it is here.
    pub fn take_pack(
        &self,
        from: &Self,
        id: PackId,
        size: u64,
        went: impl FnMut(u64) -> bool,
    ) -> Result<u64> {
        self.expect_like(from)?;
        transport::take_pack(&self.way_from(from), id, size, went)
    }

    /// Takes the index of a pack of another vault over, also in place of one that is cut.
    ///
    /// # Errors
    /// When it cannot be read there or written here.
    pub fn take_index(&self, from: &Self, id: PackId) -> Result<()> {
        self.expect_like(from)?;
        transport::put_index(&self.way_from(from), id)
    }

    /// The ids of all snapshots, oldest first.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn snapshot_ids(&self) -> Result<Vec<SnapshotId>> {
        snapshot::ids(&*self.storage)
    }

    /// Puts a snapshot as another vault has it, byte for byte. All that it names is here already.
    ///
    /// # Errors
    /// When it cannot be read there or written here.
    pub fn put_copy(&self, from: &Self, id: &SnapshotId) -> Result<()> {
        self.expect_like(from)?;
        transport::copy_snapshot(&self.way_from(from), id)
    }

    /// Takes a chunk of another vault over, compared with its name where it can be read; gives back
    /// its stored bytes. One of another size that is here is damaged and replaced.
    ///
    /// # Errors
    /// When it is damaged there or cannot be put here.
    pub fn take_chunk(&self, from: &Self, id: ChunkId) -> Result<u64> {
        self.expect_like(from)?;
        if from.is_readable() {
            let whole = from.chunks().packed(id);
            whole.map_err(|error| error.of_reading(&id.key()))?;
        }
        transport::take_chunk(&self.way_from(from), id)
    }

    fn way_from<'a>(&'a self, from: &'a Self) -> transport::Way<'a> {
        transport::Way {
            to: &*self.raw,
            from: &*from.raw,
            clear: &*from.storage,
            sealed: self.is_encrypted(),
        }
    }

    /// All snapshots, oldest first.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn snapshots(&self) -> Result<SnapshotList> {
        snapshot::list(&*self.storage)
    }

    /// The snapshot with this id (or the start of one), or the newest one for `latest`.
    ///
    /// # Errors
    /// When there is none, or several begin so.
    pub fn snapshot(&self, wanted: &str) -> Result<Snapshot> {
        snapshot::find(&*self.storage, wanted)
    }

    /// The keys of all files of snapshots, oldest first, whether or not they can be read.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn snapshot_keys(&self) -> Result<Vec<Object>> {
        self.storage.list("snapshots/")
    }

    /// Reads one snapshot's file.
    ///
    /// # Errors
    /// When it is damaged, or of a newer format.
    pub fn read_snapshot(&self, file: &Object) -> Result<Snapshot> {
        snapshot::read(&*self.storage, &file.key)
    }

    /// Whether the vault's instructions are those that this program writes.
    ///
    /// # Errors
    /// When they are missing or cannot be read.
    pub fn has_own_instructions(&self) -> Result<bool> {
        Ok(self.storage.whole(&Key::restore_md(), HEAD_MOST)? == restore_md::TEXT.as_bytes())
    }

    /// An id for a snapshot of this time, later than that of every other snapshot.
    ///
    /// # Errors
    /// When the vault cannot be listed.
    pub fn new_snapshot_id(&self, time: jiff::Timestamp) -> Result<SnapshotId> {
        let ids = snapshot::ids(&*self.storage)?;
        Ok(SnapshotId::after(ids.last(), time))
    }

    /// Puts a snapshot once more, with other packs that hold the same members, and another id of the
    /// same moment. The old one stays until it is removed; both are whole. The new one is read
    /// back before this returns.
    ///
    /// # Errors
    /// When the old one cannot be read, or the new one not written.
    pub fn put_with_packs(&self, old: &SnapshotId, packs: &[PackRef]) -> Result<Snapshot> {
        let id = old.again();
        let text = snapshot::with_packs(&*self.storage, old, &id, packs)?;
        self.storage.put(&id.key(), &text)?;
        snapshot::read(&*self.storage, &id.key())
    }

    /// Puts a snapshot. Everything that it names is durable already: each object was synced
    /// before it got its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        self.storage
            .put(&snapshot.id.key(), &seal::seal(to_json(snapshot)))?;
        Ok(())
    }
}

/// Whether a vault is there; what is neither that nor empty is refused.
fn is_vault(storage: &dyn Storage, location: &Location) -> Result<bool> {
    match storage.begin(&Key::head(), 1) {
        Err(Error::Missing { .. }) => {}
        found => return found.map(|_| true),
    }
    // What an init leaves that was killed.
    let own = |key: &Key| *key == Key::restore_md() || key.as_str().starts_with("recipients/");
    match storage.list("")?.iter().any(|object| !own(&object.key)) {
        true => Err(Error::NotEmpty {
            location: location.to_string(),
        }),
        false => Ok(false),
    }
}

fn open_storage(location: &Location, make: bool) -> Result<Arc<dyn Storage>> {
    let settings = location.settings();
    Ok(match location.place() {
        Place::Folder(path) => {
            if make {
                local::Local::make(path)?;
            }
            Arc::new(local::Local::open(path)?)
        }
        Place::S3(bucket) => {
            let server = s3::S3::new(bucket, settings)?;
            Arc::new(Remote::new(server, settings.scratch()))
        }
        Place::Sftp(folder) => {
            let server = sftp::Sftp::new(folder, settings);
            Arc::new(Remote::new(server, settings.scratch()))
        }
    })
}

/// The current time in whole seconds, as snapshots carry it.
pub(crate) fn now() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut text =
        serde_json::to_vec_pretty(value).expect("plain structs with text keys always serialize");
    text.push(b'\n');
    text
}
