// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The data of an empty PostgreSQL cluster: made by initdb, or copied from a stock, which takes a
//! fraction of the time. The stock is made under another name and renamed: killed in the middle,
//! that folder is left there and nobody uses it.

use super::server::{Installation, RunAs};
use super::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// What initdb is told beside where to put the data.
const ARGUMENTS: [&str; 5] = [
    "--no-sync",
    "--encoding=UTF8",
    "--locale=C",
    "--auth=scram-sha-256",
    "--username=postgres",
];

/// Where the data lies: in a cluster's folder, and in that of a stock.
const DATA: &str = "data";

/// The superuser's password, in the folder of a stock.
const PASSWORD: &str = "password";

/// Makes the data in `home/data`, which must not exist yet. With a stock, a folder that is made when it
/// is not there, the superuser's password is that of all clusters from it, otherwise the given one;
/// gives back which it is.
///
/// # Errors
/// When initdb fails, or something cannot be written.
pub(super) fn make(
    installation: &Installation,
    run_as: &RunAs,
    home: &Path,
    stock: Option<&Path>,
    password: &str,
) -> Result<String> {
    let Some(stock) = stock else {
        initdb(installation, run_as, home, password)?;
        return Ok(password.to_owned());
    };
    // Other programs and other arguments make other data.
    let kind = format!("{} {ARGUMENTS:?}", installation.version);
    let kept = stock.join(hex::encode(&Sha256::digest(kind)[..8]));
    fs::create_dir_all(stock).map_err(Error::io("making", stock))?;
    let path = kept.with_extension("lock");
    // Held until there is something to copy: who comes second waits for it.
    let lock = File::create(&path)
        .and_then(|lock| lock.lock().map(|()| lock))
        .map_err(Error::io("locking", &path))?;
    if !kept.exists() {
        // Here and not there, where PostgreSQL's user may not be able to go.
        initdb(installation, run_as, home, password)?;
        keep(stock, &kept, home, password)?;
        return Ok(password.to_owned());
    }
    drop(lock);
    copy(&kept.join(DATA), &home.join(DATA), |path| run_as.give(path))?;
    let secret = kept.join(PASSWORD);
    fs::read_to_string(&secret).map_err(Error::io("reading", &secret))
}

fn initdb(
    installation: &Installation,
    run_as: &RunAs,
    home: &Path,
    superuser_password: &str,
) -> Result<()> {
    let secret = home.join(PASSWORD);
    write_secret(&secret, superuser_password)?;
    run_as.give(&secret)?;
    let initdb = installation.bin.join("initdb");
    let output = run_as
        .command(&initdb, home)
        .args(ARGUMENTS)
        .arg(format!("--pwfile={PASSWORD}"))
        .arg(format!("--pgdata={DATA}"))
        .output()
        .map_err(Error::io("starting", &initdb))?;
    fs::remove_file(&secret).map_err(Error::io("removing", &secret))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Program {
        program: initdb,
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Puts a copy of what was made into the stock.
fn keep(stock: &Path, kept: &Path, home: &Path, password: &str) -> Result<()> {
    let unfinished = tempfile::tempdir_in(stock).map_err(Error::io("making", stock))?;
    copy(&home.join(DATA), &unfinished.path().join(DATA), |_| Ok(()))?;
    write_secret(&unfinished.path().join(PASSWORD), password)?;
    let unfinished = unfinished.keep();
    fs::rename(&unfinished, kept).map_err(Error::io("making", kept))
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(secret.as_bytes()))
        .map_err(Error::io("writing", path))
}

/// Copies a folder of folders and files, closed to all but their owner, and does something with each.
fn copy(from: &Path, to: &Path, each: impl Fn(&Path) -> Result<()>) -> Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(|error| Error::io("reading", from)(error.into()))?;
        let path = match entry.depth() {
            0 => to.to_owned(),
            _ => to.join(entry.path().strip_prefix(from).unwrap_or(entry.path())),
        };
        let made = match entry.file_type().is_dir() {
            true => fs::DirBuilder::new().mode(0o700).create(&path),
            false => fs::copy(entry.path(), &path).map(drop),
        };
        made.map_err(Error::io("writing", &path))?;
        each(&path)?;
    }
    Ok(())
}
