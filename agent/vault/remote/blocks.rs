// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Small reads, made of few large ones. Indexes are read in windows of some kilobytes, which a
//! server would answer one by one; so whole blocks are fetched, and kept in a file that has no
//! name. Objects never change, so a block is good as long as its object is there. The file has a
//! largest size; when it is full, the oldest block gives way. Killed, nothing is left.

use crate::vault::Key;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// The size of a block in bytes.
pub const BLOCK: u64 = 1 << 20;

/// How many blocks are kept: half a gigabyte of them.
const MOST: usize = 512;

/// The blocks that were fetched.
pub struct Blocks {
    file: Mutex<Option<File>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<(Key, u64), Slot>,
    /// The oldest first.
    order: VecDeque<(Key, u64)>,
    free: Vec<usize>,
    used: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    len: usize,
    /// The object's size in bytes.
    size: u64,
}

impl Blocks {
    pub fn new() -> Self {
        Self {
            file: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// A block of an object, if it is here, and the object's size.
    pub fn get(&self, key: &Key, number: u64) -> Option<(Vec<u8>, u64)> {
        // Held while it is read, so that no other block takes its place meanwhile.
        let known = lock(&self.known);
        let slot = *known.slots.get(&(key.clone(), number))?;
        let file = lock(&self.file);
        let mut block = vec![0; slot.len];
        file.as_ref()?
            .read_exact_at(&mut block, slot.at as u64 * BLOCK)
            .ok()?;
        Some((block, slot.size))
    }

    /// Keeps a block. What cannot be kept is fetched again.
    pub fn keep(&self, scratch: &Path, key: &Key, number: u64, block: &[u8], size: u64) {
        if let Err(error) = self.try_keep(scratch, key, number, block, size) {
            log::info!(
                "a block of {key} is not kept in {}: {error}",
                scratch.display()
            );
        }
    }

    fn try_keep(
        &self,
        scratch: &Path,
        key: &Key,
        number: u64,
        block: &[u8],
        size: u64,
    ) -> io::Result<()> {
        let mut known = lock(&self.known);
        let name = (key.clone(), number);
        if known.slots.contains_key(&name) {
            return Ok(()); // another thread was quicker
        }
        let mut file = lock(&self.file);
        if file.is_none() {
            *file = Some(tempfile::tempfile_in(scratch)?);
        }
        let Some(file) = file.as_ref() else {
            return Ok(());
        };
        let at = known.place();
        if let Err(error) = file.write_all_at(block, at as u64 * BLOCK) {
            known.free.push(at);
            return Err(error);
        }
        let len = block.len();
        known.slots.insert(name.clone(), Slot { at, len, size });
        known.order.push_back(name);
        Ok(())
    }

    /// Forgets an object that was removed or replaced.
    pub fn forget(&self, key: &Key) {
        let mut known = lock(&self.known);
        let Known {
            slots, order, free, ..
        } = &mut *known;
        slots.retain(|(of, _), slot| {
            if of == key {
                free.push(slot.at);
            }
            of != key
        });
        order.retain(|(of, _)| of != key);
    }
}

impl Known {
    /// A place for a block: a new one, or that of the oldest.
    fn place(&mut self) -> usize {
        if let Some(at) = self.free.pop() {
            return at;
        }
        if self.used < MOST {
            self.used += 1;
            return self.used - 1;
        }
        let oldest = self.order.pop_front();
        oldest
            .and_then(|name| self.slots.remove(&name))
            .map_or(0, |slot| slot.at)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|error| error.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_block_gives_way_and_none_is_mistaken_for_another() {
        let scratch = tempfile::tempdir().unwrap();
        let blocks = Blocks::new();
        let key = |number: usize| Key::from_text(format!("packs/{number}.idx"));
        let content = |number: usize| number.to_le_bytes().to_vec();
        for number in 0..MOST + 10 {
            blocks.keep(scratch.path(), &key(number), 0, &content(number), 8);
        }
        let kept = (0..MOST + 10).filter(|number| blocks.get(&key(*number), 0).is_some());
        assert_eq!(kept.count(), MOST);
        for number in 10..MOST + 10 {
            assert_eq!(blocks.get(&key(number), 0), Some((content(number), 8)));
        }
        blocks.forget(&key(20));
        assert_eq!(blocks.get(&key(20), 0), None);
        blocks.keep(scratch.path(), &key(1), 3, b"other", 9);
        assert_eq!(blocks.get(&key(1), 3), Some((b"other".to_vec(), 9)));
        assert_eq!(blocks.get(&key(21), 0), Some((content(21), 8)));
    }
}
