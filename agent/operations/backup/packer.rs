// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading, checking and packing, by several workers. Each builds batches of frames: it reads blobs
//! straight into their tar, hashes them together, compresses, and appends the frames to a pack
//! that no other worker holds at that moment.
//!
//! What does not match its name is never packed; the run goes on and reports it.

use super::gate::Gate;
use super::select::places;
use crate::blob::{Hasher, PfileName, Tree, TreeSet, digest, digest_batch};
use crate::fossology::repository::{Layout, ReadError, Reader};
use crate::operations::{Context, Error, Result};
use crate::threads;
use crate::vault::{self, Absent, FrameBuilder, Members, PackRef, PackWriter, Storage, Vault};
use crossbeam_channel::Receiver;
use serde_json::Value;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A blob to pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub pfile: u32,
    pub name: PfileName,
    pub trees: TreeSet,
}

/// Work for one worker.
pub(super) enum Job {
    /// A batch of blobs, which become some frames.
    Small(Vec<Item>),
    /// A blob with frames of its own.
    Large(Item),
    /// A row of the database whose hashes or size are none.
    Broken { pfile: u32, why: String },
}

/// What all workers share.
pub(super) struct Packer<'a> {
    storage: Arc<dyn Storage>,
    layout: &'a Layout,
    reader: &'a Reader,
    level: i32,
    gate: &'a Gate,
    context: Context<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// The packs that nobody holds, for each tree.
    open: [Mutex<Vec<PackWriter>>; 2],
    packs: Mutex<Vec<PackRef>>,
    members: Mutex<Members>,
    absent: Mutex<Vec<Absent>>,
    blobs: AtomicU64,
    bytes: AtomicU64,
}

/// What was packed.
pub(super) struct Done {
    pub packs: Vec<PackRef>,
    pub members: Members,
    pub absent: Vec<Absent>,
    pub blobs: u64,
    pub bytes: u64,
}

