// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the contents of an export come from: the repository; for what it lacks the vault; for what
//! that lacks the web, where snapshots left it there, and the upload's own file, unpacked as it streams by. Each is compared with its name
//! before anything of it is handed out.
//!
//! Blobs that come from packs lie there side by side as they do in the upload, so the frames that
//! were decoded last are kept. What is large or was unpacked waits in a scratch folder.

use super::web::Web;
use crate::blob::{Hasher, PfileName, Tree, digest, digest_file};
use crate::fossology::repository::Reader;
use crate::operations::restore::blobs::open_index;
use crate::operations::{Context, Error, Result, Scratch};
use crate::unpack::{self, Content as Found, Limits, Seeker, Source as Origin};
use crate::vault::{IndexFile, IndexMerge, LARGE, PackId, PackReader, Record, Vault};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How many decoded frames are kept, a few MiB each at most.
const FRAMES: usize = 8;

/// How much is read at once.
const PIECE: usize = 1 << 20;

/// How far the unpacking of the upload's own file may go.
const LIMITS: Limits = Limits {
    depth: 64,
    members: 50_000_000,
    bytes: 16 << 40,
};

/// A blob whose content is that of its name.
pub(super) enum Content {
    Memory(Vec<u8>),
    /// To be read from its beginning; its size is that of its name.
    File(File),
}

/// How many blobs came from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct From {
    /// The repository.
    pub repository: u64,
    /// The vault.
    pub vault: u64,
    /// The web, where a snapshot had left them.
    pub web: u64,
    /// Unpacked from the upload's own file.
    pub gold: u64,
}

/// Gives the contents of blobs.
pub(super) struct Source<'a> {
    repository: Option<&'a Reader>,
    vault: Option<&'a Vault>,
    indexes: Vec<IndexFile>,
    /// What the repository lacks and the vault has.
    records: HashMap<PfileName, (PackId, Record)>,
    /// What was looked for in the vault and is not there: each look goes through the indexes.
    absent: HashSet<PfileName>,
    /// What the vault's snapshots leave to it is known when something lacks.
    web: Web<'a>,
    /// What was unpacked into the scratch folder.
    unpacked: HashSet<PfileName>,
    frames: VecDeque<((PackId, u64), Vec<u8>)>,
    scratch: Scratch,
    pub from: From,
}

impl<'a> Source<'a> {
    pub fn new(
        repository: Option<&'a Reader>,
        vault: Option<&'a Vault>,
        web: Web<'a>,
        scratch: &Path,
    ) -> Result<Self> {
        Ok(Self {
            repository,
            vault,
            indexes: Vec::new(),
            records: HashMap::new(),
            absent: HashSet::new(),
            web,
            unpacked: HashSet::new(),
            frames: VecDeque::new(),
            scratch: Scratch::new(scratch)?,
            from: From::default(),
        })
    }

    /// Looks where these blobs are, and unpacks the upload's own file for those that are nowhere.
    pub fn prepare(
        &mut self,
        names: &BTreeSet<PfileName>,
        gold: Option<PfileName>,
        threads: usize,
        context: Context<'_>,
    ) -> Result<()> {
        let lacking = self.look(names, context)?;
        match gold.filter(|gold| !lacking.is_empty() && !lacking.contains(gold)) {
            Some(gold) => self.unpack(gold, lacking, threads, context),
            None => Ok(()),
        }
    }

    /// Looks where these blobs are, without reading them, and gives back those that are neither in the
    /// repository nor in the vault nor left to the web.
    pub fn look(
        &mut self,
        names: &BTreeSet<PfileName>,
        context: Context<'_>,
    ) -> Result<BTreeSet<PfileName>> {
        let mut lacking = BTreeSet::new();
        for name in names {
            context.stop.check()?;
            let there = self.repository.is_some_and(|repository| {
                Tree::ALL
                    .into_iter()
                    .any(|tree| repository.has(tree, name).unwrap_or(false))
            });
            if !there {
                lacking.insert(*name);
            }
        }
        if !lacking.is_empty() {
            self.look_up(&lacking)?;
            lacking.retain(|name| !self.records.contains_key(name));
        }
        if let Some(vault) = self.vault.filter(|_| !lacking.is_empty()) {
            self.web.learn(vault)?;
            lacking.retain(|name| !self.web.has(name));
        }
        Ok(lacking)
    }

    /// Whether a blob that was looked for would come from the vault.
    pub fn is_in_vault(&self, name: &PfileName) -> bool {
        self.records.contains_key(name)
    }

    /// Whether a blob that was looked for and is nowhere else would come from the web.
    pub fn is_on_the_web(&self, name: &PfileName) -> bool {
        self.web.has(name)
    }

