// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! fossology.conf as FOSSology's own C library reads it, line by line: `;` comments, `[SECTION]`,
//! `key = value`, `key[] = value`, and `$VAR` for an earlier key of the same section. Where that
//! library would skip a line without a word, or read something other than what is meant, this
//! one says so: a backup of the wrong folder is worse than none.

use super::super::{Error, Result};
use std::path::Path;

/// The sections that are read; in the others only the form of the lines is checked.
const READ: [&str; 4] = ["FOSSOLOGY", "HOSTS", "REPOSITORY", "DIRECTORIES"];

/// One `key = value` or `key[] = value`, with `$VAR` expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key without brackets.
    pub key: String,
    /// Whether it was written `key[]`.
    pub list: bool,
    /// The value without leading blanks; trailing ones belong to it, as in FOSSology.
    pub value: String,
    /// The line's number, from 1.
    pub line: usize,
}

/// A section and its entries in the file's order.
#[derive(Debug, Default)]
pub struct Section {
    name: String,
    line: usize,
    entries: Vec<Entry>,
}

/// The sections of fossology.conf that are used here.
#[derive(Debug)]
pub struct Ini<'a> {
    file: &'a Path,
    sections: Vec<Section>,
}

impl Section {
    /// All entries, in the file's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this key; of several the last, as in FOSSology.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.key == key && !e.list)
    }
}

impl<'a> Ini<'a> {
    /// Reads the content of `file`, whose name is only used in errors.
    ///
    /// # Errors
    /// At the first line that FOSSology would not read as it is meant.
    pub fn parse(file: &'a Path, text: &[u8]) -> Result<Self> {
        let mut ini = Self {
            file,
            sections: Vec::new(),
        };
        for (index, line) in text.split_inclusive(|&c| c == b'\n').enumerate() {
            ini.line(index + 1, line)?;
        }
        Ok(ini)
    }

    /// The section with this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// An error at an entry.
    pub fn error_at(&self, entry: &Entry, problem: impl Into<String>) -> Error {
        let brackets = if entry.list { "[]" } else { "" };
        let key = format!("key {}{brackets}", entry.key);
        self.error(Some(entry.line), Some(key), problem)
    }

    /// An error about a section as a whole.
    pub fn error_in(&self, section: &str, problem: impl Into<String>) -> Error {
        self.error(None, Some(format!("section [{section}]")), problem)
    }

    fn error(&self, line: Option<usize>, key: Option<String>, problem: impl Into<String>) -> Error {
        Error::Configuration {
            file: self.file.to_owned(),
            line,
            key,
            problem: problem.into(),
        }
    }

    fn line(&mut self, number: usize, raw: &[u8]) -> Result<()> {
        let start = raw.trim_ascii_start();
        if start.is_empty() || start[0] == b';' {
            return Ok(());
        }
        let wrong = |ini: &Self, problem: &str| Err(ini.error(Some(number), None, problem));
        let Ok(text) = std::str::from_utf8(start) else {
            return wrong(self, "has bytes that are not UTF-8, so FOSSology skips it");
        };
        let (text, ended) = match text.strip_suffix('\n') {
            Some(text) => (text, true),
            None => (text, false),
        };
        if text.ends_with('\r') {
            return wrong(
                self,
                "ends with CR LF, so FOSSology skips it; convert the file to plain line ends",
            );
        }
        if text.starts_with('#') {
            return wrong(self, "'#' is no comment here; comments start with ';'");
        }
        if !ended && self.current_is_read() {
            return wrong(
                self,
                "has no line end, so FOSSology skips it; the file may have been cut: complete the line and end it",
            );
        }
        if text.starts_with('[') {
            return self.start_section(number, text);
        }
        let Some((key, value)) = text.split_once('=') else {
            return wrong(
                self,
                "expected 'key = value', '[SECTION]' or a comment that starts with ';'",
            );
        };
        let (key, list) = match key.trim_end_matches(blank).strip_suffix("[]") {
            Some(key) => (key, true),
            None => (key.trim_end_matches(blank), false),
        };
        if key.is_empty() || !key.chars().all(|c| word(c) || c == '.' || c == '-') {
            return wrong(
                self,
                "expected a key of letters, digits and '._-' before the '='",
            );
        }
        if self.sections.is_empty() {
            return wrong(
                self,
                "stands before the first [SECTION]; the file's beginning may be missing",
            );
        }
        if !self.current_is_read() {
            return Ok(());
        }
        let entry = Entry {
            key: key.to_owned(),
            list,
            value: value.trim_start_matches(blank).to_owned(),
            line: number,
        };
        let value = self.expand(&entry)?;
        if let Some(section) = self.sections.last_mut() {
            section.entries.push(Entry { value, ..entry });
        }
        Ok(())
    }

    fn current_is_read(&self) -> bool {
        self.sections
            .last()
            .is_none_or(|s| READ.contains(&s.name.as_str()))
    }

    fn start_section(&mut self, number: usize, text: &str) -> Result<()> {
        let name = text[1..].strip_suffix(']').map(|n| n.trim_matches(blank));
        let Some(name) = name.filter(|n| !n.is_empty() && n.chars().all(word)) else {
            return Err(self.error(
                Some(number),
                None,
                "expected '[SECTION]' with nothing after it",
            ));
        };
        if let Some(first) = self.section(name) {
            let problem = format!(
                "stands a second time (first in line {}); FOSSology forgets the first: make one of both",
                first.line
            );
            return Err(self.error(Some(number), Some(format!("section [{name}]")), problem));
        }
        self.sections.push(Section {
            name: name.to_owned(),
            line: number,
            entries: Vec::new(),
        });
        Ok(())
    }

