// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds libarchive, which `agent/unpack/libarchive/ffi.rs` declares what it uses of.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // 3.4 is the first with all that is declared; Debian 11 has it.
    let found = pkg_config::Config::new()
        .atleast_version("3.4")
        .probe("libarchive");
    if let Err(error) = found {
        println!(
            "cargo::error=libarchive is needed: run ./mod_deps, or install libarchive-dev and pkg-config ({error})"
        );
    }
}
