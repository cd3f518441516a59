// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A verification by several hosts: packs and chunks are divided by their ids, each host reads its
//! share and tells what it saw of each object. The last one looks at everything else itself:
//! snapshots, indexes, sizes, members. It reads what nobody has read, as packs that came meanwhile,
//! and names the damage. Only there it is written down what is proven, and only of what somebody has
//! read in this run.
//!
//! A host's word counts for objects of its own share only, and as long as they have the size that it
//! saw.

use super::data::{self, Carried, Decoded, Lengths, sample};
use super::inventory::Inventory;
use super::packs::{Packs, damaged_pack};
use super::report::{Kind, Report};
use super::{Options, connect, recorded, start_record};
use crate::fossology::own::Outcome;
use crate::operations::{Context, Error, Instance, Result, history};
use crate::vault::{ChunkId, LeaseKind, PackId, Vault};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Which share of the packs and chunks one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// From 0 on.
    number: u64,
    /// How many there are.
    of: u64,
}

impl Share {
    /// All shares of so many.
    pub fn all(of: usize) -> impl Iterator<Item = Self> {
        let of = of as u64;
        (0..of).map(move |number| Self { number, of })
    }

    /// Whether it has the object with this id. Ids are digests, so all shares are about as large.
    fn has(self, id: &[u8; 32]) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = *id;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) % self.of.max(1) == self.number
    }
}

/// What is wrong with a pack.
#[derive(Debug, Serialize, Deserialize)]
struct Wrong {
    kind: Kind,
    why: String,
    /// Whether blobs in it may be lost; else nobody could look.
    hits: bool,
}

/// A pack that was read.
#[derive(Debug, Serialize, Deserialize)]
struct Pack {
    id: PackId,
    size: u64,
    /// Whether it was decrypted and holds what its index says.
    held: bool,
    wrong: Option<Wrong>,
}

/// A chunk that was read.
#[derive(Debug, Serialize, Deserialize)]
struct Chunk {
    id: ChunkId,
    size: u64,
    /// The length of its content, or what is wrong.
    content: Result<u64, (Kind, String)>,
}

/// What one host saw.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    share: Share,
    /// Whether it has a private key, so that it could look into packs.
    readable: bool,
    packs: Vec<Pack>,
    chunks: Vec<Chunk>,
}

impl Part {
    /// How many packs it read, and how many bytes with the chunks.
    pub fn read(&self) -> (u64, u64) {
        let packs = self.packs.iter().map(|pack| pack.size);
        let chunks = self.chunks.iter().map(|chunk| chunk.size);
        (self.packs.len() as u64, packs.chain(chunks).sum())
    }
}

/// Reads a share of a vault's data.
///
/// # Errors
/// When the vault cannot be listed, or is another instance's. Damage is no error.
pub fn share(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    share: Share,
    context: Context<'_>,
) -> Result<Part> {
    vault.expect_lists()?;
    let lease = vault.lease(LeaseKind::Read, "verify")?;
    let mut client = connect(vault, instance, "verify")?;
    let record = start_record(instance, &mut client, "verify part");
    let carried = Carried::of(&instance.asked);
    let result = read_share(vault, options, share, carried, context).and_then(|part| {
        lease.check()?;
        Ok(part)
    });
    if let Some(record) = record {
        let noted = match &result {
            Ok(part) => {
                let (packs, bytes) = part.read();
                let counts = json!({
                    "packs_read": packs, "chunks_read": part.chunks.len(), "bytes_read": bytes,
                });
                record.finish(&mut client, Outcome::Done, None, &counts, None)
            }
            Err(error) => history::not_done(record, &mut client, None, error),
        };
        if let Err(error) = noted {
            log::warn!("the share could not be written into the history: {error}");
        }
    }
    result
}

