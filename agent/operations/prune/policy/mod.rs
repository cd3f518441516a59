// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What may go? A policy is a list of rules; for each place of a file in an upload the first one
//! that holds decides, else the default. A file goes only when every place of it, in every upload,
//! is to go. Pure: nothing here asks a database or looks at a disk.
//!
//! Policies stand in fo_backup.toml and are checked when that is read, so that a mistake is told
//! with its line before anything is looked at.

mod presets;
mod rule;
#[cfg(test)]
mod tests;
mod units;
mod words;

pub use presets::{GOLD_ONLY, PRESETS};
pub use rule::{Action, Kind, Place, Rule, Status, UploadFacts};
pub use units::{Patterns, Size, Span};

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// What has to be seen before a file goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// A rehearsal of recovery gave it back from gold.
    #[default]
    Gold,
    /// A snapshot of the vault holds it whose packs were read and found whole.
    Vault,
    /// One of both.
    Either,
    /// Both.
    Both,
}

/// What is kept and what is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What it is called.
    pub name: String,
    /// What becomes of files for which no rule holds.
    pub default: Action,
    /// The rules; the first that holds decides.
    pub rules: Vec<Rule>,
    /// All of so many of the newest uploads is kept.
    pub keep_newest: usize,
    /// No more is dropped than it takes to have so much free on the repository's file system.
    pub until_free: Option<Size>,
    /// What has to be seen before a file goes.
    pub proof: Proof,
    /// How long it counts that packs were read.
    pub proof_age: Span,
    /// Whether folders that become empty go too.
    pub empty_folders: bool,
}

/// How long it counts that packs were read, unless the settings say otherwise.
const PROOF_AGE: u64 = 90;

/// The table `[prune]` of fo_backup.toml, or one of its `[prune.policies.NAME]`: a policy, some of
/// it left out. What a named one leaves out of `keep_newest`, `until_free`, `proof`, `proof_age`
/// and `empty_folders` is taken from `[prune]`, for presets too.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Table {
    policy: Option<String>,
    #[serde(default)]
    policies: BTreeMap<String, Table>,
    cold_after: Option<Span>,
    default: Option<Action>,
    #[serde(default)]
    rule: Vec<Rule>,
    keep_newest: Option<u32>,
    until_free: Option<Size>,
    proof: Option<Proof>,
    proof_age: Option<Span>,
    empty_folders: Option<bool>,
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived one, as an inherent function.
        let table = Self::deserialize(deserializer)?;
        table.check().map_err(serde::de::Error::custom)?;
        Ok(table)
    }
}

impl Table {
    fn check(&self) -> Result<(), String> {
        if self.policy.is_some() && self.is_a_policy() {
            return Err("policy names another policy, so this table can have no default and no rules; give them a name in [prune.policies.NAME]".into());
        }
        for (name, table) in &self.policies {
            if PRESETS.contains(&name.as_str()) {
                return Err(format!(
                    "policies.{name}: that is the name of a preset; take another"
                ));
            }
            let inner = [
                ("policy", table.policy.is_some()),
                ("policies", !table.policies.is_empty()),
                ("cold_after", table.cold_after.is_some()),
            ];
            if let Some((field, _)) = inner.iter().find(|(_, set)| *set) {
                return Err(format!(
                    "policies.{name}: {field} stands in [prune] itself, not in a policy"
                ));
            }
            if !table.is_a_policy() {
                return Err(format!("policies.{name} has neither a default nor rules"));
            }
        }
        match &self.policy {
            Some(name) if !self.knows(name) => Err(self.unknown(name)),
            _ => Ok(()),
        }
    }

    fn is_a_policy(&self) -> bool {
        self.default.is_some() || !self.rule.is_empty()
    }

    fn knows(&self, name: &str) -> bool {
        PRESETS.contains(&name) || self.policies.contains_key(name)
    }

    fn unknown(&self, name: &str) -> String {
        let known: Vec<&str> = PRESETS
            .into_iter()
            .chain(self.policies.keys().map(String::as_str))
            .collect();
        format!(
            "there is no policy '{name}'; there are: {}",
            known.join(", ")
        )
    }

    /// The policy of this name; without one that which `[prune]` names or is.
    ///
    /// # Errors
    /// When there is none; says which there are.
    pub fn policy(&self, name: Option<&str>) -> Result<Policy, String> {
        let name = name.or(self.policy.as_deref());
        let (name, default, rules, of) = match name {
            None if self.is_a_policy() => ("prune", self.default, self.rule.clone(), None),
            None => {
                return Err(format!(
                    "no policy is chosen: name one by --policy ({}), or write [prune] into fo_backup.toml",
                    PRESETS.join(", ")
                ));
            }
            Some(name) => match self.policies.get(name) {
                Some(table) => (name, table.default, table.rule.clone(), Some(table)),
                None => {
                    let (default, rules) = presets::preset(name, self.cold_after.as_ref())
                        .ok_or_else(|| self.unknown(name))?;
                    (name, Some(default), rules, None)
                }
            },
        };
        let own = |field: fn(&Table) -> bool| of.filter(|table| field(table)).unwrap_or(self);
        Ok(Policy {
            name: name.to_owned(),
            default: default.unwrap_or_default(),
            rules,
            keep_newest: own(|table| table.keep_newest.is_some())
                .keep_newest
                .unwrap_or_default() as usize,
            until_free: own(|table| table.until_free.is_some()).until_free.clone(),
            proof: own(|table| table.proof.is_some()).proof.unwrap_or_default(),
            proof_age: own(|table| table.proof_age.is_some())
                .proof_age
                .clone()
                .unwrap_or_else(|| Span::days(PROOF_AGE)),
            empty_folders: own(|table| table.empty_folders.is_some())
                .empty_folders
                .unwrap_or_default(),
        })
    }
}

/// What decided about a file, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub action: Action,
    /// The number of the rule; none for the default.
    pub rule: Option<usize>,
}

impl Policy {
    /// The numbers of the rules whose conditions about an upload hold: only they are asked about
    /// its files.
    pub fn rules_for(&self, upload: &UploadFacts) -> Vec<usize> {
        let holds = |(at, rule): (usize, &Rule)| rule.holds_for(upload).then_some(at);
        self.rules.iter().enumerate().filter_map(holds).collect()
    }

    /// Decides about a place in an upload for which these rules hold.
    pub fn decide(&self, rules: &[usize], place: &Place<'_>) -> Decision {
        let holds = |at: &&usize| self.rules[**at].holds_at(place);
        match rules.iter().find(holds) {
            Some(&at) => Decision {
                action: self.rules[at].action,
                rule: Some(at),
            },
            None => Decision {
                action: self.default,
                rule: None,
            },
        }
    }

    /// Whether a rule asks for something.
    pub fn asks(&self, for_it: impl Fn(&Rule) -> bool) -> bool {
        self.rules.iter().any(for_it)
    }

    /// The largest number of uploads that a rule asks for; 0 when none does. One more than a
    /// `max_uploads` has to be told from it.
    pub fn most_uploads(&self) -> u32 {
        let asked = self.rules.iter().flat_map(|rule| {
            let most = rule.max_uploads.map(|max| max + 1);
            [rule.min_uploads, most].into_iter().flatten()
        });
        asked.max().unwrap_or(0)
    }
}
