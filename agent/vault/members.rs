// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which pfiles a snapshot holds, for each tree, as compressed bitmaps of their keys.

use crate::blob::{Tree, TreeSet};
use base64::prelude::{BASE64_STANDARD, Engine};
use roaring::RoaringBitmap;

/// The keys (`pfile_pk`) of the blobs in each tree.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Members {
    /// What lies in gold.
    #[serde(with = "bitmap")]
    pub gold: RoaringBitmap,
    /// What lies in files.
    #[serde(with = "bitmap")]
    pub files: RoaringBitmap,
}

impl Members {
    /// The bitmap of one tree.
    pub fn of(&self, tree: Tree) -> &RoaringBitmap {
        match tree {
            Tree::Gold => &self.gold,
            Tree::Files => &self.files,
        }
    }

    /// The bitmap of one tree, to change it.
    pub fn of_mut(&mut self, tree: Tree) -> &mut RoaringBitmap {
        match tree {
            Tree::Gold => &mut self.gold,
            Tree::Files => &mut self.files,
        }
    }

    /// The trees in which a pfile lies.
    pub fn trees(&self, pfile: u32) -> TreeSet {
        Tree::ALL
            .into_iter()
            .filter(|tree| self.of(*tree).contains(pfile))
            .fold(TreeSet::NONE, TreeSet::with)
    }

    /// Adds a pfile to some trees.
    pub fn insert(&mut self, pfile: u32, trees: TreeSet) {
        for tree in trees.iter() {
            self.of_mut(tree).insert(pfile);
        }
    }

    /// The pfiles in either tree.
    pub fn any(&self) -> RoaringBitmap {
        &self.gold | &self.files
    }

    /// What is here and not in the other, tree by tree.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self {
            gold: &self.gold - &other.gold,
            files: &self.files - &other.files,
        }
    }

    /// What is in both, tree by tree.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        Self {
            gold: &self.gold & &other.gold,
            files: &self.files & &other.files,
        }
    }

    /// Packs runs of keys together, which makes the bitmaps of a whole instance tiny.
    pub fn optimize(&mut self) {
        self.gold.optimize();
        self.files.optimize();
    }
}

/// For serde: a bitmap as base64 of Roaring's portable form.
pub mod bitmap {
    use super::{BASE64_STANDARD, Engine, RoaringBitmap};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        bitmap: &RoaringBitmap,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(bitmap.serialized_size());
        bitmap
            .serialize_into(&mut bytes)
            .map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    /// Reads it.
    ///
    /// # Errors
    /// When the text is no bitmap.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RoaringBitmap, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD
            .decode(text.as_bytes())
            .map_err(D::Error::custom)?;
        RoaringBitmap::deserialize_from(&bytes[..]).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_instance_takes_little_room() {
        let mut members = Members {
            gold: RoaringBitmap::new(),
            files: (1..1_000_000).collect(),
        };
        members.gold.insert(7);
        members.optimize();
        let text = serde_json::to_string(&members).unwrap();
        assert!(text.len() < 1000, "{} bytes", text.len());
        assert_eq!(serde_json::from_str::<Members>(&text).unwrap(), members);
        assert_eq!(members.trees(7), TreeSet::of(Tree::Gold).with(Tree::Files));
    }
}
