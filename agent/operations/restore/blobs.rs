// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which blobs a restore brings back, and in which packs they lie. The database's list and the
//! packs' indexes come in the same order, so they are merged; what is remembered is one bit for
//! each record and tree.

use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::catalogue::Moment;
use crate::fossology::database::Database;
use crate::fossology::own::{self, BlobState};
use crate::operations::Result;
use crate::vault::{
    self, ByUrl, IndexFile, IndexMerge, Members, Mode, PackId, PackInfo, Record, Snapshot, Vault,
};
use roaring::RoaringBitmap;
use std::collections::HashMap;

/// Something that the snapshot names and the vault does not give back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// The pack.
    pub pack: PackId,
    /// The blob, or `None` when the whole pack cannot be used.
    pub name: Option<PfileName>,
    /// What is wrong.
    pub why: String,
}

/// The blobs to restore.
pub(in crate::operations) struct Selection {
    pub packs: Vec<WantedPack>,
    /// Packs that cannot be used at all.
    pub damaged: Vec<Damage>,
    pub blobs: u64,
    pub bytes: u64,
    /// How many are needed that none of the packs has.
    pub not_in_snapshot: u64,
    /// How many are left out because they are pruned.
    pub pruned: u64,
    /// The keys (`pfile_pk`) of what none of the packs has, where a database was asked.
    pub lacking: RoaringBitmap,
    /// Gold that the snapshot leaves to the web, and no pack has.
    pub by_url: Vec<ByUrl>,
}

/// What is wanted of a pack: the numbers of its records, for each tree.
pub(in crate::operations) struct WantedPack {
    pub index: IndexFile,
    gold: RoaringBitmap,
    files: RoaringBitmap,
}

impl WantedPack {
    fn want(&mut self, number: u64, trees: TreeSet) {
        // A pack of this program has far fewer records than there are numbers of 32 bits.
        let number = number as u32;
        if trees.contains(Tree::Gold) {
            self.gold.insert(number);
        }
        if trees.contains(Tree::Files) {
            self.files.insert(number);
        }
    }

    fn trees(&self, number: u64) -> TreeSet {
        let bit = |bitmap: &RoaringBitmap, tree| {
            if bitmap.contains(number as u32) {
                TreeSet::of(tree)
            } else {
                TreeSet::NONE
            }
        };
        bit(&self.gold, Tree::Gold).union(bit(&self.files, Tree::Files))
    }

    /// The records that are wanted, with the trees that they are wanted for.
    pub fn records(&self) -> Result<Vec<(Record, TreeSet)>, vault::Error> {
        let mut records = Vec::new();
        self.index.for_each(|number, record| {
            let trees = self.trees(number);
            if !trees.is_empty() {
                records.push((record, trees));
            }
        })?;
        Ok(records)
    }
}

impl Selection {
    fn new(vault: &Vault, packs: impl Iterator<Item = (PackId, u64)>) -> Self {
        let mut selection = Self {
            packs: Vec::new(),
            damaged: Vec::new(),
            blobs: 0,
            bytes: 0,
            not_in_snapshot: 0,
            pruned: 0,
            lacking: RoaringBitmap::new(),
            by_url: Vec::new(),
        };
        for (pack, size) in packs {
            match open_index(vault, pack, size) {
                Ok(index) => selection.packs.push(WantedPack {
                    index,
                    gold: RoaringBitmap::new(),
                    files: RoaringBitmap::new(),
                }),
                Err(error) => {
                    selection.damaged.push(Damage {
                        pack,
                        name: None,
                        why: error.to_string(),
                    });
                }
            }
        }
        selection
    }

    fn of_snapshot(vault: &Vault, snapshot: &Snapshot) -> Self {
        Self::new(
            vault,
            snapshot.packs.iter().map(|pack| (pack.id, pack.size)),
        )
    }

    /// Of all that the vault has, whichever snapshot it came with.
    pub(super) fn of_vault(vault: &Vault) -> Result<Self> {
        let packs = vault.packs()?;
        Ok(Self::new(
            vault,
            packs.iter().map(|pack| (pack.id, pack.size)),
        ))
    }

    pub(super) fn want(&mut self, pack: usize, number: u64, name: &PfileName, trees: TreeSet) {
        self.packs[pack].want(number, trees);
        self.blobs += 1;
        self.bytes += name.size();
    }

    pub(super) fn indexes(&self) -> Vec<IndexFile> {
        self.packs.iter().map(|pack| pack.index.clone()).collect()
    }

    /// Hands out every blob that is selected.
    pub fn for_each(&self, mut each: impl FnMut(&PfileName, TreeSet)) -> Result<()> {
        for pack in &self.packs {
            pack.index.for_each(|number, record| {
                let trees = pack.trees(number);
                if !trees.is_empty() {
                    each(&record.name, trees);
                }
            })?;
        }
        Ok(())
    }
}

/// A pack's index; one that is lost or damaged is made again from the pack.
pub(in crate::operations) fn open_index(
    vault: &Vault,
    pack: PackId,
    size: u64,
) -> Result<IndexFile, vault::Error> {
    let storage = vault.storage();
    let found = storage.size(&pack.key())?;
    if found != Some(size) {
        return Err(match found {
            None => vault::Error::Missing {
                key: pack.key(),
                location: vault.location(),
            },
            Some(found) => vault::Error::Damaged {
                key: pack.key(),
                why: format!("it has {found} bytes instead of {size}"),
            },
        });
    }
    let whole = |index: IndexFile| index.verify().map(|()| index);
    IndexFile::open(storage.clone(), pack)
        .and_then(whole)
        .or_else(|error| {
            // What this host cannot do at the moment says nothing about the index.
            if !error.is_damage() {
                return Err(error);
            }
            log::warn!("{error}; making the index again");
            vault.index_again(&PackInfo {
                id: pack,
                size,
                indexed: false,
            })?;
            IndexFile::open(storage.clone(), pack)
        })
}

