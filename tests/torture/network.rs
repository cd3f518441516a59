// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A network that fails: calls on the sockets to the server which holds the vault. One that fails has to
//! be lived with; a server that stays away has to be told.

use crate::calls::{Call, Watched};
use crate::operation::Operation;
use crate::scenario::{Found, Scenario};
use crate::support::figures::count;
use crate::tally::on_each;
use crate::tracer::{Verdict, Watcher, trace};
use fossology_backup::demo::sample::Random;
use libc::{ECONNREFUSED, ECONNRESET, ENETUNREACH, EPIPE, ETIMEDOUT, c_int};
use std::collections::{BTreeMap, HashSet};

const WATCHED: [Watched; 8] = [
    Watched::always(libc::SYS_connect),
    Watched::always(libc::SYS_sendto),
    Watched::always(libc::SYS_recvfrom),
    Watched::always(libc::SYS_sendmsg),
    Watched::always(libc::SYS_recvmsg),
    Watched::always(libc::SYS_read),
    Watched::always(libc::SYS_write),
    Watched::always(libc::SYS_writev),
];

/// What is done on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Connect,
    Send,
    Receive,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Error(c_int),
    /// One byte instead of all.
    Short,
    /// The other side has closed the connection.
    Closed,
    /// From now on nobody is there.
    Gone,
}

impl Kind {
    fn faults(self) -> &'static [Fault] {
        use Fault::{Closed, Error, Gone, Short};
        match self {
            Self::Connect => &[
                Error(ECONNREFUSED),
                Error(ETIMEDOUT),
                Error(ENETUNREACH),
                Gone,
            ],
            Self::Send => &[Error(ECONNRESET), Error(EPIPE), Short, Gone],
            Self::Receive => &[Error(ECONNRESET), Error(ETIMEDOUT), Short, Closed, Gone],
        }
    }
}

/// Follows the sockets to a port, and lets something go wrong with one.
struct Network {
    port: u16,
    /// The sockets to it: process and descriptor.
    sockets: HashSet<(u32, i32)>,
    counted: BTreeMap<Kind, usize>,
    /// What is to go wrong, and how.
    point: Option<(Kind, usize, Fault)>,
    hit: bool,
}

impl Network {
    fn of(scenario: &Scenario<'_>, point: Option<(Kind, usize, Fault)>) -> Self {
        Self {
            port: scenario.stage.server.as_ref().unwrap().port,
            sockets: HashSet::new(),
            counted: BTreeMap::new(),
            point,
            hit: false,
        }
    }

    /// What a call does on a socket to the server, if it is on one.
    fn kind(&mut self, call: &Call) -> Option<Kind> {
        let socket = (process(call)?, call.number_at(0));
        if call.number == libc::SYS_connect {
            // Family and port of an address of IPv4.
            let address = call.memory(call.arguments[1], 4)?;
            let is_server = address[..2] == (libc::AF_INET as u16).to_ne_bytes()
                && address[2..] == self.port.to_be_bytes();
            // Whatever the descriptor stood for before, it does not any more.
            match is_server {
                true => self.sockets.insert(socket),
                false => self.sockets.remove(&socket),
            };
            return is_server.then_some(Kind::Connect);
        }
        let is_socket = || Some(call.target(socket.1)?.to_str()?.starts_with("socket:"));
        if !self.sockets.contains(&socket) || is_socket() != Some(true) {
            return None;
        }
        Some(match call.number {
            libc::SYS_recvfrom | libc::SYS_recvmsg | libc::SYS_read => Kind::Receive,
            _ => Kind::Send,
        })
    }
}

/// The process that a thread belongs to.
fn process(call: &Call) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", call.thread)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

impl Watcher for Network {
    fn enter(&mut self, call: &Call) -> Verdict {
        let Some(kind) = self.kind(call) else {
            return Verdict::Go;
        };
        let number = self.counted.entry(kind).or_default();
        let is_it = self
            .point
            .is_some_and(|(of, at, _)| (of, at) == (kind, *number));
        *number += 1;
        let Some((_, _, fault)) = self.point else {
            return Verdict::Go;
        };
        let is_gone = self.hit && fault == Fault::Gone;
        if !is_it && !is_gone {
            return Verdict::Go;
        }
        self.hit = true;
        match fault {
            Fault::Error(error) => Verdict::Fail(error),
            Fault::Short => Verdict::Shorten(1),
            Fault::Closed => Verdict::Shorten(0),
            Fault::Gone if kind == Kind::Connect => Verdict::Fail(ECONNREFUSED),
            Fault::Gone => Verdict::Fail(ECONNRESET),
        }
    }
}

/// So many points: of each kind the first call, the last, and others by chance, each fault in its turn.
fn points(
    counted: &BTreeMap<Kind, usize>,
    most: usize,
    random: &mut Random,
) -> Vec<(Kind, usize, Fault)> {
    let mut all = Vec::new();
    for round in 0..most {
        for (&kind, &of) in counted {
            let at = match round {
                0 => 0,
                1 => of - 1,
                _ => random.below(of),
            };
            let faults = kind.faults();
            all.push((kind, at, faults[(round + kind as usize) % faults.len()]));
        }
    }
    all.truncate(most);
    all
}

/// Whether it came to that call, and what is wrong afterwards.
fn breaks(scenario: &Scenario<'_>, point: (Kind, usize, Fault)) -> Found<bool> {
    scenario.begin();
    let mut network = Network::of(scenario, Some(point));
    let called = trace(&scenario.command(), &WATCHED, &mut network);
    scenario.stage.wait_for_sessions();
    let (code, hit) = (called.code, network.hit);
    let told = || {
        format!(
            "it ended with {code}:\n{}\n{}",
            called.stdout, called.stderr
        )
    };
    if called.stderr.contains("panicked") || !(0..100).contains(&code) {
        return Err(told());
    }
    // A server that is gone at the very end leaves nothing to be done but to give back the lease.
    let may_fail = hit && point.2 == Fault::Gone;
    if code != 0 && !may_fail {
        return Err(format!("this could be lived with; {}", told()));
    }
    if code != 0 && called.stderr.trim().is_empty() {
        return Err(format!("nothing was said; {}", told()));
    }
    let after = match code {
        0 => scenario.is_done(),
        _ => scenario.nothing_is_lost(),
    };
    after
        .and_then(|()| scenario.finishes())
        .map_err(|why| format!("{why}; first {}", told()))?;
    Ok(hit)
}

#[test]
fn whatever_fails_on_the_way_to_a_server_nothing_is_lost() {
    let tries = count("FO_BACKUP_TORTURE_NETWORK", 3);
    let operations = [Operation::BucketBackup, Operation::BucketRestore];
    on_each("network faults", &operations, |scenario, random, tally| {
        scenario.begin();
        let mut network = Network::of(scenario, None);
        trace(&scenario.command(), &WATCHED, &mut network).expect(0);
        let operation = scenario.operation;
        println!("{operation:?}: {:?}", network.counted);
        assert_eq!(network.counted.len(), 3);
        for point in points(&network.counted, tries, random) {
            match breaks(scenario, point) {
                Ok(true) => tally.add(operation, Ok(()), String::new),
                Ok(false) => {} // it did not come to that call
                Err(why) => tally.add(operation, Err(why), || format!("{point:?}")),
            }
        }
    });
}
