// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rotation: old snapshots go, their space comes back, and what stays can be restored to the last
//! byte, whatever happens meanwhile.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod damage;
mod history;
mod kills;
mod others;
mod rotation;
