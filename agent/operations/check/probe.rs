// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looks for single blobs without a walk: at the places where they have to lie, and in the same
//! folder of every other root. For a check of a few uploads in a large repository.

use super::content::Batch;
use super::found::{Content, Found, Position};
use super::merge::Want;
use super::report::Kind;
use super::walk::{Hidden, Shard, Walker, debris};
use crate::blob::PfileName;
use crate::threads;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstatat};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fewer blobs are not worth a thread.
const PART: usize = 64;

/// Looks for the wanted blobs of a shard, each thread for as many.
pub fn probe(walker: &Walker<'_>, wants: &[Want], threads: usize) -> Shard {
    let part = wants.len().div_ceil(threads.max(1)).max(PART);
    let next = AtomicUsize::new(0);
    let parts = threads::together("prober", wants.len().div_ceil(part), || {
        let mut parts = Vec::new();
        while let Some(wants) = wants.chunks(part).nth(next.fetch_add(1, Ordering::Relaxed)) {
            parts.push(look_for(walker, wants));
        }
        parts
    });
    let mut whole = Shard::default();
    for part in parts.into_iter().flatten() {
        whole.found.extend(part.found);
        whole.findings.extend(part.findings);
        whole.hidden.extend(part.hidden);
    }
    whole
}

fn look_for(walker: &Walker<'_>, wants: &[Want]) -> Shard {
    let mut shard = Shard::default();
    let mut batch = Batch::default();
    for want in wants {
        if walker.context.stop.requested() {
            break;
        }
        look_for_one(walker, &want.name, &mut shard, &mut batch);
        walker.context.progress.advance(1, 0);
    }
    batch.finish(&mut shard.found);
    shard
}

fn look_for_one(walker: &Walker<'_>, name: &PfileName, shard: &mut Shard, batch: &mut Batch) {
    let below = format!("{}{name}", name.folders(walker.depth() as u8));
    for (root, at) in walker.roots.list.iter().zip(0..) {
        let Some(folder) = &root.folder else {
            continue;
        };
        let finding = |kind, detail: &str| walker.finding_at(kind, at, below.as_bytes(), detail);
        let stat = match fstatat(folder, below.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
            Err(errno) => {
                shard.findings.push(finding(Kind::Unreadable, errno.desc()));
                shard.hidden.push(Hidden {
                    root: at,
                    prefix: name.sha1().to_vec(),
                });
                continue;
            }
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        if kind != SFlag::S_IFREG {
            let detail = debris(kind, below.as_bytes());
            shard.findings.push(finding(Kind::Debris, detail));
            continue;
        }
        let number = shard.found.len();
        shard.found.push(Found {
            name: *name,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            gid: stat.st_gid,
            root: at,
            mode: (stat.st_mode & 0o7777) as u16,
            tree: root.tree,
            position: Position::Right,
            content: Content::NotRead,
            age: walker.age(&stat),
            path: None,
        });
        if walker.deep && shard.found[number].size == name.size() {
            batch.read(
                &walker.opener,
                folder,
                below.as_str(),
                &mut shard.found,
                number,
            );
        }
    }
}
