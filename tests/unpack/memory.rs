// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Headers that ask for gigabytes do not get them.

use crate::support::{ENOUGH, Finder, Workshop, all_of, holds, kinds, noise, walk_file};
use fossology_backup::blob::digest;
use fossology_backup::unpack::ProblemKind;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;

/// Archives whose headers ask for much, and what each says that it is.
fn greedy(shop: &Workshop) -> Vec<PathBuf> {
    shop.file("tree/text", b"some text\n");
    shop.run(
        "xz -c tree/text > x.xz; xz --format=lzma -c tree/text > x.lzma; lzip -c tree/text > x.lz; \
         7z a -bd -m0=LZMA -mhc=off lzma.7z tree/text >/dev/null; \
         7z a -bd -m0=LZMA2 -mhc=off lzma2.7z tree/text >/dev/null; \
         7z a -bd -m0=PPMd -mhc=off ppmd.7z tree/text >/dev/null",
    );
    let change = |file: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = shop.path(file);
        let mut data = fs::read(&path).unwrap();
        change(&mut data);
        fs::write(&path, data).unwrap();
        path
    };
    // The directory's checksum, then that of the signature's part.
    let sealed = |data: &mut Vec<u8>| {
        let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap()) as usize;
        let directory = &data[32 + number(12)..][..number(20)];
        let sum = crc(directory);
        data[28..32].copy_from_slice(&sum.to_le_bytes());
        let sum = crc(&data[12..32]);
        data[8..12].copy_from_slice(&sum.to_le_bytes());
    };
    let replace = |data: &mut Vec<u8>, coder: &[u8], at: usize, by: &[u8]| {
        let found = data.windows(coder.len()).position(|here| here == coder);
        let at = found.unwrap() + coder.len() + at;
        data[at..at + by.len()].copy_from_slice(by);
        sealed(data);
    };
    vec![
        change("x.xz", &|data| {
            // 4 GiB - 1; then the block header's checksum.
            data[16] = 40;
            let sum = crc(&data[12..20]);
            data[20..24].copy_from_slice(&sum.to_le_bytes());
        }),
        change("x.lzma", &|data| {
            data[1..5].copy_from_slice(&[0, 0, 0, 0x40])
        }),
        change("x.lz", &|data| data[5] = 29),
        change("lzma.7z", &|data| {
            replace(data, &[0x23, 3, 1, 1, 5], 1, &[0, 0, 0, 0x60])
        }),
        change("lzma2.7z", &|data| {
            replace(data, &[0x21, 0x21, 1], 0, &[39])
        }),
        change("ppmd.7z", &|data| {
            replace(data, &[0x23, 3, 4, 1, 5], 1, &[0, 0, 0, 0xf0])
        }),
        {
            // A directory of a hundred million empty files without names.
            let directory = [1, 5, 0xf0, 0xff, 0xe0, 0xf5, 5, 0, 0];
            let mut data = b"7z\xbc\xaf\x27\x1c\0\x04".to_vec();
            data.resize(32, 0);
            data[20..28].copy_from_slice(&(directory.len() as u64).to_le_bytes());
            data.extend(directory);
            sealed(&mut data);
            shop.file("files.7z", &data)
        },
    ]
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

#[test]
fn what_asks_for_gigabytes_is_refused() {
    let shop = Workshop::empty();
    for path in greedy(&shop) {
        let (found, walked) = all_of(&path, ENOUGH);
        assert_eq!(found.len(), 0, "{}", path.display());
        assert_eq!(
            kinds(&walked),
            [ProblemKind::Limit],
            "{}: {walked:?}",
            path.display()
        );
        assert!(walked.problems[0].detail.contains("memory"), "{walked:?}");
    }
}

#[test]
fn what_asks_for_as_much_as_the_highest_levels_do_is_granted() {
    let shop = Workshop::empty();
    let content = noise(100_000, 1);
    shop.file("tree/a", &content);
    let expected = shop.expected();
    for (file, script) in [
        ("x.xz", "xz -9e -c tree/a > x.xz"),
        ("x.lzma", "xz -9e --format=lzma -c tree/a > x.lzma"),
        ("x.lz", "lzip -9 -c tree/a > x.lz"),
        ("x.zst", "zstd -q --ultra -22 -c tree/a > x.zst"),
        ("x.7z", "7z a -bd -mx=9 x.7z tree >/dev/null"),
        (
            "y.7z",
            "7z a -bd -mx=9 -mhc=off -m0=BCJ2 -m1=LZMA:d24 -m2=LZMA:d20 -m3=LZMA:d20 \
                   -mb0:1 -mb0s1:2 -mb0s2:3 y.7z tree >/dev/null",
        ),
    ] {
        holds(&shop.make(file, script), &expected);
    }
}

#[test]
fn a_window_of_a_gigabyte_is_refused() {
    let shop = Workshop::empty();
    let zst = shop.make(
        "x.zst",
        "head -c 300000 /dev/zero | zstd -q --long=30 -1 > x.zst",
    );
    assert_eq!(kinds(&all_of(&zst, ENOUGH).1), [ProblemKind::Damaged]);
}

/// What the system says that a walk by four threads took at most, in bytes: in a process of its
/// own.
fn memory_of_a_walk(path: &Path) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::a_walk_in_a_process_of_its_own"])
        .arg("--nocapture")
        .env("WALKED", path)
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let told = String::from_utf8(child.stdout).unwrap();
    let line = told.lines().find(|line| line.contains("VmHWM:")).unwrap();
    let digits = line
        .split_whitespace()
        .find_map(|word| word.parse::<u64>().ok());
    digits.unwrap() * 1024
}

/// By itself it walks through nothing much; [`memory_of_a_walk`] has it walk through more.
#[test]
fn a_walk_in_a_process_of_its_own() {
    let shop = Workshop::empty();
    let nothing = || shop.file("nothing", b"nothing");
    let path = std::env::var_os("WALKED").map_or_else(nothing, PathBuf::from);
    let finder = Finder::only([digest(b"elsewhere")]);
    walk_file(&path, &finder, 4, ENOUGH);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    println!(
        "\n{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap()
    );
    assert!(finder.found().is_empty());
}

#[test]
fn a_walk_stays_below_512_mib_whatever_it_walks_through() {
    let shop = Workshop::empty();
    greedy(&shop);
    // Dictionaries that are granted, and filled; members that are kept in memory; wide and deep.
    shop.run(
        "for n in 1 2 3 4; do head -c 100M /dev/zero | xz -0 --lzma2=preset=0,dict=64MiB > $n.xz; \
         done; mkdir many; \
         for n in $(seq 40); do head -c 3M /dev/urandom | gzip -1 > many/$n.gz; done",
    );
    let tar = shop.make("x.tar", "tar -cf x.tar --exclude x.tar .");
    let most = memory_of_a_walk(&tar);
    assert!(most < 512 * MIB, "{} MiB", most / MIB);
}
