// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `[retention]` in fo_backup.toml: what stays, and how space is given back.

use crate::vault::retention::{Age, Policies, Policy};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The table. A mode without a policy keeps everything.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// For full snapshots.
    #[serde(deserialize_with = "policy")]
    pub full: Option<Policy>,
    /// For snapshots of gold.
    #[serde(deserialize_with = "policy")]
    pub gold: Option<Policy>,
    /// Of each mode at least so many stay that are known to be whole.
    pub minimum_verified: u32,
    /// How long packs and chunks stay that no snapshot names: an interrupted backup's next run
    /// uses them.
    pub grace: Age,
    /// Packs of which more is dead than this, in percent, are rewritten.
    #[serde(deserialize_with = "percent")]
    pub max_dead: u8,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            full: None,
            gold: None,
            minimum_verified: 1,
            grace: "7d".parse().expect("a length of time"),
            max_dead: 50,
        }
    }
}

impl Retention {
    /// The policies of both modes.
    pub fn policies(&self) -> Policies {
        Policies {
            full: self.full.clone(),
            gold: self.gold.clone(),
        }
    }
}

fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Policy>, D::Error> {
    let policy = Policy::deserialize(deserializer)?;
    policy.check().map_err(D::Error::custom)?;
    Ok(Some(policy))
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        percent @ 0..=100 => Ok(percent),
        other => Err(D::Error::custom(format!(
            "{other} is no percentage from 0 to 100"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Table {
        retention: Retention,
    }

    fn read(text: &str) -> Result<Retention, String> {
        let table = toml::from_str::<Table>(text).map_err(|error| error.to_string());
        Ok(table?.retention)
    }

    #[test]
    fn each_mode_has_its_table() {
        let retention = read(
            "[retention]\ngrace = '2d'\n[retention.full]\nkeep_daily = 14\nkeep_within = '30d'\n",
        )
        .unwrap();
        let full = retention.full.unwrap();
        assert_eq!((full.keep_daily, full.keep_last), (14, 0));
        assert_eq!(full.keep_within.unwrap().to_string(), "30d");
        assert_eq!(retention.gold, None);
        assert_eq!((retention.minimum_verified, retention.max_dead), (1, 50));
        assert_eq!(retention.grace.to_string(), "2d");
    }

    #[test]
    fn mistakes_are_named_with_line_and_field() {
        for (text, line, says) in [
            ("[retention]\nmax_dead = 101\n", 2, "max_dead = 101"),
            ("[retention]\nkeep_last = 3\n", 2, "keep_last"),
            ("[retention.full]\nkeep_daily = -1\n", 2, "keep_daily"),
            (
                "[retention.full]\nkeep_last = 1\nkeep_within = '30'\n",
                3,
                "no length of time",
            ),
            ("\n[retention.gold]\n", 2, "keeps nothing"),
            ("[retention.full]\nkeep_last = 0\n", 1, "keeps nothing"),
            (
                "[retention.full]\nkeep_tags = ['a b']\n",
                1,
                "'a b' is no tag",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(&format!("line {line}")), "{text}: {error}");
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
