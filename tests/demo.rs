// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The demonstration shows what it says, with a plain vault and with an encrypted one.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Shows it in a folder that is kept, and gives back what it says of itself and to the onlooker.
fn show(folder: &Path, options: &[&str]) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fo_backup"))
        .args(["--json", "demo", "--files", "20", "--keep"])
        .arg(folder)
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn commands(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["command"].as_str().unwrap())
        .collect()
}

#[test]
fn all_comes_back_from_a_plain_vault() {
    let home = tempfile::tempdir().unwrap();
    let (report, _) = show(&home.path().join("demo"), &[]);
    assert_eq!(report["equal"], true);
    assert_eq!(report["encrypted"], false);
    assert!(commands(&report).contains(&"fo_backup restore latest"));
}

#[test]
fn all_comes_back_from_an_encrypted_vault_with_the_key_and_nothing_without() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("demo");
    let (report, said) = show(&folder, &["--encrypted"]);
    assert_eq!(report["equal"], true);
    assert_eq!(report["encrypted"], true);
    let key = folder.join("key");
    let commands = commands(&report);
    let with_key = format!("fo_backup restore latest --identity {}", key.display());
    let at = |wanted: &str| commands.iter().position(|command| *command == wanted);
    // First in vain.
    assert!(at("fo_backup restore latest").unwrap() < at(&with_key).unwrap());
    assert!(commands[0].starts_with("fo_backup init --recipient age1"));

    // The private key is nobody else's, and is shown nowhere.
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!said.contains("AGE-SECRET-KEY"), "{said}");
    let packs = walkdir::WalkDir::new(folder.join("vault/packs"));
    for entry in packs.into_iter().map(Result::unwrap) {
        let name = entry.file_name().to_str().unwrap();
        assert!(
            entry.file_type().is_dir() || name.ends_with(".age"),
            "{name}"
        );
    }
}
