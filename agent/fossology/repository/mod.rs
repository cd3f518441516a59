// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! FOSSology's repository: where a blob lies, and how one is read and written there.

mod access;
mod durable;
mod importer;
mod layout;
mod partial;
mod pending;
mod reader;
mod remover;
mod roots;
#[cfg(test)]
mod tests;
mod trees;

pub use access::Owner;
pub use importer::{Begun, Imported, Importer, Linked};
pub use layout::{Layout, Range, Root};
pub use partial::PartialBlob;
pub use reader::{Found, ReadError, Reader};
pub use remover::Remover;
pub use roots::roots_on_disk;
