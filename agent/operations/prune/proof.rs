// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Does it come back? Two kinds of proof count. From gold: a rehearsal of recovery unpacked the
//! upload and met exactly that blob. From the vault: the newest full snapshot holds it, in a pack
//! that was read and found whole not too long ago. Proofs are kept: that of gold holds as long as
//! that very file is there and whole, which is seen to each time before anything is removed.
//!
//! A rehearsal writes nothing but what it has learned, upload by upload, so one that is stopped or
//! killed goes on with the next upload.

use super::facts::{Hold, Upload};
use super::policy::{Policy, Proof};
use super::{Options, tables};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::Moment;
use crate::fossology::own::pruning::{self, GoldProof, ProvenBy};
use crate::fossology::repository::Reader;
use crate::operations::backup::trusted;
use crate::operations::recover::{self, Scope, Sources, Wanted, has_name};
use crate::operations::{Context, Instance, Result, workers};
use crate::threads;
use crate::vault::{IndexFile, IndexMerge, Mode, PackInfo, Snapshot, Vault};
use postgres::Client;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// After how long an upload is unpacked again whose rehearsal did not give everything, in seconds.
const AGAIN: u64 = 30 * 24 * 3600;

/// How many of the newest snapshots are looked at for a full one.
const LOOKED_AT: usize = 16;

/// What is known to come back.
#[derive(Default)]
pub(super) struct Known {
    /// By unpacking.
    pub gold: RoaringBitmap,
    /// From the vault.
    pub vault: RoaringBitmap,
    /// How long each rehearsal took, in seconds, by the key of the uploaded file.
    pub seconds: BTreeMap<u32, f64>,
    /// Those that need not be made again yet.
    tried: BTreeSet<u32>,
}

impl Known {
    /// What was proven before, and what the vault has. Gold that is not there proves nothing.
    pub fn load(
        client: &mut Client,
        moment: &mut Moment<'_>,
        uploads: &BTreeMap<i32, Upload>,
        vault: Option<&Vault>,
        policy: &Policy,
        options: &Options,
    ) -> Result<Self> {
        let mut known = Self::default();
        let usable = |upload: &&Upload| {
            !matches!(
                upload.hold,
                Some(Hold::GoldMissing | Hold::GoldDamaged | Hold::Deleted)
            )
        };
        let golds: BTreeSet<u32> = uploads
            .values()
            .filter(usable)
            .filter_map(|upload| upload.row.gold_key)
            .collect();
        let has_unpacker = options.ununpack.is_some();
        pruning::gold_proofs(client, |proof| {
            if golds.contains(&proof.gold) {
                known.gold |= proof.blobs;
                known.seconds.insert(proof.gold, proof.seconds);
                if proof.age < AGAIN && proof.with_unpacker == has_unpacker {
                    known.tried.insert(proof.gold);
                }
            }
        })?;
        if policy.proof != Proof::Gold
            && let Some(vault) = vault
        {
            known.vault = in_vault(client, moment, vault, policy.proof_age.seconds)?;
        }
        Ok(known)
    }

    /// What is proven as a policy wants it.
    pub fn proven(&self, proof: Proof) -> RoaringBitmap {
        match proof {
            Proof::Gold => self.gold.clone(),
            Proof::Vault => self.vault.clone(),
            Proof::Either => &self.gold | &self.vault,
            Proof::Both => &self.gold & &self.vault,
        }
    }

    /// The given blobs by what proves them.
    pub fn by_proof(&self, keys: &RoaringBitmap) -> [(ProvenBy, RoaringBitmap); 3] {
        let both = &(keys & &self.gold) & &self.vault;
        [
            (ProvenBy::Gold, &(keys & &self.gold) - &both),
            (ProvenBy::Vault, &(keys & &self.vault) - &both),
            (ProvenBy::Both, both),
        ]
    }
}

/// What the newest full snapshot holds in packs that were found whole.
fn in_vault(
    client: &mut Client,
    moment: &mut Moment<'_>,
    vault: &Vault,
    within: u64,
) -> Result<RoaringBitmap> {
    let mut held = RoaringBitmap::new();
    let verified: BTreeSet<Vec<u8>> = pruning::verified_packs(client, within)?
        .into_iter()
        .collect();
    let packs = vault.packs()?;
    let Some(snapshot) = newest_full(vault)? else {
        return Ok(held);
    };
    if verified.is_empty() || !trusted(&snapshot, &packs, moment)? {
        return Ok(held);
    }
    let named: BTreeSet<_> = snapshot.packs.iter().map(|pack| pack.id).collect();
    let whole =
        |pack: &&PackInfo| named.contains(&pack.id) && verified.contains(&pack.id.bytes()[..]);
    let mut indexes = Vec::new();
    for pack in packs.iter().filter(whole) {
        match IndexFile::open(vault.storage().clone(), pack.id) {
            Ok(index) if index.pack_size() == pack.size => indexes.push(index),
            Ok(_) => log::warn!("pack {} is cut and proves nothing", pack.id),
            Err(error) => log::warn!("pack {} proves nothing: {error}", pack.id),
        }
    }
    let mut merge = IndexMerge::new(&indexes)?;
    let mut names: Vec<(PfileName, u32)> = Vec::new();
    for first in 0..=u8::MAX {
        names.clear();
        moment.names_from(first, |key, name| {
            if snapshot.members.files.contains(key) {
                names.push((name, key));
            }
        })?;
        names.sort_unstable();
        for (name, key) in &names {
            let found = merge.seek(name)?;
            if found.is_some_and(|(_, _, record)| record.name == *name) {
                held.insert(*key);
            }
        }
    }
    Ok(held)
}

