// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What users of a repository rely on, tried on a real folder.

use super::*;
use crate::blob::{HostName, PfileName, Tree, TreeSet, digest};
use crate::fossology::Error;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn both() -> TreeSet {
    TreeSet::of(Tree::Gold).with(Tree::Files)
}

fn files() -> TreeSet {
    TreeSet::of(Tree::Files)
}

/// A repository in a scratch folder.
struct Scratch {
    folder: TempDir,
    layout: Layout,
}

impl Scratch {
    fn new(depth: u8, ranges: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ranges = ranges
            .iter()
            .map(|(host, range)| Range::parse(HostName::new(*host).unwrap(), range).unwrap())
            .collect();
        let layout = Layout::new(folder.path(), depth, ranges);
        Self { folder, layout }
    }

    fn usual() -> Self {
        Self::new(3, &[("localhost", "* 00 ff")])
    }

    fn importer(&self) -> Importer {
        Importer::new(self.layout.clone(), None).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::new(self.layout.clone()).unwrap()
    }

    fn path(&self, tree: Tree, name: &PfileName) -> PathBuf {
        let host = self.layout.write_host(tree, name);
        let relative = self.layout.relative_path(host, tree, name);
        self.folder.path().join(relative)
    }

    fn read(&self, tree: Tree, name: &PfileName) -> Result<Vec<u8>, ReadError> {
        let mut buf = b"left over".to_vec();
        self.reader().read(tree, name, &mut buf).map(|_| ())?;
        Ok(buf)
    }

    /// Every file below the repository, as paths relative to it.
    fn listing(&self) -> Vec<String> {
        let walk = walkdir::WalkDir::new(self.folder.path()).sort_by_file_name();
        walk.into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_type().is_dir())
            .map(|entry| {
                let path = entry.path().strip_prefix(self.folder.path()).unwrap();
                path.to_str().unwrap().to_owned()
            })
            .collect()
    }
}

fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

#[test]
fn what_was_imported_is_read_back_at_every_depth() {
    for depth in [0, 1, 2, 3, 4, 20] {
        let scratch = Scratch::new(depth, &[("localhost", "* 00 ff")]);
        for content in [&b""[..], b"x", &[7; 100_000], &vec![9; 3 << 20]] {
            let name = digest(content);
            assert_eq!(
                scratch.importer().import(both(), &name, content).unwrap(),
                Imported::Written
            );
            for tree in Tree::ALL {
                assert_eq!(scratch.read(tree, &name).unwrap(), content);
                assert_eq!(fs::read(scratch.path(tree, &name)).unwrap(), content);
            }
            let (mut file, size) = scratch.reader().open(Tree::Gold, &name).unwrap();
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert_eq!((read.as_slice(), size), (content, name.size()));
        }
    }
}

#[test]
fn a_blob_of_both_trees_is_one_file_with_two_names() {
    let scratch = Scratch::usual();
    let name = digest(b"both");
    scratch.importer().import(both(), &name, b"both").unwrap();
    let [gold, files] = Tree::ALL.map(|tree| scratch.path(tree, &name));
    assert_eq!(inode(&gold), inode(&files));
    assert_eq!(scratch.listing().len(), 2, "{:?}", scratch.listing());
}

#[test]
fn a_second_import_touches_nothing() {
    let scratch = Scratch::usual();
    let name = digest(b"again");
    let importer = scratch.importer();
    importer.import(both(), &name, b"again").unwrap();
    let before = fs::metadata(scratch.path(Tree::Gold, &name)).unwrap();
    for _ in 0..2 {
        assert_eq!(
            importer.import(both(), &name, b"again").unwrap(),
            Imported::Kept
        );
        assert!(matches!(
            importer.begin(both(), &name).unwrap(),
            Begun::Done(Imported::Kept)
        ));
    }
    let after = fs::metadata(scratch.path(Tree::Gold, &name)).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
}

