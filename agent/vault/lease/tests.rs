// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::vault::local::Local;

fn storage() -> (tempfile::TempDir, Arc<dyn Storage>) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Arc::new(Local::open(dir.path()).unwrap());
    (dir, storage)
}

fn left(storage: &Arc<dyn Storage>, change: impl FnOnce(&mut Body)) {
    let mut body = Body {
        lease: Uuid::new_v4(),
        kind: LeaseKind::Append,
        verb: "backup".into(),
        run: None,
        host: "elsewhere".into(),
        owner: Process::elsewhere(),
        since: crate::vault::now(),
        until: crate::vault::now() + HOLDS,
        holds: HOLDS.as_secs(),
        released: false,
    };
    change(&mut body);
    let key = Key::from_text(format!("locks/{}-1.json", body.lease.simple()));
    storage.put(&key, &crate::vault::to_json(&body)).unwrap();
    renewed_at(storage, &key, body.until - HOLDS);
}

/// When the storage has got an object.
fn renewed_at(storage: &Arc<dyn Storage>, key: &Key, time: Timestamp) {
    let path = storage.folder().unwrap().join(key.as_str());
    let file = std::fs::File::options().append(true).open(path).unwrap();
    let seconds = Duration::from_secs(time.as_second() as u64);
    file.set_modified(std::time::UNIX_EPOCH + seconds).unwrap();
}

#[test]
fn one_backup_at_a_time_but_readers_beside_it() {
    let (_dir, storage) = storage();
    let backup = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    let other = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None);
    assert!(matches!(other, Err(Error::Locked { .. })));
    let reader = Lease::acquire(storage.clone(), LeaseKind::Read, "restore", None).unwrap();
    assert!(matches!(
        Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", None),
        Err(Error::Locked { .. })
    ));
    backup.check().unwrap();
    drop(backup);
    drop(reader);
    drop(Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", None).unwrap());
    assert_eq!(storage.list("locks/").unwrap(), []);
}

#[test]
fn the_parts_of_one_run_go_together() {
    let (_dir, storage) = storage();
    let append = |run| Lease::acquire(storage.clone(), LeaseKind::Append, "backup", run);
    let parts = [append(Some("x")).unwrap(), append(Some("x")).unwrap()];
    for other in [None, Some("y")] {
        assert!(
            matches!(append(other), Err(Error::Locked { .. })),
            "{other:?}"
        );
    }
    let removes = Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", Some("x"));
    assert!(matches!(removes, Err(Error::Locked { .. })));
    drop(parts);
    append(None).unwrap();
}

#[test]
fn a_live_lease_of_another_machine_counts_until_it_expires() {
    let (_dir, storage) = storage();
    left(&storage, |_| ());
    let error = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("elsewhere"), "{error}");
}

#[test]
fn leases_that_ended_do_not_count() {
    let (_dir, storage) = storage();
    left(&storage, |body| {
        body.until = crate::vault::now() - SignedDuration::from_secs(1)
    });
    left(&storage, |body| body.released = true);
    // A process of this boot that is not there any more.
    left(&storage, |body| body.owner = Process::ended());
    Lease::acquire(storage, LeaseKind::Append, "backup", None).unwrap();
}

#[test]
fn a_wrong_clock_of_this_host_ends_nobodys_lease() {
    let (_dir, storage) = storage();
    left(&storage, |body| {
        body.until = crate::vault::now() - SignedDuration::from_secs(1);
    });
    // The storage has got it a moment ago: by its owner's clock it holds for minutes.
    let key = storage.list("locks/").unwrap().remove(0).key;
    renewed_at(&storage, &key, Timestamp::now());
    let other = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None);
    assert!(matches!(other, Err(Error::Locked { .. })));
}

/// Makes a lease run out, as it does while its process is paused.
fn run_out(storage: &Arc<dyn Storage>, lease: &Lease) {
    let mut state = lease.shared.state.lock().unwrap();
    let past = crate::vault::now() - SignedDuration::from_mins(1);
    state.body.until = past;
    let key = state.key.clone().unwrap();
    storage.delete(&key).unwrap();
    storage
        .put(&key, &crate::vault::to_json(&state.body))
        .unwrap();
    renewed_at(storage, &key, past - HOLDS);
    lease
        .shared
        .until
        .store(past.as_second(), Ordering::Relaxed);
}

#[test]
fn a_paused_run_goes_on_when_nobody_came_meanwhile() {
    let (_dir, storage) = storage();
    let paused = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    run_out(&storage, &paused);
    paused.check().unwrap();
    assert!(Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).is_err());
    drop(paused);
    assert_eq!(storage.list("locks/").unwrap(), []);
}

#[test]
fn a_paused_run_has_lost_when_somebody_came_meanwhile() {
    let (_dir, storage) = storage();
    let paused = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    run_out(&storage, &paused);
    let other = Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", None).unwrap();
    paused.check().unwrap_err();
    other.check().unwrap();
    // Also when the other has ended: what it removed is gone.
    drop(other);
    let error = paused.check().unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error}");
}

