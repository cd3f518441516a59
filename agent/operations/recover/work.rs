// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the parts of a recovery share: what it works with, what has come back so far, and how a
//! blob comes from the other tree or from the vault.

use super::missing::{Amount, Missing};
use super::report::{Report, UploadReport, Why};
use super::seeking::{Seeking, Want};
use super::{Options, Sources};
use crate::blob::{PfileName, Tree, TreeSet, digest_file};
use crate::fossology::catalogue::{self, Moment};
use crate::fossology::own::{self, BlobState};
use crate::fossology::repository::{Begun, Importer, Reader};
use crate::operations::restore::{blobs, writer};
use crate::operations::{Context, Error, Instance, Result, Scratch, workers};
use crate::threads;
use crate::vault::{ByUrl, Lease, LeaseKind, Vault, bitmap};
use postgres::Client;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// How many blobs the database is asked for at once.
const NAMES: usize = 32_768;

/// What came back, by key, and where from.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Back {
    /// From the other tree.
    #[serde(with = "bitmap")]
    pub linked: RoaringBitmap,
    /// Out of archives.
    #[serde(with = "bitmap")]
    pub unpacked: RoaringBitmap,
    /// From the vault.
    #[serde(with = "bitmap")]
    pub from_vault: RoaringBitmap,
    /// From the web.
    #[serde(with = "bitmap")]
    pub from_web: RoaringBitmap,
}

impl Back {
    /// All of it.
    pub fn all(&self) -> RoaringBitmap {
        &self.linked | &self.unpacked | &self.from_vault | &self.from_web
    }

    /// And this.
    pub fn join(&mut self, other: &Self) {
        self.linked |= &other.linked;
        self.unpacked |= &other.unpacked;
        self.from_vault |= &other.from_vault;
        self.from_web |= &other.from_web;
    }
}

/// What is known of the unpacking of an upload.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// What stood in the way of trying everything.
    pub obstacle: Option<Why>,
    /// What could not be unpacked, the first of it.
    pub problems: Vec<String>,
}

/// A recovery at work.
pub(super) struct Recovery<'a> {
    pub instance: &'a Instance,
    pub vault: Option<&'a Vault>,
    /// The vault whose snapshots are asked what they left to the web.
    pub lists: Option<&'a Vault>,
    pub options: &'a Options,
    pub context: Context<'a>,
    pub reader: &'a Reader,
    /// None in a rehearsal.
    pub importer: Option<&'a Importer>,
    /// For questions about the present.
    pub client: Client,
    /// For answers that have to be of one moment, each a short one.
    pub moments: Client,
    scratch: Option<Scratch>,
    lease: Option<Lease>,
    /// What snapshots leave to the web, once it was asked for.
    pub web: Option<BTreeMap<PfileName, Vec<ByUrl>>>,
    /// The keys of all that was missing.
    pub all: RoaringBitmap,
    /// What came back.
    pub came: Back,
    /// What was sought in archives and did not come out of them.
    pub in_vain: RoaringBitmap,
    /// What is known not to come out of archives, and was not tried again.
    pub known: RoaringBitmap,
    /// The uploads that were unpacked as far as it goes.
    pub outcomes: BTreeMap<i32, Outcome>,
    /// The uploads that something was missing of.
    pub affected: BTreeMap<i32, UploadReport>,
    pub report: Report,
}

impl<'a> Recovery<'a> {
    /// Nothing is done yet. The vaults are the one that blobs come from, and the one whose snapshots are
    /// asked.
    pub fn new(
        instance: &'a Instance,
        (vault, lists): (Option<&'a Vault>, Option<&'a Vault>),
        options: &'a Options,
        context: Context<'a>,
        reader: &'a Reader,
        importer: Option<&'a Importer>,
    ) -> Result<Self> {
        Ok(Self {
            instance,
            vault,
            lists,
            options,
            context,
            reader,
            importer,
            client: instance.connect("recover")?,
            moments: instance.connect("recover catalogue")?,
            scratch: None,
            lease: None,
            web: None,
            all: RoaringBitmap::new(),
            came: Back::default(),
            in_vain: RoaringBitmap::new(),
            known: RoaringBitmap::new(),
            outcomes: BTreeMap::new(),
            affected: BTreeMap::new(),
            report: Report::new(options, vault.map(Vault::location)),
        })
    }

    /// The folder for temporary files, in the repository's file system; made when it is needed.
    pub fn scratch(&mut self) -> Result<&Scratch> {
        let made = match self.scratch.take() {
            Some(made) => made,
            None => Scratch::new(self.instance.config.layout.path())?,
        };
        Ok(self.scratch.insert(made))
    }

    /// For the places where it may give way.
    pub fn expect_way(&self) -> Result<()> {
        if self.context.stop.gives_way() {
            return Err(Error::GaveWay {
                carried: serde_json::Value::Null,
            });
        }
        Ok(())
    }

    /// What is back.
    pub fn back(&self) -> RoaringBitmap {
        self.came.all()
    }