#[test]
fn what_is_missing_in_one_tree_is_linked_to_the_other() {
    for (missing, there) in [(Tree::Gold, Tree::Files), (Tree::Files, Tree::Gold)] {
        let scratch = Scratch::usual();
        let importer = scratch.importer();
        let name = digest(b"half");
        importer.import(TreeSet::of(there), &name, b"half").unwrap();
        let old = inode(&scratch.path(there, &name));
        assert_eq!(
            importer.import(both(), &name, b"half").unwrap(),
            Imported::Written
        );
        assert_eq!(inode(&scratch.path(missing, &name)), old);
        assert_eq!(inode(&scratch.path(there, &name)), old);
    }
}

#[test]
fn damage_is_replaced_and_good_neighbours_stay() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("other content of the same size", |path| {
            fs::write(path, b"DAMAGE").unwrap()
        }),
        ("cut", |path| fs::write(path, b"dam").unwrap()),
        ("empty", |path| fs::write(path, b"").unwrap()),
        ("a symbolic link to a good copy", |path| {
            let copy = path.with_extension("copy");
            fs::rename(path, &copy).unwrap();
            symlink(&copy, path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        for large in [false, true] {
            let scratch = Scratch::usual();
            let importer = scratch.importer();
            let name = digest(b"damage");
            importer
                .import(TreeSet::of(Tree::Gold), &name, b"damage")
                .unwrap();
            // A copy of its own, as some instances have it.
            let [gold, files] = Tree::ALL.map(|tree| scratch.path(tree, &name));
            fs::create_dir_all(files.parent().unwrap()).unwrap();
            fs::copy(&gold, &files).unwrap();
            let good = inode(&gold);
            damage(&files);
            let imported = if large {
                match importer.begin(both(), &name).unwrap() {
                    Begun::Done(imported) => imported,
                    Begun::Write(_) => panic!("{what}: gold has it"),
                }
            } else {
                importer.import(both(), &name, b"damage").unwrap()
            };
            assert_eq!(imported, Imported::Replaced, "{what}");
            assert!(fs::symlink_metadata(&files).unwrap().is_file(), "{what}");
            assert_eq!(
                scratch.read(Tree::Files, &name).unwrap(),
                b"damage",
                "{what}"
            );
            assert_eq!(inode(&gold), good, "{what}");

            damage(&gold);
            damage(&files);
            assert_eq!(
                importer.import(both(), &name, b"damage").unwrap(),
                Imported::Replaced
            );
            for tree in Tree::ALL {
                assert_eq!(scratch.read(tree, &name).unwrap(), b"damage", "{what}");
            }
        }
    }
}

#[test]
fn a_folder_in_the_place_of_a_file_is_reported_and_left_alone() {
    let scratch = Scratch::usual();
    let name = digest(b"folder");
    let path = scratch.path(Tree::Files, &name);
    fs::create_dir_all(path.join("inside")).unwrap();
    let error = scratch
        .importer()
        .import(files(), &name, b"folder")
        .unwrap_err();
    assert!(
        matches!(&error, Error::FolderInTheWay { path: p } if *p == path),
        "{error}"
    );
    assert!(path.join("inside").is_dir());
    assert!(scratch.listing().is_empty(), "{:?}", scratch.listing());
}

#[test]
fn modes_are_as_fossology_wants_them() {
    let scratch = Scratch::usual();
    let name = digest(b"modes");
    scratch.importer().import(both(), &name, b"modes").unwrap();
    for tree in Tree::ALL {
        let path = scratch.path(tree, &name);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o660);
        let above = path.ancestors().skip(1);
        for folder in above.take_while(|folder| *folder != scratch.folder.path()) {
            assert_eq!(mode(folder), 0o2770, "{}", folder.display());
        }
    }
}

#[test]
fn an_existing_trees_group_is_handed_down() {
    if !nix::unistd::geteuid().is_root() {
        // Only root may give a folder to a group that it is not in.
        return;
    }
    let scratch = Scratch::usual();
    let files_folder = scratch.folder.path().join("localhost/files");
    fs::create_dir_all(&files_folder).unwrap();
    std::os::unix::fs::chown(&files_folder, None, Some(4711)).unwrap();
    fs::set_permissions(&files_folder, fs::Permissions::from_mode(0o2770)).unwrap();
    let name = digest(b"group");
    scratch.importer().import(files(), &name, b"group").unwrap();
    let path = scratch.path(Tree::Files, &name);
    assert_eq!(fs::metadata(&path).unwrap().gid(), 4711);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().gid(), 4711);

    let owner = Owner {
        uid: 4712,
        gid: 4713,
    };
    let importer = Importer::new(scratch.layout.clone(), Some(owner)).unwrap();
    let name = digest(b"owner");
    importer.import(both(), &name, b"owner").unwrap();
    let path = scratch.path(Tree::Gold, &name);
    for made in [
        path.as_path(),
        path.parent().unwrap(),
        &scratch.folder.path().join("localhost/gold"),
    ] {
        let metadata = fs::metadata(made).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (4712, 4713),
            "{}",
            made.display()
        );
    }
    assert_eq!(
        fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777,
        0o2770
    );
}

