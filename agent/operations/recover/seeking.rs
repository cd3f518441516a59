// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Seeks a batch of blobs: what comes by in a walk, in the fall-back or from the vault is put into
//! the repository as soon as it is seen, once, whoever sees it first.

use super::missing::Amount;
use crate::blob::{PfileName, TreeSet};
use crate::fossology::repository::{Begun, Importer};
use crate::operations::{Error, Progress, Result};
use crate::unpack::{Content, Seeker};
use roaring::{RoaringBitmap, RoaringTreemap};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many locks the sought blobs are spread over.
const SHARDS: usize = 64;

/// How much of a large blob is copied at once, in bytes.
const PIECE: usize = 256 * 1024;

/// A blob that is sought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    /// Its key, `pfile_pk`.
    pub pfile: u32,
    /// The trees in which it is missing.
    pub trees: TreeSet,
    /// Whether it is worth the work. What is known not to come is only taken when it comes by.
    pub matters: bool,
}

/// The blobs that are sought.
pub(super) struct Seeking<'a> {
    shards: Vec<Mutex<HashMap<PfileName, Want>>>,
    /// Other rows of sought blobs.
    twins: Vec<(PfileName, u32)>,
    sizes: RoaringTreemap,
    largest: u64,
    /// What has to be opened on the way to them.
    containers: HashSet<PfileName>,
    everything: AtomicBool,
    left: AtomicU64,
    found: AtomicU64,
    bytes: AtomicU64,
    /// Where they go; nowhere in a rehearsal.
    importer: Option<&'a Importer>,
    progress: &'a dyn Progress,
    failed: Mutex<Option<Error>>,
}

impl<'a> Seeking<'a> {
    /// Seeks nothing yet.
    pub fn new(importer: Option<&'a Importer>, progress: &'a dyn Progress) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            twins: Vec::new(),
            sizes: RoaringTreemap::new(),
            largest: 0,
            containers: HashSet::new(),
            everything: AtomicBool::new(false),
            left: AtomicU64::new(0),
            found: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            importer,
            progress,
            failed: Mutex::default(),
        }
    }

    /// Seeks one blob more.
    pub fn add(&mut self, name: PfileName, want: Want) {
        let mut shard = self.shard(&name);
        if let Some(known) = shard.get_mut(&name) {
            known.trees = known.trees.union(want.trees);
            drop(shard);
            self.twins.push((name, want.pfile));
            return;
        }
        shard.insert(name, want);
        drop(shard);
        self.sizes.insert(name.size());
        self.largest = self.largest.max(name.size());
        *self.left.get_mut() += u64::from(want.matters);
    }

    /// Lets this container be opened.
    pub fn open(&mut self, container: PfileName) {
        self.containers.insert(container);
    }

    /// Lets every container be opened.
    pub fn open_everything(&self) {
        self.everything.store(true, Ordering::Relaxed);
    }

    /// How many blobs that matter are still sought.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// How much was found.
    pub fn amount(&self) -> Amount {
        Amount {
            blobs: self.found.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// The keys of what is still sought; without what does not matter if that is not asked for.
    pub fn keys(&self, all: bool) -> RoaringBitmap {
        let mut keys = RoaringBitmap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let wants = shard.values().filter(|want| all || want.matters);
            keys.extend(wants.map(|want| want.pfile));
        }
        for (name, pfile) in &self.twins {
            if self
                .shard(name)
                .get(name)
                .is_some_and(|want| all || want.matters)
            {
                keys.insert(*pfile);
            }
        }
        keys
    }

    /// What is still sought, in the order of names.
    pub fn rest(&self) -> Vec<(PfileName, TreeSet)> {
        let mut rest = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            rest.extend(shard.iter().map(|(name, want)| (*name, want.trees)));
        }
        rest.sort_unstable_by_key(|(name, _)| *name);
        rest
    }

    /// Notes that a blob is there; it is not sought any more.
    pub fn found(&self, name: &PfileName) {
        let gone = self.shard(name).remove(name);
        if let Some(want) = gone {
            self.count(name, want);
        }
    }

    /// Why nothing more could be taken, if that is so.
    ///
    /// # Errors
    /// The first failed import.
    pub fn check(&self) -> Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take().map_or(Ok(()), Err)
    }

    fn shard(&self, name: &PfileName) -> MutexGuard<'_, HashMap<PfileName, Want>> {
        let shard = usize::from(name.sha1()[0]) % SHARDS;
        self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, name: &PfileName, want: Want) {
        if want.matters {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        self.found.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(name.size(), Ordering::Relaxed);
    }

    fn import(&self, name: &PfileName, trees: TreeSet, content: Content<'_>) -> Result<()> {
        let Some(importer) = self.importer else {
            return Ok(());
        };
        match content {
            Content::Memory(data) => importer.import(trees, name, data).map(drop)?,
            Content::File(file) => {
                if let Begun::Write(mut blob) = importer.begin(trees, name)? {
                    let copied = copy(file, &mut blob);
                    copied.map_err(|error| blob.error(error))?;
                    blob.commit()?;
                }
            }
        }
        Ok(())
    }
}

