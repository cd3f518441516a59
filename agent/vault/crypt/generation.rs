// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! For whom a vault is encrypted. Each change is a new object `recipients/<number>.json`; the newest
//! counts for what is written from then on, and what was written before stays as it is.

use super::{Error, Identities, ListKey, Result};
use crate::vault::{Key, Storage, now, to_json};
use age::x25519;
use std::collections::BTreeSet;
use std::fmt;

/// More bytes than such an object has.
const MOST: u64 = 1 << 20;

/// Public keys for which a vault is encrypted, in a fixed order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Recipients(BTreeSet<String>);

impl Recipients {
    /// Checks public keys.
    ///
    /// # Errors
    /// [`Error::Recipient`] for what is none.
    pub fn parse<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut checked = BTreeSet::new();
        for key in keys {
            let key = key.as_ref().trim();
            let why = match key.parse::<x25519::Recipient>() {
                Ok(key) => {
                    checked.insert(key.to_string());
                    continue;
                }
                // It is in the shell's history now, but must not get into a log as well.
                Err(_) if key.to_uppercase().starts_with("AGE-SECRET-KEY") => {
                    "a private key was given; it takes the public one, which begins with 'age1'. Make a new pair, since others may have read this one".into()
                }
                Err(_) if key.starts_with("ssh-") => {
                    "keys of ssh are not taken; 'age-keygen -o FILE' makes a pair of age's".into()
                }
                Err(error) => format!("'{key}' is no public key of age ({error})"),
            };
            return Err(Error::Recipient { why });
        }
        Ok(Self(checked))
    }

    /// Whether there are none: then nothing is encrypted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each as text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains(key)
    }

    /// These and others.
    pub fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    /// These without others.
    pub fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).cloned().collect())
    }

    fn keys(&self) -> Result<Vec<x25519::Recipient>> {
        let parse = |key: &String| {
            key.parse().map_err(|error| Error::Recipient {
                why: format!("'{key}' is no public key of age ({error})"),
            })
        };
        self.0.iter().map(parse).collect()
    }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{key}")?;
        }
        Ok(())
    }
}

/// The content of `recipients/<number>.json`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(in crate::vault) struct Generation {
    pub number: u64,
    pub made: jiff::Timestamp,
    pub recipients: Recipients,
    /// The public key for which indexes and snapshots are encrypted besides.
    pub lists: String,
    /// Its private half, encrypted for the recipients.
    pub list_key: String,
}

impl Generation {
    /// One that follows these.
    pub fn after(
        earlier: &Generations,
        recipients: Recipients,
        list_key: &ListKey,
    ) -> Result<Self> {
        let last = earlier.for_writing()?.map_or(0, |last| last.number);
        let keys = recipients.keys()?;
        let keys: Vec<&dyn age::Recipient> = keys.iter().map(|key| key as _).collect();
        let sealed = list_key
            .seal(&keys)
            .map_err(Error::io("encrypting", "the key of the lists"))?;
        Ok(Self {
            number: last + 1,
            made: now(),
            recipients,
            lists: list_key.public(),
            list_key: sealed,
        })
    }

    /// What it is called.
    pub fn key(&self) -> Key {
        key_of(self.number)
    }

    /// Puts it.
    pub fn put(&self, storage: &dyn Storage) -> Result<()> {
        match storage.put(&self.key(), &to_json(self))? {
            crate::vault::Put::Made => Ok(()),
            crate::vault::Put::Existed => Err(Error::Recipient {
                why: "somebody else has changed the recipients at the same time; look at them with 'fo_backup keys list' and try again".into(),
            }),
        }
    }

    /// For whom packs and chunks are encrypted, or also indexes and snapshots.
    pub fn keys(&self, lists: bool) -> Result<Vec<x25519::Recipient>> {
        let mut keys = self.recipients.keys()?;
        if lists {
            let key = self.lists.parse().map_err(|error| Error::Recipient {
                why: format!("'{}' is no public key of age ({error})", self.lists),
            })?;
            keys.push(key);
        }
        Ok(keys)
    }

    /// Whether the private key of its lists is an age file at all; whether it is the right one shows
    /// only to whom it opens.
    pub fn holds_list_key(&self) -> bool {
        ListKey::is_sealed(&self.list_key)
    }

    /// The key of its lists, when one of these opens it.
    pub fn open(&self, identities: &Identities) -> Option<ListKey> {
        ListKey::open(&self.list_key, identities)
    }
}

/// What lies in `recipients/`.
#[derive(Debug, Default)]
pub(in crate::vault) struct Generations {
    /// Those that can be used, oldest first.
    pub good: Vec<Generation>,
    /// The others, with what is wrong. They keep nothing from being read.
    pub bad: Vec<(Key, String)>,
    /// One that would count for what is written, if it could be used.
    unknown: Option<Key>,
}

impl Generations {
    /// All of a vault's. What cannot be used is named.
    pub fn read(storage: &dyn Storage) -> Result<Self> {
        let mut found = Self::default();
        let mut bad_numbers = Vec::new();
        for object in storage.list("recipients/")? {
            let Some(number) = number_of(&object.key) else {
                continue;
            };
            match read_one(storage, &object.key, number) {
                Ok(read) => found.good.push(read),
                Err(error) if error.is_damage() || matches!(error, Error::Io { .. }) => {
                    log::warn!("{error}");
                    bad_numbers.push((number, object.key.clone()));
                    let why = match error {
                        Error::Damaged { why, .. } => why,
                        other => other.to_string(),
                    };
                    found.bad.push((object.key, why));
                }
                Err(error) => return Err(error),
            }
        }
        found.good.sort_by_key(|generation| generation.number);
        let newest = found.newest().map(|newest| newest.number);
        let unknown = bad_numbers
            .into_iter()
            .find(|(number, _)| Some(*number) > newest);
        found.unknown = unknown.map(|(_, key)| key);
        Ok(found)
    }

    /// The one that counts.
    pub fn newest(&self) -> Option<&Generation> {
        self.good.last()
    }

    /// The one that counts for what is written: nothing is, while a newer one cannot be read.
    pub fn for_writing(&self) -> Result<Option<&Generation>> {
        match &self.unknown {
            None => Ok(self.newest()),
            Some(key) => Err(Error::Recipient {
                why: format!(
                    "{key} in the vault cannot be used, so nobody knows for whom to encrypt, and nothing is written; put back that of a copy of the vault, or move it out of the vault: then the one before counts, which is compared with what the instance knows"
                ),
            }),
        }
    }
}

fn key_of(number: u64) -> Key {
    Key::from_text(format!("recipients/{number}.json"))
}

/// Which change of recipients an object is called. What else lies there (`01.json`, notes) is none.
fn number_of(key: &Key) -> Option<u64> {
    let number = key.file_name().strip_suffix(".json")?.parse().ok()?;
    (*key == key_of(number)).then_some(number)
}

fn read_one(storage: &dyn Storage, key: &Key, number: u64) -> Result<Generation> {
    let text = storage.whole(key, MOST)?;
    let damaged = |why: String| Error::damaged(key, why);
    let read: Generation = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("no valid recipients ({error})")))?;
    if read.number != number || number == u64::MAX || read.recipients.is_empty() {
        return Err(damaged("its number or its recipients are wrong".into()));
    }
    read.keys(true)
        .map_err(|error| damaged(error.to_string()))?;
    Ok(read)
}
