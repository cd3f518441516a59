// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Members of moderate size that are hashed together, which is several times as fast as one by
//! one.

use super::place::Place;
use crate::unpack::kinds::{HEAD, kind_of};

/// A batch is full with so many members.
const MEMBERS: usize = 1024;
/// A batch is full when so many bytes went by since its first member, taken or not: somebody may
/// wait for just one of them.
const BYTES: usize = 8 << 20;

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

    /// To this a member's content is appended before it is known whether the batch takes it:
    /// [`Batch::push`], [`Batch::pass`] or [`Batch::give_back`] follows.
    pub fn room(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// What was appended for the next member.
    pub fn next(&self) -> &[u8] {
        &self.data[self.end()..]
    }

    /// Whether the next member is a container.
    pub fn is_container(&self) -> bool {
        let next = self.next();
        kind_of(&next[..next.len().min(HEAD)]).is_some()
    }

    /// Takes the next member. What nobody seeks is left out unless it is a container.
    pub fn push(&mut self, name: &[u8], sought: bool) {
        let container = self.is_container();
        if sought || container {
            self.passed += self.next().len();
            self.members.push(Entry {
                end: self.data.len(),
                container: container.then(|| name.into()),
            });
        } else {
            self.pass(self.next().len() as u64);
        }
    }

    /// Does not take the next member, which has so many bytes.
    pub fn pass(&mut self, bytes: u64) {
        self.data.truncate(self.end());
        self.passed = self
            .passed
            .saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Gives back what was appended for the next member.
    pub fn give_back(&mut self) -> Vec<u8> {
        self.data.split_off(self.end())
    }

    /// Where the last member ends.
    fn end(&self) -> usize {
        self.members.last().map_or(0, |member| member.end)
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
        let mut empty = Self::new(self.place.clone());
        // The next one will hardly have less.
        empty.data.reserve(self.data.len());
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
