// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The far side, looked at by itself: a listing of its own tells what is there, each of its
//! snapshots is compared with that, and some of the data is read. Nothing is changed.

use super::Options;
use super::report::{Complete, Hurt, Report};
use crate::operations::verify::{pack_is_whole, sample};
use crate::operations::{Context, Result};
use crate::vault::{ChunkId, IndexFile, Key, PackId, PackRef, Snapshot, Vault};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What was read at the far side.
#[derive(Debug, Default, Serialize)]
pub struct Proven {
    /// How many packs.
    pub packs: u64,
    /// How many chunks.
    pub chunks: u64,
    /// Bytes.
    pub bytes: u64,
    /// What is not what its name says, or could not be read.
    pub damaged: Vec<Hurt>,
}

pub(super) fn prove(
    vault: &Vault,
    far: &Vault,
    here: &[Snapshot],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let there = There::list(far)?;
    let known: HashMap<&str, &Snapshot> = here
        .iter()
        .map(|snapshot| (snapshot.id.as_str(), snapshot))
        .collect();
    let sizes: HashMap<Key, u64> = vault
        .snapshot_keys()?
        .into_iter()
        .map(|file| (file.key, file.size))
        .collect();
    let (mut packs, mut chunks) = (BTreeMap::new(), BTreeSet::new());
    let files = far.snapshot_keys()?;
    context
        .progress
        .begin("looking at the far side", files.len() as u64, 0);
    for file in files {
        context.stop.check()?;
        // A snapshot that is here too need not be fetched: its file's size tells whether it is all there.
        let name = file.key.file_name().trim_end_matches(".json");
        let is_same = sizes.get(&file.key) == Some(&file.size);
        let same = known.get(name).filter(|_| is_same).copied();
        let fetched = match same {
            Some(_) => None,
            None => match far.read_snapshot(&file) {
                Ok(snapshot) => Some(snapshot),
                Err(error) => {
                    report.lacking.push(Hurt {
                        object: file.key.to_string(),
                        why: error.to_string(),
                    });
                    continue;
                }
            },
        };
        let Some(snapshot) = same.or(fetched.as_ref()) else {
            continue;
        };
        match there.lacks(snapshot) {
            None => report.complete.push(Complete {
                snapshot: snapshot.id.clone(),
                mode: snapshot.mode,
                time: snapshot.time,
            }),
            Some(why) => report.lacking.push(Hurt {
                object: snapshot.id.to_string(),
                why,
            }),
        }
        if here
            .last()
            .is_some_and(|newest| snapshot.id > newest.id && !snapshot.id.same_moment(&newest.id))
        {
            report.newer_there.push(snapshot.id.clone());
        }
        packs.extend(snapshot.packs.iter().map(|pack| (pack.id, pack.size)));
        for (_, stream) in snapshot.streams() {
            chunks.extend(&stream.chunks);
        }
        context.progress.advance(1, 0);
    }
    context.progress.end();
    packs.retain(|id, _| there.packs.contains_key(id));
    // Chunks are compared with their names in clear.
    chunks.retain(|id| there.chunks.contains(id) && far.is_readable());
    read(
        far,
        packs,
        chunks,
        options.read,
        context,
        &mut report.proven,
    )
}

/// What lies at the far side.
struct There {
    packs: HashMap<PackId, u64>,
    indexes: HashMap<PackId, u64>,
    chunks: HashSet<ChunkId>,
    encrypted: bool,
}

impl There {
    fn list(far: &Vault) -> Result<Self> {
        let (packs, indexes) = far.packs_and_indexes()?;
        Ok(Self {
            packs,
            indexes,
            chunks: far.chunks().ids()?.into_iter().collect(),
            encrypted: far.is_encrypted(),
        })
    }

    /// What a snapshot names and is not there, in a line.
    fn lacks(&self, snapshot: &Snapshot) -> Option<String> {
        let pack = |pack: &&PackRef| {
            self.packs.get(&pack.id) != Some(&pack.size)
                || self.indexes.get(&pack.id).is_none_or(|size| {
                    // An encrypted one is longer than its records.
                    let records = IndexFile::size_of(pack.blobs);
                    *size < records || (!self.encrypted && *size > records)
                })
        };
        let packs = snapshot.packs.iter().filter(pack).count();
        let chunks: BTreeSet<&ChunkId> = snapshot
            .streams()
            .flat_map(|(_, stream)| &stream.chunks)
            .filter(|id| !self.chunks.contains(id))
            .collect();
        (packs + chunks.len() > 0).then(|| {
            format!(
                "{packs} packs or their indexes and {} chunks are missing or cut",
                chunks.len()
            )
        })
    }
}

/// Reads some of it, others each time.
fn read(
    far: &Vault,
    packs: BTreeMap<PackId, u64>,
    chunks: BTreeSet<ChunkId>,
    percent: f64,
    context: Context<'_>,
    proven: &mut Proven,
) -> Result<()> {
    let packs = sample(packs.into_iter().collect(), percent, |(id, _)| *id.bytes());
    let chunks = sample(chunks.into_iter().collect(), percent, |id: &ChunkId| {
        *id.bytes()
    });
    let bytes = packs.iter().map(|(_, size)| size).sum();
    let items = packs.len() + chunks.len();
    context
        .progress
        .begin("reading at the far side", items as u64, bytes);
    for (id, size) in packs {
        let why = match pack_is_whole(far, id, size, context)? {
            Ok(true) => None,
            Ok(false) => Some("its content is not that of its name".into()),
            Err(error) if error.is_damage() => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let object = id.key().to_string();
        proven.damaged.extend(why.map(|why| Hurt { object, why }));
        proven.packs += 1;
        proven.bytes += size;
        context.progress.advance(1, 0);
    }
    for id in chunks {
        context.stop.check()?;
        match far.chunks().packed(id) {
            Ok(packed) => proven.bytes += packed.len() as u64,
            Err(error) if error.is_damage() => proven.damaged.push(Hurt {
                object: id.key().to_string(),
                why: error.to_string(),
            }),
            Err(error) => return Err(error.into()),
        }
        proven.chunks += 1;
        context.progress.advance(1, 0);
    }
    context.progress.end();
    Ok(())
}
