// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whole uploads, in batches that fit into memory. Several small uploads make one batch; one with
//! more missing blobs than fit is unpacked once for each part of them. Parts follow the keys, which
//! were given in the order of the first unpacking, so they are near to each other in the archive.

use super::gold::Origin;
use super::missing::{Choice, Look, Missing, as_if_gone};
use super::report::{UploadReport, Why};
use super::work::Recovery;
use super::{Amount, Wanted};
use crate::blob::PfileName;
use crate::fossology::catalogue::{self, Candidate, Moment};
use crate::fossology::own::{self, BlobState};
use crate::operations::{Error, Result};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// How many blobs are sought at once: about 80 MB.
const BATCH: u64 = 500_000;

/// Uploads that are unpacked together.
#[derive(Debug, Default)]
struct Batch {
    uploads: Vec<(Candidate, RoaringBitmap)>,
    keys: RoaringBitmap,
}

impl Batch {
    fn add(&mut self, upload: Candidate, keys: RoaringBitmap) {
        self.keys |= &keys;
        self.uploads.push((upload, keys));
    }

    /// Without these blobs, and without uploads of which nothing else is sought.
    fn without(mut self, keys: &RoaringBitmap) -> Self {
        self.keys -= keys;
        for (_, sought) in &mut self.uploads {
            *sought -= keys;
        }
        self.uploads.retain(|(_, sought)| !sought.is_empty());
        self
    }
}

/// Puts uploads together and apart, so that no batch has more than so many blobs.
struct Batches {
    most: u64,
    open: Batch,
}

impl Batches {
    /// Adds what is sought in one more upload; gives the batches that are full.
    fn add(&mut self, upload: Candidate, mut keys: RoaringBitmap) -> Vec<Batch> {
        let mut full = Vec::new();
        if !self.open.keys.is_empty() && self.open.keys.union_len(&keys) > self.most {
            full.push(std::mem::take(&mut self.open));
        }
        while keys.len() > self.most {
            let part: RoaringBitmap = keys.iter().take(self.most as usize).collect();
            keys -= &part;
            let mut alone = Batch::default();
            alone.add(upload.clone(), part);
            full.push(alone);
        }
        if !keys.is_empty() {
            self.open.add(upload, keys);
        }
        full
    }
}

