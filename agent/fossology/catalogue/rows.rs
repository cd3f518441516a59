// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rows of a binary COPY, without an allocation a row.

use crate::fossology::database::{Error, Result};
use postgres::Transaction;
use std::io::{self, BufReader, Read};

/// What precedes the header's extension: the signature and the flags.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Runs a query by COPY and hands out its rows. A field that is NULL is `None`.
///
/// `query` is part of the program, never something that came from outside: COPY takes no
/// parameters.
pub(super) fn copy_rows(
    transaction: &mut Transaction<'_>,
    doing: &'static str,
    query: &str,
    mut row: impl FnMut(&[Option<&[u8]>]) -> Result<()>,
) -> Result<()> {
    let stream = transaction
        .copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)"))
        .map_err(Error::sql(doing))?;
    let mut stream = BufReader::with_capacity(1 << 18, stream);
    let lost = |source: io::Error| Error::Stream { doing, source };

    let mut head = [0; 19];
    stream.read_exact(&mut head).map_err(lost)?;
    if &head[..11] != SIGNATURE {
        return Err(lost(io::Error::other("the server sent no binary COPY")));
    }
    let extension = u32::from_be_bytes([head[15], head[16], head[17], head[18]]);
    io::copy(
        &mut (&mut stream).take(u64::from(extension)),
        &mut io::sink(),
    )
    .map_err(lost)?;

    let mut data = Vec::new();
    let mut bounds: Vec<Option<(usize, usize)>> = Vec::new();
    loop {
        let mut count = [0; 2];
        stream.read_exact(&mut count).map_err(lost)?;
        let Ok(count) = usize::try_from(i16::from_be_bytes(count)) else {
            return Ok(()); // -1 is the trailer
        };
        data.clear();
        bounds.clear();
        for _ in 0..count {
            let mut len = [0; 4];
            stream.read_exact(&mut len).map_err(lost)?;
            let Ok(len) = usize::try_from(i32::from_be_bytes(len)) else {
                bounds.push(None); // -1 is NULL
                continue;
            };
            let start = data.len();
            data.resize(start + len, 0);
            stream.read_exact(&mut data[start..]).map_err(lost)?;
            bounds.push(Some((start, start + len)));
        }
        let mut fields: [Option<&[u8]>; 8] = [None; 8];
        for (field, bound) in fields.iter_mut().zip(&bounds) {
            *field = bound.map(|(start, end)| &data[start..end]);
        }
        row(&fields[..count.min(8)])?;
    }
}

/// An `int4` field.
pub(super) fn int4(field: Option<&[u8]>) -> Option<i32> {
    Some(i32::from_be_bytes(field?.try_into().ok()?))
}

/// An `int8` field.
pub(super) fn int8(field: Option<&[u8]>) -> Option<i64> {
    Some(i64::from_be_bytes(field?.try_into().ok()?))
}
