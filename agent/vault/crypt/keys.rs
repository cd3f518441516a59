// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Private keys. They are read from files, never from arguments, are wiped from memory when they are
//! dropped, and show nothing of themselves.

use super::{Error, Result, decrypt};
use age::secrecy::zeroize::Zeroizing;
use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// The largest file of private keys, in bytes.
const MOST: u64 = 1 << 20;

/// The most work that a passphrase may cost, as a power of two: 4 GiB of memory.
const WORK: u8 = 22;

/// A passphrase, wiped from memory when it is dropped.
pub type Passphrase = SecretString;

/// Private keys that open a vault.
#[derive(Clone, Default)]
pub struct Identities(Vec<Arc<dyn age::Identity + Send + Sync>>);

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} private keys", self.0.len())
    }
}

impl Identities {
    /// Reads a file of private keys as age-keygen makes it; one that is encrypted asks `passphrase`.
    ///
    /// # Errors
    /// When it cannot be read, holds something else, or the passphrase is wrong.
    pub fn read(
        file: &Path,
        passphrase: &mut dyn FnMut(&Path) -> io::Result<Passphrase>,
    ) -> Result<Self> {
        let wrong = |why: String| Error::Identity {
            file: file.display().to_string(),
            why,
        };
        let mut content = Zeroizing::new(Vec::new());
        std::fs::File::open(file)
            .and_then(|open| open.take(MOST).read_to_end(&mut content))
            .map_err(Error::io("reading", file.display()))?;
        let armored = content.starts_with(b"-----BEGIN AGE");
        if armored || content.starts_with(b"age-encryption.org/") {
            let failed = |error: age::DecryptError| match error {
                age::DecryptError::DecryptionFailed | age::DecryptError::NoMatchingKeys => {
                    wrong("the passphrase does not open it".into())
                }
                other => wrong(other.to_string()),
            };
            let reader = age::armor::ArmoredReader::new(content.as_slice());
            let decryptor = age::Decryptor::new(reader).map_err(failed)?;
            if !decryptor.is_scrypt() {
                return Err(wrong("it is encrypted, but not with a passphrase".into()));
            }
            let passphrase = passphrase(file).map_err(|error| wrong(error.to_string()))?;
            let mut identity = age::scrypt::Identity::new(passphrase);
            // What is too much otherwise depends on how busy the machine is at this moment.
            identity.set_max_work_factor(WORK);
            let mut clear = Zeroizing::new(Vec::new());
            decryptor
                .decrypt(std::iter::once(&identity as &dyn age::Identity))
                .map_err(failed)?
                .take(MOST)
                .read_to_end(&mut clear)
                .map_err(|error| wrong(error.to_string()))?;
            content = clear;
        }
        let parsed = age::IdentityFile::from_buffer(content.as_slice())
            .map_err(|error| wrong(error.to_string()))?
            .into_identities()
            .map_err(|error| wrong(error.to_string()))?;
        if parsed.is_empty() {
            return Err(wrong("it holds no private key".into()));
        }
        Ok(Self(parsed.into_iter().map(Arc::from).collect()))
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0
            .iter()
            .map(|identity| &**identity as &dyn age::Identity)
    }
}

/// The private key that opens a vault's indexes and snapshots, and nothing else. A host that makes
/// backups has it, so that it knows what the vault holds.
#[derive(Clone)]
pub struct ListKey(x25519::Identity);

impl fmt::Debug for ListKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private key of {}", self.public())
    }
}

impl ListKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// The key from its text; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }

    /// Its text, to be kept where only this program reads it.
    pub fn secret(&self) -> Passphrase {
        self.0.to_string()
    }

    /// Its public half.
    pub fn public(&self) -> String {
        self.0.to_public().to_string()
    }

    pub(super) fn identity(&self) -> &dyn age::Identity {
        &self.0
    }

    /// Encrypts it for the recipients of a vault, as text.
    pub(super) fn seal(&self, recipients: &[&dyn age::Recipient]) -> io::Result<String> {
        use std::io::Write;
        let mut out = Vec::new();
        let armor =
            age::armor::ArmoredWriter::wrap_output(&mut out, age::armor::Format::AsciiArmor)?;
        let mut writer = super::encryptor(recipients)?.wrap_output(armor)?;
        writer.write_all(self.secret().expose_secret().as_bytes())?;
        writer.finish()?.finish()?;
        String::from_utf8(out).map_err(io::Error::other)
    }

    /// Whether this may be what [`ListKey::seal`] gave.
    pub(super) fn is_sealed(text: &str) -> bool {
        let reader = age::armor::ArmoredReader::new(text.as_bytes());
        let mut content = Vec::new();
        age::Decryptor::new(reader).is_ok()
            && age::armor::ArmoredReader::new(text.as_bytes())
                .read_to_end(&mut content)
                .is_ok()
    }

    /// Opens what [`ListKey::seal`] gave; `None` when none of the keys does.
    pub(super) fn open(sealed: &str, identities: &Identities) -> Option<Self> {
        let mut binary = Vec::new();
        age::armor::ArmoredReader::new(sealed.as_bytes())
            .read_to_end(&mut binary)
            .ok()?;
        let clear = decrypt(&mut identities.iter(), &binary).ok()?;
        Self::parse(std::str::from_utf8(&clear).ok()?)
    }
}
