// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold for an export that snapshots left to the web. It is downloaded once, into the scratch folder,
//! and compared with its name before it counts.

use crate::blob::PfileName;
use crate::fossology::config::Proxies;
use crate::operations::by_url::{self, GoldSettings, LostUrl};
use crate::operations::{Context, Error, Result};
use crate::vault::{ByUrl, Vault};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

/// The web, as far as it has something for an export.
pub(super) struct Web<'a> {
    settings: &'a GoldSettings,
    proxies: &'a Proxies,
    /// What snapshots leave to it.
    left: BTreeMap<PfileName, Vec<ByUrl>>,
    /// What was downloaded into the scratch folder.
    downloaded: HashSet<PfileName>,
    /// What it did not give, and why.
    refused: HashMap<PfileName, String>,
}

impl<'a> Web<'a> {
    /// One of which nothing is known.
    pub fn new(settings: &'a GoldSettings, proxies: &'a Proxies) -> Self {
        Self {
            settings,
            proxies,
            left: BTreeMap::new(),
            downloaded: HashSet::new(),
            refused: HashMap::new(),
        }
    }

    /// Reads what a vault's snapshots leave to it.
    pub fn learn(&mut self, vault: &Vault) -> Result<()> {
        self.left = by_url::all_left_to_the_web(vault)?;
        Ok(())
    }

    /// Whether a blob is left to it.
    pub fn has(&self, name: &PfileName) -> bool {
        self.left.contains_key(name)
    }

    /// A blob, which lies at a path of the scratch folder then; or why there is none.
    pub fn get(
        &mut self,
        name: &PfileName,
        path: &Path,
        context: Context<'_>,
    ) -> Result<std::result::Result<File, String>> {
        if let Some(why) = self.refused.get(name) {
            return Ok(Err(why.clone()));
        }
        if !self.downloaded.contains(name) {
            let urls = self.left.get(name).map_or(&[][..], Vec::as_slice);
            let mut file = File::create(path).map_err(Error::io("making", path))?;
            let (settings, proxies) = (self.settings, self.proxies);
            if let Err(lost) = by_url::download(urls, settings, proxies, context, &mut file)? {
                let why = |lost: &LostUrl| format!("{} does not give it: {}", lost.url, lost.why);
                let all: Vec<String> = lost.iter().map(why).collect();
                let why = self.refused.entry(*name).or_insert(all.join("; "));
                return Ok(Err(why.clone()));
            }
            self.downloaded.insert(*name);
        }
        let file = File::open(path).map_err(Error::io("reading", path))?;
        Ok(Ok(file))
    }
}
