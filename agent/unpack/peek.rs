// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A short look into a file: what it is, and how the first files in it are called, so that a person
//! knows it again. Nothing is written, and no more than some megabytes are read.

use super::kinds::{Compression, Format, HEAD, Kind, is_guess, kind_of};
use super::libarchive::{Archive, FileInput, Input, StreamInput, refusal, use_utf8};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// How many bytes of each layer are looked at: names come between contents.
const MOST: u64 = 64 << 20;

/// How long a file is looked at: where contents are compressed together, names cost all that is
/// before them, and few bytes may become very many.
const LONG: Duration = Duration::from_secs(10);

/// How many layers are opened: an rpm has three.
const LAYERS: usize = 4;

/// What a file is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What was found from the outside in, such as `gzip`, `tar`; none for a file that is no
    /// container.
    pub layers: Vec<&'static str>,
    /// How it would be called, such as `.tar.gz`.
    pub extension: String,
    /// The names of the first files in it, as they are: any bytes.
    pub names: Vec<Vec<u8>>,
    /// Whether there are more, or may be.
    pub more: bool,
    /// Whether it is text, if it is no container.
    pub text: bool,
}

/// Looks into a file, for at most so many names.
///
/// # Errors
/// When the file cannot be read. What it holds is no error, however damaged it is.
pub fn peek(file: &File, names: usize) -> io::Result<Peek> {
    use_utf8();
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    let mut seen = Seen {
        peek: Peek::default(),
        extensions: Vec::new(),
        names,
    };
    match kind_of(&head) {
        None => seen.peek.text = is_text(&head),
        // Names that come at an archive's end are only found by position.
        Some(Kind::Archive(format)) if !format.streams() => {
            let read = |at: u64, count: usize| {
                let mut data = vec![0; count];
                let read = file.read_at(&mut data, at)?;
                data.truncate(read);
                Ok(data)
            };
            let kind = Kind::Archive(format);
            let refused = refusal(kind, &head, Some(&read))?.is_some();
            let input = Bounded::new(FileInput::new(file)?, MOST, LONG);
            seen.enter(kind, &head, Box::new(input), refused, 0);
        }
        Some(kind) => {
            let refused = refusal(kind, &head, None)?.is_some();
            let whole = At { file, at: 0 }.take(MOST);
            seen.enter(kind, &head, Box::new(StreamInput::new(whole)), refused, 0);
        }
    }
    let Seen {
        mut peek,
        mut extensions,
        ..
    } = seen;
    extensions.reverse();
    peek.extension = extensions.concat();
    if peek.text {
        peek.extension = ".txt".into();
    }
    Ok(peek)
}

struct Seen {
    peek: Peek,
    extensions: Vec<&'static str>,
    names: usize,
}

impl Seen {
    fn enter(
        &mut self,
        kind: Kind,
        head: &[u8],
        input: Box<dyn Input + '_>,
        refused: bool,
        layer: usize,
    ) {
        let (word, extension) = words(kind, head);
        let opened = if refused || layer >= LAYERS {
            None
        } else {
            match kind {
                Kind::Archive(format) => Archive::open(format, input),
                Kind::Compressed(compression) => Archive::decompress(compression, input),
            }
            .ok()
        };
        // A few bytes may look like a container and be none.
        if opened.is_none() && is_guess(kind, head) {
            return;
        }
        self.peek.layers.push(word);
        self.extensions.push(extension);
        let Some(mut archive) = opened else {
            self.peek.more = true;
            return;
        };
        match kind {
            Kind::Archive(_) => self.list(&mut archive),
            Kind::Compressed(compression) => {
                self.inside(&mut archive, layer);
                // An rpm's payload belongs to it, however it is packed.
                if compression == Compression::Rpm {
                    self.extensions.truncate(layer + 1);
                }
            }
        }
    }

    fn list(&mut self, archive: &mut Archive<'_>) {
        let mut name = Vec::new();
        loop {
            match archive.next(&mut name) {
                Ok(None) => return,
                Ok(Some(_)) if self.peek.names.len() < self.names => {
                    self.peek.names.push(name.clone());
                }
                // Enough, or damaged from here on.
                Ok(Some(_)) | Err(_) => {
                    self.peek.more = true;
                    return;
                }
            }
        }
    }

    fn inside(&mut self, archive: &mut Archive<'_>, layer: usize) {
        let mut head = Vec::new();
        // What came before damage is looked at all the same.
        let _ = archive.by_ref().take(HEAD as u64).read_to_end(&mut head);
        let Some(kind) = kind_of(&head) else { return };
        let refused = refusal(kind, &head, None).map_or(true, |refusal| refusal.is_some());
        let by_position = matches!(kind, Kind::Archive(format) if !format.streams());
        let rest = Cursor::new(head.clone()).chain(archive).take(MOST);
        let input = Box::new(StreamInput::new(rest));
        self.enter(kind, &head, input, refused || by_position, layer + 1);
    }
}

