// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Connections that are cut in the middle of a pack, at points that nobody has chosen: it is sent again,
//! and lies there whole under its name. How often they were cut is counted and printed.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::vault::{Error, Location, PackId, Recipients, StorageSettings, Vault};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;
use support::servers::{BUCKET, Proxy, S3Server, Sshd, s3_settings};
use uuid::Uuid;

#[derive(serde::Deserialize)]
struct Settings {
    storage: StorageSettings,
}

/// Numbers that look like random ones; the same again with the same seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn content(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(len).collect()
    }
}

/// Puts packs of so many bytes, each on connections of which some are cut; gives back how many were.
fn put_packs(
    location: &str,
    storage: &str,
    proxy: &Proxy,
    folder: &Path,
    len: usize,
    rounds: u64,
) -> u64 {
    let seed = Uuid::new_v4().as_u64_pair().0 | 1;
    println!("{location}: seed {seed}");
    let mut numbers = Numbers(seed);
    let Settings { storage } = toml::from_str(storage).unwrap();
    let location = Location::parse(location, &storage).unwrap();
    let keep = |_, _: &_| Ok::<(), Error>(());
    Vault::init(&location, Uuid::new_v4(), &Recipients::default(), keep).unwrap();
    let mut retries = 0;
    for round in 0..rounds {
        let content = numbers.content(len);
        let id: [u8; 32] = Sha256::digest(&content).into();
        let key = PackId::new(id).key();
        let limit = numbers.next() % (len as u64 * 3 / 4);
        proxy.cut_more(1 + (round % 3) as i64, limit as i64 + 1);
        // Connections of its own: those of earlier rounds would not be cut any more.
        let vault = Vault::open(&location).unwrap();
        let mut spool = vault.storage().spool().unwrap();
        spool.write_all(&content).unwrap();
        let put = spool.publish(&key);
        put.unwrap_or_else(|error| panic!("limit {limit}: {error}"));
        proxy.cut_more(0, 0);
        let there = fs::read(folder.join(key.as_str())).unwrap();
        assert!(there == content, "another pack lies there; limit {limit}");
        retries += vault.storage().requests().unwrap().retries;
        fs::remove_file(folder.join(key.as_str())).unwrap();
    }
    println!("{} cuts, {retries} retries in {rounds} packs", proxy.cut());
    assert!(retries >= proxy.cut() / 2);
    proxy.cut()
}

#[test]
fn a_pack_in_parts_is_whole_wherever_its_connections_are_cut() {
    let place = tempfile::tempdir().unwrap();
    let server = S3Server::start(place.path().join("s3"), &[]);
    let proxy = Proxy::start(server.port, 0, 0);
    let location = format!("s3://{BUCKET}/x");
    let folder = server.bucket().join("x");
    let storage = s3_settings(proxy.port);
    let cuts = put_packs(&location, &storage, &proxy, &folder, 9 << 20, 6);
    assert!(cuts >= 4, "{cuts}");
}

#[test]
fn a_pack_over_sftp_is_whole_wherever_its_connection_is_cut() {
    let place = tempfile::tempdir().unwrap();
    let sshd = Sshd::start(place.path().join("sshd"), "");
    let tunnel = Proxy::start(sshd.port, 0, 0);
    let folder = place.path().join("vault");
    let location = sshd.location(tunnel.port, &folder);
    let cuts = put_packs(&location, &sshd.settings(&[]), &tunnel, &folder, 3 << 20, 8);
    assert!(cuts >= 6, "{cuts}");
}
