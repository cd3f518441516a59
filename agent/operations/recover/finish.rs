// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The end of a recovery: what did not come back is named with the uploads that need it and why;
//! what unpacking does not give though everything was tried is written down.

use super::Amount;
use super::report::{Lost, Report, Why};
use super::work::Recovery;
use crate::blob::PfileName;
use crate::fossology::catalogue::{self, Moment, Use};
use crate::fossology::own;
use crate::operations::Result;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};

/// How many blobs are looked at at once.
const SOME: usize = 4096;

/// How many blobs of an upload are named.
const NAMED: usize = 1000;

/// How many blobs are named in all.
const ALL_NAMED: usize = 10_000;

impl Recovery<'_> {
    /// Writes down what was sought in vain in the uploads that were tried to the end, for a run that goes
    /// on.
    pub fn leave(&mut self) -> Result<()> {
        let arriving = self.arriving()?;
        let in_vain: Vec<u32> = self.in_vain.iter().collect();
        for some in in_vain.chunks(SOME) {
            self.context.stop.check()?;
            let uses = catalogue::uses(&mut self.client, some)?;
            self.record(&uses, &arriving)?;
        }
        Ok(())
    }

    /// The uploads that are still being unpacked.
    fn arriving(&mut self) -> Result<BTreeSet<i32>> {
        let arriving = catalogue::in_flight(&mut self.client)?;
        Ok(arriving.into_iter().map(|row| row.upload).collect())
    }

    /// Tells what came of it.
    pub fn finish(mut self) -> Result<Report> {
        let lost = &self.all - self.back();
        let arriving = self.arriving()?;
        let looked_at = &lost | &self.in_vain;
        let mut rest = looked_at.iter().peekable();
        let (mut gone, mut named) = (Amount::default(), 0);
        let mut still_lost = RoaringBitmap::new();
        while rest.peek().is_some() {
            self.context.stop.check()?;
            let some: Vec<u32> = rest.by_ref().take(SOME).collect();
            let names = self.names(&some)?;
            let needed = catalogue::still_needed(&mut self.client, &some)?;
            let needed: BTreeSet<u32> = needed.into_iter().collect();
            let uses = catalogue::uses(&mut self.client, &some)?;
            let recorded = self.record(&uses, &arriving)?;
            for (pfile, name) in some
                .iter()
                .filter(|pfile| lost.contains(**pfile))
                .filter_map(|pfile| names.get_key_value(pfile))
            {
                if !needed.contains(pfile) {
                    gone.add(name.size());
                    continue;
                }
                still_lost.insert(*pfile);
                if self.known.contains(*pfile) || recorded.contains(pfile) {
                    self.report.not_reproducible.add(name.size());
                }
                // They come in the order of keys.
                let from = uses.partition_point(|one| one.pfile < *pfile);
                let to = uses.partition_point(|one| one.pfile <= *pfile);
                for one in &uses[from..to] {
                    named += usize::from(self.name_lost(one, *name, &arriving, named));
                }
            }
        }
        self.count_lost(&still_lost)?;
        self.find_paths()?;
        let report = &mut self.report;
        let (vault, web) = (report.from_vault, report.from_web);
        let back = [report.linked, report.unpacked, vault, web, gone];
        report.lost = back.into_iter().fold(report.missing, Amount::without);
        report.deleted = gone.blobs;
        report.proven = self.came.unpacked;
        report.uploads = self.affected.into_values().collect();
        for upload in &mut report.uploads {
            if let Some(outcome) = self.outcomes.remove(&upload.upload) {
                upload.problems = outcome.problems;
            }
            report.truncated |= (upload.blobs.len() as u64) < upload.lost.blobs;
        }
        Ok(self.report)
    }

    fn names(&mut self, pfiles: &[u32]) -> Result<HashMap<u32, PfileName>> {
        let mut moment = Moment::begin(&mut self.moments)?;
        let blobs = moment.blobs(pfiles)?;
        moment.end()?;
        Ok(blobs
            .into_iter()
            .filter_map(|blob| Some((blob.pfile, blob.name.ok()?)))
            .collect())
    }

    /// Writes down what was sought in every upload that needs it, in every way, and did not come;
    /// gives it back.
    fn record(&mut self, uses: &[Use], arriving: &BTreeSet<i32>) -> Result<Vec<u32>> {
        let tried = |one: &Use| {
            let outcome = self.outcomes.get(&one.upload);
            let whole = outcome.is_some_and(|outcome| outcome.obstacle.is_none());
            whole && !one.is_gold && !arriving.contains(&one.upload)
        };
        let in_vain: Vec<u32> = uses
            .chunk_by(|a, b| a.pfile == b.pfile)
            .filter(|uses| uses.iter().all(tried))
            .map(|uses| uses[0].pfile)
            .filter(|pfile| self.in_vain.contains(*pfile) && !self.came.unpacked.contains(*pfile))
            .collect();
        if !in_vain.is_empty() {
            let why = Why::NotReproducible.text();
            let recorded = own::enter_not_reproducible(&mut self.client, &in_vain, why)?;
            self.report.recorded += recorded;
        }
        Ok(in_vain)
    }

    /// Names a blob that did not come back for an upload, if there is room.
    fn name_lost(
        &mut self,
        one: &Use,
        name: PfileName,
        arriving: &BTreeSet<i32>,
        named: usize,
    ) -> bool {
        let outcome = self.outcomes.get(&one.upload);
        let lost_urls = &self.report.lost_urls;
        let why = if lost_urls.iter().any(|lost| lost.name == name) {
            Why::NotOnTheWeb
        } else if !self.options.from.gold() {
            Why::NotInVault
        } else if self.known.contains(one.pfile) {
            Why::KnownNotReproducible
        } else if arriving.contains(&one.upload) {
            Why::InFlight
        } else if one.is_gold {
            Why::GoldMissing
        } else {
            outcome
                .and_then(|outcome| outcome.obstacle)
                .unwrap_or(Why::NotReproducible)
        };
        let Some(upload) = self.affected.get_mut(&one.upload) else {
            return false;
        };
        let room = named < ALL_NAMED && upload.blobs.len() < NAMED;
        if room {
            upload.blobs.push(Lost {
                name,
                pfile: one.pfile,
                path: String::new(),
                why,
            });
        }
        room
    }

    fn count_lost(&mut self, lost: &RoaringBitmap) -> Result<()> {
        let affected = &mut self.affected;
        catalogue::shares(&mut self.client, lost.iter(), |share| {
            if let Some(upload) = affected.get_mut(&share.upload) {
                upload.lost.join(Amount {
                    blobs: share.blobs,
                    bytes: share.bytes,
                });
            }
        })?;
        Ok(())
    }

    fn find_paths(&mut self) -> Result<()> {
        for upload in self.affected.values_mut() {
            let keys: Vec<u32> = upload.blobs.iter().map(|lost| lost.pfile).collect();
            if keys.is_empty() {
                continue;
            }
            let paths = catalogue::paths(&mut self.client, upload.upload, &keys)?;
            let paths: HashMap<u32, String> = paths
                .into_iter()
                .map(|(key, path)| (key, path.lossy().into_owned()))
                .collect();
            for lost in &mut upload.blobs {
                lost.path = paths.get(&lost.pfile).cloned().unwrap_or_default();
            }
            upload.blobs.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(())
    }
}
