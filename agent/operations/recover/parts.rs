// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recovery by several hosts: each takes the uploads whose gold lies on its own repository hosts,
//! so that reading and unpacking are local, and looks for what these need. What comes out belongs to
//! all hosts, so each has to see the whole repository. The last one looks for what nobody has looked
//! for (rows that no upload has, uploads that came meanwhile), and puts all together: a blob that
//! uploads of two hosts need counts once.
//!
//! Shares may find the same blob missing and bring it both: whoever comes second finds it there.
//! They are handed over as bitmaps of keys, some bytes for thousands of blobs.

use super::missing::{Amount, Missing};
use super::report::Report;
use super::work::{Back, Outcome, Recovery};
use super::{Options, Scope, at_work, hold_files, record};
use crate::blob::{HostName, PfileName, Tree};
use crate::fossology::catalogue;
use crate::fossology::own::Asked;
use crate::fossology::repository::{Layout, Reader};
use crate::operations::backup::Division;
use crate::operations::by_url::LostUrl;
use crate::operations::{Context, Error, Instance, Result, instance as place};
use crate::vault::{Vault, bitmap};
use postgres::GenericClient;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// How many blobs the database is asked for at once.
const SOME: usize = 32_768;

/// What one host has done.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// The keys of what it looked for.
    #[serde(with = "bitmap")]
    looked: RoaringBitmap,
    /// What of it was missing.
    #[serde(with = "bitmap")]
    missing: RoaringBitmap,
    came: Back,
    /// What it sought in archives, and did not find.
    #[serde(with = "bitmap")]
    in_vain: RoaringBitmap,
    /// What is known not to come out of archives.
    #[serde(with = "bitmap")]
    known: RoaringBitmap,
    /// The uploads that it unpacked as far as it goes.
    outcomes: BTreeMap<i32, Outcome>,
    lost_urls: Vec<LostUrl>,
    recorded: u64,
    unpacked: Amount,
    from_vault: Amount,
    from_web: Amount,
}

impl Part {
    /// What a share that gave way left for the one that goes on.
    fn carried(asked: &Asked) -> Self {
        let carried = asked.carried.as_ref();
        // What another version left is no reason not to go on: all that came is there.
        carried
            .and_then(|carried| Self::deserialize(carried).ok())
            .unwrap_or_default()
    }

    /// With what came back before it gave way. All else was looked for anew.
    fn after(mut self, earlier: &Self) -> Self {
        self.came.join(&earlier.came);
        self.missing |= earlier.came.all();
        self.recorded += earlier.recorded;
        self.unpacked.join(earlier.unpacked);
        self.from_vault.join(earlier.from_vault);
        self.from_web.join(earlier.from_web);
        self
    }

    /// What it saw in its place.
    fn there(&self) -> RoaringBitmap {
        &self.looked - &self.missing
    }

    /// How many rows it looked for, how many of them lay nowhere, and how many of these came back.
    pub fn numbers(&self) -> [u64; 3] {
        [self.looked.len(), self.missing.len(), self.came.all().len()]
    }

    /// Numbers for the history. How much came by whom tells how fast a host is.
    pub(super) fn counts(&self) -> Value {
        let [looked, missing, came] = self.numbers();
        json!({
            "looked": looked, "missing": missing, "came": came, "recorded": self.recorded,
            "unpacked": self.unpacked, "from_vault": self.from_vault, "from_web": self.from_web,
        })
    }
}

/// Recovers what the uploads need whose gold lies on some repository hosts. Those without a name
/// (`None`) stand for gold that no host covers, and for uploads without one.
///
/// # Errors
/// When the storage of any repository host is not here, or it could not go on.
pub fn share(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    hosts: &[Option<HostName>],
    context: Context<'_>,
) -> Result<Part> {
    place::expect_storage(&instance.config.layout)?;
    let mut client = hold_files(instance, options)?;
    let record = record::begin(instance, &mut client, options, "recover part")?;
    let result = at_work(instance, vault, options, context, |mut work| {
        let mut looked = RoaringBitmap::new();
        let worked = work.share(hosts, &mut looked);
        end(work, worked, looked, &instance.asked)
    });
    record::end_part(record, &mut client, &result);
    result
}

