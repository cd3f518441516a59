// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a blob lies: `<path>/<host>/<tree>/aa/bb/cc/<name>`, from the depth and the ranges of
//! fossology.conf. Pure: nothing here looks at a disk.

use crate::blob::{HostName, PfileName, Tree, TreeSet};
use std::path::{Path, PathBuf};

/// One line of `[REPOSITORY]`: which names of which trees a host holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    host: HostName,
    trees: TreeSet,
    from: Vec<u8>,
    to: Vec<u8>,
}

/// How a repository is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    path: PathBuf,
    depth: u8,
    ranges: Vec<Range>,
    roots: Vec<Root>,
}

/// The folder of one tree on one host: blobs lie below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The host; `None` for names that no range covers.
    pub host: Option<HostName>,
    /// The tree.
    pub tree: Tree,
    /// The folder.
    pub path: PathBuf,
}

impl Range {
    /// Reads `type from to`: `*`, `gold`, `files`, `logs`, `license` or `test`, and two bounds in
    /// hexadecimal digits.
    ///
    /// # Errors
    /// With what is expected, when FOSSology's scheduler would refuse the line.
    pub fn parse(host: HostName, text: &str) -> Result<Self, &'static str> {
        let words: Vec<_> = text.split(' ').filter(|w| !w.is_empty()).collect();
        let [tree, from, to] = words[..] else {
            return Err("expected 'type from to' with blanks between, as in '* 00 ff'");
        };
        let trees = match tree {
            "*" => TreeSet::of(Tree::Gold).with(Tree::Files),
            "gold" => TreeSet::of(Tree::Gold),
            "files" => TreeSet::of(Tree::Files),
            // Such trees hold no blobs.
            "logs" | "license" | "test" => TreeSet::NONE,
            _ => return Err("expected the type '*', 'gold', 'files', 'logs', 'license' or 'test'"),
        };
        let (from, to) = (digits(from)?, digits(to)?);
        if number(&from) >= number(&to) {
            return Err("expected a first bound that is smaller than the second");
        }
        Ok(Self {
            host,
            trees,
            from,
            to,
        })
    }

    /// As FOSSology compares: as many of the name's first digits as the bound has.
    fn covers(&self, tree: Tree, name: &PfileName) -> bool {
        let digit = |i: usize| (name.sha1()[i / 2] >> if i.is_multiple_of(2) { 4 } else { 0 }) & 15;
        let name = |bound: &[u8]| (0..bound.len()).map(digit);
        self.trees.contains(tree)
            && self.from.iter().copied().le(name(&self.from))
            && self.to.iter().copied().ge(name(&self.to))
    }
}

/// The values of a bound's digits. More than a SHA-1 has would be compared with the dot behind it.
fn digits(text: &str) -> Result<Vec<u8>, &'static str> {
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chars()
        .map(digit)
        .collect::<Option<Vec<_>>>()
        .filter(|digits| (1..=40).contains(&digits.len()))
        .ok_or("expected bounds of 1 to 40 hexadecimal digits")
}

/// Orders bounds by their numbers: without leading zeros the longer one is larger.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let zeros = digits.iter().take_while(|&&d| d == 0).count();
    (digits.len() - zeros, &digits[zeros..])
}

impl Layout {
    /// More levels than this would take folders from the dot behind the SHA-1.
    pub const MAX_DEPTH: u8 = 20;

    /// The layout of the repository at `path` with `depth` levels (at most [`Self::MAX_DEPTH`];
    /// more count as that). Ranges are tried in the order of their hosts' names, those of one
    /// host in the order given, as FOSSology does.
    pub fn new(path: impl Into<PathBuf>, depth: u8, mut ranges: Vec<Range>) -> Self {
        ranges.sort_by(|a, b| a.host.cmp(&b.host));
        let path = path.into();
        let mut roots = Vec::new();
        for tree in Tree::ALL {
            let mut hosts: Vec<_> = ranges.iter().filter(|r| r.trees.contains(tree)).collect();
            hosts.dedup_by(|a, b| a.host == b.host);
            let hosts = hosts.into_iter().map(|r| Some(r.host.clone()));
            roots.extend(hosts.chain([None]).map(|host| Root {
                path: match &host {
                    Some(host) => path.join(host.as_str()).join(tree.as_str()),
                    None => path.join(tree.as_str()),
                },
                host,
                tree,
            }));
        }
        Self {
            path,
            depth: depth.min(Self::MAX_DEPTH),
            ranges,
            roots,
        }
    }

