// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The keys of an open vault: which are at hand, and for whom it is encrypted from now on. A change of
//! recipients is one new object; killed before it is there, nothing has changed.

use super::{
    Error, Head, Identities, Key, ListKey, Location, PackInfo, Put, Recipients, Result, Storage,
    Vault, crypt, is_vault, open_storage, restore_md, to_json,
};
use std::path::PathBuf;
use std::sync::Arc;

/// More bytes than an object of recipients has.
const MOST: u64 = 1 << 20;

impl Vault {
    /// Whether its objects are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whether everything in it can be read: it is not encrypted, or a private key is at hand.
    pub fn is_readable(&self) -> bool {
        self.sealed.as_ref().is_none_or(|sealed| sealed.is_open())
    }

    /// What an object is called where the vault lies.
    pub fn stored_name(&self, name: &str) -> String {
        match self.sealed {
            Some(_) => crypt::stored(&Key::from_text(name)).to_string(),
            None => name.to_owned(),
        }
    }

    /// Refuses a vault whose packs and chunks cannot be read, before anything is begun.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn expect_readable(&self) -> Result<()> {
        if self.is_readable() {
            return Ok(());
        }
        Err(Error::NoKey {
            key: Key::from_text("packs and chunks"),
            location: self.location(),
        })
    }

    /// Refuses a vault whose snapshots and indexes cannot be read.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn expect_lists(&self) -> Result<()> {
        if self.is_readable()
            || self
                .sealed
                .as_ref()
                .is_some_and(|sealed| sealed.has_list_key())
        {
            return Ok(());
        }
        Err(Error::NoKey {
            key: Key::from_text("snapshots and indexes"),
            location: self.location(),
        })
    }

    /// Says where copies of an encrypted vault's indexes go: they are kept in a folder, or are in the
    /// scratch folder as long as the process lives.
    pub fn put_copies_in(&self, kept: Option<PathBuf>, scratch: PathBuf) {
        if let Some(sealed) = &self.sealed {
            let kept = kept.map(|folder| folder.join(self.id().to_string()));
            sealed.put_copies_in(kept, scratch);
        }
    }

    /// Makes a lost index again from its pack, for reading: in an encrypted vault, where a reader need not
    /// know for whom to write, only on this host and for this process.
    ///
    /// # Errors
    /// As [`super::rebuild_index`].
    pub fn index_again(&self, pack: &PackInfo) -> Result<()> {
        match &self.sealed {
            None => super::rebuild_index(&self.storage, pack).map(drop),
            Some(sealed) => {
                let made = super::rebuild::make_index(&self.storage, pack)?;
                sealed.keep_index(pack.id, &made.bytes)
            }
        }
    }

    /// Takes private keys of recipients.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when none of them opens anything here.
    pub fn unlock(&self, identities: Identities) -> Result<()> {
        match &self.sealed {
            Some(sealed) => sealed.unlock(identities),
            None => Ok(()),
        }
    }

    /// Takes the key that opens indexes and snapshots.
    pub fn add_list_key(&self, key: ListKey) {
        if let Some(sealed) = &self.sealed {
            sealed.add_list_key(key);
        }
    }

    /// The key of the lists that are written now, when it is at hand.
    pub fn list_key(&self) -> Option<ListKey> {
        self.sealed.as_ref().and_then(|sealed| sealed.list_key())
    }

    /// For whom is encrypted what is written now; nobody where nothing is encrypted.
    pub fn recipients(&self) -> Recipients {
        self.sealed
            .as_ref()
            .map_or_else(Recipients::default, |sealed| sealed.recipients())
    }

    /// The public key for which lists are encrypted besides.
    pub fn lists_recipient(&self) -> Option<String> {
        self.sealed.as_ref().and_then(|sealed| sealed.lists())
    }

    /// The changes of recipients, oldest first: number, time, and for whom from then on.
    pub fn recipients_history(&self) -> Vec<(u64, jiff::Timestamp, Recipients)> {
        self.sealed
            .as_ref()
            .map_or_else(Vec::new, |sealed| sealed.history())
    }

    /// Objects of recipients that are damaged, with what is wrong.
    pub fn damaged_recipients(&self) -> Vec<(Key, String)> {
        self.sealed
            .as_ref()
            .map_or_else(Vec::new, |sealed| sealed.damaged_generations())
    }

    /// Reads the changes of recipients anew.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn read_recipients_again(&self) -> Result<()> {
        match &self.sealed {
            None => Ok(()),
            Some(sealed) => sealed.look_again(),
        }
    }

    /// Refuses when it cannot be known for whom to encrypt.
    ///
    /// # Errors
    /// When the newest change of recipients is damaged.
    pub fn expect_recipients(&self) -> Result<()> {
        match &self.sealed {
            None => Ok(()),
            Some(sealed) => sealed.expect_recipients(),
        }
    }

    /// Encrypts what is written from now on for these. What is there stays as it is.
    ///
    /// # Errors
    /// When the vault is not encrypted, nobody would be left, or somebody else changes it too.
    pub fn change_recipients(&self, recipients: Recipients, list_key: ListKey) -> Result<()> {
        if recipients.is_empty() {
            return Err(Error::Recipient {
                why: "nobody would be left who can read the next backup".into(),
            });
        }
        self.expect_sealed()?.change(recipients, list_key)
    }

    /// Makes an empty place a copy's vault: of the same instance, and encrypted for the same.
    ///
    /// # Errors
    /// When something lies there.
    pub fn init_like(location: &Location, other: &Self) -> Result<Self> {
        let storage = open_storage(location, true)?;
        if !is_vault(&*storage, location)? {
            let head = Head::new(other.instance(), other.head.recipients.clone());
            storage.put(&Key::restore_md(), restore_md::TEXT.as_bytes())?;
            follow(&*storage, &*other.raw)?;
            storage.put(&Key::head(), &to_json(&head))?;
        }
        Self::open(location)
    }

    /// Takes over the changes of recipients of the vault that this one is a copy of, and the keys
    /// that it was given.
    ///
    /// # Errors
    /// When only one of them is encrypted, or this one has changes of its own.
    pub fn follow(&self, other: &Self) -> Result<()> {
        self.expect_like(other)?;
        let (Some(ours), Some(theirs)) = (&self.sealed, &other.sealed) else {
            return Ok(());
        };
        follow(&*self.raw, &*other.raw)?;
        ours.look_again()?;
        ours.share(theirs);
        Ok(())
    }

    /// Refuses a copy that is encrypted in another way.
    pub(super) fn expect_like(&self, other: &Self) -> Result<()> {
        let is = match (self.is_encrypted(), other.is_encrypted()) {
            (true, false) => "is encrypted, and the one that is to be copied there is not",
            (false, true) => "is not encrypted, and the one that is to be copied there is",
            _ => return Ok(()),
        };
        Err(Error::OtherEncryption {
            location: self.location(),
            is: is.into(),
            todo: "name an empty place, which becomes a vault like this one",
        })
    }

    /// Refuses a vault that is not encrypted.
    ///
    /// # Errors
    /// [`Error::OtherEncryption`].
    pub fn expect_encrypted(&self) -> Result<()> {
        self.expect_sealed().map(drop)
    }

    fn expect_sealed(&self) -> Result<&Arc<crypt::Sealed>> {
        self.sealed.as_ref().ok_or_else(|| Error::OtherEncryption {
            location: self.location(),
            is: "is not encrypted".into(),
            todo: "make an encrypted one at another place with 'fo_backup init --recipient'",
        })
    }

    /// Refuses a vault that is not encrypted for these, when there are some.
    pub(super) fn expect_encryption(&self, recipients: &Recipients) -> Result<()> {
        if recipients.is_empty() {
            return Ok(());
        }
        self.expect_encrypted()?;
        if self.recipients() == *recipients {
            return Ok(());
        }
        Err(Error::OtherEncryption {
            location: self.location(),
            is: format!("is encrypted for {}", self.recipients()),
            todo: "'fo_backup keys add' and 'keys remove' change that for what is written from then on",
        })
    }
}

/// Puts the changes of recipients that lack there. What is none, or is damaged, stays behind: where nothing
/// can be removed it would be in the way of the good one for ever.
fn follow(to: &dyn Storage, from: &dyn Storage) -> Result<()> {
    let known = crypt::Generations::read(from)?;
    for (key, why) in &known.bad {
        log::warn!("{key} is not copied: {why}");
    }
    for key in known.good.iter().map(crypt::Generation::key) {
        let text = from.whole(&key, MOST)?;
        // Looked at first: some servers write over what they are asked not to.
        let there = match to.whole(&key, MOST) {
            Err(Error::Missing { .. }) => match to.put(&key, &text)? {
                Put::Made => continue,
                Put::Existed => to.whole(&key, MOST)?,
            },
            there => there?,
        };
        if there != text {
            return Err(Error::OtherEncryption {
                location: to.location(),
                is: "is encrypted for others".into(),
                todo: "name an empty place, which becomes a vault like this one",
            });
        }
    }
    Ok(())
}
