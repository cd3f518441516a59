// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check finds: exactly the damage that was done, under the right name, and nothing else.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

use fossology_backup::blob::{PfileName, Tree, TreeSet, digest};
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use support::world::World;

/// What the sample has from the start: five blobs of a deleted upload were forgotten, one of them
/// in both trees.
const ORPHANS: u64 = 6;

/// How often each kind was found, the sample's own orphans aside.
#[track_caller]
fn counts(report: &Value) -> BTreeMap<String, u64> {
    let counts = report["counts"].as_object().unwrap().iter();
    let mut counts: BTreeMap<String, u64> = counts
        .map(|(kind, tally)| (kind.clone(), tally["count"].as_u64().unwrap()))
        .collect();
    let orphans = counts.remove("orphan").unwrap();
    if orphans > ORPHANS {
        counts.insert("orphan".into(), orphans - ORPHANS);
    }
    counts
}

/// Checks and expects these findings, and nothing else beside the sample's orphans.
#[track_caller]
fn expect(world: &World, arguments: &[&str], expected: &[(&str, u64)]) -> Value {
    let arguments = [&["--json", "check"], arguments].concat();
    let report = world.call(&arguments).expect(3).json();
    let expected: BTreeMap<String, u64> = expected
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), *count))
        .collect();
    assert_eq!(counts(&report), expected, "{report:#}");
    report
}

/// The only finding of a kind.
#[track_caller]
fn only<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap().iter();
    let mut findings = findings.filter(|finding| finding["kind"] == kind);
    let first = findings.next().unwrap();
    assert!(findings.next().is_none(), "{report:#}");
    first
}

/// Needed blobs that lie in files only, so that nothing else has them.
fn in_files_only(world: &World) -> Vec<StoredBlob> {
    let blobs = world.sample().needed_blobs().into_iter();
    blobs
        .filter(|blob| blob.trees == TreeSet::of(Tree::Files) && blob.name.size() > 0)
        .collect()
}

/// The blobs of an upload that no other upload needs.
fn own_blobs(world: &World, upload: i32) -> Vec<StoredBlob> {
    let others: Vec<PfileName> = world
        .sample()
        .uploads()
        .into_iter()
        .filter(|other| *other != upload)
        .flat_map(|other| world.sample().blobs_of(other))
        .map(|blob| blob.name)
        .collect();
    let blobs = world.sample().blobs_of(upload).into_iter();
    blobs.filter(|blob| !others.contains(&blob.name)).collect()
}

/// Everything about every file and folder that a check must not change.
fn traces(path: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, i64, SystemTime)> {
    let entries = walkdir::WalkDir::new(path).into_iter().map(Result::unwrap);
    entries
        .map(|entry| {
            let data = entry.metadata().unwrap();
            let times = (data.atime_nsec(), data.mtime_nsec(), data.ctime_nsec());
            let trace = (
                data.mode(),
                data.ino(),
                if data.is_file() { times.0 } else { 0 },
                times.1,
                times.2,
                data.modified().unwrap(),
            );
            (entry.into_path(), trace)
        })
        .collect()
}

#[test]
fn a_whole_instance_shows_what_a_deletion_forgot_and_what_is_on_its_way() {
    let world = World::new();
    let before = traces(world.sample().repository());
    let report = expect(&world, &[], &[]);
    assert_eq!(
        report["needed"]["count"],
        world.sample().needed_blobs().len()
    );
    let paths = |blobs: Vec<StoredBlob>| blobs.iter().map(|blob| blob.paths.len()).sum::<usize>();
    let files = paths(world.sample().needed_blobs()) + paths(world.sample().orphans());
    assert_eq!(report["files"]["count"], files);
    let names: Vec<&str> = report["in_flight"]
        .as_array()
        .unwrap()
        .iter()
        .map(|upload| upload["filename"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"arriving-1.1.tar.gz") && names.contains(&"awaited-2.0.tar.gz"));
    assert_eq!(report["uploads"], json!([]));
    expect(&world, &["--deep"], &[]);
    assert_eq!(traces(world.sample().repository()), before);

    for orphan in world.sample().orphans() {
        orphan
            .paths
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
    }
    let report = world.call(&["--json", "check", "--deep"]).expect(0).json();
    assert_eq!(report["counts"], json!({}));
    assert_eq!(report["ok"], true);
    let text = world.call(&["-q", "check"]).expect(0).stdout;
    assert!(text.contains("repository and database agree"), "{text}");
}

