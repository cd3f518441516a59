// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The names of many blobs at once. One blob can't be hashed faster than its chain of dependent
//! steps allows, which leaves most of a CPU idle; so each lane of a vector hashes another blob,
//! and a lane whose blob ends takes the next one at once. Long blobs go first, so that at the
//! end there is no long one left that runs alone.

use std::cmp::Reverse;

use super::{PfileName, digest};

/// What both hashes take in one go.
pub(super) type Block = [u8; 64];

/// The sums of all lanes, word by word: the four words of MD5, then the five of SHA-1.
pub(super) type State<const LANES: usize> = [[u32; LANES]; 9];

/// Hashes blocks in `LANES` lanes at the same time.
pub(super) trait Engine<const LANES: usize>: Copy {
    /// Takes the first `blocks` blocks of each lane into its sums. `last` has all bits set for a
    /// lane whose block is its blob's last one, and none for the others.
    fn advance(
        self,
        state: &mut State<LANES>,
        lanes: &[&[Block]; LANES],
        blocks: usize,
        last: &[u32; LANES],
    );
}

/// The name of each blob, in their order, by the widest vectors that this CPU has.
pub(super) fn names_of(blobs: &[&[u8]]) -> Vec<PfileName> {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(engine) = super::avx512::Avx512::detect() {
            return in_lanes(engine, blobs);
        }
        if let Some(engine) = super::avx2::Avx2::detect() {
            return in_lanes(engine, blobs);
        }
    }
    one_by_one(blobs)
}

/// The name of each blob on any CPU.
pub(super) fn one_by_one(blobs: &[&[u8]]) -> Vec<PfileName> {
    blobs.iter().map(|blob| digest(blob)).collect()
}

/// A blob on its way through a lane.
struct Lane<'a> {
    /// Its place among the blobs.
    index: usize,
    /// Its whole blocks that are not hashed yet.
    body: &'a [Block],
    /// What follows them: its last bytes, the padding and its length in bits as MD5 wants it.
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

    /// Blocks that can be hashed next: the body, then each block of the tail by itself.
    fn next_blocks(&self) -> &[Block] {
        if self.body.is_empty() {
            std::slice::from_ref(&self.tail[self.tail_left.start])
        } else {
            self.body
        }
    }

    /// Whether only the blob's last block is left.
    fn at_last(&self) -> bool {
        self.body.is_empty() && self.tail_left.len() == 1
    }

    /// Notes that so many of the next blocks are hashed; says whether that was all.
    fn skip(&mut self, blocks: usize) -> bool {
        if self.body.is_empty() {
            self.tail_left.start += blocks;
        } else {
            self.body = &self.body[blocks..];
        }
        self.tail_left.is_empty()
    }
}

/// The name of each blob by this engine.
pub(super) fn in_lanes<const LANES: usize>(
    engine: impl Engine<LANES>,
    blobs: &[&[u8]],
) -> Vec<PfileName> {
    // MD5 and SHA-1 begin with the same words.
    const START: [u32; 9] = [
        0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0x67452301, 0xefcdab89, 0x98badcfe,
        0x10325476, 0xc3d2e1f0,
    ];
    let mut names = vec![PfileName::new([0; 20], [0; 16], 0); blobs.len()];
    let mut order: Vec<usize> = (0..blobs.len()).collect();
    order.sort_unstable_by_key(|&index| Reverse(blobs[index].len()));
    let alone = best_alone(LANES, order.iter().map(|&index| blobs[index].len()));
    for &index in &order[..alone] {
        names[index] = digest(blobs[index]);
    }

    let mut waiting = order[alone..]
        .iter()
        .map(|&index| Lane::new(index, blobs[index]));
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
            .map(|lane| lane.as_ref().map_or(fewest, |lane| lane.next_blocks()));
        let last = lanes.each_ref().map(|lane| match lane {
            Some(lane) if lane.at_last() => u32::MAX,
            _ => 0,
        });
        engine.advance(&mut state, &next, blocks, &last);
        for (number, place) in lanes.iter_mut().enumerate() {
            if let Some(lane) = place
                && lane.skip(blocks)
            {
                let [a, b, c, d, sha1 @ ..] = state.map(|words| words[number]);
                names[lane.index] = PfileName::new(
                    bytes_of(sha1.map(u32::to_be_bytes)),
                    bytes_of([a, b, c, d].map(u32::to_le_bytes)),
                    blobs[lane.index].len() as u64,
                );
                for (words, start) in state.iter_mut().zip(START) {
                    words[number] = start;
                }
                *place = waiting.next();
            }
        }
    }
    names
}

/// How many of the blobs of these sizes, longest first, had better be hashed by `digest` before the
/// others share the lanes. The lanes run as long as the longest blob in them, and a lane by itself
/// is slower than `digest`: about 8 to 5, both by AVX2 and by AVX-512.
fn best_alone(lanes: usize, sizes: impl Iterator<Item = usize> + Clone) -> usize {
    let mut alone = 0;
    let mut shared: usize = sizes.clone().sum();
    let costs = sizes.chain([0]).map(|longest| {
        let cost = 5 * alone + 8 * longest.max(shared / lanes);
        alone += longest;
        shared -= longest;
        cost
    });
    costs
        .enumerate()
        .min_by_key(|&(_, cost)| cost)
        .map_or(0, |(count, _)| count)
}

fn bytes_of<const WORDS: usize, const BYTES: usize>(words: [[u8; 4]; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(words.as_flattened());
    bytes
}