impl<'a> Packer<'a> {
    pub fn new(
        vault: &Vault,
        layout: &'a Layout,
        reader: &'a Reader,
        level: i32,
        gate: &'a Gate,
        context: Context<'a>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Self {
        Self {
            storage: vault.storage().clone(),
            layout,
            reader,
            level,
            gate,
            context,
            stop,
            open: [Mutex::default(), Mutex::default()],
            packs: Mutex::default(),
            members: Mutex::default(),
            absent: Mutex::default(),
            blobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Works until there are no more jobs.
    pub fn work(&self, jobs: Receiver<Job>) -> Result<()> {
        let mut builder = FrameBuilder::new(self.level)?;
        let mut content = Vec::new();
        loop {
            let _place = self.gate.enter();
            let Ok(job) = jobs.recv() else {
                return Ok(());
            };
            if (self.stop)() {
                return Err(Error::Interrupted);
            }
            if self.context.stop.gives_way() {
                return Err(Error::GaveWay {
                    carried: Value::Null,
                });
            }
            match job {
                Job::Small(items) => self.batch(&mut builder, &mut content, &items)?,
                Job::Large(item) => self.large(&item)?,
                Job::Broken { pfile, why } => {
                    let name = PfileName::new([0; 20], [0; 16], 0);
                    let item = Item {
                        pfile,
                        name,
                        trees: TreeSet::of(Tree::Files),
                    };
                    self.give_up(
                        &item,
                        "corrupt",
                        format!("its row in table pfile is broken: {why}"),
                    );
                }
            }
        }
    }

    /// Finishes the packs that are not full.
    pub fn finish(self) -> Result<Done> {
        let mut packs = into_inner(self.packs);
        let open: Vec<_> = self.open.into_iter().flat_map(into_inner).collect();
        // Side by side, because each waits for the disk.
        let (count, open) = (open.len(), Mutex::new(open));
        let next = || {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            open.pop()
        };
        let finished = threads::together("finishing packs", count, || {
            std::iter::from_fn(next)
                .map(PackWriter::finish)
                .collect::<Vec<_>>()
        });
        for pack in finished.into_iter().flatten() {
            packs.extend(pack?);
        }
        Ok(Done {
            packs,
            members: into_inner(self.members),
            absent: into_inner(self.absent),
            blobs: self.blobs.into_inner(),
            bytes: self.bytes.into_inner(),
        })
    }

    /// Packs a batch of blobs.
    fn batch(
        &self,
        builder: &mut FrameBuilder,
        content: &mut Vec<u8>,
        items: &[Item],
    ) -> Result<()> {
        let began = Instant::now();
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            if self.add(builder, content, item)? {
                kept.push(*item);
            }
        }
        let reading = began.elapsed();
        let contents: Vec<&[u8]> = builder.blobs().map(|(_, content)| content).collect();
        let names = digest_batch(&contents);
        if names
            .iter()
            .zip(&kept)
            .any(|(found, item)| *found != item.name)
        {
            // Rare: build the batch again, one blob at a time, each wherever it is good.
            builder.clear();
            let mut good = Vec::new();
            for item in kept {
                if self.add_checked(builder, content, &item)? {
                    good.push(item);
                }
            }
            kept = good;
        }
        let frames = builder.finish()?;
        if frames.is_empty() {
            return Ok(());
        }
        let class = items.first().map_or(Tree::Files, Item::class);
        let mut pack = self.take(class)?;
        for frame in frames {
            pack.add(frame)?;
        }
        self.give_back(class, pack)?;
        self.gate.learn(began.elapsed(), reading);
        self.count(&kept);
        Ok(())
    }

    /// Reads a blob into the batch without looking at its content yet. `false` when it is nowhere.
    fn add(&self, builder: &mut FrameBuilder, content: &mut Vec<u8>, item: &Item) -> Result<bool> {
        let places = places(self.layout, &item.name, item.trees);
        let buffer = builder.begin(item.name, item.pfile, &places)?;
        let first = places.first();
        let read = first.map(|(tree, _)| self.reader.read(*tree, &item.name, buffer).is_ok());
        if read == Some(true) {
            builder.keep()?;
            return Ok(true);
        }
        builder.drop_member();
        self.add_checked(builder, content, item)
    }

    /// Tries every tree where a blob may be until one has the right content.
    fn add_checked(
        &self,
        builder: &mut FrameBuilder,
        content: &mut Vec<u8>,
        item: &Item,
    ) -> Result<bool> {
        let places = places(self.layout, &item.name, item.trees);
        let mut reasons = Reasons::default();
        for (tree, path) in &places {
            content.clear();
            match self.reader.read(*tree, &item.name, content) {
                Ok(_) => {
                    let found = digest(content);
                    if found == item.name {
                        builder
                            .begin(item.name, item.pfile, &places)?
                            .extend_from_slice(content);
                        builder.keep()?;
                        return Ok(true);
                    }
                    reasons.wrong(path, &found);
                }
                Err(error) => reasons.unreadable(&error),
            }
        }
        let (kind, why) = reasons.say();
        self.give_up(item, kind, why);
        Ok(false)
    }

    /// Packs a blob that is too large for a frame.
    fn large(&self, item: &Item) -> Result<()> {
        let places = places(self.layout, &item.name, item.trees);
        let mut reasons = Reasons::default();
        let class = item.class();
        for (tree, path) in &places {
            let mut file = match self.reader.open(*tree, &item.name) {
                Ok((file, _)) => file,
                Err(error) => {
                    reasons.unreadable(&error);
                    continue;
                }
            };
            let mut pack = self.take(class)?;
            let mut blob = pack.large(item.name, item.pfile, &places, self.level)?;
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 1 << 20];
            let mut left = item.name.size();
            let read = loop {
                if (self.stop)() {
                    // What else is in the pack is worth keeping.
                    blob.cancel()?;
                    self.give_back(class, pack)?;
                    return Err(Error::Interrupted);
                }
                // One byte more than expected shows that the file is longer.
                let most = buffer
                    .len()
                    .min(usize::try_from(left + 1).unwrap_or(usize::MAX));
                match file.read(&mut buffer[..most]) {
                    Ok(0) => break Ok(()),
                    Ok(len) if len as u64 > left => {
                        hasher.update(&buffer[..len]);
                        break Ok(());
                    }
                    Ok(len) => {
                        hasher.update(&buffer[..len]);
                        blob.write(&buffer[..len])?;
                        left -= len as u64;
                        self.context.progress.advance(0, len as u64);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(error),
                }
            };
            let found = hasher.finish();
            if read.is_ok() && found == item.name {
                blob.commit()?;
                self.give_back(class, pack)?;
                self.members().insert(item.pfile, item.trees);
                self.blobs.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(item.name.size(), Ordering::Relaxed);
                self.context.progress.advance(1, 0);
                return Ok(());
            }
            blob.cancel()?;
            self.give_back(class, pack)?;
            match read {
                Ok(()) => reasons.wrong(path, &found),
                Err(source) => reasons.unreadable(&ReadError::Io {
                    path: path.into(),
                    source,
                }),
            }
        }
        let (kind, why) = reasons.say();
        self.give_up(item, kind, why);
        Ok(())
    }

    /// A pack that nobody holds: the fullest, so that few stay small at the end.
    fn take(&self, class: Tree) -> Result<PackWriter, vault::Error> {
        let mut open = lock(&self.open[class as usize]);
        let fullest = (0..open.len()).max_by_key(|at| open[*at].len());
        match fullest {
            Some(at) => Ok(open.swap_remove(at)),
            None => {
                drop(open);
                PackWriter::new(self.storage.clone(), class)
            }
        }
    }

    /// Gives a pack back, or finishes it when it is full.
    fn give_back(&self, class: Tree, pack: PackWriter) -> Result<()> {
        if pack.is_full() {
            // Its sync takes as long as the disk wants.
            if let Some(done) = self.gate.outside(|| pack.finish())? {
                lock(&self.packs).push(done);
            }
        } else {
            lock(&self.open[class as usize]).push(pack);
        }
        Ok(())
    }

    fn count(&self, kept: &[Item]) {
        let bytes = kept.iter().map(|item| item.name.size()).sum();
        let mut members = self.members();
        for item in kept {
            members.insert(item.pfile, item.trees);
        }
        drop(members);
        self.blobs.fetch_add(kept.len() as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.context.progress.advance(kept.len() as u64, bytes);
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }

    fn give_up(&self, item: &Item, kind: &str, why: String) {
        log::debug!("{}: {kind}: {why}", item.name);
        lock(&self.absent).push(Absent {
            pfile: item.pfile,
            name: item.name,
            tree: item.class(),
            kind: kind.to_owned(),
            why,
        });
        self.context.progress.advance(1, 0);
    }
}

/// Why a blob could not be taken from any of its places.
#[derive(Default)]
struct Reasons {
    kind: Option<&'static str>,
    texts: Vec<String>,
}

impl Reasons {
    fn wrong(&mut self, path: &str, found: &PfileName) {
        self.kind = Some("corrupt");
        self.texts
            .push(format!("{path}: its content is that of {found}"));
    }

    fn unreadable(&mut self, error: &ReadError) {
        let kind = match error {
            ReadError::Missing { .. } => "missing",
            ReadError::SizeDiffers { .. } | ReadError::NotAFile { .. } => "corrupt",
            ReadError::Io { .. } => "unreadable",
        };
        // What was seen in one place says more than that it lacks in another.
        if self.kind.is_none_or(|kind| kind == "missing") {
            self.kind = Some(kind);
        }
        self.texts.push(error.to_string());
    }

    fn say(self) -> (&'static str, String) {
        (self.kind.unwrap_or("missing"), self.texts.join("; "))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A worker that panics ends the run; what it held is not used then.
    mutex.lock().unwrap_or_else(|error| error.into_inner())
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex
        .into_inner()
        .unwrap_or_else(|error| error.into_inner())
}