    /// Begins to seek these blobs.
    pub fn seek(&mut self, keys: &RoaringBitmap, missing: &Missing) -> Result<Seeking<'a>> {
        let mut seeking = Seeking::new(self.importer, self.context.progress);
        let mut rest = keys.iter().peekable();
        while rest.peek().is_some() {
            self.context.stop.check()?;
            let some: Vec<u32> = rest.by_ref().take(NAMES).collect();
            if !self.options.retry {
                let (_, known) = catalogue::states(&mut self.client, &some)?;
                self.known.extend(known);
            }
            let mut moment = Moment::begin(&mut self.moments)?;
            for blob in moment.blobs(&some)? {
                let Ok(name) = blob.name else { continue };
                let want = Want {
                    pfile: blob.pfile,
                    trees: missing.trees(blob.pfile),
                    matters: !self.known.contains(blob.pfile),
                };
                seeking.add(name, want);
            }
            moment.end()?;
        }
        Ok(seeking)
    }

    /// Links what lies in the other tree. Its content is compared with its name first.
    pub fn link(&mut self, missing: &Missing) -> Result<()> {
        let seeking = self.seek(&missing.elsewhere, missing)?;
        let rest = seeking.rest();
        if rest.is_empty() {
            return Ok(());
        }
        let (reader, importer, context) = (self.reader, self.importer, self.context);
        context
            .progress
            .begin("linking from the other tree", rest.len() as u64, 0);
        let next = Mutex::new(rest.into_iter());
        std::thread::scope(|scope| {
            let work = || -> Result<()> {
                loop {
                    context.stop.check()?;
                    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((name, trees)) = taken else {
                        return Ok(());
                    };
                    if link_one(reader, importer, &name, trees)? {
                        seeking.found(&name);
                    }
                    context.progress.advance(1, 0);
                }
            };
            let helpers = threads::several(scope, "linker", self.options.threads, || work)?;
            workers::join(helpers, Ok(()))
        })?;
        context.progress.end();
        let came = &missing.elsewhere - seeking.keys(true);
        self.report.linked.join(seeking.amount());
        self.came.linked |= &came;
        self.settle(&came, false)
    }

    /// Brings from the vault what it has of what is still sought. Where gold may do, a vault that
    /// fails is left alone from then on.
    pub fn take_from_vault(&mut self, seeking: &Seeking<'_>) -> Result<()> {
        let Some(vault) = self.vault else {
            return Ok(());
        };
        match self.read_vault(vault, seeking) {
            Err(Error::Vault(error)) if self.options.from == Sources::Any => {
                log::warn!("nothing more comes from the vault: {error}");
                self.vault = None;
                Ok(())
            }
            read => read,
        }
    }

    fn read_vault(&mut self, vault: &Vault, seeking: &Seeking<'_>) -> Result<()> {
        let rest = seeking.rest();
        if rest.is_empty() {
            return Ok(());
        }
        if self.lease.is_none() {
            self.lease = Some(vault.lease(LeaseKind::Read, "recover")?);
        }
        let selection = blobs::these(vault, rest.into_iter())?;
        let damaged = if self.importer.is_none() {
            selection.for_each(|name, _| seeking.found(name))?;
            selection.damaged
        } else {
            let (_, damaged) = writer::write(
                vault,
                selection,
                &self.instance.config.layout,
                self.instance,
                self.options.threads,
                self.context,
                &|name| seeking.found(name),
            )?;
            damaged
        };
        for damage in damaged {
            log::warn!(
                "pack {} of the vault: {}; 'fo_backup verify' names what it hits",
                damage.pack,
                damage.why
            );
        }
        Ok(())
    }

    /// Makes what came durable, then clears what was known of it.
    pub fn settle(&mut self, came: &RoaringBitmap, unpacked: bool) -> Result<()> {
        let writes = self.importer.is_some();
        if let Some(importer) = self.importer.filter(|_| !came.is_empty()) {
            self.context.progress.begin("syncing to disk", 0, 0);
            importer.sync()?;
            self.context.progress.end();
        }
        let mut rest = came.iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<u32> = rest.by_ref().take(NAMES).collect();
            // In a rehearsal what is pruned stays away.
            if writes {
                own::clear_state(&mut self.client, BlobState::Pruned, &some)?;
            }
            // What came from elsewhere still has to be backed up.
            if unpacked {
                own::clear_state(&mut self.client, BlobState::NotReproducible, &some)?;
            }
        }
        Ok(())
    }

    /// Whether a blob is there with the content that its name says.
    pub fn is_good(&self, tree: Tree, name: &PfileName) -> Result<bool> {
        let Ok((file, _)) = self.reader.open(tree, name) else {
            return Ok(false);
        };
        self.context.stop.check()?;
        Ok(has_name(&file, name))
    }
}

/// Whether a blob came from the other tree.
fn link_one(
    reader: &Reader,
    importer: Option<&Importer>,
    name: &PfileName,
    trees: TreeSet,
) -> Result<bool> {
    let both = TreeSet::of(Tree::Gold).with(Tree::Files);
    match importer {
        // What it would have to write is not there whole; then nothing is written.
        Some(importer) => Ok(matches!(importer.begin(both, name)?, Begun::Done(_))),
        None => {
            let mut others = both.without(trees).iter();
            Ok(others.any(|tree| {
                let opened = reader.open(tree, name);
                opened.is_ok_and(|(file, _)| has_name(&file, name))
            }))
        }
    }
}

/// Whether a file has this name's content; what cannot be read has not.
pub(in crate::operations) fn has_name(file: &File, name: &PfileName) -> bool {
    digest_file(file).is_ok_and(|found| found == *name)
}

impl Report {
    fn new(options: &Options, vault: Option<String>) -> Self {
        let none = Amount::default();
        Self {
            dry_run: options.is_rehearsal(),
            wanted: options.wanted,
            from: options.from,
            needed: none,
            missing: none,
            linked: none,
            unpacked: none,
            from_vault: none,
            from_web: none,
            lost: none,
            not_reproducible: none,
            deleted: 0,
            broken: 0,
            recorded: 0,
            vault,
            lost_urls: Vec::new(),
            uploads: Vec::new(),
            blobs: Vec::new(),
            truncated: false,
            proven: RoaringBitmap::new(),
        }
    }
}
