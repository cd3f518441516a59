// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Encryption with age, between a vault and the place where it lies: every object but `vault.json`,
//! `RESTORE.md`, recipients and leases is an age file, called `<name>.age`. A host that makes
//! backups has public keys, and one private key that opens indexes and snapshots only: the lists.
//!
//! Nothing here is written in place, so nothing can be half done: an object is encrypted on its way
//! into a file that has no name yet. What was encrypted is never encrypted anew with another content
//! at the same place of the same file.

mod copies;
mod generation;
mod keys;
mod reader;
mod sealed;
mod spool;

pub use generation::Recipients;
pub(super) use generation::{Generation, Generations};
pub use keys::{Identities, ListKey, Passphrase};
pub(super) use sealed::{Sealed, stored};

use super::{Error, Result};
use age::secrecy::zeroize::Zeroizing;
use std::io::{self, Read, Write};

/// What ends the names of encrypted objects.
pub(super) const ENDING: &str = ".age";

/// Encrypts something small.
fn encrypt(recipients: &[&dyn age::Recipient], data: &[u8]) -> io::Result<Vec<u8>> {
    // Head, and a tag every 64 KiB.
    let mut out = Vec::with_capacity(data.len() + data.len() / 4096 + 1024);
    let mut writer = encryptor(recipients)?.wrap_output(&mut out)?;
    writer.write_all(data)?;
    writer.finish()?;
    Ok(out)
}

fn encryptor(recipients: &[&dyn age::Recipient]) -> io::Result<age::Encryptor> {
    age::Encryptor::with_recipients(recipients.iter().copied()).map_err(io::Error::other)
}

/// Decrypts something small; `what` is told what fails.
fn decrypt(
    identities: &mut dyn Iterator<Item = &dyn age::Identity>,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, age::DecryptError> {
    let mut out = Zeroizing::new(Vec::with_capacity(data.len()));
    age::Decryptor::new_buffered(data)?
        .decrypt(identities)?
        .read_to_end(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
