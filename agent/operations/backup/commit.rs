// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the plan and what the parts did to a snapshot. Nothing is believed: that every pack is in
//! the vault and holds what it is said to hold is looked up in the packs' indexes, and every blob
//! that may have been new has to be accounted for. Nothing is written here.

use super::NAMED_ABSENT;
use super::listing::Listing;
use super::part::Part;
use super::plan::Plan;
use super::select::open_indexes;
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::still_needed;
use crate::fossology::own::{self, BlobState};
use crate::operations::{Error, Result};
use crate::vault::{
    Absent, Alias, Counts, ExtraPath, FORMAT, FORMAT_ELSEWHERE, Members, Object, PackId, PackInfo,
    PackRef, Snapshot, Vault,
};
use postgres::Client;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashSet};

/// What the parts left, put together.
struct Whole {
    packs: Vec<PackRef>,
    found_in: Vec<PackRef>,
    packed: Members,
    found: Members,
    aliases: Vec<Alias>,
    extra: Vec<ExtraPath>,
    /// Keys that no part has, by what was seen last.
    missing: RoaringBitmap,
    corrupt: RoaringBitmap,
    named: BTreeMap<u32, Absent>,
}

impl Whole {
    fn of(parts: &[Part]) -> Self {
        let mut whole = Self {
            packs: Vec::new(),
            found_in: Vec::new(),
            packed: Members::default(),
            found: Members::default(),
            aliases: Vec::new(),
            extra: Vec::new(),
            missing: RoaringBitmap::new(),
            corrupt: RoaringBitmap::new(),
            named: BTreeMap::new(),
        };
        for part in parts {
            whole.packs.extend(&part.packs);
            whole.found_in.extend(&part.found_in);
            for tree in Tree::ALL {
                *whole.packed.of_mut(tree) |= part.packed.of(tree);
                *whole.found.of_mut(tree) |= part.found.of(tree);
            }
            whole.aliases.extend(&part.aliases);
            whole.extra.extend(&part.extra);
            // Who looks later sees more.
            whole.missing -= &part.corrupt;
            whole.corrupt -= &part.missing;
            whole.missing |= &part.missing;
            whole.corrupt |= &part.corrupt;
            let named = part.absent.iter();
            whole
                .named
                .extend(named.map(|absent| (absent.pfile, absent.clone())));
        }
        let had = whole.had();
        whole.missing -= &had;
        whole.corrupt -= &had;
        whole.named.retain(|pfile, _| !had.contains(*pfile));
        whole
    }

    fn had(&self) -> RoaringBitmap {
        self.packed.any() | self.found.any()
    }
}

/// What may be new and no part has, for whatever reason.
pub(super) fn left_over(listing: &Listing, parts: &[Part]) -> RoaringBitmap {
    &listing.candidates - Whole::of(parts).had()
}

/// The snapshot.
pub(super) fn commit(
    vault: &Vault,
    plan: Plan,
    parts: &[Part],
    client: &mut Client,
) -> Result<Snapshot> {
    let listing = &plan.listing;
    let mut whole = Whole::of(parts);
    let held = vault.packs()?;
    prove(vault, &mut whole, &held)?;
    let previous = match &listing.previous {
        Some(id) => Some(vault.snapshot(id.as_str())?),
        None => None,
    };
    let mut members = match &previous {
        Some(previous) => previous.members.common(&listing.needed),
        None => Members::default(),
    };
    for tree in Tree::ALL {
        *members.of_mut(tree) |= whole.found.of(tree) | whole.packed.of(tree);
    }
    members.optimize();
    if let Some(previous) = &previous {
        expect_held(&previous.packs, &held)?;
    }
    let (aliases, extra) = side_notes(&whole, previous.as_ref(), &members);
    let packs = packs(
        vault,
        &whole,
        previous.as_ref(),
        &members,
        &aliases,
        &held,
        listing,
    )?;

    let left_over = &listing.candidates - whole.had();
    let (absent, counts) = explain(&left_over, whole, client)?;
    let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>();
    let counts = Counts {
        gold: members.of(Tree::Gold).len(),
        gold_bytes: listing.bytes[Tree::Gold as usize],
        files: members.of(Tree::Files).len(),
        files_bytes: listing.bytes[Tree::Files as usize],
        new: sum(|part| part.blobs),
        new_bytes: sum(|part| part.bytes),
        stored_bytes: sum(Part::stored) + plan.stored,
        dump_bytes: plan.dump_bytes,
        ..counts
    };
    Ok(Snapshot {
        format: if plan.by_url.is_empty() && plan.database.external.is_none() {
            FORMAT
        } else {
            FORMAT_ELSEWHERE
        },
        id: plan.id,
        mode: plan.listing.mode,
        instance: vault.instance(),
        host: plan.host,
        program: plan.program,
        time: plan.time,
        finished: crate::vault::now(),
        release: plan.release,
        repository: plan.repository,
        depth: plan.depth,
        database: plan.database,
        configuration: plan.configuration,
        directories: plan.directories,
        packs,
        members,
        aliases,
        extra,
        absent,
        left_out: plan.left_out,
        catalogue: plan.listing.mark,
        counts,
        scrubbed: plan.scrubbed,
        tags: plan.tags,
        by_url: plan.by_url,
        replaces: Vec::new(),
    })
}

