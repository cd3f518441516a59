// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Uploaded files that lie in gold although no upload of the database has them, as after the
//! restore of an older dump: what can be said about each, so that a person can upload it again. Only
//! looks; killed in the middle, nothing has changed.

use super::report::printable;
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::needed_now;
use crate::fossology::database::Database;
use crate::fossology::repository::{Layout, roots_on_disk};
use crate::operations::{Context, Instance, Result};
use crate::unpack::{Peek, peek};
use jiff::Timestamp;
use postgres::Client;
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many names the database is asked for at once.
const BATCH: usize = 4096;

/// How many files are described.
const NAMED: usize = 10_000;

/// How many names of what is in an archive are told.
const NAMES: usize = 8;

/// An uploaded file that no upload has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownGold {
    /// Its name in the repository.
    pub name: PfileName,
    /// Where it lies.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it came: when the file was made, or last changed where the file system does not tell.
    pub came: Option<Timestamp>,
    /// What it is, from the outside in: `gzip`, `tar`.
    pub layers: Vec<&'static str>,
    /// A name under which it could be uploaded; a guess.
    pub call_it: String,
    /// The first files in it.
    pub inside: Vec<String>,
    /// Whether there is more in it than is named.
    pub more: bool,
    /// What is wrong with it, if it is not what its name says or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// All of them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many files in gold were looked at.
    pub files: u64,
    /// How many of them no upload has.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The files, the newest first; at most 10,000.
    pub unknown: Vec<UnknownGold>,
    /// Folders that could not be read, and why: what lies there is not among all this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
}

/// Looks for uploaded files that no upload has.
///
/// # Errors
/// When the repository cannot be listed or the database not be asked.
pub fn run(instance: &Instance, context: Context<'_>) -> Result<Report> {
    let mut client = instance.connect("check")?;
    let mut report = Report::default();
    context.progress.begin("looking through gold", 0, 0);
    let looked = unknown(
        &mut client,
        &instance.config.layout,
        context,
        |name, path, bytes| {
            report.count += 1;
            report.bytes += bytes;
            if report.unknown.len() < NAMED {
                report.unknown.push(describe(name, path, bytes));
            }
        },
    )?;
    context.progress.end();
    report.files = looked.files;
    report.unreadable = looked.unreadable;
    report.unknown.sort_by(|a, b| {
        let newest_first = b.came.cmp(&a.came);
        newest_first.then_with(|| a.name.cmp(&b.name))
    });
    Ok(report)
}

/// How many uploaded files of a repository no upload of this database has; what cannot be read is told
/// and not counted.
///
/// # Errors
/// As for [`run`].
pub(in crate::operations) fn count(
    database: &Database,
    layout: &Layout,
    context: Context<'_>,
) -> Result<u64> {
    let mut client = database.connect("fo_backup check")?;
    let mut count = 0;
    let looked = unknown(&mut client, layout, context, |_, _, _| count += 1)?;
    for why in looked.unreadable {
        log::warn!("not looked for unknown gold: {why}");
    }
    Ok(count)
}

#[derive(Default)]
struct Looked {
    files: u64,
    unreadable: Vec<String>,
}

/// Hands out the files in gold that no upload has, and tells how many were looked at.
fn unknown(
    client: &mut Client,
    layout: &Layout,
    context: Context<'_>,
    mut each: impl FnMut(PfileName, &Path, u64),
) -> Result<Looked> {
    let mut looked = Looked::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut ask = |batch: &mut Vec<(PfileName, PathBuf, u64)>| -> Result<()> {
        let names: Vec<PfileName> = batch.iter().map(|(name, _, _)| *name).collect();
        let known: HashSet<PfileName> = needed_now(client, &names)?
            .into_iter()
            .filter(|(_, _, trees)| trees.contains(Tree::Gold))
            .map(|(name, _, _)| name)
            .collect();
        for (name, path, bytes) in batch.drain(..) {
            if !known.contains(&name) {
                each(name, &path, bytes);
            }
        }
        Ok(())
    };
    for root in roots_on_disk(layout)? {
        if root.tree != Tree::Gold {
            continue;
        }
        for entry in walkdir::WalkDir::new(&root.path).sort_by_file_name() {
            context.stop.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    looked.unreadable.push(error.to_string());
                    continue;
                }
            };
            let name: Option<PfileName> = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let (Some(name), true) = (name, entry.file_type().is_file()) else {
                continue;
            };
            let bytes = entry.metadata().map_or(0, |found| found.len());
            looked.files += 1;
            context.progress.advance(1, 0);
            batch.push((name, entry.into_path(), bytes));
            if batch.len() == BATCH {
                ask(&mut batch)?;
            }
        }
    }
    ask(&mut batch)?;
    Ok(looked)
}

fn describe(name: PfileName, path: &Path, bytes: u64) -> UnknownGold {
    let mut problem =
        (bytes != name.size()).then(|| format!("it has {bytes} bytes instead of {}", name.size()));
    let looked = File::open(path).and_then(|file| peek(&file, NAMES));
    let looked = looked.unwrap_or_else(|error| {
        problem = Some(error.to_string());
        Peek::default()
    });
    UnknownGold {
        call_it: call_it(&name, &looked),
        name,
        path: printable(path.as_os_str().as_bytes()),
        bytes,
        came: came(path),
        inside: looked.names.iter().map(|name| printable(name)).collect(),
        layers: looked.layers,
        more: looked.more,
        problem,
    }
}

/// When a file came. Its times of change and access mean little, since FOSSology touches what it
/// reads.
fn came(path: &Path) -> Option<Timestamp> {
    let found = fs::symlink_metadata(path).ok()?;
    let time = found.created().or_else(|_| found.modified()).ok()?;
    Timestamp::try_from(time).ok()
}

/// The folder that all is in is what archives are usually called after.
fn call_it(name: &PfileName, looked: &Peek) -> String {
    let first = |path: &Vec<u8>| {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let end = path.iter().position(|byte| *byte == b'/')?;
        Some(path[..end].to_vec())
    };
    let mut folders = looked.names.iter().map(first);
    let folder = folders.next().flatten().filter(|folder| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+~".contains(byte);
        !folder.is_empty() && folder[0] != b'.' && folder.iter().all(plain)
    });
    let common = folder.filter(|folder| folders.all(|other| other.as_ref() == Some(folder)));
    let stem = match common {
        Some(folder) => OsStr::from_bytes(&folder).to_string_lossy().into_owned(),
        None => format!("upload-{}", hex::encode(&name.sha1()[..4])),
    };
    format!("{stem}{}", looked.extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(names: &[&str], extension: &str) -> String {
        let looked = Peek {
            names: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            extension: extension.to_owned(),
            ..Peek::default()
        };
        call_it(&PfileName::new([0xab; 20], [0; 16], 1), &looked)
    }

    #[test]
    fn an_archive_is_called_after_the_folder_that_all_of_it_is_in() {
        assert_eq!(called(&["a-1.0/x", "a-1.0/b/y"], ".tar.gz"), "a-1.0.tar.gz");
        assert_eq!(called(&["./a-1.0/x"], ".zip"), "a-1.0.zip");
        for names in [&["a/x", "b/y"][..], &["x"], &["../x"], &["a b/x"], &[]] {
            assert_eq!(called(names, ".tar"), "upload-abababab.tar", "{names:?}");
        }
    }
}
