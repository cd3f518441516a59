// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `fo_backup`, and FOSSology's agent `backup`: whoever starts it decides.

use std::process::ExitCode;

fn main() -> ExitCode {
    if fossology_backup::scheduler::has_started_us(std::env::args_os()) {
        fossology_backup::scheduler::main()
    } else {
        fossology_backup::cli::main()
    }
}
