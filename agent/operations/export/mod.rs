// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes one upload as an ordinary archive, from top to bottom:
//!
//! 1. the upload's tree and the names of its blobs come from the database, or from a snapshot's
//!    dump, which is read and not restored;
//! 2. it is looked where the blobs are; what is nowhere is unpacked from the upload's own file;
//! 3. the tree is written in the order of its names, each content compared with its name before.
//!
//! The archive gets its name when it is whole and on disk. Killed before, it leaves a temporary
//! file that the next export into that folder removes. Nothing else is written.

mod archive;
mod list;
mod names;
mod source;
mod tree;
mod web;

pub use archive::Output;
pub use list::{At, Listed, Listing, list};
pub use names::Renamed;
pub use source::From;

use super::by_url::GoldSettings;
use super::dumped::Dump;
use super::{Context, Error, Instance, Result};
use crate::blob::PfileName;
use crate::fossology::catalogue::{self, Moment};
use crate::fossology::config::Proxies;
use crate::fossology::repository::Reader;
use crate::vault::{LeaseKind, SnapshotId, Vault};
use archive::Archive;
use roaring::RoaringBitmap;
use source::Source;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tree::{Entry, Tree};
use web::Web;

/// How many names of each kind a report has; their full number stands beside them.
const NAMED: usize = 1000;

/// How many keys go with one question.
const BATCH: usize = 32_768;

/// What is exported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The upload's key.
    pub upload: i32,
    /// Whether the upload's own file goes into the archive, too, below `gold/`.
    pub gold: bool,
    /// Where it goes.
    pub output: Output,
    /// How gold comes from the web that a snapshot left there.
    pub web: GoldSettings,
    /// How many threads unpack.
    pub threads: usize,
    /// Where what is large or unpacked waits.
    pub scratch: PathBuf,
    /// Where PostgreSQL's programs are, when they are not where Debian has them.
    pub postgres_bin: Option<PathBuf>,
}

/// A file that is not in the archive.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Its path in the archive.
    pub path: String,
    /// The blob, if its name is known.
    pub name: Option<PfileName>,
    /// What was seen where it was looked for.
    pub why: String,
}

/// What came of an export.
#[derive(Debug, Default, serde::Serialize)]
pub struct Report {
    /// The upload.
    pub upload: i32,
    /// Its file's name.
    pub filename: String,
    /// The snapshot whose database told what belongs to it; else it was FOSSology's own.
    pub snapshot: Option<SnapshotId>,
    /// The archive, unless it went to standard output.
    pub output: Option<PathBuf>,
    /// Folders in it.
    pub folders: u64,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where their contents came from.
    pub from: From,
    /// What unpacking invented and pages leave out.
    pub artifacts: u64,
    /// Links and devices: FOSSology keeps no content for them.
    pub without_content: u64,
    /// Nodes of the tree that hang on nothing.
    pub unreachable: u64,
    /// How many names were changed because they could not be written as they are.
    pub renamed_count: u64,
    /// The first of them.
    pub renamed: Vec<Renamed>,
    /// How many files are not in the archive because their content is nowhere.
    pub missing_count: u64,
    /// The first of them.
    pub missing: Vec<Missing>,
}

impl Report {
    /// Whether something lacks that belongs to the upload.
    pub fn is_incomplete(&self) -> bool {
        self.missing_count + self.unreachable > 0
    }
}

/// An upload, wherever it was read.
struct Upload {
    filename: String,
    gold: Option<u32>,
    tree: Tree,
    /// The names of its blobs, in the order of keys.
    names: Vec<(u32, PfileName)>,
}

impl Upload {
    fn name(&self, key: u32) -> Option<PfileName> {
        let at = self
            .names
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()?;
        Some(self.names[at].1)
    }
}

