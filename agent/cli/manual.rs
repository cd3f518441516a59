// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup manual`: the manual's pages for `man`, made from what `--help` says; for who packages it.

use super::session::Session;
use crate::exit::Exit;
use crate::operations::{Error, Result};
use clap::CommandFactory;
use nix::sys::stat::{Mode, umask};
use std::fs;
use std::path::PathBuf;

/// Write the manual's pages into a folder
///
/// One page for the program and one for each verb, to be put into share/man/man1.
#[derive(clap::Args)]
pub struct Args {
    /// The folder, which is made
    folder: PathBuf,
}

pub fn run(_: &Session<'_>, args: Args) -> Result<Exit> {
    let folder = &args.folder;
    // What writes these files asks for no modes, and nobody but their owner may change them.
    umask(Mode::from_bits_truncate(0o022));
    fs::create_dir_all(folder).map_err(Error::io("making", folder))?;
    let pages = clap_mangen::generate_to(super::Cli::command(), folder);
    pages.map_err(Error::io("writing", folder))?;
    Ok(Exit::Done)
}
