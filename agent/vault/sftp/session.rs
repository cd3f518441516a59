// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A connection: the system's ssh with the subsystem sftp, so that keys, agents, known hosts, jump
//! hosts and everything else is as in the user's own ssh. Requests are sent without waiting for the
//! answers to those before, as many as a slow line needs to be full.
//!
//! One user at a time. A connection that failed is not used again; its ssh ends when its input does,
//! also when this process is killed.

use super::wire::{self, Answer, Ask, Attributes, Packet, READ, Status};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The content of a read or write: what every server takes.
pub const PIECE: u64 = 32 << 10;

/// How many requests are on their way at once.
const WINDOW: usize = 64;

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long the answer may take that what was written is on the disk.
const SYNC_PATIENCE: Duration = Duration::from_secs(600);

/// A connection that speaks SFTP.
pub struct Session {
    ssh: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    complaints: File,
    extensions: Vec<String>,
    next: u32,
    /// Answers that came before somebody asked for them.
    early: HashMap<u32, Answer>,
    /// Requests whose answers nobody wants.
    ignored: HashSet<u32>,
    /// When the attempt at hand is given up.
    deadline: Option<Instant>,
    /// How many bytes of complaints came before the server was there.
    greeted: u64,
}

/// The number of a request.
pub type Id = u32;

