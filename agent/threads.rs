// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Threads that may not start: a limit of the user, the service or the container can be reached at any
//! time. The standard library's own functions panic then. Here it is an error, or nothing at all
//! where fewer threads, or the caller's own, do the same work more slowly.
//!
//! What a thread would have done is dropped when it cannot start, and with it its ends of channels and pipes:
//! whoever waits at the other end sees that nobody is there.

use crossbeam_channel::{Receiver, Sender};
use std::collections::VecDeque;
use std::io;
use std::panic::resume_unwind;
use std::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle};

/// A thread could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "starting a thread ({name}): {source}; allow more tasks ('ulimit -u', TasksMax of a service, the container's limit of processes) or ask for fewer with --threads, and run the same command again"
)]
pub struct NotStarted {
    /// What the thread is called: what it was for.
    pub name: &'static str,
    /// What the system said.
    pub source: io::Error,
}

impl NotStarted {
    fn of(name: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { name, source }
    }
}

/// The result of starting threads.
pub type Result<T, E = NotStarted> = std::result::Result<T, E>;

/// Starts one thread that may borrow. Its name shows in lists of threads, to 15 bytes.
///
/// # Errors
/// When it cannot be started.
pub fn scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let builder = Builder::new().name(name.to_owned());
    builder
        .spawn_scoped(scope, work)
        .map_err(NotStarted::of(name))
}

/// Starts one thread that goes on by itself.
///
/// # Errors
/// When it cannot be started.
pub fn free<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let builder = Builder::new().name(name.to_owned());
    builder.spawn(work).map_err(NotStarted::of(name))
}

/// Starts so many workers, one at least; `work` makes what each of them does. With fewer than asked
/// for it goes on.
///
/// # Errors
/// When not even one can be started.
pub fn several<'scope, T: Send + 'scope, W: FnOnce() -> T + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &'static str,
    count: usize,
    mut work: impl FnMut() -> W,
) -> Result<Vec<ScopedJoinHandle<'scope, T>>> {
    let mut workers = vec![scoped(scope, name, work())?];
    for _ in 1..count {
        match scoped(scope, name, work()) {
            Ok(worker) => workers.push(worker),
            Err(error) => {
                log::debug!("going on with {}: {error}", workers.len());
                break;
            }
        }
    }
    Ok(workers)
}

/// Does the same in so many threads, of which the caller's is one, until each of them has ended.
/// Without any other the caller's does it all, so this cannot fail.
pub fn together<T: Send>(name: &'static str, count: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        // Not all of them at once: who cannot have this one need not ask for the next.
        let others: Vec<_> = (1..count)
            .map_while(|_| scoped(scope, name, &work).ok())
            .collect();
        let mut all = vec![work()];
        all.extend(others.into_iter().map(ended));
        all
    })
}

/// Does something with each item, in so many threads, and hands the results on in the order of the
/// items. So many results at most are ready before their turn. With one thread, or when none can be
/// started, the caller's does it all.
///
/// # Errors
/// The first that `take` gives; what was begun by then is not handed on.
pub fn in_order<I: Send, T: Send, E>(
    name: &'static str,
    count: usize,
    mut items: impl Iterator<Item = I>,
    work: impl Fn(I) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (send, receive) = crossbeam_channel::bounded::<(I, Sender<T>)>(count);
        let workers = match count {
            0 | 1 => Vec::new(),
            _ => several(scope, name, count, || {
                let (receive, work) = (receive.clone(), &work);
                move || {
                    for (item, done) in receive {
                        // Nobody waits for it any more when one before it has failed.
                        let _ = done.send(work(item));
                    }
                }
            })
            .unwrap_or_default(),
        };
        drop(receive);
        if workers.is_empty() {
            return items.try_for_each(|item| take(work(item)));
        }
        let mut begun: VecDeque<Receiver<T>> = VecDeque::new();
        let mut first = |begun: &mut VecDeque<Receiver<T>>| {
            // One that never comes is that of a thread that panicked, which is told below.
            let next = begun.pop_front().and_then(|next| next.recv().ok());
            next.map_or(Ok(()), &mut take)
        };
        let mut result = Ok(());
        for item in items {
            if begun.len() == count {
                result = first(&mut begun);
            }
            let (done, next) = crossbeam_channel::bounded(1);
            if result.is_err() || send.send((item, done)).is_err() {
                break;
            }
            begun.push_back(next);
        }
        while result.is_ok() && !begun.is_empty() {
            result = first(&mut begun);
        }
        drop(send);
        workers.into_iter().for_each(ended);
        result
    })
}

/// Waits for a thread; if it panicked, so does the caller.
pub fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// For tests of what follows when no thread can be started.
#[cfg(test)]
pub mod testing {
    use nix::sys::resource::{Resource, setrlimit};
    use std::process::Command;
    use std::thread;

