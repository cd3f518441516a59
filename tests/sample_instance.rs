// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sample instance is what it claims to be: the other end-to-end tests stand on it.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree, digest};
use fossology_backup::demo::sample::{Encoding, NewUpload, Options};
use fossology_backup::demo::{Cluster, ClusterOptions, Role, Sample, dump_rows, snapshot_tree};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::needed_by_sql;

/// Every file of the gold and files trees.
fn blob_files(repository: &Path) -> BTreeSet<PathBuf> {
    let files = walkdir::WalkDir::new(repository)
        .into_iter()
        .map(Result::unwrap);
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .filter(|path| {
            path.components()
                .any(|part| part.as_os_str() == "gold" || part.as_os_str() == "files")
        })
        .collect()
}

fn assert_whole(sample: &Sample) {
    let told = sample.needed_blobs();
    let by_memory: BTreeMap<_, _> = told.iter().map(|blob| (blob.name, blob.trees)).collect();
    assert_eq!(by_memory, needed_by_sql(&mut sample.connect().unwrap()));
    let mut expected = BTreeSet::new();
    for blob in told.into_iter().chain(sample.orphans()) {
        for path in blob.paths {
            let content = std::fs::read(&path).unwrap();
            assert_eq!(digest(&content), blob.name, "{}", path.display());
            expected.insert(path);
        }
    }
    assert_eq!(blob_files(sample.repository()), expected);
}

fn count(sample: &Sample, query: &str) -> i64 {
    sample
        .connect()
        .unwrap()
        .query_one(query, &[])
        .unwrap()
        .get(0)
}

#[test]
fn database_and_repository_agree_also_while_the_instance_lives_on() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let mut sample = Sample::build(scratch.path(), &cluster, Options::default()).unwrap();
    assert_whole(&sample);
    assert_eq!(sample.orphans().len(), 5);
    let blobs = sample.needed_blobs().len();
    assert!((500..2_000).contains(&blobs), "{blobs} blobs");

    let new = sample
        .add_upload(NewUpload::sources("later-1.0.tar.gz", 99, 20))
        .unwrap();
    assert_whole(&sample);
    assert!(sample.needed_blobs().len() >= blobs + 20);
    assert_eq!(sample.blobs_of(new).len(), 22);

    sample.delete_upload(new, 0).unwrap();
    assert_whole(&sample);
    assert_eq!(sample.needed_blobs().len(), blobs);
    assert!(
        sample
            .delete_upload(new, 0)
            .unwrap_err()
            .to_string()
            .contains("no live upload")
    );

    // What a deletion forgot is no orphan any more once it is uploaded again.
    sample
        .add_upload(NewUpload::sources("gone-0.9.tar.gz", 1 ^ 0x22, 40))
        .unwrap();
    assert_whole(&sample);
    assert_eq!(sample.orphans(), []);
}

