// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Configurations, databases and repositories that are not as they should be.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::Tree;
use fossology_backup::demo::{Role, free_port, snapshot_tree};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::trouble::{give, unprivileged};
use support::world::{Called, World};

/// A copy of the instance's configuration with one file changed.
fn changed(world: &World, file: &str, change: impl FnOnce(String) -> String) -> PathBuf {
    let etc = world.path("changed");
    let _ = fs::remove_dir_all(&etc);
    fs::create_dir(&etc).unwrap();
    for name in ["fossology.conf", "Db.conf"] {
        fs::copy(world.sample().sysconfdir().join(name), etc.join(name)).unwrap();
    }
    let text = fs::read_to_string(etc.join(file)).unwrap_or_default();
    fs::write(etc.join(file), change(text)).unwrap();
    etc
}

fn replaced(text: &str, key: &str, value: &str) -> String {
    text.lines()
        .map(|line| match line.split_once('=') {
            Some((name, _)) if name.trim() == key => format!("{key}={value};\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[track_caller]
fn without_password(world: &World, called: &Called) {
    let password = world.cluster.password(Role::Fossy);
    for text in [&called.stdout, &called.stderr] {
        assert!(!text.contains(password), "the password is in:\n{text}");
    }
}

#[test]
fn a_missing_or_half_written_configuration_is_named() {
    let world = World::with_vault();
    let etc = changed(&world, "Db.conf", |text| text);
    fs::remove_file(etc.join("Db.conf")).unwrap();
    world.call_for(&etc, &["backup"]).expect(1).says("Db.conf");
    world
        .call_for(&world.path("nowhere"), &["backup"])
        .expect(1)
        .says("nowhere/fossology.conf");

    for name in ["fossology.conf", "Db.conf"] {
        let whole = fs::read(world.sample().sysconfdir().join(name)).unwrap();
        let step = whole.len() / 20 + 1;
        for len in (0..whole.len()).step_by(step) {
            let etc = changed(&world, name, |text| text[..len].to_owned());
            let called = world.call_for(&etc, &["-vv", "init"]);
            without_password(&world, &called);
            match called.code {
                // What is cut off may be a comment, or something that has a default.
                0 => {}
                // The rest may be good for a server, a role or a password that are not there.
                1 => assert!(
                    called.stderr.contains("Db.conf") || called.stderr.contains(name),
                    "{}",
                    called.stderr
                ),
                2 => {
                    called.says(name);
                }
                code => panic!("{name} cut at {len} ends with {code}:\n{}", called.stderr),
            }
        }
        let etc = changed(&world, name, |_| String::new());
        world.call_for(&etc, &["init"]).expect(2).says(name);
    }
    let etc = changed(&world, "fo_backup.toml", |_| {
        "threads = 2\nvault = \"/b".into()
    });
    world
        .call_for(&etc, &["backup"])
        .expect(2)
        .says("fo_backup.toml")
        .says("line 2");
}

#[test]
fn a_database_that_cannot_be_used_is_said_with_the_way_out() {
    let world = World::with_vault();
    world.backup("full");
    // Nobody listens there.
    let free = free_port().unwrap().to_string();
    let etc = changed(&world, "Db.conf", |text| replaced(&text, "port", &free));
    for verb in [
        &["init"][..],
        &["backup"],
        &["restore", "latest"],
        &["jobs", "resume"],
    ] {
        world
            .call_for(&etc, verb)
            .expect(1)
            .says("cannot be reached")
            .says(&free);
    }

    let etc = changed(&world, "Db.conf", |text| {
        replaced(&text, "password", "not-the-one")
    });
    for verb in [
        &["-vv", "init"][..],
        &["-vv", "--json", "backup"],
        &["-vv", "restore", "latest"],
    ] {
        let mut command = world.command_for(&etc, verb);
        command.env("FO_BACKUP_LOG", "trace");
        let called = Called::new(&command.output().unwrap()).expect(1);
        called.says("refuses the role").says("Db.conf");
        assert!(!called.stderr.contains("not-the-one"), "{}", called.stderr);
    }

    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    admin
        .batch_execute("CREATE DATABASE other OWNER fossy")
        .unwrap();
    let etc = changed(&world, "Db.conf", |text| replaced(&text, "dbname", "other"));
    for verb in [&["init"][..], &["backup"]] {
        world
            .call_for(&etc, verb)
            .expect(1)
            .says("'other' is not a FOSSology database");
    }
    let mut other = world.cluster.connect(Role::Fossy, "other").unwrap();
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(other.query_one(tables, &[]).unwrap().get::<_, i64>(0), 0);

    let etc = changed(&world, "Db.conf", |text| replaced(&text, "dbname", "none"));
    world
        .call_for(&etc, &["backup"])
        .expect(1)
        .says("no database 'none'");
}

#[test]
fn the_password_is_nowhere_to_be_seen() {
    let world = World::new();
    for arguments in [
        &["-vv", "init"][..],
        &["-vv", "backup"],
        &["-vv", "--json", "backup", "--mode", "gold"],
        &["-vv", "snapshots"],
        &["-vv", "restore", "latest", "--dry-run"],
        &["-vv", "restore", "latest"],
        &["-vv", "jobs", "resume"],
    ] {
        let mut command = world.command(arguments);
        command.env("FO_BACKUP_LOG", "trace");
        let called = Called::new(&command.output().unwrap());
        let called = called.expect(0);
        without_password(&world, &called);
    }
    let mut command = world.command(&["restore", "latest", "--dry-run"]);
    command.env(
        "FO_BACKUP_ADMIN_URL",
        "postgresql://postgres:topsecret@[bad",
    );
    let called = Called::new(&command.output().unwrap()).expect(1);
    assert!(!called.stderr.contains("topsecret"), "{}", called.stderr);
}

#[test]
fn a_database_without_our_tables_gets_them_and_adopts_the_vault() {
    let world = World::with_vault();
    world.backup("full");
    // Brought back by other means from before fo_backup came.
    let mut client = world.sample().connect().unwrap();
    let drop_all = "DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'backup\\_%'
        LOOP EXECUTE format('DROP TABLE %I CASCADE', t); END LOOP; END $$";
    client.batch_execute(drop_all).unwrap();
    world
        .call(&["backup"])
        .expect(1)
        .says("belongs to FOSSology instance")
        .says("init --adopt");
    world.call(&["init"]).expect(1).says("init --adopt");
    world.call(&["init", "--adopt"]).expect(0);
    assert_eq!(world.backup("full")["counts"]["new"], 0);

    client.batch_execute(drop_all).unwrap();
    drop(client);
    let mut admin = world
        .cluster
        .connect(Role::Superuser, world.sample().database())
        .unwrap();
    admin
        .batch_execute(&format!(
            "ALTER DATABASE {} OWNER TO postgres; REVOKE CREATE ON SCHEMA public FROM PUBLIC, fossy",
            world.sample().database()
        ))
        .unwrap();
    world
        .call(&["backup"])
        .expect(1)
        .says("making our own tables")
        .says("GRANT CREATE ON SCHEMA public TO fossy");
}

#[test]
fn a_repository_that_is_not_there_is_no_empty_one() {
    let world = World::with_vault();
    world.backup("full");
    let repository = world.sample().repository();
    let aside = world.path("aside");
    fs::rename(repository, &aside).unwrap();
    let path = repository.to_str().unwrap();
    world.call(&["backup"]).expect(1).says(path).says("mounted");
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says(path)
        .says("does not exist");
    fs::write(repository, "a file").unwrap();
    world.call(&["backup"]).expect(1).says(path);
    world.call(&["restore", "latest"]).expect(1).says(path);
    fs::remove_file(repository).unwrap();
    // A link to where it is now is as good as itself.
    symlink(&aside, repository).unwrap();
    assert_eq!(world.backup("full")["counts"]["new"], 0);
    fs::remove_dir_all(aside.join("alpha")).unwrap();
    world.call(&["restore", "latest"]).expect(0);
    for blob in world.sample().needed_blobs() {
        assert!(blob.paths.iter().all(|path| path.is_file()));
    }
}

/// What a backup says of the blobs that it could not take, by name.
fn absent(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["absent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|absent| (text(&absent["name"]), text(&absent["kind"])))
        .collect()
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_named_and_never_packed() {
    let world = World::with_vault();
    let before = snapshot_tree(world.sample().repository()).unwrap();
    // Only in one tree, so that there is no second place with a good one, and not empty.
    let blobs: Vec<_> = world
        .sample()
        .needed_blobs()
        .into_iter()
        .filter(|blob| blob.trees.iter().eq([Tree::Files]) && blob.name.size() > 10)
        .collect();
    type Damage = fn(&Path, &[u8]);
    let damages: [(&str, Damage); 8] = [
        ("corrupt", |path, content| {
            let mut content = content.to_vec();
            content[5] ^= 1;
            fs::write(path, content).unwrap();
        }),
        ("corrupt", |path, content| {
            fs::write(path, &content[1..]).unwrap()
        }),
        ("corrupt", |path, content| {
            fs::write(path, [content, b"more"].concat()).unwrap()
        }),
        ("corrupt", |path, _| fs::write(path, "").unwrap()),
        ("missing", |path, _| fs::remove_file(path).unwrap()),
        ("corrupt", |path, content| {
            // Even a link to the right content: FOSSology makes none, somebody else did.
            let elsewhere = path.with_extension("elsewhere");
            fs::write(&elsewhere, content).unwrap();
            fs::remove_file(path).unwrap();
            symlink(elsewhere, path).unwrap();
        }),
        ("corrupt", |path, _| {
            fs::remove_file(path).unwrap();
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("corrupt", |path, _| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    let mut expected = BTreeMap::new();
    let mut contents = Vec::new();
    for ((kind, damage), blob) in damages.iter().zip(&blobs) {
        let path = &blob.paths[0];
        let content = fs::read(path).unwrap();
        let mode = fs::metadata(path).unwrap().permissions();
        damage(path, &content);
        contents.push((path, content, mode));
        expected.insert(blob.name.to_string(), (*kind).to_owned());
    }

    let report = world.call(&["--json", "backup"]).expect(3).json();
    assert_eq!(report["complete"], false);
    assert_eq!(absent(&report), expected);
    let needed = world.sample().needed_blobs().len();
    assert_eq!(report["counts"]["new"], needed - damages.len());
    // And in words, with the place.
    let text = world.call(&["backup"]).expect(3).stdout;
    for (path, _, _) in &contents {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    world.call(&["snapshots"]).expect(0);

    for (path, content, mode) in contents {
        if path.is_dir() {
            fs::remove_dir(path).unwrap();
        } else {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_file(path.with_extension("elsewhere"));
        fs::write(path, content).unwrap();
        fs::set_permissions(path, mode).unwrap();
    }
    let report = world.backup("full");
    assert_eq!(report["counts"]["new"], damages.len(), "{report}");
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    world.call(&["restore", "latest"]).expect(0);
    let after = snapshot_tree(world.sample().repository()).unwrap();
    for blob in world.sample().needed_blobs() {
        for path in &blob.paths {
            let path = path.strip_prefix(world.sample().repository()).unwrap();
            assert_eq!(after.get(path), before.get(path), "{}", path.display());
        }
    }
}

#[test]
fn a_row_whose_hashes_or_size_are_none_stops_nobody() {
    let world = World::with_vault();
    let mut client = world.sample().connect().unwrap();
    // In SQL_ASCII even bytes that are no text.
    let rows = client
        .query(
            "SELECT DISTINCT p.pfile_pk FROM pfile p JOIN uploadtree ON pfile_fk = pfile_pk ORDER BY 1 LIMIT 4",
            &[],
        )
        .unwrap();
    let keys: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    for (key, change) in keys.iter().zip([
        "pfile_sha1 = 'no hash'",
        "pfile_md5 = repeat('g', 32)",
        "pfile_size = -5",
        "pfile_sha1 = rpad(E'\\xff\\xfe', 40, 'a')",
    ]) {
        client
            .batch_execute(&format!("UPDATE pfile SET {change} WHERE pfile_pk = {key}"))
            .unwrap();
    }
    drop(client);
    let report = world.call(&["--json", "backup"]).expect(3).json();
    let found: Vec<i64> = report["absent"]
        .as_array()
        .unwrap()
        .iter()
        .map(|absent| absent["pfile"].as_i64().unwrap())
        .collect();
    assert_eq!(
        found,
        keys.iter().map(|key| i64::from(*key)).collect::<Vec<_>>()
    );
    let report = world
        .call(&["--json", "restore", "latest"])
        .expect(3)
        .json();
    assert_eq!(report["not_in_snapshot"], keys.len());
}

#[test]
fn unreadable_blobs_and_folders_are_named() {
    let world = World::new();
    give(&world.path("instance"));
    give(&world.path("scratch"));
    fs::create_dir(world.vault()).unwrap();
    give(&world.vault());
    let call =
        |arguments: &[&str]| Called::new(&unprivileged(world.command(arguments)).output().unwrap());
    call(&["init"]).expect(0);
    let blobs = world.sample().needed_blobs();
    let [closed_file, closed_folder] = [&blobs[0].paths[0], &blobs[1].paths[0]];
    let close = |path: &Path| {
        let before = fs::metadata(path).unwrap().permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        before
    };
    let file_before = close(closed_file);
    let folder_before = close(closed_folder.parent().unwrap());
    let report = world.sample().repository().join("report");
    let report_before = close(&report);

    let called = call(&["--json", "backup"]).expect(3);
    let found = absent(&called.json());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.values().all(|kind| kind == "unreadable"), "{found:?}");
    let left_out = called.json()["left_out"].to_string();
    assert!(left_out.contains(report.to_str().unwrap()), "{left_out}");

    fs::set_permissions(closed_file, file_before).unwrap();
    fs::set_permissions(closed_folder.parent().unwrap(), folder_before).unwrap();
    fs::set_permissions(&report, report_before).unwrap();
    let called = call(&["--json", "backup"]).expect(0);
    assert_eq!(called.json()["counts"]["new"], 2);

    let conf = world.sample().sysconfdir().join("Db.conf");
    close(&conf);
    call(&["backup"])
        .expect(1)
        .says("Db.conf")
        .says("ermission denied");
}

#[test]
fn odd_names_links_and_debris_in_the_tree_disturb_nobody() {
    let world = World::with_vault();
    let repository = world.sample().repository();
    let blob = &world.sample().needed_blobs()[0].paths[0];
    let odd = OsStr::from_bytes(b"odd \xff\n'\"name");
    for folder in [
        repository,
        blob.parent().unwrap(),
        &repository.join("alpha/files"),
    ] {
        fs::write(folder.join(odd), "odd").unwrap();
        symlink("/", folder.join("a link")).unwrap();
        symlink("nowhere", folder.join("a dead link")).unwrap();
    }
    fs::write(blob.with_extension("I"), "half").unwrap();
    fs::create_dir(repository.join("files")).unwrap();

    let report = repository.join("report");
    let long = "long".repeat(60);
    fs::create_dir(report.join(odd)).unwrap();
    fs::write(report.join(odd).join(&long), "a report").unwrap();
    fs::write(report.join(odd).join(odd), "another").unwrap();
    symlink("../../etc", report.join("link")).unwrap();
    assert_eq!(
        world.backup("full")["counts"]["new"],
        world.sample().needed_blobs().len()
    );

    fs::remove_dir_all(&report).unwrap();
    world.call(&["restore", "latest"]).expect(0);
    assert_eq!(fs::read(report.join(odd).join(&long)).unwrap(), b"a report");
    assert_eq!(fs::read(report.join(odd).join(odd)).unwrap(), b"another");
    assert_eq!(
        fs::read_link(report.join("link")).unwrap(),
        Path::new("../../etc")
    );
}
