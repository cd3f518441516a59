// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! MD5 (RFC 1321) written once for vectors of every width: each lane of a vector is the same
//! word of another blob. An instruction set gives the few operations on words, `advance!` makes
//! the rounds of them, unrolled, since a shift has to know its distance when it is compiled.

/// The constants that the 64 steps add: the first 32 bits of |sin(i + 1)|.
pub(super) const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// How far the steps of each of the four rounds rotate.
pub(super) const TURNS: [[i32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// Calls a macro with every step's number.
macro_rules! each_step {
    ($step:ident) => {
        each_step!($step:
             0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    };
    ($step:ident: $($number:literal)*) => { $($step!($number);)* };
}

/// Makes `advance`, which hashes the same number of blocks in every lane, of the operations
/// `splat`, `add`, `xor3`, `choose` (a ? b : c), `round4`, `rotate`, `load`, `store` and
/// `transpose` that are in scope where it is called.
macro_rules! advance {
    ($lanes:literal lanes with $features:literal) => {
        #[target_feature(enable = $features)]
        fn advance(state: &mut [[u32; $lanes]; 4], lanes: &[&[Block]; $lanes], blocks: usize) {
            let lanes = lanes.map(|lane| lane[..blocks].as_ptr());
            let mut sum = [load(&state[0]), load(&state[1]), load(&state[2]), load(&state[3])];
            for block in 0..blocks {
                // SAFETY: each lane has so many blocks, or the slicing above would have panicked.
                let message = unsafe { transpose(&lanes, block) };
                let [mut a, mut b, mut c, mut d] = sum;
                macro_rules! step {
                    ($i:literal) => {{
                        const TURN: i32 = TURNS[$i / 16][$i % 4];
                        let (mix, word) = match $i / 16 {
                            0 => (choose(b, c, d), $i),
                            1 => (choose(d, b, c), (5 * $i + 1) % 16),
                            2 => (xor3(b, c, d), (3 * $i + 5) % 16),
                            _ => (round4(b, c, d), 7 * $i % 16),
                        };
                        let sum = add(add(a, add(message[word], splat(SINES[$i]))), mix);
                        (a, d, c, b) = (d, c, b, add(b, rotate::<TURN, { 32 - TURN }>(sum)));
                    }};
                }
                each_step!(step);
                sum = [add(sum[0], a), add(sum[1], b), add(sum[2], c), add(sum[3], d)];
            }
            for (words, sum) in state.iter_mut().zip(sum) {
                store(words, sum);
            }
        }
    };
}

pub(super) use {advance, each_step};
