// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A place where objects are encrypted, over one where they are not. Keys and offsets are those of
//! the clear objects; sizes in listings are those of what is stored, which is what snapshots and
//! indexes say of packs.

use super::copies::{Copies, index_of};
use super::generation::{Generation, Generations};
use super::reader::{Part, failed};
use super::spool::SealedSpool;
use super::{ENDING, Identities, ListKey, Recipients, decrypt, encrypt, encryptor};
use crate::vault::local::Local;
use crate::vault::{Error, Key, Object, ObjectKind, PackId, Put, Requests, Result, Spool, Storage};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::time::Duration;

/// More bytes than any object has that is read as a whole.
const MOST: u64 = 1 << 30;

/// More bytes than the head of an encrypted object has.
const HEAD: u64 = 64 << 10;

/// How many packs, and how many chunks, are tried to see whether a private key is the right one.
const TRIED: usize = 16;

/// How many objects stay open to read more of them, at least; more than are read at once.
const OPEN: usize = 8;

/// The encrypted place.
pub(in crate::vault) struct Sealed {
    inner: Arc<dyn Storage>,
    generations: RwLock<Generations>,
    keys: RwLock<Keys>,
    copies: Copies,
    /// Objects that were opened, the one used last at the end.
    open: Mutex<Vec<(Key, Part)>>,
}

/// The private keys at hand.
#[derive(Default)]
struct Keys {
    all: Identities,
    lists: Vec<ListKey>,
}

/// Where an object lies.
pub(in crate::vault) fn stored(key: &Key) -> Key {
    if is_clear(key.as_str()) {
        key.clone()
    } else {
        Key::from_text(format!("{key}{ENDING}"))
    }
}

fn is_clear(name: &str) -> bool {
    matches!(name, "vault.json" | "RESTORE.md")
        || name.starts_with("locks/")
        || name.starts_with("recipients/")
}

/// Which object lies there. What is not encrypted and should be is none of a vault's.
fn clear(stored: Key) -> Key {
    let name = stored.as_str();
    match name.strip_suffix(ENDING) {
        _ if is_clear(name) => stored,
        Some(name) => Key::from_text(name),
        None => Key::from_text(format!("{name} (not encrypted)")),
    }
}

impl Sealed {
    pub fn new(inner: Arc<dyn Storage>, generations: Generations) -> Self {
        Self {
            inner,
            generations: RwLock::new(generations),
            keys: RwLock::default(),
            copies: Copies::new(),
            open: Mutex::default(),
        }
    }

    /// Where copies of indexes go; see [`Copies`].
    pub fn put_copies_in(&self, kept: Option<PathBuf>, scratch: PathBuf) {
        self.copies.put_in(kept, scratch);
    }

    /// The public keys for which is encrypted what is written now.
    pub fn recipients(&self) -> Recipients {
        read(&self.generations)
            .newest()
            .map_or_else(Recipients::default, |newest| newest.recipients.clone())
    }

    /// The public key for which lists are encrypted besides.
    pub fn lists(&self) -> Option<String> {
        read(&self.generations)
            .newest()
            .map(|newest| newest.lists.clone())
    }

    /// The changes of recipients: number, time, recipients.
    pub fn history(&self) -> Vec<(u64, jiff::Timestamp, Recipients)> {
        let generations = read(&self.generations);
        let one = |one: &Generation| (one.number, one.made, one.recipients.clone());
        generations.good.iter().map(one).collect()
    }

    /// Keeps an index that was made from its pack on this host, in place of the one that is stored.
    pub fn keep_index(&self, pack: PackId, index: &[u8]) -> Result<()> {
        self.copies.keep(pack, index)
    }

    /// Whether private keys of recipients are at hand.
    pub fn is_open(&self) -> bool {
        !read(&self.keys).all.is_empty()
    }

