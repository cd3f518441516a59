// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One upload: its files alone come back from a snapshot, or go into an ordinary archive.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{Tree, digest};
use fossology_backup::demo::snapshot_tree;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::restored::{lose_everything, lose_repository};
use support::world::World;

/// The blobs in a repository, as tree and name.
fn blobs_in(repository: &Path) -> BTreeSet<(String, String)> {
    let files = snapshot_tree(repository).unwrap().into_keys();
    files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let mut folders = path.iter().filter_map(|part| part.to_str());
            let tree = folders.find(|part| ["gold", "files"].contains(part))?;
            (name.len() > 74).then(|| (tree.to_owned(), name))
        })
        .collect()
}

/// What some uploads need, by the sample's own memory.
fn needed(world: &World, uploads: &[i32]) -> BTreeSet<(String, String)> {
    let blobs = uploads
        .iter()
        .flat_map(|upload| world.sample().blobs_of(*upload));
    let places = blobs.flat_map(|blob| {
        let tree = move |tree: Tree| (tree.to_string(), blob.name.to_string());
        blob.trees.iter().map(tree).collect::<Vec<_>>()
    });
    places.collect()
}

#[test]
fn the_files_of_an_upload_come_back_alone() {
    let world = World::with_vault();
    world.backup("full");
    lose_everything(&world);
    let uploads = world.sample().uploads();
    for (number, upload) in uploads.iter().enumerate() {
        let place = world.path(&format!("place{number}"));
        let called = world.call(&[
            "--json",
            "restore",
            "latest",
            "--upload",
            &upload.to_string(),
            "--repository",
            place.to_str().unwrap(),
        ]);
        let wanted = needed(&world, &[*upload]);
        assert_eq!(blobs_in(&place), wanted, "upload {upload}");
        let report = called.expect(0).json();
        assert!(report["database"].is_null(), "{report}");
        assert_eq!(report["chosen"][0]["upload"], *upload);
    }
    let [first, second] = [uploads[0], uploads[3]];
    let place = world.path("both");
    let (one, two) = (first.to_string(), second.to_string());
    let both = ["restore", "latest", "--upload", &one, "--upload", &two];
    let both = [&both[..], &["--repository", place.to_str().unwrap()]].concat();
    world.call(&[&both[..], &["--dry-run"]].concat()).expect(0);
    assert!(!place.exists(), "a dry run makes nothing");
    world.call(&both).expect(0);
    assert_eq!(blobs_in(&place), needed(&world, &[first, second]));
}

#[test]
fn an_upload_that_somebody_deleted_comes_back_from_before() {
    let mut world = World::with_vault();
    let upload = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let id = world.backup("full")["snapshot"]
        .as_str()
        .unwrap()
        .to_owned();
    let wanted = needed(&world, &[upload]);
    world.sample_mut().delete_upload(upload, 0).unwrap();
    world.backup("full");
    let number = upload.to_string();
    let place = world.path("place");
    let restore = |snapshot: &str, upload: &str| {
        let place = ["--repository", place.to_str().unwrap()];
        world.call(&[&["restore", snapshot, "--upload", upload], &place[..]].concat())
    };
    restore("latest", &number)
        .expect(2)
        .says("had been deleted");
    restore("latest", "4711").expect(2).says("no upload 4711");
    restore(&id, &number).expect(0);
    assert_eq!(blobs_in(&place), wanted);
}

#[test]
fn a_repository_in_use_gets_back_what_one_upload_lacks() {
    let world = World::with_vault();
    world.backup("full");
    let before = blobs_in(world.sample().repository());
    lose_repository(&world);
    let upload = world.sample().upload_named("kernel-6.1.tar.gz").unwrap();
    let number = upload.to_string();
    let report = world
        .call(&["--json", "restore", "latest", "--upload", &number])
        .expect(0)
        .json();
    assert_eq!(
        blobs_in(world.sample().repository()),
        needed(&world, &[upload])
    );
    // The others are as they were, and again there is nothing to do.
    let again = world
        .call(&["--json", "restore", "latest", "--upload", &number])
        .expect(0)
        .json();
    assert_eq!(again["blobs"]["kept"], report["blobs"]["written"]);
    assert_eq!(again["blobs"]["written"], 0);
    let others = ["restore", "latest", "--no-database"];
    world.call(&others).expect(0);
    let missing: Vec<_> = needed(&world, &world.sample().uploads())
        .difference(&blobs_in(world.sample().repository()))
        .cloned()
        .collect();
    assert!(missing.is_empty() && before.len() > 500, "{missing:?}");
}

