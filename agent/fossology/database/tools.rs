// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! PostgreSQL's own programs: which ones fit the server, the dump and its restoration.
//!
//! Both write scratch: a dump that died in the middle leaves a folder, a restoration a database,
//! that the next run throws away and makes anew.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::connect::Database;
use super::error::{Error, Result};
use super::process::{command, run};

/// Where Debian puts each major version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A folder with pg_dump and pg_restore of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    folder: PathBuf,
    major: u32,
}

/// What a restoration leaves to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Grants that could not be given, mostly because a role is missing here.
    pub grants_left_out: Vec<String>,
}

/// The rows of a table in a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedTable {
    /// The table, without its schema.
    pub name: String,
    /// The file of the dump that has its rows, in COPY's text format.
    pub file: String,
    /// The columns, in the order of the fields.
    pub columns: Vec<String>,
}

impl DumpedTable {
    /// The number of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

impl Tools {
    /// Finds programs for a server, or for a dump, of this major version.
    ///
    /// `configured` is the only place when it is given. Else Debian's folders are looked at, the
    /// lowest fitting version first, since a dump may only be read by the same or a newer version
    /// and a newer one says things that an older server does not understand; then `PATH`.
    ///
    /// # Errors
    /// Names the package to install.
    pub fn find(configured: Option<&Path>, needed: u32) -> Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        Self::find_in(configured, needed, Path::new(DEBIAN), &path)
    }

    fn find_in(
        configured: Option<&Path>,
        needed: u32,
        debian: &Path,
        path: &OsStr,
    ) -> Result<Self> {
        // One after the other, because asking a program for its version takes a moment.
        let mut found = Vec::new();
        let candidates: Box<dyn Iterator<Item = Self>> = match configured {
            Some(folder) => Box::new(Self::at(folder).into_iter()),
            None => {
                let mut tools = in_debian(debian);
                tools.sort_by_key(|tools| tools.major);
                let others = env::split_paths(path).filter_map(|folder| Self::at(&folder));
                Box::new(tools.into_iter().chain(others))
            }
        };
        for tools in candidates {
            if tools.major >= needed {
                return Ok(tools);
            }
            found.push(tools);
        }
        let found = match (found.as_slice(), configured) {
            ([], Some(folder)) => format!("none in {}", folder.display()),
            ([], None) => "none".to_owned(),
            (tools, _) => tools
                .iter()
                .map(|tools| format!("version {} in {}", tools.major, tools.folder.display()))
                .collect::<Vec<_>>()
                .join(", "),
        };
        Err(Error::NoTools { needed, found })
    }

    /// The programs in a folder, whose version they are asked for.
    fn at(folder: &Path) -> Option<Self> {
        if !folder.join("pg_restore").is_file() {
            return None;
        }
        let said = Command::new(folder.join("pg_dump"))
            .arg("--version")
            .output()
            .ok()?;
        Some(Self {
            folder: folder.to_owned(),
            major: parse_version(&String::from_utf8_lossy(&said.stdout))?,
        })
    }

    /// Whether a server of this major version understands what pg_restore tells it. From 17 on that
    /// sets a parameter which older servers do not have, and the dump can be read by no older one.
    pub fn loads_into(&self, server: u32) -> bool {
        self.major < 17 || server >= 17
    }

    /// The programs' major version; a dump takes at least this one to be read again.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// Dumps a database as it is in an exported transaction snapshot into a folder that must be
    /// new or empty, in pg_dump's directory format, parts not compressed and not synced: they are
    /// read again at once.
    ///
    /// # Errors
    /// With pg_dump's messages; when `stop` says so, after pg_dump has ended.
    pub fn dump(
        &self,
        database: &Database,
        snapshot: &str,
        folder: &Path,
        jobs: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut command = command(&self.folder.join("pg_dump"), database);
        command
            .args(["--format=directory", "--compress=0", "--no-sync"])
            .arg(format!("--snapshot={snapshot}"))
            .arg(format!("--jobs={}", jobs.max(1)))
            .arg(option("--file=", folder));
        run(command, "pg_dump", stop)
    }

