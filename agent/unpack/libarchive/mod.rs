// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reads one container through libarchive: a layer of compression or an archive's members, never
//! both at once, since the stream between them may be a blob too. Formats that let an archive
//! name files of this host (mtree) and filters that start programs are never asked for.

mod ffi;
mod input;
mod locale;
mod memory;
mod seven_zip;

pub use input::{FileInput, Input, MemoryInput, StreamInput};
pub use locale::use_utf8;
pub use memory::{ReadAt, refusal};

use super::kinds::{Compression, Format};
use std::ffi::CStr;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::{ptr, slice};

/// A container that is open for reading.
pub struct Archive<'a> {
    raw: *mut ffi::archive,
    /// From a box. libarchive holds the same pointer, and uses it while it is called.
    input: *mut input::Callbacks<'a>,
    block: Block,
    /// How much of the member, or of what was compressed, was read.
    at: u64,
    /// Whether a member may end with a hole: only a tar tells so correctly.
    ends_with_hole: bool,
    /// There is nothing compressed at all; libarchive must not be asked for it.
    empty: bool,
}

/// What a hole in a member is read from.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What libarchive has given and was not read yet: zeros, then data.
struct Block {
    zeros: u64,
    /// libarchive's own; it lasts until the next call.
    data: *const u8,
    size: usize,
}

impl Block {
    const EMPTY: Self = Self {
        zeros: 0,
        data: ptr::null(),
        size: 0,
    };
}

// SAFETY: an archive has no state of the thread that made it, and is used through `&mut` alone;
// the block is the archive's own, and the input is `Send`.
unsafe impl Send for Archive<'_> {}

/// A member that is a plain file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its size in bytes, where the archive tells it beforehand.
    pub size: Option<u64>,
    /// Whether a key would be needed to read it.
    pub encrypted: bool,
}

/// Why reading ended early.
#[derive(Debug)]
pub struct Failure {
    /// Whether what follows can still be read.
    pub goes_on: bool,
    /// What libarchive said.
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, failure.detail)
    }
}

impl<'a> Archive<'a> {
    /// Opens an archive of this format.
    ///
    /// # Errors
    /// When it is none, or damaged from its first bytes on.
    pub fn open(format: Format, input: Box<dyn Input + 'a>) -> Result<Self, Failure> {
        let mut archive = Self::new(input)?;
        archive.ends_with_hole = format == Format::Tar;
        for support in format_functions(format) {
            archive.support(*support)?;
        }
        archive.start()?;
        Ok(archive)
    }

    /// Opens a compressed stream; reading it gives what is in it.
    ///
    /// # Errors
    /// When it is none, or damaged from its first bytes on.
    pub fn decompress(
        compression: Compression,
        input: Box<dyn Input + 'a>,
    ) -> Result<Self, Failure> {
        let mut archive = Self::new(input)?;
        archive.support(compression_function(compression))?;
        archive.only(compression)?;
        archive.support(ffi::archive_read_support_format_raw)?;
        // What is in it may be nothing at all.
        archive.support(ffi::archive_read_support_format_empty)?;
        archive.start()?;
        // Damage in the first bytes looks like no bytes at all; the next call forgets it.
        let damage = archive.told();
        let mut entry = ptr::null_mut();
        // SAFETY: `raw` is open; `entry` is written by the call.
        let status = unsafe { ffi::archive_read_next_header(archive.raw, &raw mut entry) };
        match status {
            ffi::ARCHIVE_OK | ffi::ARCHIVE_WARN => {}
            ffi::ARCHIVE_EOF => {
                if let Some(damage) = damage {
                    return Err(damage);
                }
            }
            status => return Err(archive.failure(status)),
        }
        archive.empty = status == ffi::ARCHIVE_EOF;
        // SAFETY: `raw` is open.
        let filter = unsafe { ffi::archive_filter_code(archive.raw, 0) };
        // Not taken for it by libarchive, the stream would only pass through: the same again.
        if filter == ffi::ARCHIVE_FILTER_NONE {
            return Err(Failure {
                goes_on: false,
                detail: "its header is damaged".into(),
            });
        }
        Ok(archive)
    }

    fn new(input: Box<dyn Input + 'a>) -> Result<Self, Failure> {
        // SAFETY: no condition; null is what it gives without memory.
        let raw = unsafe { ffi::archive_read_new() };
        if raw.is_null() {
            return Err(Failure {
                goes_on: false,
                detail: "out of memory".into(),
            });
        }
        let input = Box::into_raw(Box::new(input::Callbacks::new(input)));
        Ok(Self {
            raw,
            input,
            block: Block::EMPTY,
            at: 0,
            ends_with_hole: false,
            empty: false,
        })
    }

