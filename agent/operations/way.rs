// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Giving way: while a job that runs alone waits (a deletion, maintenance), FOSSology's scheduler
//! starts nothing else until all agents have ended. A run under the scheduler is watched by a
//! thread that looks for such a job; the operation then leaves at the next place where nothing is
//! lost by it, and its rest is queued behind the job ([`exclusive`]). What it has kept by then is
//! what it keeps when it is killed, so nothing is written here and nothing can be half done.

use super::{Error, Instance, Result, Stop};
use crate::fossology::{database, exclusive};
use crate::threads;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use postgres::Client;
use std::time::Duration;

/// How often it is looked for jobs that run alone, in seconds.
const LOOK: f64 = 10.0;

/// Table `give_way` of fo_backup.toml.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GiveWay {
    /// Whether long runs under the scheduler give way; they do unless it says no.
    pub enabled: Option<bool>,
    /// How often it is looked for jobs that run alone, in seconds.
    pub seconds: Option<f64>,
}

impl GiveWay {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn check(&self) -> Result<()> {
        match self.seconds {
            Some(seconds) if !(seconds > 0.0 && seconds <= 3600.0) => Err(Error::Usage(format!(
                "seconds of [give_way] is {seconds}; it takes a time above 0, up to 3600"
            ))),
            _ => Ok(()),
        }
    }

    fn every(&self) -> Option<Duration> {
        let seconds = self.seconds.unwrap_or(LOOK);
        self.enabled
            .unwrap_or(true)
            .then(|| Duration::from_secs_f64(seconds))
    }
}

/// Does something that is asked to give way as soon as a job waits that runs alone.
pub fn watched<T>(
    instance: &Instance,
    settings: &GiveWay,
    stop: &Stop,
    work: impl FnOnce() -> T,
) -> T {
    let agents = exclusive::agents(&instance.config.sysconfdir);
    let Some(every) = settings.every().filter(|_| !agents.is_empty()) else {
        return work();
    };
    std::thread::scope(|scope| {
        let (end, ended) = bounded::<()>(0);
        let watch = move || watch(instance, &agents, every, stop, &ended);
        if let Err(error) = threads::scoped(scope, "giving way", watch) {
            log::warn!(
                "nobody looks for jobs that run alone, so they wait for the end of this one: {error}"
            );
        }
        let result = work();
        drop(end);
        result
    })
}

fn watch(
    instance: &Instance,
    agents: &[String],
    every: Duration,
    stop: &Stop,
    ended: &Receiver<()>,
) {
    let mut client = None;
    // Ends when the sender is dropped.
    while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        match look(instance, &mut client, agents) {
            Ok(waiting) if waiting.is_empty() => {}
            Ok(waiting) => {
                log::info!(
                    "{} waits and runs alone: what is begun is finished, the rest is done after it",
                    waiting.join(", ")
                );
                stop.give_way();
                return;
            }
            Err(error) => {
                log::debug!("{error}");
                client = None;
            }
        }
    }
}

fn look(
    instance: &Instance,
    client: &mut Option<Client>,
    agents: &[String],
) -> database::Result<Vec<String>> {
    let connected = match client.take() {
        Some(connected) => connected,
        None => instance.database.connect("fo_backup watch")?,
    };
    exclusive::waiting(client.insert(connected), agents)
}
