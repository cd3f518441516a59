// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Telling the request's row how far its work is, so that FOSSology's pages can show more than the
//! scheduler's count of items. It has a thread and a connection of its own: work never waits for it,
//! and if it cannot tell, nobody minds.

use crate::fossology::database::Database;
use crate::fossology::own::progress;
use crate::process::host_name;
use crate::threads;
use crossbeam_channel::{RecvTimeoutError, Sender};
use postgres::Client;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How often it is told; a job that is shorter tells nothing.
const EVERY: Duration = Duration::from_secs(3);

/// The step that an operation is in, and how far it is.
#[derive(Default)]
pub struct Steps {
    now: Mutex<Step>,
    done: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Clone, Default)]
struct Step {
    name: String,
    of: u64,
    of_bytes: u64,
    since: u64,
}

impl Steps {
    /// A step begins.
    pub fn begin(&self, name: &str, of: u64, of_bytes: u64) {
        let step = Step {
            name: name.to_owned(),
            of,
            of_bytes,
            since: now(),
        };
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = step;
        self.done.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// This much more of it was done.
    pub fn advance(&self, items: u64, bytes: u64) {
        self.done.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// As the row has it; nothing before the first step.
    fn told(&self) -> Option<Value> {
        let step = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let step = step.clone();
        (!step.name.is_empty()).then(|| {
            json!({
                "step": step.name,
                "done": self.done.load(Ordering::Relaxed), "of": step.of,
                "bytes": self.bytes.load(Ordering::Relaxed), "of_bytes": step.of_bytes,
                "since": step.since,
            })
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Tells until it is dropped.
pub struct Telling {
    telling: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Telling {
    /// Tells a request's row.
    pub fn start(steps: Arc<Steps>, database: Database, request: i32) -> Self {
        let (end, ended) = crossbeam_channel::bounded::<()>(0);
        let thread = threads::free("telling", move || {
            let mut row = Row {
                database,
                request,
                host: host_name(),
                client: None,
            };
            let mut last = None;
            // Ends when the sender is dropped.
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let told = steps.told();
                if let Some(what) = told.as_ref().filter(|_| told != last) {
                    row.tell(what);
                    last = told;
                }
            }
            row.end();
        });
        // The work is worth more than knowing how far it is.
        let thread =
            thread.inspect_err(|error| log::warn!("nobody tells how far the job is: {error}"));
        Self {
            telling: thread.ok().map(|thread| (end, thread)),
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.telling.take() {
            drop(end);
            // It only tells; if it panicked, that was said already.
            let _ = thread.join();
        }
    }
}

struct Row {
    database: Database,
    request: i32,
    host: String,
    client: Option<Client>,
}

impl Row {
    fn tell(&mut self, what: &Value) {
        if self.client.is_none() {
            self.client = self.database.connect("fo_backup progress").ok();
        }
        let Some(client) = &mut self.client else {
            return;
        };
        if let Err(error) = progress::tell(client, self.request, &self.host, what) {
            log::debug!("{error}");
            self.client = None;
        }
    }

    fn end(&mut self) {
        if let Some(client) = &mut self.client
            && let Err(error) = progress::tell_end(client, self.request, &self.host)
        {
            log::debug!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_counts_anew_and_before_the_first_nothing_is_told() {
        let steps = Steps::default();
        steps.advance(5, 50);
        assert_eq!(steps.told(), None);
        steps.begin("dump", 0, 0);
        steps.advance(7, 70);
        steps.begin("packing", 10, 1000);
        steps.advance(3, 30);
        steps.advance(1, 0);
        let mut told = steps.told().unwrap();
        assert!(told["since"].as_u64().unwrap() > 1_700_000_000);
        told["since"] = json!(0);
        assert_eq!(
            told,
            json!({"step": "packing", "done": 4, "of": 10, "bytes": 30, "of_bytes": 1000, "since": 0})
        );
    }
}
