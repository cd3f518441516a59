// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making, marking, swapping and dropping databases, for a restore.
//!
//! A restore fills a new database beside the old one and swaps their names in one transaction:
//! at every instant, a crash of the server included, either the old or the new database has the
//! name. A new database carries a mark in its comment that tells whose work it is; only a marked
//! or an empty one is ever dropped. Dying between making and marking leaves an empty one.

use std::fmt;

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config};

use super::connect::{Database, server_major};
use super::error::{Error, Result};
use super::properties::{DatabaseProperties, Setting};
use super::tools::Tools;

mod swap;

/// The first part of the lock of restores, the second one being the name's hash: the letters `fore`.
const RESTORE: i32 = 0x666f_7265;

/// Somebody else's session in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSession {
    /// The server process's number.
    pub pid: i32,
    /// The role.
    pub user: String,
    /// What the program calls itself; may be empty.
    pub application: String,
    /// Where it comes from: an address, or `local`; unknown without the right to see it.
    pub client: String,
}

impl fmt::Display for OtherSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let application = match self.application.as_str() {
            "" => "a program without a name",
            name => name,
        };
        write!(
            f,
            "{application}, as {} from {} (PostgreSQL's process {})",
            self.user, self.client, self.pid
        )
    }
}

/// A session in a server's maintenance database, for work on databases as a whole.
pub struct Admin {
    place: Database,
    client: Client,
}

impl Admin {
    /// Connects to the server of `database` as its role, or as `admin_url` says
    /// (`postgresql://user:password@host:port/postgres`).
    ///
    /// # Errors
    /// Those of [`Database::connect`], and an address that is none.
    pub fn connect(database: &Database, admin_url: Option<&str>) -> Result<Self> {
        let place = match admin_url {
            // The parser's error could quote the address, and so the password.
            Some(url) => {
                let config: Config = url.parse().map_err(|_| Error::AdminUrl)?;
                let named = config.get_dbname().is_some();
                let place = Database::new(config);
                if named {
                    place
                } else {
                    place.with_name("postgres")
                }
            }
            None => database.with_name("postgres"),
        };
        match place.connect("fo_backup") {
            Ok(client) => Ok(Self { place, client }),
            Err(Error::NoDatabase { .. }) if admin_url.is_none() => {
                let place = place.with_name("template1");
                let client = place.connect("fo_backup")?;
                Ok(Self { place, client })
            }
            Err(error) => Err(error),
        }
    }

    /// A database of this server as this role.
    pub fn database(&self, name: &str) -> Database {
        self.place.with_name(name)
    }

    /// Takes the lock of restores into a database of this name; it is held as long as this session.
    ///
    /// A session of a run that was killed ends only after its last statement, so it is waited for.
    ///
    /// # Errors
    /// When another restore has it: the error names its session.
    pub fn lock(&mut self, name: &str) -> Result<()> {
        let failed = Error::sql("taking the lock of the restore");
        let mut step = self.client.transaction().map_err(&failed)?;
        step.batch_execute("SET LOCAL lock_timeout TO '5s'")
            .map_err(&failed)?;
        let locked = step
            .execute(
                "SELECT pg_advisory_lock($1, hashtext($2))",
                &[&RESTORE, &name],
            )
            .map_err(&failed);
        match locked {
            Ok(_) => return step.commit().map_err(&failed),
            Err(error) if error.has_code(&SqlState::LOCK_NOT_AVAILABLE) => {}
            Err(error) => return Err(error),
        }
        drop(step);
        // Who has it may end before we look: then nobody is named.
        let holder = self
            .client
            .query_opt(
                "SELECT a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''),
                        CASE WHEN a.client_port = -1 THEN 'local'
                             ELSE coalesce(host(a.client_addr), 'unknown') END
                   FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND l.classid::bigint = $1 AND l.objid = hashtext($2)::oid",
                &[&i64::from(RESTORE), &name],
            )
            .map_err(Error::sql("looking who has the lock of the restore"))?;
        Err(Error::Locked(holder.map(|row| OtherSession {
            pid: row.get(0),
            user: row.get(1),
            application: row.get(2),
            client: row.get(3),
        })))
    }

