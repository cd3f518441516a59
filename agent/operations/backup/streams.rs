// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything of a backup that is no blob: the database's dump, the configuration, and the other
//! directories below the repository's path. Each becomes a stream of chunks; a directory's stream
//! is a tar, sorted, so that what did not change gives the same chunks again.

use super::Options;
use super::life::Watched;
use crate::operations::{Error, Instance, Progress, Result, Scratch, scratch};
use crate::threads;
use crate::vault::{self, ChunkStore, Stream};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Directories below the repository's path that a backup takes along.
const DIRECTORIES: [&str; 2] = ["report", "fossdash"];

/// A configuration file larger than this is none, in bytes.
const CONFIGURATION_MOST: u64 = 16 << 20;

/// Where streams go.
pub(super) struct Store<'a> {
    pub chunks: &'a ChunkStore,
    pub options: &'a Options,
    /// Asked before each chunk.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

impl Store<'_> {
    fn write(&self, what: &str, source: impl Read) -> Result<Stream> {
        let stored = self
            .chunks
            .write(what, source, self.options.threads, self.stop);
        stored.map_err(|error| match error {
            vault::Error::Stopped => Error::Interrupted,
            error => error.into(),
        })
    }
}

/// Dumps the database into a scratch folder by `make`, and stores the dump. Gives back its files
/// and its size in bytes.
pub(super) fn dump(
    make: impl FnOnce(&Path) -> Result<()>,
    scratch: &Scratch,
    store: &Store<'_>,
    progress: &dyn Progress,
) -> Result<(BTreeMap<String, Stream>, u64)> {
    let folder = scratch.join("dump");
    make(&folder)?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Error::io("reading", &folder))? {
        let entry = entry.map_err(Error::io("reading", &folder))?;
        let size = entry
            .metadata()
            .map_err(Error::io("reading", &folder))?
            .len();
        entries.push((size, entry.path()));
    }
    let store_one = |(_, path): (u64, PathBuf)| {
        if (store.stop)() {
            return Err(Error::Interrupted);
        }
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let file = File::open(&path).map_err(Error::io("reading", &path))?;
        let file = Watched::new(file, progress);
        let stream = store.write(&format!("the dump's {name}"), file)?;
        // Gives its room back at once: a large dump need not fit in twice.
        fs::remove_file(&path).map_err(Error::io("removing", &path))?;
        Ok((name, stream))
    };
    let (mut files, mut size) = (BTreeMap::new(), 0);
    let mut keep = |stored: Result<(String, Stream)>| -> Result<()> {
        let (name, stream) = stored?;
        size += stream.size;
        files.insert(name, stream);
        Ok(())
    };
    // Most files are small, one chunk each, and waiting for a disk or a server is all that they cost.
    // The chunks of a large one are written side by side by themselves.
    let (small, large): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|(size, _)| *size < ChunkStore::LEAST);
    let count = store.chunks.side_by_side().max(store.options.threads);
    let small = small.into_iter();
    threads::in_order("storing a dump", count, small, store_one, &mut keep)?;
    for entry in large {
        keep(store_one(entry))?;
    }
    Ok((files, size))
}

