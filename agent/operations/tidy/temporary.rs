// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Temporary folders of FOSSology's agents, `<host>/ununpack` and `<host>/wget`. What lies in them
//! is of an agent that works, or of one that died: the first has an upload that is being fetched or
//! unpacked, or has changed something not long ago.

use super::{Options, Report, changed, failed, is_old, shown};
use crate::fossology::catalogue::in_flight;
use crate::operations::{Context, Instance, Result};
use crate::unpack::fallback::remove_tree;
use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::SystemTime;
use walkdir::WalkDir;

/// What agents call their temporary folders.
const FOLDERS: [&str; 2] = ["ununpack", "wget"];

/// Removes what is left over.
pub(super) fn remove(
    instance: &Instance,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let repository = instance.config.layout.path();
    let mut client = instance.connect("tidy")?;
    let arriving: BTreeSet<i32> = in_flight(&mut client)?
        .into_iter()
        .map(|row| row.upload)
        .collect();
    for host in fs::read_dir(repository).into_iter().flatten().flatten() {
        for folder in FOLDERS {
            let entries = fs::read_dir(host.path().join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                context.stop.check()?;
                if !belongs_to_the_living(&entry, &arriving) {
                    remove_one(&entry.path(), repository, options, report);
                }
            }
        }
    }
    Ok(())
}

fn belongs_to_the_living(entry: &DirEntry, arriving: &BTreeSet<i32>) -> bool {
    // ununpack calls its folder by the upload's number; of others nobody knows whose they are.
    let name = entry.file_name();
    let upload = name.to_str().and_then(|name| name.parse::<i32>().ok());
    upload.map_or(!arriving.is_empty(), |upload| arriving.contains(&upload))
}

fn remove_one(path: &Path, repository: &Path, options: &Options, report: &mut Report) {
    let (mut bytes, mut newest) = (0, SystemTime::UNIX_EPOCH);
    for item in WalkDir::new(path) {
        // What cannot be looked at is in doubt.
        let Some(metadata) = item.ok().and_then(|item| item.metadata().ok()) else {
            report.problem(format!("{}: cannot be looked at", shown(repository, path)));
            return;
        };
        newest = newest.max(changed(&metadata));
        bytes += if metadata.is_dir() { 0 } else { metadata.len() };
    }
    if !is_old(newest, options.older_than) {
        return;
    }
    if !options.dry_run {
        let removed = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => remove_tree(path),
            _ => fs::remove_file(path),
        };
        if let Err(error) = removed {
            report.problem(failed("removing", path, error));
            return;
        }
    }
    if let Some(found) = &mut report.leftovers {
        found.add(|| shown(repository, path), bytes);
    }
}
