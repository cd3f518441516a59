// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keeps content of unknown length: in memory while it is moderate, else in a file without a
//! name, which the system removes with the process however that ends.

use crate::unpack::Content;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What is kept in memory at most, in bytes; one for each thread.
const MEMORY: usize = 16 << 20;

/// Content on its way.
pub struct Spool<'a> {
    folder: &'a Path,
    memory: Vec<u8>,
    file: Option<File>,
    size: u64,
}

impl<'a> Spool<'a> {
    /// An empty one; its file would lie in this folder.
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            memory: Vec::new(),
            file: None,
            size: 0,
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole content.
    pub fn content(&self) -> Content<'_> {
        match &self.file {
            Some(file) => Content::File(file),
            None => Content::Memory(&self.memory),
        }
    }

    /// Takes more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        self.size += data.len() as u64;
        if self.file.is_none() && self.memory.len() + data.len() > MEMORY {
            let mut file = tempfile::tempfile_in(self.folder)?;
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &mut self.file {
            Some(file) => file.write_all(data),
            None => {
                self.memory.extend_from_slice(data);
                Ok(())
            }
        }
    }
}