/// Why a request was not answered as hoped.
#[derive(Debug)]
pub enum Problem {
    /// The connection is of no use any more.
    Broken(io::Error),
    /// The server refuses.
    Refused(Status),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Session {
    /// Starts ssh, and waits until the server speaks SFTP.
    pub fn open(ssh: &[String], arguments: &[String]) -> io::Result<Self> {
        let (program, first) = ssh
            .split_first()
            .ok_or_else(|| io::Error::other("ssh in [storage] names no program"))?;
        let complaints = tempfile::tempfile()?;
        let mut child = Command::new(program)
            .args(first)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?)
            // An interruption from the keyboard is for us to carry out.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("starting {program}: {error}"))
            })?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("ssh has no input or output"));
        };
        let mut session = Self {
            ssh: child,
            input: Some(input),
            output: BufReader::with_capacity(256 << 10, output),
            complaints,
            extensions: Vec::new(),
            next: 0,
            early: HashMap::new(),
            ignored: HashSet::new(),
            deadline: None,
            greeted: 0,
        };
        match session.begin() {
            Ok(()) => {
                // What was said at the login explains no later end.
                session.greeted = session.complaints.metadata()?.len();
                Ok(session)
            }
            Err(error) => Err(session.explain(error)),
        }
    }

    /// Begins an attempt that is given up after so long; without, only each answer has its time.
    pub fn give(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| Instant::now() + limit);
    }

    fn begin(&mut self) -> io::Result<()> {
        self.write(&Packet::init().bytes())?;
        match self.read(PATIENCE)? {
            (_, Answer::Version(extensions)) => {
                self.extensions = extensions;
                Ok(())
            }
            _ => Err(io::Error::other(
                "the server does not begin with its version",
            )),
        }
    }

    /// What ssh has to say about the end of the connection, which tells more than the error.
    pub fn explain(&mut self, error: io::Error) -> io::Error {
        self.input = None;
        // It has ended, or does so now.
        let _ = self.ssh.kill();
        let _ = self.ssh.wait();
        let mut said = String::new();
        let read = self
            .complaints
            .seek(io::SeekFrom::Start(self.greeted))
            .and_then(|_| {
                Read::by_ref(&mut self.complaints)
                    .take(4096)
                    .read_to_string(&mut said)
            });
        let lines: Vec<&str> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("Warning: Permanently added"))
            .collect();
        match read {
            Ok(_) if !lines.is_empty() => {
                let last = lines[lines.len().saturating_sub(3)..].join("; ");
                io::Error::new(error.kind(), format!("ssh: {last}"))
            }
            _ => error,
        }
    }

    /// Whether the server has an extension.
    pub fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|name| name == extension)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.input {
            Some(input) => input.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn read(&mut self, patience: Duration) -> io::Result<(u32, Answer)> {
        if self.output.buffer().is_empty() {
            let left = self
                .deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let patience = left.map_or(patience, |left| left.min(patience));
            let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
            let mut waiting = [PollFd::new(
                self.output.get_ref().as_fd(),
                PollFlags::POLLIN,
            )];
            let ready = loop {
                match poll(&mut waiting, patience) {
                    Err(Errno::EINTR) => {}
                    ready => break ready?,
                }
            };
            if ready == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the server does not answer",
                ));
            }
        }
        wire::read(&mut self.output)
    }

    /// Sends a request.
    pub fn send(&mut self, ask: Ask, fill: impl FnOnce(Packet) -> Packet) -> Result<Id> {
        self.next = self.next.wrapping_add(1);
        let packet = fill(Packet::new(ask, self.next));
        self.write(&packet.bytes())?;
        Ok(self.next)
    }

    /// Waits for the answer to a request.
    pub fn answer(&mut self, id: Id) -> Result<Answer> {
        self.answer_within(id, PATIENCE)
    }

    fn answer_within(&mut self, id: Id, patience: Duration) -> Result<Answer> {
        loop {
            if let Some(answer) = self.early.remove(&id) {
                return Ok(answer);
            }
            let (other, answer) = self.read(patience)?;
            if !self.ignored.remove(&other) {
                self.early.insert(other, answer);
            }
        }
    }

    /// Waits for the answer to something that has no other than that it was done.
    pub fn done(&mut self, id: Id) -> Result<()> {
        self.done_within(id, PATIENCE)
    }

    /// As [`Session::done`], of what takes as long as the server's disk needs.
    pub fn synced(&mut self, id: Id) -> Result<()> {
        self.done_within(id, SYNC_PATIENCE)
    }

    fn done_within(&mut self, id: Id, patience: Duration) -> Result<()> {
        match self.answer_within(id, patience)? {
            Answer::Status(Status {
                code: Status::OK, ..
            }) => Ok(()),
            Answer::Status(status) => Err(Problem::Refused(status)),
            _ => Err(strange()),
        }
    }

    /// Waits for a handle.
    pub fn handle(&mut self, id: Id) -> Result<Vec<u8>> {
        match self.answer(id)? {
            Answer::Handle(handle) => Ok(handle),
            Answer::Status(status) => Err(Problem::Refused(status)),
            _ => Err(strange()),
        }
    }

    /// Waits for what is known of a file; `None` when it is not there.
    pub fn attributes(&mut self, id: Id) -> Result<Option<Attributes>> {
        match self.answer(id)? {
            Answer::Attributes(attributes) => Ok(Some(attributes)),
            Answer::Status(Status {
                code: Status::NO_SUCH_FILE,
                ..
            }) => Ok(None),
            Answer::Status(status) => Err(Problem::Refused(status)),
            _ => Err(strange()),
        }
    }

    /// Writes what comes from `next`, pieces of at most [`PIECE`] with their offsets. `went` hears up
    /// to where the server has it.
    pub fn write_all(
        &mut self,
        handle: &[u8],
        mut next: impl FnMut() -> io::Result<Option<(u64, Vec<u8>)>>,
        went: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut open = VecDeque::new();
        loop {
            let piece = next()?;
            if piece.is_none() || open.len() >= WINDOW {
                match open.pop_front() {
                    Some((id, end)) => {
                        self.done(id)?;
                        went(end);
                    }
                    None if piece.is_none() => return Ok(()),
                    None => {}
                }
            }
            if let Some((offset, data)) = piece {
                let id = self.send(Ask::Write, |packet| {
                    packet.text(handle).long(offset).text(&data)
                })?;
                open.push_back((id, offset + data.len() as u64));
            }
        }
    }

    /// Reads from an offset on, at most so many bytes, into `data`. What came before a failure is
    /// there then.
    pub fn read_into(
        &mut self,
        handle: &[u8],
        offset: u64,
        most: u64,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        let begin = data.len() as u64;
        let end = offset + most;
        loop {
            // Where a read came back short, all that is left is asked for again.
            let from = offset + (data.len() as u64 - begin);
            if from >= end {
                return Ok(());
            }
            let mut ids = VecDeque::new();
            let mut next = from;
            let mut short = false;
            let mut ended = false;
            loop {
                while next < end && ids.len() < WINDOW && !short && !ended {
                    let len = PIECE.min(end - next);
                    let id = self.send(Ask::Read, |packet| {
                        packet.text(handle).long(next).number(len as u32)
                    })?;
                    ids.push_back((id, len));
                    next += len;
                }
                let Some((id, len)) = ids.pop_front() else {
                    break;
                };
                match self.answer(id)? {
                    Answer::Data(piece) if !short && !ended => {
                        short = (piece.len() as u64) < len;
                        data.extend_from_slice(&piece);
                    }
                    Answer::Data(_) => {}
                    Answer::Status(status) if status.code == Status::END => ended = true,
                    Answer::Status(status) => return Err(Problem::Refused(status)),
                    _ => return Err(strange()),
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// What lies in folders; one that is not there is empty. Many are read at once.
    pub fn folders(&mut self, paths: &[String]) -> Result<Vec<Vec<(String, Attributes)>>> {
        let mut all = Vec::with_capacity(paths.len());
        for some in paths.chunks(WINDOW) {
            let mut ids = Vec::with_capacity(some.len());
            for path in some {
                ids.push(self.send(Ask::OpenDir, |packet| packet.text(path.as_bytes()))?);
            }
            let mut handles = Vec::with_capacity(some.len());
            for id in ids {
                handles.push(match self.handle(id) {
                    Ok(handle) => Some(handle),
                    Err(Problem::Refused(status)) if status.code == Status::NO_SUCH_FILE => None,
                    Err(problem) => return Err(problem),
                });
            }
            let mut found = vec![Vec::new(); some.len()];
            let mut open: Vec<(usize, Vec<u8>)> = handles
                .into_iter()
                .enumerate()
                .filter_map(|(at, handle)| Some((at, handle?)))
                .collect();
            let all_handles: Vec<Vec<u8>> = open.iter().map(|(_, handle)| handle.clone()).collect();
            while !open.is_empty() {
                let mut asked = Vec::with_capacity(open.len());
                for (_, handle) in &open {
                    asked.push(self.send(Ask::ReadDir, |packet| packet.text(handle))?);
                }
                let mut going = Vec::new();
                for ((at, handle), id) in open.into_iter().zip(asked) {
                    match self.answer(id)? {
                        Answer::Names(names) => {
                            // No object of ours has a name that is no text.
                            found[at].extend(names.into_iter().filter_map(|(name, attributes)| {
                                let name = String::from_utf8(name).ok()?;
                                (name != "." && name != "..").then_some((name, attributes))
                            }));
                            going.push((at, handle));
                        }
                        Answer::Status(status) if status.code == Status::END => {}
                        Answer::Status(status) => return Err(Problem::Refused(status)),
                        _ => return Err(strange()),
                    }
                }
                open = going;
            }
            for handle in &all_handles {
                self.close(handle)?;
            }
            all.extend(found);
        }
        Ok(all)
    }

    /// Opens a file for reading.
    pub fn open_file(&mut self, path: &str) -> Result<Vec<u8>> {
        let id = self.send(Ask::Open, |packet| {
            packet.text(path.as_bytes()).number(READ).number(0)
        })?;
        self.handle(id)
    }

    /// Closes a file or folder, without waiting: nothing depends on it.
    pub fn close(&mut self, handle: &[u8]) -> Result<()> {
        let id = self.send(Ask::Close, |packet| packet.text(handle))?;
        self.ignored.insert(id);
        Ok(())
    }
}

fn strange() -> Problem {
    Problem::Broken(io::Error::new(
        io::ErrorKind::InvalidData,
        "the server's answer does not fit what was asked",
    ))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.ssh.kill();
        let _ = self.ssh.wait();
    }
}
