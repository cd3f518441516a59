// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Follows what a run does to some folders and what of it it syncs, until the power is cut.

use crate::calls::{Call, Watched};
use crate::disk::{Kind, Node};
use crate::image::Image;
use crate::tracer::{Verdict, Watcher};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The calls that change files, or make changes safe, or talk to the database.
pub const WATCHED: [Watched; 32] = [
    Watched::with(libc::SYS_open, 1, libc::O_CREAT | libc::O_TRUNC | TMPFILE),
    Watched::with(libc::SYS_openat, 2, libc::O_CREAT | libc::O_TRUNC | TMPFILE),
    Watched::always(libc::SYS_creat),
    Watched::always(libc::SYS_openat2),
    Watched::always(libc::SYS_write),
    Watched::always(libc::SYS_pwrite64),
    Watched::always(libc::SYS_writev),
    Watched::always(libc::SYS_pwritev),
    Watched::always(libc::SYS_sendfile),
    Watched::always(libc::SYS_splice),
    Watched::always(libc::SYS_copy_file_range),
    Watched::always(libc::SYS_ftruncate),
    Watched::always(libc::SYS_truncate),
    Watched::always(libc::SYS_fallocate),
    Watched::with(libc::SYS_mmap, 3, libc::MAP_SHARED),
    Watched::always(libc::SYS_rename),
    Watched::always(libc::SYS_renameat),
    Watched::always(libc::SYS_renameat2),
    Watched::always(libc::SYS_link),
    Watched::always(libc::SYS_linkat),
    Watched::always(libc::SYS_symlink),
    Watched::always(libc::SYS_symlinkat),
    Watched::always(libc::SYS_unlink),
    Watched::always(libc::SYS_unlinkat),
    Watched::always(libc::SYS_mkdir),
    Watched::always(libc::SYS_mkdirat),
    Watched::always(libc::SYS_rmdir),
    Watched::always(libc::SYS_fsync),
    Watched::always(libc::SYS_fdatasync),
    Watched::always(libc::SYS_syncfs),
    Watched::always(libc::SYS_sync),
    Watched::always(libc::SYS_sendto),
];

/// Its bit that is not one of `O_DIRECTORY`.
const TMPFILE: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// Something that happened, in the order in which it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Files or names were changed.
    Changed,
    /// Something was made safe.
    Synced,
    /// The database was told something.
    Sent,
}

/// What a call is about.
#[derive(Debug)]
enum Doing {
    Create {
        path: PathBuf,
        folder: bool,
        existed: bool,
        truncates: bool,
    },
    Unnamed,
    Symlink(PathBuf),
    Write {
        node: Node,
        descriptor: i32,
        at: u64,
    },
    Truncate {
        node: Node,
        len: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        node: Node,
        nothing: bool,
    },
    Link {
        path: PathBuf,
        node: Node,
    },
    Remove {
        path: PathBuf,
        node: Node,
    },
    Sync(Node),
    SyncAll,
}

/// Follows a run and has it killed before something happens.
pub struct Recorder {
    pub images: Vec<Image>,
    pub events: Vec<Event>,
    /// So many events happen and no more.
    until: Option<usize>,
    pub killed: bool,
    doing: Option<(usize, Doing)>,
    /// What has no name any more when that is done.
    ends: Option<Metadata>,
}

impl Recorder {
    pub fn new(images: Vec<Image>, until: Option<usize>) -> Self {
        Self {
            images,
            events: Vec::new(),
            until,
            killed: false,
            doing: None,
            ends: None,
        }
    }

    /// Which of the folders a path is in.
    fn image_of(&self, path: &Path) -> Option<usize> {
        self.images
            .iter()
            .position(|image| path.starts_with(&image.path))
    }

