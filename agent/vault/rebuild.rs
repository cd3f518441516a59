// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making a lost index again from its pack alone. Each blob is hashed on the way; one whose
//! content is not that of its name does not get a record.

use super::index::encode;
use super::pack::FrameStream;
use super::tarball::{BLOCK, padding, pfile};
use super::{Error, Key, PackInfo, Put, Record, Result, Storage};
use crate::blob::{Hasher, PfileName, Tree, TreeSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use tar::{EntryType, Header};

/// Reads a whole pack and puts its index, unless one is there. The second number that comes back
/// is how many members were not what their names say.
///
/// # Errors
/// When the pack cannot be decoded; then its undamaged part is not given up by this: an index
/// made before, or the standard tools, still read it.
pub fn rebuild_index(storage: &Arc<dyn Storage>, pack: &PackInfo) -> Result<(u64, u64)> {
    let Made { bytes, count, bad } = make_index(storage, pack)?;
    if storage.put(&pack.id.index_key(), &bytes)? == Put::Existed {
        // A damaged index has to give way to the good one.
        storage.delete(&pack.id.index_key())?;
        storage.put(&pack.id.index_key(), &bytes)?;
    }
    Ok((count, bad))
}

/// An index that was made from its pack.
pub(super) struct Made {
    /// Its file.
    pub bytes: Vec<u8>,
    /// How many blobs it has.
    pub count: u64,
    /// How many members were not what their names say.
    pub bad: u64,
}

/// Reads a whole pack and makes its index, which is not put anywhere.
pub(super) fn make_index(storage: &Arc<dyn Storage>, pack: &PackInfo) -> Result<Made> {
    let key = pack.id.key();
    let mut walk = Walk {
        key: key.clone(),
        records: BTreeMap::new(),
        open: None,
        pending_path: None,
        class: None,
        bad: 0,
    };
    let (_, size) = storage.begin(&key, 0)?;
    let mut frames = FrameStream::new(storage.clone(), key.clone(), 0, size);
    while let Some((offset, len, content)) = frames.next()? {
        walk.frame(offset, len, &content)?;
    }
    if walk.open.is_some() {
        return Err(Error::damaged(&key, "its last member is cut"));
    }
    // A pack is for gold or for files, and its first member says for which.
    let class = walk.class.unwrap_or(Tree::Files);
    let mut records: Vec<Record> = walk.records.into_values().collect();
    let count = records.len() as u64;
    Ok(Made {
        bytes: encode(pack.id, pack.size, class, &mut records),
        count,
        bad: walk.bad,
    })
}

struct Walk {
    key: Key,
    records: BTreeMap<PfileName, Record>,
    /// The member whose content is not complete yet.
    open: Option<Open>,
    /// A path that a pax header gave for the member that follows.
    pending_path: Option<String>,
    /// The tree of the first member.
    class: Option<Tree>,
    bad: u64,
}

struct Open {
    record: Record,
    hasher: Hasher,
    left: u64,
    padding: usize,
}

impl Walk {
    fn frame(&mut self, offset: u64, len: u64, content: &[u8]) -> Result<()> {
        let mut at = 0;
        while at < content.len() {
            if self.open.is_some() {
                at = self.content(offset + len, content, at);
                continue;
            }
            let block = content
                .get(at..at + BLOCK)
                .ok_or_else(|| self.damaged("a header is cut"))?;
            at += BLOCK;
            if block.iter().all(|byte| *byte == 0) {
                continue; // the end of the archive, or padding
            }
            let mut header = Header::new_ustar();
            header.as_mut_bytes().copy_from_slice(block);
            let size = header
                .size()
                .map_err(|error| self.damaged(&error.to_string()))?;
            match header.entry_type() {
                EntryType::XHeader => {
                    let records = usize::try_from(size)
                        .ok()
                        .and_then(|size| content.get(at..at + size));
                    let records = records.ok_or_else(|| self.damaged("a pax header is cut"))?;
                    self.pax(records);
                    at += records.len() + padding(size);
                }
                EntryType::Regular => {
                    let path = self.path(&header)?;
                    self.begin(&header, path, size, offset, len, at as u32);
                }
                EntryType::Link => self.link(&header)?,
                other => {
                    return Err(self.damaged(&format!("a member of kind {other:?} is not of ours")));
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, header: &Header, path: String, size: u64, offset: u64, len: u64, at: u32) {
        let name = path
            .rsplit('/')
            .next()
            .and_then(|name| name.parse::<PfileName>().ok());
        // A member without the name of a pfile gets a name that no content has.
        let name = name.unwrap_or(PfileName::new([0; 20], [0; 16], size));
        let tree = tree_of(&path);
        self.class = self.class.or(tree);
        let trees = tree.map_or(TreeSet::NONE, TreeSet::of);
        self.open = Some(Open {
            record: Record {
                name,
                trees,
                pfile: pfile(header).unwrap_or(0),
                frame_offset: offset,
                frame_len: len,
                at,
            },
            hasher: Hasher::new(),
            left: size,
            padding: padding(size),
        });
        if size == 0 {
            self.close();
        }
    }

    /// Takes what this frame has of the open member; `end` is where the frame ends in the pack.
    fn content(&mut self, end: u64, content: &[u8], at: usize) -> usize {
        let Some(open) = &mut self.open else {
            return at;
        };
        let len = open.left.min((content.len() - at) as u64) as usize;
        open.hasher.update(&content[at..at + len]);
        open.left -= len as u64;
        open.record.frame_len = end - open.record.frame_offset;
        let mut next = at + len;
        if open.left == 0 {
            let zeros = open.padding.min(content.len() - next);
            next += zeros;
            self.close();
        }
        next
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            if open.hasher.finish() == open.record.name {
                self.records.insert(open.record.name, open.record);
            } else {
                self.bad += 1;
            }
        }
    }

    fn link(&mut self, header: &Header) -> Result<()> {
        let path = self.path(header)?;
        let name = path
            .rsplit('/')
            .next()
            .and_then(|name| name.parse::<PfileName>().ok());
        if let (Some(record), Some(tree)) = (
            name.and_then(|name| self.records.get_mut(&name)),
            tree_of(&path),
        ) {
            record.trees = record.trees.with(tree);
        }
        Ok(())
    }

    fn pax(&mut self, records: &[u8]) {
        for record in tar::PaxExtensions::new(records).flatten() {
            if record.key_bytes() == b"path" {
                self.pending_path = record.value().ok().map(str::to_owned);
            }
        }
    }

    fn path(&mut self, header: &Header) -> Result<String> {
        if let Some(path) = self.pending_path.take() {
            return Ok(path);
        }
        let bytes = header.path_bytes();
        String::from_utf8(bytes.into_owned())
            .map_err(|_| self.damaged("a member's path is no text"))
    }

    fn damaged(&self, why: &str) -> Error {
        Error::damaged(&self.key, why)
    }
}

/// The tree in a member's path: `<host>/<type>/aa/bb/cc/<name>`, the host of any depth or none.
pub(super) fn tree_of(path: &str) -> Option<Tree> {
    path.rsplit('/')
        .skip(1)
        .find_map(|part| Tree::ALL.into_iter().find(|tree| tree.as_str() == part))
}
