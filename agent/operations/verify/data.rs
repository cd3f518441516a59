// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading the data: packs are compared with their ids, which are their SHA-256, and chunks are
//! decoded and compared with theirs. A pack was decoded and compared with its blobs' names before
//! it got its id, so the same bytes are the same blobs, unless somebody else made it: whoever can write to the
//! storage of an encrypted vault can put a pack there that decrypts, and so these are also compared with what
//! their indexes say. Between two packs it may give way; the packs that
//! were read are not read again by the run that goes on.

use super::inventory::chunk_todo;
use super::packs::{Pack, Packs, damaged_pack, holds_its_blobs, is_about_object, what_is_wrong};
use super::report::{Damage, Kind, Report};
use super::{Options, on_all_cores};
use crate::fossology::own::Asked;
use crate::operations::{Context, Result};
use crate::vault::{ChunkId, Error, IndexFile, PackId, PackReader, Vault};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// How much of a pack is read at once, in bytes.
const READ: u64 = 4 << 20;

/// The lengths of all chunks' contents, in bytes.
pub(super) type Lengths = HashMap<ChunkId, u64>;

/// Reads packs and chunks, or a sample of them. The lengths of chunks come back when all were read.
pub(super) fn read(
    vault: &Vault,
    packs: &mut Packs,
    chunks: &[(ChunkId, u64)],
    options: &Options,
    carried: Option<Carried>,
    context: Context<'_>,
    report: &mut Report,
) -> Result<Option<Lengths>> {
    let percent = percent(options);
    read_packs(vault, packs, options, carried, context, report)?;
    let mut lengths = None;
    if vault.is_readable() {
        let chosen = sample(chunks.to_vec(), percent, |(id, _)| *id.bytes());
        let decoded = decode_chunks(vault, &chosen, options, context)?;
        lengths = note_chunks(decoded, chunks.len(), report);
    } else {
        note_no_key(context);
    }
    decrypt_packs(vault, packs, options, &|_| true, context, report)?;
    Ok(lengths)
}

/// In how many threads data is read: where each answer takes its time, in as many as can wait for one.
fn at_once(vault: &Vault, options: &Options) -> usize {
    options.threads.max(vault.storage().side_by_side())
}

/// How much is read, in percent.
pub(super) fn percent(options: &Options) -> f64 {
    options.read.unwrap_or(100.0)
}

/// Tells what is not looked at without a private key.
pub(super) fn note_no_key(context: Context<'_>) {
    context.progress.note(
        "without a private key (--identity FILE) packs are compared with their names, and chunks are only looked whether they are there",
    );
}

