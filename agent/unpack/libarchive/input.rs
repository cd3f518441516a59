// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a container's bytes come from: memory, a file, or a stream that is read once.

use super::ffi;
use libc::{c_int, c_void, ssize_t};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes for libarchive.
pub trait Input: Send {
    /// The next bytes, none at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn fill(&mut self) -> io::Result<&[u8]>;

    /// Goes to a position, if it can; its length is what it is asked for from the end.
    fn seek(&mut self, to: u64) -> bool;

    /// Where it is and how long it is, if it can be positioned.
    fn place(&self) -> Option<(u64, u64)>;
}

impl<I: Input + ?Sized> Input for &mut I {
    fn fill(&mut self) -> io::Result<&[u8]> {
        (**self).fill()
    }

    fn seek(&mut self, to: u64) -> bool {
        (**self).seek(to)
    }

    fn place(&self) -> Option<(u64, u64)> {
        (**self).place()
    }
}

/// How many bytes are asked for at once.
const BUFFER: usize = 256 * 1024;

/// Content in memory.
pub struct MemoryInput<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> MemoryInput<'a> {
    /// From its first byte on.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }
}

impl Input for MemoryInput<'_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        let rest = &self.data[self.at..];
        self.at = self.data.len();
        Ok(rest)
    }

    fn seek(&mut self, to: u64) -> bool {
        let to = usize::try_from(to).unwrap_or(usize::MAX);
        self.at = to.min(self.data.len());
        true
    }

    fn place(&self) -> Option<(u64, u64)> {
        Some((self.at as u64, self.data.len() as u64))
    }
}

/// A file.
pub struct FileInput<'a> {
    file: &'a File,
    at: u64,
    size: u64,
    buffer: Box<[u8]>,
}

impl<'a> FileInput<'a> {
    /// From its first byte on, whatever the file's own position is.
    ///
    /// # Errors
    /// When its size cannot be asked for.
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            size: file.metadata()?.len(),
            file,
            at: 0,
            buffer: vec![0; BUFFER].into(),
        })
    }
}

impl Input for FileInput<'_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        let count = loop {
            match self.file.read_at(&mut self.buffer, self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.at += count as u64;
        Ok(&self.buffer[..count])
    }

    fn seek(&mut self, to: u64) -> bool {
        self.at = to;
        true
    }

    fn place(&self) -> Option<(u64, u64)> {
        Some((self.at, self.size))
    }
}

/// A stream, read once.
pub struct StreamInput<R> {
    stream: R,
    buffer: Box<[u8]>,
}

impl<R: Read + Send> StreamInput<R> {
    /// From where the stream is.
    pub fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: vec![0; BUFFER].into(),
        }
    }
}

impl<R: Read + Send> Input for StreamInput<R> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        let count = loop {
            match self.stream.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        Ok(&self.buffer[..count])
    }

    fn seek(&mut self, _: u64) -> bool {
        false
    }

    fn place(&self) -> Option<(u64, u64)> {
        None
    }
}

/// What the callbacks work on.
pub(super) struct Callbacks<'a> {
    input: Box<dyn Input + 'a>,
    error: Option<String>,
}

impl<'a> Callbacks<'a> {
    pub(super) fn new(input: Box<dyn Input + 'a>) -> Self {
        Self { input, error: None }
    }

    pub(super) fn seeks(&self) -> bool {
        self.input.place().is_some()
    }

    /// Why the input ended early, if it did.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn go(&mut self, offset: i64, whence: c_int) -> Option<u64> {
        let (at, size) = self.input.place()?;
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => at,
            libc::SEEK_END => size,
            _ => return None,
        };
        let to = base.checked_add_signed(offset)?;
        self.input.seek(to).then_some(to)
    }
}

pub(super) unsafe extern "C" fn read(
    _: *mut ffi::archive,
    data: *mut c_void,
    buffer: *mut *const c_void,
) -> ssize_t {
    // SAFETY: `data` is what `Archive::start` gave, alive and used by one thread at a time;
    // `buffer` is libarchive's, to be set to bytes that last until the next call.
    let (callbacks, buffer) = unsafe { (&mut *data.cast::<Callbacks<'_>>(), &mut *buffer) };
    match callbacks.input.fill() {
        Ok(bytes) => {
            *buffer = bytes.as_ptr().cast();
            bytes.len() as ssize_t
        }
        Err(error) => {
            callbacks.error = Some(error.to_string());
            ffi::ARCHIVE_FATAL as ssize_t
        }
    }
}

pub(super) unsafe extern "C" fn seek(
    _: *mut ffi::archive,
    data: *mut c_void,
    offset: i64,
    whence: c_int,
) -> i64 {
    // SAFETY: as in `read`.
    let callbacks = unsafe { &mut *data.cast::<Callbacks<'_>>() };
    match callbacks.go(offset, whence) {
        Some(to) => i64::try_from(to).unwrap_or(i64::from(ffi::ARCHIVE_FATAL)),
        None => i64::from(ffi::ARCHIVE_FATAL),
    }
}
