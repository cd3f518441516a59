// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Measures one command as a whole process, with all that it starts.
//!
//! The command is started by a copy of this program that does nothing else: what the kernel tells
//! about the largest memory of a child counts the moment before its exec too, when it still shares
//! the memory of the one who starts it.

use super::error::{Error, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The first argument of the copy that starts a command.
pub const MEASURE: &str = "--measure-one";

/// What one run of a command took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds until the command ended.
    pub seconds: f64,
    /// Seconds until then and until all that it wrote was on the disk.
    pub durable: f64,
    /// Seconds of CPU in programs.
    pub user: f64,
    /// Seconds of CPU in the kernel.
    pub system: f64,
    /// The largest memory of any of its processes, in bytes.
    pub peak: u64,
    /// Bytes that it wrote into the page cache, folders and the like included.
    pub written: u64,
    /// Bytes by which what it made or keeps has grown.
    pub size: u64,
    /// How often it asked a server.
    #[serde(default)]
    pub requests: u64,
    /// How it ended: an exit code, or 128 and the number of a signal.
    pub code: i32,
}

/// A command to be measured.
#[derive(Clone, Debug)]
pub struct Run {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, OsString)>,
    /// What it writes to, if it writes: the time until that is on the disk is measured too.
    pub writes: Option<PathBuf>,
}

impl Run {
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            writes: None,
        }
    }

    /// A pipeline; its places come as $1, $2 and so on, and as $@. Any part of it that fails
    /// makes it fail.
    pub fn shell<A: Into<OsString>>(text: &str, places: impl IntoIterator<Item = A>) -> Self {
        let fixed = ["-o", "pipefail", "-c", text, "bash"].map(OsString::from);
        let places = places.into_iter().map(Into::into);
        Self::new("bash", fixed.into_iter().chain(places))
    }

    pub fn writes(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes = Some(path.into());
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Runs and measures it; what it says goes into a log. That it fails is in the sample.
    pub fn measure(&self, log: &Path) -> Result<Sample> {
        let us = std::env::current_exe().map_err(Error::io("looking for", Path::new("myself")))?;
        let file = File::create(log).map_err(Error::io("writing", log))?;
        // What was written before must not be this command's burden.
        nix::unistd::sync();
        let output = Command::new(us)
            .arg(MEASURE)
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(file)
            .output()
            .map_err(Error::io("starting", Path::new(&self.program)))?;
        let mut sample: Sample = serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::Json(self.program.clone().into(), error))?;
        sample.durable = sample.seconds;
        if let Some(path) = &self.writes {
            let began = Instant::now();
            // What a command that failed did not even make needs no sync.
            if let Ok(file) = File::open(path) {
                nix::unistd::syncfs(&file)
                    .map_err(|error| Error::io("syncing", path)(error.into()))?;
            }
            sample.durable += began.elapsed().as_secs_f64();
        }
        Ok(sample)
    }

    /// Runs it where nothing is measured and nothing may fail.
    pub fn prepare(&self, log: &Path) -> Result<()> {
        match self.measure(log)?.code {
            0 => Ok(()),
            code => Err(Error::Command {
                command: self.program.to_string_lossy().into_owned(),
                status: format!("exit code {code}"),
                log: log.to_owned(),
            }),
        }
    }
}

/// Starts the command that the arguments name, waits for it, and prints what it took. Its standard
/// output goes where its messages go.
pub fn measure_one(command: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(std::io::stderr())
        .status();
    let seconds = began.elapsed().as_secs_f64();
    let (Ok(status), Ok(usage)) = (status, getrusage(UsageWho::RUSAGE_CHILDREN)) else {
        return ExitCode::FAILURE;
    };
    let time = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let signal = status.signal().unwrap_or(0);
    let sample = Sample {
        seconds,
        user: time(usage.user_time()),
        system: time(usage.system_time()),
        peak: usage.max_rss() as u64 * 1024,
        written: usage.block_writes() as u64 * 512,
        code: status.code().unwrap_or(128 + signal),
        ..Sample::default()
    };
    let printed = serde_json::to_writer(std::io::stdout(), &sample).is_ok()
        && std::io::stdout().flush().is_ok();
    if printed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Empties the page cache. Only root may.
pub fn drop_caches() -> Result<()> {
    let path = Path::new("/proc/sys/vm/drop_caches");
    nix::unistd::sync();
    std::fs::write(path, "3").map_err(Error::io("writing to", path))
}

/// The bytes of all files below a folder, or of a file; a second name of a file counts nothing.
pub fn size_of(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut linked = std::collections::HashSet::new();
    let files = walkdir::WalkDir::new(path).into_iter().flatten();
    files
        .filter_map(|entry| entry.metadata().ok())
        .filter(|meta| meta.is_file())
        .filter(|meta| meta.nlink() == 1 || linked.insert(meta.ino()))
        .map(|meta| meta.len())
        .sum()
}

/// How many lines a file has; none when it is not there.
pub fn lines_of(path: &Path) -> u64 {
    let text = std::fs::read(path).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}
