// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::blob::{PfileName, Tree, digest};
use crate::vault::local::Local;
use crate::vault::{
    FrameBuilder, IndexFile, Key, Object, PackReader, PackWriter, Put, Spool, Storage,
};
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that counts what is read of it, and how often it is asked for a size.
struct Counting {
    local: Local,
    bytes: AtomicU64,
    reads: AtomicU64,
    sizes: AtomicU64,
}

impl Counting {
    fn take(&self) -> (u64, u64) {
        (
            self.bytes.swap(0, Ordering::Relaxed),
            self.reads.swap(0, Ordering::Relaxed),
        )
    }
}

impl Storage for Counting {
    fn location(&self) -> String {
        self.local.location()
    }
    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        self.local.put(key, data)
    }
    fn spool(&self) -> Result<Box<dyn Spool>> {
        self.local.spool()
    }
    fn size(&self, key: &Key) -> Result<Option<u64>> {
        self.sizes.fetch_add(1, Ordering::Relaxed);
        self.local.size(key)
    }
    fn begin(&self, key: &Key, most: u64) -> Result<(Vec<u8>, u64)> {
        let (data, size) = self.local.begin(key, most)?;
        self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
        Ok((data, size))
    }
    fn read(&self, key: &Key, offset: u64, len: u64) -> Result<Vec<u8>> {
        self.bytes.fetch_add(len, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
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

/// More than a small object has.
const MANY: u64 = 1 << 20;

struct Place {
    identities: Identities,
    _folder: tempfile::TempDir,
    counting: Arc<Counting>,
    sealed: Arc<Sealed>,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let counting = Arc::new(Counting {
        local: Local::open(folder.path()).unwrap(),
        bytes: AtomicU64::new(0),
        reads: AtomicU64::new(0),
        sizes: AtomicU64::new(0),
    });
    let key = ListKey::generate();
    let recipients = Recipients::parse([key.public()]).unwrap();
    let lists = ListKey::generate();
    let generation = Generation::after(&Generations::default(), recipients, &lists).unwrap();
    generation.put(&*counting).unwrap();
    let generations = Generations::read(&*counting).unwrap();
    let sealed = Sealed::new(counting.clone(), generations);
    sealed.put_copies_in(None, folder.path().to_owned());
    let file = folder.path().join("key");
    use age::secrecy::ExposeSecret;
    std::fs::write(&file, key.secret().expose_secret()).unwrap();
    let identities = Identities::read(&file, &mut |_| unreachable!()).unwrap();
    sealed.unlock(identities.clone()).unwrap();
    Place {
        identities,
        _folder: folder,
        counting,
        sealed: Arc::new(sealed),
    }
}

fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut data = Vec::with_capacity(len + 8);
    while data.len() < len {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        data.extend_from_slice(&seed.to_le_bytes());
    }
    data.truncate(len);
    data
}

fn places(name: &PfileName) -> [(Tree, String); 1] {
    [(Tree::Files, format!("files/aa/bb/cc/{name}"))]
}

/// A pack of blobs, a MiB each, that do not compress.
fn pack(storage: &Arc<dyn Storage>, blobs: u32) -> crate::vault::PackRef {
    let mut writer = PackWriter::new(storage.clone(), Tree::Files).unwrap();
    let mut builder = FrameBuilder::new(1).unwrap();
    for number in 1..=blobs {
        let content = noise(1 << 20, u64::from(number));
        let name = digest(&content);
        let buffer = builder.begin(name, number, &places(&name)).unwrap();
        buffer.extend_from_slice(&content);
        builder.keep().unwrap();
        for frame in builder.finish().unwrap() {
            writer.add(frame).unwrap();
        }
    }
    writer.finish().unwrap().unwrap()
}

#[test]
fn one_blob_of_an_encrypted_pack_costs_its_frame_and_the_head() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 20);
    assert_eq!(storage.size(&made.id.key()).unwrap(), Some(made.size));
    let index = IndexFile::open(storage.clone(), made.id).unwrap();
    index.verify().unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    place.counting.take();
    place.counting.sizes.store(0, Ordering::Relaxed);
    for record in records {
        // A reader of its own each time, as another process would have it.
        let reader = PackReader::new(storage.clone(), made.id);
        assert_eq!(digest(&reader.blob(&record).unwrap()), record.name);
        let (bytes, reads) = place.counting.take();
        let piece = 64 * 1024 + 16;
        let bound = record.frame_len + 2 * piece + 4096 + record.frame_len / 4096;
        assert!(
            bytes <= bound,
            "{bytes} bytes for a frame of {}",
            record.frame_len
        );
        assert!(reads <= 3, "{reads} reads");
    }
    // On a server each of these would be a question that waits for its answer.
    assert_eq!(place.counting.sizes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_pack_that_is_read_on_is_opened_once() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 3);
    let key = made.id.key();
    place.counting.take();
    for offset in [5, 900_000, 70_000] {
        storage.read(&key, offset, 10).unwrap();
    }
    // The head, and a piece for each part.
    assert_eq!(place.counting.take().1, 4);
}