#[test]
fn it_has_every_case_that_a_backup_can_get_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let sample = Sample::build(scratch.path(), &cluster, Options::default()).unwrap();
    for (what, query) in [
        (
            "a deleted upload",
            "SELECT count(*) FROM upload WHERE expire_action = 'd' AND pfile_fk IS NULL",
        ),
        (
            "an upload on its way",
            "SELECT count(*) FROM upload WHERE expire_action IS NULL AND pfile_fk IS NULL",
        ),
        (
            "a half unpacked upload",
            "SELECT count(*) FROM uploadtree WHERE parent IS NULL AND lft IS NULL",
        ),
        (
            "an archive uploaded twice",
            "SELECT count(*) - count(DISTINCT pfile_fk) FROM upload WHERE pfile_fk IS NOT NULL",
        ),
        (
            "a table of its own",
            "SELECT count(*) FROM ONLY uploadtree_7 WHERE upload_fk = 7 AND parent IS NULL",
        ),
        (
            "artifact.dir",
            "SELECT count(*) FROM uploadtree WHERE ufile_name = 'artifact.dir' AND pfile_fk = 0 AND ufile_mode & (3 << 28) = 3 << 28",
        ),
        (
            "artifact.meta",
            "SELECT count(DISTINCT pfile_fk) - 1 FROM uploadtree WHERE ufile_name = 'artifact.meta'",
        ),
        (
            "a tar out of a tar.gz",
            "SELECT count(*) FROM uploadtree WHERE ufile_name = 'alpha-lib-1.0.tar' AND pfile_fk > 0",
        ),
        (
            "an empty file",
            "SELECT count(*) FROM uploadtree JOIN pfile ON pfile_pk = pfile_fk WHERE pfile_size = 0",
        ),
        (
            "a name that is no UTF-8",
            r"SELECT count(*) FROM uploadtree WHERE convert_to(ufile_name, 'SQL_ASCII') = '\x6772fcdf652e747874'",
        ),
        (
            "a nested archive uploaded by itself",
            "SELECT count(*) FROM uploadtree t JOIN upload u USING (pfile_fk) WHERE t.parent > 0 AND u.upload_filename LIKE 'codec%'",
        ),
        (
            "a running job",
            "SELECT count(*) FROM jobqueue WHERE jq_starttime IS NOT NULL AND jq_endtime IS NULL",
        ),
        (
            "a waiting job",
            "SELECT count(*) FROM jobqueue WHERE jq_starttime IS NULL AND jq_endtime IS NULL",
        ),
        (
            "a deletion that waits",
            "SELECT count(*) FROM jobqueue WHERE jq_type = 'delagent' AND jq_endtime IS NULL",
        ),
        (
            "maintenance that waits",
            "SELECT count(*) FROM jobqueue WHERE jq_type = 'maintagent' AND jq_endtime IS NULL",
        ),
        (
            "a failed job",
            "SELECT count(*) FROM jobqueue WHERE jq_end_bits = 2",
        ),
        (
            "findings",
            "SELECT count(*) FROM license_file JOIN license_ref ON rf_pk = rf_fk",
        ),
        (
            "the release",
            "SELECT count(*) FROM sysconfig WHERE variablename = 'Release' AND conf_value = '4.7.1.124'",
        ),
    ] {
        assert!(count(&sample, query) > 0, "{what}");
    }
    let mut client = sample.connect().unwrap();
    for query in [
        "SELECT filepath FROM reportgen",
        "SELECT jq_log FROM jobqueue WHERE jq_log IS NOT NULL",
    ] {
        let paths = client.query(query, &[]).unwrap();
        assert!(!paths.is_empty());
        for path in paths {
            let path: String = path.get(0);
            assert!(
                Path::new(&path).starts_with(sample.repository()) && Path::new(&path).is_file(),
                "{path}"
            );
        }
    }
    let both: Vec<_> = sample
        .needed_blobs()
        .into_iter()
        .filter(|blob| blob.paths.len() == 2)
        .collect();
    let linked = |paths: &[PathBuf]| {
        let inode = |path: &PathBuf| path.metadata().unwrap().ino();
        inode(&paths[0]) == inode(&paths[1])
    };
    assert!(both.iter().any(|blob| linked(&blob.paths)));
    assert!(both.iter().any(|blob| !linked(&blob.paths)));
    for host in ["alpha/files", "beta/files", "alpha/gold", "beta/gold"] {
        assert!(sample.repository().join(host).is_dir(), "{host}");
    }
}

#[test]
fn nested_sets_are_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let sample = Sample::build(scratch.path(), &cluster, Options::default()).unwrap();
    let wrong = "SELECT count(*) FROM uploadtree c JOIN uploadtree p ON p.uploadtree_pk = c.parent
                  WHERE c.upload_fk <> p.upload_fk OR c.lft <= p.lft OR c.rgt >= p.rgt OR c.lft >= c.rgt";
    assert_eq!(count(&sample, wrong), 0);
    let roots =
        "SELECT count(*) FROM uploadtree r WHERE parent IS NULL AND lft IS NOT NULL AND rgt <>
                 2 * (SELECT count(*) FROM uploadtree t WHERE t.upload_fk = r.upload_fk)";
    assert_eq!(count(&sample, roots), 0);
    let invented =
        "SELECT count(*) FROM uploadtree c JOIN uploadtree p ON p.uploadtree_pk = c.realparent
                     WHERE p.ufile_mode & (1 << 28) <> 0";
    assert_eq!(count(&sample, invented), 0);
}

#[test]
fn the_same_options_give_the_same_instance() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let build = |database: &str, seed| {
        let options = Options {
            database: database.to_owned(),
            seed,
            ..Options::default()
        };
        let sample = Sample::build(scratch.path(), &cluster, options).unwrap();
        let files = snapshot_tree(sample.repository()).unwrap();
        let rows = dump_rows(&mut sample.connect().unwrap()).unwrap();
        std::fs::remove_dir_all(scratch.path().join("fossology")).unwrap();
        (files, rows)
    };
    let (first, again, other) = (build("one", 1), build("two", 1), build("three", 2));
    assert_eq!(first, again);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1["pfile"], other.1["pfile"]);
    assert!(first.1["uploadtree_7"].rows > 300 && first.1["uploadtree"].rows == 0);
}

#[test]
fn folders_and_blobs_have_the_modes_that_fossology_gives_them() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let options = Options {
        depth: 2,
        encoding: Encoding::Utf8,
        ..Options::one_host()
    };
    let sample = Sample::build(scratch.path(), &cluster, options).unwrap();
    assert_whole(&sample);
    let mut levels = BTreeSet::new();
    for (path, state) in snapshot_tree(sample.repository()).unwrap() {
        let expected = if state.sha1.is_empty() {
            0o42770
        } else {
            0o100660
        };
        assert_eq!(state.mode, expected, "{}", path.display());
        if path.starts_with("localhost") && !state.sha1.is_empty() {
            levels.insert(path.components().count());
        }
    }
    assert_eq!(levels, BTreeSet::from([5]), "host, tree, two levels, name");
    let name = "SELECT count(*) FROM uploadtree WHERE ufile_name = 'grüße.txt'";
    assert!(count(&sample, name) > 0);
}

