// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that the web gives: an upload's own file that came from a URL need not lie in the vault as
//! long as that URL gives the same bytes. A backup leaves it out only after it has downloaded it and
//! seen sha1, md5 and size; until the next such download it asks each time whether it is still there, and
//! takes the same size and strong mark (ETag) for a yes. What a verification has lost is downloaded again.
//! What the web does not give any more is backed up from then on, as long as the repository has it.
//!
//! The snapshot names such a blob with its URL, and is of a format that readers refuse who don't know
//! that. Nothing is written here but blobs that come back, each of which gets its name when it is whole.

mod address;
mod fetch;
mod web;

use super::backup::held;
use super::verify::Urls;
use super::{Context, Instance, Result};
use crate::blob::PfileName;
use crate::fossology::catalogue::{Moment, Origin, origins};
use crate::fossology::own::history::lost_urls;
use crate::vault::{ByUrl, Snapshot, Vault, now};
use jiff::{SignedDuration, Timestamp};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::path::PathBuf;
use web::{Web, is_strong};

pub use fetch::{Fetched, LostUrl};
pub(super) use fetch::{Fetcher, bring_back, download, once_more};

/// Which gold is left to the web: `[gold]` in fo_backup.toml.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoldSettings {
    by_url: bool,
    /// Hosts that may be asked although they are not of the public network.
    private_hosts: Vec<String>,
    /// How many days a download counts before it is done again.
    recheck_days: u32,
    /// Files of more bytes are always backed up, in millions.
    max_mb: u64,
    /// How often is tried what may be otherwise in a while.
    attempts: u32,
    /// The pause before the second try, in seconds; it doubles each time.
    retry_seconds: u64,
    /// Certificates that are trusted instead of the system's.
    authorities: Option<PathBuf>,
}

impl Default for GoldSettings {
    fn default() -> Self {
        Self {
            by_url: false,
            private_hosts: Vec::new(),
            recheck_days: 30,
            max_mb: 10_000,
            attempts: 5,
            retry_seconds: 2,
            authorities: None,
        }
    }
}

impl GoldSettings {
    /// These settings, if gold is left to the web at all.
    pub fn by_url(&self) -> Option<Self> {
        self.by_url.then(|| self.clone())
    }

    /// How often is tried what may be otherwise in a while.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// What came of asking for the files that snapshots leave to the web.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rechecked {
    /// How many the snapshots have.
    pub all: u64,
    /// How many were downloaded and compared.
    pub compared: u64,
    /// How many were left because their host does not answer, or a job that runs alone waited.
    pub left: u64,
    /// What the web does not give any more.
    pub lost: Vec<LostUrl>,
    /// Why nobody was asked, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Rechecked {
    /// Whether something was lost, or nobody could be asked.
    pub fn is_incomplete(&self) -> bool {
        !self.lost.is_empty() || self.failed.is_some()
    }
}

/// Of these keys of gold, those that no pack has and whose content the web gives: asked for, and downloaded and compared
/// where that was too long ago.
pub(super) fn what_the_web_gives(
    settings: &GoldSettings,
    instance: &Instance,
    vault: &Vault,
    gold: &RoaringBitmap,
    moment: &mut Moment<'_>,
    context: Context<'_>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<ByUrl>> {
    let keys: Vec<u32> = gold.iter().collect();
    let mut by_key: BTreeMap<u32, Vec<Origin>> = BTreeMap::new();
    for origin in origins(moment.transaction(), &keys)? {
        by_key.entry(origin.pfile).or_default().push(origin);
    }
    by_key.retain(|_, origins| origins.iter().any(|origin| source(origin).is_some()));
    if by_key.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<u32> = by_key.keys().copied().collect();
    let web = Web::new(settings, &instance.config.proxies, context, stop)?;
    // What the newest snapshot knows of the same content, whatever its key was then.
    let mut known: BTreeMap<PfileName, ByUrl> = match vault.snapshot("latest") {
        Ok(Snapshot { by_url, .. }) => by_url.into_iter().map(|blob| (blob.name, blob)).collect(),
        Err(_) => BTreeMap::new(),
    };
    if !known.is_empty() {
        let mut client = instance.connect("backup")?;
        for lost in lost_urls(&mut client)? {
            // An earlier comparison counts no more.
            known.retain(|name, blob| *name != lost.name || blob.downloaded > lost.seen);
        }
    }
    let blobs = moment.blobs(&keys)?;
    let names = blobs.iter().filter_map(|blob| blob.name.ok());
    // Whatever the snapshot builds on: what is here need not be hoped for elsewhere.
    let held = held(vault, names.collect())?;
    context
        .progress
        .begin("asking the web for gold", blobs.len() as u64, 0);
    let (mut given, mut away) = (Vec::new(), 0_u64);
    for blob in blobs {
        let Ok(name) = blob.name else { continue };
        if held.contains(&name) || name.size() > settings.max_mb.saturating_mul(1_000_000) {
            continue;
        }
        let origins = &by_key[&blob.pfile];
        let urls = urls_of(origins, known.get(&name));
        for url in urls {
            if web.is_away(&url) {
                away += 1;
                continue;
            }
            let earlier = known.get(&name).filter(|known| known.url == url);
            match look(settings, &web, &url, &name, earlier)? {
                Ok(found) => {
                    let uploads = origins.iter().filter(|origin| origin.url == url);
                    given.push(ByUrl {
                        pfile: blob.pfile,
                        uploads: uploads.map(|origin| origin.upload).collect(),
                        url,
                        ..found
                    });
                    break;
                }
                Err(why) => log::info!("{url} does not give {name} ({why}): it is backed up"),
            }
        }
        context.progress.advance(1, 0);
    }
    context.progress.end();
    if away > 0 {
        log::warn!(
            "{away} URLs were not asked, since their hosts do not answer: those files are backed up"
        );
    }
    Ok(given)
}

