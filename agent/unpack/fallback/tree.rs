// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Goes through a folder that an unpacker has left, and removes it on the way.
//!
//! Such a folder may hold anything: names that are no text, folders that nobody may enter, links
//! that lead elsewhere, paths longer than the system takes. So every step takes one name below an
//! open folder and follows no link, and a folder is moved up before it is entered: however deep the
//! tree is, two folders are open. A removal that is killed in the middle is begun again by the next
//! one.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How many names of a folder are held at once.
const NAMES: usize = 8192;

/// A regular file on the way.
pub(super) struct Entry<'a> {
    folder: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    /// Its length in bytes.
    pub(super) size: u64,
}

impl Entry<'_> {
    /// Opens it for reading, even when its mode says that nobody may.
    pub(super) fn open(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = match openat(self.folder, self.name, flags, Mode::empty()) {
            Err(Errno::EACCES) => {
                let mode = Mode::S_IRUSR | Mode::S_IWUSR;
                fchmodat(self.folder, self.name, mode, FchmodatFlags::FollowSymlink)?;
                openat(self.folder, self.name, flags, Mode::empty())
            }
            opened => opened,
        };
        Ok(File::from(opened?))
    }
}

/// Removes a folder with all that is in it, also what its modes protect.
///
/// # Errors
/// When something cannot be removed; everything else is.
pub fn remove_tree(folder: &Path) -> io::Result<()> {
    consume(folder, &mut |_| ControlFlow::Break(()))
}

/// Shows every regular file of a folder to `visit`, until it breaks, and removes everything.
///
/// # Errors
/// As for [`remove_tree`].
pub(super) fn consume(
    folder: &Path,
    visit: &mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
) -> io::Result<()> {
    if !fs::symlink_metadata(folder)?.is_dir() {
        return Err(Errno::ENOTDIR.into());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    // Its name is new, so nothing that lies there already can be in the way of what is moved in.
    let upper = tempfile::tempdir_in(folder)?;
    let mut walk = Walk {
        upper: open(upper.path(), folder_flags(), Mode::empty())?,
        moved: 0,
        waiting: Vec::new(),
        visit,
        visiting: true,
        first_error: None,
    };
    let top = open(folder, folder_flags(), Mode::empty())?;
    walk.empty(&top, upper.path().file_name())?;
    while let Some(number) = walk.waiting.pop() {
        let name = number.to_string();
        let inner = openat(&walk.upper, name.as_str(), folder_flags(), Mode::empty())?;
        walk.empty(&inner, None)?;
        unlinkat(&walk.upper, name.as_str(), UnlinkatFlags::RemoveDir)?;
    }
    if let Some(error) = walk.first_error {
        return Err(error.into());
    }
    upper.close()?;
    fs::remove_dir(folder)
}

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

struct Walk<'a> {
    /// Where folders are moved to, under a number.
    upper: OwnedFd,
    moved: u64,
    waiting: Vec<u64>,
    visit: &'a mut dyn FnMut(&Entry<'_>) -> ControlFlow<()>,
    visiting: bool,
    first_error: Option<Errno>,
}

impl Walk<'_> {
    fn empty(&mut self, folder: &OwnedFd, keep: Option<&OsStr>) -> nix::Result<()> {
        loop {
            let names = some_names(folder, keep)?;
            let mut done = 0;
            for name in &names {
                match self.take(folder, name) {
                    Ok(()) => done += 1,
                    Err(error) => {
                        self.first_error.get_or_insert(error);
                    }
                }
            }
            match self.first_error {
                _ if names.is_empty() => return Ok(()),
                // What is left cannot be removed.
                Some(error) if done == 0 => return Err(error),
                _ => {}
            }
        }
    }

    fn take(&mut self, folder: &OwnedFd, name: &CStr) -> nix::Result<()> {
        let found = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        match kind(&found) {
            SFlag::S_IFDIR => {
                // Without the right to write into it, a folder cannot even be moved.
                fchmodat(folder, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
                renameat(folder, name, &self.upper, self.moved.to_string().as_str())?;
                self.waiting.push(self.moved);
                self.moved += 1;
                return Ok(());
            }
            SFlag::S_IFREG if self.visiting => {
                let entry = Entry {
                    folder: folder.as_fd(),
                    name,
                    size: u64::try_from(found.st_size).unwrap_or_default(),
                };
                self.visiting = (self.visit)(&entry).is_continue();
            }
            _ => {}
        }
        unlinkat(folder, name, UnlinkatFlags::NoRemoveDir)
    }
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

/// The first names of a folder. It is opened anew each time, because names go away in between.
fn some_names(folder: &OwnedFd, keep: Option<&OsStr>) -> nix::Result<Vec<CString>> {
    let mut names = Vec::new();
    let mut listed = Dir::openat(folder, ".", folder_flags(), Mode::empty())?;
    for entry in listed.iter() {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if bytes != b"." && bytes != b".." && keep.map(OsStr::as_bytes) != Some(bytes) {
            names.push(name.to_owned());
            if names.len() == NAMES {
                break;
            }
        }
    }
    Ok(names)
}
