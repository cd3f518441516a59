// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The parameters of an expiry: what they leave open, the settings say.

use super::check_percent;
use crate::operations::expire::{self, Extent};
use crate::operations::settings::Settings;
use crate::operations::{Error, Result};
use crate::vault::Mode;
use crate::vault::retention::{Age, Policies, Policy};
use serde::{Deserialize, Serialize};

/// Which snapshots go; what is not said here, `[retention]` of the settings says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expire {
    /// Only of this mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What stays of each mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Policy>,
    /// So many that are whole stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_verified: Option<u32>,
    /// How much of the data is read to tell whether they are, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_data: Option<f64>,
    /// How long packs and chunks stay that no snapshot names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Age>,
    /// Packs of which more is dead, in percent, are rewritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_dead: Option<u8>,
    /// Whether packs and chunks stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snapshots_only: bool,
    /// Whether no pack is rewritten.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_rewrite: bool,
    /// Whether nothing is changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Expire {
    /// How it is done on this host.
    pub fn options(&self, settings: &Settings) -> expire::Options {
        let retention = &settings.retention;
        let mut policies = match &self.keep {
            Some(keep) => Policies {
                full: Some(keep.clone()),
                gold: Some(keep.clone()),
            },
            None => retention.policies(),
        };
        match self.mode {
            Some(Mode::Full) => policies.gold = None,
            Some(Mode::Gold) => policies.full = None,
            None => {}
        }
        expire::Options {
            policies,
            minimum_verified: self.minimum_verified.unwrap_or(retention.minimum_verified),
            read: self.read_data,
            grace: self.grace.unwrap_or(retention.grace),
            max_dead: self.max_dead.unwrap_or(retention.max_dead),
            extent: match (self.snapshots_only, self.no_rewrite) {
                (true, _) => Extent::Snapshots,
                (_, true) => Extent::Drop,
                _ => Extent::Rewrite,
            },
            dry_run: self.dry_run,
            level: settings.compression.unwrap_or(1),
            threads: settings.threads(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Usage(what));
        if let Some(Err(why)) = self.keep.as_ref().map(Policy::check) {
            return wrong(format!("the policy: {why}"));
        }
        if let Some(percent) = self.max_dead.filter(|percent| *percent > 100) {
            return wrong(format!(
                "max_dead is {percent}; it takes a percentage up to 100"
            ));
        }
        if self.snapshots_only && self.no_rewrite {
            return wrong("snapshots_only rewrites nothing anyhow; leave no_rewrite out".into());
        }
        check_percent("read_data", self.read_data)
    }
}