#[test]
fn a_lost_blob_is_told_with_the_uploads_it_hits_and_how_it_comes_back() {
    let world = World::with_vault();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let in_vault = own_blobs(&world, kernel)[7].clone();
    world.backup("full");
    let single = world.sample().upload_named("COPYING").unwrap();
    let library = world.sample().upload_named("alpha-lib-1.0.tar.gz").unwrap();

    // In an archive whose gold is there.
    let from_gold = in_vault;
    fs::remove_file(&from_gold.paths[0]).unwrap();
    let report = expect(&world, &[], &[("missing", 1)]);
    let finding = only(&report, "missing");
    assert_eq!(finding["name"], from_gold.name.to_string());
    assert_eq!(finding["recovery"], "recoverable_from_gold");
    assert_eq!(finding["uploads"], json!([kernel]));
    let hit =
        json!([{"upload": kernel, "filename": "kernel-6.1.tar.gz", "counts": {"missing": 1}}]);
    assert_eq!(report["uploads"], hit);
    let text = world.call(&["-q", "check"]).expect(3).stdout;
    assert!(
        text.contains("from gold") && text.contains("kernel-6.1.tar.gz: 1 missing"),
        "{text}"
    );

    // Without the gold only the vault has both.
    let gold = world
        .sample()
        .blobs_of(kernel)
        .into_iter()
        .find(|blob| blob.trees.contains(Tree::Gold));
    let gold = gold.unwrap();
    let kept = fs::read(&gold.paths[0]).unwrap();
    gold.paths
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    let report = expect(&world, &[], &[("missing", 1), ("gold_deleted", 1)]);
    assert_eq!(
        only(&report, "missing")["recovery"],
        "recoverable_from_vault"
    );
    let finding = only(&report, "gold_deleted");
    assert_eq!(finding["name"], gold.name.to_string());
    assert_eq!(finding["recovery"], "recoverable_from_vault");

    // Without the vault nobody has them.
    fs::rename(world.vault(), world.path("elsewhere")).unwrap();
    let report = expect(&world, &[], &[("missing", 1), ("gold_deleted", 1)]);
    assert_eq!(report["counts"]["missing"]["recovery"], json!({"lost": 1}));
    assert_eq!(report["vault"], Value::Null);
    fs::rename(world.path("elsewhere"), world.vault()).unwrap();

    // A gold that is cut counts for nothing.
    fs::write(&gold.paths[0], &kept[1..]).unwrap();
    fs::set_permissions(&gold.paths[0], fs::Permissions::from_mode(0o660)).unwrap();
    let report = expect(&world, &[], &[("missing", 2), ("size_wrong", 1)]);
    for finding in report["findings"].as_array().unwrap() {
        if finding["kind"] != "orphan" {
            assert_eq!(finding["recovery"], "recoverable_from_vault", "{finding}");
        }
    }
    fs::write(&gold.paths[0], &kept).unwrap();
    fs::hard_link(&gold.paths[0], &gold.paths[1]).unwrap();

    // What several uploads share hits all of them.
    let license = world.sample().blobs_of(single).remove(0);
    license
        .paths
        .iter()
        .for_each(|path| fs::remove_file(path).unwrap());
    let report = world.call(&["--json", "check"]).expect(3).json();
    let hit = report["uploads"].as_array().unwrap();
    let hit: Vec<i64> = hit
        .iter()
        .map(|upload| upload["upload"].as_i64().unwrap())
        .collect();
    assert!(
        hit.contains(&i64::from(single)) && hit.contains(&i64::from(library)),
        "{report:#}"
    );
}

