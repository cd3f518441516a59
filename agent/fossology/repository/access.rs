// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Modes and owner of what is put into the repository: folders 2770, so that what FOSSology's
//! programs make in them stays in the group, and files 0660. Asked of the system only where it
//! does not come by itself from the umask and the folder above.

use nix::errno::Errno;
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat};
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

#[derive(Debug)]
pub struct Access {
    owner: Option<Owner>,
    umask: u32,
    refused: AtomicBool,
}

impl Access {
    pub const FILE: Mode = Mode::from_bits_truncate(0o660);
    pub const FOLDER: Mode = Mode::from_bits_truncate(0o2770);
    /// The setgid bit cannot be asked for when a folder is made; it is handed down or set later.
    pub const FOLDER_WITHOUT_SETGID: Mode = Mode::from_bits_truncate(0o770);

    pub fn new(owner: Option<Owner>) -> Self {
        Self {
            owner,
            umask: umask(),
            refused: AtomicBool::new(false),
        }
    }

    /// Whether folders made in one of this mode lack something of [`Self::FOLDER`].
    pub fn folders_need_chmod(&self, parent: u32) -> bool {
        self.umask & Self::FOLDER.bits() != 0 || parent & Mode::S_ISGID.bits() == 0
    }

    /// Gives a new folder its owner and, where needed, its mode.
    pub fn give_folder(&self, at: BorrowedFd<'_>, path: &Path, chmod: bool) -> Result<(), Errno> {
        if let Some((uid, gid)) = self.ids() {
            self.warn_once(fchownat(
                at,
                path,
                uid,
                gid,
                nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
            ));
        }
        if chmod {
            fchmodat(at, path, Self::FOLDER, FchmodatFlags::FollowSymlink)?;
        }
        Ok(())
    }

    /// Gives a new file its owner and, where needed, its mode.
    pub fn give_file(&self, file: &File) -> Result<(), Errno> {
        if let Some((uid, gid)) = self.ids() {
            self.warn_once(fchown(file, uid, gid));
        }
        if self.umask & Self::FILE.bits() != 0 {
            fchmod(file, Self::FILE)?;
        }
        Ok(())
    }

    fn ids(&self) -> Option<(Option<Uid>, Option<Gid>)> {
        let owner = self.owner?;
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
                "the repository's file system refuses to change the owner ({}); files stay with the user that writes them: check that FOSSology can read them",
                errno.desc()
            );
        }
    }
}

/// The process's umask, without changing it for a moment as the system call would.
fn umask() -> u32 {
    const UNKNOWN: u32 = 0o777;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(UNKNOWN)
}
