// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is packed to do harm wastes its own limits at most; all else is found.

use crate::support::{
    ENOUGH, Expected, Finder, Workshop, all_of, gzip, kinds, noise, tar_of, text, walk_file,
};
use fossology_backup::blob::digest;
use fossology_backup::unpack::{Limits, Options, ProblemKind, Source, walk};
use std::fs::{self, File};

/// One megabyte of zeros, different from others by its end.
fn zeros(which: u32) -> Vec<u8> {
    let mut data = vec![0; 1 << 20];
    data.extend(which.to_le_bytes());
    data
}

#[test]
fn a_wide_bomb_ends_at_its_bytes_and_harms_no_other_source() {
    let shop = Workshop::new();
    let members: Vec<(String, Vec<u8>)> = (0..100)
        .map(|n| (format!("{n}.gz"), gzip(&zeros(n))))
        .collect();
    let shared = tar_of(&[("shared.txt".to_owned(), b"shared\n".to_vec())]);
    let bomb = tar_of(&[members, vec![("shared.tar".to_owned(), shared.clone())]].concat());
    let bomb = shop.file("bomb.tar", &bomb);
    let good = shop.file(
        "good.tar",
        &tar_of(&[("shared.tar".to_owned(), shared.clone())]),
    );
    let source = |path: &std::path::Path, bytes| Source {
        name: digest(path.as_os_str().as_encoded_bytes()),
        file: File::open(path).unwrap(),
        limits: Limits { bytes, ..ENOUGH },
    };
    for threads in [1, 3] {
        let finder = Finder::default();
        let mut sources = [source(&bomb, 30 << 20), source(&good, 1 << 20)].into_iter();
        let options = Options {
            threads,
            spool: &shop.path("."),
            stop: &|| false,
        };
        let walked = walk(&mut sources, &finder, options);
        let of = |path: &std::path::Path| {
            let name = digest(path.as_os_str().as_encoded_bytes());
            walked.iter().find(|walked| walked.name == name).unwrap()
        };
        assert_eq!(kinds(of(&bomb)), [ProblemKind::Limit]);
        assert_eq!(of(&bomb).problem_count, 1);
        assert_eq!(kinds(of(&good)), []);
        // What is in the tar that both have may be cut off in the bomb; not in the good one.
        assert!(finder.found().contains(&digest(b"shared\n")));
        assert!(finder.found().contains(&digest(&shared)));
    }
}

#[test]
fn a_container_that_lay_too_deep_is_opened_where_it_does_not() {
    let shop = Workshop::empty();
    let inner = tar_of(&[("x".to_owned(), b"inside".to_vec())]);
    let deep = gzip(&gzip(&gzip(&inner)));
    let both = tar_of(&[
        ("deep.gz".to_owned(), deep),
        ("inner.tar".to_owned(), inner.clone()),
    ]);
    let path = shop.file("both.tar", &both);
    let limits = Limits { depth: 4, ..ENOUGH };
    let (found, walked) = all_of(&path, limits);
    assert!(found.contains(&digest(b"inside")));
    assert_eq!(kinds(&walked), [ProblemKind::Limit]);
}

#[test]
fn an_archive_that_holds_itself_is_opened_once() {
    let shop = Workshop::empty();
    let quine = include_bytes!("../data/quine.zip");
    let path = shop.file("quine.zip", quine);
    // The source is opened without having a name here, and then once more under its name.
    let (found, walked) = all_of(&path, ENOUGH);
    Expected::default()
        .with("itself", quine)
        .compare(&found, &path);
    assert_eq!((walked.problems.len(), walked.members), (0, 2));
}

#[test]
fn copies_of_copies_are_opened_once() {
    let shop = Workshop::empty();
    let mut level = gzip(&vec![7; 100_000]);
    let mut expected = Expected::default().with("innermost", &vec![7; 100_000]);
    for _ in 0..5 {
        expected = expected.with("level", &level);
        let copies: Vec<(String, Vec<u8>)> =
            (0..16).map(|n| (n.to_string(), level.clone())).collect();
        let tar = tar_of(&copies);
        expected = expected.with("tar", &tar);
        level = gzip(&tar);
    }
    let path = shop.file("42.gz", &level);
    let (found, walked) = all_of(&path, ENOUGH);
    expected.compare(&found, &path);
    assert_eq!(walked.problems, []);
    assert!(walked.members < 200, "{walked:?}");
}

#[test]
fn ten_gigabytes_of_zeros_are_left_when_nobody_seeks_them_and_end_at_the_limit_when_somebody_does()
{
    let shop = Workshop::empty();
    let member = gzip(&vec![0; 32 << 20]);
    let zeros = shop.file("zeros.gz", &member.repeat(320));
    let limits = Limits {
        bytes: 100 << 20,
        ..ENOUGH
    };
    let finder = Finder::only([digest(b"something small")]);
    let walked = walk_file(&zeros, &finder, 2, limits);
    assert_eq!(walked.problems, []);
    assert!(walked.bytes < 20 << 20, "{walked:?}");

    let (found, walked) = all_of(&zeros, limits);
    assert_eq!(found.len(), 0);
    assert_eq!(kinds(&walked), [ProblemKind::Limit]);
    assert!(walked.bytes < 101 << 20, "{walked:?}");
}

