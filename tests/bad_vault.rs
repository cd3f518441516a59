// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Vaults that are somebody else's, in the wrong place, damaged, or closed.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::PfileName;
use fossology_backup::demo::snapshot_tree;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use support::trouble::{ending, files, give, unprivileged};
use support::world::{Called, World};

/// How many of the blobs that the database needs are there. Whatever has a blob's name must be
/// what the name says.
fn good_blobs(world: &World) -> usize {
    let repository = world.sample().repository();
    let found = snapshot_tree(repository).unwrap();
    for (path, state) in &found {
        let name = path.file_name().unwrap().to_str();
        if let Some(name) = name.and_then(|name| name.parse::<PfileName>().ok()) {
            let sha1 = name.to_string()[..40].to_lowercase();
            assert_eq!(state.sha1, sha1, "{} is wrong", path.display());
        }
    }
    let needed = world.sample().needed_blobs();
    let paths = needed.iter().flat_map(|blob| &blob.paths);
    paths
        .filter(|path| found.contains_key(path.strip_prefix(repository).unwrap()))
        .count()
}

/// How many blobs have to be there.
fn all_blobs(world: &World) -> usize {
    let needed = world.sample().needed_blobs();
    needed.iter().map(|blob| blob.paths.len()).sum()
}

fn lose_repository(world: &World) {
    for entry in fs::read_dir(world.sample().repository()).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() * 2 / 3)
        .unwrap();
}

#[test]
fn a_vault_is_made_only_where_nothing_is_lost_by_it() {
    let world = World::new();
    let vault = world.vault();
    world
        .call(&["backup"])
        .expect(10)
        .says("no vault at")
        .says("init");
    world.call(&["snapshots"]).expect(10);

    // Something else lies there.
    fs::create_dir(&vault).unwrap();
    fs::write(vault.join("letter.txt"), "dear").unwrap();
    world.call(&["init"]).expect(1).says("not empty");
    assert_eq!(files(&vault), [vault.join("letter.txt")]);
    fs::remove_file(vault.join("letter.txt")).unwrap();
    fs::write(world.path("a file"), "").unwrap();
    let place = world.path("a file");
    world.call_at(&place, &["init"]).expect(1).says("a file");

    // An init that was killed has written the instructions, and no more.
    world.call(&["init"]).expect(0);
    fs::remove_file(vault.join("vault.json")).unwrap();
    world.call(&["init"]).expect(0);

    let head = fs::read(vault.join("vault.json")).unwrap();
    world.call(&["init"]).expect(0);
    assert_eq!(fs::read(vault.join("vault.json")).unwrap(), head);
}

#[test]
fn a_vault_must_not_lie_in_the_repository() {
    let world = World::new();
    let repository = world.sample().repository();
    let inside = repository.join("backup");
    let link = world.path("link");
    symlink(repository, &link).unwrap();
    for place in [
        inside.clone(),
        inside.join("deeper"),
        link.join("backup"),
        repository.to_owned(),
        world.path("scratch/../instance/fossology/repository/backup"),
    ] {
        world
            .call_at(place, &["init"])
            .expect(1)
            .says("inside the repository");
    }
    for place in ["backup", "./backup", "a/b"] {
        let mut command = world.command_at(place, &["init"]);
        command.current_dir(repository);
        Called::new(&command.output().unwrap())
            .expect(1)
            .says("inside the repository");
    }
    assert!(!inside.exists());
    // One that was moved there later is refused too.
    world.call(&["init"]).expect(0);
    fs::rename(world.vault(), &inside).unwrap();
    for verb in [&["backup"][..], &["init"]] {
        world
            .call_at(&inside, verb)
            .expect(1)
            .says("inside the repository");
    }
}

#[test]
fn a_vault_may_have_any_name() {
    let world = World::new();
    for (name, place) in [
        (
            "it's a \"vault\" $(x) ü",
            world.path("it's a \"vault\" $(x) ü"),
        ),
        ("./relative", world.path("relative")),
        ("new/folders", world.path("new/folders")),
        ("new/../sideways", world.path("sideways")),
    ] {
        let call = |verb: &[&str]| {
            let mut command = world.command_at(name, verb);
            command.current_dir(world.folder.path());
            Called::new(&command.output().unwrap())
        };
        call(&["init"]).expect(0);
        call(&["backup"]).expect(0);
        call(&["restore", "latest", "--no-database"]).expect(0);
        assert!(place.join("vault.json").is_file(), "{}", place.display());
    }
    world
        .call_at("s4://bucket", &["init"])
        .expect(2)
        .says("s4://");
}

