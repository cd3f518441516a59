// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The folders of a repository's trees, opened once each, and the paths below them, built on the
//! stack: reading millions of small files must not pay for either again and again.

use super::super::{Error, Result};
use super::durable::Durable;
use super::{Layout, Root};
use crate::blob::{HostName, PfileName, Tree};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A repository's layout with descriptors of its trees' folders.
#[derive(Debug)]
pub struct Trees {
    layout: Layout,
    folder: OwnedFd,
    roots: Vec<OnceLock<OwnedFd>>,
    durable: Durable,
}

impl Trees {
    /// Opens the repository's folder; those of the trees follow when they are needed. A tree that
    /// does not exist is looked for again each time: it may be made, or mounted, later.
    pub fn open(layout: Layout) -> Result<Self> {
        let folder =
            nix::fcntl::open(layout.path(), folder_flags(), Mode::empty()).map_err(|errno| {
                Error::NoRepository {
                    path: layout.path().to_owned(),
                    source: errno.into(),
                }
            })?;
        let roots: Vec<_> = layout.roots().iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            durable: Durable::new(roots.len()),
            layout,
            folder,
            roots,
        })
    }

    /// The layout it was opened with.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The repository's own folder.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Numbers of the roots where FOSSology looks for the blob, in its order.
    pub fn places(&self, tree: Tree, name: &PfileName) -> impl Iterator<Item = usize> {
        let hosts = self.layout.read_hosts(tree, name);
        hosts.filter_map(move |host| self.number(host, tree))
    }

    /// The root with this number.
    pub fn root(&self, number: usize) -> &Root {
        &self.layout.roots()[number]
    }

    /// The descriptor of a root's folder, for `…at` calls only.
    pub fn descriptor(&self, number: usize) -> io::Result<BorrowedFd<'_>> {
        let cell = &self.roots[number];
        if cell.get().is_none() {
            let path = self.path_in_repository(number);
            let opened = openat(&self.folder, path, folder_flags(), Mode::empty())?;
            // When two threads open it at once, the first one's stays and the other is closed.
            let _ = cell.set(opened);
        }
        cell.get()
            .map(AsFd::as_fd)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// As [`Trees::descriptor`], for who writes there and syncs then.
    pub fn watched(&self, number: usize) -> io::Result<BorrowedFd<'_>> {
        let folder = self.descriptor(number)?;
        self.durable.watch(number, folder)?;
        Ok(folder)
    }

    /// Lets a test say how syncs end.
    #[cfg(test)]
    pub fn sync_by(&mut self, syncfs: super::durable::SyncFs) {
        self.durable.sync_by(syncfs);
    }

    /// Makes what was changed below the roots that are watched durable: one sync for each file
    /// system.
    ///
    /// # Errors
    /// When a file system could not write what it had taken, at any time since it is watched.
    pub fn sync(&self) -> Result<()> {
        let synced = self.durable.sync();
        synced.map_err(|(root, error)| Error::write(self.root(root).path.clone(), error))
    }

    /// A root's folder relative to the repository's.
    pub fn path_in_repository(&self, number: usize) -> &Path {
        let root = self.root(number);
        root.path
            .strip_prefix(self.layout.path())
            .unwrap_or(&root.path)
    }

    /// The full path, for messages.
    pub fn full_path(&self, number: usize, path: &BlobPath) -> PathBuf {
        self.root(number).path.join(path.as_path())
    }

    fn number(&self, host: Option<&HostName>, tree: Tree) -> Option<usize> {
        let mut roots = self.layout.roots().iter();
        roots.position(|r| r.tree == tree && r.host.as_ref() == host)
    }
}

fn folder_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC
}

/// A blob's path below its tree, `aa/bb/cc/<name>`, without an allocation.
pub struct BlobPath {
    text: [u8; Self::ROOM],
    folders: usize,
    end: usize,
}

impl BlobPath {
    /// Twenty levels of folders, two hashes, a size, and the extension of a partial file.
    const ROOM: usize = 20 * 3 + 74 + 20 + 24;

    /// The path of a blob with so many levels of folders.
    pub fn new(name: &PfileName, depth: u8) -> Self {
        Self::build(name, depth, None)
    }

    /// The path of a half-written blob beside its own; it ends in `.I`, FOSSology's sign for one.
    pub fn partial(name: &PfileName, depth: u8, random: u64) -> Self {
        Self::build(name, depth, Some(random))
    }

    fn build(name: &PfileName, depth: u8, random: Option<u64>) -> Self {
        let mut text = [0; Self::ROOM];
        let folders = usize::from(depth) * 3;
        let (before, mut rest) = text.split_at_mut(folders);
        let room = rest.len();
        let written = match random {
            None => write!(rest, "{name}"),
            Some(random) => write!(rest, "{name}.{random:016x}.I"),
        };
        debug_assert!(written.is_ok());
        let end = folders + room - rest.len();
        for (level, folder) in before.chunks_exact_mut(3).enumerate() {
            let byte = name.sha1()[level];
            folder.copy_from_slice(&[digit(byte >> 4), digit(byte & 15), b'/']);
        }
        Self { text, folders, end }
    }

    /// The path, relative to the tree.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.text[..self.end]))
    }

    /// The folder `levels` levels deep; none for 0.
    pub fn folder(&self, levels: usize) -> Option<&Path> {
        let end = (levels * 3).min(self.folders).checked_sub(1)?;
        Some(Path::new(OsStr::from_bytes(&self.text[..end])))
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_the_stack_are_those_of_the_layout() {
        for size in [0, 7, u64::MAX] {
            let name = PfileName::new([0xa7; 20], [0x1f; 16], size);
            for depth in 0..=Layout::MAX_DEPTH {
                let path = BlobPath::new(&name, depth);
                let layout = Layout::new("/r", depth, Vec::new());
                let full = layout.relative_path(None, Tree::Gold, &name);
                assert_eq!(Path::new(&full), Path::new("gold").join(path.as_path()));
                let partial = BlobPath::partial(&name, depth, u64::MAX);
                assert_eq!(
                    partial.as_path().to_str(),
                    Some(format!("{}{name}.ffffffffffffffff.I", name.folders(depth)).as_str())
                );
                assert_eq!(
                    path.folder(usize::from(depth)),
                    path.as_path().parent().filter(|p| *p != Path::new(""))
                );
            }
        }
    }
}
