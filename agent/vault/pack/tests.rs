// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is packed comes back: by the index, by a rebuilt index, and by any tar.

use super::*;
use crate::blob::{PfileName, Tree, TreeSet, digest};
use crate::vault::local::Local;
use crate::vault::{IndexFile, Key, PackRef, Record, rebuild_index};
use proptest::prelude::*;
use std::io::Read;
use std::sync::Arc;

fn storage() -> (tempfile::TempDir, Arc<dyn Storage>) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Arc::new(Local::open(dir.path()).unwrap());
    (dir, storage)
}

fn places(name: &PfileName, trees: TreeSet) -> Vec<(Tree, String)> {
    let place = |tree: Tree| (tree, format!("localhost/{tree}/{}{name}", name.folders(3)));
    trees.iter().map(place).collect()
}

fn blob(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Eight different bytes: it compresses, but not to nothing.
            b'a' + (state % 8) as u8
        })
        .collect()
}

fn add_all(writer: &mut PackWriter, builder: &mut FrameBuilder) {
    for frame in builder.finish().unwrap() {
        writer.add(frame).unwrap();
    }
}

/// Packs blobs as a backup does: small ones in frames, large ones by themselves.
fn pack(storage: &Arc<dyn Storage>, blobs: &[(Vec<u8>, TreeSet)]) -> PackRef {
    let mut builder = FrameBuilder::new(1).unwrap();
    let mut writer = PackWriter::new(storage.clone(), Tree::Gold).unwrap();
    for (number, (content, trees)) in blobs.iter().enumerate() {
        let (name, pfile) = (digest(content), number as u32 + 1);
        if name.size() > LARGE {
            let mut large = writer
                .large(name, pfile, &places(&name, *trees), 1)
                .unwrap();
            for piece in content.chunks(1_000_003) {
                large.write(piece).unwrap();
            }
            large.commit().unwrap();
            continue;
        }
        builder
            .begin(name, pfile, &places(&name, *trees))
            .unwrap()
            .extend_from_slice(content);
        builder.keep().unwrap();
        if builder.raw_len() >= 3 * FRAME_TARGET {
            add_all(&mut writer, &mut builder);
        }
    }
    add_all(&mut writer, &mut builder);
    writer.finish().unwrap().unwrap()
}

fn records(storage: &Arc<dyn Storage>, id: PackId) -> Vec<Record> {
    let index = IndexFile::open(storage.clone(), id).unwrap();
    index.verify().unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    records
}

fn sample() -> Vec<(Vec<u8>, TreeSet)> {
    let both = TreeSet::of(Tree::Gold).with(Tree::Files);
    let mut blobs = vec![
        (b"one".to_vec(), both),
        (Vec::new(), TreeSet::of(Tree::Files)),
        (blob(7, 512), TreeSet::of(Tree::Gold)),
        (blob(8, (LARGE + 1) as usize), both),
        (blob(9, 11 << 20), TreeSet::of(Tree::Gold)),
    ];
    blobs.extend((10..110).map(|seed| (blob(seed, 40_000), TreeSet::of(Tree::Files))));
    blobs.push((b"last".to_vec(), both));
    blobs
}

#[test]
fn every_blob_comes_back_by_the_index() {
    let (_dir, storage) = storage();
    let blobs = sample();
    let pack = pack(&storage, &blobs);
    let reader = PackReader::new(storage.clone(), pack.id);
    let records = records(&storage, pack.id);
    assert_eq!(records.len(), blobs.len());
    for record in &records {
        let (content, trees) = &blobs[record.pfile as usize - 1];
        assert_eq!(record.name, digest(content));
        assert_eq!(record.trees, *trees);
        assert!(reader.blob(record).unwrap() == *content);
        if !PackReader::is_large(record) {
            let frame = reader.bytes(record.frame_offset, record.frame_len).unwrap();
            let frame = reader.decode(&frame).unwrap();
            assert!(reader.content(record, &frame).unwrap() == content);
        }
    }
    let bytes = storage.size(&pack.id.index_key()).unwrap().unwrap();
    assert!(
        bytes <= 100 * records.len() as u64,
        "an index costs {bytes} bytes"
    );
}

#[test]
fn any_tar_brings_a_pack_back() {
    let (_dir, storage) = storage();
    let blobs = sample();
    let pack = pack(&storage, &blobs);
    let bytes = storage.read(&pack.id.key(), 0, pack.size).unwrap();
    let plain = zstd::decode_all(&bytes[..]).unwrap();
    let mut archive = tar::Archive::new(&plain[..]);
    let (mut files, mut links) = (0, 0);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let name: PfileName = path.rsplit('/').next().unwrap().parse().unwrap();
        if entry.header().entry_type().is_hard_link() {
            let target = entry
                .link_name()
                .unwrap()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(target, path.replace("/files/", "/gold/"));
            links += 1;
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(digest(&content), name);
        files += 1;
    }
    assert_eq!((files, links), (blobs.len(), 3));
}

