// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signs of life of what counts no items. FOSSology's scheduler ends a job that shows none for
//! ten minutes, which a large dump needs. A dump that hangs shows none either, as it should be.

use crate::operations::Progress;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a folder is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Whether the files of a folder grow.
pub struct Growth<'a> {
    progress: &'a dyn Progress,
    last: Mutex<(Instant, u64)>,
}

impl<'a> Growth<'a> {
    /// Reports to `progress`.
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            last: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Looks at the folder, when the last look was some seconds ago.
    pub fn look(&self, folder: &Path) {
        let mut last = self.last.lock().unwrap_or_else(|error| error.into_inner());
        if last.0.elapsed() < LOOK {
            return;
        }
        let size = size(folder);
        if size != last.1 {
            self.progress.advance(0, 0);
        }
        *last = (Instant::now(), size);
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum()
}

/// A reader that shows life whenever something was read.
pub struct Watched<'a, R> {
    inner: R,
    progress: &'a dyn Progress,
}

impl<'a, R> Watched<'a, R> {
    /// Reads from `inner`.
    pub fn new(inner: R, progress: &'a dyn Progress) -> Self {
        Self { inner, progress }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.progress.advance(0, 0);
        Ok(length)
    }
}