    /// Takes private keys of recipients, and the keys of lists that they open.
    pub fn unlock(&self, identities: Identities) -> Result<()> {
        let opened: Vec<ListKey> = read(&self.generations)
            .good
            .iter()
            .filter_map(|generation| generation.open(&identities))
            .collect();
        // Objects of recipients may be lost or damaged: what they are for says whether a key is right.
        if opened.is_empty() && !self.opens_something(&identities)? {
            return Err(Error::WrongKey {
                location: self.location(),
                recipients: self.recipients().to_string(),
            });
        }
        let mut keys = self.keys.write().unwrap_or_else(|error| error.into_inner());
        keys.all.extend(identities);
        keys.lists.extend(opened);
        Ok(())
    }

    /// Whether one of the newest packs or chunks is for these keys; what the key of lists opens, too, would
    /// let that pass for a private key.
    fn opens_something(&self, identities: &Identities) -> Result<bool> {
        for folder in ["packs/", "database/"] {
            let objects = self.inner.list(folder)?.into_iter().rev();
            let own = objects.filter(|object| index_of(&clear(object.key.clone())).is_none());
            for object in own.take(TRIED) {
                let inner = self.inner.clone();
                let opened = Part::open(inner, object.key, &mut identities.iter());
                if opened.is_ok() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What cannot be used of the changes of recipients, with what is wrong.
    pub fn damaged_generations(&self) -> Vec<(Key, String)> {
        let generations = read(&self.generations);
        let mut found = generations.bad.clone();
        let lost = generations.good.iter().filter(|one| !one.holds_list_key());
        found.extend(lost.map(|one| {
            let why = "its key of the lists is no age file";
            (one.key(), why.into())
        }));
        found
    }

    /// Refuses to write while it is not known for whom.
    pub fn expect_recipients(&self) -> Result<()> {
        read(&self.generations).for_writing().map(drop)
    }

    /// Takes a key that opens lists.
    pub fn add_list_key(&self, key: ListKey) {
        let mut keys = self.keys.write().unwrap_or_else(|error| error.into_inner());
        keys.lists.push(key);
    }

    /// The key of the lists that are written now, when it is at hand.
    pub fn list_key(&self) -> Option<ListKey> {
        let wanted = read(&self.generations).newest()?.lists.clone();
        let keys = read(&self.keys);
        keys.lists
            .iter()
            .find(|key| key.public() == wanted)
            .cloned()
    }

    /// Whether any key of lists is at hand.
    pub fn has_list_key(&self) -> bool {
        !read(&self.keys).lists.is_empty()
    }

    /// Encrypts what is written from now on for these, and lists for this key besides.
    pub fn change(&self, recipients: Recipients, list_key: ListKey) -> Result<()> {
        let mut generations = self
            .generations
            .write()
            .unwrap_or_else(|error| error.into_inner());
        let next = Generation::after(&generations, recipients, &list_key)?;
        next.put(&*self.inner)?;
        generations.good.push(next);
        drop(generations);
        self.add_list_key(list_key);
        Ok(())
    }

    /// Reads the changes of recipients anew.
    pub fn look_again(&self) -> Result<()> {
        let found = Generations::read(&*self.inner)?;
        let mut generations = self
            .generations
            .write()
            .unwrap_or_else(|error| error.into_inner());
        *generations = found;
        Ok(())
    }

    /// Takes all keys that another one has.
    pub fn share(&self, other: &Self) {
        let theirs = read(&other.keys);
        let mut keys = self.keys.write().unwrap_or_else(|error| error.into_inner());
        keys.all.extend(theirs.all.clone());
        keys.lists.extend(theirs.lists.iter().cloned());
    }

    fn is_list(key: &Key) -> bool {
        index_of(key).is_some() || key.as_str().starts_with("snapshots/")
    }

    /// Does something with the private keys that may open an object.
    fn with_keys<T>(
        &self,
        key: &Key,
        open: impl FnOnce(&mut dyn Iterator<Item = &dyn age::Identity>) -> Result<T, age::DecryptError>,
    ) -> Result<T> {
        let keys = read(&self.keys);
        let lists = Self::is_list(key);
        if keys.all.is_empty() && (!lists || keys.lists.is_empty()) {
            return Err(Error::NoKey {
                key: key.clone(),
                location: self.location(),
            });
        }
        let of_lists = keys.lists.iter().filter(|_| lists);
        let mut all = of_lists.map(ListKey::identity).chain(keys.all.iter());
        open(&mut all).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => Error::NotOpened { key: key.clone() },
            age::DecryptError::Io(error) => failed(key, error),
            other => Error::damaged(key, format!("it does not decrypt ({other})")),
        })
    }

    /// All of an object that has at most so many bytes.
    fn decrypted(&self, key: &Key, most: u64) -> Result<Vec<u8>> {
        // A tag for each piece of 64 KiB, and the head.
        let most = most.saturating_add(most / 4096).saturating_add(HEAD);
        let sealed = self
            .inner
            .whole(&stored(key), most)
            .map_err(|error| named(key, error))?;
        let mut clear = self.with_keys(key, |keys| decrypt(keys, &sealed))?;
        Ok(std::mem::take(&mut *clear))
    }

    /// Does something with an object of which parts are read; it stays open for the next part.
    fn with_part<T>(
        &self,
        key: &Key,
        work: impl FnOnce(&mut Part) -> std::io::Result<T>,
    ) -> Result<T> {
        let found = {
            let mut open = self.opened();
            let at = open.iter().rposition(|(open, _)| open == key);
            at.map(|at| open.remove(at).1)
        };
        let mut part = match found {
            Some(part) => part,
            None => {
                let inner = self.inner.clone();
                self.with_keys(key, |keys| Part::open(inner, stored(key), keys))?
            }
        };
        // A reader that failed may stand anywhere, and is not used again.
        let done = work(&mut part).map_err(|error| failed(key, error))?;
        let mut open = self.opened();
        if open.len() >= OPEN.max(self.inner.side_by_side() + 2) {
            open.remove(0);
        }
        open.push((key.clone(), part));
        Ok(done)
    }

    fn opened(&self) -> MutexGuard<'_, Vec<(Key, Part)>> {
        self.open.lock().unwrap_or_else(|error| error.into_inner())
    }

