// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Are the packs there, and are their indexes whole? And when a pack is not: which of its blobs
//! are hit? Its index says where each frame lies, so one bad frame does not take the rest along.

use super::inventory::Inventory;
use super::report::{Damage, Kind, Report};
use super::uploads::Hits;
use super::{Options, on_all_cores};
use crate::blob::{Hasher, digest};
use crate::operations::{Context, Result};
use crate::vault::{
    Error, IndexFile, Key, Members, PackId, PackInfo, PackReader, PackRef, Record, Vault,
    rebuild_index,
};
use postgres::Client;

/// A pack that a snapshot names.
pub(super) struct Pack {
    /// What the snapshot says of it.
    pub reference: PackRef,
    /// Its index, when it is whole.
    pub index: Option<IndexFile>,
    /// The keys of its blobs, by its index.
    pub contents: Members,
    /// The number of its damage in the report.
    pub damage: Option<usize>,
    /// Whether the pack itself is there.
    pub there: bool,
    /// Whether all of it was read.
    pub read: bool,
    /// Whether it was decrypted and holds what its index says.
    pub held: bool,
}

/// What a first look at a pack showed.
struct Looked {
    pack: Pack,
    found: Vec<Damage>,
    blobs: u64,
}

/// The packs of the snapshots, in the order of their ids.
pub(super) struct Packs(pub Vec<Pack>);

impl Packs {
    /// Looks at every pack's size and all of its index.
    pub fn look(
        vault: &Vault,
        inventory: &Inventory,
        options: &Options,
        context: Context<'_>,
        report: &mut Report,
    ) -> Result<Self> {
        let references: Vec<PackRef> = inventory.packs.values().copied().collect();
        let sizes = references
            .iter()
            .filter_map(|pack| inventory.size(&pack.id.index_key()));
        context
            .progress
            .begin("indexes", references.len() as u64, sizes.sum());
        let looked = on_all_cores(options.threads, &references, context, |reference| {
            let looked = look(vault, inventory, reference, options.repair_indexes)?;
            let size = inventory.size(&reference.id.index_key()).unwrap_or(0);
            context.progress.advance(1, size);
            Ok(looked)
        })?;
        context.progress.end();
        let mut packs = Vec::with_capacity(looked.len());
        for Looked {
            mut pack,
            found,
            blobs,
        } in looked
        {
            if pack.there {
                report.checked.packs += 1;
                report.checked.pack_bytes += pack.reference.size;
            }
            report.checked.blobs += blobs;
            let key = pack.reference.id.key();
            for damage in found {
                if damage.object == key.as_str() {
                    pack.damage = Some(report.damage.len());
                }
                report.damage.push(damage);
            }
            packs.push(pack);
        }
        Ok(Self(packs))
    }

    /// The pack with this id.
    pub fn find(&self, id: PackId) -> Option<&Pack> {
        let at = self.0.binary_search_by_key(&id, |pack| pack.reference.id);
        at.ok().map(|at| &self.0[at])
    }

    /// Names the blobs that damaged packs have lost, and the uploads that need them.
    pub fn name_hits(
        &self,
        vault: &Vault,
        mut database: Option<&mut Client>,
        context: Context<'_>,
        report: &mut Report,
    ) -> Result<()> {
        let good = self.0.iter().filter(|pack| pack.damage.is_none());
        let good: Vec<IndexFile> = good.filter_map(|pack| pack.index.clone()).collect();
        let damaged = self.0.iter().filter(|pack| pack.damage.is_some()).count();
        if damaged == 0 {
            return Ok(());
        }
        context
            .progress
            .begin("damaged packs, blob by blob", damaged as u64, 0);
        for pack in &self.0 {
            let Some(at) = pack.damage else { continue };
            let Some(index) = pack
                .index
                .as_ref()
                .filter(|_| !pack.there || vault.is_readable())
            else {
                // Members that lack their blob tell more, when the pack is missing altogether.
                report.damage[at].unknown = pack.there;
                continue;
            };
            let mut hits = Hits::new(&good, database.as_deref_mut(), report.damage.as_slice());
            if pack.there {
                for record in hit_records(vault, index, context)? {
                    hits.add(record)?;
                }
            } else {
                let mut added = Ok(());
                index.for_each(|_, record| {
                    if added.is_ok() {
                        added = hits.add(record);
                    }
                })?;
                added?;
            }
            hits.finish(&mut report.damage[at])?;
            context.progress.advance(1, 0);
        }
        context.progress.end();
        Ok(())
    }
}

