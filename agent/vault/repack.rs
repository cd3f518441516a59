// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packing again what is still needed of packs that are mostly dead. Each blob is decoded and
//! compared with its name on the way. A frame of which everything is needed is taken as it is,
//! the blobs of others are put into new frames; paths, keys and links stay what they were.
//!
//! Old packs are only read. Killed in the middle, a new pack is there whole or not at all, and
//! whoever packs again finds its blobs by their names.

use super::index::IndexFile;
use super::pack::decode_frame;
use super::rebuild::tree_of;
use super::{
    Error, FRAME_TARGET, Frame, FrameBuilder, PackId, PackReader, PackRef, PackWriter, Record,
    Result, Storage,
};
use crate::blob::{Hasher, PfileName, Tree, digest};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tar::EntryType;

/// How many bytes are collected before frames are made of them.
const BATCH: usize = 4 * FRAME_TARGET;

/// In which new packs the needed blobs of old ones lie.
pub type Moved = BTreeMap<PackId, Vec<PackRef>>;

/// Puts blobs of old packs of one class into new ones.
pub struct Repacker {
    storage: Arc<dyn Storage>,
    class: Tree,
    builder: FrameBuilder,
    writer: Option<PackWriter>,
    /// The old packs that have something in the pack that is being written.
    sources: BTreeSet<PackId>,
    moved: Moved,
    made: Vec<PackRef>,
}

/// A member of a frame.
struct Member {
    name: PfileName,
    places: Vec<(Tree, String)>,
}

impl Repacker {
    /// Makes packs for this tree, new frames with this zstd level.
    ///
    /// # Errors
    /// When zstd does not know the level.
    pub fn new(storage: Arc<dyn Storage>, class: Tree, level: i32) -> Result<Self> {
        Ok(Self {
            storage,
            class,
            builder: FrameBuilder::new(level)?,
            writer: None,
            sources: BTreeSet::new(),
            moved: Moved::new(),
            made: Vec::new(),
        })
    }

    /// Packs some records, by their numbers, of an old pack again.
    ///
    /// # Errors
    /// When one of the blobs is damaged or missing: then nothing counts as moved, and what was
    /// packed of it by then is only there twice. Else when a new pack cannot be written.
    pub fn take(&mut self, index: &IndexFile, wanted: &RoaringBitmap) -> Result<()> {
        self.moved.entry(index.pack()).or_default();
        let taken = self.take_records(index, wanted);
        if taken.is_err() {
            self.builder.clear();
            self.sources.remove(&index.pack());
            self.moved.remove(&index.pack());
        }
        taken
    }

