// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much memory a container's own header asks for: liblzma and libarchive would take it
//! whatever it is.

use super::seven_zip;
use crate::unpack::kinds::{Compression, Format, Kind};
use std::io;

/// What one container may ask for, in bytes: xz asks for 64 MiB at its highest level.
const MOST: u64 = 128 << 20;

/// Reads at most so many bytes from this position on.
pub type ReadAt<'a> = &'a dyn Fn(u64, usize) -> io::Result<Vec<u8>>;

/// Why a container must not be opened, if so. `head` is how it begins; it is read by position, if
/// that can be done, for what its end says.
///
/// # Errors
/// When it cannot be read.
pub fn refusal(kind: Kind, head: &[u8], read: Option<ReadAt<'_>>) -> io::Result<Option<String>> {
    let needed = match (kind, read) {
        (Kind::Compressed(compression), _) => dictionary(compression, head),
        (Kind::Archive(Format::SevenZip), Some(read)) => seven_zip::memory(head, read)?,
        (Kind::Archive(_), _) => None,
    };
    Ok(needed.filter(|needed| *needed > MOST).map(|needed| {
        format!("its header asks for {needed} bytes of memory, of which {MOST} are granted")
    }))
}

/// The dictionary of a compressed stream; `None` where it is bounded by the format, or by the
/// library that reads it.
fn dictionary(compression: Compression, head: &[u8]) -> Option<u64> {
    match compression {
        Compression::Lzma => Some(u64::from(u32::from_le_bytes(
            *head.get(1..5)?.first_chunk()?,
        ))),
        Compression::Lzip => {
            let code = *head.get(5)?;
            let base = 1_u64 << (code & 31);
            Some(base - base / 16 * u64::from(code >> 5))
        }
        Compression::Xz => xz_dictionary(head.get(12..)?),
        _ => None,
    }
}

/// The dictionary of an xz stream's first block, which begins here.
fn xz_dictionary(block: &[u8]) -> Option<u64> {
    const LZMA2: u64 = 0x21;
    let flags = *block.get(1)?;
    let mut rest = block.get(2..)?;
    for present in [0x40, 0x80] {
        if flags & present != 0 {
            xz_number(&mut rest)?;
        }
    }
    for _ in 0..=flags & 3 {
        let id = xz_number(&mut rest)?;
        let size = usize::try_from(xz_number(&mut rest)?).ok()?;
        let (properties, after) = rest.split_at_checked(size)?;
        if id == LZMA2 {
            return properties.first().map(|code| lzma2_dictionary(*code));
        }
        rest = after;
    }
    None
}

/// Seven bits a byte, the lowest first; all but the last one have the eighth.
fn xz_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..9 {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// What the one byte of LZMA2's properties means.
pub fn lzma2_dictionary(code: u8) -> u64 {
    (2 | u64::from(code & 1)) << (code.min(40) / 2 + 11)
}
