// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Single blobs that somebody waits for: each with the least work that may give it.

use super::Amount;
use super::gold::Origin;
use super::missing::Missing;
use super::report::{BlobReport, Came, UploadReport};
use super::seeking::Seeking;
use super::work::Recovery;
use crate::blob::{PfileName, Tree, TreeSet};
use crate::fossology::catalogue;
use crate::operations::{Error, Result};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;

/// How many containers beside gold are tried, the nearest first.
const NEAR: usize = 8;

impl Recovery<'_> {
    /// Recovers these blobs, one after the other.
    pub fn blobs(&mut self, names: &[PfileName]) -> Result<()> {
        let mut wanted = Vec::with_capacity(names.len());
        for name in names {
            let mut rows = catalogue::needed_now(&mut self.client, &[*name])?;
            rows.retain(|(found, _, _)| found == name);
            if rows.is_empty() {
                return Err(Error::Usage(format!(
                    "no upload needs {name}; its name is that of the file in the repository, sha1.md5.size"
                )));
            }
            wanted.push((*name, rows));
        }
        for (name, rows) in wanted {
            self.context.stop.check()?;
            let report = self.blob(name, &rows)?;
            self.report.blobs.push(report);
        }
        Ok(())
    }

    fn blob(&mut self, name: PfileName, rows: &[(PfileName, u32, TreeSet)]) -> Result<BlobReport> {
        self.report.needed.add(name.size());
        let needed = rows
            .iter()
            .fold(TreeSet::NONE, |all, (_, _, trees)| all.union(*trees));
        let mut absent = TreeSet::NONE;
        for tree in needed.iter() {
            if !self.is_good(tree, &name)? {
                absent = absent.with(tree);
            }
        }
        let keys: RoaringBitmap = rows.iter().map(|(_, pfile, _)| *pfile).collect();
        if absent.is_empty() {
            self.settle(&keys, false)?;
            return Ok(BlobReport::new(name, Came::WasThere));
        }
        let missing = Missing::one(&name, keys.iter().collect(), absent);
        self.report.missing.add(name.size());
        self.all |= &keys;
        let uploads = self.affect(&keys, name.size())?;

        self.link(&missing)?;
        if keys.is_subset(&self.came.linked) {
            return Ok(BlobReport::new(name, Came::OtherTree));
        }
        let mut seeking = self.seek(&keys, &missing)?;
        if self.options.from.gold() && seeking.left() > 0 {
            let near = self.near(&keys, &uploads, &mut seeking)?;
            let golds = self.golds(&keys, &uploads)?;
            self.context.progress.begin("unpacking", 1, 0);
            let mut container = None;
            let mut result = Ok(());
            for origin in near.iter().chain(&golds) {
                result = self.walk(&seeking, std::slice::from_ref(origin));
                container = Some(origin.blob);
                if result.is_err() || seeking.left() == 0 {
                    break;
                }
            }
            if result.is_ok() && seeking.left() > 0 {
                container = None;
                result = self.unpack_everything(&seeking, &golds);
            }
            self.context.progress.end();
            if seeking.left() == 0 {
                self.report.unpacked.join(seeking.amount());
                self.came.unpacked |= &keys;
                self.settle(&keys, true)?;
                return Ok(BlobReport {
                    container,
                    ..BlobReport::new(name, Came::Unpacked)
                });
            }
            result?;
            self.in_vain |= &keys;
        }
        self.take_from_vault(&seeking)?;
        if seeking.keys(true).is_empty() {
            self.report.from_vault.join(seeking.amount());
            self.came.from_vault |= &keys;
            self.settle(&keys, false)?;
            return Ok(BlobReport::new(name, Came::Vault));
        }
        self.take_from_web(&seeking)?;
        if seeking.keys(true).is_empty() {
            self.report.from_web.join(seeking.amount());
            self.came.from_web |= &keys;
            self.settle(&keys, false)?;
            return Ok(BlobReport::new(name, Came::Web));
        }
        Ok(BlobReport::new(name, Came::No))
    }

    /// Notes which uploads need it.
    fn affect(&mut self, keys: &RoaringBitmap, size: u64) -> Result<Vec<i32>> {
        let keys: Vec<u32> = keys.iter().collect();
        let uses = catalogue::uses(&mut self.client, &keys)?;
        let uploads: BTreeSet<i32> = uses.iter().map(|one| one.upload).collect();
        let uploads: Vec<i32> = uploads.into_iter().collect();
        for row in catalogue::uploads(&mut self.client, &uploads)? {
            let report = self
                .affected
                .entry(row.upload)
                .or_insert_with(|| UploadReport::new(row.upload, &row.filename));
            report.missing.join(Amount {
                blobs: 1,
                bytes: size,
            });
        }
        Ok(uploads)
    }

    /// The containers in which it lies and that are there, the nearest first; gold comes later.
    /// All of them may be opened.
    fn near(
        &mut self,
        keys: &RoaringBitmap,
        uploads: &[i32],
        seeking: &mut Seeking<'_>,
    ) -> Result<Vec<Origin>> {
        let golds: BTreeSet<PfileName> = catalogue::uploads(&mut self.client, uploads)?
            .into_iter()
            .filter_map(|row| row.gold)
            .collect();
        let mut near: Vec<Origin> = Vec::new();
        for key in keys {
            for (container, upload) in catalogue::nearest_containers(&mut self.client, key)? {
                seeking.open(container);
                let is_known = golds.contains(&container)
                    || near.iter().any(|origin| origin.blob == container);
                let mut trees = Tree::ALL.into_iter();
                if near.len() < NEAR
                    && !is_known
                    && trees.any(|tree| self.reader.open(tree, &container).is_ok())
                {
                    let extent = catalogue::extent(&mut self.client, upload)?;
                    let mut origin = Origin::new(container, upload, keys.clone(), extent);
                    // What is in its way says nothing about the upload.
                    origin.uploads.clear();
                    near.push(origin);
                }
            }
        }
        Ok(near)
    }

    /// The uploads' own files, the smallest first.
    fn golds(&mut self, keys: &RoaringBitmap, uploads: &[i32]) -> Result<Vec<Origin>> {
        let mut golds: Vec<Origin> = Vec::new();
        for row in catalogue::uploads(&mut self.client, uploads)? {
            let Some(gold) = row.gold else { continue };
            let extent = catalogue::extent(&mut self.client, row.upload)?;
            let origin = Origin::new(gold, row.upload, keys.clone(), extent);
            match golds.iter_mut().find(|known| known.blob == gold) {
                Some(known) => known.join(origin),
                None => golds.push(origin),
            }
        }
        golds.sort_by_key(|origin| origin.blob.size());
        Ok(golds)
    }
}

impl BlobReport {
    fn new(name: PfileName, came: Came) -> Self {
        Self {
            name,
            came,
            container: None,
        }
    }
}