    /// What a call is about to do to the folders.
    fn look(&self, call: &Call) -> Option<(usize, Doing)> {
        let first = call.number_at(0);
        match call.number {
            libc::SYS_open => self.opening(call.path(None, 0)?, call.number_at(1)),
            libc::SYS_creat => self.opening(call.path(None, 0)?, libc::O_CREAT | libc::O_TRUNC),
            libc::SYS_openat => self.opening(call.path(Some(first), 1)?, call.number_at(2)),
            libc::SYS_openat2 => {
                let how = call.memory(call.arguments[2], 8)?;
                let flags = u64::from_ne_bytes(how.try_into().ok()?) as i32;
                self.opening(call.path(Some(first), 1)?, flags)
            }
            libc::SYS_mkdir => self.making(call.path(None, 0)?),
            libc::SYS_mkdirat => self.making(call.path(Some(first), 1)?),
            libc::SYS_symlink => self.naming(call.path(None, 1)?, Doing::Symlink),
            libc::SYS_symlinkat => {
                self.naming(call.path(Some(call.number_at(1)), 2)?, Doing::Symlink)
            }
            libc::SYS_write | libc::SYS_writev => self.writing(call, first, None),
            libc::SYS_pwrite64 | libc::SYS_pwritev => {
                self.writing(call, first, Some(call.arguments[3]))
            }
            libc::SYS_sendfile => self.writing(call, first, None),
            libc::SYS_splice | libc::SYS_copy_file_range => {
                let at = match call.arguments[3] {
                    0 => None,
                    place => Some(u64::from_ne_bytes(call.memory(place, 8)?.try_into().ok()?)),
                };
                self.writing(call, call.number_at(2), at)
            }
            libc::SYS_ftruncate => {
                let (image, node) = self.open(call, first)?;
                let len = call.arguments[1];
                Some((image, Doing::Truncate { node, len }))
            }
            libc::SYS_truncate => {
                let (image, node) = self.named(&call.path(None, 0)?, true)?;
                let len = call.arguments[1];
                Some((image, Doing::Truncate { node, len }))
            }
            libc::SYS_fallocate => {
                assert!(
                    self.open(call, first).is_none(),
                    "fallocate is not modelled"
                );
                None
            }
            libc::SYS_mmap => {
                let written = call.number_at(2) & libc::PROT_WRITE != 0;
                let ours = written && self.open(call, call.number_at(4)).is_some();
                assert!(!ours, "writing through mmap is not modelled");
                None
            }
            libc::SYS_rename => self.renaming(call.path(None, 0)?, call.path(None, 1)?),
            libc::SYS_renameat | libc::SYS_renameat2 => {
                let exchange = call.number == libc::SYS_renameat2
                    && call.arguments[4] as u32 & libc::RENAME_EXCHANGE != 0;
                let to = call.path(Some(call.number_at(2)), 3)?;
                let doing = self.renaming(call.path(Some(first), 1)?, to);
                assert!(!exchange || doing.is_none(), "exchange is not modelled");
                doing
            }
            libc::SYS_link => self.linking(&call.path(None, 0)?, call.path(None, 1)?, false),
            libc::SYS_linkat => {
                let follows = call.number_at(4) & libc::AT_SYMLINK_FOLLOW != 0;
                let to = call.path(Some(call.number_at(2)), 3)?;
                self.linking(&call.path(Some(first), 1)?, to, follows)
            }
            libc::SYS_unlink | libc::SYS_rmdir => self.removing(call.path(None, 0)?),
            libc::SYS_unlinkat => self.removing(call.path(Some(first), 1)?),
            libc::SYS_fsync | libc::SYS_fdatasync => {
                let (image, node) = self.open(call, first)?;
                Some((image, Doing::Sync(node)))
            }
            libc::SYS_syncfs => {
                // The folders are taken for file systems of their own.
                let image = self.image_of(&call.target(first)?)?;
                Some((image, Doing::SyncAll))
            }
            libc::SYS_sync => panic!("sync is not modelled: it is for all file systems"),
            _ => None,
        }
    }

