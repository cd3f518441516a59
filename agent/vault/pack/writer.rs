// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A pack in the making. It has no name until it is complete: killed before, it leaves nothing
//! that counts. The index is put before the pack, so that a pack is never without its index.

use super::frame::{begin_member, compressor, end_member, links, not_the_same};
use super::{FRAME_MOST, Frame, LARGE, PACK_BLOBS, PACK_TARGET, decode_frame};
use crate::blob::{Hasher, PfileName, Tree};
use crate::vault::index::encode;
use crate::vault::{Error, PackId, PackRef, Record, Result, Spool, Storage};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use tempfile::SpooledTempFile;

/// Collects frames into one pack.
pub struct PackWriter {
    storage: Arc<dyn Storage>,
    spool: Box<dyn Spool>,
    class: Tree,
    /// That of what was written, where the spool does not tell one of its own.
    digest: Option<Sha256>,
    len: u64,
    records: Vec<Record>,
}

impl PackWriter {
    /// Begins a pack for gold or for files.
    ///
    /// # Errors
    /// When the storage gives no place for it.
    pub fn new(storage: Arc<dyn Storage>, class: Tree) -> Result<Self> {
        let spool = storage.spool()?;
        let digest = (!spool.has_own_digest()).then(Sha256::new);
        Ok(Self {
            storage,
            spool,
            class,
            digest,
            len: 0,
            records: Vec::new(),
        })
    }

    /// Whether the pack has its full size and should be finished.
    pub fn is_full(&self) -> bool {
        self.len >= PACK_TARGET || self.records.len() >= PACK_BLOBS
    }

    /// The size so far in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// When it cannot be written; the pack cannot be used any more then.
    pub fn add(&mut self, frame: Frame) -> Result<()> {
        let offset = self.len;
        self.append(&frame.bytes)?;
        self.records
            .extend(frame.records.into_iter().map(|mut record| {
                record.frame_offset = offset;
                record
            }));
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.spool
            .write_all(bytes)
            .map_err(Error::io("writing", "a pack"))?;
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins a blob that is too large for a frame. Unless it is committed, it leaves nothing.
    ///
    /// # Errors
    /// When a place cannot be a path in a tar, or zstd does not know the level.
    pub fn large(
        &mut self,
        name: PfileName,
        pfile: u32,
        places: &[(Tree, String)],
        level: i32,
    ) -> Result<LargeBlob<'_>> {
        let mut raw = Vec::with_capacity(LARGE as usize + 1024);
        let trees = begin_member(&mut raw, &name, pfile, places)?;
        let record = Record {
            name,
            trees,
            pfile,
            frame_offset: self.len,
            frame_len: 0,
            at: raw.len() as u32,
        };
        Ok(LargeBlob {
            compressor: compressor(level)?,
            waiting: self
                .spool
                .waiting_room()
                .map_err(Error::io("making a file for", name))?,
            digest: self.digest.clone(),
            links: links(places).collect(),
            raw,
            record,
            committed: false,
            pack: self,
        })
    }

    /// Appends a large blob that another pack has, frame by frame as they are. `next` gives the frame
    /// that begins at an offset within the blob's frames, and its content; it need not read more
    /// than so many bytes. All of it has been compared with its name a moment ago.
    ///
    /// # Errors
    /// When `next` fails, or the content is another now; the pack cannot be used any more then.
    pub(in crate::vault) fn copy(
        &mut self,
        record: &Record,
        mut next: impl FnMut(u64, u64) -> Result<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let begin = self.len;
        let most = zstd::zstd_safe::compress_bound(FRAME_MOST) as u64;
        let mut hasher = Hasher::new();
        let mut skip = record.at as usize;
        let mut left = record.name.size();
        while self.len - begin < record.frame_len {
            let again = next(self.len - begin, most);
            let (bytes, content) = again.map_err(|error| match error.is_damage() {
                true => not_the_same(),
                false => error,
            })?;
            let from = skip.min(content.len());
            skip -= from;
            let len = left.min((content.len() - from) as u64);
            hasher.update(&content[from..from + len as usize]);
            left -= len;
            self.append(&bytes)?;
        }
        if hasher.finish() != record.name {
            // It was right a moment ago.
            return Err(not_the_same());
        }
        self.records.push(Record {
            frame_offset: begin,
            ..*record
        });
        Ok(())
    }