/// Makes sure that what the list has stored is still there: between two parts nobody holds a lease,
/// and chunks that were there before it are not younger for being used by it.
pub(super) fn expect_streams(vault: &Vault, plan: &Plan) -> Result<()> {
    let there: Vec<Object> = vault.storage().list("database/")?;
    let streams = std::iter::once(&plan.configuration)
        .chain(plan.database.files.values())
        .chain(plan.directories.values());
    for chunk in streams.flat_map(|stream| &stream.chunks) {
        let key = chunk.key();
        if there
            .binary_search_by(|object| object.key.cmp(&key))
            .is_err()
        {
            return Err(Error::ChunkGone { chunk: *chunk });
        }
    }
    Ok(())
}

/// Packs may have gone since they were seen, with an expiry between two parts for one.
fn expect_held(packs: &[PackRef], held: &[PackInfo]) -> Result<()> {
    let there = |pack: &&PackRef| {
        let at = held.binary_search_by_key(&pack.id, |info| info.id);
        at.is_ok_and(|at| held[at].size == pack.size)
    };
    match packs.iter().find(|pack| !there(pack)) {
        None => Ok(()),
        Some(pack) => Err(Error::PackGone { pack: pack.id }),
    }
}

/// Makes sure that every new member is in a pack of the vault. One that shares its blob with a
/// member that could not be taken is not there either.
fn prove(vault: &Vault, whole: &mut Whole, held: &[PackInfo]) -> Result<()> {
    expect_held(&whole.packs, held)?;
    expect_held(&whole.found_in, held)?;
    let used: HashSet<PackId> = whole
        .packs
        .iter()
        .chain(&whole.found_in)
        .map(|pack| pack.id)
        .collect();
    let used: Vec<PackInfo> = held
        .iter()
        .filter(|info| used.contains(&info.id))
        .copied()
        .collect();
    let mut names: HashSet<PfileName> = whole.aliases.iter().map(|alias| alias.name).collect();
    let mut lacking = whole.had();
    for alias in &whole.aliases {
        lacking.remove(alias.pfile);
    }
    for index in open_indexes(vault, &used)? {
        index.for_each(|_, record| {
            lacking.remove(record.pfile);
            names.remove(&record.name);
        })?;
    }
    if !lacking.is_empty() {
        let count = lacking.len();
        return Err(Error::NotInVault { count });
    }
    let lost: Vec<Alias> = whole
        .aliases
        .extract_if(.., |alias| names.contains(&alias.name))
        .collect();
    for Alias { pfile, name } in lost {
        let tree = if whole.found.gold.contains(pfile) {
            Tree::Gold
        } else {
            Tree::Files
        };
        for tree in Tree::ALL {
            whole.found.of_mut(tree).remove(pfile);
        }
        whole.missing.insert(pfile);
        whole.named.insert(
            pfile,
            Absent {
                pfile,
                name,
                tree,
                kind: "missing".into(),
                why: "it is the same file as another one that could not be taken".into(),
            },
        );
    }
    Ok(())
}