/// What the vault has of these blobs, whichever snapshot they came with; they come in the order of
/// names.
pub(in crate::operations) fn these(
    vault: &Vault,
    blobs: impl Iterator<Item = (PfileName, TreeSet)>,
) -> Result<Selection> {
    let mut selection = Selection::of_vault(vault)?;
    let indexes = selection.indexes();
    let mut merge = IndexMerge::new(&indexes)?;
    for (name, trees) in blobs {
        match merge.seek(&name)? {
            Some((pack, number, record)) if record.name == name => {
                selection.want(pack, number, &name, trees);
            }
            _ => selection.not_in_snapshot += 1,
        }
    }
    Ok(selection)
}

/// The blobs that a restored database needs: of those that the packs have, the ones that `choose`
/// wants, which gets key, name and trees of each in the order of names.
pub(in crate::operations) fn needed_by(
    database: &Database,
    vault: &Vault,
    snapshot: &Snapshot,
    choose: &mut dyn FnMut(u32, &PfileName, TreeSet) -> bool,
) -> Result<Selection> {
    let mut client = database.connect("fo_backup restore")?;
    let mut moment = Moment::begin(&mut client)?;
    let mut selection = Selection::of_snapshot(vault, snapshot);
    let indexes = selection.indexes();
    let mut merge = IndexMerge::new(&indexes)?;
    let mut pruned = RoaringBitmap::new();
    own::blobs_in_state(moment.transaction(), BlobState::Pruned, |key| {
        pruned.extend(u32::try_from(key));
    })?;
    let by_url: HashMap<PfileName, &ByUrl> = snapshot
        .by_url
        .iter()
        .map(|blob| (blob.name, blob))
        .collect();
    let mut failed = None;
    moment.sorted(|needed| {
        if pruned.contains(needed.pfile) && !needed.trees.contains(Tree::Gold) {
            selection.pruned += 1;
            return Ok(());
        }
        let Ok(name) = needed.name else {
            selection.not_in_snapshot += 1;
            return Ok(());
        };
        match merge.seek(&name) {
            Ok(Some((pack, number, record))) if record.name == name => {
                if choose(needed.pfile, &name, needed.trees) {
                    selection.want(pack, number, &name, needed.trees);
                }
            }
            Ok(_) => match by_url.get(&name) {
                Some(blob) => selection.by_url.push(ByUrl::clone(blob)),
                None => {
                    selection.not_in_snapshot += 1;
                    // Of gold alone nothing else was to be expected.
                    if snapshot.mode == Mode::Full || needed.trees.contains(Tree::Gold) {
                        selection.lacking.insert(needed.pfile);
                    }
                }
            },
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
        Ok(())
    })?;
    moment.end()?;
    failed.map_or(Ok(selection), |error| Err(error.into()))
}

/// The blobs that a snapshot names, without asking a database.
pub(super) fn members_of(vault: &Vault, snapshot: &Snapshot) -> Result<Selection> {
    members_among(vault, snapshot, None)
}

/// As [`members_of`], those of them that are among some keys of the snapshot's database.
pub(super) fn members_among(
    vault: &Vault,
    snapshot: &Snapshot,
    among: Option<&Members>,
) -> Result<Selection> {
    let members = match among {
        Some(among) => snapshot.members.common(among),
        None => snapshot.members.clone(),
    };
    let mut selection = Selection::of_snapshot(vault, snapshot);
    let mut aliases: HashMap<PfileName, TreeSet> = HashMap::new();
    for alias in &snapshot.aliases {
        let trees = aliases.entry(alias.name).or_default();
        *trees = trees.union(members.trees(alias.pfile));
    }
    let mut extra: HashMap<PfileName, TreeSet> = HashMap::new();
    for path in &snapshot.extra {
        if !members.of(path.tree).contains(path.pfile) {
            continue;
        }
        let trees = extra.entry(path.name).or_default();
        *trees = trees.with(path.tree);
    }
    let indexes = selection.indexes();
    let mut merge = IndexMerge::new(&indexes)?;
    let mut last = None;
    // Members that no pack has; those whose records carry another key are not looked for.
    let mut lacking = among.unwrap_or(&members).any();
    for alias in &snapshot.aliases {
        lacking.remove(alias.pfile);
    }
    while let Some((pack, number, record)) = merge.take_next()? {
        lacking.remove(record.pfile);
        if last == Some(record.name) {
            continue; // it lies in two packs
        }
        let trees = members
            .trees(record.pfile)
            .union(aliases.get(&record.name).copied().unwrap_or_default())
            .union(extra.get(&record.name).copied().unwrap_or_default());
        if !trees.is_empty() {
            selection.want(pack, number, &record.name, trees);
            last = Some(record.name);
        }
    }
    let wanted = |blob: &&ByUrl| among.is_none_or(|among| among.any().contains(blob.pfile));
    for blob in snapshot.by_url.iter().filter(wanted) {
        lacking.remove(blob.pfile);
        selection.by_url.push(blob.clone());
    }
    selection.not_in_snapshot = lacking.len();
    Ok(selection)
}
