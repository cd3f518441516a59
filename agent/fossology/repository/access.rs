// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Modes and owner of what is put into the repository: folders 2770, so that what FOSSology's
//! programs make in them stays in the group, and files 0660. Looking at what came of the umask
//! and the folder above costs less than a change, so a change is made only where it is needed.

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmod, fchmodat, fstat, fstatat};
use nix::unistd::{Gid, Uid, fchown, fchownat};
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// To whom new files and folders are given; takes root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Gives new files and folders their mode and owner.
#[derive(Debug)]
pub struct Access {
    owner: Option<Owner>,
    refused: AtomicBool,
}

impl Access {
    /// The mode of files.
    pub const FILE: Mode = Mode::from_bits_truncate(0o660);
    /// The mode of folders; when one is made the system ignores the setgid bit in it.
    pub const FOLDER: Mode = Mode::from_bits_truncate(0o2770);
    const ALL_BITS: u32 = 0o7777;

    pub fn new(owner: Option<Owner>) -> Self {
        Self {
            owner,
            refused: AtomicBool::new(false),
        }
    }

    /// For a folder that was just made.
    pub fn give_folder(&self, at: BorrowedFd<'_>, path: &Path) {
        let Ok(made) = fstatat(at, path, AtFlags::AT_SYMLINK_NOFOLLOW) else {
            return;
        };
        if let Some((uid, gid)) = self.other_owner(&made) {
            self.warn_once(fchownat(at, path, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW));
        }
        if made.st_mode & Self::ALL_BITS != Self::FOLDER.bits() {
            self.warn_once(fchmodat(
                at,
                path,
                Self::FOLDER,
                FchmodatFlags::FollowSymlink,
            ));
        }
    }

    /// For a file that was just made.
    pub fn give_file(&self, file: &File) {
        let Ok(made) = fstat(file) else {
            return;
        };
        if let Some((uid, gid)) = self.other_owner(&made) {
            self.warn_once(fchown(file, uid, gid));
        }
        if made.st_mode & Self::ALL_BITS != Self::FILE.bits() {
            self.warn_once(fchmod(file, Self::FILE));
        }
    }

    /// To whom something that was just made has to be given, unless it is theirs already: in a
    /// restore's hundred thousands of files, every call counts.
    fn other_owner(&self, made: &FileStat) -> Option<(Option<Uid>, Option<Gid>)> {
        let owner = self
            .owner
            .filter(|owner| (owner.uid, owner.gid) != (made.st_uid, made.st_gid))?;
        Some((
            Some(Uid::from_raw(owner.uid)),
            Some(Gid::from_raw(owner.gid)),
        ))
    }

    /// Some network file systems refuse, and FOSSology can work without: no reason to stop.
    fn warn_once(&self, given: Result<(), Errno>) {
        if let Err(errno) = given
            && !self.refused.swap(true, Ordering::Relaxed)
        {
            log::warn!(
                "the repository's file system refuses to change owner or mode of new files ({}); see that FOSSology's user can read and write them",
                errno.desc()
            );
        }
    }
}
