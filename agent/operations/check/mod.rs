// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A check: the database's list of blobs and the repository's files, both in the order of names,
//! merged shard by shard (see [`walk`]), so that ten million blobs take no more memory than a
//! few shards. The database is looked at before the files are, so what comes meanwhile is never
//! taken for a loss; what seems to be one is asked for again before it is told.
//!
//! Nothing is changed but our own history and table of findings. Killed in the middle, a check
//! leaves the last one's findings as they were.

mod content;
mod explain;
mod found;
mod merge;
mod probe;
mod record;
mod report;
mod roots;
mod shards;
mod temporary;
mod uploads;
mod walk;

pub use report::{Affected, Arriving, Finding, Kind, Recovery, Report, Tally};

use super::{Context, Error, Instance, Result};
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::{self, Moment, Needed};
use crate::fossology::{database, own};
use crate::vault::{IndexFile, Vault};
use content::Opener;
use explain::Explainer;
use merge::{Places, Rank, Want};
use roaring::RoaringBitmap;
use roots::Roots;
use shards::{InOrder, in_order};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};
use walk::{Hidden, Shard, Walker};

/// How a check is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether every content is read and compared with its name.
    pub deep: bool,
    /// Only what these uploads need; empty: everything.
    pub uploads: Vec<i32>,
    /// How many threads read and hash.
    pub threads: usize,
}

/// How many files the walk may be ahead of the database's stream: about 60 MB.
const AHEAD: usize = 700_000;

/// Checks the repository against the database. A vault, if there is one, is asked whether it has
/// what is lost.
///
/// # Errors
/// When the check could not be made. What it finds is no error: [`Report::has_problems`].
pub fn run(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let roots = Roots::open(&instance.config.layout)?;
    let mut client = instance.connect("check")?;
    let record = record::begin(instance, &mut client, options)?;
    let result = examine(instance, roots, vault, options, None, context);
    record::end(record, &mut client, options, &result);
    result
}

/// Reads the blobs that have these keys and compares them with their names; others are not missed.
/// Nothing is left in the database.
///
/// # Errors
/// As for [`run`].
pub(super) fn of_blobs(
    instance: &Instance,
    keys: &RoaringBitmap,
    threads: usize,
    context: Context<'_>,
) -> Result<Report> {
    let options = Options {
        deep: true,
        uploads: Vec::new(),
        threads,
    };
    let roots = Roots::open(&instance.config.layout)?;
    examine(instance, roots, None, &options, Some(keys), context)
}

