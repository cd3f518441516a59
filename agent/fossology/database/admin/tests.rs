// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What has to be true of making, swapping and dropping databases.

use super::super::properties::{Locale, properties};
use super::super::testing::{Cluster, cluster};
use super::*;

/// The database as its owner sees it, and the administration of its server as the same role.
fn instance() -> (Database, Admin) {
    let database = cluster().fossology("SQL_ASCII");
    let admin = Admin::connect(&database, None).unwrap();
    (database, admin)
}

fn properties_of(database: &Database) -> DatabaseProperties {
    properties(&mut database.connect("test").unwrap()).unwrap()
}

/// Which of the databases says what it is: a table with one row, its first name.
fn sign(database: &Database) {
    let name = database.name();
    database
        .connect("test")
        .unwrap()
        .batch_execute(&format!(
            "CREATE TABLE sign AS SELECT '{name}'::text AS name"
        ))
        .unwrap();
}

fn sign_of(database: &Database) -> String {
    let mut client = database.connect("test").unwrap();
    client
        .query_one("SELECT name FROM sign", &[])
        .unwrap()
        .get(0)
}

#[test]
fn a_database_is_made_like_another_and_is_marked() {
    let (database, mut admin) = instance();
    let name = database.name();
    admin
        .client
        .batch_execute(&format!(
            "ALTER DATABASE {name} SET work_mem TO '7MB';
             ALTER DATABASE {name} SET search_path TO public, \"$user\", \"it's odd\";
             ALTER ROLE fossy IN DATABASE {name} SET statement_timeout TO '5s'"
        ))
        .unwrap();
    let like = properties_of(&database);

    // A name that would break a statement if it were not quoted.
    let odd = format!("{name} \"; DROP DATABASE {name}; --'%");
    let left_out = admin
        .create(&odd, "fossy", &like, "restore 'x' of %s")
        .unwrap();
    assert_eq!(left_out, Vec::<String>::new());
    assert!(admin.exists(&odd).unwrap() && admin.exists(name).unwrap());
    assert_eq!(
        admin.marker(&odd).unwrap().as_deref(),
        Some("restore 'x' of %s")
    );
    assert_eq!(admin.marker(name).unwrap(), None);

    let new = database.with_name(&odd);
    new.connect("test")
        .unwrap()
        .batch_execute("CREATE TABLE sysconfig (variablename text, conf_value text)")
        .unwrap();
    let made = properties_of(&new);
    assert_eq!(
        (made.owner, made.encoding, made.locale, made.settings),
        (
            like.owner.clone(),
            like.encoding.clone(),
            like.locale.clone(),
            like.settings.clone()
        )
    );
    assert!(matches!(
        admin.create(&odd, "fossy", &like, "again"),
        Err(Error::Exists(name)) if name == odd
    ));

    admin.set_marker(&odd, None).unwrap();
    assert_eq!(admin.marker(&odd).unwrap(), None);
}

