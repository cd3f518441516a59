// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! MD5 (RFC 1321) and SHA-1 (FIPS 180-4) written once for vectors of every width: each lane of a
//! vector is the same word of another blob. An instruction set gives the few operations on words, `advance!` makes
//! the rounds of them, unrolled, since a shift has to know its distance when it is compiled.

/// The constants that the steps of MD5 add: the first 32 bits of |sin(i + 1)|.
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

/// How far the steps of each of the four rounds of MD5 rotate.
pub(super) const TURNS: [[i32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// The constants that the four rounds of SHA-1 add: roots of 2, 3, 5 and 10.
pub(super) const ROOTS: [u32; 4] = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];

/// Calls a macro with the number of every step of MD5.
macro_rules! each_step {
    ($step:ident) => {
        each_step!($step:
             0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    };
    ($step:ident: $($number:literal)*) => { $($step!($number);)* };
}

/// Makes `advance`, which hashes the same number of blocks in every lane, of the operations
/// `splat`, `add`, `xor`, `xor3`, `choose` (a ? b : c), `majority`, `round4`, `rotate`, `swap` (the bytes
/// of each word), `load`, `store` and `transpose` that are in scope where it is called.
///
/// MD5 and SHA-1 share the loading of the blocks. Their steps alternate, so that the CPU works at
/// one while it waits for the other. They also share the padding, but for the length in bits: MD5
/// ends with its low word, SHA-1 with its high one, and in the other order of bytes. `last` has
/// all bits set for lanes whose only block is their blob's last one.
macro_rules! advance {
    ($lanes:literal lanes with $features:literal) => {
        #[target_feature(enable = $features)]
        fn advance(
            state: &mut State<$lanes>,
            lanes: &[&[Block]; $lanes],
            blocks: usize,
            last: &[u32; $lanes],
        ) {
            let lanes = lanes.map(|lane| lane[..blocks].as_ptr());
            let last = load(last);
            let mut sum = [splat(0); 9];
            for (sum, words) in sum.iter_mut().zip(&*state) {
                *sum = load(words);
            }
            for block in 0..blocks {
                // SAFETY: each lane has so many blocks, or the slicing above would have panicked.
                let message = unsafe { transpose(&lanes, block) };
                let mut schedule = [splat(0); 16];
                for (swapped, &word) in schedule.iter_mut().zip(&message) {
                    *swapped = swap(word);
                }
                schedule[14] = choose(last, message[15], schedule[14]);
                schedule[15] = choose(last, message[14], schedule[15]);

                let [mut a, mut b, mut c, mut d, ..] = sum;
                macro_rules! md5 {
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
                let [.., mut v, mut w, mut x, mut y, mut z] = sum;
                macro_rules! sha1 {
                    ($i:literal) => {{
                        if $i >= 16 {
                            let back = |by: usize| schedule[($i + 16 - by) % 16];
                            let mixed = xor(xor3(back(3), back(8), back(14)), back(16));
                            schedule[$i % 16] = rotate::<1, 31>(mixed);
                        }
                        let mix = match $i / 20 {
                            0 => choose(w, x, y),
                            2 => majority(w, x, y),
                            _ => xor3(w, x, y),
                        };
                        let word = add(schedule[$i % 16], splat(ROOTS[$i / 20]));
                        let sum = add(add(add(z, word), mix), rotate::<5, 27>(v));
                        (z, y, x, w, v) = (y, x, rotate::<30, 2>(w), v, sum);
                    }};
                }
                macro_rules! both {
                    ($i:literal) => {{
                        md5!($i);
                        sha1!($i);
                    }};
                }
                each_step!(both);
                each_step!(sha1: 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79);
                for (sum, word) in sum.iter_mut().zip([a, b, c, d, v, w, x, y, z]) {
                    *sum = add(*sum, word);
                }
            }
            for (words, sum) in state.iter_mut().zip(sum) {
                store(words, sum);
            }
        }
    };
}

pub(super) use {advance, each_step};
