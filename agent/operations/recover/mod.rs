// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recovery brings back the blobs that the database needs and the repository lacks, from top to
//! bottom:
//!
//! 1. what is missing is looked for;
//! 2. what lies in the other tree is linked from there;
//! 3. uploads are unpacked, those with the smallest gold first: only what leads to a missing blob
//!    is opened, then, for what did not come, everything, then FOSSology's own unpacker is tried;
//! 4. what did not come out of gold is taken from the vault (gold itself before anything is unpacked, and from
//!    the web what the vault's snapshots left there);
//! 5. what came is synced, then its state is cleared; last, what unpacking does not give though
//!    everything was tried is written down, so that backups of gold carry it.
//!
//! Asked to give way, it finishes the uploads that it unpacks; the run that goes on looks anew for what
//! is missing, and only adds what came before to what it tells.
//!
//! Of FOSSology's tables none is written. Blobs get their names when they are whole, so a recovery
//! that is killed anywhere leaves nothing but blobs that are back and `.I` files, and the same
//! command goes on. That is also why it keeps nobody out but who removes blobs (see
//! [`own::hold_files`]): a second recovery, a restore or a backup beside it find a blob whole or not
//! there, and each leaves alone what is good already.

mod batches;
mod carried;
mod finish;
mod gold;
mod lacking;
mod missing;
pub mod parts;
mod record;
mod report;
mod seeking;
mod single;
mod tool;
mod web;
mod work;

pub use lacking::lacking;
pub use missing::Amount;
pub use report::{BlobReport, Came, Lost, Report, UploadReport, Why};

use super::by_url::GoldSettings;
use super::settings::Settings;
use super::{Context, Error, Instance, Result, instance as place, scratch};
use crate::blob::PfileName;
use crate::fossology::own::{self, Files};
use crate::fossology::repository::{Importer, Reader};
use crate::unpack::fallback::Ununpack;
use crate::vault::{Location, Vault};
use carried::Earlier;
pub(super) use missing::cannot_look;
use postgres::Client;
use work::Recovery;
pub(super) use work::has_name;

/// What a recovery is for.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Everything that is missing.
    Missing,
    /// What these uploads need.
    Uploads(Vec<i32>),
    /// These blobs, each with the least work; their content is looked at, too.
    Blobs(Vec<PfileName>),
}

/// What counts as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// What is not there, or has another size than its name says.
    Missing,
    /// All but gold, as if it were gone. Only a rehearsal can want that; [`Report::proven`] has
    /// what came.
    AsIfGone,
}

/// Where blobs are taken from.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Sources {
    /// Unpacked from gold.
    Gold,
    /// From the vault, and gold from where its snapshots left it on the web.
    Vault,
    /// From gold, and from the vault what does not come from there.
    #[default]
    Any,
}

impl Sources {
    fn gold(self) -> bool {
        self != Self::Vault
    }

    fn vault(self) -> bool {
        self != Self::Gold
    }
}

/// How a recovery is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is for.
    pub scope: Scope,
    /// What counts as missing.
    pub wanted: Wanted,
    /// A rehearsal: everything is unpacked and compared, nothing is put into the repository. What
    /// it learns about what unpacking gives is written down all the same.
    pub dry_run: bool,
    /// Where blobs are taken from.
    pub from: Sources,
    /// Whether what is known not to come from unpacking is tried again.
    pub retry: bool,
    /// How gold comes back from the web.
    pub gold: GoldSettings,
    /// FOSSology's own unpacker, if this host has it.
    pub ununpack: Option<Ununpack>,
    /// How many threads unpack, hash and write.
    pub threads: usize,
    /// How many threads look for files.
    pub lookers: usize,
}

impl Options {
    fn is_rehearsal(&self) -> bool {
        self.dry_run || self.wanted == Wanted::AsIfGone
    }
}

/// Opens the vault for a recovery. Where gold may do, one that is not named or cannot be opened
/// stops nothing.
///
/// # Errors
/// When nothing can come from anywhere but the vault, and that cannot be opened.
pub fn open_vault(
    instance: &Instance,
    location: Result<Location>,
    from: Sources,
    settings: &Settings,
) -> Result<Option<Vault>> {
    let opened = match (from, location) {
        (Sources::Gold, _) | (Sources::Any, Err(_)) => return Ok(None),
        (_, location) => super::check::open_vault(instance, &location?, settings),
    };
    match opened {
        Err(error) if from == Sources::Any => {
            log::warn!("nothing comes from the vault: {error}");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// Brings blobs back. The vault, if there is one, must be this instance's.
///
/// # Errors
/// When it could not go on. What did not come back is no error: [`Report::is_incomplete`].
pub fn run(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
) -> Result<Report> {
    let mut client = hold_files(instance, options)?;
    let record = record::begin(instance, &mut client, options, "recover")?;
    let result = at_work(instance, vault, options, context, |mut work| {
        let worked = match &options.scope {
            Scope::Missing => work.uploads(None),
            Scope::Uploads(uploads) => work.uploads(Some(uploads)),
            Scope::Blobs(names) => work.blobs(names),
        };
        let earlier = Earlier::of(&instance.asked);
        if let Err(Error::GaveWay { .. }) = worked {
            work.leave()?;
            return Err(earlier.gave_way(work.report));
        }
        worked?;
        let mut report = work.finish()?;
        earlier.join(&mut report);
        Ok(report)
    });
    record::end(record, &mut client, &result);
    result
}

/// Keeps out who removes blobs, as long as the connection lasts.
fn hold_files(instance: &Instance, options: &Options) -> Result<Client> {
    let mut client = instance.connect("recover")?;
    if !options.is_rehearsal() {
        own::hold_files(&mut client, Files::Shared)?;
    }
    Ok(client)
}

/// Does something with a recovery that has done nothing yet.
fn at_work<T>(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    context: Context<'_>,
    work: impl FnOnce(Recovery<'_>) -> Result<T>,
) -> Result<T> {
    let layout = &instance.config.layout;
    let reader = Reader::new(layout.clone())?;
    scratch::remove_left_over(layout.path());
    let importer = if options.is_rehearsal() {
        None
    } else {
        place::expect_storage(layout)?;
        Some(Importer::new(layout.clone(), instance.owner()?)?)
    };
    let mut vault = vault.filter(|_| options.from.vault());
    // What snapshots left to the web comes without a key for packs.
    let lists = vault;
    // A rehearsal only asks whether it has something.
    if let Some(encrypted) = vault.filter(|_| !options.is_rehearsal()) {
        match encrypted.expect_readable() {
            Err(error) if options.from == Sources::Any => {
                log::warn!("nothing comes from the vault: {error}");
                vault = None;
            }
            other => other?,
        }
    }
    work(Recovery::new(
        instance,
        (vault, lists),
        options,
        context,
        &reader,
        importer.as_ref(),
    )?)
}
