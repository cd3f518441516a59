// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Numbered jobs done by many threads, their results taken in the order of the numbers. No thread
//! gets further ahead than a window of jobs, so results never pile up.

use crate::threads::{self, NotStarted};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// The results, in the order of the jobs' numbers.
pub struct InOrder<T> {
    tickets: Sender<usize>,
    /// Tickets that no thread has taken yet.
    waiting: Receiver<usize>,
    results: Receiver<(usize, thread::Result<T>)>,
    early: BTreeMap<usize, thread::Result<T>>,
    jobs: usize,
    issued: usize,
    next: usize,
}

impl<T> InOrder<T> {
    /// The next result; waits for it. `None` after the last.
    pub fn next(&mut self) -> Option<T> {
        if self.next == self.jobs {
            return None;
        }
        let result = loop {
            if let Some(result) = self.early.remove(&self.next) {
                break result;
            }
            // The threads only end when they get no more tickets.
            let (number, result) = self.results.recv().ok()?;
            self.early.insert(number, result);
        };
        self.next += 1;
        self.issue();
        Some(result.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Begins no other jobs. Whether there are results still to be taken: those of the jobs that were
    /// begun.
    pub fn end_early(&mut self) -> bool {
        // They are taken in their order, so those that are left are the last ones.
        let first = self.waiting.try_iter().min();
        self.jobs = self.jobs.min(first.unwrap_or(self.issued));
        self.next < self.jobs
    }

    fn issue(&mut self) {
        if self.issued < self.jobs && self.tickets.send(self.issued).is_ok() {
            self.issued += 1;
        }
    }
}

/// Does `work` for each number below `jobs` in so many threads while `consume` takes the results;
/// at most `window` results wait for it. When it ends early the other jobs are not begun.
///
/// # Errors
/// When no thread can be started, and what `consume` fails with.
pub fn in_order<T: Send, R, E: From<NotStarted>>(
    jobs: usize,
    threads: usize,
    window: usize,
    work: impl Fn(usize) -> T + Sync,
    consume: impl FnOnce(&mut InOrder<T>) -> Result<R, E>,
) -> Result<R, E> {
    let window = window.max(threads).max(1);
    let (tickets, take) = bounded(window);
    let (give, results) = bounded(window);
    thread::scope(|scope| {
        threads::several(scope, "walker", threads, || {
            let (take, give, work) = (take.clone(), give.clone(), &work);
            move || {
                for number in take {
                    let result = catch_unwind(AssertUnwindSafe(|| work(number)));
                    if give.send((number, result)).is_err() {
                        break;
                    }
                }
            }
        })?;
        drop(give);
        let mut results = InOrder {
            tickets,
            waiting: take,
            results,
            early: BTreeMap::new(),
            jobs,
            issued: 0,
            next: 0,
        };
        (0..window).for_each(|_| results.issue());
        consume(&mut results)
        // The tickets go with the results here: the threads end.
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// With threads, and a consumer that does not fail.
    fn done<T: Send, R>(
        jobs: usize,
        threads: usize,
        window: usize,
        work: impl Fn(usize) -> T + Sync,
        consume: impl FnOnce(&mut InOrder<T>) -> R,
    ) -> R {
        let consume = |results: &mut InOrder<T>| Ok::<_, NotStarted>(consume(results));
        in_order(jobs, threads, window, work, consume).unwrap()
    }

    #[test]
    fn results_come_in_order_and_no_thread_runs_far_ahead() {
        let begun = AtomicUsize::new(0);
        let work = |number: usize| {
            begun.fetch_max(number, Ordering::SeqCst);
            // The first of each four is done last.
            if number.is_multiple_of(4) {
                thread::yield_now();
            }
            number
        };
        let mut seen = Vec::new();
        done(100, 3, 5, work, |results| {
            while let Some(number) = results.next() {
                assert!(begun.load(Ordering::SeqCst) <= number + 6);
                seen.push(number);
            }
        });
        assert!(seen.into_iter().eq(0..100));
    }

    #[test]
    fn nobody_waits_for_a_consumer_that_has_had_enough() {
        let first = done(1000, 4, 9, |number| number, InOrder::next);
        assert_eq!(first, Some(0));
        assert_eq!(done(0, 4, 9, |number| number, InOrder::next), None);
    }

    #[test]
    #[should_panic(expected = "job 7")]
    fn a_panic_reaches_the_consumer() {
        let work = |number: usize| assert!(number != 7, "job {number}");
        done(20, 2, 0, work, |results| while results.next().is_some() {});
    }

    #[test]
    fn ended_early_every_job_that_was_begun_gives_its_result_and_no_other_is_begun() {
        let begun = Mutex::new(BTreeSet::new());
        let work = |number: usize| {
            begun.lock().unwrap().insert(number);
            number
        };
        let taken: Vec<usize> = done(10_000, 3, 40, work, |results| {
            let mut taken: Vec<usize> = (0..5).filter_map(|_| results.next()).collect();
            while results.end_early() {
                taken.extend(results.next());
            }
            assert_eq!(results.next(), None);
            taken
        });
        assert!(taken.len() < 100, "{}", taken.len());
        assert!(taken.iter().copied().eq(0..taken.len()));
        assert!(begun.into_inner().unwrap().into_iter().eq(taken));
    }
}
