// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads blobs, fast and by many threads at once: open, one read, close. Whether the content
//! matches the name is for the caller to check; here only what no hash is needed for: that it is
//! there, that it is a plain file, that it has the size its name says. Nothing is written, not
//! even the time of the last access where the system lets us.

use super::super::Result;
use super::trees::{BlobPath, Trees};
use super::{Layout, Root};
use crate::blob::{HostName, PfileName, Tree};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads blobs from a repository.
#[derive(Debug)]
pub struct Reader {
    trees: Trees,
    quiet: AtomicBool,
}

/// Where a blob was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The host; `None` below the repository's path itself.
    pub host: Option<&'a HostName>,
    /// Whether it lies where FOSSology would write it now, not in a fall-back.
    pub in_first_place: bool,
}

/// Why a blob could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file in any of its places.
    #[error("{} is missing", path.display())]
    Missing {
        /// Where FOSSology would write it.
        path: PathBuf,
    },
    /// The file has another size than its name says.
    #[error("{} has {found} bytes", path.display())]
    SizeDiffers {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        found: u64,
    },
    /// A symbolic link, a folder, a pipe or the like lies there.
    #[error("{} is no plain file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The system refused or failed.
    #[error("reading {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Above this the file's own size is looked at before so much memory is asked for.
const TRUSTED_SIZE: u64 = 1 << 20;

impl Reader {
    /// A reader of this repository.
    ///
    /// # Errors
    /// When the repository's folder cannot be opened.
    pub fn new(layout: Layout) -> Result<Self> {
        Ok(Self {
            trees: Trees::open(layout)?,
            quiet: AtomicBool::new(true),
        })
    }

    /// The layout it reads by.
    pub fn layout(&self) -> &Layout {
        self.trees.layout()
    }

    /// Appends a whole blob to `buf`, from the first of its places that has it, as FOSSology does.
    /// After an error `buf` is as it was.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read<'a>(
        &'a self,
        tree: Tree,
        name: &PfileName,
        buf: &mut Vec<u8>,
    ) -> Result<Found<'a>, ReadError> {
        let path = BlobPath::new(name, self.layout().depth());
        let (file, number, found) = self.find(tree, name, &path)?;
        let start = buf.len();
        let read = read_whole(&file, name.size(), buf);
        if read.is_err() {
            buf.truncate(start);
        }
        read.map_err(|why| why.at(self.trees.full_path(number, &path)))?;
        Ok(found)
    }

    /// Opens a blob that is too large for memory; gives its size in bytes, which is that of its
    /// name.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(&self, tree: Tree, name: &PfileName) -> Result<(File, u64), ReadError> {
        let path = BlobPath::new(name, self.layout().depth());
        let (file, number, _) = self.find(tree, name, &path)?;
        check_size(&file, name.size())
            .map_err(|why| why.at(self.trees.full_path(number, &path)))?;
        Ok((file, name.size()))
    }

    /// Whether FOSSology finds a plain file of the name's size; nothing is opened.
    ///
    /// # Errors
    /// When nobody can tell: a folder on the way is closed to this user.
    pub fn has(&self, tree: Tree, name: &PfileName) -> Result<bool, ReadError> {
        let path = BlobPath::new(name, self.layout().depth());
        for number in self.trees.places(tree, name) {
            let stat = self
                .trees
                .descriptor(number)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
                .and_then(|root| fstatat(root, path.as_path(), AtFlags::AT_SYMLINK_NOFOLLOW));
            return match stat {
                Ok(stat) => Ok(stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits()
                    && u64::try_from(stat.st_size) == Ok(name.size())),
                Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
                // A block that the disk cannot read any more.
                Err(Errno::EIO) => Ok(false),
                Err(errno) => Err(Why::Io(errno.into()).at(self.trees.full_path(number, &path))),
            };
        }
        Ok(false)
    }

    /// On which host something lies under this name, in the first of its places that has it;
    /// nothing is opened. A place that cannot be looked at counts as one that has it: whoever reads
    /// there learns what is wrong.
    pub fn lies_on(&self, tree: Tree, name: &PfileName) -> Option<&Root> {
        let path = BlobPath::new(name, self.layout().depth());
        let number = self.trees.places(tree, name).find(|number| {
            let stat = self
                .trees
                .descriptor(*number)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
                .and_then(|root| fstatat(root, path.as_path(), AtFlags::AT_SYMLINK_NOFOLLOW));
            !matches!(stat, Err(Errno::ENOENT | Errno::ENOTDIR))
        });
        number.map(|number| self.trees.root(number))
    }

    fn find(
        &self,
        tree: Tree,
        name: &PfileName,
        path: &BlobPath,
    ) -> Result<(File, usize, Found<'_>), ReadError> {
        let mut first = None;
        for number in self.trees.places(tree, name) {
            let in_first_place = first.is_none();
            first.get_or_insert(number);
            match self.open_in(number, path) {
                Ok(file) => {
                    let host = self.trees.root(number).host.as_ref();
                    let found = Found {
                        host,
                        in_first_place,
                    };
                    return Ok((file, number, found));
                }
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => {
                    let why = match errno {
                        // A symbolic link, a socket.
                        Errno::ELOOP | Errno::ENXIO => Why::NotAFile,
                        errno => Why::Io(errno.into()),
                    };
                    return Err(why.at(self.trees.full_path(number, path)));
                }
            }
        }
        // There always is a first place.
        let path = self.trees.full_path(first.unwrap_or_default(), path);
        Err(ReadError::Missing { path })
    }

    fn open_in(&self, number: usize, path: &BlobPath) -> Result<File, Errno> {
        let folder = match self.trees.descriptor(number) {
            Ok(folder) => folder,
            Err(error) => return Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))),
        };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        if self.quiet.load(Ordering::Relaxed) {
            match openat(
                folder,
                path.as_path(),
                flags | OFlag::O_NOATIME,
                Mode::empty(),
            ) {
                // Only a file's owner may leave the time of access alone; others don't ask again.
                Err(Errno::EPERM) => self.quiet.store(false, Ordering::Relaxed),
                other => return other.map(File::from),
            }
        }
        openat(folder, path.as_path(), flags, Mode::empty()).map(File::from)
    }
}

