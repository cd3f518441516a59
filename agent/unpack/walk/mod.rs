// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The walk: threads that take sources, unpack them, and hash and hand over what comes out.
//!
//! A container is streamed where its format allows it, the layers of compression around it too,
//! so that neither an archive nor what it is packed in has to fit into memory or onto the disk. A
//! large layer of compression is undone by a thread of its own.

mod batch;
mod container;
mod place;
mod pump;
mod queue;
mod spool;
mod tee;

use super::libarchive::use_utf8;
use super::{Content, Options, Seeker, Source, Walked};
use crate::blob::{PfileName, digest_batch};
use batch::Batch;
use container::Container;
use place::{Place, State, Unpacked};
use queue::{Nested, Queue, Task};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Members up to this size, in bytes, are hashed in batches and kept in memory.
const SMALL: usize = 4 << 20;
/// The stack of a thread: containers in each other are unpacked by calls in each other.
const STACK: usize = 16 << 20;

/// Unpacks sources, archives inside archives, and hands over what is sought. What could not be
/// unpacked is told for each source; everything else is gone through all the same. It ends early
/// when the seeker has enough.
pub fn walk(
    sources: &mut (dyn Iterator<Item = Source> + Send),
    seeker: &dyn Seeker,
    options: Options<'_>,
) -> Vec<Walked> {
    let walk = Walk {
        seeker,
        options,
        queue: Queue::new(options.threads),
        unpacked: Arc::default(),
        ended: AtomicBool::new(false),
        pumps: AtomicUsize::new(0),
    };
    let sources = Mutex::new(sources);
    let states = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // One more, since one may be waiting for the disk.
        for _ in 1..options.threads.max(1) + 1 {
            let work = || walk.work(&sources, &states);
            let spawned = thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work);
            // Without more threads the ones that are there do it all.
            if spawned.is_err() {
                break;
            }
        }
        // In a thread too: this one's stack may be small.
        let work = || walk.work(&sources, &states);
        if thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .is_err()
        {
            walk.work(&sources, &states);
        }
    });
    let states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
    states.iter().map(|state| state.walked()).collect()
}

type Sources<'s> = Mutex<&'s mut (dyn Iterator<Item = Source> + Send)>;

/// A walk that goes on.
struct Walk<'a> {
    seeker: &'a dyn Seeker,
    options: Options<'a>,
    queue: Queue,
    /// The containers that were gone through: the same content gives the same again.
    unpacked: Arc<Unpacked>,
    ended: AtomicBool,
    /// How many threads decompress beside the others.
    pumps: AtomicUsize,
}

impl<'a> Walk<'a> {
    fn work(&self, sources: &Sources<'_>, states: &Mutex<Vec<Arc<State>>>) {
        use_utf8();
        while let Some(task) = self.queue.next() {
            // Who panics must not leave the others waiting.
            let _done = Done(self);
            match task {
                Task::Batch(batch) => self.hash(&batch),
                Task::Nested(nested) => self.nested(&nested),
                Task::Source => {
                    let next = sources
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .next();
                    match next {
                        None => self.queue.no_more_sources(),
                        Some(source) => {
                            let state = Arc::new(State::new(source.name, source.limits));
                            let mut all = states.lock().unwrap_or_else(PoisonError::into_inner);
                            all.push(state.clone());
                            drop(all);
                            let content = Content::File(&source.file);
                            let place = Place::source(state, self.unpacked.clone());
                            self.container(&place).unpack(content);
                        }
                    }
                }
            }
            self.has_ended();
        }
    }

    fn container(&self, place: &Place) -> Container<'_, 'a> {
        Container::new(self, place.clone())
    }

    /// Whether the walk is over; asks for the stop, too.
    fn has_ended(&self) -> bool {
        if !self.ended.load(Ordering::Relaxed) && (self.options.stop)() {
            self.end();
        }
        self.ended.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.queue.end();
    }

    fn take(&self, name: &PfileName, content: Content<'_>) {
        if !self.has_ended() && self.seeker.take(name, content).is_break() {
            self.end();
        }
    }

    /// Whether a container, known by its name, is to be opened now.
    fn opens(&self, name: &PfileName, place: &Place) -> bool {
        self.seeker.opens(name) && place.opens(name)
    }

    /// Has a batch hashed, by somebody else if there is room for it.
    fn submit(&self, batch: Option<Batch>) {
        if let Some(batch) = batch.and_then(|batch| self.queue.batch(batch)) {
            self.hash(&batch);
        }
    }

    fn hash(&self, batch: &Batch) {
        if self.has_ended() {
            return;
        }
        let data: Vec<&[u8]> = batch.members().map(|member| member.data).collect();
        let names = digest_batch(&data);
        for (member, name) in batch.members().zip(&names) {
            if self.seeker.seeks(name) {
                self.take(name, Content::Memory(member.data));
            }
            if let Some(place) = member.container
                && self.opens(name, &place)
            {
                let data = member.data.to_vec();
                if let Some(nested) = self.queue.nested(Nested { place, data }) {
                    self.nested(&nested);
                }
            }
        }
    }

    fn nested(&self, nested: &Nested) {
        if !self.has_ended() {
            let container = self.container(&nested.place);
            container.unpack(Content::Memory(&nested.data));
        }
    }
}

struct Done<'a, 'b>(&'a Walk<'b>);

impl Drop for Done<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
        self.0.queue.done();
    }
}
