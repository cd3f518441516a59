// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What objects of a vault are called. An id of one kind cannot be taken for one of another.

use std::fmt;
use std::str::FromStr;

/// The name of an object: a relative path with slashes, on any storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    pub(super) fn head() -> Self {
        Self("vault.json".into())
    }

    pub(super) fn restore_md() -> Self {
        Self("RESTORE.md".into())
    }

    /// A key from parts that this room made, or from a listing of the storage.
    pub(super) fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What an object of this name is.
    pub fn kind(&self) -> Kind {
        let name = self.file_name();
        let pack = |end: &str| name.strip_suffix(end)?.parse::<PackId>().ok();
        if let Some(id) = pack(".tar.zst").filter(|id| id.key() == *self) {
            return Kind::Pack(id);
        }
        if let Some(id) = pack(".idx").filter(|id| id.index_key() == *self) {
            return Kind::Index(id);
        }
        let chunk = name
            .strip_suffix(".zst")
            .and_then(|id| id.parse::<ChunkId>().ok());
        if let Some(id) = chunk.filter(|id| id.key() == *self) {
            return Kind::Chunk(id);
        }
        let known = matches!(self.as_str(), "vault.json" | "RESTORE.md")
            || self.0.starts_with("locks/")
            || self.0.starts_with("recipients/")
            || self.0.starts_with("snapshots/");
        if known { Kind::Other } else { Kind::Foreign }
    }
}

/// What an object is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A pack.
    Pack(PackId),
    /// The index of a pack.
    Index(PackId),
    /// A chunk of a stream.
    Chunk(ChunkId),
    /// Another object of a vault.
    Other,
    /// None of a vault's.
    Foreign,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct IdError;

macro_rules! sha256_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id from its 32 bytes.
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub fn bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 32];
                if text.bytes().any(|c| c.is_ascii_uppercase()) {
                    return Err(IdError);
                }
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError)?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

sha256_id! {
    /// A pack: the SHA-256 of its file.
    PackId
}
sha256_id! {
    /// A chunk of a stream: the SHA-256 of its content before compression.
    ChunkId
}

impl PackId {
    /// Where the pack lies.
    pub fn key(&self) -> Key {
        Key(format!("packs/{:02x}/{self}.tar.zst", self.0[0]))
    }

    /// Where its index lies.
    pub fn index_key(&self) -> Key {
        Key(format!("packs/{:02x}/{self}.idx", self.0[0]))
    }
}

impl ChunkId {
    /// Where the chunk lies.
    pub fn key(&self) -> Key {
        Key(format!("database/{:02x}/{self}.zst", self.0[0]))
    }
}

/// A snapshot: its time and a random part, as in `20261124T061500Z-3f9a1b2c`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(String);

impl SnapshotId {
    /// A new id for a snapshot of this time, in whole seconds. Ids are in the order in which
    /// their snapshots were made, so one that would not be later than the newest, as after a
    /// second backup within a second or a clock that was set back, gets the second after it.
    pub(super) fn after(newest: Option<&Self>, time: jiff::Timestamp) -> Self {
        let next = newest.and_then(|newest| {
            let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &newest.0[..16]).ok()?;
            let time = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?;
            time.checked_add(jiff::SignedDuration::from_secs(1)).ok()
        });
        let time = next.map_or(time, |next| next.max(time));
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self(format!(
            "{}-{}",
            time.strftime("%Y%m%dT%H%M%SZ"),
            &random[..8]
        ))
    }

    /// Another id of the same second: for the same snapshot with other packs. New snapshots never
    /// share a second, so ids that do are of one moment.
    pub(super) fn again(&self) -> Self {
        let random = uuid::Uuid::new_v4().simple().to_string();
        Self(format!("{}{}", &self.0[..17], &random[..8]))
    }

    /// Whether both are of one moment.
    pub fn same_moment(&self, other: &Self) -> bool {
        self.0[..17] == other.0[..17]
    }

    /// Where the snapshot lies.
    pub fn key(&self) -> Key {
        Key(format!("snapshots/{}.json", self.0))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The random part, which is what people type.
    pub fn short(&self) -> &str {
        &self.0[17..]
    }
}

impl FromStr for SnapshotId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        let good = bytes.len() == 25
            && bytes.iter().enumerate().all(|(at, c)| match at {
                8 => *c == b'T',
                15 => *c == b'Z',
                16 => *c == b'-',
                17.. => matches!(c, b'0'..=b'9' | b'a'..=b'f'),
                _ => c.is_ascii_digit(),
            });
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError)
        }
    }
}

impl TryFrom<String> for SnapshotId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<SnapshotId> for String {
    fn from(id: SnapshotId) -> Self {
        id.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshot_ids_are_their_time_and_a_random_part() {
        let time = jiff::Timestamp::from_second(1_795_500_000).unwrap();
        let id = SnapshotId::after(None, time);
        assert!(id.as_str().starts_with("20261124T"), "{id}");
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(id.short().len(), 8);
        assert_ne!(SnapshotId::after(None, time), id);
        assert!(SnapshotId::after(Some(&id), time) > id);
        let earlier = jiff::Timestamp::UNIX_EPOCH;
        assert!(SnapshotId::after(Some(&id), earlier) > id);
        for bad in [
            "",
            "latest",
            "../../etc/passwd",
            "20261124T061500Z-3F9A1B2C",
        ] {
            assert_eq!(bad.parse::<SnapshotId>(), Err(IdError), "{bad}");
        }
    }

    #[test]
    fn ids_of_packs_and_chunks_are_lower_case_hex() {
        let text = "ab".repeat(32);
        let id: PackId = text.parse().unwrap();
        assert_eq!(id.key().as_str(), format!("packs/ab/{text}.tar.zst"));
        assert_eq!(text.to_uppercase().parse::<PackId>(), Err(IdError));
        assert_eq!("ab".parse::<ChunkId>(), Err(IdError));
    }
}
