// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any first bytes get an answer.

#![no_main]

use libfuzzer_sys::fuzz_target;

// It is not public.
#[allow(dead_code)]
#[path = "../../agent/unpack/kinds.rs"]
mod kinds;

fuzz_target!(|head: &[u8]| {
    if let Some(kind) = kinds::kind_of(head) {
        kinds::is_guess(kind, head);
    }
});
