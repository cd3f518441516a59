// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What waits to be done: batches of members to be hashed first, then nested containers, then
//! new sources. So what is in memory is used up before more comes in, and nobody ever waits for
//! room: who finds the queue full does the work at once.

use super::batch::Batch;
use super::place::Place;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many bytes of nested containers may wait.
const WAITING: usize = 48 << 20;

/// A nested container that waits to be unpacked.
pub struct Nested {
    pub place: Place,
    pub data: Vec<u8>,
}

/// What to do next.
pub enum Task {
    Batch(Batch),
    Nested(Nested),
    /// Ask for the next source; who finds none calls [`Queue::no_more_sources`].
    Source,
}

/// What waits.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    batches: usize,
}

#[derive(Default)]
struct State {
    batches: Vec<Batch>,
    nested: Vec<Nested>,
    bytes: usize,
    /// How many tasks are being done; each may bring new ones.
    busy: usize,
    no_more_sources: bool,
    ended: bool,
}

impl Queue {
    /// For so many threads.
    pub fn new(threads: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            batches: threads + 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next task; `None` when there will be none. [`Queue::done`] has to follow.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let task = if let Some(batch) = state.batches.pop() {
                Some(Task::Batch(batch))
            } else if let Some(nested) = state.nested.pop() {
                state.bytes -= nested.data.len();
                Some(Task::Nested(nested))
            } else if !state.no_more_sources {
                Some(Task::Source)
            } else {
                None
            };
            if task.is_some() {
                state.busy += 1;
                return task;
            }
            if state.busy == 0 {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A task is done.
    pub fn done(&self) {
        let mut state = self.lock();
        state.busy -= 1;
        if state.busy == 0 {
            self.changed.notify_all();
        }
    }

    /// Puts a batch in the queue; gives it back when too many wait.
    pub fn batch(&self, batch: Batch) -> Option<Batch> {
        let mut state = self.lock();
        if state.batches.len() >= self.batches {
            return Some(batch);
        }
        state.batches.push(batch);
        self.changed.notify_one();
        None
    }

    /// Puts a container in the queue; gives it back when too many bytes wait.
    pub fn nested(&self, nested: Nested) -> Option<Nested> {
        let mut state = self.lock();
        if state.bytes + nested.data.len() > WAITING {
            return Some(nested);
        }
        state.bytes += nested.data.len();
        state.nested.push(nested);
        self.changed.notify_one();
        None
    }

    /// There are no more sources.
    pub fn no_more_sources(&self) {
        self.lock().no_more_sources = true;
        self.changed.notify_all();
    }

    /// Nothing more is to be done.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}
