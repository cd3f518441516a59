// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Database against repository, without touching either: two lists in the order of names are
//! merged, and each name that has something to be told about it gets its verdicts. One damage is
//! told once: a blob that lies where FOSSology does not look is misplaced, not missing too.

use super::found::{Content, Found, Position};
use super::report::Kind;
use crate::blob::{PfileName, Tree, TreeSet};

/// A blob that the database needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its name.
    pub name: PfileName,
    /// Its key, `pfile_pk`; the first one's where several rows have the same name.
    pub pfile: u32,
    /// The trees in which it has to lie.
    pub trees: TreeSet,
}

/// Which of the places that FOSSology looks in a root is, for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Where it is written, and looked for first.
    First,
    /// Where it is looked for next.
    Fallback,
    /// Not looked in.
    Elsewhere,
}

/// What the merge has to know of the repository.
pub trait Places {
    /// Whether FOSSology looks for the name in this root.
    fn rank(&self, root: u16, tree: Tree, name: &PfileName) -> Rank;

    /// Whether a folder that could not be read, or is on another host, may hold the name, so that
    /// nobody can tell whether it is there.
    fn is_hidden(&self, tree: Tree, name: &PfileName) -> bool;

    /// The number of the group that all has to belong to, if it is known here.
    fn group(&self) -> Option<u32>;
}

/// What is to be told about a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Nothing needs this file.
    Unneeded(&'a Found),
    /// Something is to be told about a file of a needed blob, which is not the blob's loss.
    /// `only` says that FOSSology finds no other file of the blob in this tree.
    Remark {
        /// What.
        kind: Kind,
        /// The file.
        found: &'a Found,
        /// The blob.
        want: &'a Want,
        /// Whether there is no better file in the tree.
        only: bool,
    },
    /// FOSSology finds this file, and its content is not what the name says, or is unreadable.
    Damaged {
        /// Size, content or unreadable.
        kind: Kind,
        /// The file.
        found: &'a Found,
        /// The blob.
        want: &'a Want,
        /// Whether a whole copy lies in the other tree.
        other_tree: bool,
    },
    /// There is no file in these trees.
    Absent {
        /// The blob.
        want: &'a Want,
        /// Where it is missing.
        trees: TreeSet,
        /// Whether a whole copy lies in the other tree.
        other_tree: bool,
    },
    /// In these trees nobody can tell: a folder on the way could not be read, or is on another host.
    Hidden {
        /// The blob.
        want: &'a Want,
        /// Where.
        trees: TreeSet,
    },
}

/// Merges the needed blobs with the files that were found, both in the order of names.
pub fn merge<'a>(
    wants: &'a [Want],
    found: &'a [Found],
    places: &impl Places,
    tell: &mut impl FnMut(Verdict<'a>),
) {
    let mut rest = found;
    for want in wants {
        let before = rest.iter().take_while(|found| found.name < want.name);
        let (unneeded, at) = rest.split_at(before.count());
        unneeded.iter().map(Verdict::Unneeded).for_each(&mut *tell);
        let same = at.iter().take_while(|found| found.name == want.name);
        let (copies, after) = at.split_at(same.count());
        judge(want, copies, places, tell);
        rest = after;
    }
    rest.iter().map(Verdict::Unneeded).for_each(tell);
}

fn is_whole(found: &Found) -> bool {
    found.size == found.name.size()
        && !matches!(found.content, Content::Differs | Content::Unreadable)
}

fn judge<'a>(
    want: &'a Want,
    copies: &'a [Found],
    places: &impl Places,
    tell: &mut impl FnMut(Verdict<'a>),
) {
    let rank = |found: &Found| match found.position {
        Position::Right => places.rank(found.root, found.tree, &want.name),
        Position::WrongDepth | Position::WrongFolder => Rank::Elsewhere,
    };
    let is_found = |found: &Found| rank(found) != Rank::Elsewhere;
    let whole_in = |tree| {
        let mut copies = copies.iter();
        copies.any(|found| found.tree == tree && is_found(found) && is_whole(found))
    };
    let (mut absent, mut hidden) = (TreeSet::NONE, TreeSet::NONE);
    let mut other_tree = false;
    for tree in want.trees.iter() {
        let here = || copies.iter().filter(move |found| found.tree == tree);
        let in_other = Tree::ALL.into_iter().any(|t| t != tree && whole_in(t));
        for found in here().filter(|found| is_found(found)) {
            let damage = if found.size != want.name.size() {
                Some(Kind::SizeWrong)
            } else {
                match found.content {
                    Content::Differs => Some(Kind::Corrupt),
                    Content::Unreadable => Some(Kind::Unreadable),
                    Content::Same | Content::NotRead => None,
                }
            };
            if let Some(kind) = damage {
                tell(Verdict::Damaged {
                    kind,
                    found,
                    want,
                    other_tree: in_other,
                });
            }
            let mut remark = |kind| {
                tell(Verdict::Remark {
                    kind,
                    found,
                    want,
                    only: false,
                })
            };
            if rank(found) == Rank::Fallback {
                remark(Kind::InFallback);
            }
            if !file_mode_is_good(found.mode) {
                remark(Kind::WrongMode);
            }
            if places.group().is_some_and(|group| group != found.gid) {
                remark(Kind::WrongOwner);
            }
        }
        let seen = here().any(is_found);
        let mut only = !seen;
        for found in here().filter(|found| !is_found(found)) {
            tell(Verdict::Remark {
                kind: misplaced(found),
                found,
                want,
                only: only && is_whole(found),
            });
            only &= !is_whole(found);
        }
        let replaced = !seen && !only;
        if seen || replaced {
            continue;
        }
        if places.is_hidden(tree, &want.name) {
            hidden = hidden.with(tree);
        } else {
            absent = absent.with(tree);
            other_tree |= in_other;
        }
    }
    if !hidden.is_empty() {
        tell(Verdict::Hidden {
            want,
            trees: hidden,
        });
    }
    if !absent.is_empty() {
        tell(Verdict::Absent {
            want,
            trees: absent,
            other_tree,
        });
    }
    // The only copy of something that is needed is no rubbish, even in the wrong tree.
    if absent.is_empty() {
        let extra = copies
            .iter()
            .filter(|found| !want.trees.contains(found.tree));
        extra.map(Verdict::Unneeded).for_each(tell);
    }
}

/// The kind of a file that FOSSology does not find.
pub(super) fn misplaced(found: &Found) -> Kind {
    match found.position {
        Position::WrongDepth => Kind::WrongDepth,
        Position::Right | Position::WrongFolder => Kind::WrongPlace,
    }
}

/// Whether FOSSology's group can read and write the file, and nobody else can write it.
fn file_mode_is_good(mode: u16) -> bool {
    mode & 0o660 == 0o660 && mode & 0o002 == 0
}

#[cfg(test)]
mod tests;