#[test]
fn a_blob_in_one_tree_only_needs_a_link() {
    let world = World::new();
    let both = |blob: &StoredBlob| blob.paths.len() == 2;
    let mut blobs = world.sample().needed_blobs().into_iter().filter(both);
    let (no_gold, no_files) = (blobs.next().unwrap(), blobs.next().unwrap());
    fs::remove_file(&no_gold.paths[0]).unwrap();
    fs::remove_file(&no_files.paths[1]).unwrap();
    let report = expect(&world, &[], &[("missing_in_tree", 2)]);
    assert_eq!(
        report["counts"]["missing_in_tree"]["recovery"],
        json!({"other_tree": 2})
    );
    for finding in report["findings"].as_array().unwrap() {
        if finding["kind"] == "missing_in_tree" {
            let is_gold = finding["name"] == no_gold.name.to_string();
            assert_eq!(finding["tree"], if is_gold { "gold" } else { "files" });
        }
    }
}

#[test]
fn a_flipped_byte_is_found_by_a_deep_check_and_a_cut_file_by_each() {
    let world = World::new();
    let blobs = in_files_only(&world);
    let (flipped, cut, empty) = (&blobs[3], &blobs[5], &blobs[8]);
    let mut content = fs::read(&flipped.paths[0]).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&flipped.paths[0], content).unwrap();
    expect(&world, &[], &[]);
    let report = expect(&world, &["--deep"], &[("corrupt", 1)]);
    assert_eq!(only(&report, "corrupt")["name"], flipped.name.to_string());
    assert_eq!(
        only(&report, "corrupt")["recovery"],
        "recoverable_from_gold"
    );

    let file = |blob: &StoredBlob| {
        fs::File::options()
            .write(true)
            .open(&blob.paths[0])
            .unwrap()
    };
    file(cut).set_len(cut.name.size() - 1).unwrap();
    file(empty).set_len(0).unwrap();
    let report = expect(&world, &[], &[("size_wrong", 2)]);
    assert_eq!(
        report["counts"]["size_wrong"]["bytes"],
        cut.name.size() + empty.name.size()
    );
    expect(&world, &["--deep"], &[("size_wrong", 2), ("corrupt", 1)]);

    // A large file is read in pieces.
    let large = world
        .sample()
        .needed_blobs()
        .into_iter()
        .max_by_key(|blob| blob.name.size())
        .unwrap();
    let mut content = fs::read(&large.paths[0]).unwrap();
    content[0] ^= 0x80;
    large
        .paths
        .iter()
        .for_each(|path| fs::write(path, &content).unwrap());
    let files = large.paths.len() as u64;
    expect(
        &world,
        &["--deep"],
        &[("size_wrong", 2), ("corrupt", 1 + files)],
    );
}

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
    let report = world.call(&["--json", "check"]).expect(3).json();
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
fn rows_that_nobody_can_use_are_told() {
    let world = World::new();
    let mut client = world.sample().connect().unwrap();
    client
        .batch_execute(
            "UPDATE sysconfig SET conf_value = ' ' WHERE variablename = 'Release';
             INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size) VALUES (repeat('x', 40), E'\\xe4', 7);
             INSERT INTO uploadtree_a (upload_fk, pfile_fk, ufile_mode, ufile_name)
             VALUES (1, currval('pfile_pfile_pk_seq'), 0, 'broken');",
        )
        .unwrap();
    expect(&world, &[], &[("release_missing", 1), ("broken_row", 1)]);
    client
        .batch_execute("DELETE FROM sysconfig WHERE variablename = 'Release'")
        .unwrap();
    expect(&world, &[], &[("release_missing", 1), ("broken_row", 1)]);
}