/// Compares packs with their ids: those that are there with the right size, or a sample of them.
pub(super) fn read_packs(
    vault: &Vault,
    packs: &mut Packs,
    options: &Options,
    carried: Option<Carried>,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let whole = packs
        .0
        .iter()
        .enumerate()
        .filter(|(_, pack)| pack.damage.is_none());
    let sizes: Vec<(usize, PackId, u64)> = whole
        .map(|(at, Pack { reference, .. })| (at, reference.id, reference.size))
        .collect();
    let mut chosen = match &carried {
        None => sample(sizes, percent(options), |(_, id, _)| *id.bytes()),
        Some(carried) => {
            let left: HashSet<PackId> = carried.left.iter().copied().collect();
            let mut sizes = sizes;
            sizes.retain(|(_, id, _)| left.contains(id));
            sizes
        }
    };
    // The largest first, so that no core waits long for another at the end.
    chosen.sort_unstable_by_key(|(_, _, size)| std::cmp::Reverse(*size));
    let bytes: u64 = chosen.iter().map(|(_, _, size)| size).sum();
    context
        .progress
        .begin("reading packs", chosen.len() as u64, bytes);
    let found = on_all_cores(
        at_once(vault, options),
        &chosen,
        context,
        |(_, id, size)| {
            if context.stop.gives_way() {
                return Ok(Seen::Left);
            }
            let read = pack_is_whole(vault, *id, *size, context);
            context.progress.advance(1, 0);
            match read? {
                Ok(true) => Ok(Seen::Whole),
                Ok(false) => {
                    let why = "its content is not that of its name";
                    let damage = damaged_pack(&id.key(), super::Kind::Damaged, why);
                    Ok(Seen::Damaged(damage.into()))
                }
                Err(error) if is_about_object(&error) => {
                    let (kind, why) = what_is_wrong(error);
                    Ok(Seen::Damaged(damaged_pack(&id.key(), kind, why).into()))
                }
                Err(error) => Err(error.into()),
            }
        },
    )?;
    context.progress.end();
    let mut done = carried.unwrap_or_default();
    done.left.clear();
    let gives_way = found.iter().any(|seen| matches!(seen, Seen::Left));
    for ((at, id, size), seen) in chosen.into_iter().zip(found) {
        match seen {
            Seen::Left => {}
            // Whoever goes on reads it once more, to tell of it.
            Seen::Damaged(_) if gives_way => {}
            seen => {
                done.read.push(id);
                done.bytes_read += size;
                if let Seen::Damaged(damage) = seen {
                    packs.0[at].damage = Some(report.damage.len());
                    report.damage.push(*damage);
                }
                continue;
            }
        }
        done.left.push(id);
    }
    if gives_way {
        return Err(crate::operations::Error::GaveWay {
            carried: json!(done),
        });
    }
    let read: HashSet<PackId> = done.read.into_iter().collect();
    for pack in &mut packs.0 {
        pack.read = read.contains(&pack.reference.id);
    }
    report.checked.packs_read += read.len() as u64;
    report.checked.bytes_read += done.bytes_read;
    Ok(())
}

/// Decrypts those of the packs of which all was read, where that can be done, and looks whether they hold
/// what their indexes say.
pub(super) fn decrypt_packs(
    vault: &Vault,
    packs: &mut Packs,
    options: &Options,
    these: &dyn Fn(PackId) -> bool,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    if !vault.is_encrypted() || !vault.is_readable() {
        return Ok(());
    }
    let whole = packs.0.iter().enumerate();
    let whole: Vec<(usize, &IndexFile, u64)> = whole
        .filter(|(_, pack)| pack.read && pack.damage.is_none() && these(pack.reference.id))
        .filter_map(|(at, pack)| Some((at, pack.index.as_ref()?, pack.reference.size)))
        .collect();
    let bytes = whole.iter().map(|(_, _, size)| size).sum();
    let count = whole.len() as u64;
    context.progress.begin("decrypting packs", count, bytes);
    let decrypted = on_all_cores(
        at_once(vault, options),
        &whole,
        context,
        |(at, index, size)| {
            // Whether it opens at all: one that does not is for others, and nothing is said of its content.
            let reader = PackReader::new(vault.storage().clone(), index.pack());
            let seen = match reader.bytes(0, 1) {
                Err(error @ Error::NotOpened { .. }) => Err(error),
                _ => Ok(holds_its_blobs(vault, index, context)?),
            };
            context.progress.advance(1, *size);
            Ok((*at, seen))
        },
    )?;
    context.progress.end();
    for (at, seen) in decrypted {
        let pack = &mut packs.0[at];
        let key = pack.reference.id.key();
        match seen {
            Ok(true) => pack.held = true,
            Ok(false) => {
                pack.damage = Some(report.damage.len());
                let why = "what it decrypts to is not what its index says, and no backup makes such a pack";
                let damage = damaged_pack(&key, super::Kind::Damaged, why);
                report.damage.push(damage);
            }
            Err(error) => {
                let (kind, why) = what_is_wrong(error);
                report.damage.push(damaged_pack(&key, kind, why));
            }
        }
    }
    Ok(())
}

/// What reading a pack showed.
enum Seen {
    Whole,
    Damaged(Box<Damage>),
    /// It was not read: somebody wants the way.
    Left,
}

/// What a verification that gave way hands to the one that goes on.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Carried {
    /// The packs that it chose and did not read, or found damaged.
    pub left: Vec<PackId>,
    /// Those that it read and found whole.
    pub read: Vec<PackId>,
    pub bytes_read: u64,
}