/// Stores the configuration files as a tar: what lies in SYSCONFDIR itself, and each module's
/// conf.
pub(super) fn configuration(
    instance: &Instance,
    store: &Store<'_>,
    left_out: &mut Vec<String>,
) -> Result<Stream> {
    let root = &instance.config.sysconfdir;
    let mut files = Vec::new();
    for entry in fs::read_dir(root).map_err(Error::io("reading", root))? {
        let path = entry.map_err(Error::io("reading", root))?.path();
        // Followed, since files of the configuration are often links into /etc.
        if path
            .metadata()
            .is_ok_and(|found| found.is_file() && found.len() <= CONFIGURATION_MOST)
        {
            files.push(path);
        }
    }
    for entry in fs::read_dir(root.join("mods-enabled"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let module = entry.path();
        let conf = module.join(entry.file_name()).with_extension("conf");
        files.extend(
            [conf, module.join("VERSION")]
                .into_iter()
                .filter(|path| path.is_file()),
        );
    }
    files.sort();
    store_tar("the configuration", root, files, true, store, left_out)
}

/// Stores the other directories, each as a tar.
pub(super) fn directories(
    repository: &Path,
    store: &Store<'_>,
    left_out: &mut Vec<String>,
) -> Result<BTreeMap<String, Stream>> {
    let mut streams = BTreeMap::new();
    let logs = store.options.logs.then_some("logs");
    for name in DIRECTORIES.into_iter().chain(logs) {
        let folder = repository.join(name);
        if !folder.is_dir() {
            continue;
        }
        let mut paths = Vec::new();
        let entries = walkdir::WalkDir::new(&folder)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| !scratch::is_temporary(entry.file_name()));
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.into_path()),
                Err(error) => left_out.push(error.to_string()),
            }
        }
        let what = format!("the directory {name}");
        let stream = store_tar(&what, repository, paths, false, store, left_out)?;
        streams.insert(name.to_owned(), stream);
    }
    Ok(streams)
}

/// Writes a tar of some paths below `root` into the vault, through a pipe: it is nowhere whole.
fn store_tar(
    what: &str,
    root: &Path,
    paths: Vec<PathBuf>,
    follow: bool,
    store: &Store<'_>,
    left_out: &mut Vec<String>,
) -> Result<Stream> {
    let (from, to) =
        nix::unistd::pipe().map_err(|error| Error::io("making a pipe for", root)(error.into()))?;
    std::thread::scope(|scope| {
        let writer = threads::scoped(scope, "tar writer", move || {
            let mut tar = tar::Builder::new(File::from(to));
            tar.follow_symlinks(follow);
            let mut left_out = Vec::new();
            for path in paths {
                let inside = path.strip_prefix(root).unwrap_or(&path);
                match append(&mut tar, &path, inside, follow) {
                    Ok(()) => {}
                    Err(Failure::Source(error)) => {
                        left_out.push(format!("{}: {error}", path.display()))
                    }
                    Err(Failure::Pipe(error)) => return Err(error),
                }
            }
            tar.finish().map(|()| left_out)
        })?;
        let stream = store.write(what, File::from(from));
        let written = threads::ended(writer);
        // When the vault fails the pipe breaks, so its error is the reason.
        let stream = stream?;
        left_out.extend(written.map_err(|source| vault::Error::Source {
            what: what.to_owned(),
            source,
        })?);
        Ok(stream)
    })
}

enum Failure {
    /// The file cannot be read; nothing of it is in the tar.
    Source(io::Error),
    /// The tar cannot be written.
    Pipe(io::Error),
}

fn append(
    tar: &mut tar::Builder<File>,
    path: &Path,
    inside: &Path,
    follow: bool,
) -> Result<(), Failure> {
    let metadata = if follow {
        path.metadata()
    } else {
        path.symlink_metadata()
    };
    let metadata = metadata.map_err(Failure::Source)?;
    if metadata.is_file() {
        let mut flags = nix::libc::O_NONBLOCK;
        if !follow {
            flags |= nix::libc::O_NOFOLLOW;
        }
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(Failure::Source)?;
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&metadata);
        // A log may grow or be cut while it is read; the tar has to stay in step with its header.
        let size = metadata.len();
        let content = file.take(size).chain(io::repeat(0)).take(size);
        tar.append_data(&mut header, inside, content)
            .map_err(Failure::Pipe)
    } else if metadata.is_dir() || metadata.is_symlink() {
        tar.append_path_with_name(path, inside)
            .map_err(Failure::Pipe)
    } else {
        Err(Failure::Source(io::Error::other(
            "neither a file, a folder nor a link",
        )))
    }
}
