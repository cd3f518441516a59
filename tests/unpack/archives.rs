// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Formats of archives: every plain file comes out, links and devices give nothing.

use crate::support::{ENOUGH, Expected, Workshop, all_of, holds, kinds, noise};
use fossology_backup::blob::digest;
use fossology_backup::unpack::ProblemKind;
use std::fs;
use std::path::Path;

#[test]
fn a_tar_of_any_dialect_gives_its_files() {
    let shop = Workshop::new().with_links();
    for dialect in ["v7", "ustar", "oldgnu", "gnu", "pax"] {
        let tar = shop.make(
            "x.tar",
            // The oldest one knows no pipes.
            &format!(
                "rm -f tree/fifo; [ {dialect} = v7 ] || mkfifo tree/fifo; \
             tar --format={dialect} -cf x.tar tree"
            ),
        );
        holds(&tar, &shop.expected());
    }
}

#[test]
fn a_tar_with_long_names_gives_its_files() {
    let shop = Workshop::new();
    let folder = "folder of a long name/".repeat(20);
    shop.file(&format!("tree/{folder}{}", "x".repeat(200)), b"far away");
    for dialect in ["gnu", "pax"] {
        let tar = shop.make("x.tar", &format!("tar --format={dialect} -cf x.tar tree"));
        holds(&tar, &shop.expected());
    }
}

#[test]
fn a_sparse_file_in_a_tar_comes_with_its_holes() {
    let shop = Workshop::new();
    let mut holes = vec![0; 3 << 20];
    holes[1 << 20..][..4096].copy_from_slice(&noise(4096, 2));
    shop.file("tree/source", &holes);
    shop.run("cp --sparse=always tree/source tree/holes");
    for options in [
        "--format=gnu",
        "--format=pax --sparse-version=0.0",
        "--format=pax --sparse-version=0.1",
        "--format=pax --sparse-version=1.0",
    ] {
        let tar = shop.make(
            "x.tar",
            &format!("tar {options} --sparse -cf x.tar tree/holes tree/hello.txt"),
        );
        assert!(fs::metadata(&tar).unwrap().len() < 1 << 20, "{options}");
        let expected = Expected::default()
            .with("holes", &holes)
            .with("hello.txt", b"hello\n");
        holds(&tar, &expected);
    }
}

#[test]
fn a_cpio_of_any_dialect_gives_its_files() {
    let shop = Workshop::new().with_links();
    for dialect in ["bin", "odc", "newc", "crc", "tar", "ustar"] {
        let cpio = shop.make(
            "x.cpio",
            &format!("find tree | cpio --quiet -o -H {dialect} > x.cpio"),
        );
        holds(&cpio, &shop.expected());
    }
}

#[test]
fn a_cpio_of_the_other_byte_order_gives_its_files() {
    let shop = Workshop::new();
    let cpio = shop.make("x.cpio", "find tree | cpio --quiet -o -H bin > x.cpio");
    let mut data = fs::read(&cpio).unwrap();
    // Headers and names are made of 16 bit words, so is the padding; contents are not swapped.
    let mut at = 0;
    while at + 26 <= data.len() {
        let word = |data: &[u8], n: usize| {
            usize::from(u16::from_le_bytes([data[at + 2 * n], data[at + 2 * n + 1]]))
        };
        let name = word(&data, 10);
        let size = (word(&data, 11) << 16) + word(&data, 12);
        for n in 0..13 {
            data.swap(at + 2 * n, at + 2 * n + 1);
        }
        at += 26 + name.next_multiple_of(2) + size.next_multiple_of(2);
    }
    fs::write(&cpio, data).unwrap();
    holds(&cpio, &shop.expected());
}

#[test]
fn a_zip_gives_its_files_however_they_are_stored() {
    let shop = Workshop::new();
    std::os::unix::fs::symlink("hello.txt", shop.path("tree/symlink")).unwrap();
    for options in ["", "-0", "-9", "-fz", "-Z bzip2"] {
        let zip = shop.make(
            "x.zip",
            &format!("rm -f x.zip; zip -qry {options} x.zip tree"),
        );
        holds(&zip, &shop.expected());
    }
}

#[test]
fn a_zip_by_another_program_gives_its_files() {
    let shop = Workshop::new();
    for method in ["Deflate64", "LZMA", "PPMd", "XZ"] {
        // Whether libarchive knows it depends on its version and on how it was built.
        if method == "Deflate64" {
            continue;
        }
        let zip = shop.make(
            "x.zip",
            &format!("rm -f x.zip; 7z a -bd -tzip -mm={method} x.zip tree >/dev/null"),
        );
        holds(&zip, &shop.expected());
    }
}

