// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The one place that removes snapshots, packs and chunks. It takes a lease of kind `exclusive`
//! and asks before each removal whether that still holds: the machine may have slept, and others
//! may have begun to rely on what was of no use before.
//!
//! What has to be gone first is gone for good before the next is touched (see
//! [`Removal::settle_snapshots`]): a crash must not bring a snapshot back whose packs are gone.

use super::{ChunkId, Error, Lease, LeaseKind, PackId, Result, SnapshotId, Vault};

/// The right to remove objects of a vault.
pub struct Removal<'a> {
    vault: &'a Vault,
    lease: &'a Lease,
}

impl<'a> Removal<'a> {
    /// Removes under this lease.
    ///
    /// # Errors
    /// When the lease is not of kind `exclusive`.
    pub fn new(vault: &'a Vault, lease: &'a Lease) -> Result<Self> {
        if lease.kind() == LeaseKind::Exclusive {
            return Ok(Self { vault, lease });
        }
        Err(Error::LeaseLost {
            why: "removing needs a lease of its own".into(),
        })
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// When the lease is lost, or the storage refuses.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<()> {
        self.lease.check()?;
        self.vault.storage.delete(&id.key())
    }

    /// Makes sure that no removed snapshot comes back, whatever happens. Only then may what they
    /// named go.
    ///
    /// # Errors
    /// When the storage does not answer.
    pub fn settle_snapshots(&self) -> Result<()> {
        self.vault.storage.settle("snapshots")
    }

    /// Removes a pack and then its index: a pack is never without one.
    ///
    /// # Errors
    /// As [`Removal::snapshot`].
    pub fn pack(&self, id: PackId) -> Result<()> {
        self.lease.check()?;
        self.vault.storage.delete(&id.key())?;
        // Without the lease another run may have put the same pack again, which needs this index.
        self.lease.check()?;
        self.vault.storage.delete(&id.index_key())
    }

    /// Removes a chunk.
    ///
    /// # Errors
    /// As [`Removal::snapshot`].
    pub fn chunk(&self, id: ChunkId) -> Result<()> {
        self.lease.check()?;
        self.vault.storage.delete(&id.key())
    }
}