    /// Ends the pack: puts its index, then the pack itself, both durable. `None` when it is empty.
    ///
    /// # Errors
    /// When one of them cannot be put.
    pub fn finish(mut self) -> Result<Option<PackRef>> {
        if self.records.is_empty() {
            return Ok(None);
        }
        let end = compressor(1)?
            .compress(&[0; 1024])
            .map_err(Error::io("compressing", "a frame"))?;
        let (id, size) = loop {
            self.append(&end)?;
            let own = self.spool.end().map_err(Error::io("writing", "a pack"))?;
            let written = || Some((self.digest.clone()?.finalize().into(), self.len));
            let (digest, size) = own.or_else(written).ok_or_else(|| {
                let untold = io::Error::other("its storage tells no digest");
                Error::io("writing", "a pack")(untold)
            })?;
            let id = PackId::new(digest);
            if self.make_room(id)? {
                break (id, size);
            }
        };
        let index = encode(id, size, self.class, &mut self.records);
        self.storage.put(&id.index_key(), &index)?;
        self.spool.publish(&id.key())?;
        Ok(Some(PackRef {
            id,
            size,
            blobs: self.records.len() as u64,
            tree: self.class,
        }))
    }
}

impl PackWriter {
    /// Removes what lies under the names of a pack: the same bytes are packed again only when that
    /// could not be used (it is cut, or neither it nor its index decodes, or only the index is
    /// there), and a put would leave it as it is. `false` where it cannot be removed: then another
    /// end gives the pack another name.
    fn make_room(&self, id: PackId) -> Result<bool> {
        for key in [id.key(), id.index_key()] {
            if self.storage.size(&key)?.is_some() {
                match self.storage.delete(&key) {
                    Err(Error::NoRemoval { .. }) => return Ok(false),
                    removed => removed?,
                }
            }
        }
        Ok(true)
    }
}

/// A large blob that is being written into a pack.
pub struct LargeBlob<'a> {
    pack: &'a mut PackWriter,
    compressor: zstd::bulk::Compressor<'static>,
    /// Its frames, until it is known to be good, where a pack cannot be cut: what was encrypted is
    /// never encrypted anew with another content.
    waiting: Option<SpooledTempFile>,
    /// The pack's digest before the blob.
    digest: Option<Sha256>,
    links: Vec<(String, String)>,
    raw: Vec<u8>,
    record: Record,
    committed: bool,
}

impl LargeBlob<'_> {
    /// Appends a piece of the content.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, mut piece: &[u8]) -> Result<()> {
        while !piece.is_empty() {
            let len = piece
                .len()
                .min(LARGE as usize - self.raw.len().min(LARGE as usize - 1));
            self.raw.extend_from_slice(&piece[..len]);
            piece = &piece[len..];
            if self.raw.len() >= LARGE as usize {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let bytes = self
            .compressor
            .compress(&self.raw)
            .map_err(Error::io("compressing", "a frame"))?;
        if decode_frame(&bytes).map_err(Error::io("decoding", "a frame that was just made"))?
            != self.raw
        {
            return Err(not_the_same());
        }
        match &mut self.waiting {
            Some(file) => file
                .write_all(&bytes)
                .map_err(Error::io("writing", self.record.name))?,
            None => self.pack.append(&bytes)?,
        }
        self.raw.clear();
        Ok(())
    }

    /// Appends the frames that waited.
    fn let_in(&mut self) -> Result<()> {
        let Some(mut file) = self.waiting.take() else {
            return Ok(());
        };
        let failed = |error| Error::io("reading", self.record.name)(error);
        file.rewind().map_err(failed)?;
        let mut piece = vec![0; 1 << 17];
        loop {
            match file.read(&mut piece).map_err(failed)? {
                0 => return Ok(()),
                len => self.pack.append(&piece[..len])?,
            }
        }
    }

    /// Ends the blob, whose content was as long as its name says and had the name's hashes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn commit(mut self) -> Result<()> {
        end_member(&mut self.raw, self.record.name.size(), &self.links)?;
        if !self.raw.is_empty() {
            self.flush()?;
        }
        self.let_in()?;
        self.record.frame_len = self.pack.len - self.record.frame_offset;
        self.pack.records.push(self.record);
        self.committed = true;
        Ok(())
    }

    fn undo(&mut self) -> io::Result<()> {
        if self.waiting.is_some() {
            return Ok(());
        }
        self.pack.spool.truncate(self.record.frame_offset)?;
        self.pack.len = self.record.frame_offset;
        self.pack.digest = self.digest.clone();
        Ok(())
    }

    /// Takes back what was written of the blob.
    ///
    /// # Errors
    /// When the spool cannot be cut; the pack cannot be used any more then.
    pub fn cancel(mut self) -> Result<()> {
        self.committed = true;
        self.undo().map_err(Error::io("cutting", "a pack"))
    }
}

impl Drop for LargeBlob<'_> {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = self.undo()
        {
            // The digest would not match any more, so such a pack must not be finished.
            self.pack.records.clear();
            log::error!("cutting a pack after a failure: {error}");
        }
    }
}