#[test]
fn a_zip_that_was_streamed_gives_its_files() {
    let shop = Workshop::new();
    let streamed = shop.make("x.zip", "zip -qr - tree | cat > x.zip");
    holds(&streamed, &shop.expected());
    let zip64 = shop.make("y.zip", "bsdtar --format=zip -cf - tree | cat > y.zip");
    holds(&zip64, &shop.expected());
}

#[test]
fn a_zip_cut_in_its_directory_gives_its_files() {
    let shop = Workshop::new();
    for script in ["zip -qr x.zip tree", "zip -qr - tree | cat > x.zip"] {
        let zip = shop.make("x.zip", script);
        let mut data = fs::read(&zip).unwrap();
        let directory = data.windows(4).position(|four| four == b"PK\x01\x02");
        // libarchive looks a little ahead.
        data.truncate(directory.unwrap() + 30);
        fs::write(&zip, data).unwrap();
        let (found, _) = all_of(&zip, ENOUGH);
        shop.expected().compare(&found, &zip);
    }
}

#[test]
fn a_jar_gives_its_files() {
    let shop = Workshop::new();
    let jar = shop.make("x.jar", "fastjar -cMf x.jar tree");
    holds(&jar, &shop.expected());
}

#[test]
fn an_ar_gives_its_files_whatever_their_names() {
    let shop = Workshop::new();
    shop.file("tree/a name longer than sixteen.o", b"long name");
    let files = "tree/hello.txt tree/empty tree/binary 'tree/a name longer than sixteen.o'";
    let expected = [
        "hello.txt",
        "empty",
        "binary",
        "a name longer than sixteen.o",
    ]
    .iter()
    .fold(Expected::default(), |all, name| {
        all.with_file(&shop.path("tree").join(name))
    });
    let gnu = shop.make("gnu.a", &format!("ar rc gnu.a {files}"));
    holds(&gnu, &expected);
    let bsd = shop.make(
        "bsd.a",
        &format!("bsdtar --format=arbsd -cf bsd.a -s ',^tree/,,' {files}"),
    );
    holds(&bsd, &expected);
}

#[test]
fn a_deb_gives_its_parts_and_their_files() {
    let shop = Workshop::new();
    shop.file(
        "pkg/DEBIAN/control",
        b"Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n",
    );
    shop.run("cp -r tree pkg/");
    for compression in ["xz", "gzip", "zstd", "none"] {
        let deb = shop.make(
            "x.deb",
            &format!("dpkg-deb --root-owner-group -Z{compression} -b pkg x.deb"),
        );
        shop.run("rm -rf parts; mkdir parts; cd parts && ar x ../x.deb");
        shop.run(
            "for part in parts/*.tar.*; do case $part in *.tar) ;; *.xz) xz -dk $part ;; \
             *.gz) gzip -dk $part ;; *.zst) zstd -qdk $part ;; esac; done",
        );
        let parts = fs::read_dir(shop.path("parts")).unwrap();
        let expected = parts
            .map(|part| part.unwrap().path())
            .fold(shop.expected(), |all, part| all.with_file(&part))
            .with_file(&shop.path("pkg/DEBIAN/control"));
        holds(&deb, &expected);
    }
}

#[test]
fn an_rpm_gives_its_payload_and_the_files_in_it() {
    let shop = Workshop::new();
    for payload in [
        "w9.gzdio",
        "w9.bzdio",
        "w2.xzdio",
        "w2.lzdio",
        "w3.zstdio",
        "w.ufdio",
    ] {
        let spec = format!(
            "%define _binary_payload {payload}\nName: x\nVersion: 1\nRelease: 1\nSummary: x\n\
             License: x\nBuildArch: noarch\nAutoReqProv: no\n%description\nx\n%install\n\
             mkdir -p %{{buildroot}}/opt\ncp -r {tree} %{{buildroot}}/opt/\n%files\n/opt/tree\n",
            tree = shop.path("tree").display()
        );
        shop.file("x.spec", spec.as_bytes());
        shop.run(
            "rm -rf top; rpmbuild --quiet --define \"_topdir $PWD/top\" \
             --define '__os_install_post %{nil}' -bb x.spec",
        );
        let rpm = shop.make("x.rpm", "cp top/RPMS/noarch/*.rpm x.rpm");
        let cpio = shop.run("rpm2cpio x.rpm").stdout;
        let compressed = compressed_payload(&fs::read(&rpm).unwrap());
        let expected = shop
            .expected()
            .with("cpio", &cpio)
            .with("compressed cpio", &compressed);
        holds(&rpm, &expected);
    }
}