    fn encrypt_for(&self, key: &Key) -> Result<Vec<age::x25519::Recipient>> {
        let generations = read(&self.generations);
        let newest = generations.for_writing()?.ok_or_else(|| Error::Recipient {
            why: format!("the vault at {} has lost its recipients", self.location()),
        })?;
        newest.keys(Self::is_list(key))
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(|error| error.into_inner())
}

fn dynamic(keys: &[age::x25519::Recipient]) -> Vec<&dyn age::Recipient> {
    keys.iter().map(|key| key as _).collect()
}

/// The same error under the object's clear name.
fn named(key: &Key, error: Error) -> Error {
    match error {
        Error::Missing { location, .. } => Error::Missing {
            key: key.clone(),
            location,
        },
        Error::Damaged { why, .. } => Error::damaged(key, why),
        other => other,
    }
}

impl Storage for Sealed {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn patience(&self) -> Duration {
        self.inner.patience()
    }

    fn side_by_side(&self) -> usize {
        self.inner.side_by_side()
    }

    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        let place = stored(key);
        if place == *key {
            return self.inner.put(key, data);
        }
        // Encrypting costs more than asking, unless every question takes its time: there what is there
        // already is refused when it is put.
        if self.inner.requests().is_none() && self.inner.size(&place)?.is_some() {
            return Ok(Put::Existed);
        }
        let keys = self.encrypt_for(key)?;
        let sealed = encrypt(&dynamic(&keys), data).map_err(Error::io("encrypting", key))?;
        self.inner.put(&place, &sealed)
    }