#[test]
fn the_archives_are_real() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let sample = Sample::build(scratch.path(), &cluster, Options::default()).unwrap();
    let gold = |filename: &str| {
        let upload = sample.upload_named(filename).unwrap();
        let blobs = sample.blobs_of(upload);
        let gold = blobs
            .iter()
            .find(|blob| blob.trees.contains(Tree::Gold))
            .unwrap();
        (std::fs::read(&gold.paths[0]).unwrap(), blobs)
    };
    let (packed, blobs) = gold("alpha-lib-1.0.tar.gz");
    let mut tar = Vec::new();
    std::io::copy(
        &mut flate2::read::GzDecoder::new(packed.as_slice()),
        &mut tar,
    )
    .unwrap();
    let names: BTreeSet<PfileName> = blobs.iter().map(|blob| blob.name).collect();
    assert!(names.contains(&digest(&tar)), "the inner tar is a blob");
    let mut files = 0;
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).unwrap();
            assert!(names.contains(&digest(&content)), "{:?}", entry.path());
            files += 1;
        }
    }
    assert_eq!(files, 150 + 1 + 3 + 2);
    let (packed, blobs) = gold("codec-0.3.tar.zst");
    let tar = zstd::decode_all(packed.as_slice()).unwrap();
    assert!(blobs.iter().any(|blob| blob.name == digest(&tar)));
}

#[test]
fn passwords_stay_out_of_debug_output() {
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let sample = Sample::install(scratch.path(), &cluster, Options::default()).unwrap();
    let text = format!("{cluster:?} {sample:?}");
    for role in [Role::Superuser, Role::Fossy] {
        assert!(!text.contains(cluster.password(role)));
    }
    assert!(sample.uploads().is_empty());
}

#[test]
fn a_cluster_that_is_copied_from_a_stock_is_as_empty_as_a_new_one() {
    let scratch = tempfile::tempdir().unwrap();
    let options = ClusterOptions {
        stock: Some(scratch.path().join("stock")),
        ..ClusterOptions::default()
    };
    // The first fills the stock, and what is done to it is no matter of the second.
    let clusters = ["first", "second"].map(|name| {
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let cluster = Cluster::start_with(&folder, &options).unwrap();
        let query = "SELECT datname::text FROM pg_database ORDER BY 1";
        let mut client = cluster.connect(Role::Superuser, "postgres").unwrap();
        let names = client.query(query, &[]).unwrap();
        let names: Vec<String> = names.iter().map(|row| row.get(0)).collect();
        assert_eq!(names, ["postgres", "template0", "template1"], "{name}");
        cluster
            .create_database("fossology", Role::Fossy, "UTF8")
            .unwrap();
        cluster
    });
    for cluster in clusters {
        cluster.connect(Role::Fossy, "fossology").unwrap();
        let mut stranger = cluster.config(Role::Superuser, "postgres");
        stranger.password("another");
        assert!(stranger.connect(postgres::NoTls).is_err());
    }
}

/// The role of the process that gets killed: a cluster, and then nothing until the end.
const VICTIM: &str = "SAMPLE_VICTIM_DIRECTORY";

#[test]
fn the_server_dies_with_the_process_that_started_it() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        let cluster = Cluster::start(Path::new(&directory)).unwrap();
        println!("\n{}", cluster.url(Role::Fossy, "postgres"));
        std::io::stdin().read_line(&mut String::new()).unwrap();
        unreachable!("nobody writes to this process");
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "sample_instance::the_server_dies_with_the_process_that_started_it",
        ])
        .env(VICTIM, scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let url = lines.find_map(|line| line.ok().filter(|line| line.starts_with("postgresql://")));
    let mut client = postgres::Client::connect(&url.unwrap(), postgres::NoTls).unwrap();
    client.simple_query("SELECT 1").unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    // Ends at once when the server does; a server that lives on makes it succeed.
    assert!(client.simple_query("SELECT pg_sleep(30)").is_err());
}

#[test]
fn a_scratch_directory_that_the_server_cannot_enter_is_named() {
    if !nix::unistd::geteuid().is_root() {
        return; // Then the server runs as we do, and enters what we enter.
    }
    let closed = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(closed.path(), mode).unwrap();
    let scratch = closed.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let error = Cluster::start(&scratch).unwrap_err().to_string();
    let path = closed.path().canonicalize().unwrap();
    assert!(
        error.contains(&format!("cannot enter {}:", path.display())),
        "{error}"
    );
}
