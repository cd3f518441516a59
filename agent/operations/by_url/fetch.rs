// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that comes back from the web, into a repository or a file. Each blob is compared with its name
//! before it counts.

use super::web::{Lost, Web};
use super::{ByUrl, GoldSettings};
use crate::blob::PfileName;
use crate::fossology::config::Proxies;
use crate::fossology::repository::{Begun, Imported, Importer, Layout};
use crate::operations::{Context, Error, Instance, Result};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

/// What came of bringing gold back from the web.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fetched {
    /// Blobs that were missing, or replaced.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there and good.
    pub kept: u64,
    /// Blobs that packs of other snapshots have, so that nobody had to be asked.
    pub from_vault: u64,
    /// What the web does not give any more.
    pub lost: Vec<LostUrl>,
}

/// A file that the web does not give any more.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LostUrl {
    /// The snapshot's uploads that came from there.
    pub uploads: Vec<i32>,
    /// The blob.
    pub name: PfileName,
    /// Where it was.
    pub url: String,
    /// What was seen.
    pub why: String,
}

impl LostUrl {
    pub(super) fn new(blob: &ByUrl, why: String) -> Self {
        Self {
            uploads: blob.uploads.clone(),
            name: blob.name,
            url: blob.url.clone(),
            why,
        }
    }
}

/// Brings blobs back from the web into a repository; a good one that is there is left alone. What could
/// not be asked for now counts as lost, and comes back for [`once_more`].
pub(in crate::operations) fn bring_back(
    blobs: &[ByUrl],
    settings: &GoldSettings,
    instance: &Instance,
    layout: &Layout,
    context: Context<'_>,
) -> Result<(Fetched, Vec<ByUrl>)> {
    let mut fetched = Fetched::default();
    if blobs.is_empty() {
        return Ok((fetched, Vec::new()));
    }
    let importer = Importer::new(layout.clone(), instance.owner()?)?;
    let fetcher = Fetcher::new(settings, instance, Some(&importer), context);
    let later = fetcher.fetch(blobs, settings.attempts, &mut fetched)?;
    importer.sync()?;
    Ok((fetched, later))
}

/// Tries each of these a last time, when all else is done.
pub(in crate::operations) fn once_more(
    blobs: &[ByUrl],
    settings: &GoldSettings,
    instance: &Instance,
    layout: &Layout,
    context: Context<'_>,
    fetched: &mut Fetched,
) -> Result<()> {
    if blobs.is_empty() {
        return Ok(());
    }
    let late = |lost: &LostUrl| {
        let is_it = |blob: &ByUrl| blob.name == lost.name && blob.url == lost.url;
        blobs.iter().any(is_it)
    };
    let mut again = fetched.clone();
    again.lost.retain(|lost| !late(lost));
    let importer = Importer::new(layout.clone(), instance.owner()?)?;
    Fetcher::new(settings, instance, Some(&importer), context).fetch(blobs, 1, &mut again)?;
    importer.sync()?;
    *fetched = again;
    Ok(())
}

/// Brings blobs from the web.
pub(in crate::operations) struct Fetcher<'a> {
    settings: &'a GoldSettings,
    instance: &'a Instance,
    importer: Option<&'a Importer>,
    context: Context<'a>,
    came: &'a dyn Fn(&PfileName),
}

impl<'a> Fetcher<'a> {
    /// One that puts them into a repository; without an importer they are only compared.
    pub fn new(
        settings: &'a GoldSettings,
        instance: &'a Instance,
        importer: Option<&'a Importer>,
        context: Context<'a>,
    ) -> Self {
        Self {
            settings,
            instance,
            importer,
            context,
            came: &|_| {},
        }
    }

    /// Tells of each blob that is there and good.
    pub fn telling(self, came: &'a dyn Fn(&PfileName)) -> Self {
        Self { came, ..self }
    }

    /// Brings these, each in so many attempts, and gives back those that may be there in a while. What is
    /// written is durable after a sync of the importer's.
    pub fn fetch(
        &self,
        blobs: &[ByUrl],
        attempts: u32,
        fetched: &mut Fetched,
    ) -> Result<Vec<ByUrl>> {
        let proxies = &self.instance.config.proxies;
        let web = Web::new(self.settings, proxies, self.context, &|| false)?;
        let bytes = blobs.iter().map(|blob| blob.name.size()).sum();
        let progress = self.context.progress;
        progress.begin("gold from the web", blobs.len() as u64, bytes);
        let mut later = Vec::new();
        for blob in blobs {
            self.context.stop.check()?;
            match self.one(&web, blob, attempts)? {
                Ok(imported) => {
                    count(fetched, imported, blob.name.size());
                    (self.came)(&blob.name);
                }
                Err(lost) => {
                    if let Lost::ForNow(_) = lost {
                        later.push(blob.clone());
                    }
                    fetched.lost.push(LostUrl::new(blob, lost.why()));
                }
            }
            progress.advance(1, 0);
        }
        progress.end();
        Ok(later)
    }

    fn one(
        &self,
        web: &Web<'_>,
        blob: &ByUrl,
        attempts: u32,
    ) -> Result<std::result::Result<Imported, Lost>> {
        let begun = match self.importer {
            Some(importer) => Some(importer.begin(blob.trees(), &blob.name)?),
            None => None,
        };
        let away = || Ok(Err(Lost::ForNow("its host does not answer".into())));
        let mut file = match begun {
            Some(Begun::Done(imported)) => return Ok(Ok(imported)),
            _ if web.is_away(&blob.url) => return away(),
            Some(Begun::Write(file)) => file,
            None => {
                let came = web.download(&blob.url, &blob.name, attempts, &mut |_| Ok(()))?;
                return Ok(came.map(|_| Imported::Written));
            }
        };
        let mut write =
            |piece: &[u8]| Ok(file.write_all(piece).map_err(|error| file.error(error))?);
        match web.download(&blob.url, &blob.name, attempts, &mut write)? {
            Ok(_) => Ok(Ok(file.commit()?)),
            Err(lost) => Ok(Err(lost)),
        }
    }
}

fn count(fetched: &mut Fetched, imported: Imported, size: u64) {
    if imported == Imported::Kept {
        fetched.kept += 1;
    } else {
        fetched.written += 1;
        fetched.bytes += size;
    }
}

/// Downloads a blob from the first of these URLs that gives it, into a file that has nothing else in the
/// end. Says why not, when none does.
pub(in crate::operations) fn download(
    blobs: &[ByUrl],
    settings: &GoldSettings,
    proxies: &Proxies,
    context: Context<'_>,
    to: &mut File,
) -> Result<std::result::Result<(), Vec<LostUrl>>> {
    let web = Web::new(settings, proxies, context, &|| false)?;
    let mut lost = Vec::new();
    for blob in blobs {
        let failed = |error| Error::io("writing what comes from", Path::new(&blob.url))(error);
        to.set_len(0).and_then(|()| to.rewind()).map_err(failed)?;
        let mut sink = |piece: &[u8]| to.write_all(piece).map_err(failed);
        match web.download(&blob.url, &blob.name, settings.attempts, &mut sink)? {
            Ok(_) => return Ok(Ok(())),
            Err(why) => lost.push(LostUrl::new(blob, why.why())),
        }
    }
    Ok(Err(lost))
}