impl Recovery<'_> {
    /// Recovers these uploads, or all.
    pub fn uploads(&mut self, wanted: Option<&[i32]>) -> Result<()> {
        let candidates = self.candidates(wanted)?;
        let missing = self.look(wanted, &mut |_, _| true)?;
        self.bring(candidates, &missing)
    }

    /// These uploads, or all, those that were deleted among them; a deleted one that is named is refused.
    pub(super) fn candidates(&mut self, wanted: Option<&[i32]>) -> Result<Vec<Candidate>> {
        let candidates = catalogue::candidates(&mut self.client, wanted)?;
        expect(&candidates, wanted.unwrap_or_default())?;
        Ok(candidates)
    }

    /// Brings back what is missing: first what needs no unpacking, then what comes out of these uploads.
    pub(super) fn bring(
        &mut self,
        mut candidates: Vec<Candidate>,
        missing: &Missing,
    ) -> Result<()> {
        candidates.retain(|candidate| !candidate.deleted);
        self.report.needed = missing.needed;
        self.report.missing = missing.amount;
        self.report.broken = missing.broken;
        self.all = missing.all();
        if let Some(importer) = self.importer.filter(|_| !missing.there.is_empty()) {
            // A recovery that was killed brought these back, and may not have come to sync them.
            importer.sync_all()?;
            own::clear_state(&mut self.client, BlobState::Pruned, &missing.there)?;
        }
        self.share_out(&candidates)?;
        self.link(missing)?;
        self.take_gold(missing)?;
        candidates.retain(|candidate| self.affected.contains_key(&candidate.row.upload));
        candidates.sort_by_key(|candidate| {
            let gold = candidate.row.gold;
            (gold.map(|gold| gold.size()), candidate.row.upload)
        });
        self.batches(candidates, missing)
    }

    /// Looks for what these uploads need, or for everything, as far as it is chosen.
    pub(super) fn look(
        &mut self,
        uploads: Option<&[i32]>,
        choice: &mut Choice<'_>,
    ) -> Result<Missing> {
        let mut pruned = RoaringBitmap::new();
        own::blobs_in_state(&mut self.client, BlobState::Pruned, |key| {
            pruned.extend(u32::try_from(key));
        })?;
        let mut moment = Moment::begin(&mut self.moments)?;
        let all = if uploads.is_none() {
            moment.totals()?.0
        } else {
            0
        };
        self.context
            .progress
            .begin("looking for what is missing", all, 0);
        let missing = match self.options.wanted {
            Wanted::AsIfGone => as_if_gone(&mut moment, uploads, choice)?,
            Wanted::Missing => Look {
                reader: self.reader,
                pruned: &pruned,
                threads: self.options.lookers,
                context: self.context,
            }
            .missing(&mut moment, uploads, choice)?,
        };
        moment.end()?;
        self.context.progress.end();
        Ok(missing)
    }

    /// Which uploads lack how much.
    pub(super) fn share_out(&mut self, candidates: &[Candidate]) -> Result<()> {
        let names: BTreeMap<i32, &str> = candidates
            .iter()
            .map(|candidate| (candidate.row.upload, candidate.row.filename.as_str()))
            .collect();
        let affected = &mut self.affected;
        catalogue::shares(&mut self.client, self.all.iter(), |share| {
            let Some(filename) = names.get(&share.upload) else {
                return;
            };
            let report = affected
                .entry(share.upload)
                .or_insert_with(|| UploadReport::new(share.upload, filename));
            report.missing.join(Amount {
                blobs: share.blobs,
                bytes: share.bytes,
            });
        })?;
        Ok(())
    }

    /// Gold that is gone comes back first: the rest may come out of it.
    fn take_gold(&mut self, missing: &Missing) -> Result<()> {
        let keys = missing.gold() - self.back();
        if self.vault.is_none() && self.lists.is_none() || keys.is_empty() {
            return Ok(());
        }
        let seeking = self.seek(&keys, missing)?;
        self.take_from_vault(&seeking)?;
        let from_vault = seeking.amount();
        self.report.from_vault.join(from_vault);
        let left = seeking.keys(true);
        self.came.from_vault |= &keys - &left;
        self.take_from_web(&seeking)?;
        let from_web = seeking.amount().without(from_vault);
        self.report.from_web.join(from_web);
        let came = &keys - seeking.keys(true);
        self.came.from_web |= &came & left;
        self.settle(&came, false)
    }

    fn batches(&mut self, uploads: Vec<Candidate>, missing: &Missing) -> Result<()> {
        let mut batches = Batches {
            most: BATCH,
            open: Batch::default(),
        };
        for upload in uploads {
            let mut keys = RoaringBitmap::new();
            let mut moment = Moment::begin(&mut self.moments)?;
            moment.keys_of(upload.row.upload, |key| {
                if self.all.contains(key) {
                    keys.insert(key);
                }
            })?;
            moment.end()?;
            keys -= self.back();
            for full in batches.add(upload, keys) {
                self.expect_way()?;
                self.work(full, missing)?;
            }
        }
        self.expect_way()?;
        self.work(batches.open, missing)
    }

    fn work(&mut self, batch: Batch, missing: &Missing) -> Result<()> {
        let batch = batch.without(&self.back());
        if batch.keys.is_empty() {
            return Ok(());
        }
        let mut seeking = self.seek(&batch.keys, missing)?;
        if self.options.from.gold() && seeking.left() > 0 {
            let origins = self.origins(&batch)?;
            let uploads: Vec<i32> = batch
                .uploads
                .iter()
                .map(|(upload, _)| upload.row.upload)
                .collect();
            let keys = seeking.keys(false);
            catalogue::containers(&mut self.client, &uploads, keys.iter(), |container| {
                seeking.open(container);
            })?;
            self.context.progress.begin("unpacking", seeking.left(), 0);
            let result = self.unpack(&seeking, &origins);
            self.context.progress.end();
            // Also when it was stopped: what came until then is there.
            let came = &batch.keys - seeking.keys(true);
            self.report.unpacked.join(seeking.amount());
            self.came.unpacked |= &came;
            let settled = self.settle(&came, true);
            result?;
            settled?;
            self.in_vain |= seeking.keys(false);
        }
        let before = (seeking.keys(true), seeking.amount());
        self.take_from_vault(&seeking)?;
        let came = before.0 - seeking.keys(true);
        self.report
            .from_vault
            .join(seeking.amount().without(before.1));
        self.came.from_vault |= &came;
        self.settle(&came, false)
    }

    /// The files to unpack; one that was uploaded several times is unpacked once.
    fn origins(&mut self, batch: &Batch) -> Result<Vec<Origin>> {
        let mut origins: Vec<Origin> = Vec::new();
        let mut at: BTreeMap<PfileName, usize> = BTreeMap::new();
        for (upload, keys) in &batch.uploads {
            let number = upload.row.upload;
            let Some(gold) = upload.row.gold else {
                self.hinder(&[number], Why::GoldMissing);
                continue;
            };
            let extent = catalogue::extent(&mut self.client, number)?;
            let origin = Origin::new(gold, number, keys.clone(), extent);
            match at.get(&gold) {
                Some(&known) => origins[known].join(origin),
                None => {
                    at.insert(gold, origins.len());
                    origins.push(origin);
                }
            }
        }
        Ok(origins)
    }
}