#[test]
fn copies_of_many_indexes_are_made_side_by_side_and_each_once() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made: Vec<_> = (1..=3).map(|blobs| pack(&storage, blobs).id).collect();
    place.counting.take();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            for pack in &made {
                let storage = storage.clone();
                scope.spawn(move || IndexFile::open(storage, *pack).unwrap().verify().unwrap());
            }
        }
    });
    assert_eq!(place.counting.take().1, 3, "reads of the vault's indexes");
}

#[test]
fn whether_an_index_is_there_is_asked_only_when_a_copy_could_hide_that_it_is_gone() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let [one, gone] = [1, 2].map(|blobs| pack(&storage, blobs).id);
    place.counting.sizes.store(0, Ordering::Relaxed);
    IndexFile::open(storage.clone(), one).unwrap();
    assert_eq!(place.counting.sizes.load(Ordering::Relaxed), 0);
    // Somebody else removes both.
    for pack in [one, gone] {
        let index = stored(&pack.index_key());
        place.counting.delete(&index).unwrap();
        let opened = IndexFile::open(storage.clone(), pack);
        assert!(matches!(opened, Err(Error::Missing { .. })));
    }
}

#[test]
fn any_part_of_an_encrypted_object_is_what_was_written() {
    let place = place();
    let content = noise(300_000, 9);
    let key = Key::from_text("packs/00/x");
    place.sealed.put(&key, &content).unwrap();
    assert_eq!(place.sealed.begin(&key, 0).unwrap().1, 300_000);
    for (offset, len) in [
        (0, 1),
        (0, 300_000),
        (65_535, 2),
        (65_536, 65_536),
        (131_072, 1),
        (299_999, 1),
        (5, 0),
    ] {
        let part = place.sealed.read(&key, offset, len).unwrap();
        assert_eq!(
            part,
            content[offset as usize..(offset + len) as usize],
            "{offset} {len}"
        );
    }
    for (offset, len) in [(299_999, 2), (300_000, 1), (u64::MAX, 2), (1, u64::MAX - 1)] {
        assert!(
            place
                .sealed
                .read(&key, offset, len)
                .unwrap_err()
                .is_damage()
        );
    }
    // After a failure, too.
    assert_eq!(place.sealed.read(&key, 7, 3).unwrap(), content[7..10]);
}

