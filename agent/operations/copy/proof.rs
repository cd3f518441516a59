// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The far side, looked at by itself: a listing of its own tells what is there, each of its
//! snapshots is compared with that, and some of the data is read. Nothing is changed.

use super::Options;
use super::report::{Complete, Hurt, Report};
use super::there::There;
use crate::operations::verify::{pack_is_whole, sample};
use crate::operations::{Context, Result};
use crate::vault::{ChunkId, Key, PackId, Vault};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// Looks at the far side. `near` are the sizes of the chunks here, as they are stored.
pub(super) fn prove(
    vault: &Vault,
    far: &Vault,
    near: &HashMap<ChunkId, u64>,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let there = There::list(far)?;
    let newest = vault.snapshot_ids()?.pop();
    let here: HashMap<Key, u64> = vault
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
        let same = (here.get(&file.key) == Some(&file.size))
            .then(|| vault.read_snapshot(&file).ok())
            .flatten();
        let snapshot = match same.map_or_else(|| far.read_snapshot(&file), Ok) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                report.lacking.push(Hurt {
                    object: file.key.to_string(),
                    why: error.to_string(),
                });
                continue;
            }
        };
        match there.lacks(&snapshot) {
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
        if newest
            .as_ref()
            .is_some_and(|newest| snapshot.id > *newest && !snapshot.id.same_moment(newest))
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
    packs.retain(|id, _| there.has_something_of(*id));
    // Chunks are compared with their names in clear.
    chunks.retain(|id| there.chunk(id).is_some() && far.is_readable());
    let packs: Vec<_> = packs.into_iter().collect();
    let packs = sample(packs, options.read, |(id, _)| *id.bytes());
    // One of another size than here is read in any case.
    let differs = |id: &ChunkId| {
        near.get(id)
            .is_some_and(|size| there.chunk(id) != Some(*size))
    };
    let (mut differing, alike): (Vec<_>, Vec<_>) = chunks.into_iter().partition(differs);
    differing.extend(sample(alike, options.read, |id| *id.bytes()));
    read(far, packs, differing, context, &mut report.proven)
}

/// Reads these.
fn read(
    far: &Vault,
    packs: Vec<(PackId, u64)>,
    chunks: Vec<ChunkId>,
    context: Context<'_>,
    proven: &mut Proven,
) -> Result<()> {
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
