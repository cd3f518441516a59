// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check says of files and folders that are not as they have to be: exactly the damage
//! that was done, under the right name, and nothing else.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, digest};
use fossology_backup::demo::sample::StoredBlob;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use support::checked::{counts, expect, in_files_only};
use support::world::World;

#[test]
fn what_lies_where_nobody_looks_is_misplaced_and_not_missing() {
    let world = World::new();
    let repository = world.sample().repository().to_owned();
    let blobs = in_files_only(&world);
    let move_to = |blob: &StoredBlob, folder: &str| {
        let folder = repository.join(folder);
        fs::create_dir_all(&folder).unwrap();
        let mut part = folder.as_path();
        while part != repository {
            fs::set_permissions(part, fs::Permissions::from_mode(0o2770)).unwrap();
            part = part.parent().unwrap();
        }
        let to = folder.join(blob.name.to_string());
        fs::rename(&blob.paths[0], &to).unwrap();
        to
    };
    let host = |blob: &StoredBlob, other: bool| {
        if (blob.name.sha1()[0] < 0x80) == other {
            "beta"
        } else {
            "alpha"
        }
    };
    let folders = |blob: &StoredBlob, depth| blob.name.folders(depth);

    // On the other host; on a host that the configuration does not know; without a host.
    let hosts = &blobs[0..3];
    move_to(
        &hosts[0],
        &format!("{}/files/{}", host(&hosts[0], true), folders(&hosts[0], 3)),
    );
    move_to(
        &hosts[1],
        &format!("old host/files/{}", folders(&hosts[1], 3)),
    );
    move_to(&hosts[2], &format!("files/{}", folders(&hosts[2], 3)));
    let report = expect(&world, &[], &[("wrong_place", 3)]);
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["host"] == "old host"),
        "{report:#}"
    );
    assert_eq!(report["uploads"].as_array().unwrap().len(), {
        let hit = |upload: &i32| {
            world
                .sample()
                .blobs_of(*upload)
                .iter()
                .any(|b| hosts.contains(b))
        };
        world
            .sample()
            .uploads()
            .iter()
            .filter(|upload| hit(upload))
            .count()
    });

    // Too few levels, too many, none at all.
    for (blob, depth) in [(&blobs[3], 2), (&blobs[4], 4), (&blobs[5], 0)] {
        move_to(
            blob,
            &format!("{}/files/{}", host(blob, false), folders(blob, depth)),
        );
    }
    expect(&world, &[], &[("wrong_place", 3), ("wrong_depth", 3)]);

    // In folders of another name, near and far, and in one that is none.
    let other = |blob: &StoredBlob| {
        let mut sha1 = *blob.name.sha1();
        sha1[0] ^= 1;
        PfileName::new(sha1, *blob.name.md5(), 0).folders(3)
    };
    move_to(
        &blobs[6],
        &format!("{}/files/{}", host(&blobs[6], false), other(&blobs[6])),
    );
    let first = folders(&blobs[7], 1);
    move_to(
        &blobs[7],
        &format!("{}/files/{first}00/00", host(&blobs[7], false)),
    );
    move_to(&blobs[8], "alpha/files/lost and found");
    let report = expect(&world, &[], &[("wrong_place", 6), ("wrong_depth", 3)]);
    for finding in report["findings"].as_array().unwrap() {
        if finding["kind"] != "orphan" {
            assert!(
                repository.join(finding["path"].as_str().unwrap()).is_file(),
                "{finding}"
            );
            assert_ne!(finding["uploads"], Value::Null, "{finding}");
        }
    }
    expect(
        &world,
        &["--deep"],
        &[("wrong_place", 6), ("wrong_depth", 3)],
    );
}

