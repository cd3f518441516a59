// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the database is and how to connect to it, for us and for PostgreSQL's programs.
//!
//! FOSSology's Docker database is `SQL_ASCII`: the server stores file names and comments as
//! whatever bytes came in. Such a server checks what it sends against the client's encoding and
//! fails the whole query on the first odd name. So [`Database::connect`] asks such a server for
//! plain bytes, and columns that hold free text are read as [`RawText`].

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use postgres::config::Host;
use postgres::error::SqlState;
use postgres::types::{FromSql, Type};
use postgres::{Client, Config, NoTls};

use super::error::{Error, Result, message};

/// The lowest major version of PostgreSQL that is worked with.
pub const OLDEST_SERVER: u32 = 10;

/// The tables that tell a FOSSology database from any other.
const TABLES: [&str; 5] = ["pfile", "upload", "uploadtree", "jobqueue", "sysconfig"];

/// Where a database is and as whom to connect.
#[derive(Clone)]
pub struct Database {
    config: Config,
}

impl Database {
    /// The database of a configuration. Without a host it is the one of this machine.
    pub fn new(mut config: Config) -> Self {
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        Self { config }
    }

    /// Another database of the same server, as the same role.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(name);
        Self { config }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.role())
    }

    /// The role's name.
    pub fn role(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// Host and port, for messages.
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let port = ports.first().copied().unwrap_or(5432);
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => format!("{host}:{port}"),
            Some(Host::Unix(folder)) => format!("{} (port {port})", folder.display()),
            None => match self.config.get_hostaddrs().first() {
                Some(address) => format!("{address}:{port}"),
                None => "this machine".to_owned(),
            },
        }
    }

    /// Connects. `application` is what the server's administrator sees in `pg_stat_activity`.
    ///
    /// # Errors
    /// Tells apart: nobody there, refused, no such database, too old.
    pub fn connect(&self, application: &str) -> Result<Client> {
        let mut config = self.config.clone();
        config.application_name(application);
        let mut client = config
            .connect(NoTls)
            .map_err(|error| self.not_connected(&error))?;
        let row = client
            .query_one(
                "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')",
                &[],
            )
            .map_err(Error::sql("asking the server for its version"))?;
        let found = major(row.get(0));
        if found < OLDEST_SERVER {
            return Err(Error::ServerTooOld {
                place: self.place(),
                found,
                needed: OLDEST_SERVER,
            });
        }
        if row.get::<_, &str>(1) == "SQL_ASCII" {
            client
                .batch_execute("SET client_encoding TO 'SQL_ASCII'")
                .map_err(Error::sql("asking the server for plain bytes"))?;
        }
        Ok(client)
    }

    fn not_connected(&self, error: &postgres::Error) -> Error {
        let reason = message(error);
        let code = error.code();
        if code == Some(&SqlState::INVALID_CATALOG_NAME) {
            return Error::NoDatabase {
                place: self.place(),
                database: self.name().to_owned(),
            };
        }
        // Class 28 is about who one is. Without a code the server never got to judge a password:
        // it was asked for and there is none, or the two sides share no way of checking it.
        let nameless = code.is_none()
            && !std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
            && ["password", "authentication"]
                .iter()
                .any(|word| reason.contains(word));
        if nameless || code.is_some_and(|code| code.code().starts_with("28")) {
            return Error::Refused {
                place: self.place(),
                role: self.role().to_owned(),
                reason,
            };
        }
        Error::Unreachable {
            place: self.place(),
            reason,
        }
    }

    /// The environment in which PostgreSQL's programs find this database. It holds the password,
    /// which so appears in no argument list.
    pub(crate) fn tool_env(&self, application: &str) -> Vec<(&'static str, OsString)> {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => OsString::from(name),
            Host::Unix(folder) => folder.clone().into_os_string(),
        });
        let addresses = self.config.get_hostaddrs().iter();
        let ports = self.config.get_ports().iter();
        let lists = [
            ("PGHOST", join(hosts)),
            (
                "PGHOSTADDR",
                join(addresses.map(|address| address.to_string().into())),
            ),
            ("PGPORT", join(ports.map(|port| port.to_string().into()))),
        ];
        let password = self.config.get_password().map(<[u8]>::to_vec);
        lists
            .into_iter()
            .chain([
                ("PGUSER", self.role().into()),
                ("PGDATABASE", self.name().into()),
                (
                    "PGPASSWORD",
                    OsString::from_vec(password.unwrap_or_default()),
                ),
                ("PGAPPNAME", application.into()),
            ])
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }
}

fn join(parts: impl Iterator<Item = OsString>) -> OsString {
    let parts: Vec<_> = parts.map(OsString::into_vec).collect();
    OsString::from_vec(parts.join(&b','))
}

impl fmt::Debug for Database {
    /// Says where, never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} as {}", self.name(), self.place(), self.role())
    }
}

fn major(version_num: i32) -> u32 {
    version_num.unsigned_abs() / 10_000
}

/// The server's major version.
///
/// # Errors
/// When the connection is lost.
pub fn server_major(client: &mut Client) -> Result<u32> {
    let row = client
        .query_one("SELECT current_setting('server_version_num')::int", &[])
        .map_err(Error::sql("asking the server for its version"))?;
    Ok(major(row.get(0)))
}

