// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! System calls fail, one in each run: those of the program and of all that it starts. Calls are told
//! apart by program, kind and what they are about, since their order differs from run to run.

use crate::calls::{Call, Watched};
use crate::operation::Operation;
use crate::scenario::{Found, Scenario};
use crate::support::figures::count;
use crate::tally::on_each;
use crate::tracer::{Verdict, Watcher, trace};
use fossology_backup::demo::sample::Random;
use libc::{
    EACCES, EAGAIN, ECONNRESET, EINTR, EIO, EMFILE, ENOENT, ENOLCK, ENOMEM, ENOSPC, EPERM, c_int,
    c_long,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Error(c_int),
    /// Fewer bytes than were asked for.
    Short,
}

/// Where the object of a call is named.
#[derive(Clone, Copy, Debug)]
enum About {
    Descriptor(usize),
    /// The argument that is a path.
    Path(usize),
    /// The arguments that are a folder and a path in it.
    At(usize, usize),
    Nothing,
}

/// A kind of call, what it is about, and how it may go wrong.
struct Kind {
    name: &'static str,
    number: c_long,
    about: About,
    faults: &'static [Fault],
}

use About::{At, Descriptor, Nothing, Path as Named};
use Fault::{Error, Short};

const READ: &[Fault] = &[Error(EIO), Error(EINTR), Short];
const WRITE: &[Fault] = &[Error(ENOSPC), Error(EIO), Error(EINTR), Short];
const OPEN: &[Fault] = &[Error(EACCES), Error(EIO), Error(ENOSPC), Error(EMFILE)];
const LOOK: &[Fault] = &[Error(EIO), Error(EACCES)];
const NAME: &[Fault] = &[Error(EIO), Error(EPERM), Error(ENOSPC)];
const SYNC: &[Fault] = &[Error(EIO), Error(ENOSPC)];
// Not short: who waits for a socket's next event relies on having got all that there was.
// Not interrupted: these sockets do not wait, and only what waits is.
const TALK: &[Fault] = &[Error(ECONNRESET)];
// The PostgreSQL client panics where it cannot have an event queue, which is passed over here.
const START: &[Fault] = &[Error(EAGAIN), Error(ENOMEM)];

macro_rules! kinds {
    ($($call:ident $about:expr, $faults:expr;)*) => {
        &[$(Kind {
            name: stringify!($call),
            number: libc::$call,
            about: $about,
            faults: $faults,
        }),*]
    };
}

const KINDS: &[Kind] = kinds! {
    SYS_read Descriptor(0), READ;
    SYS_pread64 Descriptor(0), READ;
    SYS_write Descriptor(0), WRITE;
    SYS_pwrite64 Descriptor(0), WRITE;
    SYS_writev Descriptor(0), &[Error(ENOSPC), Error(EIO), Error(EINTR)];
    SYS_copy_file_range Descriptor(2), WRITE;
    SYS_sendfile Descriptor(0), WRITE;
    SYS_splice Descriptor(2), &[Error(EIO)];
    SYS_open Named(0), OPEN;
    SYS_openat At(0, 1), OPEN;
    SYS_stat Named(0), LOOK;
    SYS_lstat Named(0), LOOK;
    SYS_fstat Descriptor(0), LOOK;
    SYS_newfstatat At(0, 1), LOOK;
    SYS_statx At(0, 1), LOOK;
    SYS_access Named(0), LOOK;
    SYS_faccessat At(0, 1), LOOK;
    SYS_readlink Named(0), LOOK;
    SYS_readlinkat At(0, 1), LOOK;
    SYS_statfs Named(0), LOOK;
    SYS_fstatfs Descriptor(0), LOOK;
    SYS_getdents64 Descriptor(0), &[Error(EIO)];
    SYS_lseek Descriptor(0), &[Error(EIO)];
    SYS_mmap Descriptor(4), &[Error(ENOMEM), Error(EACCES)];
    SYS_mkdir Named(0), NAME;
    SYS_mkdirat At(0, 1), NAME;
    SYS_rename Named(1), NAME;
    SYS_renameat At(2, 3), NAME;
    SYS_renameat2 At(2, 3), NAME;
    SYS_link Named(1), NAME;
    SYS_linkat At(2, 3), NAME;
    SYS_symlink Named(1), NAME;
    SYS_unlink Named(0), NAME;
    SYS_unlinkat At(0, 1), NAME;
    SYS_rmdir Named(0), NAME;
    SYS_ftruncate Descriptor(0), SYNC;
    SYS_fallocate Descriptor(0), SYNC;
    SYS_fsync Descriptor(0), SYNC;
    SYS_fdatasync Descriptor(0), SYNC;
    SYS_syncfs Descriptor(0), SYNC;
    SYS_sync_file_range Descriptor(0), SYNC;
    SYS_fadvise64 Descriptor(0), &[Error(EIO)];
    SYS_fchmod Descriptor(0), NAME;
    SYS_chmod Named(0), NAME;
    SYS_fchmodat At(0, 1), NAME;
    SYS_fchown Descriptor(0), NAME;
    SYS_fchownat At(0, 1), NAME;
    SYS_utimensat At(0, 1), NAME;
    SYS_flock Descriptor(0), &[Error(ENOLCK), Error(EIO)];
    SYS_fcntl Descriptor(0), &[Error(ENOLCK)];
    SYS_socket Nothing, &[Error(EMFILE), Error(EACCES)];
    SYS_connect Descriptor(0), &[Error(libc::ECONNREFUSED), Error(libc::ETIMEDOUT)];
    SYS_sendto Descriptor(0), TALK;
    SYS_recvfrom Descriptor(0), TALK;
    SYS_sendmsg Descriptor(0), &[Error(ECONNRESET)];
    SYS_recvmsg Descriptor(0), &[Error(ECONNRESET)];
    SYS_poll Nothing, &[Error(EINTR), Error(ENOMEM)];
    SYS_epoll_wait Nothing, &[Error(EINTR)];
    SYS_socketpair Nothing, &[Error(EMFILE)];
    SYS_pipe2 Nothing, &[Error(EMFILE)];
    SYS_clone Nothing, START;
    SYS_clone3 Nothing, START;
    SYS_fork Nothing, START;
    SYS_vfork Nothing, START;
    SYS_execve Named(0), &[Error(ENOENT), Error(EACCES), Error(ENOMEM)];
    SYS_wait4 Nothing, &[Error(EINTR)];
    SYS_waitid Nothing, &[Error(EINTR)];
    SYS_dup Nothing, &[Error(EMFILE)];
    SYS_getcwd Nothing, &[Error(ENOENT)];
    SYS_getrandom Nothing, &[Error(EINTR)];
};

