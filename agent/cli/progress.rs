// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Progress for people: bars on a terminal, a line every few seconds elsewhere.

use super::output::{bytes, number, seconds};
use crate::operations::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a line is printed where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// The step that is running.
#[derive(Default)]
struct Step {
    name: Mutex<Option<(String, Instant, Instant)>>,
    items: AtomicU64,
    bytes: AtomicU64,
    all_items: AtomicU64,
    all_bytes: AtomicU64,
}

impl Step {
    fn begin(&self, name: &str, items: u64, bytes: u64) {
        let now = Instant::now();
        self.items.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.all_items.store(items, Ordering::Relaxed);
        self.all_bytes.store(bytes, Ordering::Relaxed);
        *self.name.lock().unwrap_or_else(|error| error.into_inner()) =
            Some((name.to_owned(), now, now));
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How far it is, in words.
    fn words(&self, name: &str, since: Instant) -> String {
        let (items, done) = (
            self.items.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        );
        let (all, all_bytes) = (
            self.all_items.load(Ordering::Relaxed),
            self.all_bytes.load(Ordering::Relaxed),
        );
        let spent = since.elapsed().as_secs_f64();
        if items == 0 && done == 0 && all == 0 && all_bytes == 0 {
            return name.to_owned();
        }
        let mut text = format!("{name}: {}", number(items));
        if all > 0 {
            text += &format!(" of {}", number(all));
        }
        if done > 0 {
            text += &format!(
                ", {}, {}/s",
                bytes(done),
                bytes((done as f64 / spent.max(0.001)) as u64)
            );
        }
        let share = if all_bytes > 0 {
            done as f64 / all_bytes as f64
        } else if all > 0 {
            items as f64 / all as f64
        } else {
            0.0
        };
        if share > 0.0 && share < 1.0 {
            text += &format!(", about {} left", seconds(spent / share - spent));
        }
        text
    }
}

/// A line every few seconds.
#[derive(Default)]
pub struct Lines {
    step: Step,
}

impl Progress for Lines {
    fn begin(&self, step: &str, items: u64, bytes: u64) {
        self.step.begin(step, items, bytes);
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.step.advance(items, bytes);
        // Whoever holds the lock prints, or is about to.
        let Ok(mut running) = self.step.name.try_lock() else {
            return;
        };
        if let Some((name, since, last)) = running
            .as_mut()
            .filter(|(_, _, last)| last.elapsed() >= EVERY)
        {
            eprintln!("{}", self.step.words(name, *since));
            *last = Instant::now();
        }
    }

    fn end(&self) {
        *self
            .step
            .name
            .lock()
            .unwrap_or_else(|error| error.into_inner()) = None;
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// A bar on a terminal.
#[derive(Default)]
pub struct Bars {
    step: Step,
    bar: Mutex<Option<ProgressBar>>,
    drawn: AtomicU64,
}

impl Progress for Bars {
    fn begin(&self, step: &str, items: u64, bytes: u64) {
        self.end();
        self.step.begin(step, items, bytes);
        let style = if items + bytes > 0 {
            "{bar:30} {msg}"
        } else {
            "{spinner} {msg}"
        };
        let all = if bytes > 0 { bytes } else { items };
        let bar = ProgressBar::new(all);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.lock().unwrap_or_else(|error| error.into_inner()) = Some(bar);
    }

    fn advance(&self, items: u64, bytes: u64) {
        self.step.advance(items, bytes);
        let Ok(bar) = self.bar.try_lock() else {
            return;
        };
        let Ok(running) = self.step.name.try_lock() else {
            return;
        };
        if let (Some(bar), Some((name, since, _))) = (&*bar, &*running) {
            let tenth = since.elapsed().as_millis() as u64 / 100;
            if self.drawn.swap(tenth, Ordering::Relaxed) == tenth {
                return;
            }
            let by_bytes = self.step.all_bytes.load(Ordering::Relaxed) > 0;
            let done = if by_bytes {
                &self.step.bytes
            } else {
                &self.step.items
            };
            bar.set_position(done.load(Ordering::Relaxed));
            bar.set_message(self.step.words(name, *since));
        }
    }

    fn end(&self) {
        if let Some(bar) = self
            .bar
            .lock()
            .unwrap_or_else(|error| error.into_inner())
            .take()
        {
            bar.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        match &*self.bar.lock().unwrap_or_else(|error| error.into_inner()) {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}
