// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command `fo_backup`, and the agent that FOSSology's scheduler starts.

fn main() {}