fn look(vault: &Vault, inventory: &Inventory, reference: &PackRef, repair: bool) -> Result<Looked> {
    let mut found = Vec::new();
    let key = reference.id.key();
    let size = inventory.size(&key);
    match size {
        None => found.push(Damage::new(
            &key,
            Kind::Missing,
            "a snapshot names it, and it is not there",
            "run 'fo_backup backup': what of it the repository still has is packed anew".into(),
        )),
        Some(size) if size != reference.size => {
            let why = format!("it has {size} bytes instead of {}", reference.size);
            found.push(damaged_pack(&key, Kind::Damaged, why));
        }
        Some(_) => {}
    }
    let good_size = size == Some(reference.size);
    let mut index = open(vault, reference);
    if let Err((kind, why)) = index {
        let index_key = reference.id.index_key();
        let mut damage = Damage::new(&index_key, kind, why, index_todo(good_size));
        index = Err((kind, String::new()));
        if repair && good_size {
            let info = PackInfo {
                id: reference.id,
                size: reference.size,
                indexed: false,
            };
            match rebuild_index(vault.storage(), &info) {
                Ok((_, bad)) => {
                    index = open(vault, reference);
                    damage.repaired = index.is_ok();
                    damage.todo = "nothing: it was made again from its pack".into();
                    if bad > 0 {
                        let why = format!("{bad} of its members are not what their names say");
                        found.push(damaged_pack(&key, Kind::Damaged, why));
                    }
                }
                Err(error) if is_about_object(&error) => {
                    let (kind, why) = what_is_wrong(error);
                    found.push(damaged_pack(&key, kind, why));
                }
                Err(error) => return Err(error.into()),
            }
        }
        found.push(damage);
    }
    let index = index.ok();
    let mut contents = Members::default();
    if let Some(index) = &index {
        index.for_each(|_, record| contents.insert(record.pfile, record.trees))?;
        contents.optimize();
        if index.count() != reference.blobs || index.class() != reference.tree {
            found.push(Damage::new(
                reference.id.index_key(),
                Kind::Inconsistent,
                format!(
                    "it lists {} blobs of {}, a snapshot says {} of {}",
                    index.count(),
                    index.class(),
                    reference.blobs,
                    reference.tree
                ),
                index_todo(good_size),
            ));
        }
    }
    Ok(Looked {
        blobs: index.as_ref().map_or(0, IndexFile::count),
        pack: Pack {
            reference: *reference,
            index,
            contents,
            damage: None,
            there: size.is_some(),
            read: false,
            held: false,
        },
        found,
    })
}

/// Opens an index and looks at all of it.
fn open(vault: &Vault, reference: &PackRef) -> Result<IndexFile, (Kind, String)> {
    let opened = IndexFile::open(vault.storage().clone(), reference.id).and_then(|index| {
        index.verify()?;
        Ok(index)
    });
    match opened {
        Ok(index) if index.pack_size() == reference.size => Ok(index),
        Ok(index) => Err((
            Kind::Inconsistent,
            format!(
                "it is for a pack of {} bytes, a snapshot says {}",
                index.pack_size(),
                reference.size
            ),
        )),
        Err(error) => Err(what_is_wrong(error)),
    }
}

fn index_todo(pack_is_there: bool) -> String {
    if pack_is_there {
        "run 'fo_backup verify --repair-indexes': it is made again from its pack; nothing is lost"
    } else {
        "nothing by itself: it is of no use without its pack"
    }
    .into()
}

/// Damage of a pack that is there.
pub(super) fn damaged_pack(key: &Key, kind: Kind, why: impl ToString) -> Damage {
    let index = key.as_str().replace(".tar.zst", ".idx");
    Damage::new(
        key,
        kind,
        why,
        format!(
            "move {key} and {index} out of the vault, then run 'fo_backup backup': what the repository still has is packed anew. Keep them: put back, they still give an older snapshot every blob that is not named here"
        ),
    )
}

/// Whether an error is about the object that was read, and not about the vault as a whole.
pub(super) fn is_about_object(error: &Error) -> bool {
    error.is_damage() || matches!(error, Error::Io { .. })
}

/// The kind and the words for an error about an object.
pub(super) fn what_is_wrong(error: Error) -> (Kind, String) {
    match error {
        Error::Damaged { why, .. } => (Kind::Damaged, why),
        Error::Missing { .. } => (Kind::Missing, "it is not there".into()),
        Error::Io { source, .. } => (Kind::Unreadable, source.to_string()),
        other @ Error::NotOpened { .. } => (Kind::Sealed, other.to_string()),
        other => (Kind::Unreadable, other.to_string()),
    }
}

/// Decodes a pack frame by frame and gives back the records of the blobs that are not whole.
fn hit_records(vault: &Vault, index: &IndexFile, context: Context<'_>) -> Result<Vec<Record>> {
    let reader = PackReader::new(vault.storage().clone(), index.pack());
    let mut records = Vec::with_capacity(index.count() as usize);
    index.for_each(|_, record| records.push(record))?;
    records.sort_unstable_by_key(|record| (record.frame_offset, record.at));
    let mut hit = Vec::new();
    for frame in records.chunk_by(|a, b| a.frame_offset == b.frame_offset) {
        context.stop.check()?;
        if let [record] = frame
            && PackReader::is_large(record)
        {
            if !large_is_whole(&reader, record) {
                hit.push(*record);
            }
            continue;
        }
        let decoded = reader
            .bytes(frame[0].frame_offset, frame[0].frame_len)
            .and_then(|bytes| reader.decode(&bytes));
        let whole = |record: &Record| {
            decoded.as_ref().is_ok_and(|decoded| {
                reader
                    .content(record, decoded)
                    .is_ok_and(|content| digest(content) == record.name)
            })
        };
        hit.extend(frame.iter().filter(|record| !whole(record)));
    }
    Ok(hit)
}

/// Whether every blob that an index names is in its pack, decoded and compared with its name: more than
/// that the pack is what its id says, since whoever can write to the storage makes both.
pub(in crate::operations) fn holds_its_blobs(
    vault: &Vault,
    index: &IndexFile,
    context: Context<'_>,
) -> Result<bool> {
    Ok(hit_records(vault, index, context)?.is_empty())
}

fn large_is_whole(reader: &PackReader, record: &Record) -> bool {
    let mut hasher = Hasher::new();
    let read = reader.stream::<Error>(record, |piece| {
        hasher.update(piece);
        Ok(())
    });
    read.is_ok() && hasher.finish() == record.name
}