    fn support(&mut self, function: ffi::Support) -> Result<(), Failure> {
        // SAFETY: `raw` is an archive that is not open yet.
        let status = unsafe { function(self.raw) };
        match status {
            ffi::ARCHIVE_OK => Ok(()),
            // It would start a program for it.
            ffi::ARCHIVE_WARN => Err(Failure {
                goes_on: false,
                detail: "this libarchive cannot read it by itself".into(),
            }),
            status => Err(self.failure(status)),
        }
    }

    /// Has this compression undone once. Left to itself, libarchive undoes it as often as it finds
    /// it, and what lies between is lost. Two it opens only by itself; these never lie in
    /// themselves.
    fn only(&mut self, compression: Compression) -> Result<(), Failure> {
        let code = match compression {
            Compression::Bzip2 => ffi::ARCHIVE_FILTER_BZIP2,
            Compression::Gzip => ffi::ARCHIVE_FILTER_GZIP,
            Compression::Lz4 => ffi::ARCHIVE_FILTER_LZ4,
            Compression::Lzip => ffi::ARCHIVE_FILTER_LZIP,
            Compression::Lzma => ffi::ARCHIVE_FILTER_LZMA,
            Compression::Xz => ffi::ARCHIVE_FILTER_XZ,
            Compression::Zstd => ffi::ARCHIVE_FILTER_ZSTD,
            Compression::Compress | Compression::Rpm => return Ok(()),
        };
        // SAFETY: `raw` is an archive that is not open yet.
        let status = unsafe { ffi::archive_read_append_filter(self.raw, code) };
        match status {
            ffi::ARCHIVE_OK => Ok(()),
            status => Err(self.failure(status)),
        }
    }

    /// What libarchive has said that is wrong, if it has.
    fn told(&self) -> Option<Failure> {
        // SAFETY: `raw` is valid; `input` too, and `raw` is not being called.
        let told = unsafe {
            !ffi::archive_error_string(self.raw).is_null() || (*self.input).error().is_some()
        };
        told.then(|| self.failure(ffi::ARCHIVE_FATAL))
    }

    fn start(&mut self) -> Result<(), Failure> {
        // SAFETY: `input` is this archive's own, is freed after `raw`, and is what the callbacks
        // take it for; nobody else uses it while `raw` is called.
        let status = unsafe {
            ffi::archive_read_set_callback_data(self.raw, self.input.cast());
            ffi::archive_read_set_read_callback(self.raw, input::read);
            if (*self.input).seeks() {
                ffi::archive_read_set_seek_callback(self.raw, input::seek);
            }
            ffi::archive_read_open1(self.raw)
        };
        match status {
            ffi::ARCHIVE_OK | ffi::ARCHIVE_WARN => Ok(()),
            status => Err(self.failure(status)),
        }
    }

    /// The next member that is a plain file with content of its own; `None` after the last one.
    /// Its name is appended to `path`, which is emptied first.
    ///
    /// # Errors
    /// When a header cannot be read.
    pub fn next(&mut self, path: &mut Vec<u8>) -> Result<Option<Member>, Failure> {
        loop {
            (self.block, self.at) = (Block::EMPTY, 0);
            let mut entry = ptr::null_mut();
            // SAFETY: `raw` is open; `entry` is written by the call and belongs to `raw`.
            let status = unsafe { ffi::archive_read_next_header(self.raw, &raw mut entry) };
            match status {
                ffi::ARCHIVE_EOF => return Ok(None),
                // A warning is about names or times, which are of no interest.
                ffi::ARCHIVE_OK | ffi::ARCHIVE_WARN => {}
                status => return Err(self.failure(status)),
            }
            // SAFETY: `entry` was set by the successful call and is valid until the next one; the
            // strings are null or end with a zero.
            unsafe {
                // An ar made to be reproducible tells no type.
                let plain = matches!(ffi::archive_entry_filetype(entry), 0 | libc::S_IFREG);
                let size = (ffi::archive_entry_size_is_set(entry) != 0)
                    .then(|| u64::try_from(ffi::archive_entry_size(entry)).unwrap_or(0));
                // The second gives those that the locale lacks.
                let link = !ffi::archive_entry_hardlink(entry).is_null()
                    || !ffi::archive_entry_hardlink_utf8(entry).is_null();
                if !plain || link && size.unwrap_or(0) == 0 {
                    continue;
                }
                let mut name = ffi::archive_entry_pathname(entry);
                if name.is_null() {
                    name = ffi::archive_entry_pathname_utf8(entry);
                }
                path.clear();
                if !name.is_null() {
                    path.extend_from_slice(CStr::from_ptr(name).to_bytes());
                }
                return Ok(Some(Member {
                    size,
                    encrypted: ffi::archive_entry_is_encrypted(entry) != 0,
                }));
            }
        }
    }