/// Exports an upload. The tree comes from the snapshot if one is named, else from the instance's
/// database; contents come from wherever they are.
///
/// # Errors
/// When there is no such upload, or the archive cannot be written. Contents that are nowhere are
/// none: [`Report::is_incomplete`].
pub fn run(
    instance: Option<&Instance>,
    vault: Option<&Vault>,
    snapshot: Option<&str>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let lease = vault
        .map(|vault| vault.lease(LeaseKind::Read, "export"))
        .transpose()?;
    let (upload, id) = read(instance, vault, snapshot, options, context)?;
    let mut report = Report {
        upload: options.upload,
        filename: upload.filename.clone(),
        snapshot: id,
        ..Report::default()
    };
    let reader = reader(instance);
    let direct = Proxies::default();
    let web = web(instance, options, &direct);
    let mut source = Source::new(reader.as_ref(), vault, web, &options.scratch)?;
    let wanted: BTreeSet<PfileName> = wanted(&upload, options);
    let gold = upload.gold.and_then(|gold| upload.name(gold));
    source.prepare(&wanted, gold, options.threads, context)?;
    write(&upload, &mut source, options, context, &mut report)?;
    report.from = source.from;
    if let Some(lease) = lease {
        lease.check()?;
    }
    Ok(report)
}

/// Reads what belongs to the upload, from the snapshot if one is named.
fn read(
    instance: Option<&Instance>,
    vault: Option<&Vault>,
    snapshot: Option<&str>,
    options: &Options,
    context: Context<'_>,
) -> Result<(Upload, Option<SnapshotId>)> {
    context.progress.begin("reading the upload's tree", 0, 0);
    let (upload, id) = match (snapshot, vault, instance) {
        (Some(wanted), Some(vault), _) => {
            let (upload, id) = from_snapshot(vault, wanted, options)?;
            (upload, Some(id))
        }
        (None, _, Some(instance)) => (from_database(instance, options.upload)?, None),
        _ => {
            return Err(Error::Usage(
                "an export needs FOSSology's database, or a vault and --snapshot".into(),
            ));
        }
    };
    context.progress.end();
    if upload.tree.is_empty() && !options.gold {
        return Err(Error::Usage(format!(
            "upload {} ({}) was not unpacked yet; --gold exports its own file",
            options.upload, upload.filename
        )));
    }
    Ok((upload, id))
}

/// The repository. One that is lost is a reason to export from the vault.
fn reader(instance: Option<&Instance>) -> Option<Reader> {
    instance
        .map(|instance| Reader::new(instance.config.layout.clone()))
        .and_then(|reader| reader.inspect_err(|error| log::warn!("{error}")).ok())
}

/// The web, reached as the instance's configuration says, if that is there.
fn web<'a>(instance: Option<&'a Instance>, options: &'a Options, direct: &'a Proxies) -> Web<'a> {
    let proxies = instance.map_or(direct, |instance| &instance.config.proxies);
    Web::new(&options.web, proxies)
}

/// The blobs that go into the archive.
fn wanted(upload: &Upload, options: &Options) -> BTreeSet<PfileName> {
    let mut wanted = BTreeSet::new();
    let listed: Result<_, std::convert::Infallible> = upload.tree.for_each(|_, entry| {
        if let Entry::File(key) = entry {
            wanted.extend(upload.name(key));
        }
        Ok(())
    });
    listed.unwrap_or_else(|never| match never {});
    if options.gold {
        wanted.extend(upload.gold.and_then(|gold| upload.name(gold)));
    }
    wanted
}