impl Carried {
    /// What a verification goes on from, if it does.
    pub fn of(asked: &Asked) -> Option<Self> {
        Self::deserialize(asked.carried.as_ref()?).ok()
    }
}

/// Whether a pack is what its id says. The outer error is a request to stop, the inner one is what was
/// seen of the pack.
pub(in crate::operations) fn pack_is_whole(
    vault: &Vault,
    id: PackId,
    size: u64,
    context: Context<'_>,
) -> Result<Result<bool, Error>> {
    let reader = PackReader::new(vault.storage().clone(), id);
    let mut digest = Sha256::new();
    let mut offset = 0;
    while offset < size {
        context.stop.check()?;
        let len = READ.min(size - offset);
        match reader.stored(offset, len) {
            Ok(bytes) => digest.update(&bytes),
            Err(error) => return Ok(Err(error)),
        }
        context.progress.advance(0, len);
        offset += len;
    }
    Ok(Ok(digest.finalize()[..] == id.bytes()[..]))
}

/// What reading a chunk of some size showed: the length of its content in bytes, or what is wrong.
pub(super) struct Decoded {
    pub id: ChunkId,
    pub size: u64,
    pub content: Result<u64, (Kind, String)>,
}

/// Decodes chunks and compares them with their ids.
pub(super) fn decode_chunks(
    vault: &Vault,
    chosen: &[(ChunkId, u64)],
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<Decoded>> {
    let bytes: u64 = chosen.iter().map(|(_, size)| size).sum();
    context
        .progress
        .begin("reading chunks", chosen.len() as u64, bytes);
    let chunks = vault.chunks();
    let decoded = on_all_cores(at_once(vault, options), chosen, context, |(id, size)| {
        let read = chunks.chunk(*id);
        context.progress.advance(1, *size);
        let content = match read {
            Ok(content) => Ok(content.len() as u64),
            Err(error) if is_about_object(&error) => Err(what_is_wrong(error)),
            Err(error) => return Err(error.into()),
        };
        Ok(Decoded {
            id: *id,
            size: *size,
            content,
        })
    })?;
    context.progress.end();
    Ok(decoded)
}

/// Enters what reading chunks showed. The lengths of their contents come back when it was all that are
/// there.
pub(super) fn note_chunks(
    decoded: Vec<Decoded>,
    there: usize,
    report: &mut Report,
) -> Option<Lengths> {
    let all = decoded.len() == there;
    let mut lengths = HashMap::new();
    for Decoded { id, size, content } in decoded {
        report.checked.chunks_read += 1;
        report.checked.bytes_read += size;
        match content {
            Ok(len) if all => drop(lengths.insert(id, len)),
            Ok(_) => {}
            Err((kind, why)) => {
                let key = id.key();
                let damage = Damage::new(&key, kind, why, chunk_todo(&key));
                report.damage.push(damage);
            }
        }
    }
    all.then_some(lengths)
}

/// So many percent of some objects, others each time; of a few at least one.
pub(in crate::operations) fn sample<T>(
    mut all: Vec<T>,
    percent: f64,
    id: impl Fn(&T) -> [u8; 32],
) -> Vec<T> {
    let wanted = (all.len() as f64 * percent / 100.0).ceil() as usize;
    if wanted < all.len() {
        // A digest over a random number and the id is an order that nobody can foresee.
        let random = uuid::Uuid::new_v4();
        all.sort_by_cached_key(|item| {
            Sha256::new_with_prefix(random.as_bytes())
                .chain_update(id(item))
                .finalize()
        });
        all.truncate(wanted);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn samples_have_their_size_and_reach_everything_in_time() {
        let all: Vec<u8> = (0..50).collect();
        let id = |item: &u8| [*item; 32];
        assert_eq!(sample(all.clone(), 100.0, id), all);
        assert_eq!(sample(all.clone(), 0.1, id).len(), 1);
        assert_eq!(sample(Vec::new(), 10.0, id), Vec::<u8>::new());
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let some = sample(all.clone(), 20.0, id);
            assert_eq!(some.len(), 10);
            seen.extend(some);
        }
        assert_eq!(seen.len(), all.len());
    }
}
