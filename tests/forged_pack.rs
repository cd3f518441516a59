// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whoever can write into an encrypted vault can put a pack there, since the keys that encrypt are
//! public: with another content under a blob's name, and an index that says so. It has the right digest and
//! decrypts. Nothing of it is ever taken for the blob.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::blob::{PfileName, Tree, digest};
use fossology_backup::demo::sample::{NewUpload, StoredBlob};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;
use support::restored::lose_everything;
use support::world::World;

/// Encrypts as anybody can: for the public keys that the vault names.
fn encrypt(world: &World, data: &[u8], for_lists: bool) -> Vec<u8> {
    let text = fs::read(world.vault().join("recipients/1.json")).unwrap();
    let first: Value = serde_json::from_slice(&text).unwrap();
    let mut keys = vec![first["recipients"][0].as_str().unwrap()];
    keys.extend(first["lists"].as_str().filter(|_| for_lists));
    let keys: Vec<age::x25519::Recipient> = keys.iter().map(|key| key.parse().unwrap()).collect();
    let keys = keys.iter().map(|key| key as &dyn age::Recipient);
    let mut sealed = Vec::new();
    let encryptor = age::Encryptor::with_recipients(keys).unwrap();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap();
    sealed
}

fn put(world: &World, object: &str, content: &[u8]) {
    let path = world.vault().join(object);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Puts a pack that claims to have this blob, and its index; gives back the pack's id.
fn forge(world: &World, blob: &StoredBlob) -> String {
    let mut content = fs::read(&blob.paths[0]).unwrap();
    content[0] ^= 1;
    assert_ne!(digest(&content), blob.name);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o660);
    let member = format!("files/aa/bb/cc/{}", blob.name);
    tar.append_data(&mut header, member, &content[..]).unwrap();
    let mut raw = tar.into_inner().unwrap();
    // The two blocks that end an archive have a frame of their own.
    let end = raw.split_off(raw.len() - 1024);
    let frame = zstd::bulk::compress(&raw, 3).unwrap();
    let pack = [&frame[..], &zstd::bulk::compress(&end, 3).unwrap()].concat();
    let sealed = encrypt(world, &pack, false);
    let id = Sha256::digest(&sealed);

    let mut index = b"FOBIDX1\n".to_vec();
    index.extend(1_u64.to_le_bytes());
    index.extend((sealed.len() as u64).to_le_bytes());
    index.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    index.extend(&id[..]);
    index.extend(blob.name.sha1());
    index.extend(blob.name.md5());
    index.extend(blob.name.size().to_le_bytes());
    index.extend(0_u64.to_le_bytes());
    index.extend((frame.len() as u64).to_le_bytes());
    index.extend(512_u32.to_le_bytes());
    index.extend(0_u32.to_le_bytes());
    // In both trees.
    index.extend([3, 0, 0, 0]);
    let own = Sha256::digest(&index);
    index.extend(&own[..]);

    let id = hex::encode(id);
    let place = format!("packs/{}/{id}", &id[..2]);
    put(world, &format!("{place}.tar.zst.age"), &sealed);
    put(
        world,
        &format!("{place}.idx.age"),
        &encrypt(world, &index, true),
    );
    id
}

/// An instance with a file that no pack has but a forged one, which the next backup believed: it
/// cannot look into packs.
fn believed() -> (World, PfileName, String) {
    let mut world = World::encrypted();
    world.backup("full");
    let upload = NewUpload::sources("new-1.0.tar.gz", 88, 10);
    let upload = world.sample_mut().add_upload(upload).unwrap();
    let blobs = world.sample().blobs_of(upload);
    let wanted = |blob: &&StoredBlob| !blob.trees.contains(Tree::Gold) && blob.name.size() > 100;
    let blob = blobs.iter().find(wanted).unwrap();
    let pack = forge(&world, blob);
    let made = world.backup("full");
    assert_eq!(made["counts"]["new"], blobs.len() - 1, "{made}");
    (world, blob.name, pack)
}

fn files_called(folder: &Path, name: &PfileName) -> usize {
    let files = support::files_of(folder).into_iter();
    files
        .filter(|file| file.ends_with(name.to_string()))
        .count()
}

#[test]
fn it_is_found_by_who_can_read_it_and_what_is_right_is_packed_again() {
    let (world, name, pack) = believed();
    let read = ["--json", "verify", "--read-data"];
    let found = world.call_with_key("key", &read).expect(3);
    assert!(found.stdout.contains(&pack), "{}", found.stdout);
    assert!(found.stdout.contains(&name.to_string()), "{}", found.stdout);
    // As with every damaged pack: it is moved away, and the next backup packs what is there.
    let folder = world.vault().join("packs").join(&pack[..2]);
    for ending in ["tar.zst.age", "idx.age"] {
        fs::remove_file(folder.join(format!("{pack}.{ending}"))).unwrap();
    }
    let made = world.backup("full");
    assert_eq!(made["counts"]["new"], 1, "{made}");
    world
        .call_with_key("key", &["verify", "latest", "--read-data"])
        .expect(0);
}

#[test]
fn a_restore_and_a_recovery_take_nothing_from_it() {
    let (world, name, pack) = believed();
    let recover = [
        "--json",
        "recover",
        "--blob",
        &name.to_string(),
        "--from",
        "vault",
    ];
    for blob in world.sample().needed_blobs() {
        if blob.name == name {
            blob.paths
                .iter()
                .for_each(|path| fs::remove_file(path).unwrap());
        }
    }
    let recovered = world.call_with_key("key", &recover).expect(3);
    assert_eq!(recovered.json()["blobs"][0]["came"], "no");
    assert_eq!(files_called(world.sample().repository(), &name), 0);

    lose_everything(&world);
    let restore = ["--json", "restore", "latest"];
    let restored = world.call_with_key("key", &restore).expect(3).json();
    let damaged = restored["damaged"].to_string();
    assert!(
        damaged.contains(&pack) && damaged.contains(&name.to_string()),
        "{damaged}"
    );
    assert_eq!(files_called(world.sample().repository(), &name), 0);
}