/// Looks for what nobody has looked for, and puts all together.
///
/// # Errors
/// As [`super::run`].
pub fn merge(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    parts: Vec<Part>,
    context: Context<'_>,
) -> Result<Report> {
    let mut client = hold_files(instance, options)?;
    let record = record::begin(instance, &mut client, options, "recover")?;
    let result = at_work(instance, vault, options, context, |mut work| {
        let all = All::of(parts, &Part::carried(&instance.asked));
        let mut tally = Tally::new(&all);
        let worked = work.rest(&mut tally);
        if let Err(Error::GaveWay { .. }) = worked {
            let left = end(work, worked, RoaringBitmap::new(), &instance.asked);
            return Err(left.map_or_else(|error| error, |_| Error::Interrupted));
        }
        worked?;
        let (amounts, seen) = (tally.amounts, tally.seen);
        work.put_together(all, amounts, seen)
    });
    record::end(record, &mut client, &result);
    result
}

/// What a recovery leaves when it has done its share, or gives way.
fn end(
    mut work: Recovery<'_>,
    worked: Result<()>,
    looked: RoaringBitmap,
    asked: &Asked,
) -> Result<Part> {
    let gave_way = matches!(worked, Err(Error::GaveWay { .. }));
    if gave_way {
        work.leave()?;
    } else {
        worked?;
    }
    let part = Part {
        looked,
        missing: work.all,
        came: work.came,
        in_vain: work.in_vain,
        known: work.known,
        outcomes: work.outcomes,
        lost_urls: work.report.lost_urls,
        recorded: work.report.recorded,
        unpacked: work.report.unpacked,
        from_vault: work.report.from_vault,
        from_web: work.report.from_web,
    };
    let part = part.after(&Part::carried(asked));
    if gave_way {
        return Err(Error::GaveWay {
            carried: json!(part),
        });
    }
    Ok(part)
}

/// What all hosts have done.
#[derive(Default)]
struct All {
    looked: RoaringBitmap,
    missing: RoaringBitmap,
    came: Back,
    in_vain: RoaringBitmap,
    known: RoaringBitmap,
    outcomes: BTreeMap<i32, Outcome>,
    lost_urls: Vec<LostUrl>,
    recorded: u64,
}

impl All {
    /// Takes the shares together. What one missed and another one saw came or went in between: it
    /// counts as not looked for.
    fn of(parts: Vec<Part>, earlier: &Part) -> Self {
        let mut all = Self::default();
        let (mut there, mut not_sought) = (RoaringBitmap::new(), RoaringBitmap::new());
        for part in parts {
            there |= part.there();
            not_sought |= &part.missing - &part.in_vain;
            all.looked |= part.looked;
            all.missing |= part.missing;
            all.came.join(&part.came);
            all.in_vain |= part.in_vain;
            all.known |= part.known;
            for (upload, outcome) in part.outcomes {
                all.outcomes.entry(upload).or_insert(outcome);
            }
            for lost in part.lost_urls {
                if !all.lost_urls.contains(&lost) {
                    all.lost_urls.push(lost);
                }
            }
            all.recorded += part.recorded;
        }
        all.came.join(&earlier.came);
        all.missing |= earlier.came.all();
        all.recorded += earlier.recorded;
        let unsure = (&all.missing & &there) - all.came.all();
        all.missing -= &unsure;
        all.looked -= unsure;
        // Only what every share that missed it has sought in its uploads was sought everywhere.
        all.in_vain -= not_sought;
        all.in_vain -= there;
        all
    }
}

/// How much came from where, each blob counted once: two shares may have brought the same one, and a
/// blob may have several rows.
#[derive(Default)]
struct Amounts {
    missing: Amount,
    linked: Amount,
    unpacked: Amount,
    from_vault: Amount,
    from_web: Amount,
}

