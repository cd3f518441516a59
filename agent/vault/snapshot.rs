// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A snapshot: one moment of an instance, as the list of what belongs to it.

use super::seal::{is_whole, seal};
use super::{Error, IndexFile, Key, Members, PackId, Result, SnapshotId, Storage, Stream};
use crate::blob::{PfileName, Tree, TreeSet};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// More bytes than any snapshot has.
pub(super) const MOST: u64 = 1 << 30;

/// What a snapshot is meant to hold of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Gold and files.
    Full,
    /// Gold, and what cannot be unpacked again from it.
    Gold,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Gold => "gold",
        })
    }
}

/// One moment of an instance.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// The vault's format.
    pub format: u32,
    /// Its id, which is also its file's name.
    pub id: SnapshotId,
    /// What it holds of the repository.
    pub mode: Mode,
    /// The FOSSology instance.
    pub instance: Uuid,
    /// The host that made it.
    pub host: String,
    /// The version of the program that made it.
    pub program: String,
    /// The moment that it shows.
    pub time: Timestamp,
    /// When it was complete.
    pub finished: Timestamp,
    /// FOSSology's release, from `sysconfig`.
    pub release: Option<String>,
    /// The repository's path and depth where it was made.
    pub repository: String,
    /// Levels of folders in the repository where it was made.
    pub depth: u8,
    /// The database.
    pub database: Database,
    /// The configuration files, a tar.
    pub configuration: Stream,
    /// The other directories below the repository's path (`report`, `fossdash`, `logs`), each a tar.
    pub directories: BTreeMap<String, Stream>,
    /// The packs that hold its blobs.
    pub packs: Vec<PackRef>,
    /// Which pfiles it holds.
    pub members: Members,
    /// Members whose records in the packs carry another key of table `pfile`.
    pub aliases: Vec<Alias>,
    /// Trees of members for which the packs have no tar member or link.
    pub extra: Vec<ExtraPath>,
    /// Blobs that the database needs and the snapshot has not; see [`Counts`] for how many.
    pub absent: Vec<Absent>,
    /// Files of the configuration and of the other directories that could not be read.
    pub left_out: Vec<String>,
    /// What the next backup needs to trust the keys.
    pub catalogue: CatalogueMark,
    /// How much of what.
    pub counts: Counts,
    /// Tables and columns of which secrets were left out of the dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scrubbed: Vec<String>,
    /// Words by which people and the rotation know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Gold that it leaves to the web.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_url: Vec<ByUrl>,
    /// The ids that it had before: the same snapshot, with other packs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<SnapshotId>,
}

/// The database of a snapshot.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Database {
    /// Its name where it was dumped.
    pub name: String,
    /// The files of pg_dump's directory format.
    pub files: BTreeMap<String, Stream>,
    /// The major version of the pg_dump that made it; reading it takes at least that one.
    pub tool_major: u32,
    /// Encoding, collation, owner, extensions, roles and settings, as the instance gave them.
    pub properties: serde_json::Value,
    /// The backup of the database, where another program made it; there are no files then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// A backup of the database that another program made before the blobs were listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct External {
    /// The name by which that program knows it.
    pub label: String,
    /// What else it said, if it was a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
    /// When it began.
    pub began: Timestamp,
    /// When it had ended.
    pub ended: Timestamp,
    /// The timeline of the database's log.
    pub timeline: u32,
    /// The position in that log just before the blobs were listed: the latest to which the database
    /// may be recovered for this snapshot.
    pub until: String,
    /// Whether transactions that had begun before that position went on while the blobs were listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
}

/// A pack of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PackRef {
    /// Its id.
    pub id: PackId,
    /// Its size in bytes.
    pub size: u64,
    /// How many blobs lie in it.
    pub blobs: u64,
    /// Whether it was made for gold or for files.
    pub tree: Tree,
}

impl PackRef {
    /// How a snapshot names the pack of this index.
    pub fn of(index: &IndexFile) -> Self {
        Self {
            id: index.pack(),
            size: index.pack_size(),
            blobs: index.count(),
            tree: index.class(),
        }
    }
}