#[test]
fn a_setting_that_the_role_may_not_make_is_reported_and_does_not_stop_the_rest() {
    let (database, mut admin) = instance();
    let mut like = properties_of(&database);
    for (name, value) in [("log_statement", "all"), ("work_mem", "9MB")] {
        like.settings.push(Setting {
            role: None,
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
    let new = format!("{}_new", database.name());
    let left_out = admin.create(&new, "fossy", &like, "mark").unwrap();
    assert_eq!(left_out.len(), 1);
    assert!(
        left_out[0].starts_with("log_statement = all: "),
        "{left_out:?}"
    );
    let mut client = database.with_name(&new).connect("test").unwrap();
    let row = client.query_one("SHOW work_mem", &[]).unwrap();
    assert_eq!(row.get::<_, &str>(0), "9MB");
}

#[test]
fn who_may_not_make_databases_is_told_the_grant() {
    let (database, mut admin) = instance();
    let like = properties_of(&database);
    let mut superuser = cluster().superuser("postgres").connect("test").unwrap();
    superuser
        .batch_execute("CREATE ROLE \"Weak\" LOGIN PASSWORD 'Weak'")
        .unwrap();
    let weak = Database::new(cluster().config("Weak"));
    let mut weak = Admin::connect(&weak, None).unwrap();
    let error = weak
        .create("never", "Weak", &like, "mark")
        .unwrap_err()
        .to_string();
    assert!(error.contains("ALTER ROLE \"Weak\" CREATEDB"), "{error}");
    assert!(error.contains("--admin-url"), "{error}");

    sign(&database);
    let new = format!("{}_new", database.name());
    admin.create(&new, "fossy", &like, "mark").unwrap();
    let error = weak.swap(&new, database.name(), "never").unwrap_err();
    assert!(matches!(error, Error::NotAllowed { .. }), "{error}");
    assert_eq!(sign_of(&database), database.name());
}

#[test]
fn an_administrators_own_connection_is_used_and_never_shown() {
    let (database, _) = instance();
    cluster()
        .superuser("postgres")
        .connect("test")
        .unwrap()
        .batch_execute("CREATE ROLE chief LOGIN SUPERUSER PASSWORD 'chief'")
        .unwrap();
    let url = format!("postgresql://chief:chief@127.0.0.1:{}", cluster().port());
    let mut admin = Admin::connect(&database, Some(&url)).unwrap();
    let like = properties_of(&database);
    let new = format!("{}_new", database.name());
    admin.create(&new, "fossy", &like, "mark").unwrap();
    assert_eq!(admin.database(&new).role(), "chief");

    let bad = "postgresql://chief:s3cret@[broken";
    let error = Admin::connect(&database, Some(bad)).err().unwrap();
    assert!(matches!(error, Error::AdminUrl));
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[test]
fn a_locale_that_the_server_lacks_is_named() {
    let (database, mut admin) = instance();
    let mut like = properties_of(&database);
    like.locale = Locale {
        collate: "xx_XX.utf8".to_owned(),
        ..like.locale
    };
    let error = admin
        .create("never_made", "fossy", &like, "mark")
        .unwrap_err();
    assert!(matches!(error, Error::CannotCreateLike { .. }), "{error}");
    assert!(error.to_string().contains("xx_XX.utf8"), "{error}");
    assert!(!admin.exists("never_made").unwrap());
}

#[test]
fn databases_change_names_and_the_old_one_is_kept() {
    let (target, mut admin) = instance();
    let new = format!("{}_new", target.name());
    let old = format!("{}_old", target.name());
    admin
        .create(&new, "fossy", &properties_of(&target), "mark")
        .unwrap();
    sign(&target);
    sign(&target.with_name(&new));
    admin.swap(&new, target.name(), &old).unwrap();
    assert_eq!(sign_of(&target), new);
    assert_eq!(sign_of(&target.with_name(&old)), target.name());
    assert!(matches!(
        admin.swap(&new, target.name(), &old),
        Err(Error::Absent(_))
    ));

    // On a new machine no database has the name yet.
    let fresh = format!("{}_fresh", target.name());
    admin.swap(&old, &fresh, "not_used").unwrap();
    assert_eq!(sign_of(&target.with_name(&fresh)), target.name());
}

#[test]
fn nothing_changes_while_somebody_is_connected_and_they_are_named() {
    let (target, mut admin) = instance();
    let new = format!("{}_new", target.name());
    admin
        .create(&new, "fossy", &properties_of(&target), "mark")
        .unwrap();
    sign(&target);
    let mut guest = target.connect("the scheduler").unwrap();
    let pid: i32 = guest
        .query_one("SELECT pg_backend_pid()", &[])
        .unwrap()
        .get(0);
    match admin.swap(&new, target.name(), "never") {
        Err(Error::InUse { database, sessions }) => {
            assert_eq!(database, target.name());
            assert_eq!(
                sessions,
                [OtherSession {
                    pid,
                    user: "fossy".to_owned(),
                    application: "the scheduler".to_owned(),
                    client: "127.0.0.1".to_owned(),
                }]
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sign_of(&target), target.name());
    assert!(admin.exists(&new).unwrap() && !admin.exists("never").unwrap());
}

#[test]
fn only_a_database_that_we_made_is_dropped_even_with_an_old_session_in_it() {
    let (database, mut admin) = instance();
    let new = format!("{}_new", database.name());
    assert!(matches!(
        admin.drop_staging(database.name(), "mark"),
        Err(Error::NotStaging(_))
    ));
    admin
        .create(&new, "fossy", &properties_of(&database), "mark")
        .unwrap();
    sign(&database.with_name(&new));
    assert!(matches!(
        admin.drop_staging(&new, "another"),
        Err(Error::NotStaging(_))
    ));
    assert!(admin.exists(&new).unwrap());

    let _left_over = database.with_name(&new).connect("pg_restore").unwrap();
    admin.drop_staging(&new, "mark").unwrap();
    assert!(!admin.exists(&new).unwrap());
    admin.drop_staging(&new, "mark").unwrap();
}

#[test]
fn an_empty_database_left_before_it_was_marked_is_dropped() {
    let mut admin = Admin::connect(&cluster().empty("UTF8"), None).unwrap();
    let empty = cluster().empty("UTF8");
    admin.drop_staging(empty.name(), "mark").unwrap();
    assert!(!admin.exists(empty.name()).unwrap());
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_swap_comes_back_with_the_old_names() {
    // A server of its own, because it is killed.
    let cluster = Cluster::start();
    let target = cluster.empty("UTF8");
    let staging = cluster.empty("UTF8");
    for database in [&target, &staging] {
        sign(database);
    }
    let mut admin = Admin::connect(&target, None).unwrap();
    let mut step = admin.client.transaction().unwrap();
    for (from, to) in [(target.name(), "was"), (staging.name(), target.name())] {
        step.batch_execute(&format!("ALTER DATABASE {from} RENAME TO {to}"))
            .unwrap();
    }
    // Both renames are done and not committed.
    cluster.crash_and_restart();
    drop(step);

    let mut admin = Admin::connect(&target, None).unwrap();
    assert_eq!(sign_of(&target), target.name());
    assert_eq!(sign_of(&staging), staging.name());
    assert!(!admin.exists("was").unwrap());

    admin.swap(staging.name(), target.name(), "was").unwrap();
    cluster.crash_and_restart();
    assert_eq!(sign_of(&target), staging.name());
    assert_eq!(sign_of(&target.with_name("was")), target.name());
}
