// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The repository's side: reads folders and looks at each file once. A shard is what lies below
//! the same first folder (`aa`) of every root, so its names are those that begin so and a shard
//! of ten million blobs has forty thousand. What lies outside of such folders is read last.

use super::content::{Batch, Opener};
use super::found::{Age, Content, Found, Position};
use super::report::{Finding, Kind};
use super::roots::Roots;
use crate::blob::{PfileName, Tree};
use crate::operations::Context;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use roaring::RoaringBitmap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Deeper folders are not read; FOSSology makes at most 20 levels.
const DEEPEST: usize = 40;

/// How long before the check a file counts as recent, in nanoseconds.
const RECENT: i64 = 24 * 3600 * 1_000_000_000;

/// Reads a repository.
pub struct Walker<'a> {
    /// Where.
    pub roots: &'a Roots,
    /// Opens files.
    pub opener: Opener,
    /// Whether contents are read.
    pub deep: bool,
    /// The group that all has to belong to, if it is known here.
    pub group: Option<u32>,
    /// When the check began, in nanoseconds since 1970.
    pub began: i64,
    /// Which blobs have to be there, by their keys; without it all that the database needs.
    pub only: Option<&'a RoaringBitmap>,
    /// Whom to tell, and whether to stop.
    pub context: Context<'a>,
}

/// What was read.
#[derive(Default)]
pub struct Shard {
    /// Files with the names of blobs, in the order of names.
    pub found: Vec<Found>,
    /// Files with the names of blobs that belong to another shard.
    pub strays: Vec<Found>,
    /// What was found that has no such name, and what is wrong with folders.
    pub findings: Vec<Finding>,
    /// Folders that could not be read.
    pub hidden: Vec<Hidden>,
    /// How many folders were read.
    pub folders: u64,
    /// How many of them were empty.
    pub empty: u64,
}

/// A folder that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Its root.
    pub root: u16,
    /// Which blobs it would hold: those whose names begin so.
    pub prefix: Vec<u8>,
}

/// Where the walk is.
struct Place {
    root: u16,
    tree: Tree,
    /// The path below the root, with a slash at its end unless it is the root itself.
    path: Vec<u8>,
    /// The values of the folders' names, as long as they all are two digits.
    prefix: Option<Vec<u8>>,
    /// The shard that is read, none outside of all.
    shard: Option<u8>,
}

/// What a folder holds; files and folders are looked at in the order of their inodes, which is
/// near to that of the disk.
#[derive(Default)]
struct Listing {
    folders: Vec<(u64, CString)>,
    files: Vec<(u64, CString)>,
}