fn write(
    upload: &Upload,
    source: &mut Source<'_>,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut archive = Archive::begin(&options.output)?;
    context.progress.begin("writing the archive", 0, 0);
    let mut add = |archive: &mut Archive, report: &mut Report, path: &[u8], key: u32| {
        let name = upload.name(key);
        let content = match &name {
            Some(name) => source.get(name, context)?,
            None => Err(format!("the database has no proper row for pfile {key}")),
        };
        match (content, name) {
            (Ok(content), Some(name)) => {
                archive.file(path, name.size(), content)?;
                report.files += 1;
                report.bytes += name.size();
                context.progress.advance(1, name.size());
            }
            (Ok(_), None) => {}
            (Err(why), name) => {
                report.missing_count += 1;
                if report.missing.len() < NAMED {
                    let path = String::from_utf8_lossy(path).into_owned();
                    report.missing.push(Missing { path, name, why });
                }
            }
        }
        Ok::<(), Error>(())
    };
    let notes = upload.tree.for_each(|path, entry| {
        match entry {
            Entry::Folder => {
                archive.folder(path)?;
                report.folders += 1;
            }
            Entry::File(key) => add(&mut archive, report, path, key)?,
            Entry::Nothing => report.without_content += 1,
        }
        Ok::<(), Error>(())
    })?;
    if options.gold
        && let Some(key) = upload.gold
    {
        add(&mut archive, report, &gold_path(upload), key)?;
    }
    report.output = archive.finish()?;
    context.progress.end();
    report.artifacts = notes.artifacts;
    report.unreachable = notes.unreachable;
    report.renamed_count = notes.renamed.len() as u64;
    report.renamed = notes.renamed;
    report.renamed.truncate(NAMED);
    Ok(())
}

/// Where the upload's own file lies in the archive.
fn gold_path(upload: &Upload) -> Vec<u8> {
    let name = names::safe(&[upload.filename.as_bytes()]).concat();
    [b"gold/", &name[..]].concat()
}

fn from_database(instance: &Instance, number: i32) -> Result<Upload> {
    let mut client = instance.connect("export")?;
    let known = catalogue::candidates(&mut client, Some(&[number]))?;
    let Some(known) = known.first() else {
        return Err(Error::Usage(format!(
            "there is no upload {number}; FOSSology's pages show an upload's number in their address (upload=N)"
        )));
    };
    if known.deleted {
        return Err(Error::Usage(format!(
            "upload {number} ({}) was deleted in FOSSology; --snapshot ID exports it from a snapshot from before",
            known.row.filename
        )));
    }
    let mut moment = Moment::begin(&mut client)?;
    let mut tree = Tree::default();
    let mut keys = RoaringBitmap::new();
    moment.nodes_of(number, |node| {
        keys.extend(node.pfile);
        tree.add(&node);
    })?;
    let gold = moment.gold_of(number)?;
    keys.extend(gold);
    let mut names = Vec::with_capacity(keys.len() as usize);
    let all: Vec<u32> = keys.iter().collect();
    for some in all.chunks(BATCH) {
        let blobs = moment.blobs(some)?.into_iter();
        names.extend(blobs.filter_map(|blob| Some((blob.pfile, blob.name.ok()?))));
    }
    moment.end()?;
    Ok(Upload::new(known.row.filename.clone(), gold, tree, names))
}

fn from_snapshot(vault: &Vault, wanted: &str, options: &Options) -> Result<(Upload, SnapshotId)> {
    let snapshot = vault.snapshot(wanted)?;
    let dump = Dump::open(
        vault,
        &snapshot,
        &options.scratch,
        options.postgres_bin.as_deref(),
    )?;
    let found = dump.uploads(&[options.upload])?;
    let mut tree = Tree::default();
    let mut keys = RoaringBitmap::new();
    let mut names = Vec::new();
    let mut told = (String::new(), None);
    for upload in found {
        dump.nodes(&upload, |node| {
            keys.extend(node.pfile);
            tree.add(&node);
        })?;
        keys.extend(upload.gold);
        told = (upload.filename, upload.gold);
    }
    dump.names(&keys, |key, name| names.push((key, name)))?;
    let (filename, gold) = told;
    let upload = Upload::new(filename, gold, tree, names);
    Ok((upload, snapshot.id.clone()))
}

impl Upload {
    fn new(
        filename: String,
        gold: Option<u32>,
        mut tree: Tree,
        mut names: Vec<(u32, PfileName)>,
    ) -> Self {
        tree.sort();
        names.sort_unstable_by_key(|(key, _)| *key);
        Self {
            filename,
            gold,
            tree,
            names,
        }
    }
}