/// Counts while the database tells what it needs.
struct Tally<'a> {
    all: &'a All,
    amounts: Amounts,
    /// What the database still needs of what was missing.
    seen: RoaringBitmap,
}

impl<'a> Tally<'a> {
    fn new(all: &'a All) -> Self {
        Self {
            all,
            amounts: Amounts::default(),
            seen: RoaringBitmap::new(),
        }
    }

    /// Counts a blob; tells whether nobody has looked for it.
    fn take(&mut self, size: u64, keys: &[u32]) -> bool {
        let any = |of: &RoaringBitmap| keys.iter().any(|key| of.contains(*key));
        let (all, amounts) = (self.all, &mut self.amounts);
        if !any(&all.missing) {
            return keys.iter().any(|key| !all.looked.contains(*key));
        }
        self.seen
            .extend(keys.iter().filter(|key| all.missing.contains(**key)));
        amounts.missing.add(size);
        let came = &all.came;
        for (keys, amount) in [
            (&came.linked, &mut amounts.linked),
            (&came.unpacked, &mut amounts.unpacked),
            (&came.from_vault, &mut amounts.from_vault),
            (&came.from_web, &mut amounts.from_web),
        ] {
            if any(keys) {
                amount.add(size);
                break;
            }
        }
        false
    }
}

impl Scope {
    /// The uploads, if it is not everything.
    fn uploads(&self) -> Result<Option<&[i32]>> {
        match self {
            Self::Missing => Ok(None),
            Self::Uploads(uploads) => Ok(Some(uploads)),
            Self::Blobs(_) => Err(Error::Usage(
                "single blobs are recovered by one host, not in parts".into(),
            )),
        }
    }
}