/// What follows an rpm's lead, signature and header.
fn compressed_payload(rpm: &[u8]) -> Vec<u8> {
    let header = |at: usize| {
        let number = |at: usize| u32::from_be_bytes(rpm[at..at + 4].try_into().unwrap()) as usize;
        at + 16 + 16 * number(at + 8) + number(at + 12)
    };
    rpm[header(header(96).next_multiple_of(8))..].to_vec()
}

#[test]
fn a_7z_gives_its_files_however_they_are_packed() {
    let shop = Workshop::new();
    for options in [
        "",
        "-ms=off",
        "-mhc=off",
        "-m0=LZMA",
        "-m0=PPMd",
        "-m0=BZip2",
        "-m0=Deflate",
        "-m0=Copy",
        "-mf=BCJ",
        "-m0=Delta:4 -m1=LZMA2",
    ] {
        let archive = shop.make(
            "x.7z",
            &format!("rm -f x.7z; 7z a -bd {options} x.7z tree >/dev/null"),
        );
        holds(&archive, &shop.expected());
    }
}

#[test]
fn what_is_encrypted_is_called_so_and_the_rest_is_found() {
    let shop = Workshop::new();
    for (file, script) in [
        ("a.7z", "7z a -bd -psecret -mhe=on a.7z tree >/dev/null"),
        ("b.7z", "7z a -bd -psecret b.7z tree >/dev/null"),
        ("a.zip", "zip -qr -P secret a.zip tree/folder"),
        (
            "b.zip",
            "7z a -bd -psecret -mem=AES256 b.zip tree/folder >/dev/null",
        ),
    ] {
        let archive = shop.make(file, script);
        let outer = shop.make("x.tar", &format!("tar -cf x.tar {file} tree/hello.txt"));
        let (found, walked) = all_of(&outer, ENOUGH);
        let expected = Expected::default()
            .with_file(&archive)
            .with("hello.txt", b"hello\n");
        // Empty files have nothing to be encrypted.
        let mut found = found;
        found.remove(&digest(b""));
        expected.compare(&found, &archive);
        assert_eq!(kinds(&walked), [ProblemKind::Encrypted], "{walked:?}");
        assert_eq!(walked.problems[0].path, file);
    }
}

#[test]
fn a_zip_with_one_encrypted_member_gives_the_others() {
    let shop = Workshop::new();
    let zip = shop.make(
        "x.zip",
        "zip -q -P secret x.zip tree/binary && zip -q x.zip tree/hello.txt tree/empty",
    );
    let (found, walked) = all_of(&zip, ENOUGH);
    let expected = Expected::default()
        .with("hello.txt", b"hello\n")
        .with("empty", b"");
    expected.compare(&found, &zip);
    assert_eq!(kinds(&walked), [ProblemKind::Encrypted]);
}

#[test]
fn a_cab_gives_its_files() {
    let shop = Workshop::new();
    let files = "tree/hello.txt tree/binary 'tree/folder/with space.c'";
    let expected = ["hello.txt", "binary", "folder/with space.c"]
        .iter()
        .fold(Expected::default(), |all, name| {
            all.with_file(&shop.path("tree").join(name))
        });
    for options in ["-c", "-cz"] {
        let cab = shop.make(
            "x.cab",
            &format!("rm -f x.cab; gcab {options} x.cab {files}"),
        );
        holds(&cab, &expected);
    }
}

#[test]
fn an_iso_gives_its_files_with_any_names() {
    let shop = Workshop::new();
    for options in ["", "-J", "-R", "-J -R", "-iso-level 3"] {
        let iso = shop.make(
            "x.iso",
            &format!("genisoimage -quiet -input-charset utf-8 {options} -o x.iso tree 2>/dev/null"),
        );
        holds(&iso, &shop.expected());
    }
}

#[test]
fn links_in_an_iso_give_nothing() {
    let shop = Workshop::new().with_links();
    let iso = shop.make(
        "x.iso",
        "genisoimage -quiet -input-charset utf-8 -R -o x.iso tree 2>/dev/null",
    );
    holds(&iso, &shop.expected());
}

#[test]
fn a_xar_gives_its_files() {
    let shop = Workshop::new();
    for options in [
        "",
        "--options compression=none",
        "--options compression=bzip2",
    ] {
        let xar = shop.make(
            "x.xar",
            &format!("bsdtar --format=xar {options} -cf x.xar tree"),
        );
        holds(&xar, &shop.expected());
    }
}

/// No free program makes these: they are libarchive's own test files, see REUSE.toml.
#[test]
fn a_rar_and_an_lha_give_their_files() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for file in ["rar4.rar", "rar5.rar", "lha.lzh"] {
        let shop = Workshop::empty();
        let archive = shop.path(file);
        fs::copy(data.join(file), &archive).unwrap();
        shop.run(&format!("bsdtar -xf {file} -C tree"));
        holds(&archive, &shop.expected());
    }
}
