// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! How fast this host is: some blobs are read, hashed and compressed as a backup does it, and some
//! files written as a restore does. It takes a second or two and some megabytes in a folder that is
//! removed at the end; if it dies, the next run removes it.

use super::facts::Runs;
use super::reckon::{Facts, Speed, Speeds};
use super::{Options, Rests};
use crate::blob::{PfileName, Tree, digest_batch};
use crate::fossology::repository::Reader;
use crate::operations::{Context, Error, Instance, Result, Scratch};
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long each part may take.
const BUDGET: Duration = Duration::from_millis(500);

/// Blobs above this size are not read for it, in bytes.
const LARGEST: u64 = 16 << 20;

/// How much is compressed at once, as in a pack.
const FRAME: usize = 1 << 20;

/// How much is written at most, in bytes, and how many files.
const WRITTEN: u64 = 64 << 20;
const FILES: u32 = 500;
const SMALL: usize = 4096;

/// Blobs that may be read.
#[derive(Debug, Default)]
pub struct Sample {
    /// In gold.
    pub gold: Vec<PfileName>,
    /// In files alone.
    pub unpacked: Vec<PfileName>,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// Blobs that were read.
    pub blobs: u64,
    /// Seconds for reading them, one after the other.
    pub read_seconds: f64,
    /// Seconds of one thread for hashing and compressing them.
    pub pack_seconds: f64,
    /// Bytes of gold among them.
    pub gold_bytes: u64,
    /// What became of those.
    pub gold_packed: u64,
    /// Bytes of unpacked files among them.
    pub unpacked_bytes: u64,
    /// What became of those.
    pub unpacked_packed: u64,
    /// Where it was written to.
    pub place: PathBuf,
    /// Bytes that were written into one file.
    pub written_bytes: u64,
    /// Seconds for that, synced.
    pub write_seconds: f64,
    /// Small files, each in a folder of its own.
    pub files: u64,
    /// Seconds for those, synced.
    pub files_seconds: f64,
}

/// Measures.
///
/// # Errors
/// When nothing can be written anywhere.
pub fn measure(
    instance: &Instance,
    sample: &Sample,
    options: &Options,
    context: Context<'_>,
) -> Result<Measured> {
    let mut measured = Measured::default();
    let layout = &instance.config.layout;
    // Without a repository, as on a new machine, only writing can be measured.
    if let Ok(reader) = Reader::new(layout.clone()) {
        let level = options.compression;
        let gold = read(&reader, Tree::Gold, &sample.gold, level, &mut measured);
        (measured.gold_bytes, measured.gold_packed) = gold;
        let unpacked = read(&reader, Tree::Files, &sample.unpacked, level, &mut measured);
        (measured.unpacked_bytes, measured.unpacked_packed) = unpacked;
    }
    context.stop.check()?;
    let scratch = match Scratch::new(layout.path()) {
        Ok(scratch) => {
            measured.place = layout.path().to_owned();
            scratch
        }
        Err(_) => {
            measured.place.clone_from(&options.scratch);
            Scratch::new(&options.scratch)?
        }
    };
    write_one(&scratch.join("large"), &mut measured)?;
    context.stop.check()?;
    write_many(scratch.path(), &mut measured)?;
    Ok(measured)
}

/// Reads, hashes and compresses some blobs; gives their bytes before and after. One that cannot be
/// read is the check's business.
fn read(
    reader: &Reader,
    tree: Tree,
    names: &[PfileName],
    level: i32,
    measured: &mut Measured,
) -> (u64, u64) {
    let began = Instant::now();
    let (mut bytes, mut packed) = (0, 0);
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let mut gathered = 0;
    let mut pack = |contents: &mut Vec<Vec<u8>>, measured: &mut Measured| {
        let part = Instant::now();
        let slices: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        let names = digest_batch(&slices);
        let size = zstd::bulk::compress(&slices.concat(), level).map_or(0, |data| data.len());
        measured.pack_seconds += part.elapsed().as_secs_f64();
        packed += size as u64;
        contents.clear();
        names.len()
    };
    for name in names.iter().filter(|name| name.size() <= LARGEST) {
        if began.elapsed() > BUDGET {
            break;
        }
        let part = Instant::now();
        let mut content = Vec::new();
        if reader.read(tree, name, &mut content).is_err() {
            continue;
        }
        measured.read_seconds += part.elapsed().as_secs_f64();
        measured.blobs += 1;
        bytes += content.len() as u64;
        gathered += content.len();
        contents.push(content);
        if gathered >= FRAME {
            pack(&mut contents, measured);
            gathered = 0;
        }
    }
    pack(&mut contents, measured);
    (bytes, packed)
}

