// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The vocabulary that every room shares: what a stored file is called, in which tree it lies,
//! on which repository host, and how its content is compared with its name.
//!
//! FOSSology names a stored file `sha1.md5.size`. The name is the checksum, so a blob never
//! changes, and whoever reads one can tell whether it is whole.

mod hash;
mod host;
mod name;
mod tree;

pub use hash::{Hasher, digest, digest_batch, digest_file};
pub use host::{HostName, HostNameError};
pub use name::{PfileName, PfileNameError};
pub use tree::{Tree, TreeSet};
