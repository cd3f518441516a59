// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which trees lie on the disk, whether or not the configuration still names their hosts: a host
//! that was renamed or taken out leaves its blobs behind, and a check has to see them.

use super::super::{Error, Result};
use super::{Layout, Root};
use crate::blob::{HostName, Tree};
use std::io;

/// The trees that exist: those of the layout, and any `<folder>/gold` or `<folder>/files` below
/// the repository's path. Sorted by path.
///
/// # Errors
/// When the repository's folder cannot be listed.
pub fn roots_on_disk(layout: &Layout) -> Result<Vec<Root>> {
    let listing = || Error::io("listing", layout.path());
    let mut roots = layout.roots().to_vec();
    for entry in layout.path().read_dir().map_err(listing())? {
        let entry = entry.map_err(listing())?;
        let Some(host) = entry
            .file_name()
            .to_str()
            .and_then(|n| HostName::new(n).ok())
        else {
            continue;
        };
        // Trees without a host are in the layout; they are no hosts.
        if Tree::ALL.iter().all(|tree| tree.as_str() != host.as_str()) {
            roots.extend(Tree::ALL.map(|tree| Root {
                path: entry.path().join(tree.as_str()),
                host: Some(host.clone()),
                tree,
            }));
        }
    }
    roots.sort_by(|a, b| a.path.cmp(&b.path));
    roots.dedup_by(|a, b| a.path == b.path);
    let mut there = Vec::with_capacity(roots.len());
    for root in roots {
        match root.path.metadata() {
            Ok(metadata) if metadata.is_dir() => there.push(root),
            Ok(_) => {}
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(e) => return Err(Error::io("looking at", &root.path)(e)),
        }
    }
    Ok(there)
}
