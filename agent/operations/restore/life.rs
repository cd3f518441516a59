// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signs of life of a database that is being loaded. FOSSology's scheduler ends a job that shows
//! none for ten minutes, which loading and indexing need. What hangs shows none either, as it
//! should be.

use crate::fossology::database::Admin;
use crate::operations::Progress;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How often the server is asked.
const LOOK: Duration = Duration::from_secs(10);

/// Whether a database grows or is indexed.
pub(super) struct Loading<'a> {
    database: &'a str,
    progress: &'a dyn Progress,
    state: RefCell<State<'a>>,
}

struct State<'a> {
    admin: &'a mut Admin,
    asked: Instant,
    activity: i64,
}

impl<'a> Loading<'a> {
    /// Reports to `progress`.
    pub fn new(admin: &'a mut Admin, database: &'a str, progress: &'a dyn Progress) -> Self {
        let state = State {
            admin,
            asked: Instant::now(),
            activity: 0,
        };
        Self {
            database,
            progress,
            state: RefCell::new(state),
        }
    }

    /// Looks, when the last look was some seconds ago.
    pub fn look(&self) {
        let mut state = self.state.borrow_mut();
        if state.asked.elapsed() < LOOK {
            return;
        }
        state.asked = Instant::now();
        // Whoever loads it finds out by itself that the server is gone.
        if let Ok(activity) = state.admin.activity(self.database)
            && activity != state.activity
        {
            state.activity = activity;
            self.progress.advance(0, 0);
        }
    }
}
