// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rows on their way into the database: collected as text, sent with one COPY a table.
//!
//! All of a batch is one transaction, so a batch that fails leaves no row.

use super::super::cluster::quoted;
use super::super::{Error, Result};
use std::io::Write;

/// A row being written, field by field.
pub(super) struct Row(Vec<u8>);

impl Row {
    /// A row that starts with a number, as most start with a key.
    pub fn key(number: i32) -> Self {
        Self(number.to_string().into_bytes())
    }

    pub fn int(self, number: impl Into<i64>) -> Self {
        self.text(&number.into().to_string())
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub fn null(self) -> Self {
        self.raw(b"\\N")
    }

    /// A number, or NULL.
    pub fn int_or_null(self, number: Option<i32>) -> Self {
        match number {
            Some(number) => self.int(number),
            None => self.null(),
        }
    }

    /// Text that need not be UTF-8, which only a SQL_ASCII database takes.
    pub fn bytes(self, text: &[u8]) -> Self {
        let mut escaped = Vec::with_capacity(text.len());
        for byte in text {
            match byte {
                b'\\' => escaped.extend(b"\\\\"),
                b'\n' => escaped.extend(b"\\n"),
                b'\r' => escaped.extend(b"\\r"),
                b'\t' => escaped.extend(b"\\t"),
                other => escaped.push(*other),
            }
        }
        self.raw(&escaped)
    }

    fn raw(mut self, field: &[u8]) -> Self {
        self.0.push(b'\t');
        self.0.extend(field);
        self
    }
}

/// Rows of many tables, in the order in which the tables were first named.
#[derive(Default)]
pub(super) struct Batch {
    tables: Vec<(String, &'static str, Vec<u8>)>,
}

impl Batch {
    /// Adds a row; `columns` are those that the row's fields are for, in their order.
    pub fn add(&mut self, table: &str, columns: &'static str, row: Row) {
        let known = self.tables.iter().position(|(name, ..)| name == table);
        let index = known.unwrap_or(self.tables.len());
        if known.is_none() {
            self.tables.push((table.to_owned(), columns, Vec::new()));
        }
        let rows = &mut self.tables[index].2;
        rows.extend(row.0);
        rows.push(b'\n');
    }

    /// Runs `before`, sends all rows, runs `after`, and commits.
    pub fn send(self, client: &mut postgres::Client, before: &str, after: &str) -> Result<()> {
        let mut transaction = client
            .transaction()
            .map_err(Error::database("starting a transaction"))?;
        transaction
            .batch_execute(before)
            .map_err(Error::database("preparing the sample's tables"))?;
        for (table, columns, rows) in self.tables {
            let doing = format!("filling table {table}");
            let statement = format!("COPY {} ({columns}) FROM STDIN", quoted(&table));
            let mut writer = transaction
                .copy_in(&statement)
                .map_err(Error::database(&doing))?;
            writer
                .write_all(&rows)
                .map_err(Error::io("sending rows to table", table.as_ref()))?;
            writer.finish().map_err(Error::database(&doing))?;
        }
        transaction
            .batch_execute(after)
            .map_err(Error::database("setting the sample's sequences"))?;
        transaction
            .commit()
            .map_err(Error::database("committing the sample's rows"))
    }
}