#[test]
fn nobody_else_can_look_into_a_vault() {
    let world = World::with_vault();
    world.backup("full");
    world
        .call(&["restore", "latest", "--no-database"])
        .expect(0);
    for entry in walkdir::WalkDir::new(world.vault()) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o7777;
        let expected = if entry.file_type().is_dir() {
            0o700
        } else {
            0o600
        };
        assert_eq!(mode, expected, "{}", entry.path().display());
    }
    assert!(!world.vault().join("tmp").exists() || files(&world.vault().join("tmp")).is_empty());
    assert!(files(&world.vault().join("locks")).is_empty());
    assert_eq!(fs::read_dir(world.path("scratch")).unwrap().count(), 0);
}

#[test]
fn a_vault_of_another_instance_is_not_mixed_up() {
    let world = World::with_vault();
    let mut other = World::new();
    let place = world.vault();
    for verb in ["init", "backup"] {
        other
            .call_at(&place, &[verb])
            .expect(1)
            .says("belongs to FOSSology instance");
    }
    assert_eq!(
        ending(&world.vault(), ".json"),
        [world.vault().join("vault.json")]
    );
    // On purpose, as on a new machine, it may.
    other.call_at(&place, &["init", "--adopt"]).expect(0);
    let upload = other.sample().uploads()[0];
    other.sample_mut().delete_upload(upload, 0).unwrap();
    other.call_at(&place, &["backup"]).expect(0);
    other
        .call_at(world.path("none"), &["init", "--adopt"])
        .expect(10);
}

#[test]
fn vault_json_says_what_is_wrong_with_it() {
    let world = World::with_vault();
    world.backup("full");
    let path = world.vault().join("vault.json");
    let head = fs::read_to_string(&path).unwrap();
    let all = |code: i32, words: &str| {
        for verb in [
            &["snapshots"][..],
            &["backup"],
            &["restore", "latest"],
            &["init"],
        ] {
            world.call(verb).expect(code).says(words);
        }
    };
    fs::write(
        &path,
        head.replace("\"format\": 1", "\"format\": 2, \"new\": []"),
    )
    .unwrap();
    all(1, "newer than this program knows");
    fs::write(&path, "").unwrap();
    all(1, "vault.json in the vault is damaged");
    fs::remove_file(&path).unwrap();
    world.call(&["init"]).expect(1).says("not empty");
    world.call(&["snapshots"]).expect(10);

    for at in (0..head.len()).step_by(3) {
        fs::write(&path, &head).unwrap();
        flip(&path, at);
        let called = world.call(&["snapshots"]);
        // In the middle of an id a flipped bit makes another id.
        assert!(
            [0, 1].contains(&called.code),
            "byte {at}: {}",
            called.stderr
        );
        assert!(
            called.code == 0 || called.stderr.contains("vault"),
            "{}",
            called.stderr
        );
    }
    fs::write(&path, &head).unwrap();
    assert_eq!(world.backup("full")["counts"]["new"], 0);
}

#[test]
fn a_damaged_snapshot_hides_no_other() {
    let world = World::with_vault();
    world.backup("full");
    let second = world.backup("full");
    let snapshots = ending(&world.vault().join("snapshots"), ".json");
    cut(&snapshots[0]);
    let called = world.call(&["--json", "snapshots"]).expect(3);
    assert_eq!(
        called.json()["snapshots"][0]["snapshot"],
        second["snapshot"]
    );
    let name = snapshots[0].file_name().unwrap().to_str().unwrap();
    assert!(called.json()["unreadable"].to_string().contains(name));
    world
        .call(&["restore", name.trim_end_matches(".json")])
        .expect(1)
        .says(name);
    world.call(&["restore", "latest"]).expect(0);
    world.backup("full");
    // When it is the latest, the next backup does without it.
    let snapshots = ending(&world.vault().join("snapshots"), ".json");
    cut(snapshots.last().unwrap());
    world.call(&["restore", "latest"]).expect(1).says("damaged");
    world.backup("full");
    world.call(&["restore", "latest"]).expect(0);
}

#[test]
fn after_damage_the_next_backup_is_whole() {
    let world = World::with_vault();
    world.backup("full");
    type Damage = fn(&Path);
    let damages: [(&str, &str, Damage); 5] = [
        ("cut packs", ".tar.zst", cut),
        ("emptied packs", ".tar.zst", |path| {
            fs::write(path, "").unwrap()
        }),
        ("missing packs", ".tar.zst", |path| {
            fs::remove_file(path).unwrap()
        }),
        ("missing indexes", ".idx", |path| {
            fs::remove_file(path).unwrap()
        }),
        ("cut indexes", ".idx", cut),
    ];
    for (what, end, damage) in damages {
        for path in ending(&world.vault().join("packs"), end) {
            damage(&path);
        }
        let report = world.backup("full");
        if end == ".idx" {
            assert_eq!(report["counts"]["new"], 0, "{what}: {report}");
        }
        lose_repository(&world);
        world
            .call(&["restore", "latest", "--no-database"])
            .expect(0);
        assert_eq!(good_blobs(&world), all_blobs(&world), "{what}");
    }
}

