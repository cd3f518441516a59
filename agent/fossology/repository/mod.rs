// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! FOSSology's repository: where a blob lies, and how one is read and written there.

mod layout;
mod reader;
mod trees;

pub use layout::{Layout, Range, Root};
pub use reader::{Found, ReadError, Reader};