/// A member whose blob was packed when the database called it by another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Alias {
    /// The key in this snapshot's database.
    pub pfile: u32,
    /// The blob.
    pub name: PfileName,
}

/// A tree in which a blob lies although its pack has no member for it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExtraPath {
    /// The key in this snapshot's database.
    pub pfile: u32,
    /// The blob.
    pub name: PfileName,
    /// Where it lies too.
    pub tree: Tree,
}

/// An upload's own file that is not in the vault: it was seen that a URL gives it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ByUrl {
    /// The key in this snapshot's database.
    pub pfile: u32,
    /// The blob.
    pub name: PfileName,
    /// Whether it has to lie in files, too.
    pub files: bool,
    /// The URL that it came from.
    pub url: String,
    /// The uploads that came from there.
    pub uploads: Vec<i32>,
    /// When it was last downloaded and compared.
    pub downloaded: Timestamp,
    /// When it was last asked whether it is still there.
    pub asked: Timestamp,
    /// The status of the last answer.
    pub status: u16,
    /// The server's mark of this content, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

impl ByUrl {
    /// The trees that need it.
    pub fn trees(&self) -> TreeSet {
        let gold = TreeSet::of(Tree::Gold);
        if self.files {
            gold.with(Tree::Files)
        } else {
            gold
        }
    }
}

/// A blob that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Absent {
    /// The key in this snapshot's database.
    pub pfile: u32,
    /// The blob.
    pub name: PfileName,
    /// Where it was looked for first.
    pub tree: Tree,
    /// `missing`, `deleted` (its upload was deleted while the backup ran), `corrupt`, `unreadable`.
    pub kind: String,
    /// What was seen.
    pub why: String,
}

/// What tells whether the keys of table `pfile` still mean what they meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CatalogueMark {
    /// Identifies the table: cluster, timeline, database and table. Another one may use keys anew.
    pub table: String,
    /// The last value of the keys' sequence.
    pub sequence: i64,
    /// Some of the highest members. After a silent return to an older state these are the first
    /// that another blob has.
    pub highest: Vec<Alias>,
}

/// How much of what a snapshot holds, in blobs and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Blobs in gold and their bytes.
    pub gold: u64,
    /// Bytes of gold.
    pub gold_bytes: u64,
    /// Blobs in files, those in gold too included.
    pub files: u64,
    /// Bytes of files, those in gold too included.
    pub files_bytes: u64,
    /// Blobs that this run read.
    pub new: u64,
    /// Their bytes before compression.
    pub new_bytes: u64,
    /// What this run added to the vault, in bytes.
    pub stored_bytes: u64,
    /// The database's dump before compression, in bytes.
    pub dump_bytes: u64,
    /// Blobs that are missing though the database needs them.
    pub missing: u64,
    /// Blobs whose content, size or kind was wrong, or that could not be read.
    pub corrupt: u64,
    /// Blobs whose upload was deleted while the backup ran.
    pub deleted: u64,
    /// Blobs that a policy removed before any backup took them; they come back from gold.
    #[serde(default)]
    pub pruned: u64,
}

impl Snapshot {
    /// Whether something that the database needs is not in it.
    pub fn is_incomplete(&self) -> bool {
        self.counts.missing + self.counts.corrupt > 0 || !self.left_out.is_empty()
    }

    /// Every stream of the snapshot with a name for messages.
    pub fn streams(&self) -> impl Iterator<Item = (String, &Stream)> {
        let database = self.database.files.iter();
        let directories = self.directories.iter();
        std::iter::once(("the configuration".to_owned(), &self.configuration))
            .chain(database.map(|(name, stream)| (format!("the database's {name}"), stream)))
            .chain(directories.map(|(name, stream)| (format!("the directory {name}"), stream)))
    }
}

/// The snapshots of a vault.
#[derive(Debug, Default)]
pub struct SnapshotList {
    /// Those that can be read, oldest first.
    pub readable: Vec<Snapshot>,
    /// The others, with what is wrong. They hide nothing.
    pub unreadable: Vec<(Key, Error)>,
}