    /// Puts in what earlier lines of the section say for each `$VAR`.
    fn expand(&self, entry: &Entry) -> Result<String> {
        expand(&entry.value, |name| {
            self.sections
                .last()
                .and_then(|section| section.get(name))
                .map(|e| e.value.clone())
        })
        .map_err(|name| {
            self.error_at(
                entry,
                format!("${name} is not set by an earlier line of the section"),
            )
        })
    }
}

/// Replaces each `$VAR` by what `look_up` gives, or fails with the name that it does not know.
pub fn expand(
    text: &str,
    look_up: impl Fn(&str) -> Option<String>,
) -> std::result::Result<String, String> {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c| !word(c)).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&look_up(name).ok_or_else(|| name.to_owned())?);
        }
        out.push_str(rest);
    }
    Ok(out)
}

fn blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<Ini<'static>> {
        Ini::parse(Path::new("fossology.conf"), text)
    }

    fn value(text: &str, section: &str, key: &str) -> String {
        let ini = parse(text.as_bytes()).unwrap();
        ini.section(section)
            .unwrap()
            .get(key)
            .unwrap()
            .value
            .clone()
    }

    #[test]
    fn values_are_what_the_c_library_takes() {
        for (line, expected) in [
            ("path = /srv/repository", "/srv/repository"),
            ("path=/srv", "/srv"),
            ("  path \t=\t /srv", "/srv"),
            ("path = /a=b", "/a=b"),
            ("path = /srv ; not a comment", "/srv ; not a comment"),
            ("path = /srv ", "/srv "),
            ("path =", ""),
            ("path = /old\npath = /new", "/new"),
            ("BASE = /data\npath = $BASE/repo", "/data/repo"),
            ("path = 5$", "5$"),
        ] {
            let text = format!("[FOSSOLOGY]\n{line}\n");
            assert_eq!(value(&text, "FOSSOLOGY", "path"), expected, "{line}");
        }
    }

    #[test]
    fn lists_keep_their_order_and_lines() {
        let ini = parse(b"; hosts\n[REPOSITORY]\nb[] = * 00 7f\na[] = * 80 ff\nb[] = gold 80 ff\n")
            .unwrap();
        let entries: Vec<_> = ini
            .section("REPOSITORY")
            .unwrap()
            .entries()
            .iter()
            .map(|e| (e.line, e.list, e.key.as_str(), e.value.as_str()))
            .collect();
        assert_eq!(
            entries,
            [
                (3, true, "b", "* 00 7f"),
                (4, true, "a", "* 80 ff"),
                (5, true, "b", "gold 80 ff"),
            ]
        );
    }

    #[test]
    fn every_mistake_names_file_line_and_what_is_expected() {
        for (text, message) in [
            ("depth = 3\n", "line 1: stands before the first [SECTION]"),
            ("\n\n[FOSSOLOGY\n", "line 3: expected '[SECTION]'"),
            ("[FOSSOLOGY] x\n", "line 1: expected '[SECTION]'"),
            ("[]\n", "line 1: expected '[SECTION]'"),
            (
                "[FOSSOLOGY]\nhalf a line\n",
                "line 2: expected 'key = value'",
            ),
            ("[FOSSOLOGY]\npath = /srv/fos", "line 2: has no line end"),
            ("[FOSSOL", "line 1: has no line end"),
            ("[FOSSOLOGY]\npath = /srv\r\n", "line 2: ends with CR LF"),
            ("[FOSSOLOGY]\n# path = /srv\n", "line 2: '#' is no comment"),
            (
                "[REPOSITORY]\nmnt/a[] = * 00 ff\n",
                "line 2: expected a key",
            ),
            (
                "[REPOSITORY]\n[] = * 00 ff\n",
                "line 2: expected '[SECTION]'",
            ),
            (
                "[HOSTS]\n[HOSTS]\n",
                "line 2, section [HOSTS]: stands a second time (first in line 1)",
            ),
            (
                "[DIRECTORIES]\nBINDIR = $PREFIX/bin\n",
                "line 2, key BINDIR: $PREFIX is not set by an earlier line",
            ),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("fossology.conf, {message}")),
                "{text:?}: {error}"
            );
        }
        let error = parse(b"[FOSSOLOGY]\npath = /b\xfccher\n").unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }

    #[test]
    fn what_stands_in_sections_of_others_is_not_our_business() {
        let text = b"; f\xfcr alle\n[EMAILNOTIFY]\nsubject = $5 off\n[FOSSOLOGY]\nport = 1\n[LAST]\nno = end";
        let ini = parse(text).unwrap();
        assert!(ini.section("FOSSOLOGY").is_some());
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(text: Vec<u8>) {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_that_looks_like_a_file_makes_it_panic(
            text in "(\\[(FOSSOLOGY|HOSTS|X)?\\]?\n|[a-z$é;#]{0,3}(\\[\\])? ?=?[a-z$é ]{0,5}\r?\n?){0,9}"
        ) {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn a_file_cut_anywhere_is_an_error_or_a_file_with_fewer_whole_lines(cut in 0usize..80) {
            let whole = "[FOSSOLOGY]\nport = 24693\ndepth = 3\npath = /srv/fossology/repository\n";
            let cut = cut.min(whole.len());
            if let Ok(ini) = parse(&whole.as_bytes()[..cut]) {
                let lines = whole[..cut].lines().count();
                let kept = ini.sections.first().map_or(0, |s| 1 + s.entries.len());
                prop_assert_eq!(kept, lines);
                prop_assert!(cut == 0 || whole[..cut].ends_with('\n'));
            }
        }
    }
}