    /// What a dump holds, a line each, as pg_restore lists it.
    pub(super) fn contents(&self, dump: &Path) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.list(dump)?).into_owned())
    }

    /// Which tables a dump has, with their columns, and in which of its files their rows are. Of
    /// the dump only its table of contents has to be in `folder`, where nothing else may be: the
    /// files of the tables that are `wanted` are made there, empty. pg_restore is asked because the
    /// form of that table changes with PostgreSQL's versions; no server is needed for it.
    ///
    /// # Errors
    /// With pg_restore's messages.
    pub fn dumped_tables(
        &self,
        folder: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<DumpedTable>> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io {
                doing: "writing",
                path,
                source,
            }
        };
        let list = self.list(folder)?;
        let mut chosen = Vec::new();
        let mut files = Vec::new();
        for line in list.split_inclusive(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let words: Vec<&str> = text.split(' ').collect();
            if let [number, _, _, "TABLE", "DATA", _, table, ..] = words[..]
                && wanted(table)
            {
                let file = format!("{}.dat", number.trim_end_matches(';'));
                let path = folder.join(&file);
                fs::write(&path, b"").map_err(failed(&path))?;
                files.push((table.to_owned(), file));
                chosen.extend(line);
            }
        }
        let (list, script) = (folder.join("tables.list"), folder.join("tables.sql"));
        fs::write(&list, &chosen).map_err(failed(&list))?;
        let mut command = Command::new(self.folder.join("pg_restore"));
        command
            .env("LC_ALL", "C")
            .arg("--data-only")
            .arg(option("--use-list=", &list))
            .arg(option("--file=", &script))
            .arg(folder);
        run(command, "pg_restore", &|| false)?;
        let script = fs::read(&script).map_err(failed(&script))?;
        let mut tables: Vec<DumpedTable> = Vec::new();
        for line in String::from_utf8_lossy(&script).lines() {
            let Some((name, columns)) = copied_columns(line) else {
                continue;
            };
            if let Some((_, file)) = files.iter().find(|(table, _)| *table == name) {
                let file = file.clone();
                tables.push(DumpedTable {
                    name,
                    file,
                    columns,
                });
            }
        }
        Ok(tables)
    }

    /// The contents of a dump, as pg_restore lists them.
    fn list(&self, dump: &Path) -> Result<Vec<u8>> {
        let program = self.folder.join("pg_restore");
        let list = Command::new(&program)
            .arg("--list")
            .arg(dump)
            .env("LC_ALL", "C")
            .output()
            .map_err(|source| Error::Program { program, source })?;
        if list.status.success() {
            return Ok(list.stdout);
        }
        Err(Error::ProgramFailed {
            program: "pg_restore",
            status: list.status.to_string(),
            messages: String::from_utf8_lossy(&list.stderr).trim_end().to_owned(),
        })
    }

    /// Restores a dump into an empty database. Everything in it will belong to `owner`, whoever
    /// restores, for FOSSology works as one role and that one's name may differ here.
    ///
    /// Grants come last and on their own: they name roles that may be missing here, and that must
    /// not fail the restoration; which ones were left out is returned. Left out on purpose are the
    /// comments on the schema `public` and on extensions: they are PostgreSQL's own words, and
    /// only their owner, often a superuser, could set them. So are tablespaces, which this server may
    /// not have, and publications and subscriptions, by which the copy would join a replication that
    /// the original is a part of.
    ///
    /// `scratch` is a folder for two small lists.
    ///
    /// # Errors
    /// The first thing that fails ends it, with pg_restore's message.
    pub fn restore(
        &self,
        database: &Database,
        owner: &str,
        dump: &Path,
        scratch: &Path,
        jobs: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Restored> {
        let program = self.folder.join("pg_restore");
        let contents = Contents::split(&self.list(dump)?);
        let write = |name: &str, text: &[u8]| {
            let path = scratch.join(name);
            match fs::write(&path, text) {
                Ok(()) => Ok(path),
                Err(source) => Err(Error::Io {
                    doing: "writing",
                    path,
                    source,
                }),
            }
        };
        let objects = write("objects.list", &contents.objects)?;
        let grants = write("grants.list", &contents.grants)?;
        let restore = |list: &Path| {
            let mut command = command(&program, database);
            command
                .arg(option("--dbname=", Path::new(database.name())))
                .arg(format!("--role={owner}"))
                .args(["--no-owner", "--no-tablespaces"])
                .args(["--no-publications", "--no-subscriptions"])
                .arg(option("--use-list=", list));
            command
        };

        let mut command = restore(&objects);
        command
            .arg("--exit-on-error")
            .arg(format!("--jobs={}", jobs.max(1)))
            .arg(dump);
        run(command, "pg_restore", stop)?;
        if contents.grants.is_empty() {
            return Ok(Restored {
                grants_left_out: Vec::new(),
            });
        }
        let mut command = restore(&grants);
        command.arg(dump);
        // Without --exit-on-error pg_restore goes on after an error and ends with status 1.
        let left_out = match run(command, "pg_restore", stop) {
            Ok(()) => Vec::new(),
            Err(Error::ProgramFailed { messages, .. }) => messages
                .lines()
                .filter_map(|line| line.split_once("ERROR:"))
                .map(|(_, what)| what.trim().to_owned())
                .collect(),
            Err(error) => return Err(error),
        };
        Ok(Restored {
            grants_left_out: left_out,
        })
    }
}