fn read_share(
    vault: &Vault,
    options: &Options,
    share: Share,
    carried: Option<Carried>,
    context: Context<'_>,
) -> Result<Part> {
    let mut report = Report::default();
    let mut inventory = Inventory::take(vault, options, context, &mut report)?;
    inventory.packs.retain(|id, _| share.has(id.bytes()));
    inventory.chunks.retain(|id| share.has(id.bytes()));
    let mut packs = Packs::look(vault, &inventory, options, context, &mut report)?;
    let there = inventory.look_at_chunks(&mut report);
    // What was seen until here the last one sees by itself.
    report.damage.clear();
    for pack in &mut packs.0 {
        if pack.damage.is_some() {
            // Not to be read; no number of a damage any more.
            pack.there = false;
        }
    }
    packs.0.retain(|pack| pack.there);
    data::read_packs(vault, &mut packs, options, carried, context, &mut report)?;
    let decoded = if vault.is_readable() {
        let chosen = sample(there, data::percent(options), |(id, _)| *id.bytes());
        data::decode_chunks(vault, &chosen, options, context)?
    } else {
        data::note_no_key(context);
        Vec::new()
    };
    data::decrypt_packs(vault, &mut packs, options, &|_| true, context, &mut report)?;
    let mut wrong: HashMap<String, (Kind, String)> = HashMap::new();
    for damage in report.damage {
        wrong.insert(damage.object, (damage.kind, damage.why));
    }
    let read = packs.0.iter().filter(|pack| pack.read);
    let read = read.map(|pack| {
        let wrong = wrong.remove(pack.reference.id.key().as_str());
        Pack {
            id: pack.reference.id,
            size: pack.reference.size,
            held: pack.held,
            wrong: wrong.map(|(kind, why)| Wrong {
                kind,
                why,
                hits: pack.damage.is_some(),
            }),
        }
    });
    let chunks = decoded.into_iter().map(|chunk| Chunk {
        id: chunk.id,
        size: chunk.size,
        content: chunk.content,
    });
    Ok(Part {
        share,
        readable: vault.is_readable(),
        packs: read.collect(),
        chunks: chunks.collect(),
    })
}

/// Puts together what the hosts saw: of each the name, the share that it was given, and what it left.
///
/// # Errors
/// When they do not fit together, or as [`super::run`].
pub fn merge(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    parts: Vec<(String, Share, Part)>,
    context: Context<'_>,
) -> Result<Report> {
    let all = All::of(parts, vault.is_readable())?;
    let carried = Carried::of(&instance.asked);
    recorded(
        vault,
        Some(instance),
        options,
        context,
        |packs, chunks, report| all.take(vault, packs, chunks, (options, carried, context), report),
    )
}

/// What all hosts saw.
#[derive(Debug)]
struct All {
    packs: HashMap<PackId, Pack>,
    chunks: BTreeMap<ChunkId, Chunk>,
}

impl All {
    /// Takes the parts together, if they are one of each share, and each tells of its own only.
    fn of(parts: Vec<(String, Share, Part)>, readable: bool) -> Result<Self> {
        let mut all = Self {
            packs: HashMap::new(),
            chunks: BTreeMap::new(),
        };
        let of = parts.len();
        let mut open: Vec<Share> = Share::all(of).collect();
        for (name, given, part) in parts {
            let differs = |what: &str| Error::HostDiffers {
                what: format!("the host of '{name}' {what}"),
            };
            let share = part.share;
            let own = part.packs.iter().all(|pack| share.has(pack.id.bytes()))
                && part.chunks.iter().all(|chunk| share.has(chunk.id.bytes()));
            if !own || share != given || !open.contains(&share) {
                return Err(differs("tells of objects that were not its to read"));
            }
            if part.readable != readable {
                return Err(differs(if readable {
                    "has no private key of the vault, and this host has one"
                } else {
                    "has a private key of the vault, and this host has none"
                }));
            }
            open.retain(|open| *open != share);
            let packs = part.packs.into_iter().map(|pack| (pack.id, pack));
            all.packs.extend(packs);
            let chunks = part.chunks.into_iter().map(|chunk| (chunk.id, chunk));
            all.chunks.extend(chunks);
        }
        if of == 0 || !open.is_empty() {
            return Err(Error::Usage("the request has not all of its parts".into()));
        }
        Ok(all)
    }

