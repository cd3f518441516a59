// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a database is besides its tables, so that one like it can be made elsewhere. Kept in the
//! snapshot as JSON; a field that a later version adds has a default.

use postgres::GenericClient;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The properties of a database that a dump of its tables does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// The database's name.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// The server's encoding of it, as `UTF8` or `SQL_ASCII`.
    pub encoding: String,
    /// How texts are sorted and classified.
    pub locale: Locale,
    /// The server's full version, as `15.20 (Debian …)`.
    pub server_version: String,
    /// The server's major version.
    pub server_major: u32,
    /// FOSSology's release as `sysconfig` has it; a restored database must have it too.
    pub release: Option<String>,
    /// The database's size on the server's disk in bytes.
    pub size: u64,
    /// The extensions in it.
    pub extensions: Vec<Extension>,
    /// What `ALTER DATABASE … SET` and `ALTER ROLE … SET` say for it.
    pub settings: Vec<Setting>,
    /// The owner, and the roles that may log in or that grants name; without passwords.
    pub roles: Vec<RoleProperties>,
}

/// How texts are sorted and classified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// Who knows the rules: `libc`, `icu` or `builtin`.
    pub provider: String,
    /// The C library's collation.
    pub collate: String,
    /// The C library's character classes.
    pub ctype: String,
    /// The locale of another provider than the C library.
    pub other: Option<String>,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name, as `uuid-ossp`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A parameter that is set for the database, or for a role in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The role that it is for; nobody's: for all.
    pub role: Option<String>,
    /// The parameter.
    pub name: String,
    /// Its value, as `current_setting` would give it.
    pub value: String,
}

/// A role and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // They are PostgreSQL's own attributes of a role.
pub struct RoleProperties {
    /// Its name.
    pub name: String,
    /// May do everything.
    pub superuser: bool,
    /// May log in.
    pub login: bool,
    /// May create databases.
    pub createdb: bool,
    /// May create roles.
    pub createrole: bool,
    /// Has the privileges of the roles it is a member of.
    pub inherit: bool,
}

/// Reads the properties of the database that the client is connected to.
///
/// # Errors
/// When a statement fails. A table `sysconfig` has to be there.
pub fn properties(client: &mut impl GenericClient) -> Result<DatabaseProperties> {
    let failed = Error::sql("reading the database's properties");
    // Columns of pg_database differ by version; as JSON those that are missing are null.
    let row = client
        .query_one(
            "SELECT d.datname::text, pg_get_userbyid(d.datdba)::text,
                    pg_encoding_to_char(d.encoding)::text,
                    CASE j ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin'
                         ELSE 'libc' END,
                    d.datcollate::text, d.datctype::text,
                    coalesce(j ->> 'datlocale', j ->> 'daticulocale'),
                    current_setting('server_version'),
                    current_setting('server_version_num')::int / 10000,
                    (SELECT conf_value FROM sysconfig WHERE variablename = 'Release'),
                    pg_database_size(d.oid)
               FROM pg_database d, to_jsonb(d) j
              WHERE d.datname = current_database()",
            &[],
        )
        .map_err(&failed)?;
    let extensions = client
        .query(
            "SELECT extname::text, extversion FROM pg_extension ORDER BY extname",
            &[],
        )
        .map_err(&failed)?;
    let settings = client
        .query(
            "SELECT r.rolname::text, split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
               FROM pg_db_role_setting
               JOIN pg_database d ON d.oid = setdatabase AND d.datname = current_database()
               LEFT JOIN pg_roles r ON r.oid = setrole
              CROSS JOIN unnest(setconfig) s
              ORDER BY 1 NULLS FIRST, 2",
            &[],
        )
        .map_err(&failed)?;
    let roles = client
        .query(
            "SELECT rolname::text, rolsuper, rolcanlogin, rolcreatedb, rolcreaterole, rolinherit
               FROM pg_roles r
              WHERE rolname !~ '^pg_'
                AND (rolcanlogin
                     OR oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
                     OR oid IN (SELECT a.grantee FROM pg_class c, aclexplode(c.relacl) a))
              ORDER BY rolname",
            &[],
        )
        .map_err(&failed)?;
    Ok(DatabaseProperties {
        name: row.get(0),
        owner: row.get(1),
        encoding: row.get(2),
        locale: Locale {
            provider: row.get(3),
            collate: row.get(4),
            ctype: row.get(5),
            other: row.get(6),
        },
        server_version: row.get(7),
        server_major: row.get::<_, i32>(8).unsigned_abs(),
        release: row.get(9),
        size: row.get::<_, i64>(10).unsigned_abs(),
        extensions: extensions
            .iter()
            .map(|row| Extension {
                name: row.get(0),
                version: row.get(1),
            })
            .collect(),
        settings: settings
            .iter()
            .map(|row| Setting {
                role: row.get(0),
                name: row.get(1),
                value: row.get(2),
            })
            .collect(),
        roles: roles
            .iter()
            .map(|row| RoleProperties {
                name: row.get(0),
                superuser: row.get(1),
                login: row.get(2),
                createdb: row.get(3),
                createrole: row.get(4),
                inherit: row.get(5),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::cluster;
    use super::*;

    #[test]
    fn properties_survive_as_json_and_hold_no_password() {
        let database = cluster().fossology("SQL_ASCII");
        let name = database.name().to_owned();
        let mut client = database.connect("test").unwrap();
        client
            .batch_execute(&format!(
                "ALTER DATABASE {name} SET work_mem TO '7MB';
                 ALTER DATABASE {name} SET search_path TO public, \"$user\";
                 ALTER ROLE fossy IN DATABASE {name} SET statement_timeout TO '0'"
            ))
            .unwrap();
        let found = properties(&mut client).unwrap();
        assert_eq!(found.name, name);
        assert_eq!(
            (found.owner.as_str(), found.encoding.as_str()),
            ("fossy", "SQL_ASCII")
        );
        assert_eq!(
            (
                found.locale.provider.as_str(),
                found.locale.collate.as_str()
            ),
            ("libc", "C")
        );
        assert_eq!(found.release.as_deref(), Some("4.7.1"));
        assert!(found.size > 1_000_000);
        let settings: Vec<_> = found
            .settings
            .iter()
            .map(|s| (s.role.as_deref(), s.name.as_str(), s.value.as_str()))
            .collect();
        assert_eq!(
            settings,
            [
                (None, "search_path", "public, \"$user\""),
                (None, "work_mem", "7MB"),
                (Some("fossy"), "statement_timeout", "0"),
            ]
        );
        let fossy = found
            .roles
            .iter()
            .find(|role| role.name == "fossy")
            .unwrap();
        assert!(fossy.login && fossy.createdb && !fossy.superuser);
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains("SCRAM") && !json.contains("password"));
        assert_eq!(
            serde_json::from_str::<DatabaseProperties>(&json).unwrap(),
            found
        );
    }
}
