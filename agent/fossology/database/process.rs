// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Running one of PostgreSQL's programs under our eyes.
//!
//! The program gets a process group of its own, so that its parallel workers end with it: when we
//! are asked to stop, the whole group is ended. When we die ourselves, even by SIGKILL, the kernel
//! sends the program SIGTERM, and it ends its workers and its transactions. What it has written by
//! then is scratch that the next run throws away.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};

use super::connect::Database;
use super::error::{Error, Result};
use crate::threads;

/// How often the stop check is asked while a program runs.
const STOP_CHECK: Duration = Duration::from_millis(100);
/// How often it is looked whether a program has ended that has closed its pipe.
const LOOK: Duration = Duration::from_millis(10);
/// How long a program may take to end by itself before it is killed, and how long the pipe of
/// one that has ended may stay open.
const GRACE: Duration = Duration::from_secs(5);
/// How much of what a program says is kept, in bytes.
const KEPT: usize = 64 * 1024;

/// What libpq reads from its surroundings and that must come from us alone.
const FOREIGN: [&str; 12] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGCLIENTENCODING",
    "PGDATESTYLE",
    "PGTZ",
];

/// A program that connects to `database` and to nothing else, and asks nobody for a password.
pub(super) fn command(program: &Path, database: &Database) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
        .envs(database.tool_env("fo_backup"))
        // Its messages are sorted below by their English words.
        .env("LC_ALL", "C")
        .arg("--no-password");
    command
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started, fails, or `stop` says so: then its process group is ended.
pub(super) fn run(command: Command, name: &'static str, stop: &dyn Fn() -> bool) -> Result<()> {
    run_to(command, name, Stdio::null(), &without_rows, stop)
}

/// As [`run`], with what it prints going to `out`; of its messages an error has what `keep` leaves.
///
/// # Errors
/// As [`run`].
pub(super) fn run_to(
    mut command: Command,
    name: &'static str,
    out: Stdio,
    keep: &dyn Fn(&str) -> String,
    stop: &dyn Fn() -> bool,
) -> Result<()> {
    let program = command.get_program().to_owned();
    let failed = |source| Error::Program {
        program: program.clone().into(),
        source,
    };
    let parent = getpid();
    // The signal comes when the thread that started the program ends; this one waits for it below.
    // SAFETY: between fork and exec only prctl and getppid are called, which are plain system
    // calls: nothing is allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            set_pdeathsig(Signal::SIGTERM)?;
            // The parent may have died before the line above took effect.
            if getppid() == parent {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            }
        });
    }
    let spawned = command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(source) => return Err(failed(source)),
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let (open, closed) = mpsc::channel::<()>();
    if let Some(pipe) = child.stderr.take() {
        let said = Arc::clone(&said);
        let listen = move || {
            read(pipe, &said);
            drop(open);
        };
        if let Err(error) = threads::free(name, listen) {
            let _ = end(&mut child, &closed);
            return Err(error.into());
        }
    }
    let status = loop {
        if let Some(status) = child.try_wait().map_err(&failed)? {
            break status;
        }
        if stop() {
            end(&mut child, &closed).map_err(&failed)?;
            return Err(Error::Stopped { program: name });
        }
        // Wakes when the pipe is closed, which is mostly when the program ends.
        if closed.recv_timeout(STOP_CHECK) == Err(RecvTimeoutError::Disconnected) {
            thread::sleep(LOOK);
        }
    };
    // Somebody whom it left behind may keep the pipe open for ever.
    let _ = closed.recv_timeout(GRACE);
    let text = {
        let said = said.lock().unwrap_or_else(|error| error.into_inner());
        String::from_utf8_lossy(&said).into_owned()
    };
    if status.success() {
        return Ok(());
    }
    Err(Error::ProgramFailed {
        program: name,
        status: status.to_string(),
        messages: keep(&text),
    })
}