fn expect(candidates: &[Candidate], wanted: &[i32]) -> Result<()> {
    for upload in wanted {
        let found = candidates
            .iter()
            .find(|candidate| candidate.row.upload == *upload);
        match found {
            None => {
                return Err(Error::Usage(format!(
                    "there is no upload {upload}; FOSSology's pages show an upload's number in their address (upload=N)"
                )));
            }
            Some(candidate) if candidate.deleted => {
                return Err(Error::Usage(format!(
                    "upload {upload} ({}) was deleted in FOSSology; what is left of it are snapshots from before",
                    candidate.row.filename
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

impl UploadReport {
    /// One of which nothing is known yet.
    pub(super) fn new(upload: i32, filename: &str) -> Self {
        Self {
            upload,
            filename: filename.to_owned(),
            missing: Amount::default(),
            lost: Amount::default(),
            blobs: Vec::new(),
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::catalogue::UploadRow;

    /// Which keys of which uploads each batch has, after these uploads came.
    fn batches(uploads: &[&[u32]]) -> Vec<Vec<(i32, Vec<u32>)>> {
        let mut batches = Batches {
            most: 4,
            open: Batch::default(),
        };
        let mut all = Vec::new();
        for (number, keys) in (1..).zip(uploads) {
            let upload = Candidate {
                row: UploadRow {
                    upload: number,
                    filename: String::new(),
                    gold: None,
                },
                deleted: false,
            };
            all.extend(batches.add(upload, keys.iter().copied().collect()));
        }
        all.push(batches.open);
        let keys = |batch: Batch| {
            assert!(batch.keys.len() <= 4);
            let uploads = batch.uploads.into_iter();
            uploads
                .map(|(upload, keys)| (upload.row.upload, keys.iter().collect()))
                .collect()
        };
        all.into_iter().map(keys).collect()
    }

    #[test]
    fn small_uploads_go_together_and_a_large_one_in_parts() {
        assert_eq!(
            batches(&[&[1, 2], &[2, 3, 4], &[5]]),
            [
                vec![(1, vec![1, 2]), (2, vec![2, 3, 4])],
                vec![(3, vec![5])]
            ]
        );
        assert_eq!(
            batches(&[&[9], &[1, 2, 3, 4, 5, 6, 7, 8, 10], &[11]]),
            [
                vec![(1, vec![9])],
                vec![(2, vec![1, 2, 3, 4])],
                vec![(2, vec![5, 6, 7, 8])],
                vec![(2, vec![10]), (3, vec![11])]
            ]
        );
        assert_eq!(batches(&[&[]]), [vec![]]);
    }
}
