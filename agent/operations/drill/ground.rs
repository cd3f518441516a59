// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a drill takes place: a database and a folder of its own, which it removes in the end,
//! whatever happened. Both have names that follow from the instance, and the database a mark; a lock
//! in PostgreSQL keeps drills of one instance apart. So what lies there when a drill begins was left
//! by one that was killed, and goes first. Anything else of these names is left alone.

use super::Options;
use crate::fossology::database::{Admin, Tools};
use crate::fossology::repository::Layout;
use crate::operations::restore::database::{Target, drill_name};
use crate::operations::restore::plan;
use crate::operations::{Context, Error, Instance, Progress, Result};
use crate::unpack::fallback::remove_tree;
use crate::vault::{Snapshot, Vault};
use nix::unistd::Uid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The database and the folder of a drill.
pub(super) struct Ground {
    pub target: Target,
    folder: PathBuf,
    is_removed: bool,
}

impl Ground {
    /// Makes sure that a drill may take place, removes what an earlier one has left, and makes the
    /// folder.
    pub fn prepare(
        instance: &Instance,
        vault: &Vault,
        snapshot: &Snapshot,
        options: &Options,
        context: Context<'_>,
    ) -> Result<Self> {
        expect_apart(instance, vault, &options.parent)?;
        let mut admin = Admin::connect(&instance.database, options.admin_url.as_deref())?;
        let name = drill_name(instance.database.name());
        admin.lock(&name)?;
        admin.expect_may_create(&name)?;
        let tools = Tools::find(
            options.postgres_bin.as_deref(),
            snapshot.database.tool_major,
        )?;
        let mut target = Target::for_drill(instance, admin, tools, &name, snapshot);
        if target.drop_drill()? {
            context.progress.note(&format!(
                "removed the database {name} of a drill that did not end"
            ));
        }
        let folder = options
            .parent
            .join(format!("fo_backup-drill-{}", vault.instance()));
        if remove(&folder, context.progress)? {
            context.progress.note(&format!(
                "removed {} of a drill that did not end",
                folder.display()
            ));
        }
        // At least this much; what exactly, the loaded database tells.
        let counts = &snapshot.counts;
        let blobs = counts.gold_bytes.max(counts.files_bytes);
        let share = options
            .sample
            .map_or(1.0, |percent| percent.number() / 100.0);
        let needed = counts.dump_bytes + (blobs as f64 * share) as u64;
        plan::expect_room(&options.parent, "the dump and the blobs of a drill", needed)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(Error::io("making", &folder))?;
        Ok(Self {
            target,
            folder,
            is_removed: false,
        })
    }

    /// The repository of the drill.
    pub fn layout(&self, instance: &Instance) -> Layout {
        instance.config.layout.at(self.folder.join("repository"))
    }

    /// The folder, for what else lies somewhere on its way.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes all of it; gives what could not be removed, in words.
    pub fn remove(mut self, progress: &dyn Progress) -> Vec<String> {
        self.is_removed = true;
        let database = self.target.drop_drill().map(drop);
        let folder = remove(&self.folder, progress).map(drop);
        [database, folder]
            .into_iter()
            .filter_map(Result::err)
            .map(|error| format!("not removed, which the next drill tries again: {error}"))
            .collect()
    }
}

impl Drop for Ground {
    /// After a panic.
    fn drop(&mut self) {
        if !self.is_removed {
            let _ = self.target.drop_drill();
            let _ = remove_tree(&self.folder);
        }
    }
}

/// Removes the folder of a drill; `false` when there is none. Somebody else's is left alone.
fn remove(folder: &Path, progress: &dyn Progress) -> Result<bool> {
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("looking at", folder)(error)),
    };
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        return Err(Error::Usage(format!(
            "{} is in the way of a drill and belongs to somebody else; look what it is and move it away, or name another folder with --to",
            folder.display()
        )));
    }
    // A scheduler wants to see that something is done, and millions of files take their time.
    let parts = walkdir::WalkDir::new(folder)
        .min_depth(4)
        .max_depth(4)
        .into_iter();
    for part in parts.flatten().filter(|part| part.file_type().is_dir()) {
        remove_tree(part.path()).map_err(Error::io("removing", part.path()))?;
        progress.advance(0, 0);
    }
    remove_tree(folder).map_err(Error::io("removing", folder))?;
    Ok(true)
}

/// Refuses a place inside the repository or the vault.
fn expect_apart(instance: &Instance, vault: &Vault, parent: &Path) -> Result<()> {
    let real = parent
        .canonicalize()
        .map_err(Error::io("looking for the folder of the drill,", parent))?;
    let layout = &instance.config.layout;
    let hosts = layout.roots().iter().filter_map(|root| root.path.parent());
    let repository = std::iter::once(layout.path())
        .chain(hosts)
        .map(|path| ("repository", path.to_owned()));
    let vault = std::iter::once(("vault", PathBuf::from(vault.location())));
    for (what, path) in repository.chain(vault) {
        // What is not there, or is no folder at all, holds nothing.
        if path.canonicalize().is_ok_and(|path| real.starts_with(path)) {
            return Err(Error::Usage(format!(
                "{} lies inside the {what} {}, which a drill must not touch; name another folder with --to, or by to in [drill] of fo_backup.toml",
                parent.display(),
                path.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Quiet;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_a_folder_of_ones_own_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, drill) = (folder.path().join("precious"), folder.path().join("drill"));
        fs::create_dir(&precious).unwrap();
        symlink(&precious, &drill).unwrap();
        let error = remove(&drill, &Quiet).unwrap_err().to_string();
        assert!(error.contains("belongs to somebody else"), "{error}");
        assert!(precious.is_dir());
        fs::remove_file(&drill).unwrap();
        assert!(!remove(&drill, &Quiet).unwrap());
        let blob = drill.join("repository/host/files/aa/bb/cc");
        fs::create_dir_all(&blob).unwrap();
        fs::write(blob.join("blob"), "x").unwrap();
        fs::write(drill.join("repository/other"), "x").unwrap();
        assert!(remove(&drill, &Quiet).unwrap());
        assert!(!drill.exists() && precious.is_dir());
    }
}
