// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads files and compares their content with their names, many small ones side by side. Nothing
//! is written, not even the time of the last access where the system lets us.

use super::found::{Content, Found};
use crate::blob::{digest_batch, digest_file};
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Opens files and folders without a trace, where the system lets us.
#[derive(Debug, Default)]
pub struct Opener {
    leaves_traces: AtomicBool,
}

impl Opener {
    /// Opens for reading.
    ///
    /// # Errors
    /// What the system says.
    pub fn open<P: NixPath + ?Sized>(
        &self,
        folder: impl AsFd,
        path: &P,
        flags: OFlag,
    ) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        if !self.leaves_traces.load(Ordering::Relaxed) {
            match openat(&folder, path, flags | OFlag::O_NOATIME, Mode::empty()) {
                // Only a file's owner may leave the time of access alone; others don't ask again.
                Err(Errno::EPERM) => self.leaves_traces.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        openat(&folder, path, flags, Mode::empty())
    }
}

/// How many blobs are hashed side by side, and how many bytes they may have together.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 4 << 20;

/// A file that is larger is read and hashed in pieces.
const LARGE: u64 = 1 << 20;

/// Files that were read and wait to be hashed.
#[derive(Default)]
pub struct Batch {
    data: Vec<u8>,
    /// The number of each file in the caller's list, and where its content ends.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    /// Reads a file, which has the size of its name, and hashes when enough has come together.
    /// `found[number]` is the file.
    pub fn read<P: NixPath + ?Sized>(
        &mut self,
        opener: &Opener,
        folder: impl AsFd,
        path: &P,
        found: &mut [Found],
        number: usize,
    ) {
        match self.take(opener, folder, path, &found[number], number) {
            Ok(None) => {}
            Ok(Some(content)) => found[number].content = content,
            Err(error) => {
                self.data
                    .truncate(self.ends.last().map_or(0, |(_, end)| *end));
                log::debug!("{}: {error}", found[number].name);
                found[number].content = Content::Unreadable;
            }
        }
        if self.ends.len() >= BATCH || self.data.len() >= BATCH_BYTES {
            self.finish(found);
        }
    }

    fn take<P: NixPath + ?Sized>(
        &mut self,
        opener: &Opener,
        folder: impl AsFd,
        path: &P,
        found: &Found,
        number: usize,
    ) -> io::Result<Option<Content>> {
        let mut file = File::from(opener.open(folder, path, OFlag::O_NOFOLLOW)?);
        if found.size > LARGE {
            return Ok(Some(verdict(digest_file(&file)? == found.name)));
        }
        // One byte more is asked for: if none comes, this was all.
        let start = self.data.len();
        let size = found.size as usize;
        self.data.resize(start + size + 1, 0);
        let mut filled = 0;
        while filled <= size {
            match file.read(&mut self.data[start + filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if filled == size {
                break;
            }
        }
        self.data.truncate(start + filled);
        self.ends.push((number, start + filled));
        Ok(None)
    }

    /// Hashes what has been read.
    pub fn finish(&mut self, found: &mut [Found]) {
        let mut start = 0;
        let blobs: Vec<&[u8]> = self
            .ends
            .iter()
            .map(|(_, end)| &self.data[std::mem::replace(&mut start, *end)..*end])
            .collect();
        for ((number, _), name) in self.ends.iter().zip(digest_batch(&blobs)) {
            found[*number].content = verdict(name == found[*number].name);
        }
        self.data.clear();
        self.ends.clear();
    }
}

fn verdict(same: bool) -> Content {
    if same {
        Content::Same
    } else {
        Content::Differs
    }
}