    /// Finds what the vault has of these, unless that is known.
    fn look_up(&mut self, names: &BTreeSet<PfileName>) -> Result<()> {
        let is_known = |name| self.records.contains_key(name) || self.absent.contains(name);
        let vault = self.vault.filter(|_| !names.iter().all(is_known));
        let Some(vault) = vault else {
            return Ok(());
        };
        if self.indexes.is_empty() {
            for pack in vault.packs()? {
                match open_index(vault, pack.id, pack.size) {
                    Ok(index) => self.indexes.push(index),
                    Err(error) => log::warn!("nothing comes from pack {}: {error}", pack.id),
                }
            }
        }
        let mut merge = IndexMerge::new(&self.indexes)?;
        for name in names {
            if let Some((index, _, record)) = merge.seek(name)?
                && record.name == *name
            {
                let pack = self.indexes[index].pack();
                self.records.insert(*name, (pack, record));
            } else {
                self.absent.insert(*name);
            }
        }
        Ok(())
    }

    fn unpack(
        &mut self,
        gold: PfileName,
        lacking: BTreeSet<PfileName>,
        threads: usize,
        context: Context<'_>,
    ) -> Result<()> {
        let file = match self.get(&gold, context)? {
            Ok(Content::File(file)) => file,
            Ok(Content::Memory(data)) => {
                let (mut file, _) = self.spool(&gold)?;
                let written = file.write_all(&data).and_then(|()| file.rewind());
                written.map_err(Error::io("writing", self.scratch.path()))?;
                file
            }
            // Each of the lacking ones will be told.
            Err(_) => return Ok(()),
        };
        self.from = From::default();
        context.progress.begin("unpacking", lacking.len() as u64, 0);
        let seeking = Seeking {
            folder: self.scratch.path(),
            largest: lacking.iter().map(PfileName::size).max().unwrap_or(0),
            sizes: lacking.iter().map(PfileName::size).collect(),
            left: Mutex::new(lacking.clone()),
            failed: Mutex::new(None),
            context,
        };
        let origin = Origin {
            name: gold,
            file,
            limits: LIMITS,
        };
        unpack::walk(
            &mut [origin].into_iter(),
            &seeking,
            unpack::Options {
                threads,
                spool: self.scratch.path(),
                stop: &|| context.stop.requested(),
            },
        );
        context.progress.end();
        context.stop.check()?;
        let failed = seeking.failed.into_inner();
        if let Some(error) = failed.unwrap_or_else(PoisonError::into_inner) {
            return Err(Error::io("writing", self.scratch.path())(error));
        }
        let left = seeking.left.into_inner();
        let left = left.unwrap_or_else(PoisonError::into_inner);
        self.unpacked = lacking.difference(&left).copied().collect();
        Ok(())
    }

    /// The content of a blob, or why there is none.
    ///
    /// # Errors
    /// When it is asked to stop, or the scratch folder cannot be written.
    pub fn get(
        &mut self,
        name: &PfileName,
        context: Context<'_>,
    ) -> Result<std::result::Result<Content, String>> {
        context.stop.check()?;
        let mut reasons = Vec::new();
        if let Some(repository) = self.repository {
            for tree in Tree::ALL {
                match from_repository(repository, tree, name) {
                    Ok(content) => {
                        self.from.repository += 1;
                        return Ok(Ok(content));
                    }
                    Err(why) => reasons.push(why),
                }
            }
        }
        if !self.unpacked.contains(name) {
            // It was there when it was looked for, and is rotten or gone.
            self.look_up(&[*name].into())?;
        }
        if let Some((pack, record)) = self.records.get(name).copied() {
            match self.out_of_pack(pack, &record)? {
                Ok(content) => {
                    self.from.vault += 1;
                    return Ok(Ok(content));
                }
                Err(why) => reasons.push(why),
            }
        } else if self.vault.is_some() {
            reasons.push("the vault does not have it".to_owned());
        }
        if self.web.has(name) {
            let path = spool_path(self.scratch.path(), name);
            match self.web.get(name, &path, context)? {
                Ok(file) => {
                    self.from.web += 1;
                    return Ok(Ok(Content::File(file)));
                }
                Err(why) => reasons.push(why),
            }
        }
        if self.unpacked.contains(name) {
            let path = spool_path(self.scratch.path(), name);
            let file = File::open(&path).map_err(Error::io("reading", &path))?;
            self.from.gold += 1;
            return Ok(Ok(Content::File(file)));
        }
        Ok(Err(reasons.join("; ")))
    }