fn source(origin: &Origin) -> Option<String> {
    let told = address::source_of(origin.upload, &origin.url, origin.asked.as_deref());
    told.ok().map(|_| origin.url.clone())
}

/// The URLs of a blob's uploads, that which was good before first.
fn urls_of(origins: &[Origin], known: Option<&ByUrl>) -> Vec<String> {
    let mut urls: Vec<String> = origins.iter().filter_map(source).collect();
    urls.sort();
    urls.dedup();
    urls.sort_by_key(|url| known.is_none_or(|known| known.url != *url));
    urls
}

/// Whether a URL gives this content: only asked for when a comparison is not long ago.
fn look(
    settings: &GoldSettings,
    web: &Web<'_>,
    url: &str,
    name: &PfileName,
    earlier: Option<&ByUrl>,
) -> Result<std::result::Result<ByUrl, String>> {
    let asked = now();
    let found = |given: web::Given, downloaded: Timestamp| ByUrl {
        pfile: 0,
        name: *name,
        files: false,
        url: url.to_owned(),
        uploads: Vec::new(),
        downloaded,
        asked,
        status: given.status,
        etag: given.etag,
    };
    let fresh = SignedDuration::from_hours(24 * i64::from(settings.recheck_days));
    // Only a mark that stands for each byte says without a download that they are the same.
    if let Some(earlier) = earlier
        && asked.duration_since(earlier.downloaded) < fresh
        && let Some(etag) = earlier.etag.as_deref().filter(|etag| is_strong(etag))
    {
        match web.ask(url, name, etag) {
            Ok(given) => return Ok(Ok(found(given, earlier.downloaded))),
            // Packing it is quicker than waiting for a host that is away.
            Err(web::Lost::ForNow(why)) => return Ok(Err(why)),
            Err(web::Lost::ForGood(_)) => {}
        }
    }
    let downloaded = web.download(url, name, settings.attempts, &mut |_| Ok(()))?;
    Ok(downloaded
        .map(|given| found(given, asked))
        .map_err(web::Lost::why))
}

/// Downloads what snapshots leave to the web, or some percent of it chosen by chance, and compares it.
///
/// # Errors
/// When a named snapshot is not there, the web cannot be reached at all from here, or it is asked to
/// stop. What the web does not give is none.
pub(super) fn recheck(
    vault: &Vault,
    wanted: Option<&str>,
    urls: &Urls,
    instance: Option<&Instance>,
    context: Context<'_>,
) -> Result<Rechecked> {
    let blobs = left_to_the_web(vault, wanted)?;
    let mut rechecked = Rechecked {
        all: blobs.len() as u64,
        ..Rechecked::default()
    };
    if blobs.is_empty() {
        return Ok(rechecked);
    }
    let direct = Default::default();
    let proxies = instance.map_or(&direct, |instance| &instance.config.proxies);
    let web = Web::new(&urls.gold, proxies, context, &|| false)?;
    context
        .progress
        .begin("asking the web for gold", blobs.len() as u64, 0);
    for (done, blob) in blobs.values().enumerate() {
        if context.stop.gives_way() {
            rechecked.left += rechecked.all - done as u64;
            break;
        }
        // 16 random bits of a random UUID.
        let (chance, ..) = uuid::Uuid::new_v4().as_fields();
        if f64::from(chance & 0xffff) < urls.percent / 100.0 * 65_536.0 {
            if web.is_away(&blob.url) {
                rechecked.left += 1;
                context.progress.advance(1, 0);
                continue;
            }
            rechecked.compared += 1;
            let attempts = urls.gold.attempts;
            let came = web.download(&blob.url, &blob.name, attempts, &mut |_| Ok(()))?;
            if let Err(lost) = came {
                rechecked.lost.push(LostUrl::new(blob, lost.why()));
            }
        }
        context.progress.advance(1, 0);
    }
    context.progress.end();
    Ok(rechecked)
}

/// What snapshots leave to the web, by name; a file may have several URLs, and the newest snapshot's word on each
/// counts. Snapshots that cannot be read are passed over.
///
/// # Errors
/// When the vault cannot be listed.
pub(super) fn all_left_to_the_web(vault: &Vault) -> Result<BTreeMap<PfileName, Vec<ByUrl>>> {
    let mut all: BTreeMap<PfileName, Vec<ByUrl>> = BTreeMap::new();
    for ((name, _), blob) in left_to_the_web(vault, None)? {
        all.entry(name).or_default().push(blob);
    }
    Ok(all)
}

/// What one snapshot leaves to the web, or all that can be read; of these one is in memory at a time,
/// and the newest one's word counts.
fn left_to_the_web(
    vault: &Vault,
    wanted: Option<&str>,
) -> Result<BTreeMap<(PfileName, String), ByUrl>> {
    let mut blobs = BTreeMap::new();
    let mut take = |snapshot: Snapshot| {
        let by_url = snapshot.by_url.into_iter();
        blobs.extend(by_url.map(|blob| ((blob.name, blob.url.clone()), blob)));
    };
    match wanted {
        Some(wanted) => take(vault.snapshot(wanted)?),
        None => {
            for file in vault.snapshot_keys()? {
                match vault.read_snapshot(&file) {
                    Ok(snapshot) => take(snapshot),
                    // It is among what the rest of the verification names.
                    Err(error) => log::debug!("{error}"),
                }
            }
        }
    }
    Ok(blobs)
}
