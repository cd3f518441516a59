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

/// The first connection carries so many bytes to the server, and ends; its login has warned of something
/// that would be final at the login itself.
fn cut_once(bytes: u64) -> String {
    format!(
        "if mkdir $0/once 2>/dev/null; then echo 'Warning: the host key has changed' >&2; dd bs=16k count={bytes} iflag=count_bytes 2>/dev/null | {SERVER}; else exec {SERVER}; fi"
    )
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
    let sftp = server(folder.path(), &cut_once(100_000));
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

#[test]
fn only_what_is_old_is_tidied_away() {
    let folder = tempfile::tempdir().unwrap();
    let sftp = server(folder.path(), &format!("exec {SERVER}"));
    sftp.put(&Key::from_text("locks/x-1.json"), b"{}").unwrap();
    let tmp = folder.path().join("vault/tmp");
    let minutes = |count: u64| std::time::SystemTime::now() - Duration::from_secs(60 * count);
    for (name, age) in [("young", 1), ("old", 30), ("stale", 60 * 24 * 3)] {
        let file = File::create(tmp.join(name)).unwrap();
        file.set_modified(minutes(age)).unwrap();
    }
    let left = || {
        let mut names: Vec<_> = lies_in(folder.path(), "tmp")
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    sftp.tidy(false).unwrap();
    assert_eq!(left(), ["old", "young"]);
    // A reader may be putting its lease.
    sftp.tidy(true).unwrap();
    assert_eq!(left(), ["young"]);
}

#[test]
fn a_lease_waits_for_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let sftp = server(folder.path(), &format!("exec {SERVER}"));
    let connections = Settings::default().connections();
    let _all: Vec<_> = (0..connections).map(|_| sftp.places.take()).collect();
    let key = Key::from_text("locks/x-1.json");
    assert_eq!(sftp.put(&key, b"{}").unwrap(), Put::Made);
    assert_eq!(sftp.list("locks/").unwrap().len(), 1);
    assert!(sftp.put_at(&key).unwrap().is_some());
    sftp.delete(&key).unwrap();
}