/// Table and columns of a line like `COPY public.pfile (pfile_pk, "Pfile") FROM stdin;`.
fn copied_columns(line: &str) -> Option<(String, Vec<String>)> {
    let plain = |word: &str| word.trim_matches('"').to_owned();
    let (table, columns) = line.strip_prefix("COPY ")?.split_once(" (")?;
    let table = table.rsplit('.').next()?;
    let columns = columns.strip_suffix(") FROM stdin;")?;
    Some((plain(table), columns.split(", ").map(plain).collect()))
}

/// An option whose value is a path of any bytes.
fn option(name: &str, value: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(value);
    option
}

fn in_debian(debian: &Path) -> Vec<Tools> {
    fs::read_dir(debian)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            let whole = ["pg_dump", "pg_restore"]
                .iter()
                .all(|name| folder.join(name).is_file());
            whole.then_some(Tools { folder, major })
        })
        .collect()
}

/// The major version in `pg_dump (PostgreSQL) 15.20 (Debian …)`, also in `9.6.1` and `18beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The entries of a dump, as pg_restore lists them, in the order in which they are restored.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    objects: Vec<u8>,
    grants: Vec<u8>,
}

impl Contents {
    /// Sorts the lines `3472; 1259 16514 ACL public TABLE pfile fossy`. They are bytes: a name in
    /// them may be of any encoding.
    fn split(list: &[u8]) -> Self {
        let mut contents = Self::default();
        for line in list.split_inclusive(|&byte| byte == b'\n') {
            let is = |kind: &str| {
                let mut words = line.split(|&byte| byte == b' ').skip(3);
                kind.split(' ')
                    .all(|word| words.next() == Some(word.as_bytes()))
            };
            if line.starts_with(b";") || is("COMMENT - SCHEMA public") || is("COMMENT - EXTENSION")
            {
                continue;
            }
            let part = if is("ACL") || is("DEFAULT ACL") {
                &mut contents.grants
            } else {
                &mut contents.objects
            };
            part.extend_from_slice(line);
        }
        contents
    }
}

#[cfg(test)]
mod tests;
