// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Members of moderate size that are hashed together, which is several times as fast as one by
//! one.

use super::place::Place;
use crate::unpack::kinds::{HEAD, kind_of};

/// A batch is full with so many members.
const MEMBERS: usize = 512;
/// A batch is full when so many bytes went by since its first member, taken or not: somebody may
/// wait for just one of them.
const BYTES: usize = 4 << 20;

/// Members of one container.
pub struct Batch {
    place: Place,
    data: Vec<u8>,
    members: Vec<Entry>,
    passed: usize,
}

struct Entry {
    end: usize,
    /// The name, if it is a container.
    container: Option<Box<[u8]>>,
}

/// A member in a batch.
pub struct Taken<'a> {
    pub data: &'a [u8],
    /// Where its own members would be, if it is a container.
    pub container: Option<Place>,
}

impl Batch {
    /// An empty one for members of the container here.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            data: Vec::new(),
            members: Vec::new(),
            passed: 0,
        }
    }

    /// Adds a member. What nobody seeks is left out unless it is a container.
    pub fn push(&mut self, name: &[u8], data: &[u8], sought: bool) {
        let container = kind_of(&data[..data.len().min(HEAD)]).is_some();
        self.passed += data.len();
        if sought || container {
            self.data.extend_from_slice(data);
            self.members.push(Entry {
                end: self.data.len(),
                container: container.then(|| name.into()),
            });
        }
    }

    /// Counts bytes that went by without being taken.
    pub fn pass(&mut self, bytes: u64) {
        self.passed = self
            .passed
            .saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Whether it should be worked on now.
    pub fn is_full(&self) -> bool {
        !self.members.is_empty() && (self.members.len() >= MEMBERS || self.passed >= BYTES)
    }

    /// Takes what is in it, leaving it empty.
    pub fn take(&mut self) -> Option<Self> {
        self.passed = 0;
        if self.members.is_empty() {
            return None;
        }
        let empty = Self::new(self.place.clone());
        Some(std::mem::replace(self, empty))
    }

    /// Its members.
    pub fn members(&self) -> impl Iterator<Item = Taken<'_>> {
        let starts = std::iter::once(0).chain(self.members.iter().map(|member| member.end));
        self.members
            .iter()
            .zip(starts)
            .map(|(member, start)| Taken {
                data: &self.data[start..member.end],
                container: member
                    .container
                    .as_ref()
                    .map(|name| self.place.member(name)),
            })
    }
}
