// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tests' own S3 server is one that others can work with, too: what a vault is compared with
//! in the benchmark, restic, keeps a repository there. Otherwise it would only prove that we agree with
//! ourselves.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::sample::Random;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::servers::{BUCKET, KEY, S3Server, SECRET};

#[test]
fn restic_keeps_a_repository_there() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name);
    let server = S3Server::start(place("s3"), &[]);
    fs::create_dir(place("data")).unwrap();
    // More than restic puts into one pack.
    for number in 0..40 {
        let mut random = Random::new(number);
        let content: Vec<u8> = (0..100_000)
            .flat_map(|_| random.number().to_le_bytes())
            .collect();
        fs::write(place("data").join(number.to_string()), content).unwrap();
    }
    let restic = |words: &[&str]| {
        let output = Command::new("restic")
            .args(words)
            .current_dir(home.path())
            .env(
                "RESTIC_REPOSITORY",
                format!("s3:http://127.0.0.1:{}/{BUCKET}/restic", server.port),
            )
            .env("RESTIC_PASSWORD", "of a test")
            .env("RESTIC_CACHE_DIR", place("cache"))
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .output()
            .expect("restic is installed by ./mod_deps --dev");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "restic {words:?}: {said}");
    };
    restic(&["init"]);
    restic(&["backup", "data"]);
    restic(&["check", "--read-data"]);
    restic(&["restore", "latest", "--target", "back"]);
    assert_eq!(
        contents(&place("back/data")),
        contents(&place("data")),
        "what comes back differs"
    );
    let before = server.requests().len();
    restic(&["backup", "data"]);
    let asked = server.requests().split_off(before);
    let puts = asked.iter().filter(|line| line.starts_with("PutObject"));
    // A lock and a snapshot; nothing of the data.
    assert!(puts.clone().count() >= 2, "{asked:?}");
    assert!(
        !puts.clone().any(|line| line.contains("/data/")),
        "{asked:?}"
    );
    restic(&["forget", "--keep-last", "1", "--prune"]);
    restic(&["check"]);
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect();
    all.sort();
    all
}
