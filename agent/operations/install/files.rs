// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files and links that appear whole under their names or not at all. What a killed run left
//! beside them has a fixed name and is overwritten by the next one.

use super::{Error, Result};
use nix::unistd::Uid;
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// To whom what is made belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// The owner of what lies beside a path (the first by name), else of the folder it lies in.
    /// Only root can give things away.
    pub fn of_neighbour(path: &Path) -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        let folder = path.parent()?;
        let mut beside: Vec<PathBuf> = fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|other| other != path)
            .collect();
        beside.sort();
        let neighbour = beside.first().map_or(folder, PathBuf::as_path);
        let found = fs::symlink_metadata(neighbour).ok()?;
        Some(Self {
            uid: found.uid(),
            gid: found.gid(),
        })
    }
}

/// Makes a folder, and those above it.
pub fn folder(path: &Path, owner: Option<Owner>) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        folder(parent, owner)?;
    }
    fs::create_dir(path).map_err(Error::io("making", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .and_then(|()| give(path, owner))
        .map_err(Error::io("opening", path))
}

/// Writes a file that everybody may read.
pub fn write(path: &Path, content: &[u8], owner: Option<Owner>) -> Result<()> {
    put(path, content, 0o644, owner)
}

/// Copies a file.
pub fn copy(from: &Path, to: &Path, mode: u32, owner: Option<Owner>) -> Result<()> {
    let source = File::open(from).map_err(Error::io("reading", from))?;
    put(to, source, mode, owner)
}

fn put(path: &Path, mut content: impl Read, mode: u32, owner: Option<Owner>) -> Result<()> {
    let new = beside(path);
    let written = (|| {
        // What a killed run left may be of another mode, or a running program.
        remove(&new)?;
        let mut file = File::create_new(&new)?;
        io::copy(&mut content, &mut file)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        give(&new, owner)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    written.map_err(Error::io("writing", path))
}

/// Makes or changes a link, which belongs to whom its neighbours belong.
pub fn link(target: &Path, path: &Path) -> Result<()> {
    if fs::read_link(path).is_ok_and(|there| there == target) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        folder(parent, None)?;
    }
    let new = beside(path);
    let linked = (|| {
        remove(&new)?;
        symlink(target, &new)?;
        if let Some(owner) = Owner::of_neighbour(&new) {
            lchown(&new, Some(owner.uid), Some(owner.gid))?;
        }
        fs::rename(&new, path)
    })();
    linked.map_err(Error::io("linking", path))
}

/// Makes a folder hold exactly the pages of another one: all but their tests and what is for
/// programmers. Without a page it is not there. Gives the number of its files.
pub fn mirror(from: &Path, to: &Path, owner: Option<Owner>) -> Result<usize> {
    let walk = WalkDir::new(from).sort_by_file_name().into_iter();
    let wanted = walk.filter_entry(|entry| {
        entry.depth() != 1
            || !["tests", "README.md", "vendor"]
                .iter()
                .any(|name| entry.file_name() == *name)
    });
    let mut files = BTreeSet::new();
    for entry in wanted {
        let entry = entry.map_err(|error| Error::io("reading", from)(error.into()))?;
        if let Ok(path) = entry.path().strip_prefix(from)
            && entry.file_type().is_file()
        {
            files.insert(path.to_owned());
        }
    }
    let is_page = |path: &PathBuf| path.extension().is_some_and(|end| end == "php");
    if !files.iter().any(is_page) {
        if to.exists() {
            fs::remove_dir_all(to).map_err(Error::io("removing", to))?;
        }
        return Ok(0);
    }
    for file in &files {
        let target = to.join(file);
        folder(target.parent().unwrap_or(to), owner)?;
        copy(&from.join(file), &target, 0o644, owner)?;
    }
    // A page that went away must not be read any more.
    for entry in WalkDir::new(to) {
        let entry = entry.map_err(|error| Error::io("reading", to)(error.into()))?;
        let known = entry
            .path()
            .strip_prefix(to)
            .is_ok_and(|path| files.contains(path));
        if entry.file_type().is_file() && !known {
            fs::remove_file(entry.path()).map_err(Error::io("removing", entry.path()))?;
        }
    }
    Ok(files.len())
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn give(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match owner {
        Some(owner) => chown(path, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    }
}
