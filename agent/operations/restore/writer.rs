// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writing blobs into the repository: packs are read from front to back, over a network in several
//! places at once; several threads decode, compare each blob with its name, and write. Blobs get
//! their names in batches, each after a sync.

use super::blobs::{Damage, Selection, WantedPack};
use crate::blob::{Hasher, PfileName, TreeSet, digest_batch};
use crate::fossology::repository::{Begun, Imported, Importer, Layout};
use crate::operations::{Context, Error, Instance, Result, workers};
use crate::threads;
use crate::vault::{PackId, PackReader, Record, Vault};
use crossbeam_channel::{Receiver, Sender};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many compressed bytes are read at once.
const READ: u64 = 2 << 20;

/// How many decoded bytes are hashed at once, so that hashing side by side pays.
const BATCH: usize = 4 << 20;

/// What became of the blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Written {
    /// Blobs that were missing.
    pub written: u64,
    /// Blobs that were there and good.
    pub kept: u64,
    /// Blobs that were there with something else under their name.
    pub replaced: u64,
    /// The bytes of what was written or replaced.
    pub bytes: u64,
}

/// A part of a pack that is wanted.
enum Part {
    /// Frames that lie near to each other, and are read in one go.
    Frames {
        reader: PackReader,
        wanted: Vec<(Record, TreeSet)>,
    },
    /// A blob with frames of its own.
    Large(Large),
}

struct Large {
    reader: PackReader,
    record: Record,
    trees: TreeSet,
}

/// Work for one writer.
enum Job {
    /// Some frames, one after the other as they lie in the pack, and what is wanted of each.
    Frames {
        reader: PackReader,
        bytes: Vec<u8>,
        start: u64,
        wanted: Vec<(Record, TreeSet)>,
    },
    /// A blob with frames of its own, which is read while it is written.
    Large(Large),
}

struct Shared<'a> {
    importer: Importer,
    arrived: &'a (dyn Fn(&PfileName) + Sync),
    context: Context<'a>,
    written: AtomicU64,
    kept: AtomicU64,
    replaced: AtomicU64,
    bytes: AtomicU64,
    damaged: Mutex<Vec<Damage>>,
}

/// Brings the selected blobs into the repository; `arrived` is told of each that is there.
pub(in crate::operations) fn write(
    vault: &Vault,
    selection: Selection,
    layout: &Layout,
    instance: &Instance,
    threads: usize,
    context: Context<'_>,
    arrived: &(dyn Fn(&PfileName) + Sync),
) -> Result<(Written, Vec<Damage>)> {
    context
        .progress
        .begin("blobs", selection.blobs, selection.bytes);
    let shared = Shared {
        importer: Importer::new(layout.clone(), instance.owner()?)?,
        arrived,
        context,
        written: AtomicU64::new(0),
        kept: AtomicU64::new(0),
        replaced: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        damaged: Mutex::new(selection.damaged),
    };
    let side_by_side = vault.storage().side_by_side();
    std::thread::scope(|scope| {
        let (send, receive) = crossbeam_channel::bounded(threads);
        // One more, since one may be waiting for the disk; and large blobs may wait for a network.
        let writers = side_by_side.max(threads.max(1) + 1);
        let mut workers = threads::several(scope, "blob writer", writers, || {
            let (shared, jobs) = (&shared, receive.clone());
            move || shared.work(jobs)
        })?;
        drop(receive);
        let (plan, parts) = crossbeam_channel::bounded(1);
        let readers = threads::several(scope, "pack reader", side_by_side, || {
            let (shared, parts, send) = (&shared, parts.clone(), send.clone());
            move || shared.read(parts, send)
        });
        drop((parts, send));
        workers.extend(readers?);
        let planned = shared.plan(vault, &selection.packs, plan);
        workers::join(workers, planned)
    })?;
    context.progress.end();
    context.progress.begin("syncing to disk", 0, 0);
    shared.importer.sync()?;
    context.progress.end();
    let written = Written {
        written: shared.written.into_inner(),
        kept: shared.kept.into_inner(),
        replaced: shared.replaced.into_inner(),
        bytes: shared.bytes.into_inner(),
    };
    let mut damaged = shared
        .damaged
        .into_inner()
        .unwrap_or_else(|error| error.into_inner());
    damaged.sort_by_key(|a| (a.pack, a.name));
    Ok((written, damaged))
}

