// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One record of an index, 72 bytes.

use crate::blob::{PfileName, TreeSet};
use std::ops::Range;

/// Where a blob lies in its pack, and what the database called it when it was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The blob.
    pub name: PfileName,
    /// The trees for which the pack has a member of it.
    pub trees: TreeSet,
    /// Its key in table `pfile`, 0 when it is not known.
    pub pfile: u32,
    /// Where the frame with its content begins in the pack, in bytes.
    pub frame_offset: u64,
    /// The frame's compressed length in bytes; of all its frames, when a large blob has several.
    pub frame_len: u64,
    /// Where its content begins in the decoded frame, in bytes.
    pub at: u32,
}

impl Record {
    /// The width of an encoded record in bytes.
    pub const WIDTH: usize = 72;

    /// The blob's content within its decoded frame, unless it has several frames.
    pub fn content(&self) -> Range<usize> {
        let at = self.at as usize;
        at..at + self.name.size() as usize
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.sha1());
        out.extend_from_slice(self.name.md5());
        out.extend_from_slice(&self.name.size().to_le_bytes());
        out.extend_from_slice(&self.frame_offset.to_le_bytes());
        out.extend_from_slice(&self.frame_len.to_le_bytes());
        out.extend_from_slice(&self.at.to_le_bytes());
        out.extend_from_slice(&self.pfile.to_le_bytes());
        out.extend_from_slice(&[self.trees.bits(), 0, 0, 0]);
    }

    /// Decodes a record of exactly [`Record::WIDTH`] bytes.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        let (sha1, rest) = take::<20>(bytes);
        let (md5, rest) = take::<16>(rest);
        let (size, rest) = take::<8>(rest);
        let (frame_offset, rest) = take::<8>(rest);
        let (frame_len, rest) = take::<8>(rest);
        let (at, rest) = take::<4>(rest);
        let (pfile, rest) = take::<4>(rest);
        Self {
            name: PfileName::new(sha1, md5, u64::from_le_bytes(size)),
            trees: TreeSet::from_bits(rest[0]),
            pfile: u32::from_le_bytes(pfile),
            frame_offset: u64::from_le_bytes(frame_offset),
            frame_len: u64::from_le_bytes(frame_len),
            at: u32::from_le_bytes(at),
        }
    }
}

fn take<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (head, rest) = bytes.split_at(N);
    (
        head.try_into().expect("split_at gives exactly N bytes"),
        rest,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_survives(
            (sha1, md5, size) in any::<([u8; 20], [u8; 16], u64)>(),
            (frame_offset, frame_len, at, pfile, bits) in any::<(u64, u64, u32, u32, u8)>(),
        ) {
            let record = Record {
                name: PfileName::new(sha1, md5, size),
                trees: TreeSet::from_bits(bits),
                pfile,
                frame_offset,
                frame_len,
                at,
            };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), Record::WIDTH);
            prop_assert_eq!(Record::decode(&bytes), record);
        }
    }
}
