// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an export would contain, and from where it would come. Nothing is read of the contents, so
//! one that is rotten counts as there, and what would be unpacked may not be in the upload's own file.
//! Nothing is written.

use super::source::Source;
use super::tree::Entry;
use super::{Options, Upload, gold_path, read, reader, wanted, web};
use crate::blob::PfileName;
use crate::fossology::config::Proxies;
use crate::operations::{Context, Error, Instance, Result};
use crate::vault::{LeaseKind, SnapshotId, Vault};
use std::collections::BTreeSet;

/// Where the content of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// In the repository.
    Repository,
    /// In the vault.
    Vault,
    /// On the web, where a snapshot left it.
    Web,
    /// In none of these; the upload's own file is in one of them and would be unpacked.
    Gold,
    /// Nowhere.
    Nowhere,
}

/// Something in the archive.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// Its path there; that of a folder ends with a slash.
    pub path: String,
    /// The blob; none for a folder, or when the database has no proper row for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PfileName>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Where its content is; none for a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// What all of them are together.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Listing {
    /// The upload.
    pub upload: i32,
    /// Its file's name.
    pub filename: String,
    /// The snapshot whose database told what belongs to it; else it was FOSSology's own.
    pub snapshot: Option<SnapshotId>,
    /// Folders.
    pub folders: u64,
    /// Files, those aside whose content is nowhere.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that would be unpacked, if the upload's own file has them.
    pub unpacked: u64,
    /// Files whose content is nowhere.
    pub missing: u64,
    /// Links and devices: FOSSology keeps no content for them.
    pub without_content: u64,
    /// Nodes of the tree that hang on nothing.
    pub unreachable: u64,
    /// How many names are changed because they cannot be written as they are.
    pub renamed: u64,
}

impl Listed {
    fn folder(path: &[u8]) -> Self {
        Self {
            path: format!("{}/", String::from_utf8_lossy(path)),
            name: None,
            bytes: 0,
            at: None,
        }
    }
}

/// What is known of where contents are.
struct Whence<'a> {
    upload: &'a Upload,
    source: &'a Source<'a>,
    /// What none of them has.
    lacking: BTreeSet<PfileName>,
    /// Whether one of them has the upload's own file.
    has_gold: bool,
}

impl Whence<'_> {
    fn file(&self, path: &[u8], key: u32) -> Listed {
        let name = self.upload.name(key);
        let at = match &name {
            None => At::Nowhere,
            Some(name) if self.source.is_in_vault(name) => At::Vault,
            Some(name) if self.source.is_on_the_web(name) => At::Web,
            Some(name) if !self.lacking.contains(name) => At::Repository,
            Some(_) if self.has_gold => At::Gold,
            Some(_) => At::Nowhere,
        };
        Listed {
            path: String::from_utf8_lossy(path).into_owned(),
            name,
            bytes: name.map_or(0, |name| name.size()),
            at: Some(at),
        }
    }
}

impl Listing {
    fn count(&mut self, listed: &Listed) {
        match listed.at {
            None => self.folders += 1,
            Some(At::Nowhere) => self.missing += 1,
            Some(at) => {
                self.files += 1;
                self.bytes += listed.bytes;
                self.unpacked += u64::from(at == At::Gold);
            }
        }
    }

    /// Whether something lacks that belongs to the upload.
    pub fn is_incomplete(&self) -> bool {
        self.missing + self.unreachable > 0
    }
}

/// Tells what [`super::run`] would write, in its order; `each` hears of one thing after the other.
/// Of the options the output is passed over.
///
/// # Errors
/// As [`super::run`].
pub fn list(
    instance: Option<&Instance>,
    vault: Option<&Vault>,
    snapshot: Option<&str>,
    options: &Options,
    context: Context<'_>,
    each: &mut dyn FnMut(Listed),
) -> Result<Listing> {
    let lease = vault
        .map(|vault| vault.lease(LeaseKind::Read, "export"))
        .transpose()?;
    let (upload, id) = read(instance, vault, snapshot, options, context)?;
    let reader = reader(instance);
    let direct = Proxies::default();
    let web = web(instance, options, &direct);
    let mut source = Source::new(reader.as_ref(), vault, web, &options.scratch)?;
    let mut names = wanted(&upload, options);
    let gold = upload.gold.and_then(|gold| upload.name(gold));
    names.extend(gold);
    let lacking = source.look(&names, context)?;
    let whence = Whence {
        upload: &upload,
        source: &source,
        has_gold: gold.is_some_and(|gold| !lacking.contains(&gold)),
        lacking,
    };
    let mut listing = Listing {
        upload: options.upload,
        filename: upload.filename.clone(),
        snapshot: id,
        ..Listing::default()
    };
    let notes = upload.tree.for_each(|path, entry| {
        context.stop.check()?;
        let listed = match entry {
            Entry::Folder => Listed::folder(path),
            Entry::File(key) => whence.file(path, key),
            Entry::Nothing => {
                listing.without_content += 1;
                return Ok(());
            }
        };
        listing.count(&listed);
        each(listed);
        Ok::<(), Error>(())
    })?;
    if options.gold
        && let Some(key) = upload.gold
    {
        let listed = whence.file(&gold_path(&upload), key);
        listing.count(&listed);
        each(listed);
    }
    listing.unreachable = notes.unreachable;
    listing.renamed = notes.renamed.len() as u64;
    if let Some(lease) = lease {
        lease.check()?;
    }
    Ok(listing)
}
