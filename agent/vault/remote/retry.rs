// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Trying again what may pass: a connection that was cut, a server that is busy. Waits become
//! longer each time, a little different for everyone, and begin anew with every success; what does
//! not pass (no such bucket, a wrong key) is not tried twice. Time counts from the first failure after
//! the last success, so that what takes long and is cut once is tried again all the same.

use super::Traffic;
use crate::vault::{Error, Result};
use std::io;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);

/// So many attempts are made in any case.
const LEAST: u32 = 3;

/// How long something may take whose attempts take so long each, until it is done or given up.
pub(in crate::vault) fn longest(give_up_after: Duration, attempt: Duration) -> Duration {
    let waits = FIRST * 4 + LONGEST;
    (give_up_after + attempt * 2).max(attempt * LEAST) + waits
}

/// Why an attempt failed.
#[derive(Debug)]
pub(in crate::vault) enum Failure {
    /// It may be different in a moment.
    Passing(io::Error),
    /// It will be the same.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The attempts at one thing.
pub(in crate::vault) struct Attempts<'a> {
    what: String,
    location: &'a str,
    give_up_after: Duration,
    traffic: &'a Traffic,
    /// The first failure after the last success.
    since: Option<Instant>,
    /// How many have failed since.
    failed: u32,
    wait: Duration,
}

impl<'a> Attempts<'a> {
    /// Attempts at something (as in "reading packs/…"), at a location.
    pub fn new(
        what: String,
        location: &'a str,
        give_up_after: Duration,
        traffic: &'a Traffic,
    ) -> Self {
        Self {
            what,
            location,
            give_up_after,
            traffic,
            since: None,
            failed: 0,
            wait: FIRST,
        }
    }

    /// Does it until it is done, or does not pass.
    pub fn run<T>(mut self, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T> {
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) => self.again(failure)?,
            }
        }
    }

    /// Notes that something came through.
    pub fn progressed(&mut self) {
        self.since = None;
        self.failed = 0;
        self.wait = FIRST;
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// When it does not pass, or was tried for long enough.
    pub fn again(&mut self, failure: Failure) -> Result<()> {
        let source = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing(source) => source,
        };
        let tried = self.since.get_or_insert_with(Instant::now).elapsed();
        self.failed += 1;
        if self.failed >= LEAST && tried + self.wait > self.give_up_after {
            return Err(Error::NoAnswer {
                location: self.location.to_owned(),
                doing: self.what.clone(),
                seconds: tried.as_secs(),
                source,
            });
        }
        let random = uuid::Uuid::new_v4().as_bytes()[0];
        let wait = self.wait.mul_f64(0.75 + f64::from(random) / 512.0);
        let level = match self.wait >= Duration::from_secs(2) {
            true => log::Level::Warn,
            false => log::Level::Info,
        };
        log::log!(
            level,
            "{}: {}: {source}; again in {:.1} s",
            self.location,
            self.what,
            wait.as_secs_f64()
        );
        self.traffic.retried();
        std::thread::sleep(wait);
        self.wait = (self.wait * 2).min(LONGEST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut() -> Failure {
        Failure::Passing(io::Error::from(io::ErrorKind::ConnectionReset))
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let traffic = Traffic::default();
        let attempts = |seconds| {
            let most = Duration::from_secs(seconds);
            Attempts::new("reading x".into(), "s3://b", most, &traffic)
        };
        let mut failures = vec![cut(), cut()];
        let done = attempts(60).run(|| failures.pop().map_or(Ok(7), Err));
        assert_eq!(done.unwrap(), 7);
        assert_eq!(traffic.so_far().retries, 2);

        let mut tries = 0;
        let lost = || Error::LeaseLost { why: "x".into() };
        let failed: Result<()> = attempts(60).run(|| {
            tries += 1;
            Err(lost().into())
        });
        assert!(matches!(failed, Err(Error::LeaseLost { .. })));
        assert_eq!(tries, 1);

        // What took longer than the patience before it was cut is tried again too.
        let mut tries = 0;
        let failed: Result<()> = attempts(0).run(|| {
            tries += 1;
            Err(cut())
        });
        assert_eq!(tries, LEAST);
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains("s3://b") && text.contains("reading x"),
            "{text}"
        );
    }
}
