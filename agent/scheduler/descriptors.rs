// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who holds which end of which pipe. The scheduler hands its protocol over as standard input and
//! output, and lets other agents' pipes leak into ours. So we take the protocol's two ends for
//! ourselves, close what is not ours, and point standard output and error at a pipe of our own,
//! out of which a thread makes lines of the job's log. A child can then neither speak to the
//! scheduler nor keep its pipe open, and no panic breaks a line.

use super::wire::Wire;
use crate::threads;
use crossbeam_channel::Receiver;
use nix::unistd::{close, dup2_stderr, dup2_stdin, dup2_stdout};
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::fd::{AsFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// How long the end of the output waits for children that still hold it.
const LINGER: Duration = Duration::from_secs(2);

/// How much of a line that does not end is kept together, in bytes.
const TOGETHER: u64 = 4096;

/// The protocol's two ends.
pub struct Ends {
    /// What the scheduler says.
    pub input: File,
    /// The way to it.
    pub wire: Arc<Wire>,
    /// The reading end of what everybody else writes.
    stray: PipeReader,
}

/// The thread that turns what everybody else writes into lines of the log.
pub struct Pump {
    ended: Receiver<()>,
}

/// Takes the protocol's ends. Nobody else may have opened anything yet.
///
/// # Errors
/// When the process may not open anything.
pub fn take_over() -> io::Result<Ends> {
    close_foreign();
    // Both copies are closed in children.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (stray, writer) = io::pipe()?;
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(&writer)?;
    dup2_stderr(&writer)?;
    Ok(Ends {
        input,
        wire: Arc::new(Wire::new(output)),
        stray,
    })
}

/// Closes what the scheduler and other agents had open.
fn close_foreign() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<RawFd> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in open {
        // One of them was the folder's own, which is closed already.
        let _ = close(number);
    }
}

impl Ends {
    /// Starts the thread; the version has to be sent before.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn pump(self) -> threads::Result<(File, Arc<Wire>, Pump)> {
        let (send, ended) = crossbeam_channel::bounded(0);
        let (stray, wire) = (self.stray, self.wire.clone());
        threads::free("stray output", move || {
            forward(stray, &wire);
            drop(send);
        })?;
        Ok((self.input, self.wire, Pump { ended }))
    }
}

impl Pump {
    /// Waits until all that was written is forwarded.
    pub fn finish(self) {
        if let Ok(null) = File::options().write(true).open("/dev/null") {
            // Without them the pipe has no writer but left-over children.
            let _ = dup2_stdout(&null);
            let _ = dup2_stderr(&null);
        }
        // Nothing is ever sent: this ends with the thread, or when it was long enough.
        let _ = self.ended.recv_timeout(LINGER);
    }
}

fn forward(stray: impl Read, wire: &Wire) {
    let mut stray = BufReader::new(stray);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stray).take(TOGETHER).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => wire.quote(&String::from_utf8_lossy(&line)),
        }
    }
}
