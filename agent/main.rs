// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `fo_backup`.

fn main() -> std::process::ExitCode {
    fossology_backup::cli::main()
}
