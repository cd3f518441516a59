// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The blobs that a damage hits, collected in batches: their names (as many as anybody reads),
//! whether another pack has them too, and the uploads that need them.

use super::report::{Damage, HitBlob, HitUpload, NAMED};
use crate::fossology::catalogue::uploads_that_need;
use crate::operations::Result;
use crate::vault::{IndexFile, IndexMerge, Record};
use postgres::Client;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// How many blobs are asked for at once.
const BATCH: usize = 8192;

/// The hits of one damage.
pub(super) struct Hits<'a> {
    good: &'a [IndexFile],
    database: Option<&'a mut Client>,
    /// How many blobs may still be named.
    room: usize,
    batch: Vec<Record>,
    count: u64,
    elsewhere: u64,
    blobs: Vec<HitBlob>,
    uploads: BTreeMap<i32, HitUpload>,
    keys: RoaringBitmap,
}

impl<'a> Hits<'a> {
    /// Begins; `good` are the indexes of packs that are whole, `so_far` the damage that was named
    /// before.
    pub fn new(good: &'a [IndexFile], database: Option<&'a mut Client>, so_far: &[Damage]) -> Self {
        let named: usize = so_far.iter().map(|damage| damage.blobs.len()).sum();
        Self {
            good,
            database,
            room: NAMED.saturating_sub(named),
            batch: Vec::new(),
            count: 0,
            elsewhere: 0,
            blobs: Vec::new(),
            uploads: BTreeMap::new(),
            keys: RoaringBitmap::new(),
        }
    }

    /// Adds a blob that is hit.
    pub fn add(&mut self, record: Record) -> Result<()> {
        self.batch.push(record);
        if self.batch.len() >= BATCH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        batch.sort_unstable_by_key(|record| record.name);
        if let Some(client) = self.database.as_deref_mut() {
            let names: Vec<_> = batch.iter().map(|record| record.name).collect();
            for need in uploads_that_need(client, &names)? {
                let upload = self.uploads.entry(need.upload).or_insert(HitUpload {
                    upload: need.upload,
                    filename: need.filename.lossy().into_owned(),
                    blobs: 0,
                });
                upload.blobs += need.blobs;
            }
        }
        let mut merge = IndexMerge::new(self.good)?;
        for record in batch {
            let elsewhere = merge
                .seek(&record.name)?
                .filter(|(_, _, found)| found.name == record.name)
                .map(|(number, _, _)| self.good[number].pack());
            self.keys.insert(record.pfile);
            self.count += 1;
            self.elsewhere += u64::from(elsewhere.is_some());
            if self.room > 0 {
                self.room -= 1;
                self.blobs.push(HitBlob {
                    name: Some(record.name),
                    pfile: record.pfile,
                    trees: record.trees.iter().collect(),
                    elsewhere,
                });
            }
        }
        Ok(())
    }

    /// Writes what was collected into the damage.
    pub fn finish(mut self, damage: &mut Damage) -> Result<()> {
        self.flush()?;
        damage.hit_keys = self.keys;
        damage.hit = self.count;
        damage.elsewhere = self.elsewhere;
        damage.blobs = self.blobs;
        damage.uploads = self.uploads.into_values().collect();
        Ok(())
    }
}