#[test]
fn a_restore_names_what_a_damaged_vault_does_not_give() {
    let world = World::with_vault();
    world.backup("full");
    let packs = ending(&world.vault().join("packs"), ".tar.zst");
    let indexes = ending(&world.vault().join("packs"), ".idx");
    assert!(packs.len() >= 2, "gold and files are apart");
    let restore = |code: i32| {
        lose_repository(&world);
        let called = world.call(&["--json", "restore", "latest", "--no-database"]);
        (called.expect(code).json(), good_blobs(&world))
    };
    let (_, all) = restore(0);

    for index in &indexes {
        fs::remove_file(index).unwrap();
    }
    assert_eq!(restore(0).1, all);
    assert_eq!(ending(&world.vault().join("packs"), ".idx"), indexes);
    flip(&indexes[0], 100);
    assert_eq!(restore(0).1, all);

    let pack = fs::read(&packs[0]).unwrap();
    let id = packs[0].file_name().unwrap().to_str().unwrap();
    let id = id.trim_end_matches(".tar.zst");
    for damage in [cut, |path: &Path| fs::remove_file(path).unwrap()] {
        damage(&packs[0]);
        let (report, some) = restore(3);
        assert!(report["damaged"].to_string().contains(id), "{report}");
        assert!(0 < some && some < all);
        fs::write(&packs[0], &pack).unwrap();
    }
    assert_eq!(restore(0).1, all);

    let chunks = files(&world.vault().join("database"));
    for chunk in &chunks {
        flip(chunk, fs::metadata(chunk).unwrap().len() as usize / 2);
    }
    world
        .call(&["restore", "latest"])
        .expect(1)
        .says("database/")
        .says("damaged");
    // The old database is as it was, and what is not of it still comes back.
    assert!(world.sample().connect().is_ok());
    let (report, some) = restore(3);
    assert!(!report["other_failures"].as_array().unwrap().is_empty());
    assert_eq!(some, all);
}

#[test]
fn whatever_bit_is_flipped_nothing_wrong_is_restored() {
    let world = World::with_vault();
    world.backup("full");
    let seed: u64 = 20_261_124;
    println!("seed {seed}");
    let mut random = fossology_backup::demo::sample::Random::new(seed);
    let objects: Vec<PathBuf> = files(&world.vault())
        .into_iter()
        .filter(|path| !path.starts_with(world.vault().join("locks")))
        .collect();
    for _ in 0..16 {
        let path = &objects[random.below(objects.len())];
        let bytes = fs::read(path).unwrap();
        let at = random.below(bytes.len());
        flip(path, at);
        lose_repository(&world);
        let called = world.call(&["restore", "latest", "--no-database"]);
        let inside = path.strip_prefix(world.vault()).unwrap().display();
        assert!(
            [0, 1, 3].contains(&called.code),
            "byte {at} of {inside} ends with {}:\n{}",
            called.code,
            called.stderr
        );
        good_blobs(&world);
        fs::write(path, bytes).unwrap();
    }
    world.call(&["restore", "latest"]).expect(0);
}

#[test]
fn a_file_system_of_its_own_is_a_good_place_for_a_vault() {
    let world = World::new();
    // As mkfs leaves it: with a folder that only root may enter.
    let closed = world.vault().join("lost+found");
    fs::create_dir_all(&closed).unwrap();
    give(&world.vault());
    give(&world.path("instance"));
    give(&world.path("scratch"));
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(&closed, mode(0o000)).unwrap();
    for arguments in [
        &["init"][..],
        &["backup"],
        &["init"],
        &["restore", "latest"],
    ] {
        let mut command = unprivileged(world.command(arguments));
        Called::new(&command.output().unwrap()).expect(0);
    }
    fs::set_permissions(&closed, mode(0o700)).unwrap();
}

#[test]
fn a_vault_that_cannot_be_written_can_be_restored_from() {
    let world = World::with_vault();
    world.backup("full");
    give(&world.path("instance"));
    give(&world.path("scratch"));
    give(&world.vault());
    for entry in walkdir::WalkDir::new(world.vault()).contents_first(true) {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() {
            0o500
        } else {
            0o400
        };
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(entry.path(), permissions).unwrap();
    }
    let call =
        |arguments: &[&str]| Called::new(&unprivileged(world.command(arguments)).output().unwrap());

    lose_repository(&world);
    call(&["snapshots"]).expect(0);
    call(&["restore", "latest"])
        .expect(0)
        .says("without a lease");
    assert_eq!(good_blobs(&world), all_blobs(&world));
    let vault = world.vault().display().to_string();
    call(&["backup"])
        .expect(1)
        .says(&vault)
        .says("ermission denied");

    // So that it can be removed.
    for entry in walkdir::WalkDir::new(world.vault()) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(entry.path(), permissions).unwrap();
        }
    }
}