fn examine(
    instance: &Instance,
    mut roots: Roots,
    vault: Option<&Vault>,
    options: &Options,
    only: Option<&RoaringBitmap>,
    context: Context<'_>,
) -> Result<Report> {
    let began = SystemTime::now().duration_since(UNIX_EPOCH);
    let began = began.map_or(0, |time| time.as_nanos() as i64);
    let mut catalogue = instance.connect("check catalogue")?;
    let mut moment = Moment::begin(&mut catalogue)?;
    let release = moment.release()?;
    let (blobs, bytes) = moment.totals()?;
    // Answers of the present, which the moment's transaction cannot give.
    let mut client = instance.connect("check")?;
    expect_uploads(&mut client, &options.uploads)?;

    let indexes = vault.map(indexes).transpose()?.unwrap_or_default();
    let early = std::mem::take(&mut roots.findings);
    let group = nix::unistd::Group::from_name(&instance.config.group())
        .ok()
        .flatten();
    let walker = Walker {
        roots: &roots,
        opener: Opener::default(),
        deep: options.deep,
        group: group.map(|group| group.gid.as_raw()),
        began,
        only,
        context,
    };
    let mut explainer = Explainer::new(&roots, &mut client, &indexes)?;
    early
        .into_iter()
        .for_each(|finding| explainer.findings.add(finding));
    if release.is_none_or(|release| release.trim().is_empty()) {
        explainer.findings.add(Finding::new(
            Kind::ReleaseMissing,
            "sysconfig has no Release: the next fo-postinstall would start its migrations from version 0",
        ));
    }

    let step = if options.deep {
        "checking contents"
    } else {
        "checking"
    };
    let everything = options.uploads.is_empty();
    context.progress.begin(
        step,
        if everything { blobs } else { 0 },
        if everything && options.deep { bytes } else { 0 },
    );
    let mut totals = Totals::default();
    if everything {
        let work = |number| walker.read(number);
        // While the database sorts, the walk goes ahead; as far as there is memory for.
        let in_a_shard = (blobs as usize / walker.shards()).max(1);
        let window = (AHEAD / in_a_shard).max(options.threads + 2);
        // One job more than there are shards: what lies outside of them.
        in_order(
            walker.shards() + 1,
            options.threads,
            window,
            work,
            |results| {
                let mut merger =
                    Merger::new(&walker, &mut explainer, &mut totals, Source::Walk(results));
                merger.merge(&mut moment, &options.uploads)?;
                merger.rest()
            },
        )?;
        temporary::look(
            &roots,
            instance.config.layout.path(),
            &mut explainer,
            began,
            context,
        )?;
    } else {
        let source = Source::Probe(options.threads);
        let mut merger = Merger::new(&walker, &mut explainer, &mut totals, source);
        merger.merge(&mut moment, &options.uploads)?;
    }
    moment.end()?;
    context.progress.end();
    context
        .progress
        .begin("asking where losses can come back from", 0, 0);
    explainer.explain_all()?;
    context.progress.end();
    context.stop.check()?;

    let (uploads, in_flight) = explainer.uploads.into_parts();
    let (hidden, deleted) = (explainer.hidden, explainer.deleted);
    let (counts, findings) = explainer.findings.into_parts();
    Ok(Report {
        deep: options.deep,
        only_uploads: options.uploads.clone(),
        needed: totals.needed,
        files: totals.files,
        folders: totals.folders,
        empty_folders: totals.empty,
        hidden,
        deleted,
        vault: vault.map(Vault::location),
        truncated: counts.values().map(|tally| tally.count).sum::<u64>() > findings.len() as u64,
        counts,
        findings,
        uploads,
        in_flight,
    })
}

fn expect_uploads(client: &mut postgres::Client, wanted: &[i32]) -> Result<()> {
    let known = catalogue::uploads(client, wanted)?;
    let unknown = wanted
        .iter()
        .find(|upload| known.iter().all(|row| row.upload != **upload));
    match unknown {
        Some(upload) => Err(Error::Usage(format!(
            "there is no upload {upload}; FOSSology's pages show an upload's number in their address (upload=N)"
        ))),
        None => Ok(()),
    }
}

/// The indexes of the vault's packs. One that cannot be used is passed over: what only it has
/// counts as lost, and `verify` tells of it.
fn indexes(vault: &Vault) -> Result<Vec<IndexFile>> {
    let mut indexes = Vec::new();
    for pack in vault.packs()? {
        match IndexFile::open(vault.storage().clone(), pack.id) {
            Ok(index) if index.pack_size() == pack.size => indexes.push(index),
            Ok(_) => log::warn!(
                "pack {} is cut; 'fo_backup verify' names what it hits",
                pack.id
            ),
            Err(error) => log::warn!("pack {} is not asked: {error}", pack.id),
        }
    }
    Ok(indexes)
}

/// What was looked at.
#[derive(Default)]
struct Totals {
    needed: Tally,
    files: Tally,
    folders: u64,
    empty: u64,
}

/// Where the files of a shard come from.
enum Source<'a> {
    /// A walk of everything.
    Walk(&'a mut InOrder<Shard>),
    /// A look at the places of single blobs, by so many threads.
    Probe(usize),
}

/// Merges the database's stream with the repository's shards.
struct Merger<'m, 'w, 'e> {
    walker: &'m Walker<'w>,
    explainer: &'m mut Explainer<'e>,
    totals: &'m mut Totals,
    source: Source<'m>,
    wants: Vec<Want>,
    shard: usize,
}

impl<'m, 'w, 'e> Merger<'m, 'w, 'e> {
    fn new(
        walker: &'m Walker<'w>,
        explainer: &'m mut Explainer<'e>,
        totals: &'m mut Totals,
        source: Source<'m>,
    ) -> Self {
        Self {
            walker,
            explainer,
            totals,
            source,
            wants: Vec::new(),
            shard: 0,
        }
    }