    /// The file that a descriptor stands for, when it is in one of the folders.
    fn open(&self, call: &Call, descriptor: i32) -> Option<(usize, Node)> {
        self.known(&call.file(descriptor)?)
    }

    fn known(&self, meta: &Metadata) -> Option<(usize, Node)> {
        let mut images = self.images.iter().enumerate();
        images.find_map(|(number, image)| Some((number, image.node(meta)?)))
    }

    fn named(&self, path: &Path, follows: bool) -> Option<(usize, Node)> {
        let meta = match follows {
            true => path.metadata(),
            false => path.symlink_metadata(),
        };
        self.known(&meta.ok()?)
    }

    fn opening(&self, path: PathBuf, flags: i32) -> Option<(usize, Doing)> {
        let image = self.image_of(&path)?;
        if flags & TMPFILE != 0 {
            return Some((image, Doing::Unnamed));
        }
        let existed = path.exists();
        let doing = Doing::Create {
            path,
            folder: false,
            existed,
            truncates: flags & libc::O_TRUNC != 0,
        };
        (flags & libc::O_CREAT != 0 && !existed || flags & libc::O_TRUNC != 0)
            .then_some((image, doing))
    }

    fn making(&self, path: PathBuf) -> Option<(usize, Doing)> {
        let doing = |path| Doing::Create {
            path,
            folder: true,
            existed: false,
            truncates: false,
        };
        self.naming(path, doing)
    }

    fn naming(&self, path: PathBuf, doing: impl Fn(PathBuf) -> Doing) -> Option<(usize, Doing)> {
        Some((self.image_of(&path)?, doing(path)))
    }

    fn writing(&self, call: &Call, descriptor: i32, at: Option<u64>) -> Option<(usize, Doing)> {
        let (image, node) = self.open(call, descriptor)?;
        let at = at.or_else(|| call.position(descriptor))?;
        Some((
            image,
            Doing::Write {
                node,
                descriptor,
                at,
            },
        ))
    }

    /// What loses its last name when this is done.
    fn ending(doing: &Doing) -> Option<Metadata> {
        let path = match doing {
            Doing::Remove { path, .. } => path,
            Doing::Rename {
                to, nothing: false, ..
            } => to,
            _ => return None,
        };
        let meta = path.symlink_metadata().ok()?;
        (meta.is_dir() || meta.nlink() == 1).then_some(meta)
    }

    fn renaming(&self, from: PathBuf, to: PathBuf) -> Option<(usize, Doing)> {
        let image = self.image_of(&from);
        assert_eq!(image, self.image_of(&to), "a rename to another file system");
        let (image, node) = (image?, self.named(&from, false)?.1);
        // Two names of one file stay as they are.
        let nothing = self
            .named(&to, false)
            .is_some_and(|(_, other)| other == node);
        Some((
            image,
            Doing::Rename {
                from,
                to,
                node,
                nothing,
            },
        ))
    }

    fn linking(&self, from: &Path, path: PathBuf, follows: bool) -> Option<(usize, Doing)> {
        let (image, node) = self.named(from, follows)?;
        Some((image, Doing::Link { path, node }))
    }

    fn removing(&self, path: PathBuf) -> Option<(usize, Doing)> {
        let (image, node) = self.named(&path, false)?;
        Some((image, Doing::Remove { path, node }))
    }

    /// The folder that a path is in, and the name there; none for the watched folder itself.
    fn place(&self, image: usize, path: &Path) -> Option<(Node, OsString)> {
        if path == self.images[image].path {
            return None;
        }
        let folder = self.named(path.parent()?, true);
        let (_, folder) = folder.unwrap_or_else(|| panic!("{} came from nowhere", path.display()));
        Some((folder, path.file_name()?.to_owned()))
    }

