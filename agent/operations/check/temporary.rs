// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Temporary folders of FOSSology's agents (`<host>/ununpack`, `<host>/wget`): an agent that
//! crashes leaves its own there, and hundreds of gigabytes have been seen.

use super::explain::Explainer;
use super::report::{Finding, Kind, printable};
use super::roots::Roots;
use crate::operations::{Context, Result};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use walkdir::WalkDir;

/// Tells of each entry of the temporary folders, with the bytes of all that is in it. That of an
/// upload which is being unpacked is in use.
pub fn look(
    roots: &Roots,
    repository: &Path,
    explainer: &mut Explainer<'_>,
    began: i64,
    context: Context<'_>,
) -> Result<()> {
    for folder in &roots.temporary {
        let full = repository.join(folder);
        let entries = match fs::read_dir(&full) {
            Ok(entries) => entries,
            Err(error) => {
                explainer.findings.add(Finding {
                    path: Some(printable(folder.as_os_str().as_bytes())),
                    ..Finding::new(Kind::Unreadable, error.to_string())
                });
                continue;
            }
        };
        for entry in entries.flatten() {
            let (mut files, mut bytes, mut newest) = (0, 0, 0);
            for item in WalkDir::new(entry.path()) {
                context.stop.check()?;
                let Some(metadata) = item.ok().and_then(|item| item.metadata().ok()) else {
                    continue;
                };
                newest = newest.max(metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec());
                if !metadata.is_dir() {
                    files += 1;
                    bytes += metadata.len();
                }
            }
            let name = entry.file_name();
            let upload = name.to_str().and_then(|name| name.parse::<i32>().ok());
            let in_use = newest >= began
                || upload.map_or(explainer.uploads.has_in_flight(), |upload| {
                    explainer.uploads.is_in_flight(upload)
                });
            let (kind, state) = if in_use {
                (Kind::InFlight, "in use")
            } else {
                (Kind::Debris, "left over")
            };
            explainer.findings.add(Finding {
                path: Some(printable(folder.join(&name).as_os_str().as_bytes())),
                bytes,
                ..Finding::new(kind, format!("temporary, {state}: {files} files"))
            });
        }
    }
    Ok(())
}
