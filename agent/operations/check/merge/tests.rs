// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::super::found::Age;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A repository where root 0 is gold's first place, 1 that of files, 2 a fall-back of files, and 3
/// a place of files that nobody looks in.
#[derive(Default)]
struct Table {
    hidden: TreeSet,
}

impl Places for Table {
    fn rank(&self, root: u16, _: Tree, _: &PfileName) -> Rank {
        match root {
            0 | 1 => Rank::First,
            2 => Rank::Fallback,
            _ => Rank::Elsewhere,
        }
    }

    fn is_hidden(&self, tree: Tree, _: &PfileName) -> bool {
        self.hidden.contains(tree)
    }

    fn group(&self) -> Option<u32> {
        Some(7)
    }
}

fn name(number: u8) -> PfileName {
    PfileName::new([number; 20], [number; 16], 10)
}

fn file(number: u8, root: u16) -> Found {
    Found {
        name: name(number),
        size: 10,
        gid: 7,
        root,
        mode: 0o660,
        tree: if root == 0 { Tree::Gold } else { Tree::Files },
        position: Position::Right,
        content: Content::NotRead,
        age: Age::Old,
        path: None,
    }
}

fn want(number: u8, trees: &str) -> Want {
    let gold = if trees.contains('g') {
        TreeSet::of(Tree::Gold)
    } else {
        TreeSet::NONE
    };
    let files = if trees.contains('f') {
        TreeSet::of(Tree::Files)
    } else {
        TreeSet::NONE
    };
    Want {
        name: name(number),
        pfile: number.into(),
        trees: gold.union(files),
    }
}

/// The verdicts in short: what, of which name, in which root or trees.
fn told(wants: &[Want], found: &[Found], places: &Table) -> Vec<String> {
    let mut all = Vec::new();
    merge(wants, found, places, &mut |verdict| {
        all.push(match verdict {
            Verdict::Unneeded(found) => format!("unneeded {} {}", found.name.sha1()[0], found.root),
            Verdict::Remark {
                kind, found, only, ..
            } => {
                let only = if only { " only" } else { "" };
                format!("{} {}{only}", kind.as_str(), found.root)
            }
            Verdict::Damaged {
                kind,
                found,
                other_tree,
                ..
            } => {
                let other = if other_tree { " other" } else { "" };
                format!("{} {}{other}", kind.as_str(), found.root)
            }
            Verdict::Absent {
                want,
                trees,
                other_tree,
            } => {
                let other = if other_tree { " other" } else { "" };
                format!("absent {} {trees:?}{other}", want.pfile)
            }
            Verdict::Hidden { trees, .. } => format!("hidden {trees:?}"),
        });
    });
    all
}

#[test]
fn each_damage_has_its_verdict_and_only_that() {
    let good = |root| file(1, root);
    let with = |root, change: &dyn Fn(&mut Found)| {
        let mut found = file(1, root);
        change(&mut found);
        found
    };
    let short = |root| with(root, &|found| found.size = 9);
    let rotten = |root| with(root, &|found| found.content = Content::Differs);
    let unread = |root| with(root, &|found| found.content = Content::Unreadable);
    let shallow = |root| with(root, &|found| found.position = Position::WrongDepth);
    let astray = |root| with(root, &|found| found.position = Position::WrongFolder);
    for (trees, found, expected) in [
        ("gf", vec![good(0), good(1)], &[][..]),
        ("f", vec![good(1)], &[]),
        ("gf", vec![], &["absent 1 {Gold, Files}"]),
        ("f", vec![], &["absent 1 {Files}"]),
        // One tree can help the other.
        ("gf", vec![good(0)], &["absent 1 {Files} other"]),
        ("gf", vec![good(1)], &["absent 1 {Gold} other"]),
        ("gf", vec![good(0), short(1)], &["size_wrong 1 other"]),
        ("gf", vec![rotten(0), good(1)], &["corrupt 0 other"]),
        ("gf", vec![short(0)], &["size_wrong 0", "absent 1 {Files}"]),
        (
            "gf",
            vec![rotten(0), rotten(1)],
            &["corrupt 0", "corrupt 1"],
        ),
        ("f", vec![unread(1)], &["unreadable 1"]),
        // A copy that nothing needs is rubbish, unless it is the last one.
        ("f", vec![good(0), good(1)], &["unneeded 1 0"]),
        ("f", vec![good(0)], &["absent 1 {Files} other"]),
        // Fall-backs are read, other places are not.
        ("f", vec![good(2)], &["in_fallback 2"]),
        ("f", vec![good(1), good(2)], &["in_fallback 2"]),
        ("f", vec![good(3)], &["wrong_place 3 only"]),
        ("f", vec![good(1), good(3)], &["wrong_place 3"]),
        ("f", vec![astray(1)], &["wrong_place 1 only"]),
        ("f", vec![shallow(1)], &["wrong_depth 1 only"]),
        (
            "f",
            vec![shallow(1), astray(1)],
            &["wrong_depth 1 only", "wrong_place 1"],
        ),
        ("f", vec![short(3)], &["wrong_place 3", "absent 1 {Files}"]),
        (
            "f",
            vec![rotten(1), good(3)],
            &["corrupt 1", "wrong_place 3"],
        ),
        // Modes and groups count where FOSSology looks.
        ("f", vec![with(1, &|f| f.mode = 0o2664)], &[]),
        ("f", vec![with(1, &|f| f.mode = 0o600)], &["wrong_mode 1"]),
        ("f", vec![with(1, &|f| f.mode = 0o666)], &["wrong_mode 1"]),
        ("f", vec![with(1, &|f| f.gid = 8)], &["wrong_owner 1"]),
    ] {
        assert_eq!(
            told(&[want(1, trees)], &found, &Table::default()),
            expected,
            "{trees} {found:?}"
        );
    }
}

#[test]
fn what_cannot_be_seen_is_not_missing() {
    let hidden = Table {
        hidden: TreeSet::of(Tree::Files),
    };
    assert_eq!(told(&[want(1, "f")], &[], &hidden), ["hidden {Files}"]);
    assert_eq!(told(&[want(1, "f")], &[file(1, 1)], &hidden), [""; 0]);
    assert_eq!(
        told(&[want(1, "gf")], &[], &hidden),
        ["hidden {Files}", "absent 1 {Gold}"]
    );
}

proptest! {
    /// Against a merge that looks every name up.
    #[test]
    fn every_name_gets_its_verdict_whatever_is_before_and_after(
        needed in prop::collection::btree_set(0u8..40, 0..30),
        lying in prop::collection::btree_map(0u8..40, 1usize..3, 0..30),
    ) {
        let wants: Vec<Want> = needed.iter().map(|number| want(*number, "f")).collect();
        let found: Vec<Found> = lying
            .iter()
            .flat_map(|(number, copies)| (1..=*copies as u16).map(|root| file(*number, root)))
            .collect();
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for number in 0..40 {
            let copies = lying.get(&number).copied().unwrap_or(0);
            match (needed.contains(&number), copies) {
                (true, 0) => *expected.entry(format!("absent {number} {{Files}}")).or_default() += 1,
                (true, 2) => *expected.entry("in_fallback 2".into()).or_default() += 1,
                (true, _) => {}
                (false, copies) => for root in 1..=copies {
                    expected.insert(format!("unneeded {number} {root}"), 1);
                }
            }
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for verdict in told(&wants, &found, &Table::default()) {
            *seen.entry(verdict).or_default() += 1;
        }
        prop_assert_eq!(seen, expected);
    }
}