    fn take_records(&mut self, index: &IndexFile, wanted: &RoaringBitmap) -> Result<()> {
        let reader = PackReader::new(self.storage.clone(), index.pack());
        let mut records: Vec<(Record, bool)> = Vec::new();
        index.for_each(|number, record| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            records.push((record, wanted.contains(number)));
        })?;
        records.sort_unstable_by_key(|(record, _)| (record.frame_offset, record.at));
        for frame in records.chunk_by(|a, b| a.0.frame_offset == b.0.frame_offset) {
            let live: Vec<Record> = frame
                .iter()
                .filter(|(_, wanted)| *wanted)
                .map(|(record, _)| *record)
                .collect();
            match live.as_slice() {
                [] => {}
                [record] if PackReader::is_large(record) => self.take_large(&reader, record)?,
                live => self.take_frame(&reader, live, frame.len())?,
            }
        }
        self.flush(index.pack())
    }

    fn take_frame(&mut self, reader: &PackReader, live: &[Record], all: usize) -> Result<()> {
        let pack = reader.id();
        let bytes = reader.bytes(live[0].frame_offset, live[0].frame_len);
        let bytes = bytes.map_err(|error| unreadable(pack, error))?;
        let decoded = reader.decode(&bytes)?;
        for record in live {
            if digest(reader.content(record, &decoded)?) != record.name {
                return Err(wrong(pack, &record.name));
            }
        }
        let members = members(pack, &decoded)?;
        if live.len() == all && members.len() == all {
            return self.add(pack, Frame::whole(bytes, live.to_vec()));
        }
        let places: BTreeMap<PfileName, Vec<(Tree, String)>> = members
            .into_iter()
            .map(|member| (member.name, member.places))
            .collect();
        for record in live {
            let places = places.get(&record.name).ok_or_else(|| {
                Error::damaged(
                    &pack.key(),
                    format!("{} has no member in its frame", record.name),
                )
            })?;
            let content = reader.content(record, &decoded)?;
            let buffer = self.builder.begin(record.name, record.pfile, places)?;
            buffer.extend_from_slice(content);
            self.builder.keep()?;
        }
        if self.builder.raw_len() >= BATCH {
            self.flush(pack)?;
        }
        Ok(())
    }

    /// Makes frames of what is collected.
    fn flush(&mut self, pack: PackId) -> Result<()> {
        for frame in self.builder.finish()? {
            self.add(pack, frame)?;
        }
        Ok(())
    }

    fn add(&mut self, pack: PackId, frame: Frame) -> Result<()> {
        self.writer()?.add(frame)?;
        self.added(pack)
    }

    /// A large blob has frames of its own, which are taken as they are: header, content and links.
    fn take_large(&mut self, reader: &PackReader, record: &Record) -> Result<()> {
        let pack = reader.id();
        let mut hasher = Hasher::new();
        let read = reader.stream::<Error>(record, |piece| {
            hasher.update(piece);
            Ok(())
        });
        read.map_err(|error| unreadable(pack, error))?;
        if hasher.finish() != record.name {
            return Err(wrong(pack, &record.name));
        }
        self.writer()?.copy(record, |offset, most| {
            let len = most.min(record.frame_len - offset);
            let bytes = reader.bytes(record.frame_offset + offset, len)?;
            let len = zstd::zstd_safe::find_frame_compressed_size(&bytes)
                .map_err(|_| Error::damaged(&pack.key(), "a frame of a large blob is cut"))?;
            let content = decode_frame(&bytes[..len])
                .map_err(|error| Error::damaged(&pack.key(), error.to_string()))?;
            Ok((bytes[..len].to_vec(), content))
        })?;
        self.added(pack)
    }

    fn writer(&mut self) -> Result<&mut PackWriter> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(PackWriter::new(self.storage.clone(), self.class)?)),
        }
    }

    fn added(&mut self, pack: PackId) -> Result<()> {
        self.sources.insert(pack);
        if self.writer.as_ref().is_some_and(PackWriter::is_full) {
            self.complete()?;
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let sources = std::mem::take(&mut self.sources);
        if let Some(made) = writer.finish()? {
            self.made.push(made);
            for source in sources {
                if let Some(packs) = self.moved.get_mut(&source) {
                    packs.push(made);
                }
            }
        }
        Ok(())
    }

    /// Ends the last pack. Gives back where everything is, and the new packs.
    ///
    /// # Errors
    /// When it cannot be put.
    pub fn finish(mut self) -> Result<(Moved, Vec<PackRef>)> {
        self.complete()?;
        Ok((self.moved, self.made))
    }
}

/// An old pack that a disk does not give back is damaged like one that was changed.
fn unreadable(pack: PackId, error: Error) -> Error {
    match error {
        Error::Io { source, .. } => Error::damaged(&pack.key(), source.to_string()),
        other => other,
    }
}

fn wrong(pack: PackId, name: &PfileName) -> Error {
    Error::damaged(&pack.key(), format!("{name} is not what its name says"))
}

/// The members of a decoded frame, with their places.
fn members(pack: PackId, frame: &[u8]) -> Result<Vec<Member>> {
    let damaged = |why: String| Error::damaged(&pack.key(), why);
    let failed = |error: std::io::Error| damaged(error.to_string());
    let mut members: Vec<Member> = Vec::new();
    for entry in tar::Archive::new(frame).entries().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| damaged("a member's path is no text".into()))?;
        let tree = tree_of(&path).ok_or_else(|| damaged(format!("'{path}' is in no tree")))?;
        match entry.header().entry_type() {
            EntryType::Regular => {
                let name = path.rsplit('/').next().and_then(|name| name.parse().ok());
                members.push(Member {
                    name: name.ok_or_else(|| damaged(format!("'{path}' is no blob")))?,
                    places: vec![(tree, path)],
                });
            }
            EntryType::Link => {
                let member = members.last_mut();
                let member = member.ok_or_else(|| damaged("a link without a member".into()))?;
                member.places.push((tree, path));
            }
            other => {
                return Err(damaged(format!(
                    "a member of kind {other:?} is not of ours"
                )));
            }
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests;
