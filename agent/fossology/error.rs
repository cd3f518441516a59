// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can go wrong with a FOSSology instance, each with what was being done and where.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// A failure while reading or writing something of FOSSology's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or made.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "reading".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No configuration folder was named and none was found.
    #[error(
        "found no fossology.conf (looked in {}); name FOSSology's configuration folder with -c or FO_SYSCONFDIR",
        list(looked)
    )]
    NoConfiguration {
        /// The folders that were looked in.
        looked: Vec<PathBuf>,
    },
    /// A configuration file says something that FOSSology would not understand either.
    #[error("{}{}: {problem}", file.display(), place(*line, key.as_deref()))]
    Configuration {
        /// The file.
        file: PathBuf,
        /// The line's number from 1, where a line is to blame.
        line: Option<usize>,
        /// The key, or the section in brackets.
        key: Option<String>,
        /// What is wrong and what is expected; never a password.
        problem: String,
    },
    /// The repository's folder cannot be opened.
    #[error("opening the repository {}: {source}; see 'path' in fossology.conf, and whether the file system is mounted", path.display())]
    NoRepository {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is full.
    #[error("writing {}: no space left; free some there, then run the same command again", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// The user's or group's share of the file system is used up.
    #[error("writing {}: the disk quota is used up; raise it or free space, then run the same command again", path.display())]
    QuotaUsed {
        /// What was being written.
        path: PathBuf,
    },
    /// The system does not let this user write there.
    #[error("writing {}: {source}; run this as FOSSology's user or as root, and see that the folder belongs to them", path.display())]
    NotAllowed {
        /// What was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is mounted read-only.
    #[error("writing {}: the file system is read-only; mount it for writing (and look why it was not: a failing disk does that)", path.display())]
    ReadOnly {
        /// What was being written.
        path: PathBuf,
    },
    /// A folder has the name of a file.
    #[error("writing {}: a folder lies there; move it away, then run the same command again", path.display())]
    FolderInTheWay {
        /// Where the file has to be.
        path: PathBuf,
    },
}

/// The result of this room's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Adds what was being done and where to an I/O error; for `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Tells apart why something could not be written, so that the message can say what to do.
    pub fn write(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull => Self::NoSpace { path },
            io::ErrorKind::QuotaExceeded => Self::QuotaUsed { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::IsADirectory => Self::FolderInTheWay { path },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { path, source },
            _ => Self::Io {
                doing: "writing",
                path,
                source,
            },
        }
    }
}

fn list(folders: &[PathBuf]) -> String {
    let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

fn place(line: Option<usize>, key: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(line) = line {
        let _ = write!(text, ", line {line}");
    }
    if let Some(key) = key {
        let _ = write!(text, ", {key}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_says_what_to_do() {
        for (errno, words) in [
            (libc::ENOSPC, "no space left"),
            (libc::EDQUOT, "quota"),
            (libc::EROFS, "read-only"),
            (libc::EISDIR, "move it away"),
            (libc::EACCES, "run this as FOSSology's user"),
            (libc::EPERM, "run this as FOSSology's user"),
            (libc::EIO, "Input/output error"),
        ] {
            let error = Error::write("/repo/x".into(), io::Error::from_raw_os_error(errno));
            let text = error.to_string();
            assert!(
                text.starts_with("writing /repo/x: ") && text.contains(words),
                "{text}"
            );
        }
    }
}
