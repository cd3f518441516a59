// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The index of a pack: a record of fixed width for each blob, sorted by name. It is read in
//! windows, so that ten million blobs take no more memory than ten.

mod file;
mod merge;
mod record;

pub use file::IndexFile;
pub(super) use file::encode;
pub use merge::IndexMerge;
pub use record::Record;