    /// The same layout of a repository in another folder.
    #[must_use]
    pub fn at(&self, path: impl Into<PathBuf>) -> Self {
        Self::new(path, self.depth, self.ranges.clone())
    }

    /// The repository's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many levels of folders lie between a tree and its blobs.
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The host that a new blob is written to; `None`: below the repository's path itself.
    pub fn write_host(&self, tree: Tree, name: &PfileName) -> Option<&HostName> {
        self.read_hosts(tree, name).next().flatten()
    }

    /// The places where FOSSology looks for a blob: first where it is written, then the
    /// fall-backs. A name that no range covers has one place, without a host.
    pub fn read_hosts(
        &self,
        tree: Tree,
        name: &PfileName,
    ) -> impl Iterator<Item = Option<&HostName>> {
        let name = *name;
        let mut hosts = self
            .ranges
            .iter()
            .filter(move |range| range.covers(tree, &name))
            .map(|range| Some(&range.host))
            .peekable();
        let uncovered = hosts.peek().is_none().then_some(None);
        hosts.chain(uncovered)
    }

    /// Where a blob lies below the repository's path: `localhost/gold/aa/bb/cc/<name>`.
    pub fn relative_path(&self, host: Option<&HostName>, tree: Tree, name: &PfileName) -> String {
        let (host, slash) = host.map_or(("", ""), |host| (host.as_str(), "/"));
        format!("{host}{slash}{tree}/{}{name}", name.folders(self.depth))
    }

    /// The repository hosts, in the order of their names, and last `None` for names that no range
    /// covers.
    pub fn hosts(&self) -> Vec<Option<HostName>> {
        let mut hosts: Vec<_> = self
            .roots
            .iter()
            .filter_map(|root| root.host.clone())
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts.into_iter().map(Some).chain([None]).collect()
    }

    /// What decides where a blob lies, the repository's path aside, as text that can be compared.
    pub fn rules(&self) -> Vec<String> {
        let digits =
            |digits: &[u8]| -> String { digits.iter().map(|digit| format!("{digit:x}")).collect() };
        let rule = |range: &Range| {
            let trees: Vec<&str> = range.trees.iter().map(Tree::as_str).collect();
            let (from, to) = (digits(&range.from), digits(&range.to));
            format!("{} {} {from} {to}", range.host, trees.join("+"))
        };
        let ranges = self.ranges.iter().filter(|range| !range.trees.is_empty());
        std::iter::once(format!("depth {}", self.depth))
            .chain(ranges.map(rule))
            .collect()
    }