    /// Says that this process is one in which no thread can be started.
    const ALONE: &str = "FO_BACKUP_TEST_NO_THREADS";

    /// Lets the test that calls it run once more, by itself, where there is no memory for another
    /// thread. Gives whether this is that process. Memory and not the number of tasks, whose limit root
    /// passes over.
    pub fn without_threads() -> bool {
        if std::env::var_os(ALONE).is_some() {
            // More than what a process has by now, less than that and the stack of a thread.
            let status = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = status.split(' ').next().unwrap().parse().unwrap();
            let most = pages * 4096 + (1 << 20);
            setrlimit(Resource::RLIMIT_AS, most, most).unwrap();
            return true;
        }
        let name = thread::current().name().unwrap().to_owned();
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture", "--test-threads", "1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&again.stdout);
        assert!(
            again.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&again.stderr)
        );
        false
    }
}

#[cfg(test)]
mod tests {
    use super::testing::without_threads;
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn a_thread_that_cannot_start_is_an_error_that_says_what_to_do() {
        if !without_threads() {
            return;
        }
        let said = free("lease", || ()).unwrap_err().to_string();
        assert!(
            said.contains("(lease)") && said.contains("ulimit -u"),
            "{said}"
        );
        let said = thread::scope(|scope| {
            let workers = several(scope, "worker", 4, || || ());
            workers.map(|_| ()).unwrap_err().to_string()
        });
        assert!(said.contains("(worker)"), "{said}");
    }

    #[test]
    fn who_waits_for_a_thread_that_cannot_start_does_not_wait_for_ever() {
        if !without_threads() {
            return;
        }
        let (send, receive) = crossbeam_channel::bounded::<()>(0);
        thread::scope(|scope| {
            let told = scoped(scope, "teller", move || send.send(()));
            assert!(told.is_err());
        });
        assert!(receive.recv().is_err());
    }

    #[test]
    fn alone_the_caller_does_it_all() {
        if !without_threads() {
            return;
        }
        let left = AtomicUsize::new(100);
        let took = |order| {
            let less = |left: usize| left.checked_sub(1);
            left.fetch_update(order, order, less).is_ok()
        };
        let done = together("worker", 4, || {
            (0..).take_while(|_| took(Ordering::SeqCst)).count()
        });
        assert_eq!(done, [100]);
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for count in [0, 1, 2, 7] {
            let mut came = Vec::new();
            let work = |item: u64| {
                // The later one was begun, the sooner it is done.
                thread::sleep(Duration::from_millis(20 - item % 20));
                item * 2
            };
            let done: Result<(), ()> = in_order("worker", count, 0..50, work, |result| {
                came.push(result);
                Ok(())
            });
            done.unwrap();
            assert_eq!(came, (0..50).map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn several_are_at_work_at_once_and_no_more_than_asked_for_wait_for_their_turn() {
        let meeting = std::sync::Barrier::new(4);
        let begun = AtomicUsize::new(0);
        let mut most = 0;
        let mut came = 0;
        let work = |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            meeting.wait();
        };
        let done: Result<(), ()> = in_order("worker", 4, 0..400, work, |()| {
            most = most.max(begun.load(Ordering::SeqCst) - came);
            came += 1;
            Ok(())
        });
        done.unwrap();
        assert_eq!(came, 400);
        assert!(most <= 4, "{most} were begun and not handed on");
    }

    #[test]
    fn after_a_failure_nothing_more_is_begun() {
        for count in [1, 3] {
            let begun = AtomicUsize::new(0);
            let work = |item: usize| {
                begun.fetch_add(1, Ordering::SeqCst);
                item
            };
            let failed = in_order("worker", count, 0.., work, |item| match item {
                5 => Err("the disk is full"),
                _ => Ok(()),
            });
            assert_eq!(failed, Err("the disk is full"));
            assert!(begun.into_inner() <= 6 + count);
        }
    }

    #[test]
    fn without_threads_the_caller_does_it_in_order() {
        if !without_threads() {
            return;
        }
        let mut came = Vec::new();
        let done: Result<(), ()> = in_order(
            "worker",
            4,
            0..9,
            |item| item,
            |item| {
                came.push(item);
                Ok(())
            },
        );
        done.unwrap();
        assert_eq!(came, (0..9).collect::<Vec<_>>());
    }

    #[test]
    #[should_panic(expected = "a mistake")]
    fn a_panic_in_a_thread_is_the_caller_s() {
        let work = |item: u8| assert_ne!(item, 3, "a mistake");
        let done: Result<(), ()> = in_order("worker", 2, 0..9, work, |()| Ok(()));
        done.unwrap();
    }

    #[test]
    fn with_others_each_does_its_part() {
        let meeting = std::sync::Barrier::new(4);
        let came = together("worker", 4, || meeting.wait().is_leader());
        assert_eq!(came.iter().filter(|leads| **leads).count(), 1);
        assert_eq!(came.len(), 4);
    }
}