    /// Whether there is a database of this name.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn exists(&mut self, name: &str) -> Result<bool> {
        let row = self
            .client
            .query_opt(
                "SELECT 1 FROM pg_database WHERE datname = $1::text",
                &[&name],
            )
            .map_err(Error::sql("looking for a database"))?;
        Ok(row.is_some())
    }

    /// The databases whose names begin with this, in the order of their names.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn names_with(&mut self, beginning: &str) -> Result<Vec<String>> {
        let rows = self
            .client
            .query(
                "SELECT datname::text FROM pg_database
                  WHERE left(datname::text, length($1)) = $1 ORDER BY datname::text COLLATE \"C\"",
                &[&beginning],
            )
            .map_err(Error::sql("looking for databases"))?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Makes sure that the role may make databases, before anything is done for one.
    ///
    /// # Errors
    /// The same as when making it fails for that.
    pub fn expect_may_create(&mut self, name: &str) -> Result<()> {
        let row = self
            .client
            .query_one(
                "SELECT quote_ident(rolname), rolcreatedb OR rolsuper FROM pg_roles
                  WHERE rolname = current_user",
                &[],
            )
            .map_err(Error::sql("asking what the role may do"))?;
        if row.get(1) {
            return Ok(());
        }
        Err(Error::NotAllowed {
            role: row.get(0),
            what: format!("create the database '{name}'"),
        })
    }

    /// The bytes that a database takes.
    ///
    /// # Errors
    /// When it is not there.
    pub fn size(&mut self, name: &str) -> Result<u64> {
        let row = self
            .client
            .query_one("SELECT pg_database_size($1::text::name)", &[&name])
            .map_err(Error::sql("asking how large a database is"))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// Expects that what was dumped from a server of a major version can be loaded into this one.
    ///
    /// # Errors
    /// [`Error::OlderServer`] when this one is older, or than the programs that have to read the dump.
    pub fn expect_loads(&mut self, dumped: u32, tools: &Tools) -> Result<()> {
        let server = server_major(&mut self.client)?;
        let older = |from, needed| {
            Err(Error::OlderServer {
                from,
                server,
                needed,
            })
        };
        if dumped > server {
            return older(format!("from PostgreSQL {dumped}"), dumped);
        }
        if !tools.loads_into(server) {
            let from = format!("to be read by programs of PostgreSQL {}", tools.major());
            return older(from, 17);
        }
        Ok(())
    }

    /// A number that changes while something is loaded into a database or indexed there.
    ///
    /// # Errors
    /// When it is not there.
    pub fn activity(&mut self, name: &str) -> Result<i64> {
        let size = i64::try_from(self.size(name)?).unwrap_or(i64::MAX);
        if server_major(&mut self.client)? < 12 {
            return Ok(size);
        }
        let row = self
            .client
            .query_one(
                "SELECT coalesce(sum(blocks_done + tuples_done), 0)::bigint
                   FROM pg_stat_progress_create_index WHERE datname = $1::text",
                &[&name],
            )
            .map_err(Error::sql("asking how far an index is"))?;
        Ok(size.wrapping_add(row.get(0)))
    }

    /// Makes an empty database like the one described, marked, and owned by `owner`.
    ///
    /// Returned are the settings that could not be carried over, each with the reason.
    ///
    /// # Errors
    /// When it exists, when the role may not, when the server lacks its locale.
    pub fn create(
        &mut self,
        name: &str,
        owner: &str,
        like: &DatabaseProperties,
        marker: &str,
    ) -> Result<Vec<String>> {
        if self.exists(name)? {
            return Err(Error::Exists(name.to_owned()));
        }
        let locale = &like.locale;
        let major = server_major(&mut self.client)?;
        let provider = match (locale.provider.as_str(), &locale.other) {
            ("icu", Some(other)) if major >= 15 => {
                self.format(" LOCALE_PROVIDER icu ICU_LOCALE %L", &[other])?
            }
            ("builtin", Some(other)) if major >= 17 => {
                self.format(" LOCALE_PROVIDER builtin BUILTIN_LOCALE %L", &[other])?
            }
            _ => String::new(),
        };
        let create = self.format(
            "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L",
            &[
                &name,
                &owner,
                &like.encoding,
                &locale.collate,
                &locale.ctype,
            ],
        )?;
        if let Err(error) = self.run("making a database", &format!("{create}{provider}")) {
            if error.has_code(&SqlState::DUPLICATE_DATABASE) {
                return Err(Error::Exists(name.to_owned()));
            }
            let message = match &error {
                Error::Sql { message, .. } => message.clone(),
                _ => return Err(error),
            };
            // What is wrong with encoding or locale comes with one of these codes.
            let unlike = [
                SqlState::WRONG_OBJECT_TYPE,
                SqlState::INVALID_PARAMETER_VALUE,
                SqlState::INVALID_OBJECT_DEFINITION,
                SqlState::UNDEFINED_FILE,
                SqlState::FEATURE_NOT_SUPPORTED,
            ];
            if unlike.iter().any(|code| error.has_code(code)) {
                return Err(Error::CannotCreateLike {
                    database: name.to_owned(),
                    like: format!("{}, {}, {}", like.encoding, locale.collate, locale.ctype),
                    message,
                });
            }
            return Err(self.not_allowed(error, &format!("create the database '{name}'")));
        }
        self.set_marker(name, Some(marker))?;
        let mut left_out = Vec::new();
        for setting in &like.settings {
            if let Err(error) = self.set(name, setting) {
                left_out.push(format!("{} = {}: {error}", setting.name, setting.value));
            }
        }
        Ok(left_out)
    }

    /// Sets a parameter for a database. Its value goes through a local setting, because that takes
    /// a list such as `search_path` as it is, which no literal would.
    fn set(&mut self, name: &str, setting: &Setting) -> Result<()> {
        let failed = Error::sql("carrying over a setting");
        let statement = match &setting.role {
            None => self.format(
                "ALTER DATABASE %I SET %I FROM CURRENT",
                &[&name, &setting.name],
            )?,
            Some(role) => self.format(
                "ALTER ROLE %I IN DATABASE %I SET %I FROM CURRENT",
                &[role, &name, &setting.name],
            )?,
        };
        let mut step = self.client.transaction().map_err(&failed)?;
        step.query_one(
            "SELECT set_config($1, $2, true)",
            &[&setting.name, &setting.value],
        )
        .map_err(&failed)?;
        step.batch_execute(&statement).map_err(&failed)?;
        step.commit().map_err(&failed)
    }

    /// What a restore wrote into the database's comment.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn marker(&mut self, name: &str) -> Result<Option<String>> {
        let row = self
            .client
            .query_opt(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database
                  WHERE datname = $1::text",
                &[&name],
            )
            .map_err(Error::sql("reading a database's mark"))?;
        Ok(row.and_then(|row| row.get(0)))
    }

    /// Marks a database by its comment, or removes the mark.
    ///
    /// # Errors
    /// When the role does not own it.
    pub fn set_marker(&mut self, name: &str, marker: Option<&str>) -> Result<()> {
        let statement = self.format("COMMENT ON DATABASE %I IS %L", &[&name, &marker])?;
        self.run("marking a database", &statement)
    }

    /// Drops a database that a restore made and that carries exactly this mark, or that nothing
    /// was put into. Sessions in it are ended: they are those of an interrupted restore.
    ///
    /// # Errors
    /// When it is anything else. That it is gone already is no error.
    pub fn drop_staging(&mut self, name: &str, marker: &str) -> Result<()> {
        if !self.exists(name)? {
            return Ok(());
        }
        let ours = match self.marker(name)? {
            Some(found) => found == marker,
            None => self.is_empty(name)?,
        };
        if !ours {
            return Err(Error::NotStaging(name.to_owned()));
        }
        let force = if server_major(&mut self.client)? >= 13 {
            " WITH (FORCE)"
        } else {
            ""
        };
        let drop = self.format("DROP DATABASE %I", &[&name])?;
        match self.run("dropping a database", &format!("{drop}{force}")) {
            Err(error) if error.has_code(&SqlState::OBJECT_IN_USE) => {
                Err(self.in_use([name, name]))
            }
            other => other,
        }
    }

    /// Whether a database has no table, view or sequence.
    fn is_empty(&self, name: &str) -> Result<bool> {
        let row = self
            .database(name)
            .connect("fo_backup")?
            .query_one(
                "SELECT NOT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                                     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')",
                &[],
            )
            .map_err(Error::sql("looking whether a database is empty"))?;
        Ok(row.get(0))
    }

    /// The sessions in a database other than our own one.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn connected_others(&mut self, name: &str) -> Result<Vec<OtherSession>> {
        // The server's own workers have no user.
        let rows = self
            .client
            .query(
                "SELECT pid, usename::text, coalesce(application_name, ''),
                        CASE WHEN client_port = -1 THEN 'local'
                             ELSE coalesce(host(client_addr), 'unknown') END
                   FROM pg_stat_activity
                  WHERE datname = $1::text AND usename IS NOT NULL AND pid <> pg_backend_pid()
                  ORDER BY pid",
                &[&name],
            )
            .map_err(Error::sql("looking who is connected"))?;
        Ok(rows
            .iter()
            .map(|row| OtherSession {
                pid: row.get(0),
                user: row.get(1),
                application: row.get(2),
                client: row.get(3),
            })
            .collect())
    }

    fn not_allowed(&mut self, error: Error, what: &str) -> Error {
        if !error.has_code(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return error;
        }
        match self.format("%I", &[&self.place.role().to_owned()]) {
            Ok(role) => Error::NotAllowed {
                role,
                what: what.to_owned(),
            },
            Err(error) => error,
        }
    }

    /// A statement with names (`%I`) and literals (`%L`) put in and quoted by the server.
    fn format(&mut self, template: &str, values: &[&(dyn ToSql + Sync)]) -> Result<String> {
        let places: Vec<String> = (1..=values.len()).map(|n| format!("${n}::text")).collect();
        let template = template.replace('\'', "''");
        let sql = format!("SELECT format('{template}', {})", places.join(", "));
        let row = self
            .client
            .query_one(&sql, values)
            .map_err(Error::sql("quoting a name"))?;
        Ok(row.get(0))
    }

    fn run(&mut self, doing: &'static str, statement: &str) -> Result<()> {
        self.client
            .batch_execute(statement)
            .map_err(Error::sql(doing))
    }
}

#[cfg(test)]
mod tests;