#[test]
fn a_large_blob_that_turns_out_bad_leaves_nothing_in_an_encrypted_pack() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let mut writer = PackWriter::new(storage.clone(), Tree::Files).unwrap();
    let large = noise(9 << 20, 3);
    let name = digest(&large);
    let mut bad = writer.large(name, 1, &places(&name), 1).unwrap();
    bad.write(&large[..6 << 20]).unwrap();
    bad.cancel().unwrap();
    let mut good = writer.large(name, 1, &places(&name), 1).unwrap();
    good.write(&large).unwrap();
    good.commit().unwrap();
    let made = writer.finish().unwrap().unwrap();
    let stored =
        std::fs::read(place._folder.path().join(format!("{}.age", made.id.key()))).unwrap();
    assert_eq!(stored.len() as u64, made.size);
    use sha2::{Digest, Sha256};
    assert_eq!(Sha256::digest(&stored)[..], made.id.bytes()[..]);
    // The tar inside holds the blob once.
    let clear = storage.whole(&made.id.key(), 1 << 30).unwrap();
    let tar = zstd::stream::decode_all(Cursor::new(clear)).unwrap();
    let entries = tar::Archive::new(&tar[..]).entries().unwrap().count();
    assert_eq!(entries, 1);
    let index = IndexFile::open(storage.clone(), made.id).unwrap();
    let mut records = Vec::new();
    index.for_each(|_, record| records.push(record)).unwrap();
    let read = PackReader::new(storage, made.id).blob(&records[0]).unwrap();
    assert_eq!(digest(&read), name);
}

#[test]
fn a_lost_index_is_made_again_from_an_encrypted_pack() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 3);
    let key = made.id.index_key();
    let before = storage.whole(&key, 1 << 20).unwrap();
    storage.delete(&key).unwrap();
    assert!(IndexFile::open(storage.clone(), made.id).is_err());
    let info = crate::vault::PackInfo {
        id: made.id,
        size: made.size,
        indexed: false,
    };
    crate::vault::rebuild_index(&storage, &info).unwrap();
    assert_eq!(storage.whole(&key, 1 << 20).unwrap(), before);
}

#[test]
fn an_index_that_is_made_again_for_reading_is_not_put() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 1);
    let key = made.id.index_key();
    let before = storage.whole(&key, 1 << 20).unwrap();
    storage.delete(&key).unwrap();
    place.sealed.keep_index(made.id, &before).unwrap();
    assert_eq!(storage.size(&key).unwrap(), None);
    let index = IndexFile::open(storage, made.id).unwrap();
    index.verify().unwrap();
    assert_eq!(index.count(), 1);
}

#[test]
fn what_lies_behind_the_content_is_refused() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 1);
    let key = made.id.key();
    let (_, content) = storage.begin(&key, 0).unwrap();
    assert!(content < made.size);
    // What is stored is longer than the content, so the listing's size alone does not tell.
    for (offset, len) in [
        (content, 1),
        (content + 1, 1),
        (content - 1, 2),
        (made.size - 1, 1),
    ] {
        let read = storage.read(&key, offset, len);
        assert!(read.unwrap_err().is_damage(), "{offset} {len}");
    }
    assert_eq!(storage.read(&key, content - 1, 1).unwrap().len(), 1);
}

#[test]
fn an_object_that_is_larger_than_it_may_be_is_not_fetched() {
    let place = place();
    let key = Key::from_text("snapshots/x.json");
    place.sealed.put(&key, &noise(300_000, 5)).unwrap();
    assert_eq!(place.sealed.whole(&key, 300_000).unwrap().len(), 300_000);
    place.counting.take();
    assert!(place.sealed.whole(&key, 1000).unwrap_err().is_damage());
    assert!(place.sealed.whole(&key, 299_999).is_err());
}

