// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How many workers work at once. As many as the machine has cores are best while files come from
//! memory; when they come from a disk or a network, most of the time is waiting, and more
//! workers wait side by side. Each worker says how much of its last piece of work was reading,
//! and the gate opens or closes by one.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Lets a number of workers through that follows how they spend their time.
pub(super) struct Gate {
    least: usize,
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    inside: usize,
    places: usize,
}

/// A worker's place inside; it is free again when this is dropped.
pub(super) struct Place<'a>(&'a Gate);

impl Gate {
    /// A gate that lets at least `least` workers in, and at most `most`.
    pub fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Self {
            least,
            most: most.max(least),
            state: Mutex::new(State {
                inside: 0,
                places: least,
            }),
            changed: Condvar::new(),
        }
    }

    /// How many workers it takes to fill the gate when it is wide open.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Waits for a place.
    pub fn enter(&self) -> Place<'_> {
        self.wait();
        Place(self)
    }

    /// Does something that only waits, such as a sync, while somebody else has the place of the
    /// worker who calls this.
    pub fn outside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.leave();
        let result = work();
        self.wait();
        result
    }

    fn wait(&self) {
        let state = self.lock();
        let full = |state: &mut State| state.inside >= state.places;
        let waited = self.changed.wait_while(state, full);
        waited.unwrap_or_else(|error| error.into_inner()).inside += 1;
    }

    fn leave(&self) {
        self.lock().inside -= 1;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|error| error.into_inner())
    }

    /// Says how a piece of work went: how long it took, and how long of that was reading.
    pub fn learn(&self, whole: Duration, reading: Duration) {
        let mut state = self.lock();
        if reading * 2 > whole {
            state.places = (state.places + 1).min(self.most);
        } else if reading * 3 < whole {
            state.places = (state.places - 1).max(self.least);
        }
        drop(state);
        self.changed.notify_one();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Duration = Duration::from_millis(30);

    fn places(gate: &Gate) -> usize {
        gate.state.lock().unwrap().places
    }

    #[test]
    fn waiting_for_the_disk_opens_it_and_computing_closes_it() {
        let gate = Gate::new(2, 5);
        for expected in [3, 4, 5, 5] {
            gate.learn(WHOLE, Duration::from_millis(25));
            assert_eq!(places(&gate), expected);
        }
        gate.learn(WHOLE, Duration::from_millis(12)); // neither: it stays
        assert_eq!(places(&gate), 5);
        for expected in [4, 3, 2, 2] {
            gate.learn(WHOLE, Duration::from_millis(1));
            assert_eq!(places(&gate), expected);
        }
    }

    #[test]
    fn who_only_waits_leaves_its_place_to_others() {
        let gate = Gate::new(1, 1);
        let meeting = std::sync::Barrier::new(2);
        let inside = gate.enter();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _place = gate.enter();
                meeting.wait();
            });
            // Ends only when the other one has got in meanwhile.
            gate.outside(|| meeting.wait());
        });
        assert_eq!(gate.lock().inside, 1);
        drop(inside);
        assert_eq!(gate.lock().inside, 0);
    }

    #[test]
    fn never_more_are_inside_than_there_are_places() {
        let gate = Gate::new(1, 3);
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let place = gate.enter();
                        let now = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                        assert_eq!(now, 1, "a gate that never learnt is as narrow as at first");
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
    }
}
