// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finding and reading blobs, and what is no blob.

use super::*;
use std::os::unix::fs::symlink;

#[test]
fn a_name_without_a_range_lies_without_a_host() {
    let scratch = Scratch::new(1, &[("a", "gold 00 ff")]);
    let name = digest(b"no host");
    scratch
        .importer()
        .import(both(), &name, b"no host")
        .unwrap();
    assert!(
        scratch
            .path(Tree::Files, &name)
            .starts_with(scratch.folder.path().join("files"))
    );
    let found: Vec<_> = roots_on_disk(&scratch.layout).unwrap();
    let hosts: Vec<_> = found
        .iter()
        .map(|r| (r.host.as_ref().map(HostName::as_str), r.tree))
        .collect();
    assert_eq!(hosts, [(Some("a"), Tree::Gold), (None, Tree::Files)]);
}

#[test]
fn trees_of_hosts_that_the_configuration_forgot_are_found() {
    let scratch = Scratch::usual();
    for folder in [
        "localhost/gold",
        "old/files",
        "old/ununpack",
        "logs",
        "gold",
    ] {
        fs::create_dir_all(scratch.folder.path().join(folder)).unwrap();
    }
    fs::write(scratch.folder.path().join("note"), b"").unwrap();
    let found = roots_on_disk(&scratch.layout).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|r| r.path.strip_prefix(scratch.folder.path()).unwrap())
        .collect();
    assert_eq!(
        found,
        ["gold", "localhost/gold", "old/files"].map(Path::new)
    );
}

#[test]
fn the_reader_says_what_is_wrong_with_a_file() {
    let scratch = Scratch::usual();
    let (whole, empty) = (digest(b"content"), digest(b""));
    let put = |name: &PfileName, content: &[u8]| {
        let path = scratch.path(Tree::Files, name);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    };
    let missing = scratch.read(Tree::Files, &whole).unwrap_err();
    assert!(
        matches!(missing, ReadError::Missing { path } if path == scratch.path(Tree::Files, &whole))
    );

    for content in [&b""[..], b"conten", b"content and more"] {
        put(&whole, content);
        let error = scratch.read(Tree::Files, &whole).unwrap_err();
        assert!(
            matches!(error, ReadError::SizeDiffers { found, .. } if found == content.len() as u64),
            "{error}"
        );
        assert!(scratch.reader().open(Tree::Files, &whole).is_err());
    }
    put(&empty, b"x");
    assert!(matches!(
        scratch.read(Tree::Files, &empty),
        Err(ReadError::SizeDiffers { found: 1, .. })
    ));

    for name in [&whole, &empty] {
        let path = put(name, b"");
        let target = scratch.folder.path().join("target");
        fs::write(&target, b"content").unwrap();
        let kinds: [&dyn Fn(); 4] = [
            &|| symlink(&target, &path).unwrap(),
            &|| fs::create_dir(&path).unwrap(),
            &|| nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
            &|| drop(std::os::unix::net::UnixListener::bind_addr(&short(&scratch, &path)).unwrap()),
        ];
        for make in kinds {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir(&path);
            make();
            let error = scratch.read(Tree::Files, name).unwrap_err();
            assert!(matches!(error, ReadError::NotAFile { .. }), "{error}");
            assert!(scratch.reader().open(Tree::Files, name).is_err());
        }
    }
}

/// A socket's address is limited to about a hundred bytes; a descriptor of its folder shortens it.
fn short(scratch: &Scratch, path: &Path) -> std::os::unix::net::SocketAddr {
    use std::os::unix::net::SocketAddr;
    let link = scratch.folder.path().join("d");
    let _ = fs::remove_file(&link);
    symlink(path.parent().unwrap(), &link).unwrap();
    SocketAddr::from_pathname(link.join(path.file_name().unwrap())).unwrap()
}

#[test]
fn a_name_of_absurd_size_asks_for_no_memory() {
    let scratch = Scratch::usual();
    let absurd = PfileName::new([1; 20], [2; 16], 1 << 62);
    let path = scratch.path(Tree::Files, &absurd);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"small").unwrap();
    assert!(matches!(
        scratch.read(Tree::Files, &absurd),
        Err(ReadError::SizeDiffers { found: 5, .. })
    ));
}

#[test]
fn a_repository_that_does_not_exist_is_named() {
    let scratch = Scratch::usual();
    let layout = Layout::new(scratch.folder.path().join("nowhere"), 3, Vec::new());
    for error in [
        Reader::new(layout.clone()).map(|_| ()).unwrap_err(),
        Importer::new(layout.clone(), None).map(|_| ()).unwrap_err(),
        roots_on_disk(&layout).map(|_| ()).unwrap_err(),
    ] {
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}

#[test]
fn what_counts_as_there_is_what_fossology_would_read() {
    let scratch = Scratch::new(1, &[("a", "* 00 ff"), ("b", "files 00 ff")]);
    let reader = Reader::new(scratch.layout.clone()).unwrap();
    let name = digest(b"content");
    let put = |host: &str, content: &[u8]| {
        let path = scratch.folder.path().join(host).join("files");
        let path = path.join(name.folders(1)).join(name.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    };
    let has = || reader.has(Tree::Files, &name).unwrap();
    assert!(!has());
    put("b", b"content");
    assert!(has() && !reader.has(Tree::Gold, &name).unwrap());
    // The first place counts, whatever lies there.
    let first = put("a", b"cut");
    assert!(!has());
    fs::remove_file(&first).unwrap();
    symlink("elsewhere", &first).unwrap();
    assert!(!has());
}
