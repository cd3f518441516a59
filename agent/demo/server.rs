// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where PostgreSQL's programs are, and as whom they have to run: the server refuses root.

use super::{Error, Result};
use nix::unistd::{Uid, User, geteuid};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian keeps each major version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A PostgreSQL installation.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    /// The folder of `initdb`, `postgres` and the clients.
    pub bin: PathBuf,
    /// The major version, such as 15.
    pub major: u32,
    /// What the server says of its version.
    pub version: String,
}

impl Installation {
    /// The newest installation, or that of one major version.
    pub fn find(wanted: Option<u32>) -> Result<Self> {
        let debian = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
        let mut found: Vec<Self> = debian
            .map(|version| version.path().join("bin"))
            .filter_map(Self::at)
            .collect();
        found.sort_by_key(|installation| std::cmp::Reverse(installation.major));
        let elsewhere = || {
            let configured = output("pg_config", "--bindir").map(PathBuf::from);
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
            configured.into_iter().chain(path).filter_map(Self::at)
        };
        found
            .into_iter()
            .chain(elsewhere())
            .find(|installation| wanted.is_none_or(|major| major == installation.major))
            .ok_or(Error::NoServer { major: wanted })
    }

    fn at(bin: PathBuf) -> Option<Self> {
        if !bin.join("initdb").is_file() {
            return None;
        }
        let version = output(bin.join("postgres"), "--version")?;
        Some(Self {
            bin,
            major: major_of(&version)?,
            version,
        })
    }
}

/// The major version in `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)` or `… 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.find(|c: char| !c.is_ascii_digit());
    number[..digits.unwrap_or(number.len())].parse().ok()
}

fn output(program: impl AsRef<std::ffi::OsStr>, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// As whom the server runs: as we do, or as somebody else when we are root.
pub(super) struct RunAs(Option<User>);

impl RunAs {
    pub fn unprivileged() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self(Some(user)))
            .ok_or(Error::NoUser)
    }

    /// A command that will run as that user, with nothing of ours that it could stumble over.
    pub fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os() {
            // A PGPORT or PGDATA of the caller's would lead the programs somewhere else.
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(user) = &self.0 {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// Gives a file or folder to that user.
    pub fn give(&self, path: &Path) -> Result<()> {
        let Some(user) = &self.0 else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(Error::io("giving to PostgreSQL's user", path))
    }

    /// Makes sure that the user can enter the folder: opens the folder itself, checks its parents.
    pub fn open_way(&self, directory: &Path) -> Result<()> {
        let Some(user) = &self.0 else { return Ok(()) };
        for path in directory.ancestors() {
            let meta = path.metadata().map_err(Error::io("looking at", path))?;
            let needed = if Uid::from_raw(meta.uid()) == user.uid {
                0o100
            } else if meta.gid() == user.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            if meta.mode() & needed != 0 {
                continue;
            }
            if path != directory {
                return Err(Error::Unreachable {
                    path: path.to_owned(),
                    user: user.name.clone(),
                });
            }
            let mode = std::os::unix::fs::PermissionsExt::from_mode(meta.mode() & 0o7777 | needed);
            std::fs::set_permissions(path, mode).map_err(Error::io("opening", path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_version_text_is_understood() {
        for (text, major) in [
            (
                "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)",
                Some(15),
            ),
            ("postgres (PostgreSQL) 17.2", Some(17)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 19devel", Some(19)),
            ("something else 3", None),
        ] {
            assert_eq!(major_of(text), major, "{text}");
        }
    }

    #[test]
    fn a_missing_server_names_the_package_to_install() {
        let error = Installation::find(Some(1)).unwrap_err().to_string();
        assert!(error.contains("`postgresql-1`"), "{error}");
        let error = Error::NoServer { major: None }.to_string();
        assert!(error.contains("`postgresql`"), "{error}");
    }
}
