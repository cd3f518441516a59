// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! So many may go on at once: it bounds the connections of a server, and the memory of who sends.
//! Who comes first is served first, so that nobody waits for as long as others keep coming.

use std::sync::{Condvar, Mutex, MutexGuard};

/// Places, some of which are free.
pub(in crate::vault) struct Places {
    count: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    free: usize,
    /// The number of who comes next.
    next: u64,
    /// The number of whose turn it is.
    turn: u64,
}

/// A place, free again when it is dropped.
pub(in crate::vault) struct Place<'a>(&'a Places);

impl Places {
    pub fn new(free: usize) -> Self {
        Self {
            count: free,
            state: Mutex::new(State {
                free,
                next: 0,
                turn: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// How many there are, free or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Waits for a free place.
    pub fn take(&self) -> Place<'_> {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.turn != number || state.free == 0)
            .unwrap_or_else(|error| error.into_inner());
        state.turn += 1;
        state.free -= 1;
        drop(state);
        // There may be a place for the next one too.
        self.changed.notify_all();
        Place(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|error| error.into_inner())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_is_served_first() {
        let places = Places::new(1);
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let first = places.take();
            for number in 1..=5 {
                let (places, order) = (&places, &order);
                scope.spawn(move || {
                    let _place = places.take();
                    order.lock().unwrap().push(number);
                });
                // The next one comes when this one has its number.
                while places.lock().next != number + 1 {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [1, 2, 3, 4, 5]);
    }
}
