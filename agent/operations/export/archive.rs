// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The archive that an export writes: a tar, perhaps in zstd, that is the same for the same upload.
//! FOSSology keeps neither times nor owners nor modes of what it unpacked, so all members have the
//! same. A file gets its name when it is whole and on disk; until then it is a temporary one beside it.

use super::source::Content;
use crate::operations::{Error, Result, scratch};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// zstd's level: what is written once and read by people.
const LEVEL: i32 = 9;

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A file, in zstd or not; there must be none yet.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it is compressed.
        zstd: bool,
    },
    /// Standard output, not compressed.
    Stdout,
}

impl Output {
    /// What is meant by `-`, or by a file's name.
    ///
    /// # Errors
    /// When its ending is none that is known.
    pub fn parse(text: &Path) -> Result<Self> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let name = text.file_name().unwrap_or_default().as_bytes();
        let zstd = name.ends_with(b".tar.zst") || name.ends_with(b".tzst");
        if zstd || name.ends_with(b".tar") {
            let path = text.to_owned();
            return Ok(Self::File { path, zstd });
        }
        Err(Error::Usage(format!(
            "{}: an export is a .tar.zst or a .tar, or '-' for a tar on standard output",
            text.display()
        )))
    }
}

enum Sink {
    Plain(Box<dyn Write>),
    Zstd(zstd::Encoder<'static, Box<dyn Write>>),
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(data),
            Self::Zstd(out) => out.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

/// An archive being written. Dropped before its end it leaves nothing.
pub(super) struct Archive {
    tar: tar::Builder<Sink>,
    file: Option<(NamedTempFile, PathBuf)>,
    what: PathBuf,
}

impl Archive {
    pub fn begin(output: &Output) -> Result<Self> {
        let (path, zstd) = match output {
            Output::Stdout => {
                let sink = Sink::Plain(Box::new(io::BufWriter::new(io::stdout())));
                return Ok(Self {
                    tar: tar::Builder::new(sink),
                    file: None,
                    what: "standard output".into(),
                });
            }
            Output::File { path, zstd } => (path, zstd),
        };
        if path.symlink_metadata().is_ok() {
            return Err(Error::Usage(format!(
                "{} is there already; name another file, or remove it",
                path.display()
            )));
        }
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = folder.unwrap_or(Path::new("."));
        scratch::remove_left_over(folder);
        let file = scratch::file_in(folder).map_err(Error::io("writing in", folder))?;
        let again = file.reopen().map_err(Error::io("writing", path))?;
        let out: Box<dyn Write> = Box::new(io::BufWriter::with_capacity(1 << 18, again));
        let sink = if *zstd {
            let mut encoder =
                zstd::Encoder::new(out, LEVEL).map_err(Error::io("compressing", path))?;
            let checked = encoder.include_checksum(true);
            checked.map_err(Error::io("compressing", path))?;
            Sink::Zstd(encoder)
        } else {
            Sink::Plain(out)
        };
        Ok(Self {
            tar: tar::Builder::new(sink),
            file: Some((file, path.clone())),
            what: path.clone(),
        })
    }

    pub fn folder(&mut self, path: &[u8]) -> Result<()> {
        let mut header = header(0o755, 0);
        header.set_entry_type(tar::EntryType::Directory);
        let path = [path, b"/"].concat();
        let written = self
            .tar
            .append_data(&mut header, as_path(&path), io::empty());
        written.map_err(Error::io("writing", &self.what))
    }

    /// Adds a file whose content has so many bytes.
    pub fn file(&mut self, path: &[u8], size: u64, content: Content) -> Result<()> {
        let mut header = header(0o644, size);
        let path = as_path(path);
        let written = match content {
            Content::Memory(data) => self.tar.append_data(&mut header, path, &data[..]),
            Content::File(file) => self.tar.append_data(&mut header, path, file),
        };
        written.map_err(Error::io("writing", &self.what))
    }

    /// Ends the archive; gives the file, which is on disk then.
    pub fn finish(self) -> Result<Option<PathBuf>> {
        let failed = |error| Error::io("writing", &self.what)(error);
        let sink = self.tar.into_inner().map_err(failed)?;
        let mut out = match sink {
            Sink::Plain(out) => out,
            Sink::Zstd(encoder) => encoder.finish().map_err(failed)?,
        };
        out.flush().map_err(failed)?;
        drop(out);
        let Some((file, path)) = self.file else {
            return Ok(None);
        };
        file.as_file().sync_all().map_err(failed)?;
        let kept = file.persist_noclobber(&path);
        kept.map_err(|error| failed(error.error))?;
        Ok(Some(path))
    }
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
