// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is done with what the walk has seen. Orphans are asked for once more while the job queue is
//! held, so that no job begins that could need one, and moved, not removed:
//! `fo_backup-quarantine/DATE/<path that it had>`. Moving it back, or removing the folder, is up to
//! people.

use super::walk::{Seen, walk};
use super::{Found, Options, Report, failed, shown};
use crate::blob::PfileName;
use crate::fossology::catalogue::{hold_queue, needed_now};
use crate::fossology::database;
use crate::fossology::repository::Root;
use crate::operations::{Context, Error, Instance, Result};
use postgres::{Client, GenericClient};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Below the repository's path; FOSSology looks at none of it.
const QUARANTINE: &str = "fo_backup-quarantine";

/// How many blobs the database is asked for at once.
const BATCH: usize = 4096;

/// Tidies the trees up.
pub(super) fn tidy(
    instance: &Instance,
    roots: &[Root],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let repository = instance.config.layout.path();
    let today: String = jiff::Timestamp::now()
        .to_string()
        .chars()
        .take(10)
        .collect();
    let quarantine = repository.join(QUARANTINE).join(today);
    for (wanted, found) in [
        (options.debris, &mut report.debris),
        (options.empty_folders, &mut report.empty_folders),
        (options.orphans, &mut report.orphans),
    ] {
        *found = wanted.then(Found::default);
    }
    if options.orphans {
        report.quarantine = Some(quarantine.clone());
    }
    let mut client = instance.connect("tidy")?;
    walk(roots, options, context, |seen| {
        context.stop.check()?;
        let Seen {
            blobs,
            debris,
            empty,
            problems,
        } = seen;
        problems.into_iter().for_each(|text| report.problem(text));
        if options.orphans {
            for some in blobs.chunks(BATCH) {
                orphans(&mut client, some, &quarantine, repository, options, report)?;
            }
        }
        if options.debris {
            for (path, bytes) in debris {
                remove(&path, bytes, repository, options, report, Kind::Debris);
            }
        }
        if options.empty_folders {
            for path in empty {
                remove(&path, 0, repository, options, report, Kind::Folder);
            }
        }
        Ok(())
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Debris,
    Folder,
}

fn remove(
    path: &Path,
    bytes: u64,
    repository: &Path,
    options: &Options,
    report: &mut Report,
    kind: Kind,
) {
    if !options.dry_run {
        let removed = match kind {
            Kind::Debris => fs::remove_file(path),
            // One that has got something meanwhile stays.
            Kind::Folder => fs::remove_dir(path),
        };
        if let Err(error) = removed {
            report.problem(failed("removing", path, error));
            return;
        }
    }
    let found = match kind {
        Kind::Debris => &mut report.debris,
        Kind::Folder => &mut report.empty_folders,
    };
    if let Some(found) = found {
        found.add(|| shown(repository, path), bytes);
    }
}

type Blob = (PfileName, crate::blob::Tree, PathBuf);

/// Moves what no row needs.
fn orphans(
    client: &mut Client,
    blobs: &[Blob],
    quarantine: &Path,
    repository: &Path,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let found = unneeded(client, blobs)?;
    if found.is_empty() {
        return Ok(());
    }
    if options.dry_run {
        for (name, _, path) in found {
            if let Some(orphans) = &mut report.orphans {
                orphans.add(|| shown(repository, path), name.size());
            }
        }
        return Ok(());
    }
    let busy = database::Error::sql("holding the job queue");
    let mut step = client.transaction().map_err(&busy)?;
    if !hold_queue(&mut step)? {
        report.problem("the job queue was held by somebody else: some orphans stay".into());
        return Ok(());
    }
    let found: Vec<Blob> = found.into_iter().cloned().collect();
    for (name, _, path) in unneeded(&mut step, &found)? {
        let below = path.strip_prefix(repository).unwrap_or(path);
        match put(path, &quarantine.join(below)) {
            Ok(()) => {
                if let Some(orphans) = &mut report.orphans {
                    orphans.add(|| shown(repository, path), name.size());
                }
            }
            Err(error) => report.problem(error.to_string()),
        }
    }
    step.rollback().map_err(busy)?;
    Ok(())
}

/// Those that no row needs in the tree where they lie.
fn unneeded<'a>(client: &mut impl GenericClient, blobs: &'a [Blob]) -> Result<Vec<&'a Blob>> {
    let names: Vec<PfileName> = blobs.iter().map(|(name, _, _)| *name).collect();
    let mut needed = HashMap::new();
    for (name, _, trees) in needed_now(client, &names)? {
        let known = needed.entry(name).or_insert(trees);
        *known = known.union(trees);
    }
    let is_needed = |blob: &&Blob| {
        let (name, tree, _) = blob;
        needed.get(name).is_some_and(|trees| trees.contains(*tree))
    };
    Ok(blobs.iter().filter(|blob| !is_needed(blob)).collect())
}

fn put(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(to);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("making", folder))?;
    match fs::rename(from, to) {
        // Another disk, as where a host is a mount of its own.
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            let copied = fs::copy(from, to).and_then(|_| fs::File::open(to)?.sync_all());
            copied.map_err(Error::io("copying to", to))?;
            fs::remove_file(from).map_err(Error::io("removing", from))
        }
        moved => moved.map_err(Error::io("moving", from)),
    }
}