/// A [`ReadError`] that has no path yet: the path is only put together when it is needed.
pub(super) enum Why {
    SizeDiffers(u64),
    NotAFile,
    Io(io::Error),
}

impl Why {
    fn at(self, path: PathBuf) -> ReadError {
        match self {
            Self::SizeDiffers(found) => ReadError::SizeDiffers { path, found },
            Self::NotAFile => ReadError::NotAFile { path },
            Self::Io(source) => ReadError::Io { path, source },
        }
    }
}

/// Reads a file that should have `size` bytes. One byte more is asked for: if it comes the file
/// is longer, if not this was the whole of it, so the usual case needs no look at its size.
pub(super) fn read_whole(file: &File, size: u64, buf: &mut Vec<u8>) -> Result<(), Why> {
    // An empty read says nothing of what it is that was read.
    if size == 0 || size > TRUSTED_SIZE {
        check_size(file, size)?;
    }
    let expected = usize::try_from(size).map_err(|e| Why::Io(io::Error::other(e)))?;
    let start = buf.len();
    buf.resize(start + expected + 1, 0);
    let mut filled = 0;
    let failed = loop {
        match file.read_at(&mut buf[start + filled..], filled as u64) {
            Ok(0) => break None,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Some(error),
        }
        if filled >= expected {
            break None;
        }
    };
    if failed.is_none() && filled == expected {
        buf.truncate(start + expected);
        return Ok(());
    }
    check_size(file, size)?;
    Err(match failed {
        Some(error) => Why::Io(error),
        // It changed while it was read.
        None => Why::SizeDiffers(filled as u64),
    })
}

fn check_size(file: &File, expected: u64) -> Result<(), Why> {
    let metadata = file.metadata().map_err(Why::Io)?;
    if !metadata.is_file() {
        return Err(Why::NotAFile);
    }
    match metadata.len() {
        found if found == expected => Ok(()),
        found => Err(Why::SizeDiffers(found)),
    }
}