/// Ends a program and its workers, by force when asking is not enough.
fn end(child: &mut Child, closed: &mpsc::Receiver<()>) -> io::Result<()> {
    let id = i32::try_from(child.id()).expect("the system's process ids are positive and fit");
    let group = Pid::from_raw(id);
    // The group may be gone already: that is what is wanted.
    let _ = killpg(group, Signal::SIGTERM);
    let deadline = Instant::now() + GRACE;
    // The pipe ends when the program and all its workers have closed it.
    let left = deadline.saturating_duration_since(Instant::now());
    if closed.recv_timeout(left) != Err(RecvTimeoutError::Disconnected) {
        let _ = killpg(group, Signal::SIGKILL);
    }
    child.wait().map(drop)
}

/// Reads all that a program says and keeps the beginning, where the first error is.
fn read(mut pipe: impl Read, said: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        let mut text = said.lock().unwrap_or_else(|error| error.into_inner());
        let room = KEPT.saturating_sub(text.len());
        text.extend_from_slice(&buffer[..length.min(room)]);
    }
}

/// Drops what may quote rows or statements, which hold passwords: only lines that say what went
/// wrong are kept.
fn without_rows(text: &str) -> String {
    let said = |line: &&str| {
        [
            "pg_dump: ",
            "pg_restore: ",
            "HINT:",
            "pg_dump:",
            "pg_restore:",
        ]
        .iter()
        .any(|start| line.starts_with(start))
            && !["detail:", "Query was:", "Command was:", "from TOC entry"]
                .iter()
                .any(|word| line.contains(word))
    };
    text.lines().filter(said).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_rows_and_statements_are_dropped() {
        let text = "pg_restore: error: COPY failed for table \"jobqueue\": ERROR:  bad row\n\
                    DETAIL:  Failing row contains (1, https://me:secret@host)\n\
                    CONTEXT:  COPY jobqueue, line 5: \"1\thttps://me:secret@host\"\n\
                    HINT:  try again\n\
                    pg_restore: error: could not execute query: ERROR:  x\n\
                    pg_dump: detail: Query was: SELECT 'secret'\n\
                    Command was: COPY secret";
        let kept = without_rows(text);
        assert!(!kept.contains("secret"), "{kept}");
        assert_eq!(kept.lines().count(), 3);
    }

    #[test]
    fn a_program_that_does_not_want_to_end_is_ended_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; sleep 600 & sleep 600; wait"]);
        let before = Instant::now();
        let stopped = run(command, "sh", &|| true).unwrap_err();
        assert!(matches!(stopped, Error::Stopped { .. }));
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_leaves_somebody_behind_has_ended_all_the_same() {
        let before = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo 'pg_dump: gone' >&2; exit 3"]);
        let error = run(command, "sh", &|| false).unwrap_err();
        assert!(
            matches!(&error, Error::ProgramFailed { messages, .. } if messages == "pg_dump: gone"),
            "{error}"
        );
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    /// This test starts itself again as the process that is killed, which the variable tells.
    #[test]
    fn a_program_ends_with_us_even_when_we_are_killed() {
        const PIPE: &str = "FO_BACKUP_TEST_PIPE";
        if let Some(pipe) = std::env::var_os(PIPE) {
            let mut command = Command::new("sh");
            command.args(["-c", "exec sleep 300 >\"$0\""]).arg(pipe);
            run(command, "sh", &|| false).unwrap();
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let pipe = scratch.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let name = thread::current().name().unwrap().to_owned();
        let mut us = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(PIPE, &pipe)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Opening waits until the program has opened its end, reading until it has closed it.
        let mut opened = std::fs::File::open(&pipe).unwrap();
        let before = Instant::now();
        us.kill().unwrap();
        us.wait().unwrap();
        opened.read_to_end(&mut Vec::new()).unwrap();
        assert!(before.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(Command::new("/no/such/pg_dump"), "pg_dump", &|| false).unwrap_err();
        assert!(error.to_string().contains("/no/such/pg_dump"), "{error}");
    }
}