    fn spool(&self) -> Result<Box<dyn Spool>> {
        // Only packs are spooled, which are no lists.
        let keys = self.encrypt_for(&Key::head())?;
        let made = encryptor(&dynamic(&keys)).map_err(Error::io("encrypting", "a pack"))?;
        let spool = SealedSpool::new(self.inner.spool()?, made, self.copies.scratch());
        Ok(Box::new(spool.map_err(Error::io("writing", "a pack"))?))
    }

    fn size(&self, key: &Key) -> Result<Option<u64>> {
        self.inner.size(&stored(key))
    }

    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        if is_clear(key.as_str()) {
            return self.inner.read(key, offset, len);
        }
        if let Some(pack) = index_of(key) {
            let make = || self.decrypted(key, MOST);
            let read = |local: &Local| local.read(key, offset, len);
            return self.copies.with(pack, make, read);
        }
        self.with_part(key, |part| part.read(offset, len))
    }

    fn begin(&self, key: &Key, most: u64) -> Result<(Vec<u8>, u64)> {
        if is_clear(key.as_str()) {
            return self.inner.begin(key, most);
        }
        if let Some(pack) = index_of(key) {
            // Asked where a copy may be of what is gone; else whoever makes one sees that.
            let may_be_old = self.copies.may_have(pack) && !self.copies.is_own(pack);
            if may_be_old && self.inner.size(&stored(key))?.is_none() {
                return Err(Error::Missing {
                    key: key.clone(),
                    location: self.location(),
                });
            }
            let make = || self.decrypted(key, MOST);
            return self.copies.with(pack, make, |local| local.begin(key, most));
        }
        if matches!(key.kind(), ObjectKind::Pack(_)) {
            return self.with_part(key, |part| {
                let size = part.len()?;
                Ok((part.read(0, most.min(size))?, size))
            });
        }
        let mut content = self.decrypted(key, MOST)?;
        let size = content.len() as u64;
        content.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok((content, size))
    }

    fn whole(&self, key: &Key, most: u64) -> Result<Vec<u8>> {
        let bounded = !is_clear(key.as_str())
            && index_of(key).is_none()
            && !matches!(key.kind(), ObjectKind::Pack(_));
        let (content, size) = if bounded {
            let content = self.decrypted(key, most)?;
            let size = content.len() as u64;
            (content, size)
        } else {
            self.begin(key, most)?
        };
        if size > most || content.len() as u64 != size {
            return Err(Error::damaged(
                key,
                format!("it has {size} bytes, and may have {most} at most"),
            ));
        }
        Ok(content)
    }

    fn read_stored(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        let read = self.inner.read(&stored(key), offset, len);
        read.map_err(|error| named(key, error))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        let mut objects = self.inner.list(prefix)?;
        for object in &mut objects {
            object.key = clear(object.key.clone());
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        if let Some(pack) = index_of(key) {
            self.copies.forget(pack)?;
        }
        self.opened().retain(|(open, _)| open != key);
        self.inner.delete(&stored(key))
    }

    fn settle(&self, folder: &str) -> Result<()> {
        self.inner.settle(folder)
    }

    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        self.inner.put_at(&stored(key))
    }

    fn unfinished(&self) -> Result<u64> {
        self.inner.unfinished()
    }

    fn folder(&self) -> Option<&Path> {
        self.inner.folder()
    }

    fn requests(&self) -> Option<Requests> {
        self.inner.requests()
    }

    fn tidy(&self, alone: bool) -> Result<()> {
        if self.copies.are_kept() {
            let objects = self.list("packs/")?;
            let packs: HashSet<PackId> = objects.iter().filter_map(|o| index_of(&o.key)).collect();
            if let Err(error) = self.copies.keep_only(|pack| packs.contains(&pack)) {
                log::warn!("old copies of indexes stay: {error}");
            }
        }
        self.inner.tidy(alone)
    }
}
