// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where blobs may lie: the trees of every host that the configuration names, of the place
//! without a host, and of hosts that are only on disk, as after a change of the configuration.

use super::merge::Rank;
use super::report::{Finding, Kind, printable};
use crate::blob::{HostName, PfileName, Tree};
use crate::fossology::repository::Layout;
use crate::operations::{Error, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A tree of a host.
#[derive(Debug)]
pub struct Root {
    /// The host's name for people; `None` below the repository's path itself.
    pub host: Option<String>,
    /// The tree.
    pub tree: Tree,
    /// The path below the repository's, without a slash at its end.
    pub relative: PathBuf,
    /// The folder; none where it does not exist or cannot be opened.
    pub folder: Option<OwnedFd>,
    /// Whether it exists and cannot be opened.
    pub hidden: bool,
    /// Whether it is not looked at here: another host does.
    pub foreign: bool,
    /// Whether the configuration has it.
    configured: bool,
}

/// All roots.
#[derive(Debug)]
pub struct Roots {
    layout: Layout,
    /// Whether what concerns the whole instance is told here.
    pub whole: bool,
    /// The roots; others name them by their number.
    pub list: Vec<Root>,
    /// Folders for temporary files of FOSSology's agents, relative to the repository's path.
    pub temporary: Vec<PathBuf>,
    /// What was found on the way.
    pub findings: Vec<Finding>,
}

/// The folders that FOSSology's agents use for temporary files, below a folder with their host's
/// name.
const TEMPORARY: [&str; 2] = ["ununpack", "wget"];

impl Roots {
    /// Looks for the roots.
    ///
    /// # Errors
    /// When the repository's path is no folder that can be read.
    pub fn open(layout: &Layout) -> Result<Self> {
        Self::of(layout, None)
    }

    /// Looks for the roots of some hosts; `None` among them stands for what no host covers, and for
    /// hosts that are only on disk.
    ///
    /// # Errors
    /// When the storage of one is not here, or the repository's path is no folder that can be read.
    pub fn of_hosts(layout: &Layout, hosts: &[Option<HostName>]) -> Result<Self> {
        for host in hosts.iter().flatten() {
            let path = layout.path().join(host.as_str());
            if !path.is_dir() {
                let host = host.to_string();
                return Err(Error::NoStorage { host, path });
            }
        }
        Self::of(layout, Some(hosts))
    }

    fn of(layout: &Layout, hosts: Option<&[Option<HostName>]>) -> Result<Self> {
        let path = layout.path();
        let ours = |host: Option<&HostName>| {
            hosts.is_none_or(|hosts| hosts.iter().any(|ours| ours.as_ref() == host))
        };
        let roots_whole = ours(None);
        let mut roots = Self {
            layout: layout.clone(),
            whole: roots_whole,
            list: Vec::new(),
            temporary: Vec::new(),
            findings: Vec::new(),
        };
        let mut on_disk = BTreeSet::new();
        for entry in fs::read_dir(path).map_err(Error::io("reading the repository", path))? {
            let entry = entry.map_err(Error::io("reading the repository", path))?;
            // A link is another name of a host, or leads elsewhere.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                on_disk.insert(PathBuf::from(entry.file_name()));
            }
        }
        let mut known = BTreeSet::new();
        for root in layout.roots() {
            let relative = root.path.strip_prefix(path).unwrap_or(&root.path);
            let host = root.host.as_ref().map(|host| host.as_str().to_owned());
            if ours(root.host.as_ref()) {
                roots.push(host, root.tree, relative, true, &mut known);
            } else {
                roots.list.push(Root {
                    host,
                    tree: root.tree,
                    relative: relative.to_owned(),
                    folder: None,
                    hidden: false,
                    foreign: true,
                    configured: true,
                });
            }
        }
        // What belongs to a host is looked at by whoever looks at that one.
        let others = |name: &Path| {
            let known = layout.hosts().into_iter().flatten();
            let mut known = known.filter(|host| Path::new(host.as_str()) == name);
            known.next().map_or(!roots_whole, |host| !ours(Some(&host)))
        };
        on_disk.retain(|name| !others(name));
        for host in &on_disk {
            let is_configured = layout
                .roots()
                .iter()
                .any(|root| root.host.as_ref().map(|name| Path::new(name.as_str())) == Some(host));
            for tree in Tree::ALL {
                let relative = host.join(tree.as_str());
                if !is_configured && path.join(&relative).is_dir() {
                    let name = printable(host.as_os_str().as_bytes());
                    roots.push(Some(name), tree, &relative, false, &mut known);
                }
            }
            let temporary = TEMPORARY.map(|name| host.join(name)).into_iter();
            roots
                .temporary
                .extend(temporary.filter(|folder| path.join(folder).is_dir()));
        }
        Ok(roots)
    }

    fn push(
        &mut self,
        host: Option<String>,
        tree: Tree,
        relative: &Path,
        configured: bool,
        known: &mut BTreeSet<(u64, u64)>,
    ) {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let full = self.layout.path().join(relative);
        let opened = nix::fcntl::open(&full, flags, Mode::empty());
        let mut root = Root {
            host,
            tree,
            relative: relative.to_owned(),
            folder: None,
            hidden: false,
            foreign: false,
            configured,
        };
        match opened {
            Ok(folder) => {
                let is_new =
                    fstat(&folder).is_ok_and(|stat| known.insert((stat.st_dev, stat.st_ino)));
                if !is_new && !configured {
                    return; // another path to a root that is there already
                }
                root.folder = Some(folder);
            }
            // No blob was written there yet; one that is needed there is missing.
            Err(Errno::ENOENT) => {}
            Err(errno) => {
                root.hidden = errno != Errno::ENOTDIR;
                let (kind, detail) = if root.hidden {
                    (
                        Kind::Unreadable,
                        format!("opening the folder: {}", errno.desc()),
                    )
                } else {
                    (
                        Kind::Debris,
                        "no folder, where one of blobs has to be".into(),
                    )
                };
                self.findings.push(Finding {
                    tree: Some(tree),
                    host: root.host.clone(),
                    path: Some(printable(relative.as_os_str().as_bytes())),
                    ..Finding::new(kind, detail)
                });
            }
        }
        self.list.push(root);
    }

    /// The configured layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether FOSSology looks for the name in this root.
    pub fn rank(&self, root: u16, name: &PfileName) -> Rank {
        let root = &self.list[usize::from(root)];
        if !root.configured {
            return Rank::Elsewhere;
        }
        let mut hosts = self.layout.read_hosts(root.tree, name);
        match hosts.position(|host| host.map(|host| host.as_str()) == root.host.as_deref()) {
            Some(0) => Rank::First,
            Some(_) => Rank::Fallback,
            None => Rank::Elsewhere,
        }
    }

    /// The numbers of the roots where FOSSology looks for the name in this tree.
    pub fn places(&self, tree: Tree, name: &PfileName) -> impl Iterator<Item = u16> {
        (0..self.list.len() as u16).filter(move |&root| {
            self.list[usize::from(root)].tree == tree && self.rank(root, name) != Rank::Elsewhere
        })
    }

    /// Whether a blob may lie where it is not looked at here.
    pub fn lies_elsewhere(&self, name: &PfileName) -> bool {
        let places = Tree::ALL
            .into_iter()
            .flat_map(|tree| self.places(tree, name));
        places
            .into_iter()
            .any(|root| self.list[usize::from(root)].foreign)
    }

    /// Whether FOSSology finds a file of this name and its size in a tree. What is not looked at here
    /// counts as there: whoever looks at it tells if it is not.
    pub fn has_whole(&self, tree: Tree, name: &PfileName) -> bool {
        let below = format!("{}{name}", name.folders(self.layout.depth()));
        self.places(tree, name).any(|root| {
            if self.list[usize::from(root)].foreign {
                return true;
            }
            let folder = self.list[usize::from(root)].folder.as_ref();
            let stat =
                folder.map(|folder| fstatat(folder, below.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW));
            matches!(stat, Some(Ok(stat)) if u64::try_from(stat.st_size) == Ok(name.size())
                && stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits())
        })
    }

    /// The path of a file below the repository's, for people.
    pub fn shown(&self, root: u16, below: &[u8]) -> String {
        let relative = self.list[usize::from(root)].relative.as_os_str().as_bytes();
        printable(&[relative, b"/", below].concat())
    }
}
