// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Taking the module away again. The link goes first, so FOSSology never sees half a module.
//! Killed in the middle, the same command again removes the rest. Vaults are never touched.

use super::{AGENT, Error, Place, Result, Version, schedule};
use crate::fossology::own;
use crate::operations::Instance;
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

/// What was removed.
#[derive(Debug, Serialize)]
pub struct Removed {
    /// Files, folders and the link, as far as they were there.
    pub removed: Vec<PathBuf>,
}

/// Removes the module and what wakes it.
///
/// # Errors
/// When something could not be removed, or is not ours.
pub fn remove(place: &Place) -> Result<Removed> {
    let (module, link) = (place.real(&place.module()), place.link());
    if fs::symlink_metadata(&link).is_ok_and(|there| !there.is_symlink()) {
        return Err(Error::Usage(format!(
            "{} is there and is no link, so it is not ours; move it away",
            link.display()
        )));
    }
    let has_files = fs::read_dir(&module).is_ok_and(|mut entries| entries.next().is_some());
    if has_files && Version::load(&module.join("VERSION")).is_none() {
        return Err(Error::Usage(format!(
            "{} has no VERSION file of the agent '{AGENT}', so it is not ours; look what it is, and remove it by hand",
            module.display()
        )));
    }
    let mut removed = Vec::new();
    let schedule = schedule::all_files();
    let schedule = schedule.iter().map(|file| place.real(file));
    for file in std::iter::once(link).chain(schedule) {
        if schedule::remove(&file)? {
            removed.push(file);
        }
    }
    if module.exists() {
        // VERSION goes last: while it is there, the rest is known to be ours.
        for entry in fs::read_dir(&module).map_err(Error::io("reading", &module))? {
            let path = entry.map_err(Error::io("reading", &module))?.path();
            let gone = match () {
                () if path.ends_with("VERSION") => Ok(()),
                () if path.is_dir() && !path.is_symlink() => fs::remove_dir_all(&path),
                () => fs::remove_file(&path),
            };
            gone.map_err(Error::io("removing", &path))?;
        }
        fs::remove_dir_all(&module).map_err(Error::io("removing", &module))?;
        removed.push(module);
    }
    Ok(Removed { removed })
}

/// Removes our tables: history, requests, findings, and which instance this is.
///
/// # Errors
/// When somebody is at work, or when something is in them that nobody else knows.
pub fn drop_history(instance: &Instance) -> Result<()> {
    let mut client = instance.connect("uninstall")?;
    if own::schema_version(&mut client)?.is_none() {
        return Ok(());
    }
    own::try_lock(&mut client)?;
    let precious = own::precious(&mut client)?;
    if !precious.is_empty() {
        return Err(Error::Usage(format!(
            "our tables stay: {}; nobody else knows that",
            precious.join(", ")
        )));
    }
    own::drop_tables(&mut client)?;
    Ok(own::unlock(&mut client)?)
}