/// The paths of an upload's files as pages show them, and their contents' SHA-1, asked by SQL of
/// the test's own.
fn shown(world: &World, upload: i32) -> BTreeMap<Vec<u8>, String> {
    let mut client = world.sample().connect().unwrap();
    let rows = client
        .query(
            "SELECT t.uploadtree_pk, t.parent, t.ufile_mode, convert_to(t.ufile_name, 'SQL_ASCII'),
                    lower(p.pfile_sha1), EXISTS (SELECT 1 FROM uploadtree c WHERE c.parent = t.uploadtree_pk)
               FROM uploadtree t LEFT JOIN pfile p ON p.pfile_pk = t.pfile_fk WHERE t.upload_fk = $1",
            &[&upload],
        )
        .unwrap();
    type Node = (Option<i32>, bool, Vec<u8>);
    let nodes: BTreeMap<i32, Node> = rows
        .iter()
        .map(|row| {
            let invented = row.get::<_, i32>(2) & (1 << 28) != 0;
            // The sample has names with slashes; as file names they would be folders.
            let name: Vec<u8> = row.get(3);
            let name = name.into_iter().map(|byte| match byte {
                b'/' => b'_',
                other => other,
            });
            (row.get(0), (row.get(1), invented, name.collect()))
        })
        .collect();
    let mut paths = BTreeMap::new();
    for row in &rows {
        let (_, invented, name) = &nodes[&row.get(0)];
        let Some(sha1) = row.get::<_, Option<String>>(4) else {
            continue;
        };
        if *invented || row.get(5) {
            continue;
        }
        let mut path = name.clone();
        let mut parent: Option<i32> = row.get(1);
        while let Some(key) = parent {
            let (above, invented, name) = &nodes[&key];
            if !invented {
                path = [name, &b"/"[..], &path].concat();
            }
            parent = *above;
        }
        paths.insert(path, sha1);
    }
    paths
}

/// The files of a tar, and their contents' SHA-1.
fn listed(tar: impl Read) -> BTreeMap<Vec<u8>, String> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let sha1 = digest(&content).sha1_column().to_lowercase();
        let path = entry.path_bytes().into_owned();
        assert!(files.insert(path, sha1).is_none(), "a path comes twice");
    }
    files
}

