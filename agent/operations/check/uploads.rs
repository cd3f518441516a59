// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The uploads that a check meets: those that losses hit, each asked for once, and those that are
//! still on their way.

use super::report::{Affected, Arriving, Kind};
use crate::blob::PfileName;
use crate::fossology::catalogue::{self, Use};
use crate::operations::Result;
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of an upload.
struct Known {
    filename: String,
    gold: Option<PfileName>,
    gold_is_whole: Option<bool>,
    counts: BTreeMap<Kind, u64>,
}

/// What is known of uploads.
pub struct Uploads {
    known: HashMap<i32, Known>,
    in_flight: BTreeMap<i32, String>,
}

impl Uploads {
    /// Asks which uploads are on their way.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn new(client: &mut Client) -> Result<Self> {
        let in_flight = catalogue::in_flight(client)?.into_iter();
        Ok(Self {
            known: HashMap::new(),
            in_flight: in_flight.map(|row| (row.upload, row.filename)).collect(),
        })
    }

    /// Whether an upload is on its way.
    pub fn is_in_flight(&self, upload: i32) -> bool {
        self.in_flight.contains_key(&upload)
    }

    /// Whether any upload is on its way.
    pub fn has_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Asks for those that are not known yet.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn learn(&mut self, client: &mut Client, uses: &[Use]) -> Result<()> {
        let unknown: BTreeSet<i32> = uses
            .iter()
            .map(|one| one.upload)
            .filter(|upload| !self.known.contains_key(upload))
            .collect();
        let unknown: Vec<i32> = unknown.into_iter().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for row in catalogue::uploads(client, &unknown)? {
            let known = Known {
                filename: row.filename,
                gold: row.gold,
                gold_is_whole: None,
                counts: BTreeMap::new(),
            };
            self.known.insert(row.upload, known);
        }
        Ok(())
    }

    /// Whether an upload's own file is there and is not the blob itself. `is_whole` is asked once
    /// for each upload.
    pub fn has_gold(
        &mut self,
        upload: i32,
        blob: &PfileName,
        is_whole: impl FnOnce(&PfileName) -> bool,
    ) -> bool {
        let Some(known) = self.known.get_mut(&upload) else {
            return false;
        };
        match known.gold.filter(|gold| gold != blob) {
            Some(gold) => *known.gold_is_whole.get_or_insert_with(|| is_whole(&gold)),
            None => false,
        }
    }

    /// Notes that a finding hits these uploads.
    pub fn count(&mut self, uploads: &[i32], kind: Kind) {
        for upload in uploads {
            if let Some(known) = self.known.get_mut(upload) {
                *known.counts.entry(kind).or_default() += 1;
            }
        }
    }

    /// The uploads that are hit, and those that are on their way.
    pub fn into_parts(self) -> (Vec<Affected>, Vec<Arriving>) {
        let hit = self
            .known
            .into_iter()
            .filter(|(_, known)| !known.counts.is_empty());
        let mut affected: Vec<Affected> = hit
            .map(|(upload, known)| Affected {
                upload,
                filename: known.filename,
                counts: known.counts,
            })
            .collect();
        affected.sort_by_key(|affected| affected.upload);
        let arriving = self.in_flight.into_iter();
        let arriving = arriving.map(|(upload, filename)| Arriving { upload, filename });
        (affected, arriving.collect())
    }
}
