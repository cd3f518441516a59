// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Db.conf: how FOSSology reaches its database. Lines of `key=value;`, which its C code and its
//! PHP code both hand to libpq as a connection string; so the values are quoted as libpq has it,
//! and a missing key means libpq's default. The password is a [`Secret`] from the first byte on,
//! and no error repeats a value.

use super::super::{Error, Result};
use super::Secret;
use postgres::config::{SslMode, TargetSessionAttrs};
use std::path::Path;
use std::time::Duration;

/// How to reach FOSSology's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbConf {
    /// The database; without it libpq takes the user's name.
    pub dbname: Option<String>,
    /// A host, several with commas between, or the folder of a Unix socket; without it the local
    /// socket.
    pub host: Option<String>,
    /// The TCP port, or the number in the socket's name; without it 5432.
    pub port: Option<u16>,
    /// The role; without it the name of the system's user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    options: Vec<(String, String)>,
}

/// libpq's environment variables for connection keys that have one.
///
/// `client_encoding` is left out on purpose: `pg_dump` would write a database of encoding
/// SQL_ASCII in it, and fail at the first byte that is not valid there.
const VARIABLES: [(&str, &str); 14] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("gssencmode", "PGGSSENCMODE"),
    ("hostaddr", "PGHOSTADDR"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("requirepeer", "PGREQUIREPEER"),
    ("sslcert", "PGSSLCERT"),
    ("sslcrl", "PGSSLCRL"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

impl DbConf {
    /// Reads `<sysconfdir>/Db.conf`.
    ///
    /// # Errors
    /// When it cannot be read, or at the first mistake in it.
    pub fn load(sysconfdir: &Path) -> Result<Self> {
        let file = sysconfdir.join("Db.conf");
        let text = std::fs::read(&file).map_err(Error::io("reading", &file))?;
        Self::parse(&file, &text)
    }

    /// Reads the content of `file`, whose name is only used in errors.
    ///
    /// # Errors
    /// At the first line that is no `key=value;`, or when there is none.
    pub fn parse(file: &Path, text: &[u8]) -> Result<Self> {
        let error = |line, key: Option<&str>, problem: &str| Error::Configuration {
            file: file.to_owned(),
            line,
            key: key.map(|key| format!("key {key}")),
            problem: problem.to_owned(),
        };
        let mut conf = Self {
            dbname: None,
            host: None,
            port: None,
            user: None,
            password: None,
            options: Vec::new(),
        };
        let mut pairs = 0;
        for (index, raw) in text.split(|&c| c == b'\n').enumerate() {
            let number = Some(index + 1);
            if matches!(raw.trim_ascii_start().first(), None | Some(b'#' | b';')) {
                continue;
            }
            let mut rest = std::str::from_utf8(raw)
                .map_err(|_| error(number, None, "has bytes that are not UTF-8"))?
                .trim();
            while !rest.is_empty() {
                let (key, after) = key(rest).ok_or_else(|| {
                    error(
                        number,
                        None,
                        "expected 'key=value;', as in 'dbname=fossology;'",
                    )
                })?;
                let (value, after) =
                    value(after).map_err(|problem| error(number, Some(key), problem))?;
                conf.set(key, value)
                    .map_err(|problem| error(number, Some(key), problem))?;
                pairs += 1;
                rest = after.trim_start();
            }
        }
        if pairs == 0 {
            return Err(error(
                None,
                None,
                "is empty; expected lines such as 'dbname=fossology;', 'host=localhost;', 'user=fossy;' and 'password=…;'",
            ));
        }
        Ok(conf)
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_dbname(&self, name: impl Into<String>) -> Self {
        Self {
            dbname: Some(name.into()),
            ..self.clone()
        }
    }

    /// The configuration for a connection of our own.
    pub fn postgres_config(&self) -> postgres::Config {
        let mut config = postgres::Config::new();
        config.user(&self.user()).dbname(&self.dbname());
        for host in self.host().split(',') {
            config.host(host);
        }
        if let Some(port) = self.port {
            config.port(port);
        }
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        if let Some(seconds) = self.option("connect_timeout").and_then(|t| t.parse().ok()) {
            config.connect_timeout(Duration::from_secs(seconds));
        }
        if let Some(options) = self.option("options") {
            config.options(options);
        }
        if let Some(name) = self.option("application_name") {
            config.application_name(name);
        }
        match self.option("sslmode") {
            Some("disable") => config.ssl_mode(SslMode::Disable),
            Some("require" | "verify-ca" | "verify-full") => config.ssl_mode(SslMode::Require),
            _ => config.ssl_mode(SslMode::Prefer),
        };
        if self.option("target_session_attrs") == Some("read-write") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config
    }

    /// The environment in which a child process such as `pg_dump` reaches the same database. So
    /// no password is ever among its arguments, which every user of the system can read.
    pub fn libpq_env(&self) -> Vec<(&'static str, String)> {
        let mut env = vec![
            ("PGHOST", self.host()),
            ("PGUSER", self.user()),
            ("PGDATABASE", self.dbname()),
        ];
        if let Some(port) = self.port {
            env.push(("PGPORT", port.to_string()));
        }
        if let Some(password) = &self.password {
            env.push(("PGPASSWORD", password.expose().to_owned()));
        }
        for (key, variable) in VARIABLES {
            if let Some(value) = self.option(key) {
                env.push((variable, value.to_owned()));
            }
        }
        env
    }

    /// A connection key other than the five fields; of several lines the last.
    pub fn option(&self, key: &str) -> Option<&str> {
        let found = self.options.iter().rev().find(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str())
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), &'static str> {
        // For libpq an empty value is the same as none.
        let value = Some(value).filter(|v| !v.is_empty());
        match key {
            "dbname" => self.dbname = value,
            "host" => self.host = value,
            "user" => self.user = value,
            "password" => self.password = value.map(Secret::new),
            "port" => {
                let number = value.map(|v| v.parse().ok().filter(|&port: &u16| port != 0));
                self.port = match number {
                    Some(None) => return Err("expected a number from 1 to 65535"),
                    Some(port) => port,
                    None => None,
                };
            }
            _ => self
                .options
                .push((key.to_owned(), value.unwrap_or_default())),
        }
        Ok(())
    }

    fn user(&self) -> String {
        self.user.clone().unwrap_or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
            user.ok()
                .flatten()
                .map_or_else(|| "fossy".into(), |u| u.name)
        })
    }

    fn dbname(&self) -> String {
        self.dbname.clone().unwrap_or_else(|| self.user())
    }

    /// Without a host libpq takes the socket's folder that it was built with: Debian's, else
    /// PostgreSQL's own.
    fn host(&self) -> String {
        const DEBIAN: &str = "/var/run/postgresql";
        self.host.clone().unwrap_or_else(|| {
            let folder = if Path::new(DEBIAN).is_dir() {
                DEBIAN
            } else {
                "/tmp"
            };
            folder.to_owned()
        })
    }
}