/// A tar with a sparse member of almost 8 EiB, of which 512 bytes are there, and another one.
fn sparse_tar() -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    let huge = [&[0x80, 0, 0, 0][..], &(i64::MAX as u64 - 511).to_be_bytes()].concat();
    put(0, b"sparse");
    put(100, b"0000644\0");
    put(124, b"00000001000\0");
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"S");
    put(257, b"ustar  \0");
    put(386, b"00000000000\x0000000001000\0");
    put(410, &huge);
    put(422, b"00000000000\0");
    put(483, &huge);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let rest = tar_of(&[("after".to_owned(), b"after it".to_vec())]);
    [&header[..], &[1; 512], &rest].concat()
}

#[test]
fn a_sparse_member_of_8_eib_is_passed_or_ends_at_the_limit() {
    let shop = Workshop::empty();
    let path = shop.file("sparse.tar", &sparse_tar());
    let finder = Finder::only([digest(b"after it")]);
    let walked = walk_file(&path, &finder, 1, ENOUGH);
    assert_eq!(walked.problems, []);
    assert!(finder.found().contains(&digest(b"after it")));

    let limits = Limits {
        bytes: 50 << 20,
        ..ENOUGH
    };
    let (_, walked) = all_of(&path, limits);
    assert_eq!(kinds(&walked), [ProblemKind::Limit]);
}

#[test]
fn a_member_that_claims_to_be_huge_is_what_is_there_of_it() {
    let shop = Workshop::empty();
    let tar = tar_of(&[("x".to_owned(), b"before".to_vec())]);
    let mut claims = tar[..1024].to_vec();
    let mut header: [u8; 512] = tar[..512].try_into().unwrap();
    header[124..136].copy_from_slice(b"77777777777\0");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    claims.extend(header);
    claims.extend(b"there");
    let path = shop.file("claims.tar", &claims);
    let (found, walked) = all_of(&path, ENOUGH);
    assert!(found.contains(&digest(b"before")));
    assert!(found.contains(&digest(b"there")), "{walked:?}");
    assert_eq!(kinds(&walked)[0], ProblemKind::Damaged);

    let cpio = b"07070100000001000081a400000000000000000000000100000000fffffffe\
        00000000000000000000000000000000000000020000000 0x\0\0\0there"
        .to_vec();
    let path = shop.file("claims.cpio", &cpio);
    let (_, walked) = all_of(&path, ENOUGH);
    assert_eq!(kinds(&walked)[0], ProblemKind::Damaged);
}

#[test]
fn a_million_empty_members_are_gone_through_or_end_at_the_limit() {
    let shop = Workshop::empty();
    let one = "07070100000001000081a400000000000000000000000100000000000000000000000000000000\
               0000000000000000000000020000000";
    // 110 characters of header, a name of one letter and its zero.
    let member = format!("{one:0<110}x\0");
    assert_eq!(member.len(), 112);
    let mut cpio = member.repeat(1_000_000).into_bytes();
    cpio.extend(b"not the end");
    let path = shop.file("empty.cpio.gz", &gzip(&cpio));
    let limits = Limits {
        members: 2_000_000,
        ..ENOUGH
    };
    let finder = Finder::only([digest(b"elsewhere")]);
    let walked = walk_file(&path, &finder, 2, limits);
    assert!(walked.members > 1_000_000, "{walked:?}");

    let walked = walk_file(&path, &finder, 2, ENOUGH);
    assert_eq!(kinds(&walked), [ProblemKind::Limit]);
}

#[test]
fn names_and_links_that_lead_elsewhere_lead_nowhere() {
    let shop = Workshop::new();
    shop.run(
        "bsdtar -cf x.tar -P -s ',^tree/hello.txt,/../../../../escaped,' tree/hello.txt && \
         bsdtar -rf x.tar -P -s ',^tree/binary,../../escaped,' tree/binary && \
         ln -s /etc tree/etc && bsdtar -rf x.tar tree/etc && \
         bsdtar -rf x.tar -s ',^tree/folder,tree/etc,' tree/folder",
    );
    let before = shop.run("find . | sort").stdout;
    let (found, walked) = all_of(&shop.path("x.tar"), ENOUGH);
    assert_eq!(walked.problems, []);
    assert!(found.contains(&digest(b"hello\n")));
    assert!(found.contains(&digest(&noise(100_000, 1))));
    assert!(found.contains(&digest(&text(3000))));
    assert_eq!(shop.run("find . | sort").stdout, before);
}

