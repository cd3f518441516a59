// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Eight lanes: the operations of `rounds` in AVX2.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::lanes::{Block, Engine, State};
use super::rounds::{ROOTS, SINES, TURNS, advance, each_step};

/// Proof that this CPU has AVX2: there is no other way to get one than `detect`.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Engine<8> for Avx2 {
    fn advance(self, state: &mut State<8>, lanes: &[&[Block]; 8], blocks: usize, last: &[u32; 8]) {
        // SAFETY: an `Avx2` exists only where the CPU was found to have AVX2.
        unsafe { advance(state, lanes, blocks, last) }
    }
}

advance!(8 lanes with "avx2");

type Words = __m256i;

macro_rules! operations {
    ($($name:ident($($arg:ident),*) = $result:expr;)*) => { $(
        #[inline]
        #[target_feature(enable = "avx2")]
        fn $name($($arg: Words),*) -> Words { $result }
    )* };
}

operations! {
    add(a, b) = _mm256_add_epi32(a, b);
    xor(a, b) = _mm256_xor_si256(a, b);
    xor3(a, b, c) = xor(xor(a, b), c);
    choose(a, b, c) = xor(c, _mm256_and_si256(a, xor(b, c)));
    majority(a, b, c) = _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
    round4(b, c, d) = xor(c, _mm256_or_si256(b, xor(d, splat(u32::MAX))));
    swap(a) = _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203)));
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> Words {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Words) -> Words {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(a), _mm256_srli_epi32::<RIGHT>(a))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; 8]) -> Words {
    // SAFETY: the reference is good for the 32 bytes read; `loadu` needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u32; 8], a: Words) {
    // SAFETY: the reference is good for the 32 bytes written; `storeu` needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), a) }
}

/// This block of each lane, from one block a row to one word of every block a row.
///
/// # Safety
/// Each lane points at more than `block` blocks.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose(lanes: &[*const Block; 8], block: usize) -> [Words; 16] {
    let mut words = [splat(0); 16];
    for half in 0..2 {
        // SAFETY: the caller vouches for this block, and a block has 64 bytes, so 32 can be read at
        // 0 and at 32, aligned or not.
        let row: [Words; 8] = from_fn(|lane| unsafe {
            _mm256_loadu_si256(lanes[lane].add(block).cast::<Words>().add(half))
        });
        // Squares of four by four inside each 128 bits: `quads[4 * i + j]` has words j and j + 4
        // of the rows from 4 * i.
        let mut quads = [splat(0); 8];
        for i in 0..2 {
            let lo = |a: usize| _mm256_unpacklo_epi32(row[4 * i + a], row[4 * i + a + 1]);
            let hi = |a: usize| _mm256_unpackhi_epi32(row[4 * i + a], row[4 * i + a + 1]);
            quads[4 * i] = _mm256_unpacklo_epi64(lo(0), lo(2));
            quads[4 * i + 1] = _mm256_unpackhi_epi64(lo(0), lo(2));
            quads[4 * i + 2] = _mm256_unpacklo_epi64(hi(0), hi(2));
            quads[4 * i + 3] = _mm256_unpackhi_epi64(hi(0), hi(2));
        }
        for j in 0..4 {
            let (up, down) = (quads[j], quads[4 + j]);
            words[8 * half + j] = _mm256_permute2x128_si256::<0x20>(up, down);
            words[8 * half + j + 4] = _mm256_permute2x128_si256::<0x31>(up, down);
        }
    }
    words
}
