// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is missing: the database's list of blobs against a look at the places where they have to
//! lie. What is remembered are bits by key, so that ten million losses take a few megabytes.

use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::catalogue::{Moment, Needed};
use crate::fossology::database;
use crate::fossology::repository::{ReadError, Reader};
use crate::operations::{Context, Error, Result, workers};
use crate::threads;
use crossbeam_channel::Receiver;
use roaring::RoaringBitmap;
use std::io;
use std::sync::{Mutex, PoisonError};

/// How many blobs a worker looks for at once.
const PART: usize = 2048;

/// How much of something there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Amount {
    /// How many blobs.
    pub blobs: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

impl Amount {
    /// One blob more.
    pub(in crate::operations) fn add(&mut self, size: u64) {
        self.blobs += 1;
        self.bytes += size;
    }

    /// So many more.
    pub(in crate::operations) fn join(&mut self, other: Self) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }

    /// So many less.
    pub(super) fn without(self, other: Self) -> Self {
        Self {
            blobs: self.blobs.saturating_sub(other.blobs),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// What is missing, by key.
#[derive(Debug, Default)]
pub(super) struct Missing {
    gold: RoaringBitmap,
    files: RoaringBitmap,
    /// What is missing in one tree only, and lies in the other.
    pub elsewhere: RoaringBitmap,
    /// How much it is; a blob with several rows counts once.
    pub amount: Amount,
    /// How much was looked for.
    pub needed: Amount,
    /// Rows whose hashes or size are none.
    pub broken: u64,
    /// What is there although it is known as pruned.
    pub there: Vec<u32>,
}

impl Missing {
    /// A single blob, known to be missing in these trees; the other one may have it.
    pub fn one(name: &PfileName, pfiles: Vec<u32>, trees: TreeSet) -> Self {
        let mut missing = Self::default();
        let wanted = Wanted {
            name: *name,
            pfiles,
            trees,
        };
        missing.insert(&wanted, trees);
        if Tree::ALL.into_iter().any(|tree| !trees.contains(tree)) {
            missing.elsewhere.extend(&wanted.pfiles);
        }
        missing
    }

    /// All of it.
    pub fn all(&self) -> RoaringBitmap {
        &self.gold | &self.files
    }

    /// What is missing in gold.
    pub fn gold(&self) -> &RoaringBitmap {
        &self.gold
    }

    /// The trees in which a blob is missing.
    pub fn trees(&self, pfile: u32) -> TreeSet {
        let mut trees = TreeSet::NONE;
        for (tree, keys) in [(Tree::Gold, &self.gold), (Tree::Files, &self.files)] {
            if keys.contains(pfile) {
                trees = trees.with(tree);
            }
        }
        trees
    }

    fn insert(&mut self, wanted: &Wanted, trees: TreeSet) {
        self.amount.add(wanted.name.size());
        for pfile in &wanted.pfiles {
            if trees.contains(Tree::Gold) {
                self.gold.insert(*pfile);
            }
            if trees.contains(Tree::Files) {
                self.files.insert(*pfile);
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.gold |= other.gold;
        self.files |= other.files;
        self.elsewhere |= other.elsewhere;
        self.amount.join(other.amount);
        self.there.extend(other.there);
    }
}

/// A blob that is needed. Two rows may differ in their SHA-256 alone.
struct Wanted {
    name: PfileName,
    pfiles: Vec<u32>,
    trees: TreeSet,
}

/// Decides by its size and keys whether a blob that is needed is looked for.
pub(super) type Choice<'a> = dyn FnMut(u64, &[u32]) -> bool + 'a;

/// Where blobs are looked for.
pub(super) struct Look<'a> {
    pub reader: &'a Reader,
    /// The keys that are known as pruned.
    pub pruned: &'a RoaringBitmap,
    pub threads: usize,
    pub context: Context<'a>,
}

impl Look<'_> {
    /// Looks for what these uploads need, or for everything, as far as it is chosen.
    pub fn missing(
        &self,
        moment: &mut Moment<'_>,
        uploads: Option<&[i32]>,
        choice: &mut Choice<'_>,
    ) -> Result<Missing> {
        let all = Mutex::new(Missing::default());
        let (mut needed, mut broken) = (Amount::default(), 0);
        std::thread::scope(|scope| {
            let (send, receive) = crossbeam_channel::bounded::<Vec<Wanted>>(self.threads * 2);
            let workers = threads::several(scope, "looker", self.threads, || {
                let (parts, all) = (receive.clone(), &all);
                move || self.work(parts, all)
            })?;
            drop(receive);
            let mut part = Vec::with_capacity(PART);
            let streamed = each_blob(moment, uploads, &mut broken, |wanted| {
                needed.add(wanted.name.size());
                if !choice(wanted.name.size(), &wanted.pfiles) {
                    return Ok(());
                }
                part.push(wanted);
                if part.len() < PART {
                    return Ok(());
                }
                // Fails when every worker has ended, each with an error of its own.
                let part = std::mem::replace(&mut part, Vec::with_capacity(PART));
                send.send(part).map_err(|_| Error::Interrupted)
            });
            let fed = streamed.and_then(|()| send.send(part).map_err(|_| Error::Interrupted));
            drop(send);
            workers::join(workers, fed)
        })?;
        let mut missing = all.into_inner().unwrap_or_else(PoisonError::into_inner);
        missing.needed = needed;
        missing.broken = broken;
        Ok(missing)
    }

    fn work(&self, parts: Receiver<Vec<Wanted>>, all: &Mutex<Missing>) -> Result<()> {
        for part in parts {
            self.context.stop.check()?;
            let mut missing = Missing::default();
            for wanted in &part {
                self.look_for(wanted, &mut missing)?;
            }
            self.context.progress.advance(part.len() as u64, 0);
            all.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .join(missing);
        }
        Ok(())
    }

    fn look_for(&self, wanted: &Wanted, missing: &mut Missing) -> Result<()> {
        let has = |tree| self.reader.has(tree, &wanted.name).map_err(cannot_look);
        let mut trees = TreeSet::NONE;
        for tree in wanted.trees.iter() {
            if !has(tree)? {
                trees = trees.with(tree);
            }
        }
        if trees.is_empty() {
            let pruned = wanted
                .pfiles
                .iter()
                .filter(|key| self.pruned.contains(**key));
            missing.there.extend(pruned);
            return Ok(());
        }
        missing.insert(wanted, trees);
        for tree in Tree::ALL.into_iter().filter(|tree| !trees.contains(*tree)) {
            if has(tree)? {
                missing.elsewhere.extend(&wanted.pfiles);
            }
        }
        Ok(())
    }
}

/// What would be missing if everything but gold were gone, as far as it is chosen.
pub(super) fn as_if_gone(
    moment: &mut Moment<'_>,
    uploads: Option<&[i32]>,
    choice: &mut Choice<'_>,
) -> Result<Missing> {
    let mut gold = RoaringBitmap::new();
    moment.keys(Tree::Gold, |pfile, _| {
        gold.insert(pfile);
    })?;
    let mut missing = Missing::default();
    let (mut needed, mut broken) = (Amount::default(), 0);
    each_blob(moment, uploads, &mut broken, |wanted| {
        needed.add(wanted.name.size());
        let chosen = choice(wanted.name.size(), &wanted.pfiles);
        if chosen && !wanted.pfiles.iter().any(|pfile| gold.contains(*pfile)) {
            missing.insert(&wanted, TreeSet::of(Tree::Files));
        }
        Ok(())
    })?;
    missing.needed = needed;
    missing.broken = broken;
    Ok(missing)
}

/// Hands out what is needed, each blob once.
fn each_blob(
    moment: &mut Moment<'_>,
    uploads: Option<&[i32]>,
    broken: &mut u64,
    mut each: impl FnMut(Wanted) -> Result<()>,
) -> Result<()> {
    let mut last: Option<Wanted> = None;
    let mut failed = None;
    let take = |needed: Needed| {
        let Ok(name) = needed.name else {
            *broken += 1;
            return Ok(());
        };
        if let Some(last) = last.as_mut().filter(|last| last.name == name) {
            last.pfiles.push(needed.pfile);
            last.trees = last.trees.union(needed.trees);
            return Ok(());
        }
        let next = Wanted {
            name,
            pfiles: vec![needed.pfile],
            trees: needed.trees,
        };
        match last.replace(next).map(&mut each) {
            Some(Err(error)) => {
                failed = Some(error);
                Err(database::Error::Stream {
                    doing: "looking for blobs",
                    source: io::Error::from(io::ErrorKind::Interrupted),
                })
            }
            _ => Ok(()),
        }
    };
    let streamed = match uploads {
        Some(uploads) => moment.sorted_of(uploads, take),
        None => moment.sorted(take),
    };
    match failed {
        Some(error) => return Err(error),
        None => streamed?,
    }
    last.map_or(Ok(()), each)
}

/// An error of the repository's reader as one of an operation.
pub(in crate::operations) fn cannot_look(error: ReadError) -> Error {
    let (path, source) = match error {
        ReadError::Io { path, source } => (path, source),
        ReadError::Missing { path } => (path, io::ErrorKind::NotFound.into()),
        ReadError::SizeDiffers { path, .. } | ReadError::NotAFile { path } => {
            (path, io::ErrorKind::InvalidData.into())
        }
    };
    Error::Io {
        doing: "looking for",
        path,
        source,
    }
}
