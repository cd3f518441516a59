// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much is asked of a server: what it costs where requests are paid for, and how often a run
//! waits for an answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was asked of a server so far.
#[derive(Debug, Default)]
pub struct Traffic {
    lists: AtomicU64,
    heads: AtomicU64,
    gets: AtomicU64,
    puts: AtomicU64,
    deletes: AtomicU64,
    retries: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// The kinds of requests that servers tell apart in their prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vault) enum Kind {
    List,
    Head,
    Get,
    Put,
    Delete,
}

/// Numbers of requests, and bytes of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Requests {
    /// Pages of listings, or folders.
    pub lists: u64,
    /// Questions about one object.
    pub heads: u64,
    /// Reads.
    pub gets: u64,
    /// Writes, parts of large objects among them.
    pub puts: u64,
    /// Removals.
    pub deletes: u64,
    /// How many of all these were tried again.
    pub retries: u64,
    /// Bytes of content that went there.
    pub sent_bytes: u64,
    /// Bytes of content that came from there.
    pub received_bytes: u64,
}

impl Requests {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.lists + self.heads + self.gets + self.puts + self.deletes
    }
}

impl Traffic {
    /// What was asked so far.
    pub fn so_far(&self) -> Requests {
        Requests {
            lists: self.lists.load(Relaxed),
            heads: self.heads.load(Relaxed),
            gets: self.gets.load(Relaxed),
            puts: self.puts.load(Relaxed),
            deletes: self.deletes.load(Relaxed),
            retries: self.retries.load(Relaxed),
            sent_bytes: self.sent.load(Relaxed),
            received_bytes: self.received.load(Relaxed),
        }
    }

    pub(in crate::vault) fn asked(&self, kind: Kind) {
        let counter = match kind {
            Kind::List => &self.lists,
            Kind::Head => &self.heads,
            Kind::Get => &self.gets,
            Kind::Put => &self.puts,
            Kind::Delete => &self.deletes,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(in crate::vault) fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(in crate::vault) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    pub(in crate::vault) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
    }
}
