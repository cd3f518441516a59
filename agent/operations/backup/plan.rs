// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Seeing one moment: the list of what is needed, the database's dump, the configuration and the
//! other directories, all stored in the vault but for the blobs. What comes out is a plan that
//! says everything a snapshot needs, so that nobody has to hold the moment while blobs are packed,
//! on other hosts and hours later perhaps.
//!
//! Killed in the middle, chunks stay in the vault, which the next backup finds there.

use super::life::Growth;
use super::listing::Listing;
use super::{Options, external, streams};
use crate::blob::{HostName, Tree};
use crate::fossology::catalogue::Moment;
use crate::fossology::database::{
    Error as DatabaseError, Scrubber, Tools, properties, server_major,
};
use crate::operations::by_url::{self, GoldSettings};
use crate::operations::{Context, Error, Instance, Result, Scratch};
use crate::threads;
use crate::vault::{ByUrl, Database, SnapshotId, Stream, Vault};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// Everything of a snapshot but its blobs, and which blobs those are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the program that made it.
    pub program: String,
    /// The vault in which all of it is.
    vault: Uuid,
    /// What decides where a blob lies.
    rules: Vec<String>,
    /// The repository hosts: each has to be packed by somebody.
    pub(super) hosts: Vec<Option<HostName>>,
    /// The snapshot's id.
    pub(super) id: SnapshotId,
    /// The moment.
    pub(super) time: Timestamp,
    pub(super) host: String,
    pub(super) release: Option<String>,
    pub(super) repository: String,
    pub(super) depth: u8,
    pub(super) database: Database,
    pub(super) dump_bytes: u64,
    pub(super) configuration: Stream,
    pub(super) directories: BTreeMap<String, Stream>,
    pub(super) left_out: Vec<String>,
    /// Gold that is left to the web.
    #[serde(default)]
    pub(super) by_url: Vec<ByUrl>,
    #[serde(default)]
    pub(super) scrubbed: Vec<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// What it has added to the vault, in bytes.
    pub(super) stored: u64,
    pub(super) listing: Listing,
}

impl Plan {
    /// How many blobs may be new.
    pub fn candidates(&self) -> u64 {
        self.listing.candidates.len()
    }

    /// Refuses to go on with another program, vault or layout than it was made with: what is packed
    /// would not fit.
    ///
    /// # Errors
    /// Names what differs.
    pub(super) fn expect_same(&self, instance: &Instance, vault: &Vault) -> Result<()> {
        let config = &instance.config;
        let differs = |what: String| Err(Error::HostDiffers { what });
        let program = env!("CARGO_PKG_VERSION");
        if self.program != program {
            return differs(format!(
                "fo_backup is version {program} here, and {} on {}",
                self.program, self.host
            ));
        }
        if self.vault != vault.id() {
            return differs(format!(
                "{} is another vault than that of {}",
                vault.location(),
                self.host
            ));
        }
        if self.rules != config.layout.rules() {
            return differs(format!(
                "{} has another depth or [REPOSITORY] than on {}",
                config.sysconfdir.join("fossology.conf").display(),
                self.host
            ));
        }
        Ok(())
    }
}