#[test]
fn whoever_removes_objects_tells_a_sleeping_run_of_it() {
    let (_dir, storage) = storage();
    let paused = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    run_out(&storage, &paused);
    // Where removal was forbidden to it, its older renewals are still there.
    let state = paused.shared.state.lock().unwrap();
    let old = format!("locks/{}-0.json", state.body.lease.simple());
    storage
        .put(&Key::from_text(old), &crate::vault::to_json(&state.body))
        .unwrap();
    drop(state);
    drop(Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", None).unwrap());
    assert_eq!(storage.list("locks/").unwrap(), []);
    assert!(matches!(paused.check(), Err(Error::LeaseLost { .. })));
}

#[test]
fn of_many_that_come_at_once_at_most_one_gets_it() {
    let (_dir, storage) = storage();
    let barrier = std::sync::Barrier::new(8);
    let got: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let lease = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None);
                    barrier.wait();
                    usize::from(lease.is_ok())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert!(got <= 1, "{got} runs hold the lease");
}

#[test]
fn a_lease_is_renewed_before_something_begins_that_it_may_not_outlast() {
    let (_dir, storage) = storage();
    let lease = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    let first = storage.list("locks/").unwrap();
    lease.check().unwrap();
    assert_eq!(storage.list("locks/").unwrap(), first);
    let soon = Timestamp::now().as_second() + 30;
    lease.shared.until.store(soon, Ordering::Relaxed);
    lease.check().unwrap();
    assert_ne!(storage.list("locks/").unwrap(), first);
    assert!(lease.shared.until.load(Ordering::Relaxed) > soon + 60);
}

#[test]
fn a_snapshot_that_took_longer_than_the_lease_is_told() {
    let (_dir, storage) = storage();
    let snapshot: SnapshotId = "20261124T150000Z-0a1b2c3d".parse().unwrap();
    let lease = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None).unwrap();
    lease.confirm(&snapshot).unwrap();
    run_out(&storage, &lease);
    lease.confirm(&snapshot).unwrap();
    drop(Lease::acquire(storage.clone(), LeaseKind::Exclusive, "expire", None).unwrap());
    let error = lease.confirm(&snapshot).unwrap_err();
    assert!(
        error.to_string().contains("fo_backup verify 2026"),
        "{error}"
    );
}

#[test]
fn a_lease_by_a_clock_that_was_years_ahead_ends_like_any_other() {
    let (_dir, storage) = storage();
    let years = SignedDuration::from_hours(24 * 365 * 3);
    left(&storage, |body| body.until = crate::vault::now() + years);
    let key = storage.list("locks/").unwrap().remove(0).key;
    let acquire = || Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None);
    renewed_at(&storage, &key, Timestamp::now());
    assert!(matches!(acquire(), Err(Error::Locked { .. })));
    renewed_at(&storage, &key, Timestamp::now() - HOLDS - HOLDS);
    acquire().unwrap();
}

/// A storage that fails when it is to be tidied.
struct Untidy(Arc<dyn Storage>);

impl Storage for Untidy {
    fn location(&self) -> String {
        self.0.location()
    }
    fn patience(&self) -> Duration {
        Duration::from_secs(500)
    }
    fn put(&self, key: &Key, data: &[u8]) -> Result<crate::vault::Put> {
        self.0.put(key, data)
    }
    fn spool(&self) -> Result<Box<dyn crate::vault::Spool>> {
        self.0.spool()
    }
    fn size(&self, key: &Key) -> Result<Option<u64>> {
        self.0.size(key)
    }
    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.0.read(key, offset, len)
    }
    fn list(&self, prefix: &str) -> Result<Vec<crate::vault::Object>> {
        self.0.list(prefix)
    }
    fn delete(&self, key: &Key) -> Result<()> {
        self.0.delete(key)
    }
    fn put_at(&self, key: &Key) -> Result<Option<Timestamp>> {
        self.0.put_at(key)
    }
    fn tidy(&self, _: bool) -> Result<()> {
        Err(Error::LeaseLost { why: "x".into() })
    }
}

#[test]
fn a_lease_that_cannot_be_completed_is_given_back() {
    let (_dir, storage) = storage();
    let untidy = Arc::new(Untidy(storage.clone()));
    assert!(Lease::acquire(untidy, LeaseKind::Append, "backup", None).is_err());
    assert_eq!(storage.list("locks/").unwrap(), []);
}

#[test]
fn a_lease_that_nobody_could_renew_is_given_back() {
    if crate::threads::testing::without_threads() {
        let (_dir, storage) = storage();
        let lease = Lease::acquire(storage.clone(), LeaseKind::Append, "backup", None);
        assert!(matches!(lease, Err(Error::Thread(_))));
        assert_eq!(storage.list("locks/").unwrap(), []);
    }
}

#[test]
fn a_lease_on_a_slow_storage_holds_for_longer_than_anything_begun_under_it() {
    let (_dir, storage) = storage();
    let slow = Arc::new(Untidy(storage));
    let lease = Lease::acquire(slow.clone(), LeaseKind::Read, "restore", None).unwrap();
    let left = lease.shared.until.load(Ordering::Relaxed) - Timestamp::now().as_second();
    assert!(left > slow.patience().as_secs() as i64 + 60, "{left}");
    lease.check().unwrap();
}