#[test]
fn a_name_of_64_kib_of_no_text_at_all_is_told_briefly() {
    let shop = Workshop::empty();
    let mut damaged = gzip(&text(1000));
    damaged.truncate(30);
    let name: Vec<u8> = std::iter::repeat_n(0xff, 64 << 10).collect();
    let long = tar_of(&[("././@LongLink".to_owned(), [&name[..], b"\0"].concat())]);
    let mut header: [u8; 512] = long[..512].try_into().unwrap();
    header[156] = b'L';
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let body = &long[512..long.len() - 1024];
    let rest = tar_of(&[("x".to_owned(), damaged)]);
    let path = shop.file("x.tar", &[&header[..], body, &rest].concat());
    let (_, walked) = all_of(&path, ENOUGH);
    assert_eq!(kinds(&walked), [ProblemKind::Damaged], "{walked:?}");
    let told = &walked.problems[0].path;
    assert!(!told.is_empty() && told.len() < 2000, "{}", told.len());
}

#[test]
fn a_thousand_layers_end_at_the_depth_and_a_deep_limit_is_no_danger() {
    let shop = Workshop::empty();
    let mut data = text(100);
    for _ in 0..1000 {
        data = gzip(&data);
    }
    let path = shop.file("deep.gz", &data);
    let (found, walked) = all_of(&path, ENOUGH);
    assert_eq!(found.len(), 20);
    assert_eq!(kinds(&walked), [ProblemKind::Limit]);

    let limits = Limits {
        depth: 1000,
        ..ENOUGH
    };
    let (found, walked) = all_of(&path, limits);
    assert_eq!(walked.problems, []);
    assert!(found.contains(&digest(&text(100))));
}

#[test]
fn a_hundred_large_layers_are_streamed_through_each_other() {
    let shop = Workshop::empty();
    let mut data = [noise(5 << 20, 7), text(100)].concat();
    let innermost = digest(&data);
    for _ in 0..100 {
        data = stored(&data);
    }
    let path = shop.file("deep.gz", &data);
    drop(data);
    let limits = Limits {
        depth: 100,
        ..ENOUGH
    };
    for threads in [1, 4] {
        let finder = Finder::only([innermost]);
        walk_file(&path, &finder, threads, limits);
        assert!(finder.found().contains(&innermost));
    }
}

/// A gzip without compression: quickly made.
fn stored(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gz.write_all(data).unwrap();
    gz.finish().unwrap()
}

#[test]
fn what_came_before_the_cut_is_found_in_every_format() {
    let shop = Workshop::empty();
    for n in 0..10 {
        shop.file(&format!("tree/{n}"), &noise(30_000, n));
    }
    for (file, script) in [
        ("x.tar", "tar -cf x.tar tree"),
        ("x.tar.gz", "tar -czf x.tar.gz tree"),
        ("x.tar.bz2", "tar -cf - tree | bzip2 -1 > x.tar.bz2"),
        ("x.tar.xz", "tar -cJf x.tar.xz tree"),
        (
            "x.tar.lzma",
            "tar -cf - tree | xz --format=lzma > x.tar.lzma",
        ),
        ("x.tar.lz", "tar --lzip -cf x.tar.lz tree"),
        ("x.tar.zst", "tar --zstd -cf x.tar.zst tree"),
        ("x.tar.lz4", "tar -cf - tree | lz4 -qcB4 > x.tar.lz4"),
        (
            "x.tar.Z",
            "tar -cf - tree | (compress -c || [ $? -eq 2 ]) > x.tar.Z",
        ),
        ("x.cpio", "find tree | cpio --quiet -o -H newc > x.cpio"),
        ("x.zip", "zip -qr x.zip tree"),
        ("y.zip", "zip -qr - tree | cat > y.zip"),
        ("x.a", "ar rc x.a tree/*"),
        ("x.cab", "gcab -cz x.cab tree/*"),
        (
            "x.iso",
            "genisoimage -quiet -no-pad -R -o x.iso tree 2>/dev/null",
        ),
        ("x.xar", "bsdtar --format=xar -cf x.xar tree"),
    ] {
        let path = shop.make(file, script);
        let size = fs::metadata(&path).unwrap().len();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(size * 7 / 10)
            .unwrap();
        let (found, walked) = all_of(&path, ENOUGH);
        let expected = shop.expected();
        let whole = expected.names().filter(|name| found.contains(name));
        assert!(whole.count() >= 4, "{file}: {walked:?}");
        assert!(walked.problem_count > 0, "{file}");
        assert!(
            walked
                .problems
                .iter()
                .all(|problem| problem.kind == ProblemKind::Damaged),
            "{file}: {walked:?}"
        );
    }
    // Its directory is at the end.
    let path = shop.make("x.7z", "7z a -bd x.7z tree >/dev/null");
    let data = fs::read(&path).unwrap();
    fs::write(&path, &data[..data.len() * 7 / 10]).unwrap();
    assert_eq!(kinds(&all_of(&path, ENOUGH).1), [ProblemKind::Damaged]);
}
