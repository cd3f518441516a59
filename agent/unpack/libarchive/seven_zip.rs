// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads as much of a 7z's directory as tells how much memory its unpacking takes: dictionaries,
//! and numbers of members that libarchive believes without seeing one.

use super::memory::{ReadAt, lzma2_dictionary};
use super::{Archive, MemoryInput};
use crate::unpack::kinds::Compression;
use std::io::{self, Read};

/// A directory above this size, in bytes, counts as memory itself.
const DIRECTORY: u64 = 64 << 20;
/// A directory may be packed, and that again.
const PACKED: usize = 4;

const SIGNATURE: u64 = 32;

const END: u64 = 0x00;
const HEADER: u64 = 0x01;
const MAIN_STREAMS: u64 = 0x04;
const FILES: u64 = 0x05;
const PACK_INFO: u64 = 0x06;
const UNPACK_INFO: u64 = 0x07;
const SUB_STREAMS: u64 = 0x08;
const SIZE: u64 = 0x09;
const CHECKSUM: u64 = 0x0a;
const FOLDER: u64 = 0x0b;
const UNPACK_SIZE: u64 = 0x0c;
const UNPACK_STREAMS: u64 = 0x0d;
const PACKED_HEADER: u64 = 0x17;

const LZMA: &[u8] = &[3, 1, 1];
const LZMA2: &[u8] = &[0x21];
const PPMD: &[u8] = &[3, 4, 1];
const BCJ2: &[u8] = &[3, 3, 1, 0x1b];
const AES: &[u8] = &[6, 0xf1, 7, 1];

