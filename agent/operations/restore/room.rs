// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Is there room for the blobs? A repository's hosts, and their trees, may be file systems of their
//! own: what is to be written is summed up for each. Only looks.

use super::blobs::Selection;
use super::plan::expect_room;
use crate::blob::{HostName, PfileName, Tree, TreeSet};
use crate::fossology::repository::{Layout, Reader};
use crate::operations::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file takes whole blocks of so many bytes.
const BLOCK: u64 = 4096;

/// Refuses when one of the repository's file systems has not the room for what is selected. What is
/// there already, as after an interruption, needs none.
pub(in crate::operations) fn expect_space(layout: &Layout, selection: &Selection) -> Result<()> {
    let mut places = Places::new(layout, device)?;
    // At FOSSology's usual depth a file has a folder of its own.
    let web: u64 = selection
        .by_url
        .iter()
        .map(|blob| blob.name.size() + 2 * BLOCK)
        .sum();
    let most = selection.bytes + selection.blobs * 2 * BLOCK + web;
    if places.all(|place| expect_room(place, "the blobs", most).is_ok()) {
        return Ok(());
    }
    let reader = Reader::new(layout.clone())?;
    let lacks = |name: &PfileName, tree| reader.open(tree, name).is_err();
    selection.for_each(|name, trees| places.add(layout, name, trees, &lacks))?;
    for blob in &selection.by_url {
        places.add(layout, &blob.name, blob.trees(), &lacks);
    }
    for place in &places.systems {
        expect_room(&place.path, "the blobs", place.needed)?;
    }
    Ok(())
}

/// A file system.
struct Place {
    device: u64,
    /// A folder of it.
    path: PathBuf,
    /// In bytes.
    needed: u64,
}

struct Places {
    systems: Vec<Place>,
    /// Which of them the trees of the hosts lie on.
    of: HashMap<(Tree, Option<HostName>), usize>,
}

impl Places {
    fn new(layout: &Layout, device: impl Fn(&Path) -> Result<u64>) -> Result<Self> {
        let mut places = Self {
            systems: Vec::new(),
            of: HashMap::new(),
        };
        for root in layout.roots() {
            // What is not there yet is made where its folder is.
            let there = |path: &&Path| path.exists() || *path == layout.path();
            let path = root.path.ancestors().find(there).unwrap_or(layout.path());
            let device = device(path)?;
            let known = places.systems.iter().position(|one| one.device == device);
            let at = known.unwrap_or_else(|| {
                places.systems.push(Place {
                    device,
                    path: path.to_owned(),
                    needed: 0,
                });
                places.systems.len() - 1
            });
            places.of.insert((root.tree, root.host.clone()), at);
        }
        Ok(places)
    }

    fn all(&self, enough: impl Fn(&Path) -> bool) -> bool {
        self.systems.iter().all(|place| enough(&place.path))
    }

    /// Adds what a blob takes where it lacks. In the trees of one file system it is one file.
    fn add(
        &mut self,
        layout: &Layout,
        name: &PfileName,
        trees: TreeSet,
        lacks: &dyn Fn(&PfileName, Tree) -> bool,
    ) {
        let mut there = [None; 2];
        let mut lacking = [None; 2];
        for (at, tree) in trees.iter().enumerate() {
            let place = (tree, layout.write_host(tree, name).cloned());
            let Some(system) = self.of.get(&place) else {
                continue;
            };
            let one = if lacks(name, tree) {
                &mut lacking
            } else {
                &mut there
            };
            one[at] = Some(*system);
        }
        if lacking[0] == lacking[1] {
            lacking[1] = None;
        }
        for system in lacking.into_iter().flatten() {
            if !there.contains(&Some(system)) {
                self.systems[system].needed += name.size().next_multiple_of(BLOCK);
            }
        }
    }
}

fn device(path: &Path) -> Result<u64> {
    let found = fs::metadata(path).map_err(Error::io("looking for room in", path))?;
    Ok(found.dev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::repository::Range;

    #[test]
    fn what_is_written_counts_for_the_file_system_that_it_goes_to() {
        let repository = tempfile::tempdir().unwrap();
        let range =
            |host: &str, text: &str| Range::parse(HostName::new(host).unwrap(), text).unwrap();
        let ranges = vec![range("one", "* 00 7f"), range("two", "* 80 ff")];
        let layout = Layout::new(repository.path(), 3, ranges);
        for host in ["one", "two"] {
            fs::create_dir(repository.path().join(host)).unwrap();
        }
        // The second host has a mount of its own.
        let two = repository.path().join("two");
        let device = |path: &Path| Ok(u64::from(path.starts_with(&two)));
        let mut places = Places::new(&layout, device).unwrap();
        assert_eq!(places.systems.len(), 2);
        let both = TreeSet::of(Tree::Gold).with(Tree::Files);
        let low = PfileName::new([0x01; 20], [0; 16], 5000);
        let high = PfileName::new([0xf1; 20], [0; 16], 100);
        places.add(&layout, &low, both, &|_, _| true);
        places.add(&layout, &high, both, &|_, tree| tree == Tree::Files);
        let files = TreeSet::of(Tree::Files);
        places.add(&layout, &high, files, &|_, _| true);
        let needed: Vec<(u64, u64)> = places
            .systems
            .iter()
            .map(|place| (place.device, place.needed))
            .collect();
        assert_eq!(needed, [(0, 8192), (1, 4096)]);
    }
}
