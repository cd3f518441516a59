// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::super::report::Why;
use super::*;
use crate::blob::digest;
use crate::fossology::repository::Range;
use std::fs;

fn keys(keys: &[u32]) -> RoaringBitmap {
    keys.iter().copied().collect()
}

fn part(looked: &[u32], missing: &[u32], unpacked: &[u32], from_vault: &[u32]) -> Part {
    Part {
        looked: keys(looked),
        missing: keys(missing),
        came: Back {
            unpacked: keys(unpacked),
            from_vault: keys(from_vault),
            ..Back::default()
        },
        ..Part::default()
    }
}

fn tally(all: &All, blobs: &[&[u32]]) -> (Amounts, RoaringBitmap, Vec<bool>) {
    let mut tally = Tally::new(all);
    let open = blobs.iter().map(|keys| tally.take(10, keys)).collect();
    (tally.amounts, tally.seen, open)
}

#[test]
fn what_two_shares_brought_counts_once() {
    let alpha = part(&[1, 2, 3], &[2, 3], &[2], &[3]);
    let beta = part(&[2, 3, 4, 5], &[2, 3, 4], &[2, 3], &[]);
    let all = All::of(vec![alpha, beta], &Part::default());
    // Two rows of one blob; the last one was looked for by nobody.
    let (amounts, seen, open) = tally(&all, &[&[1], &[2], &[3, 5], &[4], &[6]]);
    let blobs = |amount: Amount| (amount.blobs, amount.bytes);
    assert_eq!(blobs(amounts.missing), (3, 30));
    assert_eq!(blobs(amounts.unpacked), (2, 20));
    assert_eq!(blobs(amounts.from_vault), (0, 0));
    assert_eq!(seen, keys(&[2, 3, 4]));
    assert_eq!(open, [false, false, false, false, true]);
}

#[test]
fn what_one_missed_and_another_saw_is_looked_for_again() {
    let alpha = part(&[1, 2, 3], &[2, 3], &[3], &[]);
    let beta = part(&[2, 3], &[], &[], &[]);
    let all = All::of(vec![alpha, beta], &Part::default());
    let (amounts, _, open) = tally(&all, &[&[1], &[2], &[3]]);
    assert_eq!(open, [false, true, false]);
    // The other one saw what this one had brought.
    assert_eq!((amounts.missing.blobs, amounts.unpacked.blobs), (1, 1));
}

#[test]
fn in_vain_is_only_what_was_sought_wherever_it_was_missed() {
    let sought = |mut part: Part, in_vain: &[u32]| {
        part.in_vain = keys(in_vain);
        part
    };
    let alpha = sought(part(&[1, 2, 3, 4], &[1, 2, 3, 4], &[], &[]), &[1, 2, 3, 4]);
    let beta = sought(part(&[2, 3, 4], &[2, 3], &[3], &[]), &[2]);
    let all = All::of(vec![alpha, beta], &Part::default());
    assert_eq!(all.in_vain, keys(&[1, 2]));
}

#[test]
fn a_share_that_goes_on_keeps_what_came_before() {
    let mut earlier = part(&[1, 2, 3], &[1, 2, 3], &[1], &[]);
    earlier.recorded = 2;
    earlier.outcomes.insert(
        7,
        Outcome {
            obstacle: Some(Why::NoTool),
            problems: Vec::new(),
        },
    );
    let asked = Asked {
        carried: Some(json!(earlier)),
        ..Asked::here()
    };
    // It finds the first one in its place.
    let later = part(&[1, 2, 3], &[2, 3], &[2], &[]).after(&Part::carried(&asked));
    assert_eq!(later.missing, keys(&[1, 2, 3]));
    assert_eq!(later.came.unpacked, keys(&[1, 2]));
    assert_eq!((later.recorded, later.outcomes.len()), (2, 0));
    let all = All::of(vec![later], &Part::default());
    let (amounts, ..) = tally(&all, &[&[1], &[2], &[3]]);
    assert_eq!((amounts.missing.blobs, amounts.unpacked.blobs), (3, 2));
}

#[test]
fn an_upload_belongs_to_the_host_that_has_its_gold() {
    let folder = tempfile::tempdir().unwrap();
    let host = |name: &str| HostName::new(name).unwrap();
    let range = |name: &str| Range::parse(host(name), "* 00 ff").unwrap();
    // New blobs go to alpha; beta holds what was there before.
    let layout = Layout::new(folder.path(), 1, vec![range("alpha"), range("beta")]);
    let (old, new) = (digest(b"old"), digest(b"new"));
    let put = |at: &str, name: &PfileName| {
        let path = layout.relative_path(Some(&host(at)), Tree::Gold, name);
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"xxx").unwrap();
    };
    put("alpha", &new);
    put("beta", &old);
    let reader = Reader::new(layout).unwrap();
    let of = |hosts: &[Option<HostName>]| {
        [Some(&old), Some(&new), Some(&digest(b"gone")), None]
            .map(|gold| lies_on(&reader, hosts, gold))
    };
    assert_eq!(of(&[Some(host("alpha")), None]), [false, true, true, true]);
    assert_eq!(of(&[Some(host("beta"))]), [true, false, false, false]);
}