    /// Gets the next block; `false` at the end. Block by block, since libarchive's call that fills
    /// a buffer loses what it has read already when it meets damage.
    fn fetch(&mut self) -> Result<bool, Failure> {
        self.block = Block::EMPTY;
        if self.empty {
            return Ok(false);
        }
        let (mut data, mut size, mut offset) = (ptr::null(), 0, 0);
        // SAFETY: `raw` is open; the others are written by the call.
        let status = unsafe {
            ffi::archive_read_data_block(self.raw, &raw mut data, &raw mut size, &raw mut offset)
        };
        match status {
            ffi::ARCHIVE_OK => {}
            // The last block, with a checksum that does not match.
            ffi::ARCHIVE_WARN if size > 0 && !data.is_null() => {}
            ffi::ARCHIVE_WARN => return Ok(false),
            ffi::ARCHIVE_EOF if self.ends_with_hole => size = 0,
            ffi::ARCHIVE_EOF => return Ok(false),
            status => return Err(self.failure(status)),
        }
        let offset = u64::try_from(offset).unwrap_or(0);
        let zeros = match offset.checked_sub(self.at) {
            Some(zeros) => zeros,
            None if size == 0 => 0,
            None => {
                return Err(Failure {
                    goes_on: true,
                    detail: "its parts overlap".into(),
                });
            }
        };
        self.block = Block {
            zeros,
            data: data.cast(),
            size,
        };
        Ok(zeros > 0 || status != ffi::ARCHIVE_EOF)
    }

    fn failure(&self, status: i32) -> Failure {
        // SAFETY: `input` is valid, and `raw` is not being called.
        if let Some(error) = unsafe { (*self.input).error() } {
            return Failure {
                goes_on: false,
                detail: error.to_owned(),
            };
        }
        // SAFETY: `raw` is valid; the text is null or lasts until the next call.
        let detail = unsafe {
            let text = ffi::archive_error_string(self.raw);
            if text.is_null() {
                "it cannot be read".into()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            }
        };
        Failure {
            goes_on: status > ffi::ARCHIVE_FATAL,
            detail,
        }
    }
}

impl Read for Archive<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

/// Gives libarchive's own memory, so that nothing is copied on the way.
impl BufRead for Archive<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.block.zeros == 0 && self.block.size == 0 {
            if !self.fetch()? {
                return Ok(&[]);
            }
        }
        if self.block.zeros > 0 {
            let zeros = usize::try_from(self.block.zeros).unwrap_or(usize::MAX);
            return Ok(&ZEROS[..zeros.min(ZEROS.len())]);
        }
        // SAFETY: libarchive gave `size` bytes at `data`, which last until it is called again;
        // `fetch` and `next`, which call it, replace or empty the block, and need `&mut self`.
        Ok(unsafe { slice::from_raw_parts(self.block.data, self.block.size) })
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
        let block = &mut self.block;
        if block.zeros > 0 {
            block.zeros -= count as u64;
            return;
        }
        let count = count.min(block.size);
        block.size -= count;
        // SAFETY: it stays within the block, or comes to its end.
        block.data = unsafe { block.data.add(count) };
    }
}

impl Drop for Archive<'_> {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `archive_read_new` and `input` from a box; both are freed once,
        // the one that uses the other first.
        unsafe {
            ffi::archive_read_free(self.raw);
            drop(Box::from_raw(self.input));
        }
    }
}

fn format_functions(format: Format) -> &'static [ffi::Support] {
    match format {
        Format::Ar => &[ffi::archive_read_support_format_ar],
        Format::Cab => &[ffi::archive_read_support_format_cab],
        Format::Cpio => &[ffi::archive_read_support_format_cpio],
        Format::Iso => &[ffi::archive_read_support_format_iso9660],
        Format::Lha => &[ffi::archive_read_support_format_lha],
        Format::Rar => &[
            ffi::archive_read_support_format_rar,
            ffi::archive_read_support_format_rar5,
        ],
        Format::SevenZip => &[ffi::archive_read_support_format_7zip],
        Format::Tar => &[ffi::archive_read_support_format_tar],
        Format::Xar => &[ffi::archive_read_support_format_xar],
        Format::Zip => &[ffi::archive_read_support_format_zip],
    }
}

fn compression_function(compression: Compression) -> ffi::Support {
    match compression {
        Compression::Bzip2 => ffi::archive_read_support_filter_bzip2,
        Compression::Compress => ffi::archive_read_support_filter_compress,
        Compression::Gzip => ffi::archive_read_support_filter_gzip,
        Compression::Lz4 => ffi::archive_read_support_filter_lz4,
        Compression::Lzip => ffi::archive_read_support_filter_lzip,
        Compression::Lzma => ffi::archive_read_support_filter_lzma,
        Compression::Rpm => ffi::archive_read_support_filter_rpm,
        Compression::Xz => ffi::archive_read_support_filter_xz,
        Compression::Zstd => ffi::archive_read_support_filter_zstd,
    }
}