/// The aliases and extra paths of the snapshot's members.
fn side_notes(
    whole: &Whole,
    previous: Option<&Snapshot>,
    members: &Members,
) -> (Vec<Alias>, Vec<ExtraPath>) {
    let mut aliases: BTreeMap<u32, Alias> = previous
        .iter()
        .flat_map(|snapshot| &snapshot.aliases)
        .chain(&whole.aliases)
        .map(|alias| (alias.pfile, *alias))
        .collect();
    aliases.retain(|pfile, _| !members.trees(*pfile).is_empty());
    let mut extra: BTreeMap<(u32, Tree), ExtraPath> = previous
        .iter()
        .flat_map(|snapshot| &snapshot.extra)
        .chain(&whole.extra)
        .map(|extra| ((extra.pfile, extra.tree), *extra))
        .collect();
    extra.retain(|(pfile, tree), _| members.of(*tree).contains(*pfile));
    (
        aliases.into_values().collect(),
        extra.into_values().collect(),
    )
}

/// The packs that the snapshot needs.
fn packs(
    vault: &Vault,
    whole: &Whole,
    previous: Option<&Snapshot>,
    members: &Members,
    aliases: &[Alias],
    held: &[PackInfo],
    listing: &Listing,
) -> Result<Vec<PackRef>> {
    let grown = previous.filter(|previous| {
        previous.mode == listing.mode && previous.members.without(members) == Members::default()
    });
    if let Some(previous) = grown {
        // Nothing was deleted, so the earlier packs are still needed.
        let packs = previous
            .packs
            .iter()
            .chain(&whole.packs)
            .chain(&whole.found_in);
        let packs: BTreeMap<PackId, PackRef> = packs.map(|pack| (pack.id, *pack)).collect();
        return Ok(packs.into_values().collect());
    }
    let aliases: HashSet<PfileName> = aliases.iter().map(|alias| alias.name).collect();
    let any = members.any();
    let mut packs = Vec::new();
    let mut opened = HashSet::new();
    for index in open_indexes(vault, held)? {
        let mut needed = false;
        index.for_each(|_, record| {
            needed |= any.contains(record.pfile) || aliases.contains(&record.name);
        })?;
        if needed {
            packs.push(PackRef::of(&index));
        }
        opened.insert(index.pack());
    }
    // What a pack holds whose index cannot be read now is not known, so it is not left out.
    let earlier = previous.iter().flat_map(|previous| &previous.packs);
    packs.extend(earlier.filter(|pack| !opened.contains(&pack.id)));
    packs.sort_by_key(|pack| pack.id);
    Ok(packs)
}

/// Tells blobs that were deleted while the backup ran from those that are lost. Of those whose
/// rows were gone before anybody looked not even the name is known.
fn explain(
    left_over: &RoaringBitmap,
    whole: Whole,
    client: &mut Client,
) -> Result<(Vec<Absent>, Counts)> {
    let keys: Vec<u32> = left_over.iter().collect();
    let needed: RoaringBitmap = still_needed(client, &keys)?.into_iter().collect();
    // Every part has looked for all of them, and the last one everywhere.
    let unseen = &needed - (&whole.missing | &whole.corrupt);
    if !unseen.is_empty() {
        return Err(Error::NotInVault {
            count: unseen.len(),
        });
    }
    // Asked after everybody has looked: who prunes enters it before the file goes.
    let mut pruned = RoaringBitmap::new();
    own::blobs_in_state(client, BlobState::Pruned, |pfile| {
        pruned.extend(u32::try_from(pfile));
    })?;
    pruned &= &whole.missing & &needed;
    let counts = Counts {
        missing: (&whole.missing & &needed).len() - pruned.len(),
        corrupt: (&whole.corrupt & &needed).len(),
        deleted: left_over.len() - needed.len(),
        pruned: pruned.len(),
        ..Counts::default()
    };
    let named = whole.named.into_values();
    let named = named
        .filter(|absent| !pruned.contains(absent.pfile))
        .map(|mut absent| {
            if !needed.contains(absent.pfile) {
                absent.kind = "deleted".into();
                absent.why = "its upload was deleted while the backup ran".into();
            }
            absent
        });
    Ok((named.take(NAMED_ABSENT).collect(), counts))
}
