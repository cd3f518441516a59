// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many sorted indexes as one sorted stream that can skip ahead. Names are hashes, so they are
//! spread evenly: where a name lies can be guessed, and a skip costs one or two reads a pack.

use super::{IndexFile, Record};
use crate::blob::PfileName;
use crate::vault::Result;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many records of each index are held in memory: 36 KiB a pack.
const WINDOW: u64 = 512;

/// The records of many indexes in the order of names.
pub struct IndexMerge<'a> {
    cursors: Vec<Cursor<'a>>,
    /// The next name of each cursor that has one.
    heap: BinaryHeap<Reverse<(PfileName, usize)>>,
}

impl<'a> IndexMerge<'a> {
    /// Begins at the first name.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn new(files: &'a [IndexFile]) -> Result<Self> {
        let mut cursors = Vec::with_capacity(files.len());
        let mut heap = BinaryHeap::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            let mut cursor = Cursor {
                file,
                next: 0,
                start: 0,
                window: Vec::new(),
            };
            if let Some(record) = cursor.peek()? {
                heap.push(Reverse((record.name, number)));
            }
            cursors.push(cursor);
        }
        Ok(Self { cursors, heap })
    }

    /// The first record at or after a name, with the number of its index; what lies before is
    /// skipped for good. The record itself stays next.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn seek(&mut self, name: &PfileName) -> Result<Option<(usize, u64, Record)>> {
        while let Some(&Reverse((next, number))) = self.heap.peek() {
            let cursor = &mut self.cursors[number];
            if next >= *name {
                return Ok(cursor.peek()?.map(|record| (number, cursor.next, record)));
            }
            self.heap.pop();
            cursor.seek(name)?;
            if let Some(record) = cursor.peek()? {
                self.heap.push(Reverse((record.name, number)));
            }
        }
        Ok(None)
    }

    /// Goes past the record that is next.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn advance(&mut self) -> Result<()> {
        if let Some(Reverse((_, number))) = self.heap.pop() {
            let cursor = &mut self.cursors[number];
            cursor.next += 1;
            if let Some(record) = cursor.peek()? {
                self.heap.push(Reverse((record.name, number)));
            }
        }
        Ok(())
    }

    /// The next record with the number of its index and its number there, and goes past it.
    ///
    /// # Errors
    /// When an index cannot be read.
    pub fn take_next(&mut self) -> Result<Option<(usize, u64, Record)>> {
        let Some(&Reverse((_, number))) = self.heap.peek() else {
            return Ok(None);
        };
        let cursor = &mut self.cursors[number];
        let at = cursor.next;
        let record = cursor.peek()?;
        self.advance()?;
        Ok(record.map(|record| (number, at, record)))
    }
}

struct Cursor<'a> {
    file: &'a IndexFile,
    /// The number of the record that is next.
    next: u64,
    /// The number of the window's first record.
    start: u64,
    window: Vec<u8>,
}

impl Cursor<'_> {
    fn load(&mut self, start: u64) -> Result<()> {
        self.window = self.file.window(start, WINDOW)?;
        self.start = start;
        Ok(())
    }

    fn len(&self) -> u64 {
        (self.window.len() / Record::WIDTH) as u64
    }

    fn record(&self, number: u64) -> Record {
        let at = (number - self.start) as usize * Record::WIDTH;
        Record::decode(&self.window[at..at + Record::WIDTH])
    }

    fn last(&self) -> Record {
        self.record(self.start + self.len() - 1)
    }

    fn peek(&mut self) -> Result<Option<Record>> {
        if self.next >= self.file.count() {
            return Ok(None);
        }
        if self.next < self.start || self.next >= self.start + self.len() {
            self.load(self.next)?;
        }
        Ok(Some(self.record(self.next)))
    }

    /// Goes to the first record at or after a name, never back.
    fn seek(&mut self, name: &PfileName) -> Result<()> {
        if self.peek()?.is_none_or(|record| record.name >= *name) {
            return Ok(());
        }
        if self.last().name < *name {
            let count = self.file.count();
            let lowest = self.next;
            let mut start = guess(name, count)
                .saturating_sub(WINDOW / 2)
                .clamp(lowest, count - 1);
            self.load(start)?;
            let mut step = WINDOW;
            while start > lowest && self.record(start).name > *name {
                start = start.saturating_sub(step).max(lowest);
                step *= 2;
                self.load(start)?;
            }
            while self.last().name < *name {
                start += self.len();
                if start >= count {
                    self.next = count;
                    return Ok(());
                }
                self.load(start)?;
            }
        }
        let (mut low, mut high) = (self.start.max(self.next), self.start + self.len() - 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle).name < *name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        self.next = low;
        Ok(())
    }
}

/// Where a name probably lies among `count` evenly spread ones.
fn guess(name: &PfileName, count: u64) -> u64 {
    let prefix = u32::from_be_bytes([
        name.sha1()[0],
        name.sha1()[1],
        name.sha1()[2],
        name.sha1()[3],
    ]);
    ((u128::from(prefix) * u128::from(count)) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{Tree, TreeSet, digest};
    use crate::vault::{PackId, Storage, index::encode, local::Local};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn record(number: u32) -> Record {
        Record {
            name: digest(&number.to_le_bytes()),
            trees: TreeSet::of(Tree::Files),
            pfile: number,
            frame_offset: 0,
            frame_len: 0,
            at: 0,
        }
    }

    fn index(
        storage: &Arc<dyn Storage>,
        pack: u8,
        numbers: impl Iterator<Item = u32>,
    ) -> IndexFile {
        let pack = PackId::new([pack; 32]);
        let mut records: Vec<Record> = numbers.map(record).collect();
        let bytes = encode(pack, 0, Tree::Files, &mut records);
        storage.put(&pack.index_key(), &bytes).unwrap();
        let file = IndexFile::open(storage.clone(), pack).unwrap();
        file.verify().unwrap();
        file
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn seeking_finds_what_is_there(sizes in prop::collection::vec(0u32..3000, 0..5), asked in prop::collection::vec(0u32..9000, 0..300)) {
            let dir = tempfile::tempdir().unwrap();
            let storage: Arc<dyn Storage> = Arc::new(Local::open(dir.path()).unwrap());
            let mut begin = 0;
            let mut files = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                files.push(index(&storage, number as u8, begin..begin + size));
                begin += size;
            }
            let mut all = Vec::new();
            let mut merge = IndexMerge::new(&files).unwrap();
            while let Some((_, _, record)) = merge.take_next().unwrap() {
                all.push(record.name);
            }
            prop_assert!(all.is_sorted());
            prop_assert_eq!(all.len(), begin as usize);

            let mut asked: Vec<_> = asked.into_iter().map(record).collect();
            asked.sort_by_key(|record| record.name);
            let mut merge = IndexMerge::new(&files).unwrap();
            for wanted in asked {
                let found = merge.seek(&wanted.name).unwrap().map(|(_, _, record)| record.name);
                let expected = all.iter().find(|name| **name >= wanted.name).copied();
                prop_assert_eq!(found, expected);
                prop_assert_eq!(found == Some(wanted.name), wanted.pfile < begin);
            }
        }
    }
}
