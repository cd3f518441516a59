// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What FOSSology is: its configuration, its repository, its database.

pub mod catalogue;
pub mod config;
pub mod database;
mod error;
pub mod exclusive;
pub mod findings;
pub mod guard;
pub mod jobs;
pub mod module;
pub mod own;
pub mod queue;
pub mod repository;
pub mod scheduler;

pub use error::{Error, Result};