#[track_caller]
fn expect_same(found: &BTreeMap<Vec<u8>, String>, expected: &BTreeMap<Vec<u8>, String>) {
    let texts = |files: &BTreeMap<Vec<u8>, String>| -> BTreeSet<String> {
        let text = |(path, sha1): (&Vec<u8>, &String)| format!("{} {sha1}", path.escape_ascii());
        files.iter().map(text).collect()
    };
    let (found, expected) = (texts(found), texts(expected));
    let differ: Vec<_> = found.symmetric_difference(&expected).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

fn export(world: &World, name: &str, arguments: &[&str]) -> (PathBuf, support::world::Called) {
    let output = world.path(name);
    let words = ["--json", "export", "--output", output.to_str().unwrap()];
    let called = world.call(&[&words[..], arguments].concat());
    (output, called)
}

#[test]
fn an_upload_becomes_the_same_archive_wherever_its_files_come_from() {
    let world = World::with_vault();
    world.backup("full");
    let upload = world.sample().upload_named("alpha-lib-1.0.tar.gz").unwrap();
    let number = upload.to_string();
    let expected = shown(&world, upload);
    assert!(expected.len() > 200);

    let (first, called) = export(&world, "live.tar", &["--upload", &number]);
    let report = called.expect(0).json();
    assert_eq!(report["from"]["repository"], expected.len());
    expect_same(&listed(fs::File::open(&first).unwrap()), &expected);
    let plain = fs::read(&first).unwrap();

    // Compressed, and with the standard tools.
    let (packed, called) = export(&world, "live.tar.zst", &["--upload", &number]);
    called.expect(0);
    let unpacked = zstd::decode_all(fs::File::open(&packed).unwrap()).unwrap();
    assert_eq!(unpacked, plain);
    let folder = world.path("unpacked");
    fs::create_dir(&folder).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&first).arg("-C").arg(&folder);
    assert!(tar.status().unwrap().success());
    let files = snapshot_tree(&folder).unwrap().into_values();
    assert_eq!(
        files.filter(|file| !file.sha1.is_empty()).count(),
        expected.len()
    );

    // To standard output.
    let said = world
        .command(&["-q", "export", "--upload", &number, "--output", "-"])
        .output()
        .unwrap();
    assert!(said.status.success() && said.stdout == plain);

    // What is unpacked is gone: it comes out of the upload's own file, without a vault.
    let files = |tree: &str| {
        let hosts = fs::read_dir(world.sample().repository()).unwrap();
        let trees = hosts.map(|host| host.unwrap().path().join(tree));
        trees.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    files("files")
        .iter()
        .for_each(|path| fs::remove_dir_all(path).unwrap());
    let output = world.path("gold.tar");
    let called = world.call_at(
        world.path("no vault"),
        &[
            "--json",
            "export",
            "--upload",
            &number,
            "--output",
            output.to_str().unwrap(),
        ],
    );
    let report = called.expect(0).json();
    // One of them is another upload's own file, too.
    assert_eq!(report["from"]["gold"], expected.len() - 1, "{report}");
    assert_eq!(fs::read(&output).unwrap(), plain);

    // Gold is gone, too: from the vault.
    files("gold")
        .iter()
        .for_each(|path| fs::remove_dir_all(path).unwrap());
    let (output, called) = export(&world, "vault.tar", &["--upload", &number]);
    let report = called.expect(0).json();
    assert_eq!(report["from"]["vault"], expected.len());
    assert_eq!(fs::read(&output).unwrap(), plain);

    // And FOSSology as a whole: the snapshot's dump tells the names.
    lose_everything(&world);
    let arguments = ["--upload", &number, "--snapshot", "latest"];
    let (output, called) = export(&world, "snapshot.tar", &arguments);
    called.expect(0);
    assert_eq!(fs::read(&output).unwrap(), plain);
}

#[test]
fn the_uploaded_file_goes_along_when_it_is_asked_for() {
    let world = World::with_vault();
    let upload = world.sample().upload_named("beta-tool-2.3.zip").unwrap();
    let number = upload.to_string();
    let (output, called) = export(&world, "x.tar", &["--upload", &number, "--gold"]);
    called.expect(0);
    let mut found = listed(fs::File::open(&output).unwrap());
    let gold = found.remove(&b"gold/beta-tool-2.3.zip"[..]).unwrap();
    expect_same(&found, &shown(&world, upload));
    let blobs = world.sample().blobs_of(upload);
    let gold_blob = blobs.iter().find(|blob| blob.trees.contains(Tree::Gold));
    assert_eq!(gold_blob.unwrap().name.sha1_column().to_lowercase(), gold);
    let (_, called) = export(&world, "x.tar", &["--upload", &number]);
    called.expect(2).says("is there already");
    let (_, called) = export(&world, "x.zip", &["--upload", &number]);
    called.expect(2).says(".tar.zst");
    let (_, called) = export(&world, "y.tar", &["--upload", "4711"]);
    called.expect(2).says("no upload 4711");
}

#[test]
fn what_is_nowhere_is_told_and_what_is_rotten_is_not_exported() {
    let world = World::with_vault();
    let upload = world.sample().upload_named("COPYING").unwrap();
    let number = upload.to_string();
    let blob = world.sample().blobs_of(upload).remove(0);
    for path in &blob.paths {
        let size = fs::metadata(path).unwrap().len();
        fs::write(path, vec![b'?'; size as usize]).unwrap();
    }
    let (output, called) = export(&world, "x.tar", &["--upload", &number]);
    let report = called.expect(3).json();
    assert_eq!(report["missing_count"], 1, "{report}");
    assert_eq!(report["missing"][0]["name"], blob.name.to_string());
    assert!(listed(fs::File::open(&output).unwrap()).is_empty());
}

#[test]
fn names_that_lead_elsewhere_stay_in_the_archive() {
    let world = World::with_vault();
    let upload = world.sample().upload_named("COPYING").unwrap();
    let number = upload.to_string();
    let mut client = world.sample().connect().unwrap();
    client
        .execute(
            "UPDATE uploadtree SET ufile_name = '../../etc/passwd' WHERE upload_fk = $1",
            &[&upload],
        )
        .unwrap();
    let (output, called) = export(&world, "x.tar", &["--upload", &number]);
    let report = called.expect(0).json();
    assert_eq!(report["renamed"][0]["path"], "../../etc/passwd");
    let files = listed(fs::File::open(&output).unwrap());
    let names: Vec<_> = files
        .keys()
        .map(|name| String::from_utf8_lossy(name))
        .collect();
    assert_eq!(names, [".._.._etc_passwd"]);
}

/// What `export --list` says: paths of files with where they are, and the rest.
fn list_of(called: &support::world::Called) -> (BTreeMap<String, String>, serde_json::Value) {
    let report = called.json();
    let entries = report["entries"].as_array().unwrap().clone();
    let files = entries.iter().filter(|entry| !entry["at"].is_null());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let files = files.map(|entry| (text(&entry["path"]), text(&entry["at"])));
    (files.collect(), report)
}

#[test]
fn a_listing_tells_what_an_export_would_contain_and_writes_nothing() {
    let world = World::with_vault();
    world.backup("full");
    let upload = world.sample().upload_named("alpha-lib-1.0.tar.gz").unwrap();
    let number = upload.to_string();
    let ask = ["--json", "export", "--list", "--upload", &number];
    let paths: BTreeSet<String> = shown(&world, upload)
        .into_keys()
        .map(|path| String::from_utf8_lossy(&path).into_owned())
        .collect();
    let here = world.path("here");
    fs::create_dir(&here).unwrap();
    let expect = |called: support::world::Called, code: i32, at: &str| {
        let called = called.expect(code);
        let (files, report) = list_of(&called);
        assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), paths);
        let others = files.values().filter(|where_is| *where_is != at);
        // One of them is another upload's own file, too.
        assert!(others.count() <= 1, "{at}: {files:?}");
        report
    };
    let in_folder = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        support::world::Called::new(&command.current_dir(&here).output().unwrap())
    };
    let report = expect(in_folder(&ask), 0, "repository");
    assert_eq!(
        fs::read_dir(&here).unwrap().count(),
        0,
        "nothing is written"
    );
    let (_, made) = export(&world, "x.tar", &["--upload", &number]);
    let made = made.expect(0).json();
    for count in ["files", "folders", "bytes", "without_content"] {
        assert_eq!(report[count], made[count], "{count}");
    }
    let gold = in_folder(&[&ask[..], &["--gold"]].concat()).expect(0);
    assert!(list_of(&gold).0.contains_key("gold/alpha-lib-1.0.tar.gz"));

    // For people: a line each.
    let text = in_folder(&["export", "--list", "--upload", &number]).expect(0);
    text.says(&format!("upload {number} (alpha-lib-1.0.tar.gz)"));
    for path in &paths {
        // A tab, and worse, is not for a terminal.
        let path = match path.contains(char::is_control) {
            true => path.escape_debug().to_string(),
            false => path.clone(),
        };
        let is_it = |line: &str| line.contains("repository") && line.ends_with(&path);
        assert!(text.stdout.lines().any(is_it), "{path}");
    }
    in_folder(&[&ask[..], &["--output", "x.tar"]].concat()).expect(2);

    let remove = |tree: &str| {
        for host in fs::read_dir(world.sample().repository()).unwrap() {
            let _ = fs::remove_dir_all(host.unwrap().path().join(tree));
        }
    };
    let nowhere = world.path("no vault");
    remove("files");
    let report = expect(world.call_at(&nowhere, &ask), 0, "gold");
    assert!(report["unpacked"].as_u64().unwrap() >= paths.len() as u64 - 1);
    expect(in_folder(&ask), 0, "vault");
    remove("gold");
    let report = expect(world.call_at(&nowhere, &ask), 3, "nowhere");
    assert_eq!(report["missing"], paths.len());
    lose_everything(&world);
    let snapshot = [&ask[..], &["--snapshot", "latest"]].concat();
    expect(in_folder(&snapshot), 0, "vault");
}
