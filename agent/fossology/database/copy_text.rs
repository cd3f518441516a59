// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rows in COPY's text format, as the files of a dump have them: a line a row, fields parted by
//! tabs, `\N` for NULL, backslashes before what would be taken for something else, `\.` at the end.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::ops::Range;

/// One row. Fields are undone only when they are asked for.
pub struct CopyRow<'a> {
    line: &'a [u8],
    fields: &'a [Range<usize>],
}

impl CopyRow<'_> {
    /// A field as it stands in the file; `None` when it is NULL or there is no such field.
    pub fn raw(&self, number: usize) -> Option<&[u8]> {
        let field = &self.line[self.fields.get(number)?.clone()];
        (field != b"\\N").then_some(field)
    }

    /// A field's bytes; `None` when it is NULL or there is no such field.
    pub fn bytes(&self, number: usize) -> Option<Cow<'_, [u8]>> {
        self.raw(number).map(unescape)
    }

    /// A field as a number; `None` when it is none.
    pub fn number<T: std::str::FromStr>(&self, number: usize) -> Option<T> {
        std::str::from_utf8(self.raw(number)?).ok()?.parse().ok()
    }
}

/// Hands out the rows of a table, one at a time.
///
/// # Errors
/// When the source cannot be read, or ends before the rows do, or a row has another number of
/// fields than `columns`.
pub fn copy_text(
    source: impl io::Read,
    columns: usize,
    mut each: impl FnMut(&CopyRow<'_>),
) -> io::Result<()> {
    let mut source = io::BufReader::with_capacity(1 << 18, source);
    let mut line = Vec::new();
    let mut fields = Vec::with_capacity(columns);
    loop {
        line.clear();
        source.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b"\\." {
            return Ok(());
        }
        fields.clear();
        let mut start = 0;
        let tabs = line.iter().enumerate();
        let tabs = tabs.filter_map(|(at, byte)| (*byte == b'\t').then_some(at));
        for end in tabs.chain([line.len()]) {
            fields.push(start..end);
            start = end + 1;
        }
        // A table without columns has rows without fields.
        if fields.len() != columns && !(columns == 0 && line.is_empty()) {
            let why = format!("a row has {} fields instead of {columns}", fields.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        each(&CopyRow {
            line: &line,
            fields: &fields,
        });
    }
}

/// Takes the backslashes out of a field. The server writes no others than these.
fn unescape(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.contains(&b'\\') {
        return Cow::Borrowed(field);
    }
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        let meant = match byte {
            b'\\' => bytes.next().unwrap_or(b'\\'),
            plain => {
                out.push(plain);
                continue;
            }
        };
        out.push(match meant {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fossology::database::testing::cluster;
    use proptest::prelude::*;
    use std::io::Read;

    type Rows = Vec<Vec<Option<Vec<u8>>>>;

    fn rows(text: &[u8], columns: usize) -> io::Result<Rows> {
        let mut rows = Vec::new();
        copy_text(text, columns, |row| {
            let field = |number| row.bytes(number).map(Cow::into_owned);
            rows.push((0..columns).map(field).collect());
        })?;
        Ok(rows)
    }

    #[test]
    fn what_the_server_writes_is_read() {
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        client
            .batch_execute(
                r"CREATE TABLE odd (key int, name text);
                  INSERT INTO odd VALUES (1, E'tab\t line\n back\\slash'), (2, NULL), (3, ''),
                         (4, E'\\N'), (5, E'\b\f\r\013'), (-6, '\.')",
            )
            .unwrap();
        let mut text = Vec::new();
        let mut copy = client.copy_out("COPY odd TO STDOUT").unwrap();
        copy.read_to_end(&mut text).unwrap();
        text.extend(b"\\.\n\n\n");
        let name = |text: &[u8]| Some(text.to_vec());
        let names: Vec<_> = rows(&text, 2)
            .unwrap()
            .into_iter()
            .map(|mut row| row.remove(1))
            .collect();
        assert_eq!(
            names,
            [
                name(b"tab\t line\n back\\slash"),
                None,
                name(b""),
                name(b"\\N"),
                name(b"\x08\x0c\r\x0b"),
                name(b"\\.")
            ]
        );
    }

    #[test]
    fn rows_that_are_cut_or_of_another_table_are_refused() {
        assert!(rows(b"1\ta\n", 2).is_err(), "no end");
        assert!(rows(b"1\ta", 2).is_err(), "no line's end");
        assert!(rows(b"1\ta\tb\n\\.\n", 2).is_err(), "too many fields");
        assert_eq!(rows(b"\\.\n", 2).unwrap(), Rows::new());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..200), columns in 0usize..4) {
            let _ = rows(&text, columns);
        }
    }
}
