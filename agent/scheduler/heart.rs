// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The heartbeat: how much was done in all, and whether anything was done since the last beat,
//! both as the operation itself reports it. It comes from a thread of its own, so that a long
//! step does not delay it; a run that hangs says so by itself, and the scheduler ends it.

use super::telling::{Steps, Telling};
use super::wire::Wire;
use crate::fossology::database::Database;
use crate::operations::{Progress, Stop};
use crate::threads;
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What operations report to.
pub struct Pulse {
    wire: Arc<Wire>,
    items: AtomicU64,
    moved: AtomicBool,
    steps: Arc<Steps>,
    telling: Mutex<Option<Telling>>,
}

impl Pulse {
    /// Nothing was done yet.
    pub fn new(wire: Arc<Wire>) -> Self {
        Self {
            wire,
            items: AtomicU64::new(0),
            moved: AtomicBool::new(false),
            steps: Arc::default(),
            telling: Mutex::default(),
        }
    }

    /// Tells the scheduler how it stands.
    pub fn beat(&self) {
        let alive = self.moved.swap(false, Ordering::Relaxed);
        self.wire.beat(self.items.load(Ordering::Relaxed), alive);
    }
}

impl Progress for Pulse {
    fn begin(&self, step: &str, items: u64, bytes: u64) {
        self.moved.store(true, Ordering::Relaxed);
        self.steps.begin(step, items, bytes);
        if items > 0 {
            log::info!("{step}: {}", indicatif::HumanCount(items));
        } else {
            log::info!("{step}");
        }
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.steps.advance(items, bytes);
        self.items.fetch_add(items, Ordering::Relaxed);
        self.moved.store(true, Ordering::Relaxed);
    }

    fn end(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    fn note(&self, text: &str) {
        self.moved.store(true, Ordering::Relaxed);
        log::info!("{text}");
    }

    fn carries_out(&self, database: &Database, request: i32) {
        let telling = Telling::start(self.steps.clone(), database.clone(), request);
        let before = self
            .telling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(telling);
        drop(before);
    }
}

/// Beats until it is dropped.
pub struct Heart {
    beating: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Heart {
    /// Beats every so often. When nobody listens any more, the operation is asked to stop: whoever
    /// starts the job anew goes on from what it has.
    ///
    /// # Errors
    /// When no thread can be started: an agent that does not beat would be ended by the scheduler.
    pub fn start(pulse: Arc<Pulse>, every: Duration, stop: &'static Stop) -> threads::Result<Self> {
        let (end, ended) = crossbeam_channel::bounded::<()>(0);
        let thread = threads::free("heart", move || {
            // Ends when the sender is dropped.
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                pulse.beat();
                if pulse.wire.is_gone() {
                    stop.request();
                }
            }
        })?;
        Ok(Self {
            beating: Some((end, thread)),
        })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.beating.take() {
            drop(end);
            // It only waits and writes lines; if it panicked, that was said already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{BufRead, BufReader};
    use std::os::fd::OwnedFd;

    #[test]
    fn the_total_grows_and_life_is_shown_only_after_work() {
        let (read, write) = std::io::pipe().unwrap();
        let wire = Arc::new(Wire::new(File::from(OwnedFd::from(write))));
        let pulse = Pulse::new(wire);
        pulse.beat();
        pulse.advance(3, 10);
        pulse.advance(4, 0);
        pulse.beat();
        pulse.beat();
        pulse.advance(0, 4096);
        pulse.beat();
        drop(pulse);
        let lines: Vec<String> = BufReader::new(read).lines().map(Result::unwrap).collect();
        assert_eq!(
            lines,
            ["HEART: 0 0", "HEART: 7 1", "HEART: 7 0", "HEART: 7 1"]
        );
    }

    #[test]
    fn an_operation_nobody_listens_to_is_asked_to_stop() {
        static STOP: Stop = Stop::new();
        let (read, write) = std::io::pipe().unwrap();
        let wire = Arc::new(Wire::new(File::from(OwnedFd::from(write))));
        let pulse = Arc::new(Pulse::new(wire));
        let heart = Heart::start(pulse, Duration::from_millis(1), &STOP).unwrap();
        let mut read = BufReader::new(read);
        read.read_line(&mut String::new()).unwrap();
        assert!(!STOP.requested());
        drop(read);
        while !STOP.requested() {
            std::thread::yield_now();
        }
        drop(heart);
    }
}
