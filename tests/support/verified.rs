// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Verifying a vault in this process, which is faster than a program for each try.

use fossology_backup::operations::verify::{self, Report};
use fossology_backup::operations::{Context, Quiet, Stop};
use fossology_backup::vault::{Location, Vault};
use std::path::Path;

/// Reads all of a vault in a folder, to the last byte, and tells what was found.
pub fn verify_all(vault: &Path) -> Result<Report, String> {
    let options = verify::Options {
        snapshot: None,
        read: Some(100.0),
        repair_indexes: false,
        urls: None,
        threads: 2,
    };
    let context = Context {
        progress: &Quiet,
        stop: &Stop::new(),
    };
    let vault = Vault::open(&Location::folder(vault)).map_err(|error| error.to_string())?;
    verify::run(&vault, None, &options, context).map_err(|error| error.to_string())
}
