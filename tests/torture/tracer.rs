// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Runs a command under ptrace, with a seccomp filter that stops its threads, and those of all it
//! starts, before the system calls that a test wants to see. What is stopped can be looked at,
//! failed, shortened, or killed with everything else at that very instant.
//!
//! A library that is preloaded would not see all: some of the program's calls do not go through the
//! C library. Neither privileges nor kernel modules are needed.

use crate::calls::{Call, Watched};
use crate::support::world::Called;
use libc::{c_int, c_long, c_void, pid_t};
use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Go,
    /// It is made while no other call that is seen is, and its result is told.
    See,
    /// It is not made and fails with this error.
    Fail(c_int),
    /// It is made with so many bytes at most.
    Shorten(u64),
    /// Everything is killed before it is made.
    Kill,
}

/// Who decides.
pub trait Watcher {
    /// A thread is about to make a call.
    fn enter(&mut self, call: &Call) -> Verdict;

    /// A call that was to be seen came back with this.
    fn leave(&mut self, _call: &Call, _result: i64) {}
}

/// Runs the command to its end, or until the watcher has it killed. Its output is kept.
pub fn trace(command: &Command, watched: &[Watched], watcher: &mut dyn Watcher) -> Called {
    let mut streams = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let program = Program::new(command, watched);
    let child = program.start(&streams);
    let status = Tracer {
        child,
        threads: HashSet::from([child]),
        within: HashMap::new(),
        seen: None,
        waiting: VecDeque::new(),
        status: None,
        watcher,
    }
    .run();
    let [stdout, stderr] = streams.each_mut().map(|stream| {
        let mut text = Vec::new();
        stream.rewind().unwrap();
        stream.read_to_end(&mut text).unwrap();
        text
    });
    use std::os::unix::process::ExitStatusExt;
    Called::new(&Output {
        status: std::process::ExitStatus::from_raw(status),
        stdout,
        stderr,
    })
}

/// All that the new process needs, made before it is there: it may not ask for memory.
struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    filter: Vec<libc::sock_filter>,
}

impl Program {
    fn new(command: &Command, watched: &[Watched]) -> Self {
        let text = |text: &OsStr| CString::new(text.as_bytes()).unwrap();
        let mut variables: HashMap<_, _> = std::env::vars_os().collect();
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => variables.insert(name.to_owned(), value.to_owned()),
                None => variables.remove(name),
            };
        }
        let path = text(command.get_program());
        let arguments = command.get_args().map(text);
        Self {
            arguments: std::iter::once(path.clone()).chain(arguments).collect(),
            path,
            environment: variables
                .into_iter()
                .map(|(name, value)| {
                    let pair = [name.as_bytes(), b"=", value.as_bytes()].concat();
                    CString::new(pair).unwrap()
                })
                .collect(),
            filter: filter(watched),
        }
    }

    /// Starts it, stopped before its first call.
    fn start(&self, streams: &[File; 2]) -> pid_t {
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            let all = texts.iter().map(|text| text.as_ptr());
            all.chain([std::ptr::null()]).collect()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let null = File::open("/dev/null").unwrap();
        let filter = libc::sock_fprog {
            len: self.filter.len() as u16,
            filter: self.filter.as_ptr().cast_mut(),
        };
        // SAFETY: the child only makes system calls with what was made ready above, all of which
        // lives until it has become another program; whatever fails ends it.
        let child = unsafe {
            let child = libc::fork();
            if child == 0 {
                let done = libc::dup2(null.as_raw_fd(), 0) >= 0
                    && libc::dup2(streams[0].as_raw_fd(), 1) >= 0
                    && libc::dup2(streams[1].as_raw_fd(), 2) >= 0
                    && libc::setpgid(0, 0) == 0
                    && libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0
                    && libc::raise(libc::SIGSTOP) == 0
                    && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) == 0;
                if done {
                    libc::execve(self.path.as_ptr(), arguments.as_ptr(), environment.as_ptr());
                }
                libc::_exit(127);
            }
            child
        };
        assert!(child > 0, "{}", std::io::Error::last_os_error());
        let mut status = 0;
        // SAFETY: waits for our own child and writes its state into `status`.
        let stopped = unsafe { libc::waitpid(child, &mut status, libc::__WALL) };
        assert!(
            stopped == child && libc::WIFSTOPPED(status),
            "it cannot be traced: {status:x}"
        );
        let options = libc::PTRACE_O_TRACESECCOMP
            | libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACEEXEC
            | libc::PTRACE_O_EXITKILL;
        assert_eq!(
            ptrace(libc::PTRACE_SETOPTIONS, child, 0, options as c_long),
            Ok(0)
        );
        assert_eq!(ptrace(libc::PTRACE_CONT, child, 0, 0), Ok(0));
        child
    }
}

/// A filter that stops before the watched calls and lets all others pass.
fn filter(watched: &[Watched]) -> Vec<libc::sock_filter> {
    let code = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = |offset: usize| {
        code(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            0,
            0,
            offset as u32,
        )
    };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let any = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    let end = |what: u32| code(libc::BPF_RET | libc::BPF_K, 0, 0, what);
    let (allow, stop) = (end(libc::SECCOMP_RET_ALLOW), end(libc::SECCOMP_RET_TRACE));
    let number = std::mem::offset_of!(libc::seccomp_data, nr);
    let arguments = std::mem::offset_of!(libc::seccomp_data, args);
    let architecture = std::mem::offset_of!(libc::seccomp_data, arch);
    const X86_64: u32 = 0xc000_003e;
    let mut filter = vec![load(architecture), code(equal, 1, 0, X86_64), allow];
    for one in watched {
        filter.push(load(number));
        match one.only {
            None => filter.extend([code(equal, 0, 1, one.number as u32), stop]),
            Some((argument, bits)) => filter.extend([
                code(equal, 0, 3, one.number as u32),
                load(arguments + 8 * argument),
                code(any, 0, 1, bits),
                stop,
            ]),
        }
    }
    filter.push(allow);
    filter
}

