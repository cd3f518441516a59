// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! However blobs are hashed, they get the names that the plain implementations give them.

use super::lanes::{in_lanes, names_of, one_by_one};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::io::Write;

type NamesOf = fn(&[&[u8]]) -> Vec<PfileName>;

/// Every way to hash a batch that this CPU has.
fn ways() -> Vec<(&'static str, NamesOf)> {
    let mut ways: Vec<(_, NamesOf)> = vec![("chosen", names_of), ("one by one", one_by_one)];
    #[cfg(target_arch = "x86_64")]
    {
        if avx2::Avx2::detect().is_some() {
            ways.push(("avx2", |blobs| {
                in_lanes(avx2::Avx2::detect().expect("just found"), blobs)
            }));
        }
        if avx512::Avx512::detect().is_some() {
            ways.push(("avx512", |blobs| {
                in_lanes(avx512::Avx512::detect().expect("just found"), blobs)
            }));
        }
    }
    ways
}

/// Content that differs at every place and from blob to blob.
fn blob(seed: usize, size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| (seed * 31 + at * 7 + at / 251) as u8)
        .collect()
}

fn check(blobs: &[Vec<u8>]) {
    let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let plain = |blob: &&[u8]| {
        let (sha1, md5) = (Sha1::digest(blob), Md5::digest(blob));
        PfileName::new(sha1.into(), md5.into(), blob.len() as u64)
    };
    let expected: Vec<PfileName> = blobs.iter().map(plain).collect();
    for (way, names_of) in ways() {
        assert_eq!(names_of(&blobs), expected, "{way}");
    }
    assert_eq!(digest_batch(&blobs), expected);
}

#[test]
fn the_vectors_of_rfc_1321_hold_in_every_way() {
    let digits = "1234567890".repeat(8);
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let vectors = [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        (
            "abcdefghijklmnopqrstuvwxyz",
            "c3fcd3d76192e4007dfb496cca67e13b",
        ),
        (letters, "d174ab98d277d9f5a5611c2c9f419d9f"),
        (&digits, "57edf4a22be3c955ac49da2e2107b67a"),
    ];
    let blobs = vectors.map(|(text, _)| text.as_bytes());
    for (way, names_of) in ways() {
        let md5 = |name: &PfileName| hex::encode(name.md5());
        let sums: Vec<String> = names_of(&blobs).iter().map(md5).collect();
        assert_eq!(sums, vectors.map(|(_, sum)| sum), "{way}");
    }
}

#[test]
fn a_name_has_sha1_md5_and_size() {
    let name = digest_batch(&[b"abc", b""])[0];
    let text = "A9993E364706816ABA3E25717850C26C9CD0D89D.900150983CD24FB0D6963F7D28E17F72.3";
    assert_eq!(name.to_string().to_uppercase(), text);
}

#[test]
fn every_size_around_the_ends_of_blocks_is_padded_right() {
    let blobs: Vec<Vec<u8>> = (0..=260).map(|size| blob(size, size)).collect();
    check(&blobs);
}

#[test]
fn batches_of_no_one_or_only_empty_blobs_are_fine() {
    check(&[]);
    check(&[blob(1, 1000)]);
    check(&vec![Vec::new(); 40]);
}

#[test]
fn one_huge_blob_among_small_ones_is_hashed_right() {
    let mut blobs: Vec<Vec<u8>> = (0..50).map(|seed| blob(seed, seed * 11)).collect();
    blobs.insert(20, blob(99, 3_000_001));
    check(&blobs);
}

#[test]
fn a_file_has_the_name_of_its_content_however_large_it_is_and_wherever_it_was_read() {
    for size in [0, 100, 300_001, 8 << 20, (9 << 20) + 1] {
        let content = blob(3, size);
        let mut file = tempfile::tempfile().unwrap();
        // Its own position is at its end then.
        file.write_all(&content).unwrap();
        assert_eq!(digest_file(&file).unwrap(), digest(&content), "{size}");
    }
}

/// Sizes near the ends of blocks, and any others.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        (0usize..40, 54usize..67).prop_map(|(blocks, rest)| 64 * blocks + rest),
        0usize..3000
    ]
}

proptest! {
    #[test]
    fn any_batch_gets_the_names_of_its_blobs(sizes in vec(size(), 0..70), seed in 0usize..1000) {
        let blobs: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(i, &size)| blob(seed + i, size)).collect();
        check(&blobs);
    }

    #[test]
    fn pieces_of_any_size_make_the_name_of_the_whole(cuts in vec(size(), 0..6)) {
        let pieces: Vec<Vec<u8>> = cuts.iter().enumerate().map(|(i, &n)| blob(i, n)).collect();
        let mut hasher = Hasher::new();
        pieces.iter().for_each(|piece| hasher.update(piece));
        prop_assert_eq!(hasher.finish(), digest(&pieces.concat()));
    }
}
