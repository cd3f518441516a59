// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a vault is: a directory, a bucket, or a folder on a server that speaks SFTP. Parsed once,
//! where it comes in; secrets are never part of it, so it can be shown as it is.

use super::remote::Settings;
use super::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a vault is, and how it is reached.
#[derive(Clone, Debug)]
pub struct Location {
    place: Place,
    settings: Settings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    S3(Bucket),
    Sftp(SftpFolder),
}

/// A bucket, and the beginning of all keys in it: empty, or with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub name: String,
    pub prefix: String,
}

/// A folder of a server that speaks SFTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SftpFolder {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// Absolute, or relative to where the server puts who logs in.
    pub path: String,
}

impl Location {
    /// Parses what a person has written. `settings` say how places over the network are reached.
    ///
    /// # Errors
    /// [`Error::Location`] with what is wrong with it; a password in it is not repeated.
    pub fn parse(text: &str, settings: &Settings) -> Result<Self> {
        let place = match text.split_once("://") {
            None if text.is_empty() => return Err(wrong(text, "it is empty")),
            None => Place::Folder(text.into()),
            Some(("s3", rest)) => Place::S3(bucket(rest).map_err(|why| wrong("s3://…", why))?),
            Some(("sftp", rest)) => Place::Sftp(sftp(rest).map_err(|why| wrong("sftp://…", why))?),
            Some((scheme, _)) => {
                return Err(Error::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        Ok(Self {
            place,
            settings: settings.clone(),
        })
    }

    /// A directory.
    pub fn folder(path: &Path) -> Self {
        Self {
            place: Place::Folder(path.to_owned()),
            settings: Settings::default(),
        }
    }

    /// The directory, when it is one of this host's.
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(path) => Some(path),
            _ => None,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn wrong(text: &str, why: impl Into<String>) -> Error {
    Error::Location {
        text: text.to_owned(),
        why: why.into(),
    }
}

fn bucket(rest: &str) -> Result<Bucket, &'static str> {
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if name.contains(['@', ':']) {
        return Err(
            "keys do not belong into a location; they come from [storage] in fo_backup.toml, a credentials file or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        );
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.is_empty() || !name.chars().all(good) {
        return Err("it has to be s3://BUCKET or s3://BUCKET/PREFIX");
    }
    let parts: Vec<&str> = prefix.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("its prefix must not have '.' or '..' in it");
    }
    let mut prefix = parts.join("/");
    if !prefix.is_empty() {
        prefix.push('/');
    }
    Ok(Bucket {
        name: name.to_owned(),
        prefix,
    })
}

fn sftp(rest: &str) -> Result<SftpFolder, &'static str> {
    let usage = "it has to be sftp://USER@HOST/PATH, or sftp://USER@HOST:PORT/PATH; a path that begins with /~/ is below where the user logs in";
    let (server, path) = rest.split_once('/').ok_or(usage)?;
    let (user, host) = match server.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, server),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err(
            "passwords do not belong into a location; ssh asks for none here, so give the user a key (ssh = [\"ssh\", \"-i\", FILE] in [storage])",
        );
    }
    // An address of IPv6 is in brackets, as in any URL.
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, port)) => (
            host,
            port.strip_prefix(':').or(port.is_empty().then_some("")),
        ),
        None => match host.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, Some("")),
        },
    };
    let port = match port.ok_or(usage)? {
        "" => None,
        port => Some(
            port.parse()
                .map_err(|_| "its port is no number from 1 to 65535")?,
        ),
    };
    // ssh would take these for options.
    if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Err(usage);
    }
    let path = match path.strip_prefix("~/") {
        Some(path) => path.trim_matches('/').to_owned(),
        None => format!("/{}", path.trim_matches('/')),
    };
    if path.is_empty() || path == "/" {
        return Err("a folder has to follow the host");
    }
    Ok(SftpFolder {
        user: user.filter(|user| !user.is_empty()).map(str::to_owned),
        host: host.to_owned(),
        port,
        path,
    })
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::S3(bucket) => bucket.fmt(f),
            Self::Sftp(folder) => folder.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.name)?;
        match self.prefix.trim_end_matches('/') {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

impl fmt::Display for SftpFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sftp://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.path.starts_with('/') {
            true => f.write_str(&self.path),
            false => write!(f, "/~/{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Result<String, String> {
        Location::parse(text, &Settings::default())
            .map(|location| location.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_location_is_shown_as_it_is_written() {
        for text in [
            "/backup/vault",
            "vault",
            "s3://bucket",
            "s3://bucket/a/b",
            "sftp://host/backup",
            "sftp://user@host:2222/backup/vault",
            "sftp://user@[2001:db8::1]:22/backup",
            "sftp://user@host/~/vault",
        ] {
            assert_eq!(shown(text).unwrap(), text);
        }
        assert_eq!(shown("s3://bucket//a/").unwrap(), "s3://bucket/a");
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        for (text, says) in [
            ("", "empty"),
            ("s3://", "BUCKET"),
            ("s3://AKIA:hidden@bucket/x", "keys do not belong"),
            ("s3://bucket/../x", ".."),
            ("sftp://host", "HOST/PATH"),
            ("sftp://user:hidden@host/x", "passwords do not belong"),
            ("sftp://host:port/x", "port"),
            ("sftp://-oProxyCommand=hidden/x", "HOST/PATH"),
            ("sftp://host/", "folder"),
            ("ftp://host/x", "ftp"),
        ] {
            let error = shown(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
            assert!(!error.contains("hidden"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_parsed_as_the_same(text in "(s3|sftp)://[a-z@:/.~\\[\\]0-9-]{0,30}") {
            if let Ok(location) = Location::parse(&text, &Settings::default()) {
                let again = Location::parse(&location.to_string(), &Settings::default()).unwrap();
                prop_assert_eq!(again.place(), location.place());
            }
        }
    }
}
