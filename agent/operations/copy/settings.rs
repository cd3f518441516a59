// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Table `[offsite]` of fo_backup.toml: where copies go.

use crate::vault::StorageSettings;
use serde::Deserialize;

/// Where copies go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Offsite {
    /// The far vault.
    pub location: Option<String>,
    /// How it is reached; as the vault itself without.
    pub storage: Option<StorageSettings>,
}