pub(super) fn list(storage: &dyn Storage) -> Result<SnapshotList> {
    let mut found = SnapshotList::default();
    for object in storage.list("snapshots/")? {
        match read(storage, &object.key) {
            Ok(snapshot) => found.readable.push(snapshot),
            Err(error) => found.unreadable.push((object.key, error)),
        }
    }
    Ok(found)
}

/// The ids of all snapshots, oldest first.
pub(super) fn ids(storage: &dyn Storage) -> Result<Vec<SnapshotId>> {
    let id = |key: &Key| key.file_name().strip_suffix(".json")?.parse().ok();
    let objects = storage.list("snapshots/")?;
    Ok(objects
        .iter()
        .filter_map(|object| id(&object.key))
        .collect())
}

pub(super) fn find(storage: &dyn Storage, wanted: &str) -> Result<Snapshot> {
    let ids = ids(storage)?;
    let none = || Error::NoSnapshot {
        wanted: wanted.to_owned(),
        location: storage.location(),
    };
    let id = if wanted == "latest" {
        ids.last().ok_or_else(none)?
    } else {
        let fits = |id: &SnapshotId| {
            !wanted.is_empty()
                && (id.as_str().starts_with(wanted) || id.short().starts_with(wanted))
        };
        let mut found = ids.iter().filter(|id| fits(id));
        let Some(first) = found.next() else {
            // It may have another id since its packs were rewritten.
            let newer = ids
                .iter()
                .rev()
                .filter_map(|id| read(storage, &id.key()).ok());
            let mut newer = newer.filter(|snapshot| snapshot.replaces.iter().any(fits));
            return newer.next().ok_or_else(none);
        };
        // While packs are rewritten a snapshot is there twice: either will do.
        let others = found.filter(|id| !id.same_moment(first));
        let others: Vec<&str> = others.map(|id| id.as_str()).collect();
        if !others.is_empty() {
            return Err(Error::Ambiguous {
                wanted: wanted.to_owned(),
                found: format!("{}, {}", first, others.join(", ")),
            });
        }
        first
    };
    read(storage, &id.key())
}

/// The file of the same snapshot with other packs and another id. Fields that this version does not
/// know stay as they are.
pub(super) fn with_packs(
    storage: &dyn Storage,
    old: &SnapshotId,
    new: &SnapshotId,
    packs: &[PackRef],
) -> Result<Vec<u8>> {
    let key = old.key();
    let damaged = |error: serde_json::Error| Error::damaged(&key, error.to_string());
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&storage.whole(&key, MOST)?).map_err(damaged)?;
    fields.remove("sha256");
    fields.insert("id".into(), new.as_str().into());
    fields.insert(
        "packs".into(),
        serde_json::to_value(packs).map_err(damaged)?,
    );
    match fields
        .entry("replaces")
        .or_insert_with(|| Vec::<String>::new().into())
    {
        serde_json::Value::Array(earlier) => earlier.push(old.as_str().into()),
        _ => return Err(Error::damaged(&key, "its field 'replaces' is no list")),
    }
    Ok(seal(super::to_json(&fields)))
}

pub(super) fn read(storage: &dyn Storage, key: &Key) -> Result<Snapshot> {
    let text = storage.whole(key, MOST)?;
    // The format is looked at first: a newer snapshot may have any form besides.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged =
        |error: serde_json::Error| Error::damaged(key, format!("no valid snapshot ({error})"));
    let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format > super::FORMAT_ELSEWHERE {
        return Err(Error::Newer {
            location: storage.location(),
            format,
        });
    }
    if !is_whole(&text) {
        return Err(Error::damaged(key, "its digest does not match"));
    }
    let snapshot: Snapshot = serde_json::from_slice(&text).map_err(damaged)?;
    if snapshot.id.key() != *key {
        return Err(Error::damaged(
            key,
            format!("it is snapshot {}", snapshot.id),
        ));
    }
    Ok(snapshot)
}
