// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The fall-back: what a walk cannot unpack is given to FOSSology's own `ununpack`, as
//! `ununpack -d DIR -qRC FILE`, which writes nothing to the database. Everything that it makes is
//! hashed and offered, however the run ends.
//!
//! It works in a folder of its own below the caller's scratch folder and gets a copy of the file,
//! never the file in the repository. Killed at any point: the kernel tells the keeper, which ends
//! the tool and all its children; the folder is left, and [`remove_tree`] removes it whole.

mod arguments;
mod keeper;
mod limits;
mod offer;
mod processes;
mod run;
#[cfg(test)]
mod tests;
mod tree;

pub use arguments::Arguments;
pub use limits::{Limit, ToolLimits};
pub use run::Outcome;
pub use tree::remove_tree;

use super::{Problem, Seeker};
use nix::unistd::{AccessFlags, Gid, Uid, access, chown};
use offer::Offer;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// FOSSology's unpacker on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ununpack {
    program: PathBuf,
    sysconfdir: PathBuf,
}

/// What to unpack, and how.
pub struct Job<'a> {
    /// The file; its position is changed.
    pub file: File,
    /// The name it was uploaded under. Some kinds are known by the ending of their name.
    pub name: &'a str,
    /// What the upload was first unpacked with.
    pub arguments: &'a Arguments,
    /// How far the run may go.
    pub limits: &'a ToolLimits,
    /// A private folder of the repository's file system.
    pub scratch: &'a Path,
    /// Whom to run the tool as, when we are root: somebody who can reach `scratch`. The tool puts
    /// names from archives into shell commands, which is no work for root.
    pub user: Option<(Uid, Gid)>,
    /// Asked now and then whether to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// How the tool ended.
    pub outcome: Outcome,
    /// The end of what it said.
    pub said: String,
    /// How many files it made that were looked at.
    pub files: u64,
    /// How many bytes these files have.
    pub bytes: u64,
    /// How many blobs were handed over.
    pub taken: u64,
    /// What could not be read, the first of it.
    pub problems: Vec<Problem>,
    /// How many problems there were in all.
    pub problem_count: u64,
}

/// Why the tool could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured program is none.
    #[error(
        "the configured ununpack {} cannot be executed ({source}); name FOSSology's ununpack, or leave the setting out to have it looked for",
        path.display()
    )]
    NotExecutable {
        /// What was configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It did not start.
    #[error("{} could not be started: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The scratch folder could not be used.
    #[error("{doing} {}: {source}; look at its room and its owner", path.display())]
    Scratch {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    fn scratch(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Scratch {
            doing,
            path,
            source,
        }
    }
}

impl Ununpack {
    /// Looks for the program: where it is configured, else among FOSSology's modules, else on
    /// `PATH`.
    ///
    /// # Errors
    /// When what is configured cannot be executed.
    pub fn find(configured: Option<&Path>, sysconfdir: &Path) -> Result<Option<Self>, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self::find_on(&path, configured, sysconfdir)
    }

    fn find_on(
        search_path: &OsStr,
        configured: Option<&Path>,
        sysconfdir: &Path,
    ) -> Result<Option<Self>, Error> {
        let found = |program: PathBuf| Self {
            program,
            sysconfdir: sysconfdir.to_owned(),
        };
        if let Some(path) = configured {
            return match executable(path) {
                Ok(()) => Ok(Some(found(path.to_owned()))),
                Err(source) => Err(Error::NotExecutable {
                    path: path.to_owned(),
                    source,
                }),
            };
        }
        let module = sysconfdir.join("mods-enabled/ununpack/agent/ununpack");
        Ok(std::iter::once(module)
            .chain(std::env::split_paths(search_path).map(|folder| folder.join("ununpack")))
            .find(|program| program.is_absolute() && executable(program).is_ok())
            .map(found))
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Unpacks one file and offers everything that comes out.
    ///
    /// # Errors
    /// When it could not be tried. How the program itself ended is part of the answer.
    pub fn run(&self, job: Job<'_>, seeker: &dyn Seeker) -> Result<Tried, Error> {
        let folder = tempfile::Builder::new()
            .prefix("ununpack-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(job.scratch)
            .map_err(Error::scratch("making a folder in", job.scratch))?
            .keep();
        let tried = self.run_in(&folder, job, seeker);
        if tried.is_err() {
            // The error says more than a second one about what is left.
            let _ = remove_tree(&folder);
        }
        tried
    }

    fn run_in(&self, folder: &Path, mut job: Job<'_>, seeker: &dyn Seeker) -> Result<Tried, Error> {
        let stop = || (job.stop)();
        let (input, size) = match copy_in(folder, &mut job)? {
            Copied::Whole(path, size) => (path, size),
            Copied::Not(outcome) => {
                remove_tree(folder).map_err(Error::scratch("removing", folder))?;
                return Ok(Offer::new(seeker, &stop).tried(outcome, String::new()));
            }
        };
        let command = self.command(folder, &input, &job)?;
        let (mut outcome, said) =
            run::run(command, job.limits, size, folder, &stop).map_err(|source| Error::Start {
                program: self.program.clone(),
                source,
            })?;
        // Our own copy is nothing that was unpacked. The tool may have removed it itself.
        let _ = std::fs::remove_file(&input);
        let mut offer = Offer::new(seeker, &stop);
        if let Err(error) = tree::consume(folder, &mut |entry| offer.add(entry)) {
            offer.note("", &error);
        }
        let _ = offer.finish();
        if offer.stopped {
            outcome = Outcome::Stopped;
        }
        Ok(offer.tried(outcome, said))
    }

    fn command(&self, folder: &Path, input: &Path, job: &Job<'_>) -> Result<Command, Error> {
        let out = make_folder(folder, "out", job.user)?;
        let tmp = make_folder(folder, "tmp", job.user)?;
        let mut command = Command::new(&self.program);
        command
            // The variable FO_SYSCONFDIR would do too, but makes the program crash at its end.
            .arg("-c")
            .arg(&self.sysconfdir)
            .arg("-d")
            .arg(&out)
            .arg("-qRC")
            .args(job.arguments.for_paths(&[input, &out]))
            .arg(input)
            .current_dir(folder)
            .env_clear()
            .env("PATH", self.search_path())
            .env("HOME", &tmp)
            .env("TMPDIR", &tmp)
            .env("LC_ALL", "C.UTF-8");
        if let Some((user, group)) = job.user {
            command.uid(user.as_raw()).gid(group.as_raw());
        }
        Ok(command)
    }

    /// Our own search path, and behind it the program's folder: a helper that it runs by name
    /// lies there.
    fn search_path(&self) -> OsString {
        let mut path = std::env::var_os("PATH")
            .filter(|path| !path.is_empty())
            .unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        if let Some(folder) = self.program.parent() {
            path.push(":");
            path.push(folder);
        }
        path
    }
}

impl Offer<'_> {
    fn tried(self, outcome: Outcome, said: String) -> Tried {
        Tried {
            outcome,
            said,
            files: self.files,
            bytes: self.bytes,
            taken: self.taken,
            problems: self.problems,
            problem_count: self.problem_count,
        }
    }
}

/// Whether a file can be executed.
fn executable(path: &Path) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok(access(path, AccessFlags::X_OK)?)
}

