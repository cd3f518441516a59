// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The instructions that every vault carries: how to bring everything back with standard tools.

/// The text of RESTORE.md.
pub(super) const TEXT: &str = include_str!("RESTORE.md");