#[test]
fn a_later_host_of_the_configuration_is_a_fallback() {
    let world = World::new();
    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(
        &conf,
        text.replace("alpha[] = * 00 7f", "alpha[] = * 00 ff"),
    )
    .unwrap();
    let report = world.call(&["--json", "check"]).expect(0).json();
    let later = |blob: &&StoredBlob| blob.name.sha1()[0] >= 0x80;
    let needed = world.sample().needed_blobs();
    let expected: usize = needed
        .iter()
        .filter(later)
        .map(|blob| blob.paths.len())
        .sum();
    assert_eq!(
        counts(&report),
        BTreeMap::from([("in_fallback".into(), expected as u64)])
    );
    for orphan in world.sample().orphans() {
        orphan
            .paths
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
    }
    world.call(&["check"]).expect(0);
}

#[test]
fn rubbish_is_told_by_its_name_and_a_link_is_no_blob() {
    let world = World::new();
    let tree = world.sample().repository().join("alpha/files");
    let blob = in_files_only(&world)
        .into_iter()
        .find(|blob| blob.paths[0].starts_with(&tree))
        .unwrap();
    let leaf = blob.paths[0].parent().unwrap();
    fs::write(leaf.join(format!("{}.I", blob.name)), "half").unwrap();
    fs::write(
        leaf.join(format!("{}.0123456789abcdef.I", blob.name)),
        "half",
    )
    .unwrap();
    fs::write(leaf.join(format!("{}.meta", blob.name)), "meta").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"gr\xfc\xdfe \x1b[2J.txt");
    fs::write(leaf.join(odd), "odd").unwrap();
    fs::write(tree.join("readme"), "in the root").unwrap();
    fs::write(leaf.parent().unwrap().join("notes"), "between").unwrap();
    symlink("/etc/passwd", leaf.join("link")).unwrap();
    symlink("/nowhere", tree.join("zz")).unwrap();
    nix::unistd::mkfifo(&leaf.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let left = world.sample().repository().join("agent-host/ununpack/77");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("large"), vec![0; 5000]).unwrap();
    let report = expect(&world, &[], &[("debris", 10)]);
    let findings = report["findings"].as_array().unwrap();
    let path = |end: &str| {
        let ends = |finding: &&Value| finding["path"].as_str().unwrap_or("").ends_with(end);
        findings
            .iter()
            .find(ends)
            .unwrap_or_else(|| panic!("{end} in {report:#}"))
    };
    assert!(
        path("/gr\\xfc\\xdfe \\u{1b}[2J.txt")["detail"]
            .as_str()
            .unwrap()
            .contains("without the name")
    );
    assert!(path(".meta")["detail"].as_str().unwrap().contains("crash"));
    assert_eq!(path("agent-host/ununpack/77")["bytes"], 5000);
    expect(&world, &["--deep"], &[("debris", 10)]);

    // What the upload on its way uses is no rubbish.
    let arriving = world.sample().upload_named("arriving-1.1.tar.gz").unwrap();
    fs::rename(&left, left.with_file_name(arriving.to_string())).unwrap();
    expect(&world, &[], &[("debris", 9), ("in_flight", 1)]);

    // In the place of a blob a link does not count, as a backup does not follow it.
    fs::rename(&blob.paths[0], world.path("kept")).unwrap();
    symlink(world.path("kept"), &blob.paths[0]).unwrap();
    expect(
        &world,
        &["--deep"],
        &[("debris", 10), ("in_flight", 1), ("missing", 1)],
    );
}

#[test]
fn folders_may_be_links_to_another_disk() {
    let world = World::new();
    let blob = in_files_only(&world).remove(0);
    let leaf = blob.paths[0].parent().unwrap();
    let first = leaf.parent().unwrap().parent().unwrap();
    for folder in [leaf, first] {
        let elsewhere = world.path(&format!("disk-{}", folder.file_name().unwrap().display()));
        fs::rename(folder, &elsewhere).unwrap();
        symlink(&elsewhere, folder).unwrap();
        expect(&world, &["--deep"], &[]);
    }
    // A second name of a host, as kept after a renaming, doubles nothing.
    symlink("alpha", world.sample().repository().join("alias")).unwrap();
    expect(&world, &[], &[]);
}