    fn out_of_pack(
        &mut self,
        pack: PackId,
        record: &Record,
    ) -> Result<std::result::Result<Content, String>> {
        let Some(vault) = self.vault else {
            return Ok(Err("there is no vault".to_owned()));
        };
        let reader = PackReader::new(vault.storage().clone(), pack);
        if PackReader::is_large(record) {
            return self.large(&reader, record);
        }
        let place = (pack, record.frame_offset);
        if !self.frames.iter().any(|(known, _)| *known == place) {
            let decoded = reader
                .bytes(record.frame_offset, record.frame_len)
                .and_then(|bytes| reader.decode(&bytes));
            match decoded {
                Ok(frame) => self.frames.push_front((place, frame)),
                Err(error) => return Ok(Err(error.to_string())),
            }
            self.frames.truncate(FRAMES);
        }
        let frame = self.frames.iter().find(|(known, _)| *known == place);
        let content = frame.map(|(_, frame)| reader.content(record, frame));
        Ok(match content {
            Some(Ok(content)) if digest(content) == record.name => {
                Ok(Content::Memory(content.to_vec()))
            }
            Some(Err(error)) => Err(error.to_string()),
            _ => Err(format!("pack {pack} has another content for it")),
        })
    }

    fn large(
        &self,
        reader: &PackReader,
        record: &Record,
    ) -> Result<std::result::Result<Content, String>> {
        let (mut file, path) = self.spool(&record.name)?;
        let mut hasher = Hasher::new();
        let streamed = reader.stream::<Error>(record, |piece| {
            hasher.update(piece);
            file.write_all(piece).map_err(Error::io("writing", &path))
        });
        match streamed {
            Ok(()) if hasher.finish() == record.name => {
                file.rewind().map_err(Error::io("reading", &path))?;
                Ok(Ok(Content::File(file)))
            }
            Ok(()) => Ok(Err(format!(
                "pack {} has another content for it",
                reader.id()
            ))),
            Err(Error::Vault(error)) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// A file in the scratch folder that goes when it is closed.
    fn spool(&self, name: &PfileName) -> Result<(File, PathBuf)> {
        let path = spool_path(self.scratch.path(), name);
        let file = tempfile::tempfile_in(self.scratch.path());
        Ok((file.map_err(Error::io("making", &path))?, path))
    }
}

fn from_repository(
    repository: &Reader,
    tree: Tree,
    name: &PfileName,
) -> std::result::Result<Content, String> {
    if name.size() <= LARGE {
        let mut content = Vec::new();
        let read = repository.read(tree, name, &mut content);
        read.map_err(|error| error.to_string())?;
        return if digest(&content) == *name {
            Ok(Content::Memory(content))
        } else {
            Err(format!("its content in {tree} is another one"))
        };
    }
    let (file, _) = repository
        .open(tree, name)
        .map_err(|error| error.to_string())?;
    if digest_file(&file).map_err(|error| error.to_string())? == *name {
        Ok(Content::File(file))
    } else {
        Err(format!("its content in {tree} is another one"))
    }
}

fn spool_path(folder: &Path, name: &PfileName) -> PathBuf {
    folder.join(name.to_string())
}

/// Puts what comes by in a walk into a folder.
struct Seeking<'a> {
    folder: &'a Path,
    sizes: HashSet<u64>,
    largest: u64,
    left: Mutex<BTreeSet<PfileName>>,
    failed: Mutex<Option<io::Error>>,
    context: Context<'a>,
}

impl Seeking<'_> {
    fn write(&self, name: &PfileName, content: Found<'_>) -> io::Result<()> {
        let mut to = File::create(spool_path(self.folder, name))?;
        match content {
            Found::Memory(data) => to.write_all(data),
            Found::File(file) => {
                let mut piece = vec![0; PIECE];
                let mut at = 0;
                while at < name.size() {
                    let most = piece.len().min((name.size() - at) as usize);
                    file.read_exact_at(&mut piece[..most], at)?;
                    to.write_all(&piece[..most])?;
                    at += most as u64;
                }
                Ok(())
            }
        }
    }
}

impl Seeker for Seeking<'_> {
    fn seeks_size(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    fn largest(&self) -> u64 {
        self.largest
    }

    fn seeks(&self, name: &PfileName) -> bool {
        let left = self.left.lock();
        left.unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    fn opens(&self, _: &PfileName) -> bool {
        true
    }

    fn take(&self, name: &PfileName, content: Found<'_>) -> ControlFlow<()> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.remove(name) {
            let empty = left.is_empty();
            drop(left);
            if let Err(error) = self.write(name, content) {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                return ControlFlow::Break(());
            }
            self.context.progress.advance(1, name.size());
            if empty {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