#[test]
fn blobs_go_to_the_host_of_their_range_and_are_read_from_its_fall_backs() {
    let scratch = Scratch::new(2, &[("a", "* 00 ff"), ("b", "files 00 ff")]);
    let name = digest(b"hosts");
    scratch.importer().import(files(), &name, b"hosts").unwrap();
    let first = scratch.path(Tree::Files, &name);
    assert!(first.starts_with(scratch.folder.path().join("a/files")));

    let second = scratch
        .folder
        .path()
        .join("b/files")
        .join(name.folders(2))
        .join(name.to_string());
    fs::create_dir_all(second.parent().unwrap()).unwrap();
    fs::rename(&first, &second).unwrap();
    let reader = scratch.reader();
    let mut buf = Vec::new();
    let found = reader.read(Tree::Files, &name, &mut buf).unwrap();
    assert_eq!(found.host.map(HostName::as_str), Some("b"));
    assert!(!found.in_first_place);
    // FOSSology finds it there, so it is not stored a second time.
    assert_eq!(
        scratch.importer().import(files(), &name, b"hosts").unwrap(),
        Imported::Kept
    );
    assert!(!first.exists());
    // What FOSSology would find first must be good.
    fs::write(&first, b"xxxxx").unwrap();
    assert_eq!(
        scratch.importer().import(files(), &name, b"hosts").unwrap(),
        Imported::Replaced
    );
    assert_eq!(fs::read(&first).unwrap(), b"hosts");
}

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
fn a_large_blob_comes_in_pieces_and_only_whole() {
    let scratch = Scratch::usual();
    let importer = scratch.importer();
    let name = digest(b"first second");
    let begin = || match importer.begin(both(), &name).unwrap() {
        Begun::Write(blob) => blob,
        Begun::Done(_) => panic!("it is not there"),
    };
    let mut dropped = begin();
    dropped.write_all(b"first ").unwrap();
    assert_eq!(scratch.listing().len(), 1);
    assert!(scratch.listing()[0].ends_with(".I"));
    drop(dropped);
    assert!(scratch.listing().is_empty());

    let mut cut = begin();
    cut.write_all(b"first ").unwrap();
    assert!(cut.commit().unwrap_err().to_string().contains("6 bytes"));
    assert!(scratch.listing().is_empty());

    let mut whole = begin();
    whole.write_all(b"first ").unwrap();
    whole.write_all(b"second").unwrap();
    assert_eq!(whole.commit().unwrap(), Imported::Written);
    assert_eq!(scratch.read(Tree::Gold, &name).unwrap(), b"first second");
    assert_eq!(scratch.read(Tree::Files, &name).unwrap(), b"first second");
    importer.sync().unwrap();
}

#[test]
fn two_importers_of_the_same_blobs_do_not_disturb_each_other() {
    let scratch = Scratch::usual();
    let blobs: Vec<Vec<u8>> = (0..200u32).map(|i| i.to_le_bytes().repeat(50)).collect();
    let (one, other) = (scratch.importer(), scratch.importer());
    std::thread::scope(|scope| {
        for importer in [&one, &one, &other, &other] {
            scope.spawn(|| {
                for blob in &blobs {
                    importer.import(both(), &digest(blob), blob).unwrap();
                }
            });
        }
    });
    for blob in &blobs {
        for tree in Tree::ALL {
            assert_eq!(&scratch.read(tree, &digest(blob)).unwrap(), blob);
        }
    }
    assert_eq!(scratch.listing().len(), 2 * blobs.len());
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