    /// Enters what was seen, and reads what nobody has read, unless only a sample was to be read.
    fn take(
        mut self,
        vault: &Vault,
        packs: &mut Packs,
        there: &[(ChunkId, u64)],
        (options, carried, context): (&Options, Option<Carried>, Context<'_>),
        report: &mut Report,
    ) -> Result<Option<Lengths>> {
        let everything = data::percent(options) >= 100.0;
        let mut done = Carried::default();
        let mut bad: Vec<(usize, Wrong)> = Vec::new();
        for (at, pack) in packs.0.iter_mut().enumerate() {
            if pack.damage.is_some() {
                continue;
            }
            let (id, size) = (pack.reference.id, pack.reference.size);
            match self.packs.remove(&id).filter(|seen| seen.size == size) {
                Some(seen) => {
                    done.read.push(id);
                    done.bytes_read += size;
                    pack.held = seen.held;
                    bad.extend(seen.wrong.map(|wrong| (at, wrong)));
                }
                None if everything => done.left.push(id),
                None => {}
            }
        }
        let by_others: HashSet<PackId> = done.read.iter().copied().collect();
        bad.sort_by_key(|(at, _)| Reverse(packs.0[*at].reference.size));
        for (at, Wrong { kind, why, hits }) in bad {
            let pack = &mut packs.0[at];
            if hits {
                pack.damage = Some(report.damage.len());
            }
            let damage = damaged_pack(&pack.reference.id.key(), kind, why);
            report.damage.push(damage);
        }
        // Who goes on here had begun with the same.
        let carried = Some(carried.unwrap_or(done));
        data::read_packs(vault, packs, options, carried, context, report)?;

        let mut lengths = None;
        if vault.is_readable() {
            let (mut decoded, mut left) = (Vec::new(), Vec::new());
            for (id, size) in there {
                match self.chunks.remove(id).filter(|seen| seen.size == *size) {
                    Some(Chunk { id, size, content }) => {
                        decoded.push(Decoded { id, size, content });
                    }
                    None if everything => left.push((*id, *size)),
                    None => {}
                }
            }
            decoded.extend(data::decode_chunks(vault, &left, options, context)?);
            decoded.sort_unstable_by_key(|chunk| chunk.id);
            lengths = data::note_chunks(decoded, there.len(), report);
        } else {
            data::note_no_key(context);
        }
        let ours = |id| !by_others.contains(&id);
        data::decrypt_packs(vault, packs, options, &ours, context, report)?;
        Ok(lengths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u64) -> [u8; 32] {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&first.to_be_bytes());
        id
    }

    /// A part that read packs with these ids.
    fn part(number: u64, of: u64, ids: &[u64]) -> Part {
        let pack = |first: &u64| Pack {
            id: PackId::new(id(*first)),
            size: 10,
            held: false,
            wrong: None,
        };
        Part {
            share: Share { number, of },
            readable: true,
            packs: ids.iter().map(pack).collect(),
            chunks: Vec::new(),
        }
    }

    fn all(parts: Vec<(Share, Part)>) -> Result<usize, String> {
        let parts = parts.into_iter().map(|(given, part)| {
            let name = format!("verify on host{}", given.number);
            (name, given, part)
        });
        let all = All::of(parts.collect(), true).map_err(|error| error.to_string())?;
        Ok(all.packs.len())
    }

    #[test]
    fn each_object_is_in_one_share() {
        for of in 1..6 {
            for first in [0, 1, 7, u64::MAX] {
                let has = |share: &Share| share.has(&id(first));
                assert_eq!(Share::all(of).filter(has).count(), 1);
            }
        }
    }

    #[test]
    fn a_host_tells_only_of_its_own_share() {
        let [first, second] = [0, 1].map(|number| Share { number, of: 2 });
        let good = || (first, part(0, 2, &[2, 4]));
        assert_eq!(all(vec![good(), (second, part(1, 2, &[3]))]), Ok(3));
        let not_its_own = "not its to read";
        for (parts, expected) in [
            // Another one's pack, another one's share, another division.
            (vec![good(), (second, part(1, 2, &[3, 6]))], not_its_own),
            (vec![good(), (second, part(0, 2, &[6]))], not_its_own),
            (vec![good(), (second, part(1, 3, &[4]))], not_its_own),
            (vec![good(), good()], not_its_own),
            (vec![good()], not_its_own),
            (vec![], "not all of its parts"),
        ] {
            let error = all(parts).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut blind = part(1, 2, &[3]);
        blind.readable = false;
        let error = all(vec![good(), (second, blind)]).unwrap_err();
        assert!(
            error.contains("'verify on host1' has no private key"),
            "{error}"
        );
    }
}
