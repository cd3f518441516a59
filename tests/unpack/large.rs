// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is too large to be kept in memory is streamed or spooled, and comes out all the same.

use crate::support::{ENOUGH, Expected, Finder, Workshop, all_of, holds, noise, text, walk_file};
use fossology_backup::blob::digest;
use std::fs;
use std::path::PathBuf;

/// A tar.xz with large members, and in it archives that have to be read by position.
fn nested(shop: &Workshop) -> (PathBuf, Expected) {
    shop.file("tree/five", &noise(5 << 20, 1));
    shop.file("tree/seventeen", &text(17 << 20));
    shop.file("tree/small", b"small");
    shop.run(
        "7z a -bd -m0=Copy in.7z tree >/dev/null; zip -qr0 in.zip tree; tar -cf in.tar tree; \
         tar -cf x.tar in.7z in.zip in.tar tree",
    );
    let path = shop.make("x.tar.xz", "xz -0 -k x.tar");
    let expected = ["in.7z", "in.zip", "in.tar", "x.tar"]
        .iter()
        .fold(shop.expected(), |all, file| all.with_file(&shop.path(file)));
    (path, expected)
}

#[test]
fn large_members_and_archives_come_out_of_a_stream() {
    let shop = Workshop::empty();
    let (path, expected) = nested(&shop);
    holds(&path, &expected);
}

#[test]
fn one_large_blob_is_found_alone_wherever_it_lies() {
    let shop = Workshop::empty();
    let (path, expected) = nested(&shop);
    for name in expected.names() {
        let finder = Finder::only([name]);
        let walked = walk_file(&path, &finder, 2, ENOUGH);
        assert_eq!(finder.found().into_iter().collect::<Vec<_>>(), [name]);
        assert_eq!(walked.problems, []);
        // Larger than what is kept in memory.
        let spooled = *finder.files.lock().unwrap();
        assert_eq!(spooled, u64::from(name.size() > 16 << 20), "{name}");
    }
}

#[test]
fn nothing_is_left_in_the_spool_folder() {
    let shop = Workshop::empty();
    let (path, _) = nested(&shop);
    let before = fs::read_dir(shop.path(".")).unwrap().count();
    all_of(&path, ENOUGH);
    assert_eq!(fs::read_dir(shop.path(".")).unwrap().count(), before);
}

#[test]
fn without_a_spool_folder_the_small_ones_are_found_and_the_trouble_is_told() {
    use fossology_backup::unpack::{Options, ProblemKind, Source, walk};
    let shop = Workshop::empty();
    let (path, _) = nested(&shop);
    let mut source = std::iter::once(Source {
        name: digest(b"source"),
        file: fs::File::open(&path).unwrap(),
        limits: ENOUGH,
    });
    let finder = Finder::default();
    let options = Options {
        threads: 2,
        spool: &shop.path("not there"),
        stop: &|| false,
    };
    let walked = walk(&mut source, &finder, options).remove(0);
    assert!(finder.found().contains(&digest(b"small")));
    assert!(finder.found().contains(&digest(&noise(5 << 20, 1))));
    let mut problems = walked.problems.iter();
    assert!(problems.any(|problem| problem.kind == ProblemKind::Io));
}