    /// Every folder that holds blobs by this configuration, gold's first. Not all need exist: the
    /// last of each tree, without a host, only does where a name is covered by no range.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(first: &str) -> PfileName {
        let text = format!("{first:0<40}.d41d8cd98f00b204e9800998ecf8427e.7").replace("_", "0");
        text.parse().unwrap()
    }

    fn layout(depth: u8, ranges: &[(&str, &str)]) -> Layout {
        let ranges = ranges
            .iter()
            .map(|(host, text)| Range::parse(HostName::new(*host).unwrap(), text).unwrap())
            .collect();
        Layout::new("/srv/repo", depth, ranges)
    }

    fn places(layout: &Layout, tree: Tree, first: &str) -> Vec<String> {
        layout
            .read_hosts(tree, &name(first))
            .map(|host| host.map_or("-", HostName::as_str).to_owned())
            .collect()
    }

    #[test]
    fn a_name_lies_on_the_host_whose_range_covers_it() {
        let halves = [("low", "* 00 7f"), ("high", "* 80 ff")];
        let overlap = [("b", "* 00 ff"), ("a", "* 40 bf")];
        let gap = [("a", "* 10 1f")];
        let by_tree = [
            ("g", "gold 00 ff"),
            ("f", "files 00 ff"),
            ("l", "logs 00 ff"),
        ];
        let odd = [("one", "* 0 7"), ("long", "* 800 8fffe"), ("UP", "* A0 BF")];
        let twice = [("a", "gold 00 7f"), ("a", "* 00 ff"), ("B", "files 00 0f")];
        for (ranges, tree, first, expected) in [
            (&halves[..], Tree::Gold, "00", &["low"][..]),
            (&halves, Tree::Files, "7fffffff", &["low"]),
            (&halves, Tree::Files, "80", &["high"]),
            (&halves, Tree::Gold, "ff", &["high"]),
            // In the order of the names, not of the lines.
            (&overlap, Tree::Gold, "3f", &["b"]),
            (&overlap, Tree::Gold, "40", &["a", "b"]),
            (&overlap, Tree::Gold, "bfff", &["a", "b"]),
            (&overlap, Tree::Gold, "c0", &["b"]),
            (&gap, Tree::Gold, "0f", &["-"]),
            (&gap, Tree::Gold, "10", &["a"]),
            (&gap, Tree::Gold, "20", &["-"]),
            (&[], Tree::Files, "20", &["-"]),
            (&by_tree, Tree::Gold, "20", &["g"]),
            (&by_tree, Tree::Files, "20", &["f"]),
            // Only as many digits as the bound has are compared, each bound with its own length.
            (&odd, Tree::Gold, "7fff", &["one"]),
            (&odd, Tree::Gold, "8fffe9", &["long"]),
            (&odd, Tree::Gold, "8ffff0", &["-"]),
            (&odd, Tree::Gold, "ab", &["UP"]),
            // Capitals come before small letters, lines of one host in their order.
            (&twice, Tree::Gold, "00", &["a", "a"]),
            (&twice, Tree::Files, "00", &["B", "a"]),
            (&twice, Tree::Files, "10", &["a"]),
        ] {
            let layout = layout(3, ranges);
            assert_eq!(
                places(&layout, tree, first),
                expected,
                "{ranges:?} {tree} {first}"
            );
            let write = layout
                .write_host(tree, &name(first))
                .map_or("-", HostName::as_str);
            assert_eq!(write, expected[0]);
        }
    }

    #[test]
    fn paths_follow_host_tree_and_depth() {
        let host = HostName::new("localhost").unwrap();
        let name = name("abcdef12");
        for (depth, folders) in [
            (0, ""),
            (1, "ab/"),
            (2, "ab/cd/"),
            (3, "ab/cd/ef/"),
            (4, "ab/cd/ef/12/"),
        ] {
            let layout = layout(depth, &[]);
            assert_eq!(
                layout.relative_path(Some(&host), Tree::Gold, &name),
                format!("localhost/gold/{folders}{name}")
            );
            assert_eq!(
                layout.relative_path(None, Tree::Files, &name),
                format!("files/{folders}{name}")
            );
        }
    }

    #[test]
    fn roots_are_listed_once_each() {
        let layout = layout(
            3,
            &[("b", "* 00 7f"), ("a", "gold 80 ff"), ("b", "gold 80 ff")],
        );
        let roots: Vec<_> = layout
            .roots()
            .iter()
            .map(|r| r.path.to_str().unwrap())
            .collect();
        assert_eq!(
            roots,
            [
                "/srv/repo/a/gold",
                "/srv/repo/b/gold",
                "/srv/repo/gold",
                "/srv/repo/b/files",
                "/srv/repo/files",
            ]
        );
    }

    #[test]
    fn what_decides_where_a_blob_lies_can_be_compared() {
        let ours = layout(
            2,
            &[("b", "* 00 7f"), ("a", "gold 8 ff"), ("c", "logs 00 ff")],
        );
        assert_eq!(
            ours.rules(),
            ["depth 2", "a gold 8 ff", "b gold+files 00 7f"]
        );
        let hosts: Vec<_> = ours.hosts().into_iter().flatten().collect();
        assert_eq!(hosts, ["a", "b"].map(|host| HostName::new(host).unwrap()));
        assert_eq!(ours.hosts().last(), Some(&None));
        assert_eq!(ours.at("/elsewhere").rules(), ours.rules());
        assert_ne!(
            layout(3, &[("b", "* 00 7f")]).rules(),
            layout(3, &[("b", "* 00 80")]).rules()
        );
    }

    #[test]
    fn ranges_that_the_scheduler_refuses_are_refused() {
        for bad in [
            "",
            "*",
            "* 00",
            "* 00 ff x",
            "*\t00\tff",
            "all 00 ff",
            "* 00 fg",
            "* ff 00",
            "* 7 07",
            "* 0x0 ff",
            "files 00-7f",
        ] {
            let host = HostName::new("localhost").unwrap();
            assert!(Range::parse(host, bad).is_err(), "{bad:?}");
        }
        for good in ["* 00 ff", "gold  0 7ff", "* 000 ff ", "test 0 f", "* 8 80"] {
            let host = HostName::new("localhost").unwrap();
            assert!(Range::parse(host, good).is_ok(), "{good:?}");
        }
    }
}
