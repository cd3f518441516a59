// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A stand-in for FOSSology's scheduler, the agents' side of it; the queue's is in [`super::queue`]. It
//! is not that program: it starts agents, talks with them and judges what they say as the real one
//! was seen to do (arguments, working directory, environment, the first line, lines of at most 1023
//! bytes, signals to the process group), and is stricter where the real one would crash.

use super::trouble::{Held, hold, until_held, wait_for};
use super::world::World;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use nix::sys::signal::{SigHandler, Signal, killpg, signal};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// How much the scheduler reads at once, in bytes.
const BUFFER: usize = 1023;

/// How long an agent may say nothing, heartbeats included, before it is killed.
const SILENCE: Duration = Duration::from_secs(60);

/// Time between heartbeats, in milliseconds.
const BEAT: &str = "50";

/// What a job has in its row of the queue.
#[derive(Clone, Copy, Default)]
pub struct Job<'a> {
    /// `job_pk`.
    pub id: i32,
    /// `jq_args`, sent on standard input; an empty line without them.
    pub data: &'a str,
    /// `jq_cmd_args`, split on blanks into arguments.
    pub arguments: &'a str,
    /// Whether it is started as by ssh on another host: without `--config`.
    pub remote: bool,
}

/// How an agent ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Whether its second `OK` came: from then on the scheduler calls the job completed, whatever
    /// comes later.
    pub completed: bool,
    /// What `BYE` said; none when it left without a word.
    pub code: Option<i32>,
    /// How the process ended, as a shell says it.
    pub exit: i32,
    /// The lines that went to the job's log.
    pub log: Vec<String>,
    /// Items and sign of life of each heartbeat.
    pub beats: Vec<(i32, bool)>,
    /// What the mail says.
    pub mail: Option<String>,
}

impl Ended {
    /// It has to have ended with this code, and said so.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!((self.code, self.exit), (Some(code), code), "{self:#?}");
        assert!(
            code == 0 || !self.completed,
            "the scheduler calls this failed job completed: {self:#?}"
        );
        self
    }

    /// The job's log has to name this.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.log.join("\n").contains(text), "'{text}': {self:#?}");
        self
    }
}

/// An agent that runs.
pub struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    /// The reading end of a pipe whose writing end leaked into the agent.
    pub foreign: PipeReader,
    data: String,
    ended: Ended,
    /// How often it said that it is ready.
    ready: usize,
    /// Lets the reader of its output end.
    listening: Option<crossbeam_channel::Sender<()>>,
}

impl World {
    /// Makes the agent known to the instance, as `fo_backup install` does, and names its vault.
    pub fn enable_agent(&self) {
        let module = self.path("module");
        fs::create_dir_all(module.join("agent")).unwrap();
        let program = env!("CARGO_BIN_EXE_fo_backup");
        symlink(program, module.join("agent/backup")).unwrap();
        fs::write(
            module.join("VERSION"),
            "[backup]\nVERSION=7.8.9\nCOMMIT_HASH=abc\n",
        )
        .unwrap();
        let link = self.sample().sysconfdir().join("mods-enabled/backup");
        symlink(&module, link).unwrap();
        self.write_settings("");
    }

    /// The settings that agents find.
    pub fn write_settings(&self, more: &str) {
        let text = format!(
            "vault = {:?}\nscratch = {:?}\n{more}\n",
            self.vault(),
            self.path("scratch")
        );
        fs::write(self.sample().sysconfdir().join("fo_backup.toml"), text).unwrap();
    }

    /// Starts an agent for a job.
    pub fn start_agent(&self, job: Job<'_>) -> Agent {
        Agent::start(self.sample().sysconfdir(), job)
    }

    /// Runs a job from its start to its end.
    #[track_caller]
    pub fn run_job(&self, job: Job<'_>) -> Ended {
        self.start_agent(job).serve()
    }

    /// Asks for something, as a page of FOSSology's does: a row of our table. Gives its number.
    pub fn ask(&self, verb: &str, parameters: &str) -> i32 {
        let mut client = self.sample().connect().unwrap();
        let query = format!(
            "INSERT INTO backup_request (instance, verb, parameters, who)
             SELECT instance, $1, '{parameters}', 'tester' FROM backup_instance RETURNING id"
        );
        client.query_one(&query, &[&verb]).unwrap().get(0)
    }

