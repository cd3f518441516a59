// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A blob that is being written. Dropped before it is committed, for whatever reason, it takes
//! its partial file with it; only a process that dies leaves one behind.

use super::super::{Error, Result};
use super::access::Access;
use super::importer::{Imported, Importer};
use super::pending::Written;
use super::trees::BlobPath;
use crate::blob::PfileName;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::unistd::{UnlinkatFlags, close, unlinkat};
use std::fs::File;
use std::io::{self, Write};

/// A large blob on its way into the repository: write its content, then commit.
pub struct PartialBlob<'a> {
    partial: Partial<'a>,
    others: Vec<usize>,
    imported: Imported,
}

impl<'a> PartialBlob<'a> {
    pub(super) fn new(partial: Partial<'a>, others: Vec<usize>, imported: Imported) -> Self {
        Self {
            partial,
            others,
            imported,
        }
    }

    /// The blob is whole and gets its place in every tree, in [`Importer::sync`] at the latest. The
    /// content must have been checked against the name; only its size is looked at here.
    ///
    /// # Errors
    /// With the path and what to do; the partial file is gone then.
    pub fn commit(self) -> Result<Imported> {
        self.partial.commit(self.others)?;
        Ok(self.imported)
    }

    /// Says where and what to do about a failed write of this blob.
    pub fn error(&self, source: io::Error) -> Error {
        self.partial.error(source)
    }
}

impl Write for PartialBlob<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.partial.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A partial file in one root.
pub struct Partial<'a> {
    importer: &'a Importer,
    root: usize,
    name: PfileName,
    random: u64,
    /// `None` once it is whole.
    file: Option<File>,
    written: u64,
}

impl<'a> Partial<'a> {
    /// Makes the file, and the folders that it needs.
    pub fn create(importer: &'a Importer, root: usize, name: &PfileName) -> Result<Self> {
        let random = importer.next_random();
        let path = importer.partial_path(name, random);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let create = || {
            let folder = importer.descriptor(root)?;
            openat(folder, path.as_path(), flags, Access::FILE)
        };
        let created = match create() {
            Err(Errno::ENOENT) => {
                importer.make_folders(root, &path)?;
                create()
            }
            other => other,
        };
        let file = File::from(created.map_err(|e| importer.error(root, &path, e.into()))?);
        importer.access.give_file(&file);
        Ok(Self {
            importer,
            root,
            name: *name,
            random,
            file: Some(file),
            written: 0,
        })
    }

    /// Takes all of another file; inside the system where it can do that.
    pub fn copy_from(&mut self, source: &mut File) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            self.written += io::copy(source, file)?;
        }
        Ok(())
    }

    /// The file is whole: it gets its final name, and then those in other roots.
    pub fn commit(mut self, others: Vec<usize>) -> Result<()> {
        if self.written != self.name.size() {
            let text = format!("{} bytes came for it", self.written);
            return Err(self.error(io::Error::other(text)));
        }
        // Network file systems tell only here that there was no room.
        if let Some(Err(errno)) = self.file.take().map(close) {
            self.remove();
            return Err(self.error(errno.into()));
        }
        self.importer.put(Written {
            root: self.root,
            name: self.name,
            random: self.random,
            others,
        })
    }

    pub fn error(&self, source: io::Error) -> Error {
        self.importer.error(self.root, &self.path(), source)
    }

    fn path(&self) -> BlobPath {
        self.importer.partial_path(&self.name, self.random)
    }

    fn remove(&self) {
        if let Ok(folder) = self.importer.descriptor(self.root) {
            // What cannot be removed is debris, as after a crash: the failure itself is reported.
            let _ = unlinkat(folder, self.path().as_path(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

impl Write for Partial<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = match &mut self.file {
            Some(file) => file.write(data)?,
            None => 0,
        };
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.remove();
        }
    }
}
