// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads the trees, a first-level folder at a time, by several threads. Nothing is changed here, and
//! no more is remembered than of the folders that are read at the moment.

use super::{Options, changed, is_old};
use crate::blob::{PfileName, Tree};
use crate::fossology::repository::Root;
use crate::operations::{Context, Error, Result, workers};
use crate::threads;
use crossbeam_channel::Sender;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What lies in a folder of the first level.
#[derive(Default)]
pub(super) struct Seen {
    /// Files with the names of blobs, and the tree that they lie in.
    pub blobs: Vec<(PfileName, Tree, PathBuf)>,
    /// Half-written files that are old, with their sizes.
    pub debris: Vec<(PathBuf, u64)>,
    /// Folders that are empty and old, and those above them that only hold such.
    pub empty: Vec<PathBuf>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Reads everything and hands it over, folder by folder.
pub(super) fn walk(
    roots: &[Root],
    options: &Options,
    context: Context<'_>,
    mut each: impl FnMut(Seen) -> Result<()>,
) -> Result<()> {
    let mut folders = Vec::new();
    for root in roots {
        let entries = fs::read_dir(&root.path).map_err(Error::io("listing", &root.path))?;
        folders.extend(entries.flatten().map(|entry| (root.tree, entry.path())));
    }
    context
        .progress
        .begin("looking through the trees", folders.len() as u64, 0);
    let next = Mutex::new(folders.into_iter());
    let work = |send: Sender<Seen>| -> Result<()> {
        loop {
            context.stop.check()?;
            let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((tree, path)) = taken else {
                return Ok(());
            };
            let mut seen = Seen::default();
            read(tree, &path, options.older_than, &mut seen);
            // Fails when nobody takes it any more, which has its own reason.
            send.send(seen).map_err(|_| Error::Interrupted)?;
            context.progress.advance(1, 0);
        }
    };
    std::thread::scope(|scope| {
        let (send, receive) = crossbeam_channel::bounded::<Seen>(options.threads * 2);
        let helpers = threads::several(scope, "walker", options.threads, || {
            let (work, send) = (&work, send.clone());
            move || work(send)
        })?;
        drop(send);
        let taken = receive.iter().try_for_each(&mut each);
        drop(receive);
        workers::join(helpers, taken)
    })?;
    context.progress.end();
    Ok(())
}

/// Reads an entry; whether it is a folder that may go.
fn read(tree: Tree, path: &Path, age: Duration, seen: &mut Seen) -> bool {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return problem("looking at", path, &error, seen),
    };
    if !metadata.is_dir() {
        if metadata.is_file() {
            file(tree, path, &metadata, age, seen);
        }
        return false;
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return problem("listing", path, &error, seen),
    };
    let (mut all_go, mut is_empty) = (true, true);
    for entry in entries {
        is_empty = false;
        let goes = entry.is_ok_and(|entry| read(tree, &entry.path(), age, seen));
        all_go &= goes;
    }
    let goes = if is_empty {
        is_old(changed(&metadata), age)
    } else {
        all_go
    };
    if goes {
        seen.empty.push(path.to_owned());
    }
    goes
}

fn file(tree: Tree, path: &Path, metadata: &fs::Metadata, age: Duration, seen: &mut Seen) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return;
    };
    if let Ok(name) = name.parse::<PfileName>() {
        if is_old(changed(metadata), age) {
            seen.blobs.push((name, tree, path.to_owned()));
        }
    } else if is_half_written(name) && is_old(changed(metadata), age) {
        seen.debris.push((path.to_owned(), metadata.len()));
    }
}

/// Whether a name is that of a blob with what FOSSology, or this program, puts behind it while the
/// blob is written.
fn is_half_written(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".I") else {
        return false;
    };
    let ours = name.rsplit_once('.').map_or(name, |(name, _)| name);
    [name, ours]
        .iter()
        .any(|name| name.parse::<PfileName>().is_ok())
}

fn problem(doing: &'static str, path: &Path, error: &std::io::Error, seen: &mut Seen) -> bool {
    // What went away meanwhile is nobody's problem.
    if error.kind() != std::io::ErrorKind::NotFound {
        seen.problems
            .push(format!("{doing} {}: {error}", path.display()));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_written_files_are_told_from_all_others() {
        let blob = "da39a3ee5e6b4b0d3255bfef95601890afd80709.d41d8cd98f00b204e9800998ecf8427e.0";
        for (name, expected) in [
            (format!("{blob}.I"), true),
            (format!("{blob}.00ff00ff00ff00ff.I"), true),
            (blob.to_owned(), false),
            (format!("{blob}.meta"), false),
            ("notes.I".to_owned(), false),
            (".I".to_owned(), false),
        ] {
            assert_eq!(is_half_written(&name), expected, "{name}");
        }
    }
}
