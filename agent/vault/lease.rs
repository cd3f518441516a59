// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Leases keep runs that would hurt each other apart, and end by themselves: a lease says until
//! when it holds, is renewed while its owner lives, and one whose owner is known to be dead does
//! not count. Each renewal is a new object, and so is an end where removal is forbidden, so that
//! storage which forbids changes and deletion can hold leases too.

mod objects;

use super::{Error, Key, Result, SnapshotId, Storage};
use crate::process::Process;
use crate::threads;
use jiff::{SignedDuration, Timestamp};
use objects::{Body, conflict, end_of, locked, mark_ended};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

/// How long a lease holds at least unless it is renewed, and how long one holds that does not say.
const HOLDS: SignedDuration = SignedDuration::from_mins(5);

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(60);

/// In place of the time until when a lease holds: never again.
const LOST: i64 = i64::MIN;

/// What a run does with the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseKind {
    /// It reads.
    Read,
    /// It adds objects; one run at a time. Objects never get in each other's way, so the processes
    /// of one run may do it together; two runs would only store the same twice.
    Append,
    /// It removes objects; nobody else may even read.
    Exclusive,
}

impl LeaseKind {
    fn conflicts(self, other: Self) -> bool {
        self == Self::Exclusive
            || other == Self::Exclusive
            || (self == Self::Append && other == Self::Append)
    }
}

/// A lease on a vault, released when it is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    renewing: Option<(crossbeam_channel::Sender<()>, JoinHandle<()>)>,
}

struct Shared {
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
    /// Until when it holds, in seconds since 1970.
    until: AtomicI64,
}

struct State {
    body: Body,
    number: u64,
    /// The object of the last renewal; `None` when the storage takes none.
    key: Option<Key>,
    /// Whether the storage has refused a removal: it is not asked again.
    keeps_all: bool,
}

/// How long a lease holds on this storage: something that is begun under it has to be done, or given
/// up, before it ends, with some renewals that failed before.
fn holds(storage: &dyn Storage) -> SignedDuration {
    let needed = needed(storage) + SignedDuration::from_mins(2);
    needed.max(HOLDS)
}

/// How long a lease has to hold at least when something is begun under it.
fn needed(storage: &dyn Storage) -> SignedDuration {
    let longest = SignedDuration::try_from(storage.patience()).unwrap_or(SignedDuration::MAX / 4);
    longest + SignedDuration::from_mins(1)
}

impl Lease {
    /// Takes a lease of this kind for a verb.
    pub(super) fn acquire(
        storage: Arc<dyn Storage>,
        kind: LeaseKind,
        verb: &str,
        run: Option<&str>,
    ) -> Result<Self> {
        if let Some(other) = conflict(&*storage, kind, run, None)? {
            return Err(locked(&other));
        }
        let holds = holds(&*storage);
        for _ in 0..5 {
            let now = super::now();
            let body = Body {
                lease: Uuid::new_v4(),
                kind,
                verb: verb.to_owned(),
                run: run.map(str::to_owned),
                host: crate::process::host_name(),
                owner: Process::this_process(),
                since: now,
                until: now + holds,
                holds: holds.as_secs(),
                released: false,
            };
            let lease = body.lease;
            let shared = Arc::new(Shared {
                storage: storage.clone(),
                until: AtomicI64::new(body.until.as_second()),
                state: Mutex::new(State {
                    body,
                    number: 0,
                    key: None,
                    keeps_all: false,
                }),
            });
            if let Err(error) = shared.put() {
                if kind != LeaseKind::Read || !error.is_denial() {
                    return Err(error);
                }
                // A vault on a read-only medium is good enough to restore from.
                log::warn!(
                    "reading the vault without a lease, so nobody may expire it meanwhile: {error}"
                );
                shared.until.store(i64::MAX, Ordering::Relaxed);
                return Ok(Self {
                    shared,
                    renewing: None,
                });
            }
            // Two that came at the same time see each other here: both step back and try again.
            let looked = shared.look_around(kind, run);
            let Ok(None) = looked else {
                shared.release();
                let Some(other) = looked? else { continue };
                if !other.holds_by_its_time() {
                    // Live by the storage's clock: it did not come at the same time.
                    return Err(locked(&other));
                }
                let wait = 20 + u64::from(lease.as_bytes()[0]);
                std::thread::sleep(Duration::from_millis(wait));
                if let Some(still) = conflict(&*storage, kind, run, None)?
                    && still.lease == other.lease
                {
                    return Err(locked(&still));
                }
                continue;
            };
            return Self::start(shared);
        }
        match conflict(&*storage, kind, run, None)? {
            Some(other) => Err(locked(&other)),
            None => Err(Error::LeaseLost {
                why: "too many runs asked for it at once".into(),
            }),
        }
    }

