// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes blobs as FOSSology wants them, by many threads at once. Content goes into
//! `<name>.<random>.I` beside its place and is renamed when it is whole, so a blob's name never
//! stands for half of it, not even after a power cut: many are synced together and get their names
//! then. A process that dies leaves at most such `.I` files, which `check` knows as debris. After
//! [`Importer::sync`] all is there and durable; what is not there after a power cut before it the
//! same import brings again.

use super::super::{Error, Result};
use super::Layout;
use super::access::{Access, Owner};
use super::partial::{Partial, PartialBlob};
use super::pending::Pending;
use super::trees::{BlobPath, Trees};
use crate::blob::{PfileName, Tree, TreeSet, digest_file};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes blobs into a repository.
#[derive(Debug)]
pub struct Importer {
    pub(super) trees: Trees,
    pub(super) access: Access,
    pub(super) pending: Pending,
    random: AtomicU64,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Imported {
    /// The blob was there already, and good, in all its trees; nothing was touched.
    Kept,
    /// It was missing in a tree.
    Written,
    /// Something else lay under its name: a damaged file or a symbolic link.
    Replaced,
}

/// What a look for a second copy of an uploaded file has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// There was a second copy, which is a link now, or would be.
    Replaced,
    /// There was none, or it can be no link.
    Alone,
    /// Gold is not what its name says: nothing is put in the place of its copy.
    Damaged,
}

/// How the import of a large blob begins.
pub enum Begun<'a> {
    /// It is done: the blob was there in a tree, and what was missing could be linked to it.
    Done(Imported),
    /// The content is needed.
    Write(PartialBlob<'a>),
}

/// What was found of a blob before anything is written.
struct Survey {
    /// A root in which it lies whole.
    good: Option<usize>,
    /// The roots in which it has to be put.
    gaps: Vec<usize>,
    imported: Imported,
}

impl Importer {
    /// An importer into this repository, whose folder must exist. With an owner (as root) all
    /// that is made belongs to it; without one it belongs to the user of this process, and to the
    /// group that the trees' folders hand down.
    ///
    /// # Errors
    /// When the repository's folder cannot be opened.
    pub fn new(layout: Layout, owner: Option<Owner>) -> Result<Self> {
        let trees = Trees::open(layout)?;
        Ok(Self {
            access: Access::new(owner),
            pending: Pending::default(),
            random: AtomicU64::new(RandomState::new().hash_one(std::process::id())),
            trees,
        })
    }

    /// Puts a blob into these trees. The content must have been checked against the name: an
    /// existing file that is equal to it is kept, one that is not is replaced.
    ///
    /// Where FOSSology finds the blob whole in a fall-back place it is kept there. What was not there
    /// may get its name later, in [`Importer::sync`] at the latest.
    ///
    /// # Errors
    /// With the path and what to do, also for one of those that came before; no partial file is left
    /// behind then.
    pub fn import(&self, trees: TreeSet, name: &PfileName, data: &[u8]) -> Result<Imported> {
        let whole = data.len() as u64 == name.size();
        match self.start(trees, name, |file| Ok(whole && has_content(file, data)?))? {
            Begun::Done(imported) => Ok(imported),
            Begun::Write(mut blob) => {
                let written = blob.write_all(data);
                written.map_err(|e| blob.error(e))?;
                blob.commit()
            }
        }
    }

