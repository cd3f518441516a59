// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What has to be true of dumps and their restoration.

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
fn what_programs_from_17_on_write_loads_into_servers_from_17_on_only() {
    let loads = |tools: u32, server| {
        let tools = Tools {
            folder: PathBuf::new(),
            major: tools,
        };
        tools.loads_into(server)
    };
    for (tools, server, expected) in [
        (13, 13, true),
        (15, 13, true),
        (16, 15, true),
        (17, 15, false),
        (17, 16, false),
        (18, 16, false),
        (17, 17, true),
        (18, 17, true),
        (17, 18, true),
        (16, 17, true),
    ] {
        assert_eq!(loads(tools, server), expected, "{tools} into {server}");
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
