// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::vault::local::Local;
use crate::vault::{Key, Object, Spool};
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn store() -> (tempfile::TempDir, ChunkStore) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Arc::new(Local::open(dir.path()).unwrap());
    (dir, ChunkStore::new(storage))
}

fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(len);
    while data.len() < len {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        data.push((seed >> 56) as u8);
    }
    data
}

#[test]
fn what_did_not_change_is_stored_once() {
    let (_dir, store) = store();
    let mut data = noise(12 << 20, 1);
    let first = store.write("a dump", &data[..], 2, &|| false).unwrap();
    let stored = store.stored();
    data.splice(5_000_000..5_000_010, *b"a changed row");
    let second = store.write("a dump", &data[..], 2, &|| false).unwrap();
    let added = store.stored() - stored;
    assert!(added < 9 << 20 && added > 0, "{added} bytes were added");
    let shared = second
        .chunks
        .iter()
        .filter(|id| first.chunks.contains(id))
        .count();
    assert!(shared >= second.chunks.len() - 3);
    let mut again = Vec::new();
    store.copy("a dump", &second, &mut again).unwrap();
    assert_eq!(again, data);
    let mut piece_by_piece = Vec::new();
    let mut reader = store.reader(&second);
    reader.read_to_end(&mut piece_by_piece).unwrap();
    assert_eq!(piece_by_piece, data);
}

#[test]
fn a_source_that_fails_is_named() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let (_dir, store) = store();
    let source = noise(3 << 20, 2);
    let error = store
        .write("4711.dat", source.chain(Broken), 2, &|| false)
        .unwrap_err();
    assert!(error.to_string().contains("4711.dat"), "{error}");
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

/// A disk that is full: what is asked is answered, and nothing can be put.
struct FullDisk;

impl Storage for FullDisk {
    fn location(&self) -> String {
        "a full disk".into()
    }
    fn put(&self, _: &Key, _: &[u8]) -> Result<Put> {
        Err(Error::io("writing", "a chunk")(
            io::ErrorKind::StorageFull.into(),
        ))
    }
    fn spool(&self) -> Result<Box<dyn Spool>> {
        unreachable!("chunks are put")
    }
    fn size(&self, _: &Key) -> Result<Option<u64>> {
        Ok(None)
    }
    fn read(&self, _: &Key, _: u64, _: u64) -> Result<Vec<u8>> {
        unreachable!("nothing is there to be read")
    }
    fn list(&self, _: &str) -> Result<Vec<Object>> {
        Ok(Vec::new())
    }
    fn delete(&self, _: &Key) -> Result<()> {
        unreachable!("nothing is there to be removed")
    }
    fn put_at(&self, _: &Key) -> Result<Option<jiff::Timestamp>> {
        Ok(None)
    }
    fn tidy(&self, _: bool) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_a_large_stream() {
    let store = ChunkStore::new(Arc::new(FullDisk));
    let data = noise(16 << 20, 4);
    for workers in [1, 3] {
        let error = store
            .write("4711.dat", &data[..], workers, &|| false)
            .unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
    }
}

#[test]
fn a_large_stream_is_left_when_somebody_asks() {
    let (_dir, store) = store();
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    // It has no end.
    let error = store
        .write("4711.dat", io::repeat(7), 2, &stop)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
}

#[test]
fn a_flipped_byte_is_found() {
    let (dir, store) = store();
    let stream = store
        .write("x", &noise(100_000, 3)[..], 1, &|| false)
        .unwrap();
    let path = dir.path().join(stream.chunks[0].key().as_str());
    let mut bytes = std::fs::read(&path).unwrap();
    for at in [4, bytes.len() / 2, bytes.len() - 1] {
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(store.chunk(stream.chunks[0]).unwrap_err().is_damage());
        bytes[at] ^= 1;
    }
    std::fs::write(&path, &bytes).unwrap();
    store.chunk(stream.chunks[0]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_is_not_cut_is_the_chunk_that_cutting_would_give(len in 1usize..CHUNK.0 as usize, seed: u64) {
        let (_dir, store) = store();
        let data = noise(len, seed);
        let (least, usual, most) = CHUNK;
        let cut: Vec<_> = StreamCDC::new(&data[..], least as usize, usual as usize, most as usize)
            .map(|piece| ChunkId::new(Sha256::digest(piece.unwrap().data).into()))
            .collect();
        prop_assert_eq!(store.write("x", &data[..], 1, &|| false).unwrap().chunks, cut);
    }

    #[test]
    fn any_stream_survives(len in 0usize..3_000_000, seed: u64, workers in 1usize..4) {
        let (_dir, store) = store();
        let data = noise(len, seed);
        let stream = store.write("x", &data[..], workers, &|| false).unwrap();
        prop_assert_eq!(stream.size, len as u64);
        let mut again = Vec::new();
        store.copy("x", &stream, &mut again).unwrap();
        prop_assert!(again == data);
    }
}

/// A place far away, which is quick when it is asked for several things at once: each answer comes
/// when so many others are asked for, or after a while.
struct Far {
    local: Local,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Far {
    const AT_ONCE: usize = 4;

    fn new(folder: &Path) -> Self {
        Self {
            local: Local::open(folder).unwrap(),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    fn travel(&self) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        for _ in 0..100 {
            if self.open.load(Ordering::SeqCst) == Self::AT_ONCE {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(5));
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Storage for Far {
    fn location(&self) -> String {
        "far away".into()
    }
    fn side_by_side(&self) -> usize {
        Self::AT_ONCE
    }
    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        self.travel();
        self.local.put(key, data)
    }
    fn spool(&self) -> Result<Box<dyn Spool>> {
        unreachable!("chunks are put")
    }
    fn size(&self, key: &Key) -> Result<Option<u64>> {
        self.local.size(key)
    }
    fn begin(&self, key: &Key, most: u64) -> Result<(Vec<u8>, u64)> {
        self.travel();
        self.local.begin(key, most)
    }
    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.local.read(key, offset, len)
    }
    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        self.local.list(prefix)
    }
    fn delete(&self, key: &Key) -> Result<()> {
        self.local.delete(key)
    }
    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        self.local.put_at(key)
    }
    fn tidy(&self, alone: bool) -> Result<()> {
        self.local.tidy(alone)
    }
}

#[test]
fn a_far_place_is_asked_for_several_chunks_at_once_and_they_come_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let far = Arc::new(Far::new(dir.path()));
    let store = ChunkStore::new(far.clone());
    let data = noise(8 << 20, 5);
    let stream = store.write("a dump", &data[..], 1, &|| false).unwrap();
    assert_eq!(far.most.swap(0, Ordering::SeqCst), Far::AT_ONCE);
    let mut again = Vec::new();
    store.copy("a dump", &stream, &mut again).unwrap();
    assert!(again == data, "something else came back");
    assert_eq!(far.most.swap(0, Ordering::SeqCst), Far::AT_ONCE);
    // Of what is damaged nothing is handed on, nor of what comes after it.
    let damaged = stream.chunks[3].key();
    std::fs::write(dir.path().join(damaged.as_str()), b"no chunk").unwrap();
    let mut begun = Vec::new();
    let error = store.copy("a dump", &stream, &mut begun).unwrap_err();
    assert!(error.to_string().contains(damaged.as_str()), "{error}");
    assert!(data.starts_with(&begun) && begun.len() < data.len() / 2);
}
