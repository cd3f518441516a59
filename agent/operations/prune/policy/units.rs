// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a policy is written in: sizes ("20 GB"), times ("90 days") and patterns ("*.o"). Each is
//! checked when it is read and remembers its text, so that a rule can be told as it was written.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many bytes each unit has.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const DAY: u64 = 24 * 3600;

/// How many seconds each unit has.
const SPANS: [(&str, u64); 5] = [
    ("hour", 3600),
    ("day", DAY),
    ("week", 7 * DAY),
    ("month", 30 * DAY),
    ("year", 365 * DAY),
];

/// A number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size {
    /// How many bytes.
    pub bytes: u64,
    text: String,
}

/// A length of time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    /// How many seconds.
    pub seconds: u64,
    text: String,
}

/// Patterns of which one has to fit: `*` and `?` stand for anything but `/`, `**` for folders too,
/// `[a-z]` for one of these and `{a,b}` for either. Upper and lower case are the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = || {
            let units: Vec<&str> = SIZES.iter().map(|(unit, _)| *unit).collect();
            let units = units.join(", ");
            format!(
                "'{text}' is no size; it takes a whole number and a unit ({units}), as in \"20 GB\""
            )
        };
        let (number, unit) = number_and_unit(&text).ok_or_else(expected)?;
        let known = SIZES.iter().find(|(known, _)| *known == unit);
        let (_, factor) = known.ok_or_else(expected)?;
        let bytes = number.checked_mul(*factor).ok_or_else(expected)?;
        Ok(Self { bytes, text })
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = || {
            format!(
                "'{text}' is no length of time; it takes a whole number and hours, days, weeks, months or years, as in \"90 days\""
            )
        };
        let (number, unit) = number_and_unit(&text).ok_or_else(expected)?;
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let known = SPANS.iter().find(|(known, _)| *known == unit);
        let (_, factor) = known.ok_or_else(expected)?;
        let seconds = number.checked_mul(*factor).ok_or_else(expected)?;
        Ok(Self { seconds, text })
    }
}

impl TryFrom<Vec<String>> for Patterns {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("an empty list of patterns would fit nothing; leave it out".into());
        }
        let mut set = GlobSetBuilder::new();
        for text in &texts {
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .case_insensitive(true)
                .build()
                .map_err(|error| format!("'{text}' is no pattern: {}", error.kind()))?;
            set.add(glob);
        }
        let set = set.build().map_err(|error| error.to_string())?;
        Ok(Self { texts, set })
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Size {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Span {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A whole number of days.
    pub fn days(days: u64) -> Self {
        Self {
            seconds: days * DAY,
            text: format!("{days} days"),
        }
    }
}

impl Patterns {
    /// Patterns that are part of the program.
    pub(super) fn of(texts: &[&str]) -> Self {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Self::try_from(texts).unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// Whether one of them fits.
    pub fn fit(&self, text: &[u8]) -> bool {
        self.set.is_match(Path::new(OsStr::from_bytes(text)))
    }

    /// As they were written.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}
