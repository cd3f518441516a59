// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any files in any nesting are found by any number of threads, and damage anywhere does no harm.

use crate::support::{ENOUGH, Expected, Finder, Workshop, gzip, tar_of, walk_file};
use proptest::prelude::*;

/// A file, or an archive of others.
#[derive(Clone, Debug)]
enum Node {
    File(Vec<u8>),
    Packed(How, Vec<Node>),
}

/// Ways to pack members; [`How::Gzip`] and [`How::Zstd`] come upon a tar of them.
#[derive(Clone, Copy, Debug)]
enum How {
    Ar,
    Cpio,
    Gzip,
    Tar,
    Zstd,
}

impl Node {
    /// Its bytes; what is to be found inside is added.
    fn pack(&self, expected: &mut Expected) -> Vec<u8> {
        let Self::Packed(how, nodes) = self else {
            let Self::File(content) = self else {
                unreachable!()
            };
            return content.clone();
        };
        let mut members = Vec::new();
        for node in nodes {
            let content = node.pack(expected);
            *expected = std::mem::take(expected).with("member", &content);
            members.push(content);
        }
        let named: Vec<(String, Vec<u8>)> = members
            .iter()
            .enumerate()
            .map(|(n, content)| (n.to_string(), content.clone()))
            .collect();
        let compressed = |compress: fn(&[u8]) -> Vec<u8>, expected: &mut Expected| {
            let tar = tar_of(&named);
            *expected = std::mem::take(expected).with("tar", &tar);
            compress(&tar)
        };
        match how {
            How::Ar => ar(&members),
            How::Cpio => cpio(&members),
            How::Tar => tar_of(&named),
            How::Gzip => compressed(gzip, expected),
            How::Zstd => compressed(|tar| zstd::encode_all(tar, 1).unwrap(), expected),
        }
    }
}

fn ar(members: &[Vec<u8>]) -> Vec<u8> {
    let mut ar = b"!<arch>\n".to_vec();
    for (n, content) in members.iter().enumerate() {
        let name = format!("{n}/");
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            content.len()
        );
        ar.extend(header.as_bytes());
        ar.extend(content);
        ar.resize(ar.len().next_multiple_of(2), b'\n');
    }
    ar
}

fn cpio(members: &[Vec<u8>]) -> Vec<u8> {
    let mut cpio = Vec::new();
    let mut put = |name: &str, ino: usize, content: &[u8]| {
        cpio.extend(b"070701");
        let size = content.len();
        for field in [
            ino,
            0o100_644,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            0,
            0,
            name.len() + 1,
            0,
        ] {
            cpio.extend(format!("{field:08x}").as_bytes());
        }
        cpio.extend(name.as_bytes());
        cpio.push(0);
        cpio.resize(cpio.len().next_multiple_of(4), 0);
        cpio.extend(content);
        cpio.resize(cpio.len().next_multiple_of(4), 0);
    };
    for (n, content) in members.iter().enumerate() {
        put(&n.to_string(), n + 1, content);
    }
    put("TRAILER!!!", 0, b"");
    cpio
}

fn file() -> impl Strategy<Value = Node> {
    prop_oneof![
        4 => "[a-z ]{0,40}".prop_map(|text| Node::File(text.into_bytes())),
        // No container begins with these two.
        2 => (proptest::collection::vec(any::<u8>(), 0..3000))
            .prop_map(|rest| Node::File([&b"%!"[..], &rest].concat())),
        1 => (1_usize..200_000).prop_map(|length| Node::File(vec![b'x'; length])),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Ar),
        Just(How::Cpio),
        Just(How::Gzip),
        Just(How::Tar),
        Just(How::Zstd),
    ]
}

fn packed() -> impl Strategy<Value = Node> {
    let node = file().prop_recursive(5, 40, 6, |inner| {
        (how(), proptest::collection::vec(inner, 1..6))
            .prop_map(|(how, nodes)| Node::Packed(how, nodes))
    });
    (how(), proptest::collection::vec(node, 1..6)).prop_map(|(how, nodes)| Node::Packed(how, nodes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_file_is_found_in_any_nesting(node in packed(), threads in 1_usize..5) {
        let shop = Workshop::empty();
        let mut expected = Expected::default();
        let path = shop.file("source", &node.pack(&mut expected));
        let finder = Finder::default();
        let walked = walk_file(&path, &finder, threads, ENOUGH);
        prop_assert_eq!(walked.problems, []);
        expected.compare(&finder.found(), &path);
    }

    #[test]
    fn whoever_seeks_one_gets_that_one(
        node in packed(),
        threads in 1_usize..5,
        which in any::<prop::sample::Index>(),
    ) {
        let shop = Workshop::empty();
        let mut expected = Expected::default();
        let path = shop.file("source", &node.pack(&mut expected));
        let names: Vec<_> = expected.names().collect();
        let name = *which.get(&names);
        let finder = Finder::only([name]);
        walk_file(&path, &finder, threads, ENOUGH);
        prop_assert_eq!(finder.found().into_iter().collect::<Vec<_>>(), [name]);
    }

    /// The seeker makes sure that each content matches its name.
    #[test]
    fn damage_does_no_harm(
        node in packed(),
        threads in 1_usize..5,
        cut in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
    ) {
        let shop = Workshop::empty();
        let mut data = node.pack(&mut Expected::default());
        for (at, bits) in flips {
            *at.get_mut(&mut data) ^= bits;
        }
        if cut.index(2) == 0 {
            data.truncate(cut.index(data.len()));
        }
        let path = shop.file("source", &data);
        walk_file(&path, &Finder::default(), threads, ENOUGH);
    }
}
