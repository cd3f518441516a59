// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sixteen lanes: the operations of `rounds` in AVX-512, which has a rotation and any function
//! of three bits in one instruction.

use std::arch::x86_64::*;
use std::array::from_fn;

use super::lanes::{Block, Engine, State};
use super::rounds::{ROOTS, SINES, TURNS, advance, each_step};

/// Proof that this CPU has AVX-512 F and BW: there is no other way to get one than `detect`.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"))
            .then_some(Self(()))
    }
}

impl Engine<16> for Avx512 {
    fn advance(
        self,
        state: &mut State<16>,
        lanes: &[&[Block]; 16],
        blocks: usize,
        last: &[u32; 16],
    ) {
        // SAFETY: an `Avx512` exists only where the CPU was found to have both.
        unsafe { advance(state, lanes, blocks, last) }
    }
}

advance!(16 lanes with "avx512f,avx512bw");

type Words = __m512i;

macro_rules! operations {
    ($($name:ident($($arg:ident),*) = $result:expr;)*) => { $(
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw")]
        fn $name($($arg: Words),*) -> Words { $result }
    )* };
}

// The number given to `ternarylogic` is the function's table of truth: the same function of
// 0xf0, 0xcc and 0xaa.
operations! {
    add(a, b) = _mm512_add_epi32(a, b);
    xor(a, b) = _mm512_xor_si512(a, b);
    xor3(a, b, c) = _mm512_ternarylogic_epi32::<0x96>(a, b, c);
    choose(a, b, c) = _mm512_ternarylogic_epi32::<0xca>(a, b, c);
    majority(a, b, c) = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
    round4(b, c, d) = _mm512_ternarylogic_epi32::<0x39>(b, c, d);
    swap(a) = _mm512_shuffle_epi8(a, _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u32) -> Words {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Words) -> Words {
    _mm512_rol_epi32::<LEFT>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(words: &[u32; 16]) -> Words {
    // SAFETY: the reference is good for the 64 bytes read; `loadu` needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store(words: &mut [u32; 16], a: Words) {
    // SAFETY: the reference is good for the 64 bytes written; `storeu` needs no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), a) }
}

/// This block of each lane, from one block a row to one word of every block a row.
///
/// # Safety
/// Each lane points at more than `block` blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn transpose(lanes: &[*const Block; 16], block: usize) -> [Words; 16] {
    // SAFETY: the caller vouches for this block, and a block has the 64 bytes that are read,
    // aligned or not.
    let row: [Words; 16] =
        from_fn(|lane| unsafe { _mm512_loadu_si512(lanes[lane].add(block).cast()) });
    // Squares of four by four inside each 128 bits: `quads[4 * i + j]` has words j, j + 4, j + 8
    // and j + 12 of the rows from 4 * i.
    let mut quads = [splat(0); 16];
    for i in 0..4 {
        let lo = |a: usize| _mm512_unpacklo_epi32(row[4 * i + a], row[4 * i + a + 1]);
        let hi = |a: usize| _mm512_unpackhi_epi32(row[4 * i + a], row[4 * i + a + 1]);
        quads[4 * i] = _mm512_unpacklo_epi64(lo(0), lo(2));
        quads[4 * i + 1] = _mm512_unpackhi_epi64(lo(0), lo(2));
        quads[4 * i + 2] = _mm512_unpacklo_epi64(hi(0), hi(2));
        quads[4 * i + 3] = _mm512_unpackhi_epi64(hi(0), hi(2));
    }
    // The same once more with 128 bits as the element.
    let mut words = [splat(0); 16];
    for j in 0..4 {
        let even = |a: usize| _mm512_shuffle_i32x4::<0x88>(quads[a + j], quads[a + 4 + j]);
        let odd = |a: usize| _mm512_shuffle_i32x4::<0xdd>(quads[a + j], quads[a + 4 + j]);
        words[j] = _mm512_shuffle_i32x4::<0x88>(even(0), even(8));
        words[j + 4] = _mm512_shuffle_i32x4::<0x88>(odd(0), odd(8));
        words[j + 8] = _mm512_shuffle_i32x4::<0xdd>(even(0), even(8));
        words[j + 12] = _mm512_shuffle_i32x4::<0xdd>(odd(0), odd(8));
    }
    words
}