impl Walker<'_> {
    /// How many shards there are.
    pub fn shards(&self) -> usize {
        if self.depth() == 0 { 1 } else { 256 }
    }

    /// The shard of a name.
    pub fn shard_of(&self, name: &PfileName) -> usize {
        if self.depth() == 0 {
            0
        } else {
            usize::from(name.sha1()[0])
        }
    }

    /// How many levels of folders a blob's path has.
    pub fn depth(&self) -> usize {
        usize::from(self.roots.layout().depth())
    }

    /// Reads a shard, or what lies outside of all shards when the number is the one after the
    /// last.
    pub fn read(&self, number: usize) -> Shard {
        let mut shard = Shard::default();
        let mut batch = Batch::default();
        for (root, at) in self.roots.list.iter().zip(0..) {
            let Some(folder) = &root.folder else {
                continue;
            };
            let mut place = Place {
                root: at,
                tree: root.tree,
                path: Vec::new(),
                prefix: Some(Vec::new()),
                shard: None,
            };
            match u8::try_from(number) {
                Ok(byte) if self.depth() > 0 => {
                    place.shard = Some(byte);
                    let name = CString::new(format!("{byte:02x}")).unwrap_or_default();
                    self.enter(folder, &name, &mut place, &mut shard, &mut batch);
                }
                // Without levels of folders all lies in the root, and nothing outside.
                _ if self.depth() > 0 || number == 0 => {
                    // The root's own descriptor is shared by all threads, its position too.
                    match self.opener.open(folder, c".", OFlag::O_DIRECTORY) {
                        Ok(folder) => self.folder(folder, &mut place, &mut shard, &mut batch),
                        Err(errno) => self.unreadable(errno, &place, &mut shard),
                    }
                }
                _ => {}
            }
        }
        batch.finish(&mut shard.found);
        shard.found.sort_unstable_by_key(|found| found.name);
        shard.found.shrink_to_fit();
        shard
    }

    fn enter(
        &self,
        parent: impl AsFd,
        name: &CStr,
        place: &mut Place,
        shard: &mut Shard,
        batch: &mut Batch,
    ) {
        if self.context.stop.requested() {
            return;
        }
        let (length, prefix) = (place.path.len(), place.prefix.clone());
        let byte = folder_byte(name.to_bytes());
        place.prefix = match (place.prefix.take(), byte) {
            (Some(mut prefix), Some(byte)) => {
                prefix.push(byte);
                Some(prefix)
            }
            _ => None,
        };
        place.path.extend_from_slice(name.to_bytes());
        place.path.push(b'/');
        let level = prefix.as_ref().map_or(usize::MAX, Vec::len);
        // A folder on the way may be a link to another disk: FOSSology follows it.
        let follow = byte.is_some() && level < self.depth();
        let flags = if follow {
            OFlag::O_DIRECTORY
        } else {
            OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW
        };
        match self.opener.open(parent, name, flags) {
            Ok(folder) => self.folder(folder, place, shard, batch),
            // It was not there, or it went away since it was listed.
            Err(Errno::ENOENT) => {}
            // A file; whoever reads the folder above tells of it.
            Err(Errno::ENOTDIR) if place.shard.is_some() && level == 0 => {}
            Err(errno) => self.unreadable(errno, place, shard),
        }
        place.path.truncate(length);
        place.prefix = prefix;
    }

    fn unreadable(&self, errno: Errno, place: &Place, shard: &mut Shard) {
        let finding = self.finding(Kind::Unreadable, place, b"", errno.desc());
        shard.findings.push(finding);
        if let Some(prefix) = &place.prefix {
            shard.hidden.push(Hidden {
                root: place.root,
                prefix: prefix.clone(),
            });
        }
    }

    fn folder(&self, folder: OwnedFd, place: &mut Place, shard: &mut Shard, batch: &mut Batch) {
        let stat = fstat(&folder);
        let mut folder = match Dir::from_fd(folder) {
            Ok(folder) => folder,
            Err(errno) => return self.unreadable(errno, place, shard),
        };
        let outside = self.depth() > 0 && place.path.is_empty();
        let listing = match list(&mut folder) {
            Ok(listing) => listing,
            Err(errno) => return self.unreadable(errno, place, shard),
        };
        shard.folders += 1;
        if let Ok(stat) = stat {
            self.look_at_folder(&stat, place, shard);
        }
        if listing.files.is_empty() && listing.folders.is_empty() {
            shard.empty += 1;
        }
        for (_, name) in &listing.files {
            if self.context.stop.requested() {
                return;
            }
            match fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => self.file(&folder, name, &stat, place, shard, batch),
                Err(Errno::ENOENT) => {}
                Err(errno) => shard.findings.push(self.finding(
                    Kind::Unreadable,
                    place,
                    name.to_bytes(),
                    errno.desc(),
                )),
            }
        }
        let deepest = place.path.iter().filter(|byte| **byte == b'/').count() >= DEEPEST;
        for (_, name) in &listing.folders {
            // The shards' own folders are read with the shards.
            if outside && folder_byte(name.to_bytes()).is_some() {
                continue;
            }
            if deepest {
                let detail = "folders are nested too deeply; what is below was not read";
                shard
                    .findings
                    .push(self.finding(Kind::Debris, place, name.to_bytes(), detail));
                continue;
            }
            self.enter(&folder, name, place, shard, batch);
        }
    }

    fn look_at_folder(&self, stat: &FileStat, place: &Place, shard: &mut Shard) {
        let mode = stat.st_mode & 0o7777;
        if mode & 0o2770 != 0o2770 || mode & 0o002 != 0 {
            let detail = format!("the folder has mode {mode:04o}, expected 2770");
            let finding = self.finding(Kind::WrongMode, place, b"", detail);
            shard.findings.push(finding);
        }
        if self.group.is_some_and(|group| group != stat.st_gid) {
            let detail = format!("the folder belongs to group {}", stat.st_gid);
            let finding = self.finding(Kind::WrongOwner, place, b"", detail);
            shard.findings.push(finding);
        }
    }

    fn file(
        &self,
        folder: &Dir,
        name: &CStr,
        stat: &FileStat,
        place: &mut Place,
        shard: &mut Shard,
        batch: &mut Batch,
    ) {
        let bytes = name.to_bytes();
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        if kind == SFlag::S_IFDIR {
            // The file system did not say so when it was listed.
            return self.enter(folder, name, place, shard, batch);
        }
        let level = place.prefix.as_ref().map_or(usize::MAX, Vec::len);
        if kind == SFlag::S_IFLNK && folder_byte(bytes).is_some() && level < self.depth() {
            // A link to a folder on the way; those of the shards are read with the shards.
            let target = fstatat(folder, name, AtFlags::empty());
            if target.is_ok_and(|stat| stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFDIR.bits())
            {
                if level > 0 {
                    self.enter(folder, name, place, shard, batch);
                }
                return;
            }
        }
        let blob = (kind == SFlag::S_IFREG).then(|| parse(bytes)).flatten();
        let age = self.age(stat);
        let Some(blob) = blob else {
            let (kind, detail) = match debris(kind, bytes) {
                _ if age == Age::Fresh => (Kind::InFlight, "changed since the check began"),
                detail => (Kind::Debris, detail),
            };
            shard.findings.push(Finding {
                bytes: u64::try_from(stat.st_size).unwrap_or(0),
                ..self.finding(kind, place, bytes, detail)
            });
            return;
        };
        let position = self.position(place, &blob);
        let path = || Path::new(OsStr::from_bytes(&[&place.path, bytes].concat())).into();
        let found = Found {
            name: blob,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            gid: stat.st_gid,
            root: place.root,
            mode: (stat.st_mode & 0o7777) as u16,
            tree: place.tree,
            position,
            content: Content::NotRead,
            age,
            path: (position != Position::Right).then(path),
        };
        let is_ours = match place.shard {
            Some(byte) => blob.sha1()[0] == byte,
            None => self.depth() == 0,
        };
        if !is_ours {
            shard.strays.push(found);
            return;
        }
        let read = if self.deep && found.size == blob.size() {
            found.size
        } else {
            0
        };
        let number = shard.found.len();
        shard.found.push(found);
        if self.deep && shard.found[number].size == blob.size() {
            batch.read(&self.opener, folder, name, &mut shard.found, number);
        }
        self.context.progress.advance(1, read);
    }

    /// When a file was changed.
    pub fn age(&self, stat: &FileStat) -> Age {
        match stat.st_ctime.saturating_mul(1_000_000_000) + stat.st_ctime_nsec {
            time if time >= self.began => Age::Fresh,
            time if time >= self.began - RECENT => Age::Recent,
            _ => Age::Old,
        }
    }

    fn position(&self, place: &Place, name: &PfileName) -> Position {
        match &place.prefix {
            Some(prefix) if name.sha1().starts_with(prefix) => {
                if prefix.len() == self.depth() {
                    Position::Right
                } else {
                    Position::WrongDepth
                }
            }
            _ => Position::WrongFolder,
        }
    }

    fn finding(
        &self,
        kind: Kind,
        place: &Place,
        name: &[u8],
        detail: impl Into<String>,
    ) -> Finding {
        self.finding_at(kind, place.root, &[&place.path, name].concat(), detail)
    }

    /// A finding about what lies below a root.
    pub fn finding_at(
        &self,
        kind: Kind,
        root: u16,
        below: &[u8],
        detail: impl Into<String>,
    ) -> Finding {
        let at = &self.roots.list[usize::from(root)];
        let below = below.strip_suffix(b"/").unwrap_or(below);
        Finding {
            tree: Some(at.tree),
            host: at.host.clone(),
            path: Some(self.roots.shown(root, below)),
            ..Finding::new(kind, detail)
        }
    }
}

fn list(folder: &mut Dir) -> Result<Listing, Errno> {
    let mut listing = Listing::default();
    for entry in folder.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let item = (entry.ino(), name.to_owned());
        if entry.file_type() == Some(Type::Directory) {
            listing.folders.push(item);
        } else {
            listing.files.push(item);
        }
    }
    listing.folders.sort_unstable_by_key(|(inode, _)| *inode);
    listing.files.sort_unstable_by_key(|(inode, _)| *inode);
    Ok(listing)
}

/// The value of a folder's name, if it is one of the two digits that FOSSology makes.
fn folder_byte(name: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    match name {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn parse(name: &[u8]) -> Option<PfileName> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// What a file that is no blob probably is.
pub fn debris(kind: SFlag, name: &[u8]) -> &'static str {
    match kind {
        SFlag::S_IFREG if name.ends_with(b".I") => {
            "half-written: an import or a restore that was cut off"
        }
        SFlag::S_IFREG if name.ends_with(b".meta") => "left by a crash while unpacking",
        SFlag::S_IFREG => "a file without the name of a blob",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a pipe",
        SFlag::S_IFSOCK => "a socket",
        _ => "a special file",
    }
}
