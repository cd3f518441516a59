// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Frames in the making: blobs are read straight into the tar of a batch, hashed there together,
//! then cut into frames, compressed, and decoded once more before a frame counts. A batch has
//! several frames because hashing is much faster for many blobs at once.

use super::FRAME_TARGET;
use crate::blob::{PfileName, Tree, TreeSet};
use crate::vault::tarball::{file_header, link_header, padding};
use crate::vault::{Error, Record, Result};
use std::io;
use std::ops::Range;
use zstd::zstd_safe::CParameter;

/// Compresses frames; one for each worker, used again and again.
pub struct FrameBuilder {
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
    raw: Vec<u8>,
    decoded: Vec<u8>,
    records: Vec<Record>,
    /// The links to append behind the content of the member that is open.
    links: Vec<(String, String)>,
    /// Where each member begins.
    starts: Vec<usize>,
}

/// A compressed frame with the records of its blobs, whose offsets count from its beginning.
pub struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<Record>,
}

impl Frame {
    /// A frame of another pack, as it is, with all of its records.
    pub(in crate::vault) fn whole(bytes: Vec<u8>, records: Vec<Record>) -> Self {
        Self { bytes, records }
    }
}

impl FrameBuilder {
    /// A builder for frames of this zstd level.
    ///
    /// # Errors
    /// When zstd does not know the level.
    pub fn new(level: i32) -> Result<Self> {
        Ok(Self {
            compressor: compressor(level)?,
            decompressor: zstd::bulk::Decompressor::new()
                .map_err(Error::io("preparing", "zstd"))?,
            raw: Vec::new(),
            decoded: Vec::new(),
            records: Vec::new(),
            links: Vec::new(),
            starts: Vec::new(),
        })
    }

    /// Begins a blob's member. Its content has to be appended to the buffer that comes back, then
    /// [`FrameBuilder::keep`] or [`FrameBuilder::drop_member`] ends it. The first of the places
    /// is the member, the others are links to it.
    ///
    /// # Errors
    /// When a place cannot be a path in a tar.
    pub fn begin(
        &mut self,
        name: PfileName,
        pfile: u32,
        places: &[(Tree, String)],
    ) -> Result<&mut Vec<u8>> {
        self.starts.push(self.raw.len());
        self.links.clear();
        let trees = begin_member(&mut self.raw, &name, pfile, places)?;
        self.links.extend(links(places));
        self.records.push(Record {
            name,
            trees,
            pfile,
            frame_offset: 0,
            frame_len: 0,
            at: self.raw.len() as u32,
        });
        Ok(&mut self.raw)
    }

    /// Keeps the member that was begun; its content has the size in its name.
    ///
    /// # Errors
    /// When a link cannot be a path in a tar.
    pub fn keep(&mut self) -> Result<()> {
        let size = self.records.last().map_or(0, |record| record.name.size());
        end_member(&mut self.raw, size, &self.links)
    }

    /// Forgets the member that was begun.
    pub fn drop_member(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.raw.truncate(start);
            self.records.pop();
        }
    }

    /// The blobs so far, with their content.
    pub fn blobs(&self) -> impl Iterator<Item = (&PfileName, &[u8])> {
        self.records
            .iter()
            .map(|record| (&record.name, &self.raw[record.content()]))
    }

    /// Forgets all that was added.
    pub fn clear(&mut self) {
        self.raw.clear();
        self.records.clear();
        self.starts.clear();
    }

    /// The size of what was added, in bytes of tar.
    pub fn raw_len(&self) -> usize {
        self.raw.len()
    }

    /// Cuts what was added into frames, compresses them, checks that they decode to the same, and
    /// begins a new batch.
    ///
    /// # Errors
    /// When zstd fails, or gives back something else than it got.
    pub fn finish(&mut self) -> Result<Vec<Frame>> {
        let records = std::mem::take(&mut self.records);
        let starts = std::mem::take(&mut self.starts);
        let mut frames = Vec::new();
        let mut first = 0;
        while first < records.len() {
            let begin = starts[first];
            let next = (first + 1..records.len())
                .find(|at| starts[*at] - begin >= FRAME_TARGET)
                .unwrap_or(records.len());
            let end = starts.get(next).copied().unwrap_or(self.raw.len());
            let bytes = self.compress(begin..end)?;
            let records = records[first..next].iter().map(|record| Record {
                frame_len: bytes.len() as u64,
                at: record.at - begin as u32,
                ..*record
            });
            frames.push(Frame {
                records: records.collect(),
                bytes,
            });
            first = next;
        }
        self.clear();
        Ok(frames)
    }

    fn compress(&mut self, part: Range<usize>) -> Result<Vec<u8>> {
        let raw = &self.raw[part];
        let bytes = self
            .compressor
            .compress(raw)
            .map_err(Error::io("compressing", "a frame"))?;
        self.decoded.clear();
        self.decoded.reserve(raw.len());
        self.decompressor
            .decompress_to_buffer(&bytes, &mut self.decoded)
            .map_err(Error::io("decoding", "a frame that was just made"))?;
        if self.decoded != raw {
            return Err(not_the_same());
        }
        Ok(bytes)
    }
}

/// Appends the member's header and says for which trees it stands.
pub(super) fn begin_member(
    raw: &mut Vec<u8>,
    name: &PfileName,
    pfile: u32,
    places: &[(Tree, String)],
) -> Result<TreeSet> {
    let (_, path) = places.first().ok_or_else(|| Error::Io {
        doing: "packing",
        what: name.to_string(),
        source: io::Error::other("it has no place in the repository"),
    })?;
    file_header(raw, path, name.size(), pfile).map_err(Error::io("packing", path))?;
    Ok(places
        .iter()
        .fold(TreeSet::NONE, |trees, (tree, _)| trees.with(*tree)))
}

/// The links that stand behind a member: path and target.
pub(super) fn links(places: &[(Tree, String)]) -> impl Iterator<Item = (String, String)> {
    let target = places
        .first()
        .map(|(_, path)| path.clone())
        .unwrap_or_default();
    places
        .iter()
        .skip(1)
        .map(move |(_, path)| (path.clone(), target.clone()))
}

/// Appends what stands behind a member's content: zeros up to the next block, then its links.
pub(super) fn end_member(raw: &mut Vec<u8>, size: u64, links: &[(String, String)]) -> Result<()> {
    raw.resize(raw.len() + padding(size), 0);
    for (path, target) in links {
        link_header(raw, path, target).map_err(Error::io("packing", path))?;
    }
    Ok(())
}

pub(super) fn compressor(level: i32) -> Result<zstd::bulk::Compressor<'static>> {
    let mut compressor =
        zstd::bulk::Compressor::new(level).map_err(Error::io("preparing", "zstd"))?;
    compressor
        .set_parameter(CParameter::ChecksumFlag(true))
        .map_err(Error::io("preparing", "zstd"))?;
    Ok(compressor)
}

pub(super) fn not_the_same() -> Error {
    Error::Io {
        doing: "checking",
        what: "a frame that was just made".into(),
        source: io::Error::new(
            io::ErrorKind::InvalidData,
            "it decodes to something else; the memory of this machine may be faulty",
        ),
    }
}