    fn merge(&mut self, moment: &mut Moment<'_>, uploads: &[i32]) -> Result<()> {
        let mut failed = None;
        let each = |needed: Needed| {
            self.take(needed).map_err(|error| {
                failed = Some(error);
                database::Error::Stream {
                    doing: "merging",
                    source: io::Error::from(io::ErrorKind::Interrupted),
                }
            })
        };
        let streamed = if uploads.is_empty() {
            moment.sorted(each)
        } else {
            moment.sorted_of(uploads, each)
        };
        match failed {
            Some(error) => return Err(error),
            None => streamed?,
        }
        while self.shard < self.walker.shards() {
            self.finish_shard()?;
        }
        Ok(())
    }

    fn take(&mut self, needed: Needed) -> Result<()> {
        if self
            .walker
            .only
            .is_some_and(|only| !only.contains(needed.pfile))
        {
            return Ok(());
        }
        let Ok(name) = needed.name else {
            self.explainer.findings.add(Finding {
                pfile: Some(needed.pfile),
                ..Finding::new(
                    Kind::BrokenRow,
                    format!("the hashes or the size of pfile {} are none", needed.pfile),
                )
            });
            return Ok(());
        };
        while self.shard < self.walker.shard_of(&name) {
            self.finish_shard()?;
        }
        match self.wants.last_mut() {
            // Two rows may differ in their SHA-256 alone, or in that one has none.
            Some(last) if last.name == name => last.trees = last.trees.union(needed.trees),
            _ => {
                self.totals.needed.count += 1;
                self.totals.needed.bytes += name.size();
                self.wants.push(Want {
                    name,
                    pfile: needed.pfile,
                    trees: needed.trees,
                });
            }
        }
        Ok(())
    }

    fn finish_shard(&mut self) -> Result<()> {
        let shard = match &mut self.source {
            Source::Walk(results) => results.next().unwrap_or_default(),
            Source::Probe(threads) => probe::probe(self.walker, &self.wants, *threads),
        };
        // What was not read must not be taken for missing.
        self.walker.context.stop.check()?;
        let wants = std::mem::take(&mut self.wants);
        self.merge_shard(&wants, shard)?;
        self.shard += 1;
        self.wants = wants;
        self.wants.clear();
        Ok(())
    }

    /// What lies outside of all shards.
    fn rest(&mut self) -> Result<()> {
        if let Source::Walk(results) = &mut self.source {
            let shard = results.next().unwrap_or_default();
            self.walker.context.stop.check()?;
            self.merge_shard(&[], shard)?;
        }
        Ok(())
    }

    fn merge_shard(&mut self, wants: &[Want], shard: Shard) -> Result<()> {
        self.totals.folders += shard.folders;
        self.totals.empty += shard.empty;
        for found in shard.found.iter().chain(&shard.strays) {
            self.totals.files.count += 1;
            self.totals.files.bytes += found.size;
        }
        for finding in shard.findings {
            self.explainer.findings.add(finding);
        }
        let view = View {
            roots: self.walker.roots,
            group: self.walker.group,
            hidden: &shard.hidden,
        };
        merge::merge(wants, &shard.found, &view, &mut |verdict| {
            self.explainer.take(verdict)
        });
        self.explainer.take_strays(shard.strays);
        self.explainer.explain_some()
    }
}

/// What the merge has to know of the repository.
struct View<'a> {
    roots: &'a Roots,
    group: Option<u32>,
    hidden: &'a [Hidden],
}

impl Places for View<'_> {
    fn rank(&self, root: u16, _: Tree, name: &PfileName) -> Rank {
        self.roots.rank(root, name)
    }

    fn is_hidden(&self, tree: Tree, name: &PfileName) -> bool {
        self.roots.places(tree, name).any(|root| {
            self.roots.list[usize::from(root)].hidden
                || self
                    .hidden
                    .iter()
                    .any(|hidden| hidden.root == root && name.sha1().starts_with(&hidden.prefix))
        })
    }

    fn group(&self) -> Option<u32> {
        self.group
    }
}

/// Opens a vault that can give blobs back to this instance.
///
/// # Errors
/// When there is none, or it is another instance's.
pub fn open_vault(instance: &Instance, location: &str) -> Result<Vault> {
    let vault = Vault::open(location)?;
    let mut client = instance.connect("check")?;
    if own::schema_version(&mut client)?.is_some() {
        vault.expect_instance(own::instance_id(&mut client)?)?;
    }
    Ok(vault)
}
