// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The name of what is in a file.

use super::PfileName;
use md5::digest::Output;
use md5::{Digest, Md5};
use sha1::Sha1;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;

/// From this size on, in bytes, each hash has a thread of its own: neither can be made faster by
/// another lane, and together they take as long as both.
const APART: u64 = 8 << 20;
/// How much is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// The name that a file's content has, whatever the file's own position is.
///
/// # Errors
/// When it cannot be read.
pub fn digest_file(file: &File) -> io::Result<PfileName> {
    if file.metadata()?.len() >= APART {
        let apart = thread::scope(|scope| {
            let md5 = thread::Builder::new().spawn_scoped(scope, || sum::<Md5>(file));
            let Ok(md5) = md5 else { return None };
            let sha1 = sum::<Sha1>(file);
            md5.join().ok().map(|md5| (sha1, md5))
        });
        // Without one more thread, or when both have seen something else, one reads it for both.
        if let Some((sha1, md5)) = apart
            && let (sha1, md5) = (sha1?, md5?)
            && sha1.1 == md5.1
        {
            return Ok(PfileName::new(sha1.0.into(), md5.0.into(), md5.1));
        }
    }
    let mut hasher = super::Hasher::new();
    each(file, |piece| hasher.update(piece))?;
    Ok(hasher.finish())
}

fn sum<D: Digest>(file: &File) -> io::Result<(Output<D>, u64)> {
    let mut sum = D::new();
    let size = each(file, |piece| sum.update(piece))?;
    Ok((sum.finalize(), size))
}

/// Reads all of it; gives its size.
fn each(file: &File, mut take: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => return Ok(at),
            Ok(count) => {
                take(&piece[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