struct Tracer<'a> {
    child: pid_t,
    threads: HashSet<pid_t>,
    /// Calls that are being made and will be told.
    within: HashMap<pid_t, Call>,
    /// Who makes the only call that is seen.
    seen: Option<pid_t>,
    /// Who wants to make the next ones.
    waiting: VecDeque<(pid_t, Call)>,
    status: Option<c_int>,
    watcher: &'a mut dyn Watcher,
}

impl Tracer<'_> {
    fn run(mut self) -> c_int {
        loop {
            let mut status = 0;
            // SAFETY: waits for what this thread traces and writes its state into `status`.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
            if pid < 0 {
                match std::io::Error::last_os_error().raw_os_error() {
                    Some(libc::EINTR) => continue,
                    _ => break, // nobody is left
                }
            }
            if libc::WIFSTOPPED(status) {
                self.stopped(pid, status);
            } else {
                self.ended(pid, status);
            }
        }
        self.status.unwrap()
    }

    fn ended(&mut self, pid: pid_t, status: c_int) {
        self.threads.remove(&pid);
        self.within.remove(&pid);
        self.waiting.retain(|(waiting, _)| *waiting != pid);
        if pid == self.child {
            self.status = Some(status);
        }
        if self.seen == Some(pid) {
            self.seen = None;
            self.next();
        }
    }

    fn stopped(&mut self, pid: pid_t, status: c_int) {
        let signal = libc::WSTOPSIG(status);
        match (signal, status >> 16) {
            (libc::SIGTRAP, libc::PTRACE_EVENT_SECCOMP) => {
                if let Some(call) = Call::of(pid) {
                    self.enter(pid, call);
                }
            }
            (libc::SIGTRAP, 1..) => go(libc::PTRACE_CONT, pid, 0),
            (signal, _) if signal == libc::SIGTRAP | 0x80 => self.leave(pid),
            // A new thread or process begins so.
            (libc::SIGSTOP, _) if self.threads.insert(pid) => go(libc::PTRACE_CONT, pid, 0),
            (signal, _) => {
                self.threads.insert(pid);
                // In the middle of a call that is seen its end has still to be told.
                let how = match self.within.contains_key(&pid) {
                    true => libc::PTRACE_SYSCALL,
                    false => libc::PTRACE_CONT,
                };
                go(how, pid, signal);
            }
        }
    }

    fn enter(&mut self, pid: pid_t, call: Call) {
        match self.watcher.enter(&call) {
            Verdict::Go => go(libc::PTRACE_CONT, pid, 0),
            Verdict::See if self.seen.is_some() => self.waiting.push_back((pid, call)),
            Verdict::See => self.see(pid, call),
            Verdict::Fail(error) => {
                call.skip(pid, error);
                go(libc::PTRACE_CONT, pid, 0);
            }
            Verdict::Shorten(most) => {
                call.shorten(pid, most);
                go(libc::PTRACE_CONT, pid, 0);
            }
            Verdict::Kill => {
                for &thread in &self.threads {
                    // SAFETY: sends a signal to a process of ours; it may be gone already.
                    unsafe { libc::kill(thread, libc::SIGKILL) };
                }
            }
        }
    }

    fn see(&mut self, pid: pid_t, call: Call) {
        self.seen = Some(pid);
        self.within.insert(pid, call);
        go(libc::PTRACE_SYSCALL, pid, 0);
    }

    fn leave(&mut self, pid: pid_t) {
        if let Some(call) = self.within.remove(&pid)
            && let Some(result) = result_of(pid)
        {
            self.watcher.leave(&call, result);
        }
        go(libc::PTRACE_CONT, pid, 0);
        if self.seen == Some(pid) {
            self.seen = None;
            self.next();
        }
    }

    fn next(&mut self) {
        while self.seen.is_none()
            && let Some((pid, call)) = self.waiting.pop_front()
        {
            // What came meanwhile may have changed its mind.
            self.enter(pid, call);
        }
    }
}

/// Lets a thread go on; it may have been killed meanwhile, which is told later.
fn go(how: libc::c_uint, pid: pid_t, signal: c_int) {
    let _ = ptrace(how, pid, 0, c_long::from(signal));
}

fn result_of(pid: pid_t) -> Option<i64> {
    registers(pid).map(|registers| registers.rax as i64)
}

/// The registers of a stopped thread; none when it was killed meanwhile.
pub fn registers(pid: pid_t) -> Option<libc::user_regs_struct> {
    // SAFETY: a structure of numbers may be all zeros.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    let place = (&raw mut registers) as c_long;
    ptrace(libc::PTRACE_GETREGS, pid, 0, place).ok()?;
    Some(registers)
}

pub fn set_registers(pid: pid_t, registers: &libc::user_regs_struct) {
    let place = std::ptr::from_ref(registers) as c_long;
    let _ = ptrace(libc::PTRACE_SETREGS, pid, 0, place);
}

fn ptrace(
    request: libc::c_uint,
    pid: pid_t,
    address: c_long,
    data: c_long,
) -> Result<c_long, c_int> {
    // SAFETY: the requests that are used read or write only what `data` points to, which is borrowed
    // by the callers for the call's duration, or the memory of the other process.
    match unsafe { libc::ptrace(request, pid, address as *mut c_void, data as *mut c_void) } {
        -1 => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        result => Ok(result),
    }
}
