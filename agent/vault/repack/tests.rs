// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is packed again is what it was, for any tar and for any index, and damage takes nothing
//! along.

use super::*;
use crate::vault::local::Local;
use crate::vault::{PackInfo, rebuild_index};
use std::io::Read;

const LARGE: usize = (5 << 20) + 7;

fn storage() -> (tempfile::TempDir, Arc<dyn Storage>) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Arc::new(Local::open(dir.path()).unwrap());
    (dir, storage)
}

/// A pack with blobs of many sizes; some lie in both trees, on different hosts, one of which has a
/// name that no ustar header can hold. Each thirtieth is large.
fn packed(storage: &Arc<dyn Storage>, seed: u8, blobs: usize) -> IndexFile {
    let mut builder = FrameBuilder::new(1).unwrap();
    let mut writer = PackWriter::new(storage.clone(), Tree::Gold).unwrap();
    for number in 0..blobs {
        let large = number % 30 == 29;
        let len = if large { LARGE } else { number * 997 % 90_000 };
        let content: Vec<u8> = (0..len)
            .map(|at| seed ^ ((at * number) >> 3) as u8)
            .collect();
        let content = [&[seed, number as u8][..], &content].concat();
        let name = digest(&content);
        let folders = name.folders(3);
        let mut places = vec![(Tree::Gold, format!("alpha/gold/{folders}{name}"))];
        if number % 2 == 0 {
            let host = "storage.".repeat(if number % 4 == 0 { 30 } else { 1 });
            places.push((Tree::Files, format!("{host}/files/{folders}{name}")));
        }
        let pfile = number as u32 + 1;
        if large {
            let mut blob = writer.large(name, pfile, &places, 1).unwrap();
            blob.write(&content).unwrap();
            blob.commit().unwrap();
        } else {
            let buffer = builder.begin(name, pfile, &places).unwrap();
            buffer.extend_from_slice(&content);
            builder.keep().unwrap();
        }
    }
    for frame in builder.finish().unwrap() {
        writer.add(frame).unwrap();
    }
    let pack = writer.finish().unwrap().unwrap();
    IndexFile::open(storage.clone(), pack.id).unwrap()
}

fn records(index: &IndexFile) -> Vec<Record> {
    index.verify().unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    records
}

/// What any tar makes of a pack: each path with its content, and each link with its target.
fn unpacked(storage: &Arc<dyn Storage>, pack: PackId) -> BTreeMap<String, Vec<u8>> {
    let key = pack.key();
    let size = storage.size(&key).unwrap().unwrap();
    let plain = zstd::decode_all(&storage.read(&key, 0, size).unwrap()[..]).unwrap();
    let mut archive = tar::Archive::new(&plain[..]);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if let Some(target) = entry.link_name().unwrap() {
            content = target.to_str().unwrap().as_bytes().to_vec();
        }
        (entry.path().unwrap().to_str().unwrap().to_owned(), content)
    });
    entries.collect()
}

fn repack(storage: &Arc<dyn Storage>, index: &IndexFile, wanted: &RoaringBitmap) -> Vec<PackRef> {
    let mut repacker = Repacker::new(storage.clone(), Tree::Gold, 1).unwrap();
    repacker.take(index, wanted).unwrap();
    let (moved, made) = repacker.finish().unwrap();
    assert_eq!(moved[&index.pack()], made);
    made
}

#[test]
fn any_part_of_a_pack_is_what_it_was() {
    let (_dir, storage) = storage();
    let index = packed(&storage, 1, 120);
    let old = records(&index);
    let all = unpacked(&storage, index.pack());
    let parts: [&dyn Fn(u32) -> bool; 5] = [
        &|_| true,
        &|number| number % 3 == 0,
        &|number| number != 7,
        &|number| old[number as usize].name.size() > LARGE as u64,
        &|number| old[number as usize].trees.contains(Tree::Files),
    ];
    for part in parts {
        let wanted: RoaringBitmap = (0..old.len() as u32)
            .filter(|number| part(*number))
            .collect();
        let made = repack(&storage, &index, &wanted);
        assert_eq!(made.len(), 1);
        let new = IndexFile::open(storage.clone(), made[0].id).unwrap();
        assert_eq!(PackRef::of(&new), made[0]);
        let expected: Vec<Record> = wanted.iter().map(|number| old[number as usize]).collect();
        let told = |record: &Record| (record.name, record.trees, record.pfile);
        let found = records(&new);
        assert!(found.iter().map(told).eq(expected.iter().map(told)));
        let reader = PackReader::new(storage.clone(), new.pack());
        for record in &found {
            assert_eq!(digest(&reader.blob(record).unwrap()), record.name);
        }
        // The same paths, contents and links as before.
        let names: BTreeSet<String> = found.iter().map(|record| record.name.to_string()).collect();
        let mut kept = all.clone();
        kept.retain(|path, _| names.contains(path.rsplit('/').next().unwrap()));
        assert!(unpacked(&storage, new.pack()) == kept);
        // Its index can be made again from it.
        let key = new.pack().index_key();
        let bytes = |key| {
            storage
                .read(key, 0, storage.size(key).unwrap().unwrap())
                .unwrap()
        };
        let index = bytes(&key);
        storage.delete(&key).unwrap();
        let info = PackInfo {
            id: new.pack(),
            size: new.pack_size(),
            indexed: false,
        };
        rebuild_index(&storage, &info).unwrap();
        assert_eq!(bytes(&key), index);
    }
    assert_eq!(repack(&storage, &index, &RoaringBitmap::new()), []);
}

#[test]
fn damage_is_told_and_takes_nothing_along() {
    let (dir, storage) = storage();
    let good = packed(&storage, 2, 60);
    let bad = packed(&storage, 3, 60);
    let all: RoaringBitmap = (0..60).collect();
    let path = dir.path().join(bad.pack().key().as_str());
    let whole = std::fs::read(&path).unwrap();
    let small = |record: &Record| record.name.size() < LARGE as u64;
    let hits = records(&bad);
    let hits = [
        hits.iter().find(|record| small(record)).unwrap(),
        hits.iter().find(|record| !small(record)).unwrap(),
    ];
    for hit in hits {
        let mut bytes = whole.clone();
        bytes[(hit.frame_offset + hit.frame_len / 2) as usize] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let mut repacker = Repacker::new(storage.clone(), Tree::Gold, 1).unwrap();
        repacker.take(&good, &(0..30).collect()).unwrap();
        let error = repacker.take(&bad, &all).unwrap_err();
        assert!(error.is_damage(), "{error}");
        repacker.take(&good, &(30..60).collect()).unwrap();
        let (moved, made) = repacker.finish().unwrap();
        assert_eq!(moved.keys().collect::<Vec<_>>(), [&good.pack()]);
        let mut left: BTreeSet<PfileName> =
            records(&good).iter().map(|record| record.name).collect();
        for pack in made {
            let index = IndexFile::open(storage.clone(), pack.id).unwrap();
            let reader = PackReader::new(storage.clone(), pack.id);
            for record in records(&index) {
                assert_eq!(digest(&reader.blob(&record).unwrap()), record.name);
                left.remove(&record.name);
            }
        }
        assert!(left.is_empty());
        // What is dead may be as damaged as it likes.
        let others = records(&bad).into_iter().enumerate();
        let others = others.filter(|(_, record)| record.frame_offset != hit.frame_offset);
        repack(
            &storage,
            &bad,
            &others.map(|(number, _)| number as u32).collect(),
        );
    }
}