fn write_one(path: &Path, measured: &mut Measured) -> Result<()> {
    // What a disk may not make smaller.
    let mut block = vec![0_u8; 1 << 20];
    let mut state = 0x9e37_79b9_u32;
    for byte in &mut block {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    let failed = || Error::io("measuring how fast it is written to", path);
    let began = Instant::now();
    let mut file = File::create_new(path).map_err(failed())?;
    while began.elapsed() < BUDGET && measured.written_bytes < WRITTEN {
        file.write_all(&block).map_err(failed())?;
        measured.written_bytes += block.len() as u64;
    }
    file.sync_all().map_err(failed())?;
    measured.write_seconds = began.elapsed().as_secs_f64();
    fs::remove_file(path).map_err(failed())
}

fn write_many(folder: &Path, measured: &mut Measured) -> Result<()> {
    let began = Instant::now();
    let content = [b'x'; SMALL];
    let mut files = 0;
    while began.elapsed() < BUDGET && files < FILES {
        let below = folder.join(files.to_string());
        fs::create_dir(&below).map_err(Error::io("making", &below))?;
        let path = below.join("blob");
        fs::write(&path, content).map_err(Error::io("writing", &path))?;
        files += 1;
    }
    let open = File::open(folder).map_err(Error::io("opening", folder))?;
    nix::unistd::syncfs(open).map_err(|error| Error::io("syncing", folder)(error.into()))?;
    measured.files = u64::from(files);
    measured.files_seconds = began.elapsed().as_secs_f64();
    Ok(())
}

/// Bytes of a dump each second, where nothing tells: pg_dump, and the loading with its indexes.
const DUMPED: f64 = 40e6;
const LOADED: f64 = 15e6;
/// Bytes of unpacked files each second and thread that decompression gives.
const UNPACKED: f64 = 40e6;
/// How small things become, where nothing tells: uploads are archives, source is text.
const GOLD_SHARE: f64 = 0.98;
const UNPACKED_SHARE: f64 = 0.31;

/// What follows from the measurement, and what the history knows better.
pub fn speeds(measured: &Measured, facts: &Facts, runs: &Runs, threads: usize) -> Speeds {
    let threads = threads.max(1) as f64;
    let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let read_bytes = (measured.gold_bytes + measured.unpacked_bytes) as f64;
    let pack = match (
        ratio(measured.read_seconds, measured.blobs as f64),
        ratio(measured.pack_seconds, read_bytes),
    ) {
        (Some(blob), Some(byte)) => Speed {
            blob: blob / threads,
            byte: byte / threads,
            rests: Rests::Measured,
        },
        _ => Speed {
            blob: 50e-6,
            byte: 1.0 / 100e6,
            rests: Rests::Assumed,
        },
    };
    let write = Speed {
        blob: ratio(measured.files_seconds, measured.files as f64).unwrap_or(100e-6),
        byte: ratio(measured.write_seconds, measured.written_bytes as f64).unwrap_or(1.0 / 100e6),
        rests: Rests::Measured,
    };
    let unpack = match runs.unpacking() {
        Some(past) => Speed {
            blob: 0.0,
            byte: past.seconds / past.amount.bytes as f64,
            rests: Rests::History,
        },
        None => Speed {
            blob: write.blob,
            byte: write.byte + 1.0 / (UNPACKED * threads),
            rests: Rests::Assumed,
        },
    };
    let of_dump = |seconds: Option<f64>, usual: f64| match (seconds, facts.dump_bytes) {
        (Some(seconds), Some(bytes)) => (seconds / bytes.max(1) as f64, Rests::History),
        _ => (1.0 / usual, Rests::Assumed),
    };
    let share = |known: Option<(u64, u64)>, packed: u64, bytes: u64, usual: f64| match known {
        Some((packed, bytes)) => (packed as f64 / bytes as f64, Rests::History),
        None => match ratio(packed as f64, bytes as f64) {
            Some(share) => (share, Rests::Measured),
            None => (usual, Rests::Assumed),
        },
    };
    Speeds {
        pack,
        write,
        unpack,
        dump: of_dump(runs.nothing_new(), DUMPED),
        load: of_dump(runs.loading(), LOADED),
        gold_share: share(
            facts.packed.gold,
            measured.gold_packed,
            measured.gold_bytes,
            GOLD_SHARE,
        ),
        unpacked_share: share(
            facts.packed.unpacked,
            measured.unpacked_packed,
            measured.unpacked_bytes,
            UNPACKED_SHARE,
        ),
    }
}
