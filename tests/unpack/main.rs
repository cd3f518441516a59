// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whatever was packed by whichever tool comes out again, under the right name; and what is packed
//! to do harm does none.

#![allow(clippy::unwrap_used)]

mod archives;
mod hostile;
mod large;
mod memory;
mod properties;
mod streams;
mod support;
mod threads;
