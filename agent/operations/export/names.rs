// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names that are safe to write into an archive. What is in a database came out of archives of
//! strangers: a name may lead out of its folder, have a slash, or be too long for a file system.
//! Names that are no UTF-8 stay as they are, tar takes any bytes.

use crate::blob::digest;
use std::collections::{HashMap, HashSet};

/// How long a name may be in bytes: what Linux's file systems take.
const NAME: usize = 255;

/// How long a path may be in bytes: below what Linux takes at once, with room for the folder in
/// which somebody unpacks it.
const PATH: usize = 3800;

/// Where files go whose paths would be longer.
const LONG: &str = "long-paths";

/// A name that was changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Renamed {
    /// The path as FOSSology has it; what is no UTF-8 is replaced.
    pub path: String,
    /// The name in the archive, or the whole path where that was too long.
    pub became: String,
}

impl Renamed {
    pub(super) fn new(path: &[u8], became: &[u8]) -> Self {
        Self {
            path: String::from_utf8_lossy(path).into_owned(),
            became: String::from_utf8_lossy(became).into_owned(),
        }
    }
}

/// Safe names for the contents of one folder, all different. A name that is safe already belongs to
/// the first that has it.
pub(super) fn safe(names: &[&[u8]]) -> Vec<Vec<u8>> {
    let plain: Vec<Vec<u8>> = names.iter().map(|name| made_safe(name)).collect();
    let mut taken: HashSet<Vec<u8>> = HashSet::with_capacity(names.len());
    let mut safe: Vec<Option<Vec<u8>>> = vec![None; names.len()];
    // Those that need no change first, so that no changed one takes their names.
    for unchanged in [true, false] {
        for (number, plain) in plain.iter().enumerate() {
            let is_unchanged = names[number] == plain.as_slice();
            if is_unchanged == unchanged && safe[number].is_none() && taken.insert(plain.clone()) {
                safe[number] = Some(plain.clone());
            }
        }
    }
    let mut numbers: HashMap<&Vec<u8>, u64> = HashMap::new();
    let mut with_number = |plain| {
        let number = numbers.entry(plain).or_insert(1);
        loop {
            *number += 1;
            let candidate = shortened(plain, &format!("~{number}"));
            if taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    };
    safe.into_iter()
        .zip(&plain)
        .map(|(safe, plain)| safe.unwrap_or_else(|| with_number(plain)))
        .collect()
}

fn made_safe(name: &[u8]) -> Vec<u8> {
    let replaced = name.iter().map(|byte| match byte {
        b'/' | 0 => b'_',
        other => *other,
    });
    let mut safe: Vec<u8> = replaced.collect();
    if matches!(safe.as_slice(), b"" | b"." | b"..") {
        safe.insert(0, b'_');
    }
    if safe.len() > NAME {
        let sum = digest(name).sha1_column();
        safe = shortened(&safe, &format!("~{}", &sum[..8]));
    }
    safe
}

/// The name with an ending, and no longer than a name may be.
fn shortened(name: &[u8], ending: &str) -> Vec<u8> {
    let mut end = name.len().min(NAME - ending.len());
    // Not in the middle of a character, if it is one.
    while end > 0 && end < name.len() && name[end] & 0xc0 == 0x80 && name.len() - end < 4 {
        end -= 1;
    }
    [&name[..end], ending.as_bytes()].concat()
}

/// Whether a path is too long to be unpacked.
pub(super) fn is_too_long(path: &[u8]) -> bool {
    path.len() > PATH
}

/// Another path for a file whose own is too long, or `None` when it is not.
pub(super) fn short_enough(path: &[u8], key: i32) -> Option<Vec<u8>> {
    is_too_long(path).then(|| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        [format!("{LONG}/{key}/").as_bytes(), name].concat()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(names: &[&str]) -> Vec<String> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let safe = safe(&names).into_iter();
        safe.map(|name| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        assert_eq!(
            texts(&["..", ".", "", "../../etc/passwd", "/abs", "a\0b", "plain"]),
            ["_..", "_.", "_", ".._.._etc_passwd", "_abs", "a_b", "plain"]
        );
    }

    #[test]
    fn what_is_safe_keeps_its_name_and_others_give_way() {
        assert_eq!(texts(&["a/b", "a_b", "a_b"]), ["a_b~2", "a_b", "a_b~3"]);
    }

    #[test]
    fn long_names_are_cut_and_differ() {
        let long = "x".repeat(300);
        let names = texts(&[&format!("{long}1"), &format!("{long}2")]);
        assert!(names.iter().all(|name| name.len() == 255), "{names:?}");
        assert_ne!(names[0], names[1]);
        assert_eq!(short_enough(b"a/b", 1), None);
        let path = format!("{}end.c", "d/".repeat(2000));
        assert_eq!(
            short_enough(path.as_bytes(), 7).unwrap(),
            b"long-paths/7/end.c"
        );
    }

    proptest! {
        #[test]
        fn all_names_of_a_folder_are_safe_and_different(
            names in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..40)
        ) {
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            let safe = safe(&names);
            for name in &safe {
                prop_assert!(!name.is_empty() && name.len() <= NAME);
                prop_assert!(!name.contains(&b'/') && !name.contains(&0));
                prop_assert!(name.as_slice() != b"." && name.as_slice() != b"..");
            }
            let different: HashSet<&Vec<u8>> = safe.iter().collect();
            prop_assert_eq!(different.len(), safe.len());
        }
    }
}