/// Makes the plan. While the database is dumped, `beside` does what it likes with the list; it is
/// asked to stop when the dump fails.
pub(super) fn plan<T>(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    context: Context<'_>,
    beside: impl FnOnce(&Listing, &mut Moment<'_>, &(dyn Fn() -> bool + Sync)) -> Result<T>,
) -> Result<(Plan, T)> {
    if options.scrub && options.external.is_some() {
        return Err(Error::Usage(
            "secrets are left out of a dump, but another program backs the database up here: it takes them along; leave --scrub (scrub in fo_backup.toml) out".into(),
        ));
    }
    let layout = &instance.config.layout;
    let scratch = Scratch::new(&options.scratch)?;
    let chunks = vault.chunks();

    let mut catalogue = instance.connect("backup catalogue")?;
    let major = server_major(&mut catalogue)?;
    // Database first, files after: what is listed below was there, or came later.
    let external = match &options.external {
        Some(command) => Some(external::back_up(
            command,
            instance,
            &mut catalogue,
            &scratch,
            context,
        )?),
        None => None,
    };
    let tools = match &external {
        Some(_) => None,
        None => Some(Tools::find(options.postgres_bin.as_deref(), major)?),
    };
    if let Some(tools) = tools.as_ref().filter(|tools| !tools.loads_into(major)) {
        log::warn!(
            "the dump is made by pg_dump {}, and can be restored into PostgreSQL 17 and newer only, while the server is PostgreSQL {major}: install the Debian package postgresql-client-{major}",
            tools.major()
        );
    }
    let mut moment = Moment::begin(&mut catalogue)?;
    let exported = match &tools {
        Some(_) => moment.export()?,
        None => String::new(),
    };
    let time = crate::vault::now();
    let properties = properties(moment.transaction())?;
    let release = moment.release()?;

    let scrubber = match options.scrub {
        true => Some(Scrubber::new(moment.transaction())?),
        false => None,
    };

    // Each job of pg_dump is a connection, which a small database is not worth.
    let jobs = (properties.size / (256 << 20) + 1).min(4) as usize;
    // Whichever side fails first stops the other.
    let failed = AtomicBool::new(false);
    let stop = || context.stop.requested() || failed.load(Ordering::Relaxed);
    let store = streams::Store {
        chunks: &chunks,
        options,
        stop: &stop,
    };
    let (dumped, listed) = std::thread::scope(|scope| {
        let dump = threads::scoped(scope, "dump", || {
            let Some(tools) = &tools else {
                return Ok((BTreeMap::new(), 0, Vec::new()));
            };
            let growth = Growth::new(context.progress);
            let mut scrubbed = Vec::new();
            let make = |folder: &Path| {
                let look_and_stop = || {
                    growth.look(folder);
                    stop()
                };
                let database = &instance.database;
                let dumped = tools.dump(database, &exported, folder, jobs, &look_and_stop);
                dumped.map_err(|source| match &source {
                    DatabaseError::ProgramFailed { messages, .. }
                        if messages.contains("No space left on device") =>
                    {
                        let place = options.scratch.clone();
                        Error::NoRoomForDump { place, source }
                    }
                    _ => Error::from(source),
                })?;
                if let Some(scrubber) = &scrubber {
                    scrubbed = scrubber.scrub(tools, folder)?;
                }
                Ok(())
            };
            let dumped = streams::dump(make, &scratch, &store, context.progress);
            failed.fetch_or(dumped.is_err(), Ordering::Relaxed);
            dumped.map(|(files, size)| (files, size, scrubbed))
        })?;
        let list = || {
            context.progress.begin("listing what is needed", 0, 0);
            let mut listing = Listing::new(vault, &mut moment, options.mode)?;
            context.progress.end();
            let by_url = match &options.by_url {
                Some(settings) => leave_to_the_web(
                    settings,
                    instance,
                    vault,
                    &mut listing,
                    &mut moment,
                    context,
                    &stop,
                )?,
                None => Vec::new(),
            };
            let done = beside(&listing, &mut moment, &stop)?;
            Ok((listing, by_url, done))
        };
        let listed = list();
        failed.fetch_or(listed.is_err(), Ordering::Relaxed);
        Ok::<_, Error>((threads::ended(dump), listed))
    })?;
    context.stop.check()?;
    let (listing, by_url, done) = match (listed, dumped.as_ref()) {
        // The side that was only stopped has nothing to say.
        (Err(Error::Interrupted), Err(_)) => {
            return Err(dumped.err().unwrap_or(Error::Interrupted));
        }
        (listed, _) => listed?,
    };
    let (files, dump_bytes, scrubbed) = dumped?;
    moment.end()?;

    context
        .progress
        .begin("configuration and other directories", 0, 0);
    let mut left_out = Vec::new();
    let configuration = streams::configuration(instance, &store, &mut left_out)?;
    let directories = streams::directories(layout.path(), &store, &mut left_out)?;
    context.progress.end();

    let plan = Plan {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        vault: vault.id(),
        rules: layout.rules(),
        hosts: layout.hosts(),
        id: vault.new_snapshot_id(time)?,
        time,
        host: crate::process::host_name(),
        release,
        repository: layout.path().display().to_string(),
        depth: layout.depth(),
        database: Database {
            name: instance.database.name().to_owned(),
            files,
            tool_major: tools.map_or(major, |tools| tools.major()),
            properties: serde_json::to_value(properties).unwrap_or_default(),
            external,
        },
        dump_bytes,
        configuration,
        directories,
        left_out,
        scrubbed,
        by_url,
        tags: options.tags.clone(),
        stored: chunks.stored(),
        listing,
    };
    Ok((plan, done))
}

/// Takes what the web gives out of what is to be packed. What the vault has already stays in it.
fn leave_to_the_web(
    settings: &GoldSettings,
    instance: &Instance,
    vault: &Vault,
    listing: &mut Listing,
    moment: &mut Moment<'_>,
    context: Context<'_>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<ByUrl>> {
    let new = &listing.candidates & &listing.needed.gold;
    let mut given =
        by_url::what_the_web_gives(settings, instance, vault, &new, moment, context, stop)?;
    for blob in &mut given {
        blob.files = listing.needed.files.remove(blob.pfile);
        listing.needed.gold.remove(blob.pfile);
        listing.candidates.remove(blob.pfile);
        for (tree, there) in [(Tree::Gold, true), (Tree::Files, blob.files)] {
            if there {
                let bytes = &mut listing.bytes[tree as usize];
                *bytes = bytes.saturating_sub(blob.name.size());
            }
        }
    }
    Ok(given)
}