/// Makes sure that this is a FOSSology database.
///
/// # Errors
/// Names the tables that are missing.
pub fn assert_fossology(client: &mut Client) -> Result<()> {
    let row = client
        .query_one(
            "SELECT current_database()::text,
                    ARRAY(SELECT name FROM unnest($1::text[]) WITH ORDINALITY t (name, place)
                           WHERE to_regclass(quote_ident(name)) IS NULL ORDER BY place)",
            &[&TABLES.as_slice()],
        )
        .map_err(Error::sql("looking for FOSSology's tables"))?;
    let missing: Vec<String> = row.get(1);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::NotFossology {
        database: row.get(0),
        missing,
    })
}

/// A text column's bytes as the server sends them: from a `SQL_ASCII` database those that are
/// stored, which need not be UTF-8; from any other one UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawText(Vec<u8>);

impl RawText {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text for people: what is no UTF-8 is replaced by `U+FFFD`.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The bytes as the name of a file.
    pub fn as_os_str(&self) -> &std::ffi::OsStr {
        std::ffi::OsStr::from_bytes(&self.0)
    }
}

impl fmt::Debug for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.lossy())
    }
}

impl<'a> FromSql<'a> for RawText {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::BYTEA
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::cluster;
    use super::*;

    fn error(database: &Database) -> Error {
        match database.connect("test") {
            Ok(_) => panic!("connected to {database:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn each_way_of_not_getting_in_has_its_own_words() {
        let cluster = cluster();
        let good = cluster.fossology("UTF8");
        good.connect("test").unwrap();

        let mut wrong = cluster.config("fossy");
        wrong.dbname(good.name()).password("not-the-secret");
        let refused = error(&Database::new(wrong));
        assert!(matches!(&refused, Error::Refused { role, .. } if role == "fossy"));
        assert!(!refused.to_string().contains("not-the-secret"));

        let nobody = error(&Database::new(cluster.config("no_such_role")));
        assert!(matches!(&nobody, Error::Refused { role, .. } if role == "no_such_role"));

        let mut silent = Config::new();
        silent
            .user("fossy")
            .dbname("fossology")
            .host("127.0.0.1")
            .port(cluster.port());
        let silent = error(&Database::new(silent));
        assert!(matches!(&silent, Error::Refused { .. }), "{silent}");

        let absent = error(&good.with_name("no_such_database"));
        assert!(
            matches!(absent, Error::NoDatabase { database, .. } if database == "no_such_database")
        );

        let mut config = Config::new();
        config
            .user("fossy")
            .password("s3cret")
            .dbname("x")
            .host("127.0.0.1")
            .port(1);
        let nowhere = error(&Database::new(config));
        assert!(matches!(&nowhere, Error::Unreachable { place, .. } if place == "127.0.0.1:1"));
        assert!(nowhere.to_string().contains("refused"), "{nowhere}");
    }

    #[test]
    fn a_database_without_fossologys_tables_is_told_so() {
        let database = cluster().empty("UTF8");
        let mut client = database.connect("test").unwrap();
        client
            .batch_execute("CREATE TABLE upload (); CREATE TABLE sysconfig ()")
            .unwrap();
        match assert_fossology(&mut client) {
            Err(Error::NotFossology {
                missing,
                database: name,
            }) => {
                assert_eq!(missing, ["pfile", "uploadtree", "jobqueue"]);
                assert_eq!(name, database.name());
            }
            other => panic!("{other:?}"),
        }
        let mut client = cluster().fossology("UTF8").connect("test").unwrap();
        assert_fossology(&mut client).unwrap();
    }

    #[test]
    fn a_session_that_the_server_ends_is_a_lost_connection() {
        let database = cluster().fossology("UTF8");
        let mut client = database.connect("victim").unwrap();
        let mut killer = cluster()
            .superuser(database.name())
            .connect("killer")
            .unwrap();
        killer
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = $1 AND application_name = 'victim'",
                &[&database.name()],
            )
            .unwrap();
        let error = assert_fossology(&mut client).unwrap_err();
        assert!(matches!(error, Error::Lost { .. }), "{error}");
    }

    #[test]
    fn file_names_of_any_bytes_can_be_read_from_an_sql_ascii_database() {
        let odd = b"caf\xe9 \xff\xfe.c".as_slice();
        let fine = "日本.c".as_bytes();
        let mut client = cluster().fossology("SQL_ASCII").connect("test").unwrap();
        for name in [odd, fine] {
            client
                .execute(
                    "INSERT INTO upload (upload_filename, upload_mode)
                     VALUES (convert_from($1, 'SQL_ASCII'), 104)",
                    &[&name],
                )
                .unwrap();
        }
        let rows = client
            .query("SELECT upload_filename FROM upload ORDER BY upload_pk", &[])
            .unwrap();
        let names: Vec<RawText> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(names[0].bytes(), odd);
        assert_eq!(names[0].lossy(), "caf\u{fffd} \u{fffd}\u{fffd}.c");
        assert_eq!(names[1].bytes(), fine);
        assert_eq!(names[1].lossy(), "日本.c");
    }

    #[test]
    fn no_debug_output_and_no_argument_holds_the_password() {
        let mut config = Config::new();
        config
            .user("fossy")
            .password("s3cret")
            .dbname("fossology")
            .host("db")
            .port(5433);
        let database = Database::new(config);
        assert_eq!(format!("{database:?}"), "fossology at db:5433 as fossy");
        let env = database.tool_env("fo_backup");
        assert!(env.contains(&("PGPASSWORD", "s3cret".into())));
        assert!(env.contains(&("PGHOST", "db".into())));
        assert!(env.contains(&("PGPORT", "5433".into())));
    }
}
