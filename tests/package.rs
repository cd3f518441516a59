// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the Debian package does when it is installed and removed, in a folder that stands for `/`.
//! The package itself is made by `make deb`.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use fossology_backup::operations::install::{self, Options};
use fossology_backup::operations::install::{Place, Waker, Waking};
use fossology_backup::operations::schedule::Schedule;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a script of the package's as dpkg does it.
fn run(script: &str, root: &Path, word: &str) {
    let status = Command::new(source("packaging/debian").join(script))
        .arg(word)
        .env("DPKG_ROOT", root)
        .status()
        .unwrap();
    assert!(status.success(), "{script} {word}");
}

#[test]
fn a_fossology_that_is_there_sees_the_module_until_the_package_goes() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    // Without a FOSSology there is nothing to do.
    run("postinst", root, "configure");
    assert_eq!(fs::read_dir(root).unwrap().count(), 0);
    run("prerm", root, "remove");

    let enabled = root.join("etc/fossology/mods-enabled");
    fs::create_dir_all(&enabled).unwrap();
    let link = enabled.join("backup");
    let module = Path::new("/usr/share/fossology/backup");
    for _ in 0..2 {
        run("postinst", root, "configure");
        assert_eq!(fs::read_link(&link).unwrap(), module);
    }
    run("prerm", root, "upgrade");
    assert_eq!(fs::read_link(&link).unwrap(), module);
    run("prerm", root, "remove");
    assert!(fs::symlink_metadata(&link).is_err());

    // Somebody has another one there.
    symlink("/opt/backup", &link).unwrap();
    run("postinst", root, "configure");
    run("prerm", root, "remove");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("/opt/backup"));
}

#[test]
fn nothing_wakes_a_program_that_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let place = Place::find(Some(root.to_owned()), "/etc/fossology".into(), None).unwrap();
    let program = root.join("program");
    fs::write(&program, "x").unwrap();
    for waker in [Waker::Timer, Waker::Cron] {
        let waking = Waking {
            waker,
            user: "fossy".to_owned(),
            schedule: toml::from_str::<Schedule>("metrics = \"/x\"").unwrap(),
        };
        let options = Options {
            program: program.clone(),
            pages: None,
            waking: Some(waking),
        };
        let written = install::run(&place, &options).unwrap().schedule;
        let other = root.join("etc/systemd/system/other.timer");
        fs::create_dir_all(other.parent().unwrap().join("timers.target.wants")).unwrap();
        fs::write(&other, "x").unwrap();
        let wants =
            root.join("etc/systemd/system/timers.target.wants/fossology-backup-check.timer");
        if waker == Waker::Timer {
            symlink("../fossology-backup-check.timer", &wants).unwrap();
        }
        run("prerm", root, "remove");
        assert!(
            !written.is_empty() && written.iter().all(|file| !file.exists()),
            "{written:?}"
        );
        assert!(fs::symlink_metadata(&wants).is_err() && other.exists());
    }
}

#[test]
fn the_manual_has_a_page_for_each_verb_that_everybody_reads_and_nobody_writes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("share/man1");
    let made = Command::new(env!("CARGO_BIN_EXE_fo_backup"))
        .arg("manual")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(made.success());
    for page in [
        "fo_backup.1",
        "fo_backup-restore.1",
        "fo_backup-jobs-park.1",
    ] {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH OPTIONS"), "{page}");
        let mode = fs::metadata(folder.join(page))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644, "{page}");
    }
    for folder in [&*folder, folder.parent().unwrap()] {
        let mode = fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}

#[test]
fn all_that_the_package_takes_from_the_sources_is_there() {
    let manifest: toml::Table = fs::read_to_string(source("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let package = &manifest["package"]["metadata"]["deb"];
    let assets = package["assets"].as_array().unwrap();
    let taken: Vec<&str> = assets
        .iter()
        .filter_map(|asset| asset.as_array()?.first()?.as_str())
        .filter(|path| !path.starts_with("target/"))
        .collect();
    assert!(taken.len() > 3, "{taken:?}");
    for path in taken {
        let folder = path.split('*').next().unwrap();
        assert!(source(folder).exists(), "{path}");
    }
    let scripts = package["maintainer-scripts"].as_str().unwrap();
    assert!(source(scripts).join("postinst").exists());
}
