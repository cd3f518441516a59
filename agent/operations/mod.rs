// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What people and the scheduler ask for, one file or folder an operation. Nothing here prints or
//! reads arguments: progress goes to a [`Progress`], results come back as values.

pub mod backup;
pub mod by_url;
pub mod check;
mod context;
pub mod copy;
pub mod drill;
mod dumped;
mod error;
pub mod estimate;
pub mod expire;
pub mod export;
pub mod guard;
mod history;
pub mod init;
pub mod install;
mod instance;
pub mod keys;
pub mod prune;
pub mod queue;
pub mod recover;
pub mod request;
pub mod restore;
pub mod schedule;
mod scratch;
pub mod settings;
pub mod spread;
pub mod status;
pub mod tidy;
pub mod verify;
pub mod way;
mod workers;

pub use context::{Context, Progress, Quiet, Stop};
pub use error::{Error, Result};
pub use instance::Instance;
pub use scratch::Scratch;
