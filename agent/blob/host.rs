// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The name of a repository host: the folder below the repository's path that holds its trees.

use std::fmt;

/// A key of fossology.conf's `[REPOSITORY]` section, used as a folder name.
///
/// FOSSology takes any text, often the mount point of a network file system; here it must be a
/// relative path that stays below the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct HostName(String);

/// Why a text cannot be a repository host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' cannot be a repository host: it must be a plain folder name (no leading slash, no '.' or '..')"
)]
pub struct HostNameError(String);

impl HostName {
    /// Checks and takes a host's name.
    ///
    /// # Errors
    /// When it would lead out of the repository's path.
    pub fn new(name: impl Into<String>) -> Result<Self, HostNameError> {
        let name = name.into();
        let good = !name.contains('\0')
            && !name.chars().any(char::is_control)
            && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if good {
            Ok(Self(name))
        } else {
            Err(HostNameError(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for HostName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_repository_are_refused() {
        for bad in [
            "", "/srv", "..", "a/../b", "a//b", "./a", "a/", "a\0b", "a\nb",
        ] {
            assert!(HostName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["localhost", "agent-2.example.org", "mnt/nfs1", "with blank"] {
            assert_eq!(HostName::new(good).unwrap().as_str(), good);
        }
    }
}
