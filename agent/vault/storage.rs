// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The few things that a vault asks of the place where it lies. An object is put whole or not
//! at all, is durable when the put returns, and never changes: that is all the format needs, so
//! that an object store or an append-only server can hold a vault as well as a directory.

use super::{Key, Requests, Result};
use std::io;
use std::path::Path;
use std::time::Duration;
use tempfile::SpooledTempFile;

/// A place that holds objects.
pub trait Storage: Send + Sync {
    /// Where it is, for messages; without secrets.
    fn location(&self) -> String;

    /// The directory, when it is one of this host's.
    fn folder(&self) -> Option<&Path> {
        None
    }

    /// What was asked of the server so far, when it is one that is asked over the network: there
    /// every question takes its time.
    fn requests(&self) -> Option<Requests> {
        None
    }

    /// How many objects, or parts of them, are best asked for at once: one of a disk, which is read from
    /// front to back, several where each has to cross a network.
    fn side_by_side(&self) -> usize {
        1
    }

    /// How long putting or removing a small object may take, with all attempts, until it is done or
    /// given up. Nothing where no network is between.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// Puts a small object, whole and durable when this returns; one that exists stays as it is.
    fn put(&self, key: &Key, data: &[u8]) -> Result<Put>;

    /// Begins a large object whose name is known only at its end.
    fn spool(&self) -> Result<Box<dyn Spool>>;

    /// The size of an object in bytes, or `None` when there is none.
    fn size(&self, key: &Key) -> Result<Option<u64>>;

    /// Exactly `len` bytes from `offset` on.
    ///
    /// # Errors
    /// [`super::Error::Missing`] when there is no such object, [`super::Error::Damaged`] when it
    /// ends before.
    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>>;

    /// The beginning of an object, at most so many bytes of it, and the size of all of it in bytes:
    /// one question in place of two.
    ///
    /// # Errors
    /// [`super::Error::Missing`] when there is no such object.
    fn begin(&self, key: &Key, most: u64) -> Result<(Vec<u8>, u64)> {
        let size = self.size(key)?.ok_or_else(|| super::Error::Missing {
            key: key.clone(),
            location: self.location(),
        })?;
        Ok((self.read(key, 0, size.min(most))?, size))
    }

    /// All of an object that is not larger than so many bytes.
    ///
    /// # Errors
    /// [`super::Error::Missing`] when there is no such object, [`super::Error::Damaged`] when it is
    /// larger.
    fn whole(&self, key: &Key, most: u64) -> Result<Vec<u8>> {
        let (data, size) = self.begin(key, most)?;
        if size > most || data.len() as u64 != size {
            return Err(super::Error::damaged(
                key,
                format!("it has {size} bytes, and may have {most} at most"),
            ));
        }
        Ok(data)
    }

    /// Exactly `len` bytes of what is stored, from `offset` on: what an object's size in a listing and
    /// a pack's id are about. The same as [`Storage::read`] where objects are not encrypted.
    ///
    /// # Errors
    /// As [`Storage::read`].
    fn read_stored(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.read(key, offset, len)
    }

    /// The objects whose keys begin with a prefix, in the order of their keys.
    fn list(&self, prefix: &str) -> Result<Vec<Object>>;

    /// Removes an object; one that is not there is no error. Durable after [`Storage::settle`].
    ///
    /// # Errors
    /// [`super::Error::NoRemoval`] when the storage lets nobody remove it, or not us.
    fn delete(&self, key: &Key) -> Result<()>;

    /// Makes removals below a folder durable: after this a crash brings none of them back.
    /// Nothing to do where a removal is durable at once.
    ///
    /// # Errors
    /// When the storage does not answer.
    fn settle(&self, folder: &str) -> Result<()> {
        let _ = folder;
        Ok(())
    }

    /// When an object was put, by the storage's own clock; `None` when it is not there. Only good
    /// to be compared with that of another object.
    ///
    /// # Errors
    /// When the storage does not answer.
    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>>;

    /// How many objects are unfinished: being written now, or left by killed runs.
    ///
    /// # Errors
    /// When the storage does not answer.
    fn unfinished(&self) -> Result<u64> {
        Ok(0)
    }

    /// Removes what killed runs left unfinished. Called by a run that holds a lease; `alone` when
    /// nobody else may be writing now, so that all that is unfinished was left.
    fn tidy(&self, alone: bool) -> Result<()>;
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    Made,
    /// An object of this name was there; it was left alone.
    Existed,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
}

/// A large object that is being written and has no name yet. Dropped, it leaves nothing.
pub trait Spool: io::Write + Send {
    /// Forgets what was written after the first `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Where content waits that may have to be taken back, when this spool cannot be cut.
    fn waiting_room(&self) -> io::Result<Option<SpooledTempFile>> {
        Ok(None)
    }

    /// Whether [`Spool::end`] gives a digest and a size of its own, so that whoever writes need not
    /// compute that of what is written.
    fn has_own_digest(&self) -> bool {
        false
    }

    /// Ends the content. Gives back the digest and the size of what is stored when that is not what
    /// was written: whenever [`Spool::has_own_digest`], and never else.
    fn end(&mut self) -> io::Result<Option<([u8; 32], u64)>> {
        Ok(None)
    }

    /// Gives the object its name, which has to be the digest of its content; durable when this
    /// returns. An object of that name and another size is damaged and replaced.
    fn publish(self: Box<Self>, key: &Key) -> Result<Put>;
}