impl Seeker for Seeking<'_> {
    fn seeks_size(&self, size: u64) -> bool {
        self.sizes.contains(size)
    }

    fn largest(&self) -> u64 {
        self.largest
    }

    fn seeks(&self, name: &PfileName) -> bool {
        self.shard(name).contains_key(name)
    }

    fn opens(&self, name: &PfileName) -> bool {
        self.everything.load(Ordering::Relaxed) || self.containers.contains(name)
    }

    fn take(&self, name: &PfileName, content: Content<'_>) -> ControlFlow<()> {
        // Whoever takes it from the list brings it in; it goes back there if that fails.
        let gone = self.shard(name).remove(name);
        if let Some(want) = gone {
            if let Err(error) = self.import(name, want.trees, content) {
                self.shard(name).insert(*name, want);
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                return ControlFlow::Break(());
            }
            self.count(name, want);
            self.progress.advance(1, name.size());
        }
        if self.left() == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Copies a whole file by position.
fn copy(file: &File, to: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                to.write_all(&piece[..count])?;
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{Tree, digest};
    use crate::fossology::repository::Layout;
    use crate::operations::Quiet;
    use std::fs;

    fn want(pfile: u32, matters: bool) -> Want {
        Want {
            pfile,
            trees: TreeSet::of(Tree::Files),
            matters,
        }
    }

    #[test]
    fn the_last_blob_that_matters_ends_the_search() {
        let mut seeking = Seeking::new(None, &Quiet);
        let [one, two, note] = [&b"one"[..], b"two!", b"a note"].map(digest);
        seeking.add(one, want(1, true));
        seeking.add(one, want(11, true)); // another row of the same blob
        seeking.add(two, want(2, true));
        seeking.add(note, want(3, false));
        assert_eq!((seeking.left(), seeking.largest()), (2, 6));
        assert!(seeking.seeks_size(4) && !seeking.seeks_size(5));
        assert!(!seeking.opens(&two));
        assert!(seeking.take(&two, Content::Memory(b"two!")).is_continue());
        assert!(seeking.take(&two, Content::Memory(b"two!")).is_continue());
        assert_eq!(seeking.keys(false), [1, 11].into_iter().collect());
        assert!(seeking.take(&one, Content::Memory(b"one")).is_break());
        assert_eq!(seeking.keys(true), [3].into_iter().collect());
        assert_eq!(seeking.rest(), [(note, TreeSet::of(Tree::Files))]);
        let amount = seeking.amount();
        assert_eq!((amount.blobs, amount.bytes), (2, 7));
    }

    #[test]
    fn what_cannot_be_written_is_still_sought_and_ends_the_search() {
        let folder = tempfile::tempdir().unwrap();
        // A file where the tree's folder has to be.
        fs::write(folder.path().join("files"), b"").unwrap();
        let importer = Importer::new(Layout::new(folder.path(), 1, Vec::new()), None).unwrap();
        let mut seeking = Seeking::new(Some(&importer), &Quiet);
        let name = digest(b"one");
        seeking.add(name, want(1, true));
        seeking.add(digest(b"two"), want(2, true));
        assert!(seeking.take(&name, Content::Memory(b"one")).is_break());
        assert!(seeking.seeks(&name) && seeking.left() == 2);
        let error = seeking.check().unwrap_err().to_string();
        assert!(error.contains("files"), "{error}");
    }
}