#[test]
fn what_is_on_its_way_or_was_removed_on_purpose_is_not_lost() {
    let mut world = World::new();
    let arriving = world.sample().upload_named("arriving-1.1.tar.gz").unwrap();
    let coming = own_blobs(&world, arriving)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    fs::remove_file(&coming.paths[0]).unwrap();
    let pruned = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let pruned = own_blobs(&world, pruned)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    fs::remove_file(&pruned.paths[0]).unwrap();
    expect(&world, &[], &[("in_flight", 1), ("missing", 1)]);
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "INSERT INTO backup_blob_state (pfile_pk, kind)
             SELECT pfile_pk, 'pruned' FROM pfile WHERE pfile_sha1 = $1",
            &[&pruned.name.sha1_column()],
        )
        .unwrap();
    expect(&world, &[], &[("in_flight", 1), ("pruned", 1)]);
    for orphan in world.sample().orphans() {
        orphan
            .paths
            .iter()
            .for_each(|path| fs::remove_file(path).unwrap());
    }
    world.call(&["check"]).expect(0);

    // Two rows of the same content, one of which has a SHA-256: needed by either.
    let twin = world
        .sample_mut()
        .add_upload(NewUpload::sources("twin.tar.gz", 7, 3))
        .unwrap();
    let blob = world
        .sample()
        .blobs_of(twin)
        .into_iter()
        .find(|blob| blob.paths.len() == 1)
        .unwrap();
    client
        .execute(
            "WITH new AS (INSERT INTO pfile (pfile_sha1, pfile_md5, pfile_size)
                          SELECT pfile_sha1, pfile_md5, pfile_size FROM pfile
                           WHERE pfile_sha1 = $1 RETURNING pfile_pk)
             INSERT INTO uploadtree_a (upload_fk, pfile_fk, ufile_mode, ufile_name)
             SELECT 1, pfile_pk, 0, 'twin' FROM new",
            &[&blob.name.sha1_column()],
        )
        .unwrap();
    fs::remove_file(&blob.paths[0]).unwrap();
    let report = world.call(&["--json", "check"]).expect(3).json();
    assert_eq!(report["counts"]["missing"]["count"], 1);
    assert_eq!(only(&report, "missing")["uploads"], json!([1, twin]));
}

#[test]
fn an_upload_can_be_checked_alone() {
    let world = World::new();
    let kernel = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let single = world.sample().upload_named("COPYING").unwrap();
    let (lost, moved) = {
        let mut blobs = own_blobs(&world, kernel)
            .into_iter()
            .filter(|blob| blob.paths.len() == 1);
        (blobs.next().unwrap(), blobs.next().unwrap())
    };
    fs::remove_file(&lost.paths[0]).unwrap();
    let elsewhere = moved.paths[0].to_str().unwrap();
    let elsewhere = if elsewhere.contains("/alpha/") {
        elsewhere.replace("/alpha/", "/beta/")
    } else {
        elsewhere.replace("/beta/", "/alpha/")
    };
    fs::create_dir_all(Path::new(&elsewhere).parent().unwrap()).unwrap();
    fs::rename(&moved.paths[0], &elsewhere).unwrap();

    let numbers = [kernel.to_string(), single.to_string()];
    let good = world
        .call(&["--json", "check", "--deep", "--upload", &numbers[1]])
        .expect(0)
        .json();
    assert_eq!(
        good["needed"]["count"],
        world.sample().blobs_of(single).len()
    );
    let both = [
        "--json",
        "check",
        "--upload",
        &numbers[0],
        "--upload",
        &numbers[1],
    ];
    let report = world.call(&both).expect(3).json();
    let found = report["counts"].as_object().unwrap();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["missing", "wrong_place"],
        "{report:#}"
    );
    let names: std::collections::BTreeSet<PfileName> = [kernel, single]
        .iter()
        .flat_map(|upload| world.sample().blobs_of(*upload))
        .map(|blob| blob.name)
        .collect();
    assert_eq!(report["needed"]["count"], names.len());
    world
        .call(&["check", "--upload", "4711"])
        .expect(2)
        .says("no upload 4711");
}

