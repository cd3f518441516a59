// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an upload was unpacked with, as FOSSology's jobs remember it, and what of it is let
//! through to a program of ours.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The arguments of an upload's first unpacking that are used again.
///
/// `-I` leaves out what version control systems keep; `-E a,b` leaves out every path that holds
/// one of the words. Both only save work: what was left out then is not sought now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    ignore_scm: bool,
    exclude: Vec<String>,
}

impl Arguments {
    /// Reads `jobqueue.jq_cmd_args` of an `ununpack` job as the scheduler does: words are parted
    /// by blanks, not within quotes, and the quotes stay in the word. Everything but `-I` and
    /// `-E WORD` is dropped.
    pub fn parse(jq_cmd_args: &str) -> Self {
        let mut arguments = Self::default();
        let mut words = words(jq_cmd_args).into_iter();
        while let Some(word) = words.next() {
            match word {
                "-I" => arguments.ignore_scm = true,
                "-E" => arguments.exclude = words.next().map(patterns).unwrap_or_default(),
                _ => {}
            }
        }
        arguments
    }

    /// The arguments for a run that works on these paths. A word of `-E` that is found in one of
    /// them would leave out everything, so it is dropped.
    pub(super) fn for_paths(&self, paths: &[&Path]) -> Vec<OsString> {
        let in_a_path = |word: &str| {
            paths.iter().any(|path| {
                let path = path.as_os_str().as_bytes();
                path.windows(word.len()).any(|part| part == word.as_bytes())
            })
        };
        let exclude: Vec<&str> = self
            .exclude
            .iter()
            .map(String::as_str)
            .filter(|word| !in_a_path(word))
            .collect();
        let mut arguments = Vec::new();
        if self.ignore_scm {
            arguments.push("-I".into());
        }
        // A value that begins with a dash would be taken for an option by the library that looks
        // at the command line first.
        if !exclude.is_empty() && !exclude[0].starts_with('-') {
            arguments.push("-E".into());
            arguments.push(exclude.join(",").into());
        }
        arguments
    }
}

fn words(text: &str) -> Vec<&str> {
    let mut in_quotes = false;
    text.split(|letter: char| {
        if matches!(letter, '\'' | '"') {
            in_quotes = !in_quotes;
        }
        letter == ' ' && !in_quotes
    })
    .filter(|word| !word.is_empty())
    .collect()
}

fn patterns(word: &str) -> Vec<String> {
    word.split(',')
        .filter(|pattern| !pattern.is_empty() && !pattern.contains(char::is_control))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(text: &str) -> Vec<OsString> {
        Arguments::parse(text).for_paths(&[Path::new("/scratch/in/upload.tar")])
    }

    #[test]
    fn what_foss_jobs_remember_is_passed_on() {
        assert!(passed("").is_empty());
        assert_eq!(passed("-I"), ["-I"]);
        assert_eq!(
            passed(" -E node_modules,.cache"),
            ["-E", "node_modules,.cache"]
        );
        assert_eq!(passed("-I -E 'two words',y"), ["-I", "-E", "'two words',y"]);
    }

    #[test]
    fn nothing_else_is_passed_on() {
        assert!(passed("-Q -U 5 --config=/etc -d / -x").is_empty());
        assert!(passed("-E").is_empty());
        assert!(passed("-E --config=/tmp").is_empty());
        assert!(passed("-E -c").is_empty());
        assert!(passed("-E x\ny").is_empty());
        assert_eq!(passed("-E docs/ -c b -I"), ["-I", "-E", "docs/"]);
    }

    #[test]
    fn a_word_that_is_found_in_our_own_paths_is_dropped() {
        assert_eq!(passed("-E scratch,tests"), ["-E", "tests"]);
        assert!(passed("-E upload,in").is_empty());
    }

    proptest! {
        #[test]
        fn only_the_two_options_come_through(text in "[-IEQUcd ,'\"a-c\n]{0,30}") {
            let passed = passed(&text);
            let mut rest = passed.as_slice();
            if let [first, tail @ ..] = rest && first == "-I" {
                rest = tail;
            }
            match rest {
                [] => {}
                [option, value] => {
                    prop_assert_eq!(option, "-E");
                    prop_assert!(!value.as_bytes().starts_with(b"-"));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
