// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Backup, restore and validation for FOSSology.
//!
//! Arrows go one way: `main` → `cli` or `scheduler` → `operations` → `fossology`, `vault` and
//! `unpack`, which don't know each other and share only the vocabulary of [`blob`] (what a pfile is
//! called and how it is hashed), and how threads are started.

pub mod blob;
pub mod cli;
pub mod demo;
mod exit;
pub mod fossology;
mod http;
pub mod operations;
pub mod process;
pub mod scheduler;
mod signals;
mod threads;
pub mod unpack;
pub mod vault;
