// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! All figures, kept in a file in the scratch folder, so that a run may measure a part of it anew
//! and the report still has the rest.

use super::dump::Dump;
use super::error::{Error, Result};
use super::instance::Size;
use super::measure::Sample;
use super::peers::Question;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// What was in the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    Warm,
    Cold,
}

/// A command's samples, one a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub samples: Vec<Sample>,
}

/// What one question gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Section {
    pub question: Question,
    pub cache: Cache,
    /// The time, and the versions of all programs.
    pub when: String,
    pub versions: String,
    pub repository: Size,
    pub rows: Vec<Row>,
}

/// What only concerns us: many files, and nobody to compare with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alone {
    pub when: String,
    pub versions: String,
    pub repository: Size,
    pub rows: Vec<Row>,
}

/// What the vault consists of after the first backup, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct VaultParts {
    pub packs: u64,
    pub indexes: u64,
    pub database: u64,
    pub blobs: u64,
}

/// All figures of one machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub machine: String,
    pub sections: Vec<Section>,
    pub vault: Option<VaultParts>,
    pub alone: Option<Alone>,
    #[serde(default)]
    pub dump: Option<Dump>,
}

impl Results {
    /// The figures in a file, if they are of this machine.
    pub fn load(path: &Path, machine: &str) -> Result<Self> {
        let empty = Self {
            machine: machine.to_owned(),
            ..Self::default()
        };
        let Ok(text) = fs::read(path) else {
            return Ok(empty);
        };
        let old: Self =
            serde_json::from_slice(&text).map_err(|error| Error::Json(path.to_owned(), error))?;
        Ok(if old.machine == machine { old } else { empty })
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| Error::Json(path.to_owned(), error))?;
        fs::write(path, text).map_err(Error::io("writing", path))
    }

    /// Puts a section in place of the older one.
    pub fn put(&mut self, section: Section) {
        let key = |section: &Section| (section.question, section.cache);
        self.sections.retain(|old| key(old) != key(&section));
        self.sections.push(section);
        self.sections.sort_by_key(key);
    }

    /// The versions of the programs at the newest figures.
    pub fn versions(&self) -> &str {
        let sections = self.sections.iter();
        let sections = sections.map(|section| (&section.when, &section.versions));
        let alone = self
            .alone
            .iter()
            .map(|alone| (&alone.when, &alone.versions));
        let newest = sections.chain(alone).max_by_key(|(when, _)| *when);
        newest.map_or("", |(_, versions)| versions)
    }

    pub fn section(&self, question: Question, cache: Cache) -> Option<&Section> {
        let mut sections = self.sections.iter();
        sections.find(|section| section.question == question && section.cache == cache)
    }
}

/// The least, the middle and the most of a figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Row {
    /// A figure over the samples that did not fail; `None` when there is none.
    pub fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        let good = self.samples.iter().filter(|sample| sample.code == 0);
        let mut figures: Vec<f64> = good.map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len().checked_sub(1)? as f64 / 2.0;
        let (below, above) = (middle.floor() as usize, middle.ceil() as usize);
        Some(Spread {
            least: figures[0],
            median: (figures[below] + figures[above]) / 2.0,
            most: figures[figures.len() - 1],
        })
    }

    /// The exit code of the first sample that failed.
    pub fn failed(&self) -> Option<i32> {
        let mut codes = self.samples.iter().map(|sample| sample.code);
        codes.find(|code| *code != 0)
    }
}

/// The row of a command.
pub fn row<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

/// The usual seconds of a command until all is on the disk.
pub fn seconds(rows: &[Row], name: &str) -> Option<f64> {
    Some(row(rows, name)?.spread(|sample| sample.durable)?.median)
}