/// `key=`, and what follows it.
fn key(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once('=')?;
    let key = key.trim();
    let good = !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    good.then_some((key, rest))
}

/// A value with the semicolon behind it, and what follows.
fn value(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let text = text.trim_start();
    let quoted = text.strip_prefix('\'');
    let mut chars = quoted.unwrap_or(text).chars();
    loop {
        let before = chars.as_str();
        match chars.next() {
            Some('\\') => match chars.next() {
                Some(';') | None => {
                    return Err("expected a character other than ';' after the '\\'");
                }
                Some(escaped) => value.push(escaped),
            },
            Some('\'') if quoted.is_some() => break,
            Some(';') if quoted.is_some() => {
                return Err(
                    "a ';' inside quotes: FOSSology ends the value there, so it cannot be used",
                );
            }
            Some(';') => return Ok((value, chars.as_str())),
            Some(c) if quoted.is_none() && c.is_whitespace() => {
                if before.trim_start().starts_with(';') {
                    break;
                }
                return Err("expected a ';' behind the value (put a value with blanks in '…')");
            }
            Some(c) => value.push(c),
            None if quoted.is_some() => return Err("the closing ' is missing"),
            None => {
                return Err(
                    "the ';' at the end is missing: FOSSology skips such a line, and the file may have been cut",
                );
            }
        }
    }
    match chars.as_str().trim_start().strip_prefix(';') {
        Some(rest) => Ok((value, rest)),
        None => Err("expected a ';' behind the value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres::config::Host;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<DbConf> {
        DbConf::parse(Path::new("Db.conf"), text.as_bytes())
    }

    #[test]
    fn the_usual_file_is_read() {
        let conf = parse("dbname=fossology;\nhost=localhost;\nuser=fossy;\npassword=geheim;\nclient_encoding=utf8;\n")
            .unwrap();
        assert_eq!(conf.dbname.as_deref(), Some("fossology"));
        assert_eq!(conf.host.as_deref(), Some("localhost"));
        assert_eq!(conf.user.as_deref(), Some("fossy"));
        assert_eq!(conf.password, Some(Secret::new("geheim")));
        assert_eq!(conf.option("client_encoding"), Some("utf8"));
        let config = conf.with_dbname("other").postgres_config();
        assert_eq!(config.get_dbname(), Some("other"));
        assert_eq!(config.get_hosts(), [Host::Tcp("localhost".into())]);
        assert_eq!(config.get_password(), Some(&b"geheim"[..]));
    }

    #[test]
    fn values_are_quoted_as_libpq_has_it() {
        for (text, expected) in [
            ("password=a;", "a"),
            (" password = a ;  ", "a"),
            ("password=a=b;", "a=b"),
            ("password='a b';", "a b"),
            (r"password='it\'s';", "it's"),
            (r"password='back\\slash';", r"back\slash"),
            (r"password=a\ b\'c;", "a b'c"),
            ("password=o'clock;", "o'clock"),
            ("password='x' ;", "x"),
            ("password=first;\npassword=last;", "last"),
            ("user=u; password=p; host=h;", "p"),
            ("# comment\n; comment\n\npassword=p;\r\n", "p"),
            ("password=pässword€;", "pässword€"),
        ] {
            let conf = parse(text).unwrap();
            assert_eq!(conf.password, Some(Secret::new(expected)), "{text}");
        }
        assert_eq!(parse("password='';").unwrap().password, None);
    }

    #[test]
    fn mistakes_are_named_and_the_password_is_not() {
        for (text, message) in [
            ("", ": is empty"),
            ("# only a comment\n", ": is empty"),
            (
                "user=fossy;\npassword=geheim",
                ", line 2, key password: the ';' at the end is missing",
            ),
            (
                "password=geheim\nuser=x;",
                ", line 1, key password: the ';' at the end is missing",
            ),
            (
                "password='geheim;",
                ", line 1, key password: a ';' inside quotes",
            ),
            (
                "password='geheim",
                ", line 1, key password: the closing ' is missing",
            ),
            (
                "password='geheim' x;",
                ", line 1, key password: expected a ';'",
            ),
            (
                "password=geheim geheim;",
                ", line 1, key password: expected a ';'",
            ),
            (
                "password=geheim\\;",
                ", line 1, key password: expected a character",
            ),
            ("geheim;", ", line 1: expected 'key=value;'"),
            ("=geheim;", ", line 1: expected 'key=value;'"),
            ("port=geheim;", ", line 1, key port: expected a number"),
            ("port=0;", ", line 1, key port: expected a number"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("Db.conf{message}")),
                "{text:?}: {error}"
            );
            assert!(!error.contains("geheim"), "{error}");
        }
    }

    #[test]
    fn printing_shows_no_password() {
        let conf = parse("user=fossy;password=geheim;").unwrap();
        let shown = format!(
            "{conf:?} {:?} {}",
            conf.postgres_config(),
            conf.password.clone().unwrap()
        );
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.contains("fossy"));
    }

    #[test]
    fn children_get_everything_by_environment() {
        let conf = parse("dbname=fo;host=/run/pg;port=5433;user=u;password=p;sslmode=require;client_encoding=utf8;")
            .unwrap();
        let mut env = conf.libpq_env();
        env.sort();
        let expected = [
            ("PGDATABASE", "fo"),
            ("PGHOST", "/run/pg"),
            ("PGPASSWORD", "p"),
            ("PGPORT", "5433"),
            ("PGSSLMODE", "require"),
            ("PGUSER", "u"),
        ];
        assert_eq!(env, expected.map(|(key, value)| (key, value.to_owned())));
        assert_eq!(
            conf.postgres_config().get_hosts(),
            [Host::Unix("/run/pg".into())]
        );
    }

    #[test]
    fn what_is_missing_is_libpqs_default() {
        let conf = parse("user=somebody;").unwrap();
        let config = conf.postgres_config();
        assert_eq!(config.get_dbname(), Some("somebody"));
        assert!(matches!(config.get_hosts(), [Host::Unix(_)]));
        assert!(config.get_password().is_none());
        assert!(!parse("dbname=x;").unwrap().user().is_empty());
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(text: Vec<u8>) {
            let _ = DbConf::parse(Path::new("Db.conf"), &text);
        }

        #[test]
        fn nothing_that_looks_like_a_file_makes_it_panic(text in "([a-z_]{0,3} ?=? ?'?[a-z'\\\\é; ]{0,5};?\n?){0,9}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_quoted_password_comes_back(password in "[^;\n\r\0]{1,30}") {
            let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
            let conf = parse(&format!("password='{quoted}';\n")).unwrap();
            prop_assert_eq!(conf.password, Some(Secret::new(password)));
        }
    }
}
