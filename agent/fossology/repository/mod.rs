// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! FOSSology's repository: where a blob lies, and how one is read and written there.

mod layout;

pub use layout::{Layout, Range, Root};
