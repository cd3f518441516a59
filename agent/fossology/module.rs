// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A module of FOSSology: the files by which its scheduler and its pages know an agent, and the
//! agent's row in the database.

use super::database;
use std::path::Path;

/// The agent's name: of its module's folder, of the link to it, in `jq_type`.
pub const AGENT: &str = "backup";

/// What FOSSology's pages say that the agent does.
const DESCRIPTION: &str = "Backup, check and recovery of this FOSSology";

/// What a module's VERSION file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The release.
    pub version: String,
    /// What it was built from.
    pub commit: String,
}

impl Version {
    /// This program's own.
    pub fn own() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self {
            version: version.to_owned(),
            commit: option_env!("FO_BACKUP_COMMIT")
                .unwrap_or(version)
                .to_owned(),
        }
    }

    /// Reads the section of our agent in a VERSION file.
    pub fn load(file: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(file).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let ours = text
            .lines()
            .map(str::trim)
            .skip_while(|line| *line != format!("[{AGENT}]"))
            .skip(1)
            .take_while(|line| !line.starts_with('['));
        let (mut version, mut commit) = (None, None);
        for (key, value) in ours.filter_map(|line| line.split_once('=')) {
            match key.trim() {
                "VERSION" => version = Some(value.trim().to_owned()),
                "COMMIT_HASH" => commit = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        Some(Self {
            version: version?,
            commit: commit?,
        })
    }

    /// The content of a VERSION file.
    pub fn file(&self) -> String {
        format!(
            "[{AGENT}]\nVERSION={}\nCOMMIT_HASH={}\nDESCRIPTION={DESCRIPTION}\n",
            self.version, self.commit
        )
    }

    /// As the database keeps it.
    pub fn revision(&self) -> String {
        format!("{}.{}", self.version, self.commit)
    }
}

/// The content of our agent's conf. Nothing is special about it: scans go on beside it, and what
/// must not happen beside it (deletion, maintenance) is exclusive by itself.
pub fn conf() -> String {
    format!("[default]\ncommand = {AGENT}\nmax = -1\nspecial[] =\n")
}

/// Makes the agent's row in the database, if it is not there.
///
/// # Errors
/// When the statement fails.
pub fn register(
    client: &mut impl postgres::GenericClient,
    version: &Version,
) -> database::Result<()> {
    client
        .execute(
            "INSERT INTO agent (agent_name, agent_rev, agent_desc, agent_enabled)
             SELECT $1::text, $2::text, $3::text, true
              WHERE NOT EXISTS (SELECT 1 FROM agent WHERE agent_name = $1 AND agent_rev = $2)
             ON CONFLICT DO NOTHING",
            &[&AGENT, &version.revision(), &DESCRIPTION],
        )
        .map(drop)
        .map_err(database::Error::sql("entering the agent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;

    #[test]
    fn the_version_is_read_as_it_is_written() {
        let version = Version {
            version: "1.2.3".into(),
            commit: "abc123".into(),
        };
        assert_eq!(Version::parse(&version.file()), Some(version.clone()));
        let among = format!(
            "[nomos]\nVERSION=9\nCOMMIT_HASH=9\n\n{}[x]\nVERSION=8\n",
            version.file()
        );
        assert_eq!(Version::parse(&among), Some(version));
        for broken in [
            "",
            "[backup]\n",
            "[backup]\nVERSION=1\n",
            "[nomos]\nVERSION=1\nCOMMIT_HASH=2\n",
        ] {
            assert_eq!(Version::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_agent_is_entered_once_for_each_version() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        let mut version = Version::own();
        register(&mut client, &version).unwrap();
        register(&mut client, &version).unwrap();
        version.version += "-next";
        register(&mut client, &version).unwrap();
        let rows = client
            .query(
                "SELECT agent_rev FROM agent WHERE agent_name = 'backup' ORDER BY agent_pk",
                &[],
            )
            .unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].get::<_, String>(0), version.revision());
    }
}
