// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Faults on purpose. docs/reliability.md says what is tried and what is not; `make torture` tries
//! more of it than `make test` does.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))] // the tracer knows these registers only
#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod calls;
mod disk;
mod faults;
mod image;
mod kills;
mod network;
mod operation;
mod power;
mod record;
mod scenario;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tally;
mod threads;
mod tracer;
