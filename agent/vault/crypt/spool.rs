// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A large object that is encrypted while it is written, by whoever writes it. It cannot be cut: a
//! place that was encrypted and given away must never be encrypted again with another content. What
//! may have to be taken back waits in a file without a name.

use crate::vault::{Key, Put, Result, Spool};
use age::stream::StreamWriter;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::PathBuf;
use tempfile::SpooledTempFile;

/// How much waits in memory before it goes into a file, in bytes.
const IN_MEMORY: usize = 4 << 20;

/// Encrypts what is written into it.
pub(super) struct SealedSpool {
    state: State,
    /// The folder for what waits.
    room: PathBuf,
}

enum State {
    Writing(StreamWriter<Stored>),
    Ended(Stored),
    /// It failed when it was ended.
    Broken,
}

/// What is really stored.
pub(super) struct Stored {
    spool: Box<dyn Spool>,
    digest: Sha256,
    len: u64,
}

impl SealedSpool {
    pub fn new(
        spool: Box<dyn Spool>,
        encryptor: age::Encryptor,
        room: PathBuf,
    ) -> io::Result<Self> {
        let stored = Stored {
            spool,
            digest: Sha256::new(),
            len: 0,
        };
        Ok(Self {
            state: State::Writing(encryptor.wrap_output(stored)?),
            room,
        })
    }
}

impl Write for Stored {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = self.spool.write(data)?;
        self.digest.update(&data[..len]);
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

impl Write for SealedSpool {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Writing(writer) => writer.write(data),
            State::Ended(_) | State::Broken => Err(ended()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Writing(writer) => writer.flush(),
            State::Ended(_) | State::Broken => Ok(()),
        }
    }
}

impl Spool for SealedSpool {
    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "what is encrypted cannot be cut",
        ))
    }

    fn waiting_room(&self) -> io::Result<Option<SpooledTempFile>> {
        Ok(Some(tempfile::spooled_tempfile_in(IN_MEMORY, &self.room)))
    }

    fn has_own_digest(&self) -> bool {
        true
    }

    fn end(&mut self) -> io::Result<Option<([u8; 32], u64)>> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Writing(writer) => {
                let stored = writer.finish()?;
                let told = (stored.digest.clone().finalize().into(), stored.len);
                self.state = State::Ended(stored);
                Ok(Some(told))
            }
            State::Ended(_) | State::Broken => Err(ended()),
        }
    }

    fn publish(self: Box<Self>, key: &Key) -> Result<Put> {
        match self.state {
            State::Ended(stored) => stored.spool.publish(&super::sealed::stored(key)),
            State::Writing(_) | State::Broken => {
                Err(crate::vault::Error::io("naming", key)(ended()))
            }
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("an encrypted object is written to its end before it gets its name")
}
