// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A model of what a disk holds after a power cut. It promises as little as POSIX does: the content
//! of a file is safe once that file was synced, a name once its folder was. Of everything else any
//! part may be there or not, in any order; what was written may be there as zeros or in part.
//! Only that a rename never loses both names is taken for granted, as every file system grants it.
//!
//! File systems in use promise more. So what holds here holds there, and not the other way round.

use fossology_backup::demo::sample::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// A file or folder.
pub type Node = usize;

/// What changes the content of a file.
#[derive(Clone, Debug)]
enum Data {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

/// What changes the names in a folder.
#[derive(Clone, Debug)]
struct Naming {
    folder: Node,
    name: OsString,
    change: Change,
    /// The number of a change without which this one cannot be.
    needs: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Add(Node),
    Remove(Node),
    /// To one name, away from another in the same folder.
    Rename(Node),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Folder(BTreeMap<OsString, Node>),
    File(Vec<u8>),
    Link(OsString),
}

/// The state of a disk, and what may become of it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// What is safe.
    safe: Vec<Kind>,
    /// What was written to files and not synced, by file.
    data: BTreeMap<Node, Vec<Data>>,
    /// Changes of names that were not synced, by number; with the old name of a rename.
    names: BTreeMap<u64, (Naming, Option<OsString>)>,
    changes: u64,
}

/// What happens to that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing of it is there.
    AllLost,
    /// The names are there and what was written is not, as with delayed allocation.
    NamesOnly,
    /// The names are there, and zeros are where something was written.
    Zeros,
    /// The names up to some change are there, and any part of what was written.
    UpToSome,
    /// Any names are there, and any part of what was written.
    Any,
    /// All of it is there, as after a kill.
    AllKept,
}

impl Fate {
    pub const ALL: [Self; 6] = [
        Self::AllLost,
        Self::NamesOnly,
        Self::Zeros,
        Self::UpToSome,
        Self::Any,
        Self::AllKept,
    ];
}

impl Disk {
    /// Takes something that is safe from the start.
    pub fn add(&mut self, kind: Kind) -> Node {
        self.safe.push(kind);
        self.safe.len() - 1
    }

    /// Gives a safe folder another safe entry.
    pub fn add_entry(&mut self, folder: Node, name: OsString, node: Node) {
        match &mut self.safe[folder] {
            Kind::Folder(entries) => entries.insert(name, node),
            _ => panic!("{folder} is no folder"),
        };
    }

    /// Something new, empty and without a name.
    pub fn create(&mut self, folder: bool) -> Node {
        self.add(match folder {
            true => Kind::Folder(BTreeMap::new()),
            false => Kind::File(Vec::new()),
        })
    }

    pub fn write(&mut self, file: Node, at: u64, bytes: Vec<u8>) {
        self.data
            .entry(file)
            .or_default()
            .push(Data::Write(at, bytes));
    }

    pub fn truncate(&mut self, file: Node, len: u64) {
        self.data.entry(file).or_default().push(Data::Truncate(len));
    }

    pub fn link(&mut self, folder: Node, name: OsString, node: Node) -> u64 {
        self.change(folder, name, Change::Add(node), None, None)
    }

    pub fn unlink(&mut self, folder: Node, name: OsString, node: Node) {
        self.change(folder, name, Change::Remove(node), None, None);
    }

    pub fn rename(&mut self, from: (Node, OsString), to: (Node, OsString), node: Node) {
        if from.0 == to.0 {
            self.change(to.0, to.1, Change::Rename(node), None, Some(from.1));
        } else {
            let added = self.link(to.0, to.1, node);
            self.change(from.0, from.1, Change::Remove(node), Some(added), None);
        }
    }

    fn change(
        &mut self,
        folder: Node,
        name: OsString,
        change: Change,
        needs: Option<u64>,
        old: Option<OsString>,
    ) -> u64 {
        self.changes += 1;
        let naming = Naming {
            folder,
            name,
            change,
            needs,
        };
        self.names.insert(self.changes, (naming, old));
        self.changes
    }

    /// Makes a file's content, or a folder's names, safe.
    pub fn sync(&mut self, node: Node) {
        for change in self.data.remove(&node).unwrap_or_default() {
            write(&mut self.safe[node], &change);
        }
        let names = self.names.iter();
        let mut durable: BTreeSet<u64> = names
            .filter(|(_, (naming, _))| naming.folder == node)
            .map(|(number, _)| *number)
            .collect();
        let needed: Vec<u64> = durable
            .iter()
            .filter_map(|number| self.names[number].0.needs)
            .collect();
        durable.extend(needed);
        for number in durable {
            if let Some((naming, old)) = self.names.remove(&number) {
                name(&mut self.safe, &naming, old.as_ref());
            }
        }
    }

    /// Makes everything safe.
    pub fn sync_all(&mut self) {
        *self = self.after(Fate::AllKept, &mut Random::new(0));
    }

    /// Whether something was changed that is not safe.
    pub fn is_safe(&self) -> bool {
        self.data.is_empty() && self.names.is_empty()
    }

