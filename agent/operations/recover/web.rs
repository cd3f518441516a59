// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that snapshots left to the web: what neither the repository nor the vault has is downloaded
//! from where the vault's snapshots say, and compared with its name before it counts.

use super::Sources;
use super::seeking::Seeking;
use super::work::Recovery;
use crate::blob::{PfileName, Tree};
use crate::operations::by_url::{self, Fetched, Fetcher};
use crate::operations::{Error, Result};
use crate::vault::ByUrl;

impl Recovery<'_> {
    /// Brings from the web what is left to it, of what is still sought. Where gold may do, a vault that fails
    /// stops nothing.
    pub fn take_from_web(&mut self, seeking: &Seeking<'_>) -> Result<()> {
        match self.left_to_the_web(seeking) {
            Err(Error::Vault(error)) if self.options.from == Sources::Any => {
                log::warn!("nothing comes from the web, since the vault does not tell: {error}");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(blobs) if blobs.is_empty() => Ok(()),
            Ok(blobs) => self.download(&blobs, seeking),
        }
    }

    /// What of it the snapshots leave to the web.
    fn left_to_the_web(&mut self, seeking: &Seeking<'_>) -> Result<Vec<ByUrl>> {
        let rest = seeking.rest();
        let Some(lists) = self.lists.filter(|_| !rest.is_empty()) else {
            return Ok(Vec::new());
        };
        lists.expect_lists()?;
        let known = match self.web.take() {
            Some(known) => known,
            None => by_url::all_left_to_the_web(lists)?,
        };
        let mut blobs = Vec::new();
        for (name, trees) in rest {
            let urls = known.get(&name).into_iter().flatten();
            blobs.extend(urls.map(|blob| ByUrl {
                files: trees.contains(Tree::Files),
                ..blob.clone()
            }));
        }
        self.web = Some(known);
        Ok(blobs)
    }

    fn download(&mut self, blobs: &[ByUrl], seeking: &Seeking<'_>) -> Result<()> {
        let gold = &self.options.gold;
        let came = |name: &PfileName| seeking.found(name);
        let fetcher = Fetcher::new(gold, self.instance, self.importer, self.context);
        let mut fetched = Fetched::default();
        fetcher
            .telling(&came)
            .fetch(blobs, gold.attempts(), &mut fetched)?;
        // A file that one URL gives is not lost by another.
        let rest = seeking.rest();
        let is_lost = |name: &PfileName| rest.binary_search_by_key(name, |(lost, _)| *lost).is_ok();
        fetched.lost.retain(|lost| is_lost(&lost.name));
        self.report.lost_urls.extend(fetched.lost);
        Ok(())
    }
}
