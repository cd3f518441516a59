// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The real instance, where there is one on this machine, can be brought to life: other tests
//! back it up.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::digest;
use fossology_backup::demo::sample::Options;
use fossology_backup::demo::{Cluster, Role, Sample, dump_rows};
use std::collections::BTreeSet;
use support::{fixture, needed_by_sql};

#[test]
fn a_real_instance_has_every_blob_that_its_database_needs() {
    let Some(source) = fixture::source() else {
        eprintln!("skipped: there is no real instance on this machine");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    let instance = fixture::load(&source, scratch.path(), &cluster, "real");

    let conf = std::fs::read_to_string(instance.sysconfdir.join("fossology.conf")).unwrap();
    let path = format!("path = {}\n", instance.repository.display());
    assert!(conf.contains(&path), "{conf}");
    let mut client = cluster.connect(Role::Fossy, &instance.database).unwrap();
    assert!(dump_rows(&mut client).unwrap()["upload"].rows > 0);
    let needed = needed_by_sql(&mut client);
    assert!(!needed.is_empty());
    for (name, trees) in needed {
        for tree in trees.iter() {
            let folder = instance.repository.join("localhost").join(tree.as_str());
            let content = std::fs::read(folder.join(name.folders(3)).join(name.to_string()));
            assert_eq!(digest(&content.unwrap()), name);
        }
    }
}

/// Every column and every index of the tables that the sample has, in words.
fn shape(client: &mut postgres::Client) -> BTreeSet<String> {
    let columns = "SELECT concat_ws(' ', table_name, column_name, data_type,
               character_maximum_length, is_nullable, column_default), table_name::text
          FROM information_schema.columns WHERE table_schema = 'public'
         UNION ALL
        SELECT indexdef, tablename::text FROM pg_indexes WHERE schemaname = 'public'";
    let schema = include_str!("sample/schema.sql");
    let rows = client.query(columns, &[]).unwrap();
    rows.iter()
        .filter(|row| schema.contains(&format!("CREATE TABLE {} (", row.get::<_, &str>(1))))
        .map(|row| row.get(0))
        .collect()
}

#[test]
fn the_samples_tables_are_those_of_a_real_instance() {
    let Some(source) = fixture::source() else {
        eprintln!("skipped: there is no real instance on this machine");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(scratch.path()).unwrap();
    fixture::load(&source, scratch.path(), &cluster, "real");
    let sample = Sample::install(scratch.path(), &cluster, Options::default()).unwrap();
    let real = shape(&mut cluster.connect(Role::Fossy, "real").unwrap());
    let ours = shape(&mut sample.connect().unwrap());
    let missing: Vec<_> = real.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&real).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{missing:#?} {invented:#?}"
    );
}
