// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words that the scheduler starts us with. Nothing may be said about a mistake before the
//! protocol has begun, so it is kept until there is something to do.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the scheduler told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The path that we were started by.
    pub program: PathBuf,
    /// FOSSology's configuration folder; not told on other hosts.
    pub sysconfdir: Option<PathBuf>,
    /// `job_pk`; 0 in the test at the scheduler's start.
    pub job: i32,
    /// `user_pk` of whose job it is.
    pub user: i32,
    /// Which request is to be carried out.
    pub request: Option<i32>,
    /// Which part of one.
    pub part: Option<i32>,
    /// Words that nobody knows.
    pub unknown: Vec<String>,
}

impl Arguments {
    /// Reads the words, the program's own path first.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut words = words.into_iter();
        let mut read = Self {
            program: words.next().unwrap_or_default().into(),
            ..Self::default()
        };
        while let Some(word) = words.next() {
            let folder = word.as_bytes().strip_prefix(b"--config=");
            if word == "-c" || word == "--config" {
                read.sysconfdir = words.next().map(PathBuf::from);
            } else if let Some(folder) = folder {
                read.sysconfdir = Some(OsString::from_vec(folder.to_vec()).into());
            } else if !read.take(&word.to_string_lossy()) {
                read.unknown.push(word.to_string_lossy().into_owned());
            }
        }
        read
    }

    fn take(&mut self, word: &str) -> bool {
        let Some((key, value)) = word.split_once('=') else {
            return word == super::STARTED;
        };
        let Ok(number) = value.parse::<i32>() else {
            return false;
        };
        match key {
            "--jobId" => self.job = number,
            "--userID" => self.user = number,
            "--groupID" => {}
            "--request" => self.request = Some(number),
            "--part" => self.part = Some(number),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Arguments {
        Arguments::read(line.split(' ').map(OsString::from))
    }

    #[test]
    fn a_local_start_and_a_start_by_ssh_are_understood() {
        let program = "/etc/fossology/mods-enabled/backup/agent/backup";
        let local = read(&format!(
            "{program} --scheduler_start --jobId=57 --config=/etc/fossology --userID=3 --groupID=2 --scheduler_start --request=7"
        ));
        let expected = Arguments {
            program: program.into(),
            sysconfdir: Some("/etc/fossology".into()),
            job: 57,
            user: 3,
            request: Some(7),
            part: None,
            unknown: vec![],
        };
        assert_eq!(local, expected);
        let remote = read(&format!(
            "{program} --userID=3 --groupID=2 --scheduler_start --jobId=57 --request=7"
        ));
        assert_eq!(
            remote,
            Arguments {
                sysconfdir: None,
                ..expected
            }
        );
    }

    #[test]
    fn what_makes_no_sense_is_kept_for_later() {
        let odd = read("backup --scheduler_start --request=seven \"two words\" --jobId=5");
        assert_eq!(odd.unknown, ["--request=seven", "\"two", "words\""]);
        assert_eq!((odd.job, odd.request), (5, None));
    }
}
