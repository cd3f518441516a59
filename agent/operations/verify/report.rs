// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a verification found.

use crate::blob::{PfileName, Tree};
use crate::operations::by_url::Rechecked;
use crate::vault::{PackId, Snapshot, SnapshotId, Vault};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

/// How many hit blobs a damage names; their full number is beside it.
pub const NAMED: usize = 50_000;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The snapshots that were looked at, oldest first.
    pub snapshots: Vec<Verified>,
    /// What is missing or damaged.
    pub damage: Vec<Damage>,
    /// What is no damage but somebody may want to know.
    pub notes: Vec<Note>,
    /// How much was looked at.
    pub checked: Checked,
    /// What came of asking the web, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urls: Option<Rechecked>,
}

impl Report {
    /// Calls objects as they are called where the vault lies.
    pub(super) fn name_as_stored(&mut self, vault: &Vault) {
        for damage in &mut self.damage {
            let stored = vault.stored_name(&damage.object);
            if stored == damage.object {
                continue;
            }
            damage.todo = damage.todo.replace(&damage.object, &stored);
            if let Some(pack) = damage.object.strip_suffix(".tar.zst") {
                let index = format!("{pack}.idx");
                damage.todo = damage.todo.replace(&index, &vault.stored_name(&index));
            }
            damage.object = stored;
        }
    }

    /// Whether something is damaged, or lost to the web, or could not be asked for.
    pub fn is_incomplete(&self) -> bool {
        self.is_damaged() || self.urls.as_ref().is_some_and(Rechecked::is_incomplete)
    }

    /// Whether damage was found that is not repaired.
    pub fn is_damaged(&self) -> bool {
        self.damage.iter().any(|damage| !damage.repaired)
    }
}

/// A snapshot that was looked at.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Its id.
    pub snapshot: SnapshotId,
    /// Whether all of it can be brought back.
    pub whole: bool,
}

/// How much was looked at.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    /// Packs that exist and have the right size.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Packs that were read and compared with their ids.
    pub packs_read: u64,
    /// Blobs in whole indexes.
    pub blobs: u64,
    /// Chunks that exist.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Chunks that were read, decoded and compared with their ids.
    pub chunks_read: u64,
    /// Bytes that were read from packs and chunks.
    pub bytes_read: u64,
}

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is not there.
    Missing,
    /// It is there, and not what it has to be.
    Damaged,
    /// It cannot be read.
    Unreadable,
    /// None of the keys at hand opens it: it was encrypted for others, or its head is damaged.
    Sealed,
    /// It is whole by itself, and does not agree with the rest of the vault.
    Inconsistent,
}

/// One object that is missing or damaged, and what that costs.
#[derive(Debug, Serialize)]
pub struct Damage {
    /// The object's key in the vault.
    pub object: String,
    /// What is wrong.
    pub kind: Kind,
    /// What was seen.
    pub why: String,
    /// The snapshots that name the object.
    pub snapshots: Vec<SnapshotId>,
    /// What of those snapshots cannot be brought back besides blobs, as "the database's toc.dat".
    pub parts: Vec<String>,
    /// How many blobs are hit.
    pub hit: u64,
    /// Whether more blobs may be hit: which ones cannot be told without the index.
    pub unknown: bool,
    /// Keys of the hit blobs.
    #[serde(skip)]
    pub hit_keys: RoaringBitmap,
    /// How many of them lie in another pack too, that was not found damaged.
    pub elsewhere: u64,
    /// The blobs that are hit, at most [`NAMED`].
    pub blobs: Vec<HitBlob>,
    /// The uploads of the instance's database that need one of them.
    pub uploads: Vec<HitUpload>,
    /// Whether this run has made it good.
    pub repaired: bool,
    /// What to do.
    pub todo: String,
}

/// What to do about an object that others read: it has to stay, since snapshots need it.
const GIVE_KEY: &str = "leave it where it is, and verify again with a private key of those for whom it was encrypted (--identity FILE, once for each file; 'fo_backup keys list' shows for whom and since when). If none of them opens it, its head is damaged";

impl Damage {
    /// Damage whose costs are not known yet.
    pub fn new(object: impl ToString, kind: Kind, why: impl ToString, todo: String) -> Self {
        let todo = match kind {
            Kind::Sealed => GIVE_KEY.to_owned(),
            _ => todo,
        };
        Self {
            object: object.to_string(),
            kind,
            why: why.to_string(),
            snapshots: Vec::new(),
            parts: Vec::new(),
            hit: 0,
            unknown: false,
            hit_keys: RoaringBitmap::new(),
            elsewhere: 0,
            blobs: Vec::new(),
            uploads: Vec::new(),
            repaired: false,
            todo,
        }
    }

    /// Whether it takes something from a snapshot that names the object.
    pub(super) fn costs(&self, snapshot: &Snapshot) -> bool {
        let keys = &snapshot.members;
        self.unknown
            || !self.parts.is_empty()
            || !(self.hit_keys.is_disjoint(&keys.gold) && self.hit_keys.is_disjoint(&keys.files))
            // A blob may have another key there.
            || (self.hit > 0 && !snapshot.aliases.is_empty())
    }
}

/// A blob that cannot be brought back from the damaged object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitBlob {
    /// Its name, unless that is lost too.
    pub name: Option<PfileName>,
    /// Its key in table `pfile` when it was packed; 0 when it is not known.
    pub pfile: u32,
    /// The trees that it lies in.
    pub trees: Vec<Tree>,
    /// Another pack that has it too.
    pub elsewhere: Option<PackId>,
}

/// An upload that needs hit blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HitUpload {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// How many of the hit blobs it needs.
    pub blobs: u64,
}

/// Something that is no damage.
#[derive(Debug, Serialize)]
pub struct Note {
    /// What it is.
    pub what: String,
    /// How many objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The first few of them.
    pub objects: Vec<String>,
}