    fn start(shared: Arc<Shared>) -> Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let renew = shared.clone();
        let thread = threads::free("lease", move || {
            // Ends when the sender is dropped.
            while let Err(crossbeam_channel::RecvTimeoutError::Timeout) =
                stopped.recv_timeout(RENEW)
            {
                if let Err(error) = renew.put() {
                    log::warn!("renewing the lease on the vault: {error}");
                }
            }
        });
        // Nobody would renew it, and everybody would wait until it ends.
        let thread = thread.inspect_err(|_| shared.release())?;
        Ok(Self {
            shared,
            renewing: Some((stop, thread)),
        })
    }

    /// Asks whether the lease holds for as long as the storage may need for what comes next, and renews it
    /// if it does not; a run does so before it commits, and before each removal.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] or [`Error::Locked`] when it ran out, as in a long sleep of the
    /// machine, and another run has begun since; [`Error::LeaseLost`] too when renewing takes too
    /// long; and when the storage does not answer.
    pub fn check(&self) -> Result<()> {
        for _ in 0..3 {
            if self.shared.is_fresh() {
                return Ok(());
            }
            self.shared.put()?;
        }
        match self.shared.is_fresh() {
            true => Ok(()),
            false => Err(Error::LeaseLost {
                why: "renewing it takes longer than it holds".into(),
            }),
        }
    }

    /// Asks whether nobody has ended the lease so far; a run does so after its snapshot is there, in
    /// case that took longer than the lease held.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when somebody has: then the snapshot may lack what it names.
    pub fn confirm(&self, snapshot: &SnapshotId) -> Result<()> {
        let state = self.shared.state.lock();
        let state = state.unwrap_or_else(|error| error.into_inner());
        let storage = &*self.shared.storage;
        let Some(key) = &state.key else { return Ok(()) };
        let is_lost = self.shared.until.load(Ordering::Relaxed) == LOST
            || storage.size(key)?.is_none()
            || storage.size(&end_of(state.body.lease))?.is_some();
        match is_lost {
            false => Ok(()),
            true => Err(Error::LeaseLost {
                why: format!(
                    "it ran out while snapshot {snapshot} was put, and another run has begun since; look with 'fo_backup verify {snapshot}' whether it has all that it names"
                ),
            }),
        }
    }

    /// What the lease allows.
    pub(super) fn kind(&self) -> LeaseKind {
        let state = self.shared.state.lock();
        state.unwrap_or_else(|error| error.into_inner()).body.kind
    }

    /// The time by the storage's clock, a minute ago at most: when the lease was renewed. This
    /// host's time where there is no object of the lease.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub fn storage_time(&self) -> Result<Timestamp> {
        // Held, so that no renewal removes the object meanwhile.
        let state = self.shared.state.lock();
        let state = state.unwrap_or_else(|error| error.into_inner());
        let put = match &state.key {
            Some(key) => self.shared.storage.put_at(key)?,
            None => None,
        };
        Ok(put.unwrap_or_else(Timestamp::now))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.renewing.take() {
            drop(stop);
            // The thread only waits and puts small objects; if it panicked, that was said already.
            let _ = thread.join();
            self.shared.release();
        }
    }
}

impl Shared {
    /// A live lease that conflicts. Without one, what dead runs left unfinished is removed.
    fn look_around(&self, kind: LeaseKind, run: Option<&str>) -> Result<Option<Body>> {
        let (lease, key) = {
            let state = self.state.lock().unwrap_or_else(|error| error.into_inner());
            (state.body.lease, state.key.clone())
        };
        let own = key.as_ref().map(|key| (lease, key));
        let other = conflict(&*self.storage, kind, run, own)?;
        if other.is_none() && kind != LeaseKind::Read {
            self.storage.tidy(run.is_none())?;
        }
        Ok(other)
    }

    /// Whether it holds for long enough to begin something.
    fn is_fresh(&self) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let left = until.saturating_sub(Timestamp::now().as_second());
        left >= needed(&*self.storage).as_secs()
    }

    /// Puts the next renewal, then removes the one before.
    fn put(&self) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(|error| error.into_inner());
        let ran_out = self.ran_out(&state)?;
        state.body.until = super::now() + state.body.holds();
        state.number += 1;
        let key = Key::from_text(format!(
            "locks/{}-{}.json",
            state.body.lease.simple(),
            state.number
        ));
        self.storage.put(&key, &super::to_json(&state.body))?;
        if let Some(old) = state.key.replace(key.clone())
            && !state.keeps_all
        {
            // Where removal is forbidden the old renewal stays; the newest one counts.
            let removed = self.storage.delete(&old);
            state.keeps_all = matches!(removed, Err(Error::NoRemoval { .. }));
        }
        // Another run may have looked before this renewal was there.
        if ran_out
            && let Some(other) = conflict(
                &*self.storage,
                state.body.kind,
                state.body.run.as_deref(),
                Some((state.body.lease, &key)),
            )?
        {
            self.until.store(LOST, Ordering::Relaxed);
            return Err(locked(&other));
        }
        self.until
            .store(state.body.until.as_second(), Ordering::Relaxed);
        Ok(())
    }

    /// Whether it ran out: then its run was paused for long, or the vault was out of reach.
    /// Whoever has begun meanwhile has removed it before; while it is there nobody has, and it may
    /// go on. (Where deletion is forbidden nobody can remove what this run needs.)
    fn ran_out(&self, state: &State) -> Result<bool> {
        let (until, now) = (
            self.until.load(Ordering::Relaxed),
            Timestamp::now().as_second(),
        );
        let Some(key) = state.key.as_ref().filter(|_| until <= now) else {
            return Ok(false);
        };
        if until == LOST || self.storage.size(key)?.is_none() {
            self.until.store(LOST, Ordering::Relaxed);
            return Err(Error::LeaseLost {
                why: "it ran out while this run was paused or the vault was out of reach, and another run has begun since".into(),
            });
        }
        Ok(true)
    }

    fn release(&self) {
        let mut state = self.state.lock().unwrap_or_else(|error| error.into_inner());
        let Some(key) = state.key.clone() else { return };
        if !state.keeps_all && self.storage.delete(&key).is_ok() {
            return;
        }
        state.body.released = true;
        if let Err(error) = mark_ended(&*self.storage, &state.body) {
            log::warn!(
                "the lease on the vault could not be released and ends by itself in some minutes: {error}"
            );
        }
    }
}

#[cfg(test)]
mod tests;
