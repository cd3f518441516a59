// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Both hashes of a blob at once, and of many small blobs together.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod file;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod rounds;
#[cfg(test)]
mod tests;

use super::PfileName;
pub use file::digest_file;
use md5::{Digest, Md5};
use sha1::Sha1;

/// Hashes content that comes in pieces.
#[derive(Clone, Default)]
pub struct Hasher {
    sha1: Sha1,
    md5: Md5,
    size: u64,
}

impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.sha1.update(data);
        self.md5.update(data);
        self.size += data.len() as u64;
    }

    /// The name that the content seen so far has.
    pub fn finish(self) -> PfileName {
        PfileName::new(
            self.sha1.finalize().into(),
            self.md5.finalize().into(),
            self.size,
        )
    }
}

/// The name that this content has.
pub fn digest(data: &[u8]) -> PfileName {
    let mut hasher = Hasher::new();
    hasher.update(data);
    hasher.finish()
}

/// The names of many blobs, in their order: several times faster than [`digest`] of each if the
/// batch has a few hundred blobs or many times the longest one's size.
pub fn digest_batch(blobs: &[&[u8]]) -> Vec<PfileName> {
    lanes::names_of(blobs)
}
