// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent: how FOSSology's scheduler starts this program and talks with it, line by line, on
//! standard input and output. Version, empty line, `OK`; then a line of data is a job and `END`
//! is answered by `OK`, which means that the job is completed; `CLOSE` or the input's end lets us
//! go, with `BYE` and a code. A job that failed is answered by `BYE` and its code instead.
//!
//! After an `OK` we never leave before the scheduler says so: it may crash when an agent does. At its own start
//! it sends nothing but `CLOSE`, to which nothing is done: no database, no vault, no row.
//! What is killed in the middle is told in [`job`].

mod arguments;
mod descriptors;
mod heart;
mod job;
mod part;
mod telling;
mod turn;
mod wire;
mod work;

use crate::exit::Exit;
use crate::operations::Stop;
use crate::signals::{self, STOP};
use crate::threads;
use arguments::Arguments;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use descriptors::Ends;
use heart::{Heart, Pulse};
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::Wire;

/// The word that the scheduler adds to whatever it starts.
const STARTED: &str = "--scheduler_start";

/// How often the heart beats.
const BEAT: Duration = Duration::from_secs(30);

/// Another time between two beats, in milliseconds, for tests.
const BEAT_FOR_TESTS: &str = "FO_BACKUP_TEST_HEARTBEAT";

/// How long a scheduler is waited for that does not say `CLOSE` although we were asked to stop.
const LEAVE: Duration = Duration::from_secs(10);

/// How long a failed agent stays after its last word.
const LINGER: Duration = Duration::from_secs(1);

/// How often it is looked whether we were asked to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the scheduler has started us, or a person.
pub fn has_started_us(words: impl IntoIterator<Item = OsString>) -> bool {
    words.into_iter().skip(1).any(|word| word == STARTED)
}

/// What the scheduler says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Data(String),
    End,
    Close,
}

/// Runs as the scheduler's agent.
pub fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args_os());
    let ends = match descriptors::take_over() {
        Ok(ends) => ends,
        Err(error) => {
            eprintln!("fo_backup: taking over the scheduler's pipes: {error}");
            return Exit::Failed.into();
        }
    };
    let wire = ends.wire.clone();
    wire.version();
    let exit = match talk(ends, &arguments) {
        Ok(exit) => exit,
        Err(error) => {
            wire.say("error", &error.to_string());
            Exit::Failed
        }
    };
    wire.bye(exit.code());
    if exit != Exit::Done {
        // The scheduler looks at a process's end before it looks at its last lines, and then writes
        // those into a log that it has closed. It has seen no `OK` and so waits for our end.
        std::thread::sleep(LINGER.min(time_between_beats()));
    }
    exit.into()
}

/// All between the version and the last word.
fn talk(ends: Ends, arguments: &Arguments) -> threads::Result<Exit> {
    let (input, wire, pump) = ends.pump()?;
    start_log(&wire);
    // New folders and files get exactly the modes that they are made with.
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    signals::install();
    let pulse = Arc::new(Pulse::new(wire.clone()));
    let heart = Heart::start(pulse.clone(), time_between_beats(), &STOP)?;
    let (send, said) = crossbeam_channel::unbounded();
    let reader = wire.clone();
    threads::free("listener", move || listen(input, &reader, &send))?;

    let exit = converse(arguments, &wire, &pulse, &said, &STOP);
    drop(heart);
    pump.finish();
    pulse.beat();
    Ok(exit)
}

fn time_between_beats() -> Duration {
    let shorter = std::env::var(BEAT_FOR_TESTS).ok();
    let shorter = shorter.and_then(|text| text.parse().ok());
    shorter.map_or(BEAT, Duration::from_millis)
}

/// Passes on what the scheduler says. What it asks beside the work is answered at once.
fn listen(input: impl Read, wire: &Wire, said: &Sender<Said>) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        // An input that cannot be read has ended, too.
        let length = input.read_until(b'\n', &mut line).unwrap_or(0);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let next = match text {
            _ if length == 0 => Said::Close,
            "CLOSE" => Said::Close,
            "END" => Said::End,
            "VERSION" => {
                wire.version();
                continue;
            }
            _ => match text.strip_prefix("VERBOSE") {
                Some(level) => {
                    log::set_max_level(level_of(level));
                    continue;
                }
                None => Said::Data(text.to_owned()),
            },
        };
        let last = next == Said::Close;
        // Nobody receives when the conversation has ended.
        if said.send(next).is_err() || last {
            return;
        }
    }
}

fn level_of(verbosity: &str) -> LevelFilter {
    match verbosity.trim() {
        "0" => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// The conversation from the first `OK` to the last word before `BYE`.
fn converse(
    arguments: &Arguments,
    wire: &Wire,
    pulse: &Pulse,
    said: &Receiver<Said>,
    stop: &Stop,
) -> Exit {
    let mut exit = None;
    wire.ready();
    while let Some(said) = next(said, stop) {
        match said {
            Said::Data(data) => {
                pulse.beat();
                let ended = guarded(|| job::carry_out(arguments, &data, pulse, stop));
                if let Some(mail) = &ended.mail {
                    wire.email(mail);
                }
                let before = exit.unwrap_or(Exit::Done);
                exit = Some(if before == Exit::Done {
                    ended.exit
                } else {
                    before
                });
            }
            Said::End => match exit {
                // With the answer `OK` the scheduler calls the job completed, and no `BYE`
                // changes that. So a job that failed is told by `BYE` instead, and we leave: it
                // sends nothing more.
                Some(failed) if failed != Exit::Done => return failed,
                _ => wire.ready(),
            },
            Said::Close => break,
        }
    }
    match exit {
        Some(exit) => exit,
        None if stop.requested() => {
            log::warn!("asked to stop before there was anything to do");
            Exit::Interrupted
        }
        None if arguments.job == 0 => Exit::Done,
        None => {
            log::error!("closed before there was anything to do; nothing was done");
            Exit::Failed
        }
    }
}

/// What the scheduler says next; nothing when it stays silent although we were asked to stop.
fn next(said: &Receiver<Said>, stop: &Stop) -> Option<Said> {
    let mut leave: Option<Instant> = None;
    loop {
        match said.recv_timeout(LOOK) {
            Ok(said) => return Some(said),
            Err(RecvTimeoutError::Disconnected) => return Some(Said::Close),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stop.requested() && leave.get_or_insert_with(Instant::now).elapsed() > LEAVE {
            return None;
        }
    }
}

/// A panic is a failed job, not the end of the conversation; its message went to the log.
fn guarded(work: impl FnOnce() -> job::Ended) -> job::Ended {
    // What it leaves half changed is seen by nobody: each job has its own connections.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| job::Ended {
        exit: Exit::Failed,
        mail: Some("failed: a mistake in the program, see the job's log".into()),
    })
}

/// Log lines go to the job's log.
struct JobLog(Arc<Wire>);

impl Log for JobLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What libraries say is for programmers.
        metadata.target().starts_with("fossology_backup")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let kind = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug | Level::Trace => "debug",
        };
        self.0.say(kind, &record.args().to_string());
    }

    fn flush(&self) {}
}

fn start_log(wire: &Arc<Wire>) {
    log::set_max_level(LevelFilter::Info);
    // Nobody has set one before.
    let _ = log::set_boxed_logger(Box::new(JobLog(wire.clone())));
}