/// Calls that are the same to us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    program: String,
    kind: &'static str,
    about: String,
}

/// Classes of calls, for a run that starts in one place.
struct Classes {
    folder: PathBuf,
    /// Whether the program's own code runs: what the loader does before is not looked at.
    begun: bool,
}

impl Classes {
    fn of(scenario: &Scenario<'_>) -> Self {
        let folder = scenario.world().folder.path();
        Self {
            folder: folder.canonicalize().unwrap(),
            begun: false,
        }
    }

    fn class(&mut self, call: &Call) -> Option<(Class, &'static Kind)> {
        // The first thing that the standard library does is to look at three descriptors.
        self.begun |= call.number == libc::SYS_poll;
        if !self.begun {
            return None;
        }
        let kind = KINDS.iter().find(|kind| kind.number == call.number)?;
        let path = match kind.about {
            Descriptor(at) => match call.number_at(at) {
                1 | 2 => Some("output".into()),
                descriptor => call.target(descriptor),
            },
            Named(at) => call.path(None, at),
            At(folder, at) => call.path(Some(call.number_at(folder)), at),
            Nothing => None,
        };
        let about = path.map(|path| self.about(&path)).unwrap_or_default();
        // Memory without a file, the event queue, libraries.
        let passed_over = about == "anon_inode"
            || call.number == libc::SYS_mmap && about.is_empty()
            || about.contains(".so");
        let class = Class {
            program: call.program(),
            kind: kind.name,
            about,
        };
        (!passed_over).then_some((class, kind))
    }