/// How much memory it takes, in bytes; `None` where its directory cannot be understood, which
/// libarchive is left to tell.
///
/// # Errors
/// When it cannot be read.
pub fn memory(head: &[u8], read: ReadAt<'_>) -> io::Result<Option<u64>> {
    let number = |at: usize| {
        let bytes = head.get(at..at + 8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let (Some(offset), Some(size)) = (number(12), number(20)) else {
        return Ok(None);
    };
    if size > DIRECTORY {
        return Ok(Some(size));
    }
    let mut directory = read(SIGNATURE.saturating_add(offset), size as usize)?;
    for _ in 0..PACKED {
        let mut streams = Streams::default();
        let kind = directory.first().copied().map(u64::from);
        if kind != Some(PACKED_HEADER) {
            return Ok(header(&directory, &mut streams).map(|()| streams.memory));
        }
        let mut rest = Bytes(&directory[1..]);
        if rest.streams(&mut streams).is_none() {
            return Ok(None);
        }
        // What cannot be seen through is not opened; an encrypted one libarchive does not open.
        let Some(next) = streams.unpacked(read)? else {
            return Ok((!streams.encrypted).then_some(u64::MAX));
        };
        directory = next;
    }
    Ok(Some(u64::MAX))
}

/// What is needed of a description of streams.
#[derive(Default)]
struct Streams {
    memory: u64,
    encrypted: bool,
    /// Where the first packed stream lies, after the signature, and its size.
    packed: (u64, u64),
    /// The only coder's properties, where it is LZMA.
    lzma: Option<[u8; 5]>,
    coders: usize,
    size: u64,
}

impl Streams {
    /// What they hold, if that is one stream packed by LZMA, as 7z's directories are.
    fn unpacked(&self, read: ReadAt<'_>) -> io::Result<Option<Vec<u8>>> {
        let (at, packed) = self.packed;
        let (1, Some(properties)) = (self.coders, self.lzma) else {
            return Ok(None);
        };
        if self.memory > DIRECTORY || self.size > DIRECTORY || packed > DIRECTORY {
            return Ok(None);
        }
        // The same as an .lzma file.
        let mut lzma = properties.to_vec();
        lzma.extend(self.size.to_le_bytes());
        lzma.extend(read(SIGNATURE.saturating_add(at), packed as usize)?);
        let input = Box::new(MemoryInput::new(&lzma));
        let mut data = Vec::new();
        let done = Archive::decompress(Compression::Lzma, input)
            .map_err(io::Error::from)
            .and_then(|archive| archive.take(self.size).read_to_end(&mut data));
        // A damaged one stays empty, and libarchive tells.
        if done.is_err() {
            data.clear();
        }
        Ok(Some(data))
    }
}

fn header(directory: &[u8], streams: &mut Streams) -> Option<()> {
    let mut rest = Bytes(directory);
    if rest.number()? != HEADER {
        return None;
    }
    let mut next = rest.number()?;
    if next == MAIN_STREAMS {
        rest.streams(streams)?;
        next = rest.number()?;
    }
    if next == FILES {
        streams.claim(rest.number()?, directory.len());
    }
    Some(())
}

impl Streams {
    /// Members take bytes of the directory; where there are more of them, it lies.
    fn claim(&mut self, members: u64, directory: usize) {
        if members > directory as u64 {
            self.memory = u64::MAX;
        }
    }

    fn coder(&mut self, id: &[u8], properties: &[u8]) {
        let size = |bytes: &[u8]| bytes.first_chunk().map(|size| u32::from_le_bytes(*size));
        let memory = match (id, properties) {
            (LZMA, [_, rest @ ..]) => {
                self.lzma = properties.first_chunk().copied();
                size(rest).map_or(0, u64::from)
            }
            (PPMD, [_, rest @ ..]) => size(rest).map_or(0, u64::from),
            (LZMA2, [code, ..]) => lzma2_dictionary(*code),
            _ => 0,
        };
        self.encrypted |= id == AES;
        self.memory = self.memory.max(memory);
    }
}

/// What is left of a directory.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.0.split_off_first().copied()
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The first byte's leading ones tell how many bytes follow, the lowest first; its other bits
    /// are the highest.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let more = first.leading_ones();
        let mut number = 0;
        for place in 0..more {
            number |= u64::from(self.byte()?) << (8 * place);
        }
        if more < 7 {
            number |= u64::from(first & (0x7f >> more)) << (8 * more);
        }
        Some(number)
    }

    /// Which of so many have a checksum.
    fn checksums(&mut self, count: u64) -> Option<Vec<bool>> {
        let all = self.byte()? != 0;
        let bits = if all {
            &[]
        } else {
            self.take(count.div_ceil(8))?
        };
        let defined: Vec<bool> = (0..usize::try_from(count).ok()?)
            .map(|at| all || bits[at / 8] & (0x80 >> (at % 8)) != 0)
            .collect();
        self.take(4 * defined.iter().filter(|defined| **defined).count() as u64)?;
        Some(defined)
    }

    /// A number of things each of which takes a byte of the directory at least.
    fn count(&mut self) -> Option<u64> {
        let count = self.number()?;
        (count <= self.0.len() as u64).then_some(count)
    }

    fn streams(&mut self, to: &mut Streams) -> Option<()> {
        let mut folders = Vec::new();
        loop {
            match self.number()? {
                PACK_INFO => self.pack_info(to)?,
                UNPACK_INFO => folders = self.unpack_info(to)?,
                SUB_STREAMS => self.sub_streams(&folders, to)?,
                END => return Some(()),
                _ => return None,
            }
        }
    }

    fn pack_info(&mut self, to: &mut Streams) -> Option<()> {
        to.packed.0 = self.number()?;
        let count = self.count()?;
        loop {
            match self.number()? {
                SIZE => {
                    for at in 0..count {
                        let size = self.number()?;
                        if at == 0 {
                            to.packed.1 = size;
                        }
                    }
                }
                CHECKSUM => drop(self.checksums(count)?),
                END => return Some(()),
                _ => return None,
            }
        }
    }

    /// For each folder, whether it has a checksum.
    fn unpack_info(&mut self, to: &mut Streams) -> Option<Vec<bool>> {
        if self.number()? != FOLDER {
            return None;
        }
        let count = self.count()?;
        // Folders that lie somewhere else are not read by libarchive either.
        if self.byte()? != 0 {
            return None;
        }
        let mut outputs = Vec::new();
        for _ in 0..count {
            outputs.push(self.folder(to)?);
        }
        if self.number()? != UNPACK_SIZE {
            return None;
        }
        for folder in outputs {
            let mut sizes = Vec::new();
            for _ in 0..folder.streams {
                sizes.push(self.number()?);
            }
            sizes.sort_unstable();
            to.size = sizes.last().copied().unwrap_or(0);
            if folder.keeps_streams {
                // All but the largest ones, the result and what it is made of.
                let kept = sizes.iter().rev().skip(2);
                let kept = kept.fold(0, |sum: u64, size| sum.saturating_add(*size));
                to.memory = to.memory.max(kept);
            }
        }
        let mut checksums = vec![false; usize::try_from(count).ok()?];
        loop {
            match self.number()? {
                CHECKSUM => checksums = self.checksums(count)?,
                END => return Some(checksums),
                _ => return None,
            }
        }
    }

    fn folder(&mut self, to: &mut Streams) -> Option<Folder> {
        let coders = self.count()?;
        let (mut inputs, mut outputs) = (0_u64, 0_u64);
        let mut keeps_streams = false;
        for _ in 0..coders {
            let flags = self.byte()?;
            let id = self.take(u64::from(flags & 0x0f))?;
            let (mut ins, mut outs) = (1, 1);
            if flags & 0x10 != 0 {
                (ins, outs) = (self.count()?, self.count()?);
            }
            (inputs, outputs) = (inputs + ins, outputs + outs);
            let mut properties: &[u8] = &[];
            if flags & 0x20 != 0 {
                let size = self.number()?;
                properties = self.take(size)?;
            }
            to.coders += 1;
            to.coder(id, properties);
            keeps_streams |= id == BCJ2;
        }
        let pairs = outputs.checked_sub(1)?;
        for _ in 0..pairs {
            self.number()?;
            self.number()?;
        }
        let packed = inputs.checked_sub(pairs)?;
        if packed > 1 {
            for _ in 0..packed {
                self.number()?;
            }
        }
        Some(Folder {
            streams: outputs,
            keeps_streams,
        })
    }

    fn sub_streams(&mut self, folders: &[bool], to: &mut Streams) -> Option<()> {
        let claimable = self.0.len();
        let mut counts = vec![1; folders.len()];
        let mut next = self.number()?;
        if next == UNPACK_STREAMS {
            for count in &mut counts {
                *count = self.number()?;
                to.claim(*count, claimable);
            }
            next = self.number()?;
        }
        if next == SIZE {
            for count in &counts {
                for _ in 1..*count {
                    self.number()?;
                }
            }
            next = self.number()?;
        }
        if next == CHECKSUM {
            let known = |(count, known): &(&u64, &bool)| !(**count == 1 && **known);
            let unknown = counts.iter().zip(folders).filter(known);
            let unknown = unknown.fold(0, |sum: u64, (count, _)| sum.saturating_add(*count));
            if unknown > claimable as u64 {
                return None;
            }
            self.checksums(unknown)?;
            next = self.number()?;
        }
        (next == END).then_some(())
    }
}

/// What is needed of a folder: coders that lead into each other.
struct Folder {
    streams: u64,
    /// Whether libarchive unpacks some of its streams into memory as a whole.
    keeps_streams: bool,
}
