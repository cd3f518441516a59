// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Table `[storage]` of fo_backup.toml: how places over the network are reached.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How places over the network are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many connections are open at once.
    pub connections: Option<u8>,
    /// After how many seconds without any success it gives up.
    pub give_up_after: Option<u32>,
    /// The S3 server's address; Amazon's without.
    pub endpoint: Option<String>,
    /// The bucket's region.
    pub region: Option<String>,
    /// Whether the bucket is a part of the path and not of the host's name.
    pub path_style: Option<bool>,
    /// The key's name.
    pub access_key_id: Option<String>,
    /// The key.
    pub secret_access_key: Option<Secret>,
    /// What goes with keys that hold for a time only.
    pub session_token: Option<Secret>,
    /// A file with keys, as Amazon's tools have it.
    pub credentials_file: Option<PathBuf>,
    /// Which keys of that file.
    pub profile: Option<String>,
    /// Whose certificates are trusted, in place of those that the system trusts.
    pub authorities: Option<PathBuf>,
    /// How ssh is called for SFTP.
    pub ssh: Option<Vec<String>>,
    /// Where packs lie on their way; set by the program.
    #[serde(skip)]
    pub scratch: Option<PathBuf>,
}

impl Settings {
    /// How many connections are open at once.
    pub(in crate::vault) fn connections(&self) -> usize {
        usize::from(self.connections.unwrap_or(6).max(1))
    }

    /// How long it is tried without any success.
    pub(in crate::vault) fn give_up_after(&self) -> Duration {
        Duration::from_secs(self.give_up_after.unwrap_or(180).into())
    }

    /// Where packs lie on their way.
    pub(in crate::vault) fn scratch(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// Something that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub(in crate::vault) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for who has to send it or sign with it.
    pub(in crate::vault) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let text = "endpoint = \"http://localhost:9000\"\naccess_key_id = \"who\"\nsecret_access_key = \"hidden\"\nsession_token = \"hidden\"";
        let settings: Settings = toml::from_str(text).unwrap();
        let shown = format!("{settings:?}");
        assert!(
            shown.contains("who") && !shown.contains("hidden"),
            "{shown}"
        );
    }
}