impl Shared<'_> {
    /// Hands out what is wanted of the packs, in their order.
    fn plan(&self, vault: &Vault, packs: &[WantedPack], parts: Sender<Part>) -> Result<()> {
        let frames = |reader: &PackReader, wanted: Vec<(Record, TreeSet)>| match wanted.is_empty() {
            true => Ok(()),
            false => self.give(
                &parts,
                Part::Frames {
                    reader: reader.clone(),
                    wanted,
                },
            ),
        };
        for pack in packs {
            let id = pack.index.pack();
            let reader = PackReader::new(vault.storage().clone(), id);
            let mut records = match pack.records() {
                Ok(records) => records,
                Err(error) if error.is_damage() => {
                    self.damage(id, None, error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            records.sort_unstable_by_key(|(record, _)| (record.frame_offset, record.at));
            let mut wanted: Vec<(Record, TreeSet)> = Vec::new();
            for (record, trees) in records {
                let started = wanted.first().map(|(first, _)| first.frame_offset);
                let new_frame = wanted
                    .last()
                    .is_some_and(|(last, _)| last.frame_offset != record.frame_offset);
                if new_frame && started.is_some_and(|started| record.frame_offset - started >= READ)
                {
                    frames(&reader, std::mem::take(&mut wanted))?;
                }
                if PackReader::is_large(&record) {
                    frames(&reader, std::mem::take(&mut wanted))?;
                    let large = Large {
                        reader: reader.clone(),
                        record,
                        trees,
                    };
                    self.give(&parts, Part::Large(large))?;
                } else {
                    wanted.push((record, trees));
                }
            }
            frames(&reader, wanted)?;
        }
        Ok(())
    }

    /// Reads frames and hands them to the writers.
    fn read(&self, parts: Receiver<Part>, jobs: Sender<Job>) -> Result<()> {
        for part in parts {
            let (reader, wanted) = match part {
                Part::Frames { reader, wanted } => (reader, wanted),
                Part::Large(large) => {
                    self.give(&jobs, Job::Large(large))?;
                    continue;
                }
            };
            let (Some((first, _)), Some((last, _))) = (wanted.first(), wanted.last()) else {
                continue;
            };
            let start = first.frame_offset;
            let len = last.frame_offset.saturating_add(last.frame_len) - start;
            match reader.bytes(start, len) {
                Ok(bytes) => self.give(
                    &jobs,
                    Job::Frames {
                        reader,
                        bytes,
                        start,
                        wanted,
                    },
                )?,
                Err(error) => {
                    for (record, _) in wanted {
                        self.damage(reader.id(), Some(record.name), error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    fn give<T>(&self, to: &Sender<T>, job: T) -> Result<()> {
        self.context.stop.check()?;
        // Fails when all at the other end have ended, each with an error of its own.
        to.send(job).map_err(|_| Error::Interrupted)
    }

    fn work(&self, jobs: Receiver<Job>) -> Result<()> {
        for job in jobs {
            self.context.stop.check()?;
            match job {
                Job::Frames {
                    reader,
                    bytes,
                    start,
                    wanted,
                } => self.frames(&reader, &bytes, start, &wanted)?,
                Job::Large(large) => self.large(&large)?,
            }
        }
        Ok(())
    }

    fn frames(
        &self,
        reader: &PackReader,
        bytes: &[u8],
        start: u64,
        wanted: &[(Record, TreeSet)],
    ) -> Result<()> {
        let mut frames: Vec<Vec<u8>> = Vec::new();
        let mut batch: Vec<(&Record, TreeSet, usize)> = Vec::new();
        let mut size = 0;
        for frame in wanted.chunk_by(|(a, _), (b, _)| a.frame_offset == b.frame_offset) {
            let (first, _) = &frame[0];
            let from = (first.frame_offset - start) as usize;
            let decoded = usize::try_from(first.frame_len)
                .ok()
                .and_then(|len| bytes.get(from..from.checked_add(len)?))
                .ok_or_else(|| "its index points past its end".to_owned())
                .and_then(|packed| reader.decode(packed).map_err(|error| error.to_string()));
            match decoded {
                Ok(decoded) => {
                    size += decoded.len();
                    frames.push(decoded);
                    batch.extend(
                        frame
                            .iter()
                            .map(|(record, trees)| (record, *trees, frames.len() - 1)),
                    );
                }
                Err(why) => {
                    for (record, _) in frame {
                        self.damage(reader.id(), Some(record.name), why.clone());
                    }
                }
            }
            if size >= BATCH {
                self.import(reader, &frames, &batch)?;
                batch.clear();
                frames.clear();
                size = 0;
            }
        }
        self.import(reader, &frames, &batch)
    }

    /// Compares blobs with their names and writes the good ones.
    fn import(
        &self,
        reader: &PackReader,
        frames: &[Vec<u8>],
        batch: &[(&Record, TreeSet, usize)],
    ) -> Result<()> {
        let mut contents = Vec::with_capacity(batch.len());
        let mut wanted = Vec::with_capacity(batch.len());
        for (record, trees, frame) in batch {
            match reader.content(record, &frames[*frame]) {
                Ok(content) => {
                    contents.push(content);
                    wanted.push((record.name, *trees));
                }
                Err(error) => self.damage(reader.id(), Some(record.name), error.to_string()),
            }
        }
        let found = digest_batch(&contents);
        for (((name, trees), found), content) in wanted.iter().zip(found).zip(contents) {
            self.context.stop.check()?;
            if found == *name {
                self.count(name, self.importer.import(*trees, name, content)?);
            } else {
                self.damage(
                    reader.id(),
                    Some(*name),
                    format!("its content is that of {found}"),
                );
            }
        }
        Ok(())
    }

    fn large(&self, large: &Large) -> Result<()> {
        let (reader, record) = (&large.reader, &large.record);
        let name = record.name;
        let mut blob = match self.importer.begin(large.trees, &name)? {
            Begun::Done(imported) => {
                self.count(&name, imported);
                return Ok(());
            }
            Begun::Write(blob) => blob,
        };
        let mut hasher = Hasher::new();
        let streamed = reader.stream::<Error>(record, |piece| {
            self.context.stop.check()?;
            hasher.update(piece);
            blob.write_all(piece).map_err(|error| blob.error(error))?;
            Ok(())
        });
        match streamed {
            Ok(()) => {}
            Err(Error::Vault(error)) if error.is_damage() => {
                self.damage(reader.id(), Some(name), error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let found = hasher.finish();
        if found == name {
            self.count(&name, blob.commit()?);
        } else {
            self.damage(
                reader.id(),
                Some(name),
                format!("its content is that of {found}"),
            );
        }
        Ok(())
    }

    fn count(&self, name: &PfileName, imported: Imported) {
        let counter = match imported {
            Imported::Kept => &self.kept,
            Imported::Written => &self.written,
            Imported::Replaced => &self.replaced,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if imported != Imported::Kept {
            self.bytes.fetch_add(name.size(), Ordering::Relaxed);
        }
        (self.arrived)(name);
        self.context.progress.advance(1, name.size());
    }

    fn damage(&self, pack: PackId, name: Option<PfileName>, why: String) {
        let mut damaged = self
            .damaged
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        damaged.push(Damage { pack, name, why });
    }
}
