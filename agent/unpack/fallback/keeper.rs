// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process between us and the tool: it sees to it that nothing of the tool outlives the run.
//!
//! The tool begins a session of its own, so one signal reaches its process group. What leaves the
//! group (setsid, a daemon) and loses its parent becomes a child of the keeper, which the kernel
//! calls a subreaper, so it can always be found and ended. The keeper ends everything when the tool
//! has ended, when it is sent SIGTERM, and when the thread that started it dies, even by SIGKILL:
//! then the kernel sends that SIGTERM. If the keeper itself is killed, the kernel kills the tool.
//!
//! A keeper is a fork of this program that never runs another one. Other threads may have held
//! any lock at the fork, so nothing here allocates or locks: only system calls are made.

use super::limits::ToolLimits;
use libc::{c_int, pid_t};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::getppid;
use std::io;
use std::ptr;
use std::time::Duration;

/// What the tool may use, prepared before the fork.
#[derive(Clone, Copy)]
pub(super) struct Bounds([(Resource, u64, u64); 4]);

impl Bounds {
    /// The part of the limits that the kernel keeps, for an input of this many bytes.
    ///
    /// # Errors
    /// When our own limits, which are upper bounds, cannot be asked for.
    pub(super) fn new(limits: &ToolLimits, input: u64) -> io::Result<Self> {
        let cpu = limits.cpu.as_secs().max(1);
        let memory = limits.memory.saturating_add(input);
        let mut bounds = [
            // The second limit kills what does not want to hear of the first.
            (Resource::RLIMIT_CPU, cpu, cpu.saturating_add(5)),
            (Resource::RLIMIT_AS, memory, memory),
            (Resource::RLIMIT_FSIZE, limits.file_size, limits.file_size),
            (Resource::RLIMIT_CORE, 0, 0),
        ];
        for (resource, soft, hard) in &mut bounds {
            let (_, most) = getrlimit(*resource)?;
            *soft = most.min(*soft);
            *hard = most.min(*hard);
        }
        Ok(Self(bounds))
    }
}

/// Splits a forked child in two: the keeper, which never returns, and the process that is to
/// become the tool, which does.
///
/// # Errors
/// What a system call says, in the process that was to become the tool.
///
/// # Safety
/// To be called between fork and exec only, with `parent` the process that forked.
pub(super) unsafe fn split(parent: pid_t, bounds: &Bounds) -> io::Result<()> {
    // SAFETY: in this function only system calls are made, on numbers and on memory of this stack
    // frame that lives as long as the call; the signal sets are initialised by sigfillset and
    // sigemptyset before they are used.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            // SIGKILL and SIGSTOP refuse; nothing has to be done about them.
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
        checked(libc::setsid())?;
        checked(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1))?;
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
        if getppid().as_raw() != parent {
            // We died before the signal was asked for.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let keeper = libc::getpid();
        let tool = checked(libc::fork())?;
        if tool != 0 {
            keep(tool);
        }
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if getppid().as_raw() != keeper {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        checked(libc::setsid())?;
        for (resource, soft, hard) in bounds.0 {
            setrlimit(resource, soft, hard)?;
        }
        each_descriptor(libc::CLOSE_RANGE_CLOEXEC, |descriptor| {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        });
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
    Ok(())
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Does something to all descriptors from 3 on: by the one call that newer kernels have, else one
/// by one.
///
/// # Safety
/// No descriptor from 3 on may be in use afterwards by what owns it.
unsafe fn each_descriptor(flags: libc::c_uint, one: impl Fn(c_int)) {
    // SAFETY: both calls take numbers or write to `limit`, which is ours.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags) == 0 {
            return;
        }
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let end = c_int::try_from(limit.rlim_cur.min(65_536)).unwrap_or(65_536);
        (3..end).for_each(one);
    }
}

/// The keeper's life. It keeps standard output and error open: they end for their reader when
/// everything has ended.
///
/// # Safety
/// To be called by a process that does nothing else any more, with all signals blocked, with
/// `tool` its child.
unsafe fn keep(tool: pid_t) -> ! {
    // SAFETY: the process has one thread and runs only this function, so closing descriptors takes
    // them from nobody; the sets and `info` are ours and initialised before they are read.
    unsafe {
        each_descriptor(0, |descriptor| {
            libc::close(descriptor);
        });
        let mut awaited = std::mem::zeroed();
        libc::sigemptyset(&raw mut awaited);
        libc::sigaddset(&raw mut awaited, libc::SIGTERM);
        libc::sigaddset(&raw mut awaited, libc::SIGCHLD);
        let status = loop {
            if let Some(status) = reap(tool) {
                break status;
            }
            if libc::sigwaitinfo(&raw const awaited, ptr::null_mut()) == libc::SIGTERM {
                libc::kill(-tool, libc::SIGKILL);
                // It may just be on its way to a group of its own.
                libc::kill(tool, libc::SIGKILL);
            }
        };
        end_the_rest();
        end_like(status)
    }
}

/// Takes note of children that have ended. When the tool is among them its group is killed, as
/// long as its number cannot have been given to another process, and its status is the answer.
///
/// # Safety
/// As for [`keep`].
unsafe fn reap(tool: pid_t) -> Option<c_int> {
    // SAFETY: `info` and `status` are ours; a zeroed siginfo is what waitid asks for.
    unsafe {
        loop {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            let waited = libc::waitid(libc::P_ALL, 0, &raw mut info, flags);
            let ended = info.si_pid();
            if waited != 0 || ended == 0 {
                return None;
            }
            if ended == tool {
                libc::kill(-tool, libc::SIGKILL);
            }
            let mut status = 0;
            libc::waitpid(ended, &raw mut status, 0);
            if ended == tool {
                return Some(status);
            }
        }
    }
}

/// Ends all that has become a child of this process, until nothing is left.
///
/// # Safety
/// As for [`keep`].
unsafe fn end_the_rest() {
    // SAFETY: as in the functions above; children that were not waited for keep their numbers, so
    // the signals can reach no other process.
    unsafe {
        let mut child = std::mem::zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        let patience = libc::timespec {
            tv_sec: 0,
            tv_nsec: Duration::from_millis(20).as_nanos() as libc::c_long,
        };
        loop {
            let mut ended = 1;
            while ended > 0 {
                ended = libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG);
            }
            if ended == -1 {
                return;
            }
            let us = libc::getpid();
            let seen = super::processes::each(|process, parent| {
                if parent == us {
                    libc::kill(process, libc::SIGKILL);
                }
            });
            if !seen {
                return;
            }
            libc::sigtimedwait(&raw const child, ptr::null_mut(), &raw const patience);
        }
    }
}

/// Ends this process the way the tool ended.
///
/// # Safety
/// As for [`keep`].
unsafe fn end_like(status: c_int) -> ! {
    // SAFETY: system calls on numbers and on a set of ours.
    unsafe {
        if libc::WIFSIGNALED(status) {
            // This process holds a copy of our memory: no core of it.
            libc::prctl(libc::PR_SET_DUMPABLE, 0);
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
            libc::kill(libc::getpid(), libc::WTERMSIG(status));
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
