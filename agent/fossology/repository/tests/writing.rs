// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Importing blobs: again, over damage, without room, by several at once.

use super::*;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

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
    importer.sync().unwrap();
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
        importer.sync().unwrap();
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
            importer.sync().unwrap();
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
            importer.sync().unwrap();
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
            importer.sync().unwrap();
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
    let importer = scratch.importer();
    importer.import(files(), &name, b"folder").unwrap();
    let error = importer.sync().unwrap_err();
    assert!(importer.sync().is_err(), "it is not forgotten");
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
    importer.sync().unwrap();
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
    importer.sync().unwrap();
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
    one.sync().unwrap();
    other.sync().unwrap();
    for blob in &blobs {
        for tree in Tree::ALL {
            assert_eq!(&scratch.read(tree, &digest(blob)).unwrap(), blob);
        }
    }
    assert_eq!(scratch.listing().len(), 2 * blobs.len());
}

#[test]
fn a_blob_gets_its_name_after_a_sync_together_with_others() {
    let scratch = Scratch::usual();
    let importer = scratch.importer();
    let blobs: Vec<Vec<u8>> = (0..super::super::pending::MOST as u32)
        .map(|number| number.to_le_bytes().into())
        .collect();
    let named = || {
        let listed = scratch.listing().into_iter();
        listed.filter(|path| !path.ends_with(".I")).count()
    };
    let (last, others) = blobs.split_last().unwrap();
    for blob in others {
        importer.import(files(), &digest(blob), blob).unwrap();
    }
    assert_eq!((named(), scratch.listing().len()), (0, others.len()));
    importer.import(files(), &digest(last), last).unwrap();
    assert_eq!(
        (named(), scratch.listing().len()),
        (blobs.len(), blobs.len())
    );

    importer.import(files(), &digest(b"one"), b"one").unwrap();
    assert_eq!(named(), blobs.len());
    // An importer that nobody asks to sync keeps what it has.
    drop(importer);
    assert_eq!(
        (named(), scratch.listing().len()),
        (blobs.len() + 1, blobs.len() + 1)
    );
}

#[test]
fn after_a_sync_that_failed_no_blob_gets_a_name() {
    thread_local!(static FAILS: std::cell::Cell<bool> = const { std::cell::Cell::new(true) });
    let scratch = Scratch::usual();
    let mut importer = scratch.importer();
    importer.trees.sync_by(|_| match FAILS.get() {
        true => Err(nix::errno::Errno::EIO),
        false => Ok(()),
    });
    importer.import(both(), &digest(b"one"), b"one").unwrap();
    let error = importer.sync().unwrap_err().to_string();
    assert!(error.contains("localhost/"), "{error}");
    assert!(scratch.listing().is_empty(), "{:?}", scratch.listing());

    // From now on the system says that all is well, which nobody can know.
    FAILS.set(false);
    importer.import(both(), &digest(b"two"), b"two").unwrap();
    importer.sync().unwrap_err();
    importer
        .import(both(), &digest(b"three"), b"three")
        .unwrap();
    drop(importer);
    assert!(scratch.listing().is_empty(), "{:?}", scratch.listing());

    // The same import by another run brings all of it.
    let again = scratch.importer();
    for blob in [&b"one"[..], b"two", b"three"] {
        again.import(both(), &digest(blob), blob).unwrap();
    }
    again.sync().unwrap();
    assert_eq!(scratch.listing().len(), 6, "{:?}", scratch.listing());
}

#[test]
fn trees_on_two_file_systems_get_a_copy_each() {
    let scratch = Scratch::usual();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return eprintln!("skipped: no second file system at /dev/shm");
    };
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    if device(elsewhere.path()) == device(scratch.folder.path()) {
        return eprintln!("skipped: /dev/shm is no file system of its own");
    }
    fs::create_dir(scratch.folder.path().join("localhost")).unwrap();
    symlink(
        elsewhere.path(),
        scratch.folder.path().join("localhost/files"),
    )
    .unwrap();
    let importer = scratch.importer();
    let name = digest(b"two disks");
    importer.import(both(), &name, b"two disks").unwrap();
    importer.sync().unwrap();
    for tree in Tree::ALL {
        assert_eq!(scratch.read(tree, &name).unwrap(), b"two disks");
        let metadata = fs::metadata(scratch.path(tree, &name)).unwrap();
        assert_eq!(metadata.nlink(), 1);
        assert_eq!(metadata.mode() & 0o7777, 0o660);
    }
    importer.sync().unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    if nix::unistd::geteuid().is_root() {
        // Root may write everywhere.
        return;
    }
    let scratch = Scratch::usual();
    fs::set_permissions(scratch.folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = scratch
        .importer()
        .import(files(), &digest(b"x"), b"x")
        .unwrap_err();
    fs::set_permissions(scratch.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(error, Error::NotAllowed { .. }), "{error}");
}

/// Runs the ignored test `name` of this file in a process of its own that can write no file
/// beyond 4 KiB: the only kind of full disk that needs neither root nor a mount.
#[test]
fn no_partial_file_stays_when_there_is_no_room() {
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" --ignored --exact \"$1\"";
    let child = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(format!(
            "{}::with_room_for_4_kib_a_file",
            module_path!().split_once("::").unwrap().1
        ))
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && output.contains("1 passed"),
        "{output}"
    );
}

#[test]
#[ignore = "run by no_partial_file_stays_when_there_is_no_room"]
fn with_room_for_4_kib_a_file() {
    let scratch = Scratch::usual();
    let importer = scratch.importer();
    let large = vec![5; 10_000];
    let name = digest(&large);
    let error = importer.import(both(), &name, &large).unwrap_err();
    assert!(error.to_string().contains("localhost/gold/"), "{error}");
    assert!(scratch.listing().is_empty(), "{:?}", scratch.listing());
    // What was there, even if damaged, is still there.
    importer.import(files(), &digest(b"x"), b"x").unwrap();
    importer.sync().unwrap();
    let path = scratch.path(Tree::Files, &name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, b"damaged").unwrap();
    importer.import(files(), &name, &large).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"damaged");
    assert_eq!(scratch.listing().len(), 2, "{:?}", scratch.listing());
}