fn newest_full(vault: &Vault) -> Result<Option<Snapshot>> {
    for file in vault.snapshot_keys()?.iter().rev().take(LOOKED_AT) {
        match vault.read_snapshot(file) {
            Ok(snapshot) if snapshot.mode == Mode::Full => return Ok(Some(snapshot)),
            Ok(_) => {}
            Err(error) if error.is_damage() => log::warn!("{} is passed over: {error}", file.key),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Unpacks, without writing, the uploads of which something is chosen and not proven, those with
/// the smallest gold first, and notes what came.
pub(super) fn rehearse(
    instance: &Instance,
    client: &mut Client,
    uploads: &BTreeMap<i32, Upload>,
    tables: &tables::Tables,
    known: &mut Known,
    options: &Options,
    context: Context<'_>,
) -> Result<()> {
    let mut waiting: Vec<(&Upload, u32, PfileName)> = tables
        .uploads
        .iter()
        .filter(|plan| plan.drop.blobs > 0)
        .filter_map(|plan| {
            let upload = uploads.get(&plan.upload)?;
            Some((upload, upload.row.gold_key?, upload.row.gold?))
        })
        .filter(|(_, gold, _)| !known.tried.contains(gold))
        .collect();
    waiting.sort_by_key(|(upload, _, gold)| (gold.size(), upload.row.upload));
    let mut moments = instance.connect("prune catalogue")?;
    for (upload, gold, _) in waiting {
        context.stop.check()?;
        let upload = upload.row.upload;
        let mut unproven = false;
        let mut moment = Moment::begin(&mut moments)?;
        moment.keys_of(upload, |key| {
            unproven |= tables.chosen.contains(key) && !known.gold.contains(key);
        })?;
        moment.end()?;
        // The same file uploaded twice is unpacked once.
        if !unproven || !known.tried.insert(gold) {
            continue;
        }
        let began = Instant::now();
        let report = recover::run(instance, None, &rehearsal(upload, options), context)?;
        let proof = GoldProof {
            gold,
            age: 0,
            seconds: began.elapsed().as_secs_f64(),
            with_unpacker: options.ununpack.is_some(),
            blobs: report.proven,
        };
        pruning::enter_gold_proof(client, upload, &proof)?;
        known.seconds.insert(gold, proof.seconds);
        known.gold |= proof.blobs;
    }
    Ok(())
}

fn rehearsal(upload: i32, options: &Options) -> recover::Options {
    recover::Options {
        scope: Scope::Uploads(vec![upload]),
        wanted: Wanted::AsIfGone,
        dry_run: true,
        from: Sources::Gold,
        retry: false,
        gold: options.gold.clone(),
        ununpack: options.ununpack.clone(),
        threads: options.threads,
        lookers: options.lookers,
    }
}

/// Reads uploaded files, and names those that are missing or not what their names say.
pub(super) fn bad_gold(
    reader: &Reader,
    golds: &[PfileName],
    threads: usize,
    context: Context<'_>,
) -> Result<BTreeMap<PfileName, Hold>> {
    let bytes = golds.iter().map(PfileName::size).sum();
    let step = "reading uploaded files";
    context.progress.begin(step, golds.len() as u64, bytes);
    let next = Mutex::new(golds.iter());
    let bad = Mutex::new(BTreeMap::new());
    let read = threads::together("reading gold", threads, || -> Result<()> {
        loop {
            context.stop.check()?;
            let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(gold) = taken else {
                return Ok(());
            };
            let hold = match reader.open(Tree::Gold, gold) {
                Err(_) => Some(Hold::GoldMissing),
                Ok((file, _)) if has_name(&file, gold) => None,
                Ok(_) => Some(Hold::GoldDamaged),
            };
            if let Some(hold) = hold {
                let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
                bad.insert(*gold, hold);
            }
            context.progress.advance(1, gold.size());
        }
    });
    workers::reason(read)?;
    context.progress.end();
    Ok(bad.into_inner().unwrap_or_else(PoisonError::into_inner))
}