#[test]
fn modes_and_groups_that_make_jobs_fail_are_told() {
    let world = World::new();
    let blobs = in_files_only(&world);
    let set =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (blob, mode) in blobs.iter().zip([0o660, 0o2660, 0o2664, 0o664]) {
        set(&blob.paths[0], mode);
    }
    expect(&world, &[], &[]);
    set(&blobs[0].paths[0], 0o640);
    set(blobs[1].paths[0].parent().unwrap(), 0o770);
    let report = expect(&world, &[], &[("wrong_mode", 2)]);
    let details: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["detail"].as_str())
        .collect();
    assert!(
        details.iter().any(|detail| detail.contains("0640")),
        "{details:?}"
    );
    assert!(
        details
            .iter()
            .any(|detail| detail.contains("0770, expected 2770")),
        "{details:?}"
    );

    // Another group than the configuration's; only where there is one that is not ours.
    let conf = world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let ours = nix::unistd::Group::from_gid(nix::unistd::getegid())
        .unwrap()
        .unwrap()
        .name;
    let other = if ours == "daemon" { "bin" } else { "daemon" };
    let group = |name: &str| format!("PROJECTGROUP={name}\n");
    fs::write(&conf, text.replace(&group(&ours), &group(other))).unwrap();
    let report = world.call(&["--json", "check"]).expect(3).json();
    let wrong = counts(&report)["wrong_owner"];
    assert!(
        wrong > world.sample().needed_blobs().len() as u64,
        "{wrong}"
    );
    // A group that this host does not know cannot be compared with.
    fs::write(&conf, text.replace(&group(&ours), &group("no-such-group"))).unwrap();
    expect(&world, &[], &[("wrong_mode", 2)]);
}

#[test]
fn a_repository_that_is_not_there_is_an_error_and_an_empty_one_a_loss() {
    let world = World::new();
    let repository = world.sample().repository().to_owned();
    fs::rename(&repository, world.path("away")).unwrap();
    world
        .call(&["check"])
        .expect(1)
        .says("reading the repository")
        .says(repository.to_str().unwrap());
    fs::write(&repository, "no folder").unwrap();
    world
        .call(&["check"])
        .expect(1)
        .says("reading the repository");
    fs::remove_file(&repository).unwrap();
    fs::create_dir(&repository).unwrap();
    let report = world.call(&["--json", "check"]).expect(3).json();
    let found = &report["counts"];
    // All but what the upload on its way needs alone.
    let all =
        found["missing"]["count"].as_u64().unwrap() + found["in_flight"]["count"].as_u64().unwrap();
    assert_eq!(all, world.sample().needed_blobs().len() as u64, "{found:#}");
    assert_eq!(
        found["missing"]["recovery"],
        json!({"lost": found["missing"]["count"]})
    );
}

#[test]
fn a_folder_that_cannot_be_read_hides_its_blobs_and_stops_nothing() {
    if nix::unistd::geteuid().is_root() {
        return; // root reads everything; the merge's own tests have the case
    }
    let world = World::new();
    let blob = in_files_only(&world).remove(0);
    let leaf = blob.paths[0].parent().unwrap();
    fs::set_permissions(leaf, fs::Permissions::from_mode(0o0)).unwrap();
    let report = expect(&world, &[], &[("unreadable", 1)]);
    assert_eq!(report["hidden"], 1);
    fs::set_permissions(leaf, fs::Permissions::from_mode(0o2770)).unwrap();
    fs::set_permissions(&blob.paths[0], fs::Permissions::from_mode(0o0)).unwrap();
    expect(&world, &["--deep"], &[("unreadable", 1), ("wrong_mode", 1)]);
}

#[test]
fn without_levels_of_folders_all_is_one_shard() {
    let options = fossology_backup::demo::sample::Options {
        depth: 0,
        ..Default::default()
    };
    let world = World::with(options);
    expect(&world, &["--deep"], &[]);
    let blob = in_files_only(&world).remove(0);
    fs::remove_file(&blob.paths[0]).unwrap();
    let content = b"nothing needs this";
    let tree = blob.paths[0].parent().unwrap();
    fs::write(tree.join(digest(content).to_string()), content).unwrap();
    expect(&world, &[], &[("missing", 1), ("orphan", 1)]);
}