    /// Begins to put a blob that is too large for memory into these trees; existing files are
    /// hashed to know whether they are good.
    ///
    /// # Errors
    /// With the path and what to do.
    pub fn begin(&self, trees: TreeSet, name: &PfileName) -> Result<Begun<'_>> {
        self.start(trees, name, |file| has_name(file, name))
    }

    /// Puts all that was imported in its place and makes it durable: two syncs for each file system.
    ///
    /// # Errors
    /// When a file system could not write what it had taken, or something imported could not be put
    /// in its place, now or before.
    pub fn sync(&self) -> Result<()> {
        self.place_all()?;
        self.trees.sync()
    }

    /// As [`Importer::sync`], and makes durable whatever else was put into the repository, by a run
    /// that died before it could.
    ///
    /// # Errors
    /// When a file system could not write what it had taken.
    pub fn sync_all(&self) -> Result<()> {
        for root in 0..self.trees.layout().roots().len() {
            // One that is not there has nothing to be synced.
            let _ = self.trees.watched(root);
        }
        self.sync()
    }

    fn start(
        &self,
        trees: TreeSet,
        name: &PfileName,
        good: impl Fn(&mut File) -> io::Result<bool>,
    ) -> Result<Begun<'_>> {
        let path = self.path(name);
        let survey = self.survey(trees, name, &path, good)?;
        match (survey.good, survey.gaps.split_first()) {
            (_, None) => Ok(Begun::Done(survey.imported)),
            (Some(good), Some(_)) => {
                self.fill(good, &survey.gaps, name, &path)?;
                Ok(Begun::Done(survey.imported))
            }
            (None, Some((first, others))) => {
                let partial = Partial::create(self, *first, name)?;
                let blob = PartialBlob::new(partial, others.to_vec(), survey.imported);
                Ok(Begun::Write(blob))
            }
        }
    }

    fn survey(
        &self,
        trees: TreeSet,
        name: &PfileName,
        path: &BlobPath,
        good: impl Fn(&mut File) -> io::Result<bool>,
    ) -> Result<Survey> {
        let mut survey = Survey {
            good: None,
            gaps: Vec::new(),
            imported: Imported::Kept,
        };
        for tree in trees.iter() {
            let mut places = self.trees.places(tree, name);
            // There always is a first place.
            let Some(first) = places.next() else { continue };
            let mut places = places.peekable();
            // In a folder that was just made nothing can lie, so nobody has to look there.
            if places.peek().is_none() && self.make_folders(first, path)? == Made::New {
                survey.gaps.push(first);
                survey.imported = survey.imported.max(Imported::Written);
                continue;
            }
            let look = |root| self.look(root, name, path, &good);
            let in_first = look(first)?;
            if in_first == State::Good {
                survey.good.get_or_insert(first);
                continue;
            }
            if in_first == State::Absent {
                // FOSSology reads a fall-back only when nothing lies in the first place.
                let mut found = None;
                for root in places {
                    if look(root)? == State::Good {
                        found = Some(root);
                        break;
                    }
                }
                if let Some(root) = found {
                    survey.good.get_or_insert(root);
                    continue;
                }
            }
            survey.gaps.push(first);
            survey.imported = survey.imported.max(match in_first {
                State::Absent => Imported::Written,
                _ => Imported::Replaced,
            });
        }
        Ok(survey)
    }

    /// What lies at a blob's path in a root.
    fn look(
        &self,
        root: usize,
        name: &PfileName,
        path: &BlobPath,
        good: &impl Fn(&mut File) -> io::Result<bool>,
    ) -> Result<State> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let look = || -> io::Result<State> {
            let folder = self.trees.descriptor(root)?;
            let mut file = File::from(openat(folder, path.as_path(), flags, Mode::empty())?);
            let metadata = file.metadata()?;
            let whole = metadata.is_file() && metadata.len() == name.size() && good(&mut file)?;
            Ok(if whole { State::Good } else { State::Bad })
        };
        look().or_else(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT) => Ok(State::Absent),
            // A symbolic link, a socket; a block that the disk cannot read any more.
            Some(Errno::ELOOP | Errno::ENXIO | Errno::EIO) => Ok(State::Bad),
            _ => Err(Error::io("reading", &self.trees.full_path(root, path))(
                error,
            )),
        })
    }

    /// Puts a blob that lies whole in one root into others: as a hard link where both are in one
    /// file system, else as a copy.
    pub(super) fn fill(
        &self,
        good: usize,
        gaps: &[usize],
        name: &PfileName,
        path: &BlobPath,
    ) -> Result<()> {
        for &gap in gaps {
            let linked = match self.link(good, gap, name, path) {
                Err(Errno::ENOENT) => {
                    self.make_folders(gap, path)?;
                    self.link(good, gap, name, path)
                }
                other => other,
            };
            match linked {
                Ok(()) => {}
                // Another file system, one without hard links, too many of them, a file that this
                // user may read but not link, or one that another import replaced just now.
                Err(
                    Errno::EXDEV | Errno::EOPNOTSUPP | Errno::EMLINK | Errno::EPERM | Errno::ENOENT,
                ) => self.copy(good, gap, name, path)?,
                Err(errno) => return Err(self.error(gap, path, errno.into())),
            }
        }
        Ok(())
    }

    fn link(&self, from: usize, to: usize, name: &PfileName, path: &BlobPath) -> Result<(), Errno> {
        let none = AtFlags::empty();
        let from = self.descriptor(from)?;
        let to = self.descriptor(to)?;
        match linkat(from, path.as_path(), to, path.as_path(), none) {
            Err(Errno::EEXIST) => {}
            other => return other,
        }
        let partial = self.partial_path(name, self.next_random());
        linkat(from, path.as_path(), to, partial.as_path(), none)?;
        let renamed = renameat(to, partial.as_path(), to, path.as_path());
        // Renaming does nothing when another import linked the same file there meanwhile.
        let _ = unlinkat(to, partial.as_path(), UnlinkatFlags::NoRemoveDir);
        renamed
    }

    fn copy(&self, from: usize, to: usize, name: &PfileName, path: &BlobPath) -> Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let source = self
            .descriptor(from)
            .and_then(|folder| openat(folder, path.as_path(), flags, Mode::empty()))
            .map_err(|e| Error::io("reading", &self.trees.full_path(from, path))(e.into()))?;
        let mut partial = Partial::create(self, to, name)?;
        let copied = partial.copy_from(&mut File::from(source));
        copied.map_err(|e| partial.error(e))?;
        partial.commit(Vec::new())
    }

    /// Puts a hard link to gold in the place of a second copy in `files`; with `look_only` nothing is
    /// changed. Where that cannot be a link, nothing is changed either.
    ///
    /// # Errors
    /// With the path, when it cannot be read or put there.
    pub fn link_to_gold(&self, name: &PfileName, look_only: bool) -> Result<Linked> {
        let path = self.path(name);
        let first = |tree| self.trees.places(tree, name).next();
        let (Some(gold), Some(files)) = (first(Tree::Gold), first(Tree::Files)) else {
            return Ok(Linked::Alone);
        };
        let look = |root| -> io::Result<_> {
            let folder = self.trees.descriptor(root)?;
            Ok(fstatat(
                folder,
                path.as_path(),
                AtFlags::AT_SYMLINK_NOFOLLOW,
            )?)
        };
        let (Ok(original), Ok(copy)) = (look(gold), look(files)) else {
            return Ok(Linked::Alone);
        };
        let is_file = |mode: u32| mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        if original.st_dev != copy.st_dev
            || original.st_ino == copy.st_ino
            || !is_file(original.st_mode)
            || !is_file(copy.st_mode)
        {
            return Ok(Linked::Alone);
        }
        if self.look(gold, name, &path, &|file: &mut File| has_name(file, name))? != State::Good {
            return Ok(Linked::Damaged);
        }
        if !look_only {
            match self.link(gold, files, name, &path) {
                Err(Errno::EXDEV | Errno::EOPNOTSUPP | Errno::EMLINK | Errno::EPERM) => {
                    return Ok(Linked::Alone);
                }
                linked => linked.map_err(|errno| self.error(files, &path, errno.into()))?,
            }
        }
        Ok(Linked::Replaced)
    }

    /// What makes the name of the next partial file its own.
    pub(super) fn next_random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::Relaxed)
    }

    /// A blob's path below its tree.
    pub(super) fn path(&self, name: &PfileName) -> BlobPath {
        BlobPath::new(name, self.trees.layout().depth())
    }

    /// The path of a partial file of it.
    pub(super) fn partial_path(&self, name: &PfileName, random: u64) -> BlobPath {
        BlobPath::partial(name, self.trees.layout().depth(), random)
    }

    pub(super) fn descriptor(&self, root: usize) -> Result<BorrowedFd<'_>, Errno> {
        let folder = self.trees.watched(root);
        folder.map_err(|e| Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)))
    }

    pub(super) fn error(&self, root: usize, path: &BlobPath, source: io::Error) -> Error {
        Error::write(self.trees.full_path(root, path), source)
    }

    /// Makes the folders that a blob lies in, and those of its tree where they are missing. Tells
    /// whether the one that holds the blob is new.
    pub(super) fn make_folders(&self, root: usize, path: &BlobPath) -> Result<Made> {
        if self.descriptor(root).err() == Some(Errno::ENOENT) {
            self.make_root(root)?;
        }
        let levels = usize::from(self.trees.layout().depth());
        self.descriptor(root)
            .and_then(|folder| self.make_levels(folder, path, levels))
            .map_err(|e| self.error(root, path, e.into()))
    }

    /// Deepest first: in a repository in use mostly the last one is missing.
    fn make_levels(
        &self,
        root: BorrowedFd<'_>,
        path: &BlobPath,
        levels: usize,
    ) -> Result<Made, Errno> {
        let Some(folder) = path.folder(levels) else {
            return Ok(Made::Before);
        };
        match self.make_folder(root, folder) {
            Err(Errno::ENOENT) => {
                self.make_levels(root, path, levels - 1)?;
                self.make_folder(root, folder)
            }
            other => other,
        }
    }

    fn make_folder(&self, at: BorrowedFd<'_>, folder: &Path) -> Result<Made, Errno> {
        match mkdirat(at, folder, Access::FOLDER) {
            Ok(()) => {
                self.access.give_folder(at, folder);
                Ok(Made::New)
            }
            Err(Errno::EEXIST) => Ok(Made::Before),
            Err(errno) => Err(errno),
        }
    }

    /// Makes `<host>/<tree>` where it is missing.
    fn make_root(&self, root: usize) -> Result<()> {
        let path = self.trees.path_in_repository(root);
        let mut folders: Vec<_> = path.ancestors().collect();
        folders.pop();
        for folder in folders.into_iter().rev() {
            self.make_folder(self.trees.folder(), folder)
                .map_err(|e| Error::write(self.trees.root(root).path.clone(), e.into()))?;
        }
        Ok(())
    }
}

/// Whether a folder is new.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Before,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Bad,
    Absent,
}

fn has_content(file: &mut File, mut data: &[u8]) -> io::Result<bool> {
    let mut buffer = [0; 32 * 1024];
    while !data.is_empty() {
        let part = data.len().min(buffer.len());
        match file.read(&mut buffer[..part]) {
            Ok(0) => return Ok(false),
            Ok(count) if buffer[..count] == data[..count] => data = &data[count..],
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn has_name(file: &mut File, name: &PfileName) -> io::Result<bool> {
    Ok(digest_file(file)? == *name)
}