    /// Whether the instance has our tables.
    pub fn has_tables(&self) -> bool {
        let mut client = self.sample().connect().unwrap();
        let query = "SELECT to_regclass('backup_instance') IS NOT NULL";
        client.query_one(query, &[]).unwrap().get(0)
    }

    /// How many snapshots the vault has.
    pub fn snapshots(&self) -> usize {
        fs::read_dir(self.vault().join("snapshots")).map_or(0, Iterator::count)
    }

    /// State and message of a request.
    pub fn request(&self, id: i32) -> (String, String) {
        let mut client = self.sample().connect().unwrap();
        let query = "SELECT state, coalesce(message, '') FROM backup_request WHERE id = $1";
        let row = client.query_one(query, &[&id]).unwrap();
        (row.get(0), row.get(1))
    }
}

impl Agent {
    /// Starts it as the scheduler does.
    pub fn start(sysconfdir: PathBuf, job: Job<'_>) -> Self {
        let program = sysconfdir.join("mods-enabled/backup/agent/backup");
        let (output, writer) = std::io::pipe().unwrap();
        let (foreign, leaked) = std::io::pipe().unwrap();
        let mut command = Command::new(&program);
        command
            .current_dir(program.parent().unwrap().canonicalize().unwrap())
            .env_clear()
            .envs(
                ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG"]
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .env("FO_BACKUP_TEST_HEARTBEAT", BEAT)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let (id, config) = (job.id, sysconfdir.display());
        let words = if job.remote {
            format!("--userID=3 --groupID=3 --scheduler_start --jobId={id}")
        } else {
            format!(
                "--scheduler_start --jobId={id} --config={config} --userID=3 --groupID=3 --scheduler_start"
            )
        };
        command
            .args(words.split(' '))
            .args(job.arguments.split_whitespace());
        let number = leaked.as_raw_fd();
        // SAFETY: signal() and fcntl() are plain system calls, which are all that may be used
        // between fork and exec; the descriptor is open, because `leaked` lives beyond spawn().
        unsafe {
            command.pre_exec(move || {
                signal(Signal::SIGPIPE, SigHandler::SigIgn)?;
                let leaked = std::os::fd::BorrowedFd::borrow_raw(number);
                let none = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
                nix::fcntl::fcntl(leaked, none)?;
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        // The command holds the pipe's ends; only the agent may.
        drop(command);
        drop(leaked);
        let (send, lines) = crossbeam_channel::unbounded();
        let (listening, stopped) = crossbeam_channel::bounded(0);
        std::thread::spawn(move || read(output, &send, &stopped));
        Self {
            input: child.stdin.take(),
            child,
            lines,
            foreign,
            data: job.data.to_owned(),
            ended: Ended::default(),
            ready: 0,
            listening: Some(listening),
        }
    }

    /// Sends a line; an agent that is gone does not hear it.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}");
        }
    }

    /// Closes its input, as a scheduler that dies does.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Closes its output too: nobody hears it any more.
    pub fn go_away(&mut self) {
        self.input = None;
        self.listening = None;
    }

    /// Waits until its output has nobody who reads it.
    #[track_caller]
    pub fn until_gone(&self) {
        loop {
            match self.lines.recv_timeout(SILENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("it says nothing any more"),
            }
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Sends a signal to its process group.
    pub fn signal(&self, signal: Signal) {
        let _ = killpg(self.pid(), signal);
    }

    /// Takes its lines until it is ready so many times in all, without an answer.
    #[track_caller]
    pub fn until_ready(&mut self, times: usize) {
        while self.ready < times {
            assert!(self.take_line(), "{:#?}", self.ended);
        }
    }

    /// Takes its lines until one of its log says this.
    #[track_caller]
    pub fn until_says(&mut self, text: &str) {
        while !self.ended.log.iter().any(|line| line.contains(text)) {
            assert!(self.take_line(), "'{text}': {:#?}", self.ended);
        }
    }

    /// Takes its lines until so many heartbeats have come from now on.
    #[track_caller]
    pub fn until_beats(&mut self, beats: usize) {
        let wanted = self.ended.beats.len() + beats;
        while self.ended.beats.len() < wanted {
            assert!(self.take_line(), "{:#?}", self.ended);
        }
    }

    /// Gives it its job.
    #[track_caller]
    pub fn give_job(&mut self) {
        self.until_ready(1);
        let data = self.data.clone();
        self.say(&data);
        self.say("END");
    }

    /// Gives it its job, if it has none yet, and lets it go when it is done.
    #[track_caller]
    pub fn serve(mut self) -> Ended {
        if self.ready == 0 {
            self.give_job();
        }
        while self.ready < 2 && self.ended.code.is_none() && self.take_line() {}
        if self.ended.code.is_some() {
            // It says so instead of being ready again; nobody tells it to go.
            return self.wait();
        }
        self.close()
    }

    /// Lets it go and waits for its end.
    pub fn close(mut self) -> Ended {
        self.say("CLOSE");
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        while self.take_line() {}
        let status = self.child.wait().unwrap();
        let mut ended = std::mem::take(&mut self.ended);
        ended.exit = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        ended
    }

    /// Takes a line as the scheduler does; false when there are no more.
    fn take_line(&mut self) -> bool {
        let line = match self.lines.recv_timeout(SILENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                self.signal(Signal::SIGKILL);
                panic!("killed after a long silence: {:#?}", self.ended);
            }
        };
        assert!(line.ends_with(b"\n"), "a line is too long: {line:?}");
        assert!(
            !line.contains(&0),
            "the scheduler's string ends early: {line:?}"
        );
        let line = String::from_utf8(line).unwrap();
        let line = line.trim_end_matches('\n');
        let ended = &mut self.ended;
        assert_eq!(ended.code, None, "'{line}' comes after BYE");
        let first = ended.log.is_empty() && ended.beats.is_empty() && self.ready == 0;
        match line.split_once(' ') {
            _ if line.starts_with("@@@") => panic!("this line is the scheduler's own: {line}"),
            _ if line.starts_with("VERSION: ") && first => ended.log.push(line.to_owned()),
            _ if first => panic!("the agent is invalid for good: {line}"),
            // The real one goes by the first letters alone.
            _ if line.starts_with("OK") => {
                assert_eq!(line, "OK");
                self.ready += 1;
                ended.completed = self.ready > 1;
            }
            Some(("HEART:", rest)) => {
                // What does not look like this crashes the real one.
                let (items, alive) = rest.split_once(' ').unwrap();
                ended.beats.push((items.parse().unwrap(), alive == "1"));
            }
            Some(("BYE", code)) => ended.code = Some(code.parse().unwrap()),
            Some(("EMAIL", text)) => ended.mail = Some(text.to_owned()),
            _ => {
                let words = ["HEART", "BYE", "EMAIL", "SPECIAL", "GETSPECIAL"];
                assert!(!words.iter().any(|word| line.starts_with(word)), "{line}");
                if !line.is_empty() {
                    ended.log.push(line.to_owned());
                }
            }
        }
        true
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A test that failed leaves nobody behind.
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// An agent that carries out a request for a backup: it has its moment of the database and has not
/// asked yet what is in it.
pub fn held_job(world: &World, request: i32) -> (Agent, Held) {
    let held = hold(world, "pfile");
    let mut agent = world.start_agent(Job {
        id: 57,
        arguments: &format!("--request={request}"),
        ..Job::default()
    });
    agent.give_job();
    until_held(world, "fo_backup backup catalogue");
    (agent, held)
}

/// Reads lines as the scheduler does, until nobody wants them.
fn read(output: PipeReader, lines: &crossbeam_channel::Sender<Vec<u8>>, stopped: &Receiver<()>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let length = (&mut output)
            .take(BUFFER as u64)
            .read_until(b'\n', &mut line);
        let gone = matches!(stopped.try_recv(), Err(e) if e.is_disconnected());
        if length.unwrap_or(0) == 0 || gone || lines.send(line).is_err() {
            return;
        }
    }
}

/// Waits until a process has stopped.
#[track_caller]
pub fn until_stopped(pid: Pid) {
    wait_for("the agent to stop", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
        (state == 'T').then_some(())
    });
}

/// Whether nobody holds the other end of a pipe any more; waits for that.
#[track_caller]
pub fn is_closed(mut pipe: &PipeReader) -> bool {
    let began = Instant::now();
    let mut byte = [0];
    pipe.read(&mut byte).unwrap() == 0 && began.elapsed() < SILENCE
}