enum Copied {
    Whole(PathBuf, u64),
    Not(Outcome),
}

/// Copies the file into the folder; the blocks are shared where the file system can do that. A
/// hard link would be quicker, but then a tool that writes to its input would change the only copy.
fn copy_in(folder: &Path, job: &mut Job<'_>) -> Result<Copied, Error> {
    /// After how many bytes to look around.
    const PIECE: u64 = 64 << 20;
    give_to(folder, job.user)?;
    let parent = make_folder(folder, "in", job.user)?;
    let path = parent.join(plain_name(job.name));
    let failed = || Error::scratch("copying the upload's file to", &path);
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed())?;
    job.file.rewind().map_err(failed())?;
    let mut size = 0;
    loop {
        if (job.stop)() {
            return Ok(Copied::Not(Outcome::Stopped));
        }
        if limits::too_full(folder, job.limits.free) {
            return Ok(Copied::Not(Outcome::Exceeded(Limit::Free)));
        }
        let copied = io::copy(&mut (&job.file).take(PIECE), &mut target).map_err(failed())?;
        size += copied;
        if copied < PIECE {
            break;
        }
    }
    give_to(&path, job.user)?;
    Ok(Copied::Whole(path, size))
}

fn make_folder(parent: &Path, name: &str, user: Option<(Uid, Gid)>) -> Result<PathBuf, Error> {
    let path = parent.join(name);
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(Error::scratch("making", &path))?;
    give_to(&path, user)?;
    Ok(path)
}

fn give_to(path: &Path, user: Option<(Uid, Gid)>) -> Result<(), Error> {
    match user {
        None => Ok(()),
        Some((user, group)) => chown(path, Some(user), Some(group))
            .map_err(io::Error::from)
            .map_err(Error::scratch("giving to the tool's user", path)),
    }
}

/// An upload's file name with nothing in it that a shell, an option parser or a file system could
/// take for something else. Its end is kept, for the ending's sake.
fn plain_name(name: &str) -> String {
    const LONGEST: usize = 100;
    let base = name.rsplit('/').next().unwrap_or_default();
    let plain: String = base
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '+' => letter,
            _ => '_',
        })
        .collect();
    let plain = plain[plain.len().saturating_sub(LONGEST)..].trim_start_matches('.');
    if plain.is_empty() {
        return "upload".into();
    }
    plain.to_owned()
}