#[test]
fn a_damaged_change_of_recipients_keeps_nothing_from_being_read() {
    let place = place();
    let inner: &dyn Storage = &*place.counting;
    let chunk = Key::from_text("database/00/x.zst");
    place.sealed.put(&chunk, b"all of it").unwrap();
    let again = || {
        let sealed = Sealed::new(place.counting.clone(), Generations::read(inner).unwrap());
        sealed.unlock(place.identities.clone()).map(|()| sealed)
    };
    let junk = Key::from_text("recipients/9.json");
    inner.put(&junk, b"{").unwrap();
    let sealed = again().unwrap();
    assert_eq!(sealed.whole(&chunk, 100).unwrap(), b"all of it");
    assert_eq!(sealed.damaged_generations()[0].0, junk);
    // But nobody knows for whom to write.
    let other = Key::from_text("snapshots/y.json");
    let refused = sealed.put(&other, b"more").unwrap_err().to_string();
    assert!(refused.contains("recipients/9.json"), "{refused}");
    let lists = ListKey::generate();
    assert!(sealed.change(sealed.recipients(), lists).is_err());
    inner.delete(&junk).unwrap();

    // A number that none follows.
    let first = Key::from_text("recipients/1.json");
    let text = String::from_utf8(inner.whole(&first, MANY).unwrap()).unwrap();
    let last = u64::MAX.to_string();
    let key = Key::from_text(format!("recipients/{last}.json"));
    let huge = text.replace("\"number\": 1", &format!("\"number\": {last}"));
    inner.put(&key, huge.as_bytes()).unwrap();
    let sealed = again().unwrap();
    assert!(
        sealed
            .change(sealed.recipients(), ListKey::generate())
            .is_err()
    );
    inner.delete(&key).unwrap();

    // The right key stays the right one when the list key, or all, is lost.
    let at = text.find("BEGIN AGE").unwrap() + 60;
    let mut bad = text.into_bytes();
    bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
    inner.delete(&first).unwrap();
    inner.put(&first, &bad).unwrap();
    assert_eq!(again().unwrap().whole(&chunk, 100).unwrap(), b"all of it");
    inner.delete(&first).unwrap();
    assert_eq!(again().unwrap().whole(&chunk, 100).unwrap(), b"all of it");
    // And the wrong one the wrong one.
    inner
        .delete(&Key::from_text("database/00/x.zst.age"))
        .unwrap();
    assert!(matches!(again(), Err(Error::WrongKey { .. })));
}

#[test]
fn a_folder_of_copies_that_cannot_be_used_is_done_without() {
    let place = place();
    let storage: Arc<dyn Storage> = place.sealed.clone();
    let made = pack(&storage, 2);
    let key = made.id.index_key();
    let before = storage.whole(&key, MANY).unwrap();
    let sealed = || {
        let generations = Generations::read(&*place.counting).unwrap();
        let sealed = Sealed::new(place.counting.clone(), generations);
        sealed.unlock(place.identities.clone()).unwrap();
        sealed
    };
    let [scratch, kept] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    // It is a file.
    let file = kept.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let one = sealed();
    one.put_copies_in(Some(file), scratch.path().to_owned());
    assert_eq!(one.whole(&key, MANY).unwrap(), before);
    // It is removed while it is used.
    let cache = kept.path().join("cache");
    let one = Arc::new(sealed());
    one.put_copies_in(Some(cache.clone()), scratch.path().to_owned());
    let index = IndexFile::open(one.clone(), made.id).unwrap();
    std::fs::remove_dir_all(&cache).unwrap();
    index.verify().unwrap();
    // The vault's own index is as it was.
    assert!(storage.size(&key).unwrap().is_some());
    assert_eq!(sealed().whole(&key, MANY).unwrap(), before);
}

#[test]
fn keys_show_nothing_of_themselves() {
    let key = ListKey::generate();
    use age::secrecy::ExposeSecret;
    let secret = key.secret();
    assert!(!format!("{key:?} {secret:?}").contains(secret.expose_secret()));
    assert!(Recipients::parse(["ssh-ed25519 AAAA"]).is_err());
    assert!(Recipients::parse(["age1nonsense"]).is_err());
    let error = Recipients::parse([secret.expose_secret()])
        .unwrap_err()
        .to_string();
    assert!(!error.contains(&secret.expose_secret()[20..]), "{error}");
}