#[test]
fn findings_and_history_are_in_the_database_and_nothing_else_changed() {
    let world = World::new();
    let blob = in_files_only(&world).remove(0);
    fs::remove_file(&blob.paths[0]).unwrap();
    expect(&world, &[], &[("missing", 1)]);
    let mut client = world.sample().connect().unwrap();
    let mut rows = |kind: &str| {
        let query =
            "SELECT count(*), min(sha1), min(upload_fk) FROM backup_finding WHERE kind = $1";
        let row = client.query_one(query, &[&kind]).unwrap();
        (
            row.get::<_, i64>(0),
            row.get::<_, Option<String>>(1),
            row.get::<_, Option<i32>>(2),
        )
    };
    let (count, sha1, upload) = rows("missing");
    assert_eq!(sha1, Some(blob.name.sha1_column()));
    let hit = |upload: &i32| {
        world
            .sample()
            .blobs_of(*upload)
            .iter()
            .any(|b| b.name == blob.name)
    };
    let hit: Vec<i32> = world.sample().uploads().into_iter().filter(hit).collect();
    assert_eq!((count, upload), (hit.len() as i64, Some(hit[0])));
    assert_eq!(rows("orphan").0, ORPHANS as i64);

    // The next check's findings take the place of these.
    let upload = hit[0].to_string();
    fs::write(&blob.paths[0], vec![0; blob.name.size() as usize]).unwrap();
    fs::set_permissions(&blob.paths[0], fs::Permissions::from_mode(0o660)).unwrap();
    world.call(&["check", "--upload", &upload]).expect(0);
    assert_eq!(rows("orphan").0, ORPHANS as i64);
    assert_eq!(rows("missing").0, hit.len() as i64 - 1);
    expect(&world, &["--deep"], &[("corrupt", 1)]);
    assert_eq!(rows("missing").0, 0);
    let runs = client
        .query(
            "SELECT mode, state FROM backup_run WHERE verb = 'check' ORDER BY id",
            &[],
        )
        .unwrap();
    let runs: Vec<(String, String)> = runs.iter().map(|row| (row.get(0), row.get(1))).collect();
    let run = |mode: &str, state: &str| (mode.to_owned(), state.to_owned());
    assert_eq!(
        runs,
        [
            run("plain", "incomplete"),
            run("plain", "done"),
            run("deep", "incomplete")
        ]
    );
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
    fs::set_permissions(leaf, fs::Permissions::from_mode(0o000)).unwrap();
    let report = expect(&world, &[], &[("unreadable", 1)]);
    assert_eq!(report["hidden"], 1);
    fs::set_permissions(leaf, fs::Permissions::from_mode(0o2770)).unwrap();
    fs::set_permissions(&blob.paths[0], fs::Permissions::from_mode(0o000)).unwrap();
    expect(&world, &["--deep"], &[("unreadable", 1), ("wrong_mode", 1)]);
}

#[test]
fn a_role_that_may_not_make_tables_can_check() {
    let world = World::new();
    let mut client = world.cluster.config(
        fossology_backup::demo::Role::Superuser,
        world.sample().database(),
    );
    let mut client = client
        .application_name("test")
        .connect(postgres::NoTls)
        .unwrap();
    client.batch_execute("ALTER DATABASE fossology OWNER TO CURRENT_USER; REVOKE CREATE ON SCHEMA public FROM PUBLIC, fossy; ALTER SCHEMA public OWNER TO CURRENT_USER").unwrap();
    let called = world.call(&["--json", "check"]).expect(3);
    called.says("leaves no trace");
    assert_eq!(counts(&called.json()), BTreeMap::new());
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
