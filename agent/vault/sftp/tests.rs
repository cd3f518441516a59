// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! OpenSSH's server of files, run by a shell in place of ssh: the same program and the same protocol
//! as over a network, and a connection ends where the shell says.

use super::*;

/// Where OpenSSH's server of files is.
const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// A folder on a server; `shell` runs it, and finds the folder in `$0`.
fn server(folder: &std::path::Path, shell: &str) -> Sftp {
    let settings = Settings {
        ssh: Some(vec![
            "sh".into(),
            "-c".into(),
            shell.into(),
            folder.display().to_string(),
        ]),
        give_up_after: Some(20),
        ..Settings::default()
    };
    let vault = SftpFolder {
        user: None,
        host: "localhost".into(),
        port: None,
        path: folder.join("vault").display().to_string(),
    };
    Sftp::new(&vault, &settings)
}

/// What lies in a folder of the vault.
fn lies_in(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.join("vault").join(name));
    entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .collect()
}

/// Content of so many bytes.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 % 251) as u8).collect()
}

#[test]
fn what_a_cut_attempt_has_written_is_not_touched_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    // The first connection carries so many bytes and ends.
    let cut = format!(
        "if mkdir $0/once 2>/dev/null; then dd bs=1 count=100000 2>/dev/null | {SERVER}; else exec {SERVER}; fi"
    );
    let sftp = server(folder.path(), &cut);
    let (key, data) = (Key::from_text("snapshots/x.json"), content(300_000));
    assert_eq!(sftp.put(&key, &data).unwrap(), Put::Made);
    assert_eq!(
        std::fs::read(&lies_in(folder.path(), "snapshots")[0]).unwrap(),
        data
    );
    let left = lies_in(folder.path(), "tmp");
    assert_eq!(left.len(), 1, "{left:?}");
    let left = std::fs::read(&left[0]).unwrap();
    assert!(!left.is_empty() && data.starts_with(&left));
    assert!(sftp.traffic.so_far().retries >= 1);
}
