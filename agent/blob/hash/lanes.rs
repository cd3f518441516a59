// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! MD5 of many blobs at once. One blob can't be hashed faster than its chain of dependent steps
//! allows, which leaves most of a CPU idle; so each lane of a vector hashes another blob, and a
//! lane whose blob ends takes the next one at once. Long blobs go first, so that at the end
//! there is no long one left that runs alone.

use md5::{Digest, Md5};

/// What the hash takes in one go.
pub(super) type Block = [u8; 64];

/// Hashes blocks in `LANES` lanes at the same time.
pub(super) trait Engine<const LANES: usize>: Copy {
    /// Takes the first `blocks` blocks of each lane into its state (word by word, not lane by
    /// lane).
    fn advance(self, state: &mut [[u32; LANES]; 4], lanes: &[&[Block]; LANES], blocks: usize);
}

/// The MD5 of each blob, in their order, by the widest vectors that this CPU has.
pub(super) fn md5_of_each(blobs: &[&[u8]]) -> Vec<[u8; 16]> {
    #[cfg(target_arch = "x86_64")]
    if blobs.len() > 1 {
        if let Some(engine) = super::avx512::Avx512::detect() {
            return in_lanes(engine, blobs);
        }
        if let Some(engine) = super::avx2::Avx2::detect() {
            return in_lanes(engine, blobs);
        }
    }
    one_by_one(blobs)
}

/// The MD5 of each blob on any CPU.
pub(super) fn one_by_one(blobs: &[&[u8]]) -> Vec<[u8; 16]> {
    blobs.iter().map(|blob| Md5::digest(blob).into()).collect()
}

/// A blob on its way through a lane.
struct Lane<'a> {
    /// Its place among the blobs.
    index: usize,
    /// Its whole blocks that are not hashed yet.
    body: &'a [Block],
    /// What follows them: its last bytes, the padding and its length in bits.
    tail: [Block; 2],
    /// Which blocks of the tail are not hashed yet.
    tail_left: std::ops::Range<usize>,
}

impl<'a> Lane<'a> {
    fn new(index: usize, blob: &'a [u8]) -> Self {
        let (body, rest) = blob.as_chunks::<64>();
        let blocks = if rest.len() < 56 { 1 } else { 2 };
        let mut tail = [[0; 64]; 2];
        tail[0][..rest.len()].copy_from_slice(rest);
        tail[0][rest.len()] = 0x80;
        let bits = (blob.len() as u64).wrapping_mul(8);
        tail[blocks - 1][56..].copy_from_slice(&bits.to_le_bytes());
        Self {
            index,
            body,
            tail,
            tail_left: 0..blocks,
        }
    }

    /// Blocks that can be hashed next; none once all are.
    fn next_blocks(&self) -> &[Block] {
        if self.body.is_empty() {
            &self.tail[self.tail_left.clone()]
        } else {
            self.body
        }
    }

    /// Notes that so many of the next blocks are hashed.
    fn skip(&mut self, blocks: usize) {
        if self.body.is_empty() {
            self.tail_left.start += blocks;
        } else {
            self.body = &self.body[blocks..];
        }
    }
}

/// The MD5 of each blob by this engine.
pub(super) fn in_lanes<const LANES: usize>(
    engine: impl Engine<LANES>,
    blobs: &[&[u8]],
) -> Vec<[u8; 16]> {
    const START: [u32; 4] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
    let mut order: Vec<usize> = (0..blobs.len()).collect();
    order.sort_unstable_by_key(|&index| std::cmp::Reverse(blobs[index].len()));
    let mut waiting = order
        .into_iter()
        .map(|index| Lane::new(index, blobs[index]));

    let mut sums = vec![[0; 16]; blobs.len()];
    let mut state = START.map(|word| [word; LANES]);
    let mut lanes: [Option<Lane>; LANES] = std::array::from_fn(|_| waiting.next());
    // Every lane goes on by as many blocks as the lane with the fewest has.
    while let Some(fewest) = lanes
        .iter()
        .flatten()
        .map(Lane::next_blocks)
        .min_by_key(|blocks| blocks.len())
    {
        let blocks = fewest.len();
        // A lane that has nothing to do hashes another's blocks and nobody looks at the result.
        let next = lanes
            .each_ref()
            .map(|lane| lane.as_ref().map_or(fewest, Lane::next_blocks));
        engine.advance(&mut state, &next, blocks);
        for (number, place) in lanes.iter_mut().enumerate() {
            let Some(lane) = place else { continue };
            lane.skip(blocks);
            if lane.next_blocks().is_empty() {
                for (bytes, words) in sums[lane.index].chunks_exact_mut(4).zip(&mut state) {
                    bytes.copy_from_slice(&words[number].to_le_bytes());
                }
                for (words, start) in state.iter_mut().zip(START) {
                    words[number] = start;
                }
                *place = waiting.next();
            }
        }
    }
    sums
}
