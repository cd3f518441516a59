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
        let mut found: Vec<Self> = match configured {
            Some(folder) => Self::at(folder).into_iter().collect(),
            None => {
                let mut tools = in_debian(debian);
                tools.sort_by_key(|tools| tools.major);
                tools.extend(env::split_paths(path).filter_map(|folder| Self::at(&folder)));
                tools
            }
        };
        if let Some(fits) = found.iter().position(|tools| tools.major >= needed) {
            return Ok(found.swap_remove(fits));
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

    /// Restores a dump into an empty database. Everything in it will belong to `owner`, whoever
    /// restores, for FOSSology works as one role and that one's name may differ here.
    ///
    /// Grants come last and on their own: they name roles that may be missing here, and that must
    /// not fail the restoration; which ones were left out is returned. Left out on purpose are the
    /// comments on the schema `public` and on extensions: they are PostgreSQL's own words, and
    /// only their owner, often a superuser, could set them.
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
        let list = Command::new(&program)
            .arg("--list")
            .arg(dump)
            .env("LC_ALL", "C")
            .output()
            .map_err(|source| Error::Program {
                program: program.clone(),
                source,
            })?;
        if !list.status.success() {
            return Err(Error::ProgramFailed {
                program: "pg_restore",
                status: list.status.to_string(),
                messages: String::from_utf8_lossy(&list.stderr).trim_end().to_owned(),
            });
        }
        let contents = Contents::split(&list.stdout);
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
                .arg("--no-owner")
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
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::super::testing::cluster;
    use super::*;

    /// A folder with programs that say they are of this version.
    fn pretend(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in ["pg_dump", "pg_restore"] {
            let file = folder.join(name);
            fs::write(
                &file,
                format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn the_lowest_version_that_fits_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        let (debian, own, path) = (
            scratch.path().join("postgresql"),
            scratch.path().join("own"),
            scratch.path().join("path"),
        );
        for major in ["9.6", "13", "15", "17"] {
            pretend(&debian.join(major).join("bin"), major);
        }
        fs::create_dir_all(debian.join("16/bin")).unwrap();
        pretend(&own, "14.2 (Debian 14.2-1)");
        pretend(&path, "18beta1");
        let find = |configured: Option<&Path>, needed| {
            Tools::find_in(configured, needed, &debian, path.as_os_str())
                .map(|tools| {
                    tools
                        .folder
                        .strip_prefix(scratch.path())
                        .unwrap()
                        .to_owned()
                })
                .map_err(|error| error.to_string())
        };
        assert_eq!(find(None, 12), Ok("postgresql/13/bin".into()));
        assert_eq!(find(None, 15), Ok("postgresql/15/bin".into()));
        assert_eq!(find(None, 16), Ok("postgresql/17/bin".into()));
        assert_eq!(find(None, 18), Ok("path".into()));
        assert_eq!(find(Some(&own), 14), Ok("own".into()));
        let too_old = find(Some(&own), 15).unwrap_err();
        assert!(too_old.contains("postgresql-client-15") && too_old.contains("version 14"));
        let nothing = find(Some(scratch.path()), 15).unwrap_err();
        assert!(nothing.contains("none in"), "{nothing}");
    }

    #[test]
    fn grants_are_split_off_and_postgresqls_own_comments_left_out() {
        let list = b";\n; Archive created\n;\n\
            3; 3079 16390 EXTENSION - uuid-ossp \n\
            3472; 0 0 COMMENT - EXTENSION \"uuid-ossp\" \n\
            3473; 0 0 COMMENT - SCHEMA public postgres\n\
            225; 1259 16514 TABLE public pfile fossy\n\
            3474; 0 0 COMMENT public COLUMN pfile.x fossy\n\
            3475; 0 0 ACL public TABLE pfile fossy\n\
            3476; 826 1 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES fossy\n";
        let contents = Contents::split(list);
        assert_eq!(
            String::from_utf8_lossy(&contents.objects),
            "3; 3079 16390 EXTENSION - uuid-ossp \n225; 1259 16514 TABLE public pfile fossy\n\
             3474; 0 0 COMMENT public COLUMN pfile.x fossy\n"
        );
        assert_eq!(String::from_utf8_lossy(&contents.grants).lines().count(), 2);
    }

    /// A database with a table that two roles may read, and a dump of it as it was before the
    /// last row came.
    fn dumped(scratch: &Path) -> (Tools, PathBuf) {
        let cluster = cluster();
        let database = cluster.fossology("SQL_ASCII");
        let mut admin = cluster.superuser(database.name()).connect("test").unwrap();
        admin
            .batch_execute(
                "CREATE EXTENSION \"uuid-ossp\";
                 CREATE ROLE reader_here; CREATE ROLE reader_gone;
                 GRANT SELECT ON upload TO reader_here; GRANT SELECT ON pfile TO reader_gone;
                 INSERT INTO upload (upload_filename, upload_mode)
                 VALUES (convert_from('\\xff'::bytea, 'SQL_ASCII'), 104)",
            )
            .unwrap();
        let mut client = database.connect("test").unwrap();
        let mut moment = client
            .build_transaction()
            .isolation_level(postgres::IsolationLevel::RepeatableRead)
            .start()
            .unwrap();
        let snapshot: String = moment
            .query_one("SELECT pg_export_snapshot()", &[])
            .unwrap()
            .get(0);
        admin
            .batch_execute("INSERT INTO upload (upload_filename, upload_mode) VALUES ('late', 104)")
            .unwrap();
        let tools = Tools::find(Some(cluster.bin()), 10).unwrap();
        let dump = scratch.join("dump");
        tools
            .dump(&database, &snapshot, &dump, 2, &|| false)
            .unwrap();
        admin
            .batch_execute("DROP OWNED BY reader_gone; DROP ROLE reader_gone")
            .unwrap();
        (tools, dump)
    }

    #[test]
    fn a_dump_holds_the_moment_of_its_snapshot_and_comes_back_as_the_owners() {
        let scratch = tempfile::tempdir().unwrap();
        let (tools, dump) = dumped(scratch.path());
        let target = cluster().empty("SQL_ASCII");

        // The administrator restores, and yet all belongs to FOSSology's role.
        let admin = cluster().superuser(target.name());
        let restored = tools
            .restore(&admin, "fossy", &dump, scratch.path(), 2, &|| false)
            .unwrap();
        assert_eq!(
            restored.grants_left_out,
            ["role \"reader_gone\" does not exist"]
        );

        let mut client = target.connect("test").unwrap();
        let row = client
            .query_one(
                "SELECT count(*), convert_to(min(upload_filename), 'SQL_ASCII'),
                        has_table_privilege('reader_here', 'upload', 'SELECT'),
                        (SELECT string_agg(DISTINCT tableowner::text, ',') FROM pg_tables
                          WHERE schemaname = 'public')
                   FROM upload",
                &[],
            )
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
        assert_eq!(row.get::<_, &[u8]>(1), b"\xff");
        assert!(row.get::<_, bool>(2));
        assert_eq!(row.get::<_, &str>(3), "fossy");
    }

    #[test]
    fn what_the_programs_say_is_in_the_error_and_the_password_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let tools = Tools::find(Some(cluster().bin()), 10).unwrap();
        let database = cluster().fossology("UTF8");
        let error = tools
            .dump(
                &database,
                "00000000-1",
                &scratch.path().join("dump"),
                1,
                &|| false,
            )
            .unwrap_err();
        assert!(error.to_string().contains("snapshot"), "{error}");

        let mut config = cluster().config("fossy");
        config.password("a-wrong-one");
        let error = tools
            .dump(
                &Database::new(config),
                "x",
                &scratch.path().join("other"),
                1,
                &|| false,
            )
            .unwrap_err();
        assert!(
            error.to_string().contains("password authentication failed"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("a-wrong-one"));

        let error = tools
            .restore(
                &database,
                "fossy",
                scratch.path(),
                scratch.path(),
                1,
                &|| false,
            )
            .unwrap_err();
        assert!(matches!(error, Error::ProgramFailed { .. }), "{error}");
    }

    #[test]
    fn a_dump_that_is_told_to_stop_stops_and_leaves_no_session() {
        let scratch = tempfile::tempdir().unwrap();
        let tools = Tools::find(Some(cluster().bin()), 10).unwrap();
        let database = cluster().fossology("UTF8");
        let mut client = database.connect("test").unwrap();
        // A lock that pg_dump has to wait for.
        let mut blocker = database.connect("blocker").unwrap();
        let mut lock = blocker.transaction().unwrap();
        lock.batch_execute("LOCK TABLE upload IN ACCESS EXCLUSIVE MODE")
            .unwrap();
        let mut moment = client
            .build_transaction()
            .isolation_level(postgres::IsolationLevel::RepeatableRead)
            .start()
            .unwrap();
        let snapshot: String = moment
            .query_one("SELECT pg_export_snapshot()", &[])
            .unwrap()
            .get(0);

        let error = tools
            .dump(
                &database,
                &snapshot,
                &scratch.path().join("dump"),
                1,
                &|| true,
            )
            .unwrap_err();
        assert!(
            matches!(error, Error::Stopped { program: "pg_dump" }),
            "{error}"
        );

        let mut watcher = cluster().superuser("postgres").connect("test").unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut sessions = 1;
        while sessions > 0 && Instant::now() < deadline {
            sessions = watcher
                .query_one(
                    "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = $1 AND application_name = 'fo_backup'",
                    &[&database.name()],
                )
                .unwrap()
                .get::<_, i64>(0);
        }
        assert_eq!(sessions, 0);
    }
}