/// An input that gives no more when enough was read of it, or for long enough.
struct Bounded<I> {
    input: I,
    left: u64,
    until: Instant,
}

impl<I: Input> Bounded<I> {
    fn new(input: I, most: u64, long: Duration) -> Self {
        Self {
            input,
            left: most,
            until: Instant::now() + long,
        }
    }
}

impl<I: Input> Input for Bounded<I> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 || Instant::now() >= self.until {
            return Err(io::Error::other("it takes too long to look at"));
        }
        let filled = self.input.fill()?;
        self.left = self.left.saturating_sub(filled.len() as u64);
        Ok(filled)
    }

    fn seek(&mut self, to: u64) -> bool {
        self.input.seek(to)
    }

    fn place(&self) -> Option<(u64, u64)> {
        self.input.place()
    }
}

/// A file that is read by position.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

fn is_text(head: &[u8]) -> bool {
    // A cut in the middle of a sign is no sign of anything else.
    let end = match std::str::from_utf8(head) {
        Ok(_) => head.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    !head.is_empty() && !head[..end].contains(&0)
}

fn words(kind: Kind, head: &[u8]) -> (&'static str, &'static str) {
    match kind {
        Kind::Compressed(compression) => match compression {
            Compression::Bzip2 => ("bzip2", ".bz2"),
            Compression::Compress => ("compress", ".Z"),
            Compression::Gzip => ("gzip", ".gz"),
            Compression::Lz4 => ("lz4", ".lz4"),
            Compression::Lzip => ("lzip", ".lz"),
            Compression::Lzma => ("lzma", ".lzma"),
            Compression::Rpm => ("rpm", ".rpm"),
            Compression::Xz => ("xz", ".xz"),
            Compression::Zstd => ("zstd", ".zst"),
        },
        Kind::Archive(format) => match format {
            Format::Ar if head.get(8..21) == Some(b"debian-binary") => ("deb", ".deb"),
            Format::Ar => ("ar", ".a"),
            Format::Cab => ("cab", ".cab"),
            Format::Cpio => ("cpio", ".cpio"),
            Format::Iso => ("iso", ".iso"),
            Format::Lha => ("lha", ".lzh"),
            Format::Rar => ("rar", ".rar"),
            Format::SevenZip => ("7z", ".7z"),
            Format::Tar => ("tar", ".tar"),
            Format::Xar => ("xar", ".xar"),
            Format::Zip => ("zip", ".zip"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn look(content: &[u8], names: usize) -> Peek {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        peek(&file, names).unwrap()
    }

    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for name in [
            "tool-1.0/README",
            "tool-1.0/src/main.c",
            "tool-1.0/src/list.c",
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(5);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, &b"text\n"[..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn the_first_names_are_found_under_any_compression() {
        let names: Vec<Vec<u8>> = vec![b"tool-1.0/README".into(), b"tool-1.0/src/main.c".into()];
        let zst = zstd::encode_all(&tar()[..], 1).unwrap();
        for (content, layers, extension) in [
            (tar(), &["tar"][..], ".tar"),
            (zst, &["zstd", "tar"], ".tar.zst"),
        ] {
            let found = look(&content, 2);
            assert_eq!(found.layers, layers);
            assert_eq!(found.extension, extension);
            assert_eq!(found.names, names);
            assert!(found.more, "there is a third one");
            assert!(!look(&content, 3).more);
        }
    }

    #[test]
    fn an_input_ends_when_enough_was_read_of_it_or_for_long_enough() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        let bounded = |most, long| Bounded::new(FileInput::new(&file).unwrap(), most, long);
        let long = Duration::from_secs(600);
        let mut input = bounded(300_000, long);
        let mut read = 0;
        while let Ok(filled) = input.fill() {
            assert!(!filled.is_empty(), "it ended before");
            read += filled.len();
        }
        assert!((300_000..1 << 20).contains(&read), "{read}");
        // Going elsewhere gives no more.
        assert!(input.seek(0) && input.fill().is_err());
        assert!(bounded(300_000, Duration::ZERO).fill().is_err());
        assert_eq!(bounded(300_000, long).place(), Some((0, 1 << 20)));
    }

    #[test]
    fn what_is_no_archive_is_text_or_not_and_what_is_cut_gives_what_it_has() {
        let text = look(b"This is free software.\n", 2);
        assert!(text.text && text.layers.is_empty() && text.extension == ".txt");
        assert_eq!(look(&[0, 1, 2, 0xff], 2), Peek::default());
        assert_eq!(look(b"", 2), Peek::default());
        let zst = zstd::encode_all(&tar()[..], 1).unwrap();
        let cut = look(&zst[..zst.len() / 2], 2);
        assert_eq!(cut.layers.first(), Some(&"zstd"));
        // In the content of the second file.
        let cut = look(&tar()[..1800], 9);
        assert_eq!((cut.names.len(), cut.more), (2, true));
    }
}
