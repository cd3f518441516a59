// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How far a run of the tool may go, and the watch that sees when it goes too far.
//!
//! The kernel keeps what a single process may use. What all of them use together is looked at from
//! outside; a look that takes long is taken seldom, so that watching costs at most a twentieth of
//! a core.

use super::processes;
use libc::pid_t;
use nix::sys::statvfs::statvfs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};
use walkdir::WalkDir;

/// How far one run of the tool may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolLimits {
    /// How long the run may take. One hour: FOSSology's own unpacking of a large source archive
    /// takes minutes.
    pub wall: Duration,
    /// How much time of a core each process may use, one hour.
    pub cpu: Duration,
    /// Address space of each process in bytes, 4 GiB; the size of the input comes on top, because
    /// it is mapped as a whole.
    pub memory: u64,
    /// The largest file that may be written, 32 GiB.
    pub file_size: u64,
    /// How many processes may run at once, 128; an orderly run has less than ten.
    pub processes: u64,
    /// How much room on the disk everything unpacked may take at once, 64 GiB.
    pub bytes: u64,
    /// How many files, folders and links there may be, five million.
    pub files: u64,
    /// How much has to stay free in the file system, 1 GiB.
    pub free: u64,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(3600),
            cpu: Duration::from_secs(3600),
            memory: 4 << 30,
            file_size: 32 << 30,
            processes: 128,
            bytes: 64 << 30,
            files: 5_000_000,
            free: 1 << 30,
        }
    }
}

/// A limit that a run went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// It took too long.
    #[error("it took too long")]
    Wall,
    /// It used a core for too long.
    #[error("it computed too long")]
    Cpu,
    /// It wrote a file that is too large.
    #[error("it wrote too large a file")]
    FileSize,
    /// It had too many processes.
    #[error("it started too many processes")]
    Processes,
    /// It took too much room.
    #[error("what it unpacked took too much room")]
    Bytes,
    /// It made too many files.
    #[error("it unpacked too many files")]
    Files,
    /// The file system has too little room left, whoever took it.
    #[error("the file system has too little room left")]
    Free,
}

/// How often things are looked at that cost little.
const OFTEN: Duration = Duration::from_millis(100);
/// After how many times the duration of a look the next one is due.
const SELDOM: u32 = 20;
/// After how many files a look at all of them asks whether it may go on.
const ASK: u64 = 1024;

/// Watches a run.
pub(super) struct Watch<'a> {
    limits: &'a ToolLimits,
    folder: &'a Path,
    stop: &'a dyn Fn() -> bool,
    end: Option<Instant>,
    processes_due: Instant,
    files_due: Instant,
}

impl<'a> Watch<'a> {
    /// Watches a run that begins now and writes to `folder`.
    pub(super) fn new(
        limits: &'a ToolLimits,
        folder: &'a Path,
        stop: &'a dyn Fn() -> bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            limits,
            folder,
            stop,
            end: now.checked_add(limits.wall),
            processes_due: now,
            files_due: now + OFTEN,
        }
    }

    /// Looks at what is due. To be asked about every [`OFTEN`].
    pub(super) fn exceeded(&mut self, keeper: pid_t) -> Option<Limit> {
        let now = Instant::now();
        if self.end.is_some_and(|end| now >= end) {
            return Some(Limit::Wall);
        }
        if too_full(self.folder, self.limits.free) {
            return Some(Limit::Free);
        }
        if now >= self.processes_due {
            if processes::descendants(keeper) > self.limits.processes {
                return Some(Limit::Processes);
            }
            self.processes_due = now + OFTEN.max(now.elapsed() * SELDOM);
        }
        if now >= self.files_due {
            let began = Instant::now();
            let exceeded = self.files();
            self.files_due = began + OFTEN.max(began.elapsed() * SELDOM);
            return exceeded;
        }
        None
    }

    /// Looks at all files, as far as they can be seen: the tool is at work on them.
    fn files(&self) -> Option<Limit> {
        let (mut files, mut bytes) = (0, 0);
        for entry in WalkDir::new(self.folder).into_iter().flatten() {
            files += 1;
            if files > self.limits.files {
                return Some(Limit::Files);
            }
            if let Ok(found) = entry.metadata() {
                // Blocks of 512 bytes that are really there, those of a file with many names once.
                bytes += found.blocks() * 512 / found.nlink().max(1);
            }
            if bytes > self.limits.bytes {
                return Some(Limit::Bytes);
            }
            if files % ASK == 0
                && ((self.stop)() || self.end.is_some_and(|end| Instant::now() >= end))
            {
                // The next question finds out the reason.
                return None;
            }
        }
        None
    }

    /// How long to wait before the next look.
    pub(super) fn pause() -> Duration {
        OFTEN
    }
}

/// Whether less than `free` bytes are left for us where `folder` is.
pub(super) fn too_full(folder: &Path, free: u64) -> bool {
    statvfs(folder).is_ok_and(|found| {
        found
            .blocks_available()
            .saturating_mul(found.fragment_size())
            < free
    })
}