    /// A path without what differs from run to run and from blob to blob.
    fn about(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        let text = path.to_string_lossy();
        if let Some((kind, _)) = text.split_once(":[") {
            return kind.to_owned();
        }
        let parts = text.split('/').map(|part| {
            if part.starts_with(".tmp") {
                return ".tmp".to_owned();
            }
            let stem = part.split('.').next().unwrap_or_default();
            let is_hex = stem.len() == 2 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_hex && !stem.bytes().any(|byte| byte.is_ascii_digit()) {
                return part.to_owned();
            }
            match part.rsplit_once('.') {
                Some((_, end)) if !end.bytes().any(|byte| byte.is_ascii_digit()) => {
                    format!("#.{end}")
                }
                _ => "#".to_owned(),
            }
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

fn watched() -> Vec<Watched> {
    let numbers = KINDS.iter().map(|kind| kind.number);
    numbers.map(Watched::always).collect()
}

/// Counts the calls of a run.
struct Counter {
    classes: Classes,
    counted: BTreeMap<Class, (usize, &'static [Fault])>,
}

impl Watcher for Counter {
    fn enter(&mut self, call: &Call) -> Verdict {
        if let Some((class, kind)) = self.classes.class(call) {
            self.counted.entry(class).or_insert((0, kind.faults)).0 += 1;
        }
        Verdict::Go
    }
}

/// Lets one call go wrong.
struct Breaker {
    classes: Classes,
    class: Class,
    /// How many of its class come before.
    before: usize,
    fault: Fault,
    hit: bool,
}

impl Watcher for Breaker {
    fn enter(&mut self, call: &Call) -> Verdict {
        if self.hit {
            return Verdict::Go;
        }
        match self.classes.class(call) {
            Some((class, _)) if class == self.class => {}
            _ => return Verdict::Go,
        }
        if self.before > 0 {
            self.before -= 1;
            return Verdict::Go;
        }
        self.hit = true;
        match self.fault {
            Fault::Error(error) => Verdict::Fail(error),
            Fault::Short => Verdict::Shorten(1),
        }
    }
}

/// A call to break.
#[derive(Clone)]
struct Point {
    class: Class,
    at: usize,
    of: usize,
    fault: Fault,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Class {
            program,
            kind,
            about,
        } = &self.class;
        let fault = match self.fault {
            Fault::Error(error) => std::io::Error::from_raw_os_error(error).to_string(),
            Fault::Short => "one byte".to_owned(),
        };
        let (at, of) = (self.at + 1, self.of);
        write!(f, "{fault} at {program}'s {kind} of {about} ({at} of {of})")
    }
}

/// All calls of a whole run.
fn calls(scenario: &Scenario<'_>) -> BTreeMap<Class, (usize, &'static [Fault])> {
    scenario.begin();
    let mut counter = Counter {
        classes: Classes::of(scenario),
        counted: BTreeMap::new(),
    };
    trace(&scenario.command(), &watched(), &mut counter).expect(0);
    scenario.stage.wait_for_sessions();
    scenario.is_done().unwrap();
    counter.counted
}

/// So many of all points, of as many classes as possible.
fn points(
    calls: BTreeMap<Class, (usize, &'static [Fault])>,
    most: usize,
    random: &mut Random,
) -> Vec<Point> {
    let mut rounds: BTreeMap<usize, Vec<Point>> = BTreeMap::new();
    for (class, (of, faults)) in calls {
        let mut places = vec![0, of - 1, random.below(of)];
        places.extend((0..of).take(most));
        places.dedup();
        let turn = random.below(faults.len());
        for (round, at) in places.iter().enumerate() {
            for at_fault in 0..faults.len() {
                let point = Point {
                    class: class.clone(),
                    at: *at,
                    of,
                    fault: faults[(turn + round + at_fault) % faults.len()],
                };
                let round = round * faults.len() + at_fault;
                rounds.entry(round).or_default().push(point);
            }
        }
    }
    let mut chosen = Vec::new();
    for mut round in rounds.into_values() {
        while chosen.len() < most && !round.is_empty() {
            chosen.push(round.swap_remove(random.below(round.len())));
        }
    }
    chosen
}

/// Whether the call was broken at all, and what is wrong afterwards.
fn breaks(scenario: &Scenario<'_>, point: &Point) -> Found<bool> {
    scenario.begin();
    let mut breaker = Breaker {
        classes: Classes::of(scenario),
        class: point.class.clone(),
        before: point.at,
        fault: point.fault,
        hit: false,
    };
    let called = trace(&scenario.command(), &watched(), &mut breaker);
    scenario.stage.wait_for_sessions();
    let (code, text) = (called.code, &called.stderr);
    if !breaker.hit {
        return match code {
            0 => Ok(false),
            _ => Err(format!("ends with {code} without a fault:\n{text}")),
        };
    }
    let told = || format!("it ended with {code}:\n{}\n{text}", called.stdout);
    // pg_dump does not live with each of them; then its failure has to be told as any other.
    let passing = point.class.program == "fo_backup"
        && matches!(point.fault, Fault::Short | Fault::Error(EINTR));
    if text.contains("panicked") || !(0..100).contains(&code) && code != 127 {
        return Err(told());
    }
    if passing && code != 0 {
        return Err(format!("this could be lived with; {}", told()));
    }
    let said = !text.trim().is_empty() || !called.stdout.trim().is_empty();
    if code != 0 && !said && point.class.about != "output" {
        return Err(format!("nothing was said; {}", told()));
    }
    scenario
        .nothing_is_lost()
        .map_err(|why| format!("{why}; {}", told()))?;
    let is_hard = matches!(point.fault, Fault::Error(EIO)) && point.class.kind.contains("read");
    let ours = ["vault/", "instance/"]
        .iter()
        .any(|folder| point.class.about.starts_with(folder));
    if code == 0 {
        scenario
            .is_done()
            .map_err(|why| format!("{why}; {}", told()))?;
        let looks = [Operation::Verify, Operation::Check].contains(&scenario.operation);
        if looks && is_hard && ours && point.class.program == "fo_backup" {
            return Err(format!("what could not be read was not told; {}", told()));
        }
    }
    scenario
        .finishes()
        .map_err(|why| format!("{why}; first {}", told()))?;
    Ok(true)
}

#[test]
fn whatever_call_fails_nothing_is_lost_and_the_next_run_finishes() {
    let faults = count("FO_BACKUP_TORTURE_FAULTS", 2);
    on_each(
        "failing calls",
        &Operation::COMMANDS,
        |scenario, random, tally| {
            let operation = scenario.operation;
            let calls = calls(scenario);
            let all: usize = calls.values().map(|(count, _)| count).sum();
            println!("{operation:?}: {all} calls of {} classes", calls.len());
            for point in points(calls, faults, random) {
                match breaks(scenario, &point) {
                    Ok(true) => tally.add(operation, Ok(()), String::new),
                    Ok(false) => {} // it did not come to that call
                    Err(why) => tally.add(operation, Err(why), || point.to_string()),
                }
            }
        },
    );
}
