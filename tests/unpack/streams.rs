// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Layers of compression: what lies beneath is a blob, and so is each layer between.

use crate::support::{ENOUGH, Expected, Finder, Workshop, holds, kinds, noise, text, walk_file};
use fossology_backup::unpack::ProblemKind;
use std::fs;

/// How each is made from standard input.
const COMPRESSORS: [&str; 9] = [
    "gzip -c",
    "bzip2 -c",
    "xz -c",
    "xz --format=lzma -c",
    "lzip -c",
    "zstd -qc",
    "lz4 -qc",
    // 2: it became no smaller.
    "(compress -c || [ $? -eq 2 ])",
    "xz -9e -c --check=sha256",
];

#[test]
fn a_compressed_tar_gives_the_tar_and_its_files() {
    let shop = Workshop::new().with_links();
    let tar = shop.make("x.tar", "tar -cf x.tar tree");
    let expected = shop.expected().with_file(&tar);
    for compressor in COMPRESSORS {
        let packed = shop.make("x.packed", &format!("{compressor} < x.tar > x.packed"));
        holds(&packed, &expected);
    }
}

#[test]
fn a_compressed_file_gives_the_file_even_an_empty_one() {
    let shop = Workshop::new();
    for (name, content) in [
        ("text", text(5000)),
        ("one", b"1".to_vec()),
        ("empty", vec![]),
    ] {
        shop.file(name, &content);
        for compressor in COMPRESSORS {
            let packed = shop.make("x", &format!("{compressor} < {name} > x"));
            holds(&packed, &Expected::default().with(name, &content));
        }
    }
}

#[test]
fn several_streams_in_one_file_give_one_content() {
    let shop = Workshop::empty();
    let (a, b) = (text(40_000), noise(30_000, 3));
    shop.file("a", &a);
    shop.file("b", &b);
    for compressor in [
        "gzip -c", "bzip2 -c", "xz -c", "lzip -c", "zstd -qc", "lz4 -qc",
    ] {
        let script = format!("{compressor} < a > x; {compressor} < b >> x");
        let packed = shop.make("x", &script);
        holds(
            &packed,
            &Expected::default().with("both", &[&a[..], &b].concat()),
        );
    }
}

#[test]
fn blocks_and_padding_of_an_xz_are_one_content() {
    let shop = Workshop::empty();
    let content = text(200_000);
    shop.file("a", &content);
    let expected = Expected::default().with("a", &content);
    let blocks = shop.make("x.xz", "xz --block-size=20000 -c a > x.xz");
    holds(&blocks, &expected);
    let threads = shop.make("y.xz", "xz -T2 --block-size=30000 -c a > y.xz");
    holds(&threads, &expected);
    let padded = shop.make("z.xz", "xz -c a > z.xz; head -c 8 /dev/zero >> z.xz");
    holds(&padded, &expected);
}

#[test]
fn several_threads_find_in_a_damaged_xz_what_one_finds() {
    let shop = Workshop::empty();
    for n in 0..60 {
        shop.file(&format!("tree/{n:02}"), &noise(60_000, n));
    }
    let tar = shop.make("x.tar", "tar --sort=name -cf x.tar tree");
    let whole = shop.make("x.xz", "xz -c -0 -T2 --block-size=400KiB x.tar > x.xz");
    holds(&whole, &shop.expected().with_file(&tar));
    let mut data = fs::read(&whole).unwrap();
    let at = data.len() * 6 / 10;
    data[at] ^= 1;
    let damaged = shop.file("y.xz", &data);
    let found = |threads| {
        let finder = Finder::default();
        let walked = walk_file(&damaged, &finder, threads, ENOUGH);
        assert_eq!(kinds(&walked)[..1], [ProblemKind::Damaged], "{walked:?}");
        finder.found()
    };
    let alone = found(1);
    let expected = shop.expected();
    assert!(expected.names().filter(|name| alone.contains(name)).count() >= 30);
    for threads in 2..5 {
        assert_eq!(found(threads), alone, "{threads} threads");
    }
}

#[test]
fn frames_of_a_zstd_that_are_to_be_skipped_are_skipped() {
    let shop = Workshop::empty();
    let content = text(50_000);
    shop.file("a", &content);
    let mut data = vec![0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5];
    let frame = shop.run("zstd -qc a").stdout;
    data.extend(&frame);
    data.extend([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
    data.extend(&frame);
    let packed = shop.file("x.zst", &data);
    let twice = [&content[..], &content].concat();
    holds(&packed, &Expected::default().with("twice", &twice));
}

#[test]
fn what_only_looks_compressed_is_left_alone() {
    let shop = Workshop::empty();
    // The first bytes of an old lzma, of a .Z and of an lha.
    let mut lzma = vec![0x5d, 0, 0, 0x80, 0];
    lzma.extend([0xff; 8]);
    lzma.extend(noise(5000, 4));
    let z = [&[0x1f, 0x9d, 0x90][..], &[0xff; 200]].concat();
    let lha = b"ab-lh5- is how an lha begins, and this text, too".to_vec();
    let cpio = [&[0xc7, 0x71][..], &noise(500, 5)].concat();
    for (name, content) in [("lzma", lzma), ("z", z), ("lha", lha), ("cpio", cpio)] {
        shop.file(&format!("tree/{name}"), &content);
    }
    let tar = shop.make("x.tar", "tar -cf x.tar tree");
    let finder = Finder::default();
    let walked = walk_file(&tar, &finder, 1, ENOUGH);
    assert_eq!(walked.problems, []);
    for name in shop.expected().names() {
        assert!(finder.found().contains(&name), "{name}");
    }
}

#[test]
fn layers_upon_layers_are_all_found() {
    let shop = Workshop::new();
    let mut expected = shop.expected();
    let mut last = shop.make("0", "tar -cf 0 tree");
    for (step, compressor) in COMPRESSORS.iter().enumerate() {
        expected = expected.with_file(&last);
        let next = step + 1;
        last = shop.make(
            &next.to_string(),
            &format!("{compressor} < {step} > {next}"),
        );
    }
    expected = expected.with_file(&last);
    let zip = shop.make("x.zip", &format!("zip -q x.zip {}", COMPRESSORS.len()));
    holds(&zip, &expected);
    assert!(fs::metadata(&zip).unwrap().len() > 0);
}
