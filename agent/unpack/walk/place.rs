// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a walk is: in which source, how deep, on which way; and how much of the source's limits
//! is left.

use crate::blob::PfileName;
use crate::unpack::{Limits, Problem, ProblemKind, Walked};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many problems of a source are told.
const TOLD: usize = 100;
/// With room for fewer containers in each other, one may not have been gone through to its end.
const NARROW: u32 = 8;
/// How much of a member's name is kept, in bytes.
const NAME: usize = 200;

/// What is shared by all who unpack a source.
pub struct State {
    name: PfileName,
    limits: Limits,
    members: AtomicU64,
    bytes: AtomicU64,
    problems: Mutex<Problems>,
}

#[derive(Default)]
struct Problems {
    told: Vec<Problem>,
    count: u64,
    limits: Vec<&'static str>,
}

impl State {
    /// Nothing was seen yet.
    pub fn new(name: PfileName, limits: Limits) -> Self {
        Self {
            name,
            limits,
            members: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            problems: Mutex::default(),
        }
    }

    /// What was seen.
    pub fn walked(&self) -> Walked {
        let problems = lock(&self.problems);
        Walked {
            name: self.name,
            members: self.members.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            problems: problems.told.clone(),
            problem_count: problems.count,
        }
    }
}

/// The containers that were gone through to their ends, by whichever source.
pub type Unpacked = Mutex<HashSet<PfileName>>;

/// A source that is being unpacked; it ends with the last of its places.
struct Ongoing {
    state: Arc<State>,
    /// The containers that were opened, and how many more could lie in each other there.
    opened: Mutex<HashMap<PfileName, u32>>,
    unpacked: Arc<Unpacked>,
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        // A source that went over its limits must not keep a container from others.
        let problems = lock(&self.state.problems);
        if problems.limits.is_empty() {
            lock(&self.unpacked).extend(lock(&self.opened).keys());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A container on the way to another one.
struct Step {
    parent: Option<Arc<Step>>,
    name: String,
}

/// Where a walk is.
#[derive(Clone)]
pub struct Place {
    source: Arc<Ongoing>,
    step: Option<Arc<Step>>,
    depth: u32,
}

impl Place {
    /// The source itself. What `unpacked` has is not opened, and gets more when the source has
    /// ended within its limits.
    pub fn source(state: Arc<State>, unpacked: Arc<Unpacked>) -> Self {
        let source = Ongoing {
            state,
            opened: Mutex::default(),
            unpacked,
        };
        Self {
            source: Arc::new(source),
            step: None,
            depth: 0,
        }
    }

    /// In a member of this container.
    pub fn member(&self, name: &[u8]) -> Self {
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
        Self {
            step: Some(Arc::new(Step {
                parent: self.step.clone(),
                name: name.escape_debug().to_string(),
            })),
            ..self.clone()
        }
    }

    /// One container deeper; `None` when that is too deep.
    pub fn deeper(&self) -> Option<Self> {
        if self.depth >= self.state().limits.depth {
            let depth = self.state().limits.depth;
            self.limit(
                "depth",
                format!("more than {depth} containers lie in each other"),
            );
            return None;
        }
        Some(Self {
            depth: self.depth + 1,
            ..self.clone()
        })
    }

    /// Counts a member and what came out of it; `false` when that is too much.
    pub fn spend(&self, members: u64, bytes: u64) -> bool {
        let limits = &self.state().limits;
        let all = self.state().members.fetch_add(members, Ordering::Relaxed);
        if all.saturating_add(members) > limits.members {
            let detail = format!("it has more than {} members", limits.members);
            self.limit("members", detail);
            return false;
        }
        let all = self.state().bytes.fetch_add(bytes, Ordering::Relaxed);
        if all.saturating_add(bytes) > limits.bytes {
            let detail = format!("more than {} bytes come out of it", limits.bytes);
            self.limit("bytes", detail);
            return false;
        }
        true
    }

    fn state(&self) -> &State {
        &self.source.state
    }

    /// Whether a container found here is to be opened: not when that was done before, unless it
    /// was so deep there that something in it may have been too deep.
    pub fn opens(&self, name: &PfileName) -> bool {
        if lock(&self.source.unpacked).contains(name) {
            return false;
        }
        let room = self.state().limits.depth.saturating_sub(self.depth);
        let mut opened = lock(&self.source.opened);
        let before = opened.entry(*name).or_insert(0);
        let opens = *before == 0 || *before < NARROW && *before < room;
        *before = room.max(*before);
        opens
    }

    /// Whether the source's limits on members or bytes are used up.
    pub fn is_spent(&self) -> bool {
        let limits = &self.state().limits;
        self.state().members.load(Ordering::Relaxed) > limits.members
            || self.state().bytes.load(Ordering::Relaxed) > limits.bytes
    }

    /// Notes something that could not be unpacked here.
    pub fn problem(&self, kind: ProblemKind, detail: String) {
        let mut problems = lock(&self.state().problems);
        self.note(&mut problems, kind, detail);
    }

    /// Each limit is told once: whoever works on the source runs into it.
    fn limit(&self, which: &'static str, detail: String) {
        let mut problems = lock(&self.state().problems);
        if !problems.limits.contains(&which) {
            problems.limits.push(which);
            self.note(&mut problems, ProblemKind::Limit, detail);
        }
    }

    fn note(&self, problems: &mut Problems, kind: ProblemKind, detail: String) {
        let problem = Problem {
            path: self.path(),
            kind,
            detail,
        };
        // A damaged member may be met again on the way to the next one.
        if problems.told.last() == Some(&problem) {
            return;
        }
        problems.count += 1;
        if problems.told.len() < TOLD {
            problems.told.push(problem);
        }
    }

    fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut next = self.step.as_ref();
        while let Some(step) = next {
            steps.push(step.name.as_str());
            next = step.parent.as_ref();
        }
        steps.reverse();
        steps.join("!")
    }
}