    fn create(&mut self, image: usize, path: &Path, folder: bool) {
        let place = self.place(image, path);
        let image = &mut self.images[image];
        let node = image.disk.create(folder);
        image.know(&path.symlink_metadata().unwrap(), node);
        match place {
            Some((parent, name)) => {
                image.disk.link(parent, name, node);
            }
            None => image.made(node),
        }
    }

    fn done(&mut self, call: &Call, image: usize, doing: Doing, result: i64) {
        let place = |recorder: &Self, path: &Path| recorder.place(image, path).unwrap();
        match doing {
            Doing::Create {
                path,
                existed: true,
                truncates,
                ..
            } => {
                let node = self.named(&path, true);
                if let (true, Some((image, node))) = (truncates, node) {
                    self.images[image].disk.truncate(node, 0);
                }
            }
            Doing::Create { path, folder, .. } => self.create(image, &path, folder),
            Doing::Unnamed => {
                let node = self.images[image].disk.create(false);
                if let Some(meta) = call.file(result as i32) {
                    self.images[image].know(&meta, node);
                }
            }
            Doing::Symlink(path) => {
                let (folder, name) = place(self, &path);
                let target = std::fs::read_link(&path).unwrap();
                let image = &mut self.images[image];
                let node = image.disk.add(Kind::Link(target.into()));
                image.know(&path.symlink_metadata().unwrap(), node);
                image.disk.link(folder, name, node);
            }
            Doing::Write {
                node,
                descriptor,
                at,
            } => {
                // What is there now, however it came there.
                let path = format!("/proc/{}/fd/{descriptor}", call.thread);
                let mut bytes = vec![0; result as usize];
                let file = std::fs::File::open(path).unwrap();
                file.read_exact_at(&mut bytes, at).unwrap();
                self.images[image].disk.write(node, at, bytes);
            }
            Doing::Truncate { node, len } => self.images[image].disk.truncate(node, len),
            Doing::Rename { nothing: true, .. } => {}
            Doing::Rename { from, to, node, .. } => {
                let (from, to) = (place(self, &from), place(self, &to));
                self.images[image].disk.rename(from, to, node);
            }
            Doing::Link { path, node } => {
                let (folder, name) = place(self, &path);
                self.images[image].disk.link(folder, name, node);
            }
            Doing::Remove { path, node } => {
                if let Some((folder, name)) = self.place(image, &path) {
                    self.images[image].disk.unlink(folder, name, node);
                }
            }
            Doing::Sync(node) => self.images[image].disk.sync(node),
            Doing::SyncAll => self.images[image].disk.sync_all(),
        }
    }

    /// What was seen of the run counts; everything is killed, and nobody changes anything any more.
    pub fn stop(mut self) -> Vec<Image> {
        for image in &mut self.images {
            image.look_at_rights();
        }
        self.images
    }
}

impl Watcher for Recorder {
    fn enter(&mut self, call: &Call) -> Verdict {
        let talks = call.number == libc::SYS_sendto;
        if self.killed {
            return Verdict::Kill;
        }
        if self.doing.is_some() && !talks {
            return Verdict::See; // asked again when it is its turn
        }
        let doing = self.look(call);
        if doing.is_none() && !talks {
            return Verdict::Go;
        }
        if self.until.is_some_and(|until| self.events.len() >= until) {
            self.killed = true;
            return Verdict::Kill;
        }
        if talks {
            self.events.push(Event::Sent);
            return Verdict::Go;
        }
        self.ends = doing.as_ref().and_then(|(_, doing)| Self::ending(doing));
        self.doing = doing;
        Verdict::See
    }

    fn leave(&mut self, call: &Call, result: i64) {
        let Some((image, doing)) = self.doing.take() else {
            return;
        };
        if result < 0 {
            return;
        }
        self.events.push(match doing {
            Doing::Sync(_) | Doing::SyncAll => Event::Synced,
            _ => Event::Changed,
        });
        self.done(call, image, doing, result);
        if let Some(meta) = self.ends.take() {
            self.images[image].forget(&meta);
        }
    }
}
