// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The other directories below the repository's path, and the configuration files: tars in the
//! vault. A file is written beside its place and renamed; one that is there already with the same
//! size is left alone. What a killed restore has left beside is removed by the next one, and no
//! backup takes it.

use crate::fossology::repository::Owner;
use crate::operations::{Error, Instance, Result, scratch};
use crate::threads;
use crate::vault::{self, Snapshot, Stream, Vault};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown};
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// What came of the other directories.
#[derive(Default)]
pub(in crate::operations) struct Others {
    /// Files that were written.
    pub files: u64,
    /// Files that could not be written, each with the reason.
    pub failures: Vec<String>,
}

/// Brings back `report`, `fossdash` and what else the snapshot has.
pub(in crate::operations) fn restore(
    vault: &Vault,
    snapshot: &Snapshot,
    repository: &Path,
    instance: &Instance,
) -> Result<Others> {
    let owner = instance.owner()?;
    let mut others = Others::default();
    for (name, stream) in &snapshot.directories {
        let what = format!("the directory {name}");
        for entry in walkdir::WalkDir::new(repository.join(name))
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_dir())
        {
            scratch::remove_left_over(entry.path());
        }
        let written = unpack(
            vault,
            &what,
            stream,
            repository,
            owner,
            &mut others.failures,
        );
        match written {
            Ok(files) => others.files += files,
            Err(Error::Vault(error)) if error.is_damage() => {
                others.failures.push(format!("{what}: {error}"));
            }
            Err(error) => return Err(error),
        }
    }
    // One sync for all of it, as for the blobs.
    let folder = File::open(repository).map_err(Error::io("opening", repository))?;
    nix::unistd::syncfs(folder).map_err(|error| Error::io("syncing", repository)(error.into()))?;
    Ok(others)
}

/// Writes the configuration files into a folder of their own.
pub(super) fn configuration(vault: &Vault, snapshot: &Snapshot, folder: &Path) -> Result<u64> {
    // Db.conf holds a password.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("making", folder))?;
    let mut failures = Vec::new();
    let files = unpack(
        vault,
        "the configuration",
        &snapshot.configuration,
        folder,
        None,
        &mut failures,
    )?;
    match failures.into_iter().next() {
        Some(failure) => Err(Error::io("writing", folder)(io::Error::other(failure))),
        None => Ok(files),
    }
}

fn unpack(
    vault: &Vault,
    what: &str,
    stream: &Stream,
    root: &Path,
    owner: Option<Owner>,
    failures: &mut Vec<String>,
) -> Result<u64> {
    let (from, to) =
        nix::unistd::pipe().map_err(|error| Error::io("making a pipe for", root)(error.into()))?;
    std::thread::scope(|scope| {
        let chunks = vault.chunks();
        let reader = threads::scoped(scope, "chunk reader", move || {
            chunks.copy(what, stream, &mut File::from(to))
        })?;
        let written = entries(
            &mut tar::Archive::new(File::from(from)),
            root,
            owner,
            failures,
        );
        let read = threads::ended(reader);
        match (read, written) {
            // When this side fails the pipe breaks, so its error is the reason.
            (Ok(()) | Err(vault::Error::Io { .. }), written) => {
                written.map_err(Error::io("unpacking into", root))
            }
            (Err(error), _) => Err(error.into()),
        }
    })
}

fn entries(
    archive: &mut tar::Archive<File>,
    root: &Path,
    owner: Option<Owner>,
    failures: &mut Vec<String>,
) -> io::Result<u64> {
    let mut files = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let inside = entry.path()?.into_owned();
        match place(&mut entry, &inside, root, owner) {
            Ok(written) => files += u64::from(written),
            Err(error) => failures.push(format!("{}: {error}", inside.display())),
        }
    }
    Ok(files)
}

/// Puts one entry in its place. `false` when nothing had to be written.
fn place(
    entry: &mut tar::Entry<'_, File>,
    inside: &Path,
    root: &Path,
    owner: Option<Owner>,
) -> io::Result<bool> {
    if inside
        .components()
        .any(|part| !matches!(part, Component::Normal(_)))
    {
        return Err(io::Error::other("it leads out of its folder"));
    }
    let path = root.join(inside);
    let kind = entry.header().entry_type();
    if kind == EntryType::Directory {
        make_folders(root, inside, owner)?;
        return Ok(false);
    }
    make_folders(root, inside.parent().unwrap_or(Path::new("")), owner)?;
    let there = path.symlink_metadata().ok();
    if kind == EntryType::Symlink {
        if there.is_some() {
            return Ok(false);
        }
        let target = entry.link_name()?.unwrap_or_default().into_owned();
        std::os::unix::fs::symlink(target, &path)?;
        give(&path, owner)?;
        return Ok(true);
    }
    if kind != EntryType::Regular {
        return Err(io::Error::other(format!(
            "an entry of kind {kind:?} is not expected"
        )));
    }
    let size = entry.header().size()?;
    if there.is_some_and(|there| there.is_file() && there.len() == size) {
        return Ok(false);
    }
    let mode = entry.header().mode()? & 0o7777;
    let folder = path.parent().unwrap_or(root);
    let mut file = scratch::file_in(folder)?;
    io::copy(&mut entry.take(size), &mut file)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    give(file.path(), owner)?;
    file.persist(&path)?;
    Ok(true)
}

/// Makes the folders below `root` that are missing. A link in the way is not followed.
fn make_folders(root: &Path, inside: &Path, owner: Option<Owner>) -> io::Result<()> {
    let mut path: PathBuf = root.to_owned();
    for part in inside {
        path.push(part);
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(io::Error::other(format!("{} is no folder", path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&path)?;
                give(&path, owner)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o2770))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn give(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some(owner) => lchown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}
