// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells containers by their first bytes.

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One stream, compressed.
    Compressed(Compression),
    /// Members.
    Archive(Format),
}

/// Ways to compress a stream; an rpm's headers before its payload count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compression {
    Bzip2,
    Compress,
    Gzip,
    Lz4,
    Lzip,
    Lzma,
    Rpm,
    Xz,
    Zstd,
}

/// Formats of archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Ar,
    Cab,
    Cpio,
    Iso,
    Lha,
    Rar,
    SevenZip,
    Tar,
    Xar,
    Zip,
}

impl Format {
    /// Whether it can be read from a stream; the others are read by position.
    pub fn streams(self) -> bool {
        matches!(self, Format::Ar | Format::Cpio | Format::Tar)
    }

    /// Whether a member has to be decompressed to get past it.
    pub fn is_solid(self) -> bool {
        matches!(self, Format::Cab | Format::Rar | Format::SevenZip)
    }
}

/// How many bytes of a file tell what it is.
pub const HEAD: usize = 34 * 1024;

const TAR_HEADER: usize = 512;

/// What a file is that begins like this, if it is a container. `head` has the whole file or its
/// first [`HEAD`] bytes.
pub fn kind_of(head: &[u8]) -> Option<Kind> {
    compression(head)
        .map(Kind::Compressed)
        .or_else(|| format(head).map(Kind::Archive))
}

/// Whether a container of this kind is told by so few bytes that any file may begin like it: then
/// it is no damage when it turns out to be none.
pub fn is_guess(kind: Kind, head: &[u8]) -> bool {
    match kind {
        Kind::Compressed(Compression::Lzma | Compression::Compress) => true,
        Kind::Archive(Format::Lha) => true,
        Kind::Archive(Format::Cpio) => !head.starts_with(b"0707"),
        _ => false,
    }
}

fn compression(head: &[u8]) -> Option<Compression> {
    let kind = match head {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, ..] => Compression::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        [b'L', b'Z', b'I', b'P', 0 | 1, ..] => Compression::Lzip,
        // A frame, or one to be skipped before it.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        [4, 0x22, 0x4d, 0x18, ..] => Compression::Lz4,
        [0x1f, 0x9d, ..] => Compression::Compress,
        [0xed, 0xab, 0xee, 0xdb, ..] => Compression::Rpm,
        // The usual properties, then the dictionary's size: a power of two of at least 4 KiB.
        [0x5d, 0, 0, _, _, ..] if is_lzma(head) => Compression::Lzma,
        _ => return None,
    };
    Some(kind)
}

fn is_lzma(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<13>() else {
        return false;
    };
    let [_, d0, d1, d2, d3, size @ ..] = header;
    let dictionary = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
    let size = u64::from_le_bytes(*size);
    let round = dictionary.is_power_of_two() || (dictionary / 3).is_power_of_two();
    round && dictionary >= 4096 && (size == u64::MAX || size < 1 << 40)
}

fn format(head: &[u8]) -> Option<Format> {
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return Some(Format::Zip),
        [b'P', b'K', 7, 8, b'P', b'K', ..] => return Some(Format::Zip),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => return Some(Format::SevenZip),
        [b'R', b'a', b'r', b'!', 0x1a, 7, 0 | 1, ..] => return Some(Format::Rar),
        [b'M', b'S', b'C', b'F', 0, 0, 0, 0, ..] => return Some(Format::Cab),
        [b'x', b'a', b'r', b'!', ..] => return Some(Format::Xar),
        [0xc7, 0x71, ..] | [0x71, 0xc7, ..] => return Some(Format::Cpio),
        [_, _, b'-', b'l', b'h', b'0'..=b'7' | b'd', b'-', ..] => return Some(Format::Lha),
        _ => {}
    }
    if head.starts_with(b"!<arch>\n") {
        Some(Format::Ar)
    } else if [b"070701", b"070702", b"070707"]
        .iter()
        .any(|magic| head.starts_with(*magic))
    {
        Some(Format::Cpio)
    } else if head.first_chunk::<TAR_HEADER>().is_some_and(is_tar) {
        Some(Format::Tar)
    } else if head.get(0x8001..0x8006) == Some(b"CD001") {
        Some(Format::Iso)
    } else {
        None
    }
}

/// Whether the checksum of a tar header is right; some old programs summed signed bytes.
fn is_tar(header: &[u8; TAR_HEADER]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let text: String = header[SUM]
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| *c == ' ')
        .take_while(char::is_ascii_digit)
        .collect();
    let Ok(expected) = i64::from_str_radix(&text, 8) else {
        return false;
    };
    let bytes = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if SUM.contains(&at) { b' ' } else { *byte });
    let (unsigned, signed) = bytes.fold((0, 0), |(unsigned, signed), byte| {
        (
            unsigned + i64::from(byte),
            signed + i64::from(byte.cast_signed()),
        )
    });
    header[0] != 0 && (expected == unsigned || expected == signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tar_is_told_by_its_checksum_alone() {
        let mut header = [0; TAR_HEADER];
        header[..5].copy_from_slice(b"hello");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(kind_of(&header), Some(Kind::Archive(Format::Tar)));
        header[0] = b'j';
        assert_eq!(kind_of(&header), None);
    }

    #[test]
    fn text_and_zeros_are_no_container() {
        assert_eq!(kind_of(&[0; HEAD]), None);
        assert_eq!(kind_of(b""), None);
        assert_eq!(kind_of("#include <stdio.h>\n".repeat(100).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_get_an_answer(head in proptest::collection::vec(any::<u8>(), 0..2048)) {
            kind_of(&head);
        }
    }
}