impl Recovery<'_> {
    /// Recovers what the uploads need whose gold lies on these hosts; tells what was looked for.
    fn share(&mut self, hosts: &[Option<HostName>], looked: &mut RoaringBitmap) -> Result<()> {
        let mut candidates = self.candidates(self.options.scope.uploads()?)?;
        let reader = self.reader;
        candidates.retain(|candidate| lies_on(reader, hosts, candidate.row.gold.as_ref()));
        let uploads: Vec<i32> = candidates
            .iter()
            .map(|candidate| candidate.row.upload)
            .collect();
        if uploads.is_empty() {
            return Ok(());
        }
        let missing = self.look(Some(&uploads), &mut |_, keys| {
            looked.extend(keys);
            true
        })?;
        self.expect_mounted(hosts, &missing)?;
        self.bring(candidates, &missing)
    }

    /// Recovers what nobody has looked for, while all is counted.
    fn rest(&mut self, tally: &mut Tally<'_>) -> Result<()> {
        let wanted = self.options.scope.uploads()?;
        // One that was deleted since is no mistake any more.
        let candidates = catalogue::candidates(&mut self.client, wanted)?;
        let missing = self.look(wanted, &mut |size, keys| tally.take(size, keys))?;
        self.expect_mounted(&[], &missing)?;
        self.bring(candidates, &missing)
    }

    /// Tells what all have done. What the database needs no more (`seen` has the rest) was deleted.
    fn put_together(mut self, all: All, amounts: Amounts, seen: RoaringBitmap) -> Result<Report> {
        let deleted = (&all.missing - &seen).len();
        self.all |= seen;
        self.came.join(&all.came);
        self.in_vain |= all.in_vain;
        self.known |= all.known;
        for (upload, outcome) in all.outcomes {
            self.outcomes.entry(upload).or_insert(outcome);
        }
        let report = &mut self.report;
        report.missing.join(amounts.missing);
        report.linked.join(amounts.linked);
        report.unpacked.join(amounts.unpacked);
        report.from_vault.join(amounts.from_vault);
        report.from_web.join(amounts.from_web);
        report.recorded += all.recorded;
        report.lost_urls.extend(all.lost_urls);
        self.affected.clear();
        let mut candidates =
            catalogue::candidates(&mut self.client, self.options.scope.uploads()?)?;
        candidates.retain(|candidate| !candidate.deleted);
        self.share_out(&candidates)?;
        let mut report = self.finish()?;
        report.deleted += deleted;
        Ok(report)
    }

    /// Refuses where storage of others seems not to be mounted: its folder is there and empty, and what
    /// lies in it seems to be missing. It would be written below the mount.
    fn expect_mounted(&mut self, ours: &[Option<HostName>], missing: &Missing) -> Result<()> {
        let layout = self.reader.layout();
        let mut empty = seem_empty(layout);
        empty.retain(|host, _| !ours.iter().flatten().any(|ours| ours == host));
        if empty.is_empty() {
            return Ok(());
        }
        let keys: Vec<u32> = missing.all().iter().collect();
        for some in keys.chunks(SOME) {
            for blob in catalogue::blobs(&mut self.client, some)? {
                let Ok(name) = blob.name else { continue };
                for tree in missing.trees(blob.pfile).iter() {
                    let host = layout.write_host(tree, &name);
                    if let Some((host, path)) = host.and_then(|host| empty.get_key_value(host)) {
                        return Err(Error::EmptyStorage {
                            host: host.to_string(),
                            path: path.clone(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// The repository hosts in whose folders nothing lies, with one of these.
fn seem_empty(layout: &Layout) -> BTreeMap<HostName, PathBuf> {
    let mut empty = BTreeMap::new();
    for root in layout.roots() {
        if let Some(host) = &root.host {
            empty
                .entry(host.clone())
                .or_insert_with(|| root.path.clone());
        }
    }
    for root in layout.roots() {
        let holds = std::fs::read_dir(&root.path).is_ok_and(|mut found| found.next().is_some());
        if let Some(host) = root.host.as_ref().filter(|_| holds) {
            empty.remove(host);
        }
    }
    empty
}

/// Whether gold lies with one of the hosts of a division only, so that the others would have nothing to
/// do: that of these uploads, or all.
///
/// # Errors
/// When the database does not answer.
pub fn is_on_one(
    client: &mut impl GenericClient,
    layout: &Layout,
    division: &Division,
    uploads: Option<&[i32]>,
) -> Result<bool> {
    let with = |place: Option<&HostName>| {
        let mut parts = division.parts.iter();
        parts.position(|(_, hosts)| hosts.iter().any(|host| host.as_ref() == place))
    };
    let mut found: BTreeSet<Option<usize>> = BTreeSet::new();
    if let Some(uploads) = uploads {
        for candidate in catalogue::candidates(client, Some(uploads))? {
            match candidate.row.gold {
                None => drop(found.insert(with(None))),
                Some(gold) => found.extend(layout.read_hosts(Tree::Gold, &gold).map(with)),
            }
        }
    } else {
        let roots = layout.roots().iter();
        let golds = roots.filter(|root| root.tree == Tree::Gold && root.host.is_some());
        found.extend(golds.map(|root| with(root.host.as_ref())));
    }
    Ok(found.len() <= 1)
}

/// Whether an upload's gold lies on one of these hosts: where FOSSology writes it, or, where it has
/// several places, in the first that has it. All hosts see the same, so it lies on one of them for
/// somebody; if it is moved in between, the last one notices that nobody looked.
pub(in crate::operations) fn lies_on(
    reader: &Reader,
    hosts: &[Option<HostName>],
    gold: Option<&PfileName>,
) -> bool {
    let ours = |host: Option<&HostName>| hosts.iter().any(|ours| ours.as_ref() == host);
    let Some(gold) = gold else {
        return ours(None);
    };
    let mut places = reader.layout().read_hosts(Tree::Gold, gold).map(ours);
    let first = places.next().unwrap_or_default();
    if places.all(|other| other == first) {
        return first;
    }
    let found = reader.lies_on(Tree::Gold, gold);
    found.map_or(first, |root| ours(root.host.as_ref()))
}

#[cfg(test)]
mod tests;
