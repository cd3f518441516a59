// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Unpacking uploads: the walk that opens only what leads to a sought blob, the one that opens
//! everything, and what both could not do.

use super::report::Why;
use super::seeking::Seeking;
use super::work::{Outcome, Recovery};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::Extent;
use crate::fossology::repository::{ReadError, Reader};
use crate::operations::Result;
use crate::unpack::{self, Limits, ProblemKind, Source, Walked};
use roaring::RoaringBitmap;
use std::fs::File;

/// How many containers may lie in each other; compression counts as one. Real uploads have less
/// than ten.
const DEPTH: u32 = 64;

/// How much more than the database knows may come out of an upload: layers that are no blobs are
/// counted, too, and what FOSSology did not unpack is opened by the second walk.
const FACTOR: u64 = 4;

/// How many members may come out of the smallest upload.
const LEAST_MEMBERS: u64 = 100_000;

/// How many bytes may come out of the smallest upload.
const LEAST_BYTES: u64 = 4 << 30;

/// How many problems of an upload are told.
const TOLD: usize = 5;

/// What is unpacked: an upload's own file, or a container in it.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The blob.
    pub blob: PfileName,
    /// The uploads whose own file it is.
    pub uploads: Vec<i32>,
    /// The keys of what is sought in it.
    pub keys: RoaringBitmap,
    /// How far its unpacking may go.
    pub limits: Limits,
}

impl Origin {
    /// One that is sought in for an upload that is known to hold so much.
    pub fn new(blob: PfileName, upload: i32, keys: RoaringBitmap, extent: Extent) -> Self {
        Self {
            blob,
            uploads: vec![upload],
            keys,
            limits: limits(&blob, extent),
        }
    }

    /// The same file, uploaded again.
    pub fn join(&mut self, other: Self) {
        self.uploads.extend(other.uploads);
        self.keys |= other.keys;
        self.limits.members = self.limits.members.max(other.limits.members);
        self.limits.bytes = self.limits.bytes.max(other.limits.bytes);
    }
}

fn limits(blob: &PfileName, extent: Extent) -> Limits {
    let bytes = extent.bytes.saturating_add(blob.size());
    Limits {
        depth: DEPTH,
        members: extent.rows.saturating_mul(FACTOR).max(LEAST_MEMBERS),
        bytes: bytes.saturating_mul(FACTOR).max(LEAST_BYTES),
    }
}

impl Recovery<'_> {
    /// Seeks in these uploads in every way.
    pub fn unpack(&mut self, seeking: &Seeking<'_>, origins: &[Origin]) -> Result<()> {
        self.walk(seeking, origins)?;
        self.unpack_everything(seeking, origins)
    }

    /// Seeks what a first walk did not give.
    pub fn unpack_everything(&mut self, seeking: &Seeking<'_>, origins: &[Origin]) -> Result<()> {
        let affected = still_affected(seeking, origins);
        if affected.is_empty() {
            return Ok(());
        }
        seeking.open_everything();
        self.walk(seeking, &affected)?;
        for origin in still_affected(seeking, &affected) {
            self.context.stop.check()?;
            self.expect_way()?;
            if let Some(why) = self.try_tool(seeking, &origin)? {
                self.hinder(&origin.uploads, why);
            }
        }
        Ok(())
    }

    /// Walks through files; what is sought is taken on the way.
    pub fn walk(&mut self, seeking: &Seeking<'_>, origins: &[Origin]) -> Result<()> {
        if seeking.left() == 0 {
            return Ok(());
        }
        let stop = self.context.stop;
        let threads = self.options.threads;
        let reader = self.reader;
        let spool = self.scratch()?.path().to_owned();
        let mut closed = Vec::new();
        // Who has to give way finishes the uploads that were begun.
        let mut sources = origins
            .iter()
            .take_while(|_| !stop.gives_way())
            .filter_map(|origin| match open(reader, &origin.blob) {
                Ok(file) => Some(Source {
                    name: origin.blob,
                    file,
                    limits: origin.limits,
                }),
                Err(why) => {
                    closed.push((origin, why));
                    None
                }
            });
        let walked = unpack::walk(
            &mut sources,
            seeking,
            unpack::Options {
                threads,
                spool: &spool,
                stop: &|| stop.requested(),
            },
        );
        drop(sources);
        seeking.check()?;
        stop.check()?;
        self.expect_way()?;
        for (origin, why) in closed {
            self.hinder(&origin.uploads, why);
        }
        for walked in &walked {
            let origin = origins.iter().find(|origin| origin.blob == walked.name);
            for upload in origin.map_or(&[][..], |origin| &origin.uploads) {
                self.outcomes.entry(*upload).or_default().note(walked);
            }
        }
        Ok(())
    }

    /// Notes that not everything could be tried for these uploads.
    pub fn hinder(&mut self, uploads: &[i32], why: Why) {
        for upload in uploads {
            let outcome = self.outcomes.entry(*upload).or_default();
            // What came first is what is to be looked at first.
            outcome.obstacle.get_or_insert(why);
        }
    }
}

impl Outcome {
    /// Notes how a walk went. Damage and encryption in an upload are as they always were.
    fn note(&mut self, walked: &Walked) {
        self.problems.clear();
        for problem in &walked.problems {
            let why = match problem.kind {
                ProblemKind::Limit => Why::Limit,
                ProblemKind::Io => Why::Spool,
                ProblemKind::Damaged | ProblemKind::Encrypted => {
                    self.tell(&problem.path, &problem.detail);
                    continue;
                }
            };
            self.tell(&problem.path, &problem.detail);
            self.obstacle.get_or_insert(why);
        }
    }

    /// Keeps the first words about what could not be unpacked.
    pub fn tell(&mut self, path: &str, detail: &str) {
        if self.problems.len() < TOLD {
            let parted = if path.is_empty() { "" } else { ": " };
            self.problems.push(format!("{path}{parted}{detail}"));
        }
    }
}

/// Those in which something is still sought that matters.
fn still_affected(seeking: &Seeking<'_>, origins: &[Origin]) -> Vec<Origin> {
    let rest = seeking.keys(false);
    let mut affected = origins.to_vec();
    affected.retain(|origin| !origin.keys.is_disjoint(&rest));
    affected
}

/// Opens a file to be unpacked, in whichever tree it lies.
pub(super) fn open(reader: &Reader, name: &PfileName) -> Result<File, Why> {
    let mut why = Why::GoldMissing;
    for tree in Tree::ALL {
        match reader.open(tree, name) {
            Ok((file, _)) => return Ok(file),
            Err(ReadError::Missing { .. }) => {}
            Err(ReadError::Io { .. }) => why = Why::Spool,
            Err(ReadError::SizeDiffers { .. } | ReadError::NotAFile { .. }) => {
                why = Why::GoldDamaged;
            }
        }
    }
    Err(why)
}
