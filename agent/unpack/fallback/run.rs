// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs the tool under the keeper's and the watch's eyes.

use super::keeper::{self, Bounds};
use super::limits::{Limit, ToolLimits, Watch};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use libc::pid_t;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How much of the end of what the tool says is kept, in bytes.
const KEPT: usize = 8 * 1024;

/// How a run of the tool ended. Whatever it was, what had been unpacked by then was offered, unless
/// it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself and is content.
    Finished,
    /// It ended by itself with another code than 0. 250 to 255: FOSSology's configuration or
    /// database could not be used.
    Failed(i32),
    /// A signal that was not ours ended it.
    Crashed(i32),
    /// It went over a limit and was ended.
    Exceeded(Limit),
    /// `stop` said so.
    Stopped,
}

/// Runs a command to its end, in whatever way, and gives back the end of what it said.
///
/// # Errors
/// When it cannot be started.
pub(super) fn run(
    mut command: Command,
    limits: &ToolLimits,
    input: u64,
    folder: &Path,
    stop: &dyn Fn() -> bool,
) -> io::Result<(Outcome, String)> {
    let bounds = Bounds::new(limits, input)?;
    let parent = nix::unistd::getpid().as_raw();
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    // SAFETY: split is made for being called here, and `parent` is this process.
    unsafe { command.pre_exec(move || keeper::split(parent, &bounds)) };
    let (said, ended) = mpsc::channel();
    thread::Builder::new().spawn(move || said.send(end_of(reader)))?;
    let mut watch = Watch::new(limits, folder, stop);
    // What is started here is the keeper. The kernel ends it when this thread ends; it waits below.
    let mut child = command.spawn()?;
    // The command holds the pipe's other end.
    drop(command);
    let pid = pid_t::try_from(child.id()).expect("the system's process ids are positive and fit");
    let mut ours = None;
    // The pipe ends when the keeper has ended, and with it everything else.
    let text = loop {
        match ended.recv_timeout(Watch::pause()) {
            Ok(text) => break text,
            Err(RecvTimeoutError::Disconnected) => break String::new(),
            Err(RecvTimeoutError::Timeout) if ours.is_some() => {}
            Err(RecvTimeoutError::Timeout) => {
                ours = if stop() {
                    Some(Outcome::Stopped)
                } else {
                    watch.exceeded(pid).map(Outcome::Exceeded)
                };
                if ours.is_some() {
                    // It was not waited for, so the number is still the keeper's.
                    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
                }
            }
        }
    };
    let status = child.wait()?;
    Ok((ours.unwrap_or_else(|| by_itself(status)), text))
}

fn by_itself(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome::Finished,
        (Some(code), _) => Outcome::Failed(code),
        (None, Some(libc::SIGXCPU)) => Outcome::Exceeded(Limit::Cpu),
        (None, Some(libc::SIGXFSZ)) => Outcome::Exceeded(Limit::FileSize),
        (None, signal) => Outcome::Crashed(signal.unwrap_or_default()),
    }
}

/// Reads everything and keeps the end, without lines that may quote a connection's password.
fn end_of(mut pipe: impl Read) -> String {
    let mut kept = VecDeque::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        kept.extend(&buffer[..length]);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(kept.make_contiguous())
        .split_inclusive('\n')
        .filter(|line| !line.contains("password"))
        .collect()
}
