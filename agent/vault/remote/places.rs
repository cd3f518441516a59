// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! So many may go on at once: it bounds the connections of a server, and the memory of who sends.

use std::sync::{Condvar, Mutex};

/// Places, some of which are free.
pub(in crate::vault) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A place, free again when it is dropped.
pub(in crate::vault) struct Place<'a>(&'a Places);

impl Places {
    pub fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free place.
    pub fn take(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(|error| error.into_inner());
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(|error| error.into_inner());
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let free = self.0.free.lock();
        *free.unwrap_or_else(|error| error.into_inner()) += 1;
        self.0.freed.notify_one();
    }
}
