// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! FOSSology's PostgreSQL database as a whole: connecting to it, dumping and restoring it with
//! PostgreSQL's own tools, and making, swapping and dropping databases for a restore.
//!
//! What the tables say is read elsewhere (catalogue, jobs, our own tables); all of it goes
//! through [`Database::connect`].

mod admin;
mod connect;
mod copy_text;
mod error;
mod external;
mod process;
mod properties;
mod scrub;
#[cfg(test)]
pub(crate) mod testing;
mod tools;

pub use admin::{Admin, OtherSession};
pub use connect::{Database, OLDEST_SERVER, RawText, assert_fossology, server_major};
pub use copy_text::{CopyRow, copy_text};
pub use error::{Error, Result};
pub use external::{ExternalBackup, back_up_externally};
pub use properties::{DatabaseProperties, Extension, Locale, RoleProperties, Setting, properties};
pub use scrub::{LIES_OPEN, Scrubber};
pub use tools::{DumpedTable, Restored, Tools};