#[test]
fn a_lost_index_is_rebuilt_to_the_same_bytes() {
    let (_dir, storage) = storage();
    let blobs = sample();
    let pack = pack(&storage, &blobs);
    let key = pack.id.index_key();
    let bytes = |key: &Key| {
        storage
            .read(key, 0, storage.size(key).unwrap().unwrap())
            .unwrap()
    };
    let before = bytes(&key);
    storage.delete(&key).unwrap();
    assert_eq!(
        list(&*storage).unwrap(),
        [PackInfo {
            id: pack.id,
            size: pack.size,
            indexed: false
        }]
    );
    let info = list(&*storage).unwrap()[0];
    assert_eq!(
        rebuild_index(&storage, &info).unwrap(),
        (blobs.len() as u64, 0)
    );
    assert!(bytes(&key) == before, "the rebuilt index differs");
}

#[test]
fn a_large_blob_that_turns_out_bad_leaves_nothing() {
    let (_dir, storage) = storage();
    let good = blob(1, 1000);
    let name = digest(&good);
    let mut builder = FrameBuilder::new(1).unwrap();
    let mut writer = PackWriter::new(storage.clone(), Tree::Files).unwrap();
    let bad = PfileName::new([1; 20], [2; 16], 9 << 20);
    for end in ["cancelled", "dropped"] {
        let mut large = writer
            .large(bad, 1, &places(&bad, TreeSet::of(Tree::Files)), 1)
            .unwrap();
        large.write(&blob(2, 6 << 20)).unwrap();
        if end == "cancelled" {
            large.cancel().unwrap();
        }
    }
    let place = places(&name, TreeSet::of(Tree::Files));
    builder
        .begin(name, 2, &place)
        .unwrap()
        .extend_from_slice(&good);
    builder.keep().unwrap();
    add_all(&mut writer, &mut builder);
    let pack = writer.finish().unwrap().unwrap();
    let records = records(&storage, pack.id);
    assert_eq!(records.len(), 1);
    assert_eq!(
        PackReader::new(storage, pack.id).blob(&records[0]).unwrap(),
        good
    );
}

#[test]
fn a_member_that_is_dropped_leaves_nothing() {
    let (_dir, storage) = storage();
    let mut builder = FrameBuilder::new(1).unwrap();
    let (first, second) = (blob(1, 700), blob(2, 900));
    for (content, keep) in [(&first, false), (&second, true)] {
        let name = digest(content);
        let buffer = builder
            .begin(name, 1, &places(&name, TreeSet::of(Tree::Files)))
            .unwrap();
        buffer.extend_from_slice(content);
        if keep {
            builder.keep().unwrap()
        } else {
            builder.drop_member()
        }
    }
    let mut writer = PackWriter::new(storage.clone(), Tree::Files).unwrap();
    add_all(&mut writer, &mut builder);
    let pack = writer.finish().unwrap().unwrap();
    let records = records(&storage, pack.id);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].name, digest(&second));
}

#[test]
fn nothing_packed_makes_no_pack() {
    let (dir, storage) = storage();
    let writer = PackWriter::new(storage.clone(), Tree::Files).unwrap();
    assert_eq!(writer.finish().unwrap(), None);
    assert_eq!(storage.list("").unwrap(), []);
    assert_eq!(
        std::fs::read_dir(dir.path().join("tmp")).unwrap().count(),
        0
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_flipped_byte_never_gives_wrong_content(at: prop::sample::Index, bit in 0u8..8) {
        let (dir, storage) = storage();
        let blobs: Vec<_> = (1..30).map(|seed| (blob(seed, 3000), TreeSet::of(Tree::Files))).collect();
        let pack = pack(&storage, &blobs);
        let path = dir.path().join(pack.id.key().as_str());
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        let reader = PackReader::new(storage.clone(), pack.id);
        for record in records(&storage, pack.id) {
            if let Ok(content) = reader.blob(&record) {
                // What is decoded is compared with its name by every reader; zstd's own checksum
                // has to find it before that.
                prop_assert_eq!(digest(&content), record.name);
            }
        }
        let info = list(&*storage).unwrap()[0];
        let _ = rebuild_index(&storage, &info); // may fail, must not panic
    }
}