    /// What is there after a power cut.
    pub fn after(&self, fate: Fate, random: &mut Random) -> Self {
        let mut safe = self.safe.clone();
        let until = random.below(self.names.len() + 1);
        let mut kept = BTreeSet::new();
        for (at, (number, (naming, old))) in self.names.iter().enumerate() {
            let keep = match fate {
                Fate::AllLost => false,
                Fate::NamesOnly | Fate::Zeros | Fate::AllKept => true,
                Fate::UpToSome => at < until,
                Fate::Any => random.below(2) == 0,
            };
            let possible = naming
                .needs
                .is_none_or(|needed| kept.contains(&needed) || !self.names.contains_key(&needed));
            if keep && possible {
                kept.insert(*number);
                name(&mut safe, naming, old.as_ref());
            }
        }
        for (node, changes) in &self.data {
            let whole = random.below(3) == 0;
            for change in changes {
                match (fate, change) {
                    (Fate::AllLost | Fate::NamesOnly, _) => {}
                    (Fate::AllKept, change) => write(&mut safe[*node], change),
                    (Fate::Zeros, Data::Write(at, bytes)) => {
                        write(&mut safe[*node], &Data::Write(*at, vec![0; bytes.len()]));
                    }
                    (Fate::Zeros, change) => write(&mut safe[*node], change),
                    (_, change) if whole => write(&mut safe[*node], change),
                    (_, Data::Write(at, bytes)) => match random.below(4) {
                        0 => write(&mut safe[*node], change),
                        1 => {}
                        2 => {
                            let part = random.below(bytes.len() + 1);
                            write(&mut safe[*node], &Data::Write(*at, bytes[..part].to_vec()));
                        }
                        _ => {
                            write(&mut safe[*node], &Data::Write(*at, vec![0; bytes.len()]));
                        }
                    },
                    (_, change) => {
                        if random.below(2) == 0 {
                            write(&mut safe[*node], change);
                        }
                    }
                }
            }
        }
        Self {
            safe,
            ..Self::default()
        }
    }

    /// What is safe of a file or folder.
    pub fn get(&self, node: Node) -> &Kind {
        &self.safe[node]
    }
}

fn write(kind: &mut Kind, change: &Data) {
    let Kind::File(content) = kind else {
        panic!("only files are written");
    };
    match change {
        Data::Truncate(len) => content.resize(*len as usize, 0),
        Data::Write(at, bytes) => {
            let (at, end) = (*at as usize, *at as usize + bytes.len());
            if content.len() < end {
                content.resize(end, 0);
            }
            content[at..end].copy_from_slice(bytes);
        }
    }
}

fn name(all: &mut [Kind], naming: &Naming, old: Option<&OsString>) {
    let Kind::Folder(entries) = &mut all[naming.folder] else {
        panic!("only folders have names");
    };
    match naming.change {
        Change::Add(node) => {
            entries.insert(naming.name.clone(), node);
        }
        Change::Remove(node) => {
            if entries.get(&naming.name) == Some(&node) {
                entries.remove(&naming.name);
            }
        }
        Change::Rename(node) => {
            entries.insert(naming.name.clone(), node);
            if let Some(old) = old
                && entries.get(old) == Some(&node)
            {
                entries.remove(old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(disk: &Disk, folder: Node) -> BTreeSet<String> {
        let mut random = Random::new(7);
        let mut seen = BTreeSet::new();
        for fate in Fate::ALL.into_iter().cycle().take(600) {
            let after = disk.after(fate, &mut random);
            let Kind::Folder(entries) = after.get(folder) else {
                panic!();
            };
            let entries = entries.iter().map(|(name, node)| match after.get(*node) {
                Kind::File(content) => {
                    format!("{}={}", name.display(), String::from_utf8_lossy(content))
                }
                _ => name.display().to_string(),
            });
            seen.insert(entries.collect::<Vec<_>>().join(" "));
        }
        seen
    }

    /// A folder, and a file in it that was written and not synced.
    fn written() -> (Disk, Node, Node) {
        let mut disk = Disk::default();
        let folder = disk.create(true);
        let file = disk.create(false);
        disk.link(folder, "new".into(), file);
        disk.write(file, 0, b"ab".to_vec());
        (disk, folder, file)
    }

    #[test]
    fn what_was_not_synced_is_there_or_not_or_in_part() {
        let (mut disk, folder, file) = written();
        let seen = fates(&disk, folder);
        let all = ["", "new=", "new=\0\0", "new=a", "new=ab"];
        assert_eq!(seen, all.map(String::from).into());
        disk.sync(file);
        assert_eq!(
            fates(&disk, folder),
            ["", "new=ab"].map(String::from).into()
        );
        disk.sync(folder);
        assert_eq!(fates(&disk, folder), ["new=ab"].map(String::from).into());
        assert!(disk.is_safe());
    }

    #[test]
    fn a_rename_without_a_sync_before_it_can_name_an_empty_file() {
        let (mut disk, folder, file) = written();
        disk.rename((folder, "new".into()), (folder, "final".into()), file);
        disk.sync(folder);
        assert!(fates(&disk, folder).contains("final="));
        let (mut disk, folder, file) = written();
        disk.sync(file);
        disk.rename((folder, "new".into()), (folder, "final".into()), file);
        let all = ["", "new=ab", "final=ab"].map(String::from);
        assert_eq!(fates(&disk, folder), all.into());
    }

    #[test]
    fn a_rename_to_another_folder_never_loses_both_names() {
        let (mut disk, from, file) = written();
        disk.sync_all();
        let to = disk.create(true);
        disk.rename((from, "new".into()), (to, "final".into()), file);
        let mut random = Random::new(7);
        for fate in Fate::ALL.into_iter().cycle().take(60) {
            let after = disk.after(fate, &mut random);
            let named = |folder| matches!(after.get(folder), Kind::Folder(all) if !all.is_empty());
            assert!(named(from) || named(to));
        }
        disk.sync(from);
        assert_eq!(fates(&disk, to), ["final=ab"].map(String::from).into());
    }
}
