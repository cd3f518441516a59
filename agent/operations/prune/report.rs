// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a plan says, and what came of it.

use super::facts::Hold;
use crate::operations::recover::Amount;
use serde::Serialize;

/// How what goes of an upload would come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By unpacking its gold.
    Gold,
    /// From the vault.
    Vault,
    /// Some of it by this way, some by that.
    GoldAndVault,
    /// Not all of it is proven yet.
    Unproven,
}

impl Way {
    /// The name, as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gold => "gold",
            Self::Vault => "vault",
            Self::GoldAndVault => "gold_and_vault",
            Self::Unproven => "unproven",
        }
    }

    /// What to tell people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Gold => "from gold",
            Self::Vault => "from the vault",
            Self::GoldAndVault => "from gold and vault",
            Self::Unproven => "not proven yet",
        }
    }
}

/// What a rule does.
#[derive(Clone, Debug, Serialize)]
pub struct RulePlan {
    /// What it is called.
    pub rule: String,
    /// What it does, as a sentence.
    pub words: String,
    /// What goes by it.
    pub drop: Amount,
    /// What of that is proven to come back.
    pub proven: Amount,
    /// Which part of all bytes in `files` goes by it, from 0 to 1.
    pub share: f64,
}

/// What happens to an upload. What several uploads share counts for each.
#[derive(Clone, Debug, Serialize)]
pub struct UploadPlan {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// Why all of it stays, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
    /// The size of its own file, in bytes.
    pub gold_bytes: u64,
    /// All that it needs in `files`, its own file aside.
    pub files: Amount,
    /// What of that no other upload needs.
    pub own: Amount,
    /// What of it is pruned already.
    pub pruned: Amount,
    /// What goes.
    pub drop: Amount,
    /// What of that is proven to come back.
    pub proven: Amount,
    /// Which part of its bytes goes, from 0 to 1.
    pub share: f64,
    /// How that would come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// About how long that would take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// The result of pruning, or of planning it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// The policy's name.
    pub policy: String,
    /// The policy in words.
    pub words: Vec<String>,
    /// All that is needed in `files`, uploaded files aside; each blob once, as in all that follows.
    pub files: Amount,
    /// What of it was pruned before.
    pub pruned_before: Amount,
    /// What recovery cannot make again: it stays.
    pub not_reproducible: Amount,
    /// What goes by the policy.
    pub drop: Amount,
    /// What of that is proven to come back, as the policy wants it.
    pub proven: Amount,
    /// What was removed.
    pub removed: Amount,
    /// What of it was not there before.
    pub was_absent: u64,
    /// What was to go and stayed, because something changed meanwhile.
    pub spared: u64,
    /// What a run that died had entered as pruned and not removed: it counts as there again.
    pub taken_up: u64,
    /// Why it ended before all was removed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postponed: Option<String>,
    /// Uploads that came to need something of what was removed while it was; that was brought back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought_back: Vec<i32>,
    /// Free on the repository's file system before, in bytes.
    pub free_before: u64,
    /// And after.
    pub free_after: u64,
    /// The rules in their order, last the default.
    pub rules: Vec<RulePlan>,
    /// The uploads; those of which most goes first.
    pub uploads: Vec<UploadPlan>,
}

impl Report {
    /// Whether something was to be removed that is still there.
    pub fn is_incomplete(&self) -> bool {
        self.postponed.is_some()
    }
}
