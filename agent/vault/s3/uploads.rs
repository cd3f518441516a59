// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Uploads in parts, several at once, and those that were never completed. Killed in the middle, the
//! parts stay on the server, where nobody sees them, until a later run gives the upload up.

use super::request::Request;
use super::{S3, is_not_implemented, xml};
use crate::threads;
use crate::vault::crypt::ENDING;
use crate::vault::remote::Kind;
use crate::vault::{Error, Key, ObjectKind, Result};
use memmap2::MmapMut;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The size of a part in bytes, unless there would be too many.
pub const PART: u64 = 8 << 20;

/// How many parts an object may have.
const PARTS: u64 = 10_000;

/// Where packs lie.
const PACKS: &str = "packs/";

impl S3 {
    /// Sends the parts, several at once, and gives back what the server calls them.
    pub(super) fn parts(
        &self,
        key: &Key,
        name: &str,
        upload: &str,
        file: &File,
        len: u64,
    ) -> Result<Vec<String>> {
        let part = PART.max(len.div_ceil(PARTS));
        let count = len.div_ceil(part);
        let etags = Mutex::new(vec![String::new(); count as usize]);
        let next = AtomicU64::new(0);
        let failed = AtomicBool::new(false);
        let work = || -> Result<()> {
            loop {
                // The place comes first: it bounds the memory too.
                let _place = self.client.place(key.as_str());
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count || failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let offset = number * part;
                let sent = piece(file, offset, part.min(len - offset))
                    .map_err(Error::io("reading again", key))
                    .and_then(|data| {
                        let what = format!("sending part {} of {count} of {key}", number + 1);
                        let request = Request::new(Kind::Put, "PUT", name)
                            .query("partNumber", (number + 1).to_string())
                            .query("uploadId", upload)
                            .body(&data);
                        let answer = self.make_anyway(&what, &request)?;
                        let etag = answer.header("etag").map(str::to_owned);
                        etag.ok_or_else(|| self.unclear(&what, "no ETag"))
                    });
                match sent {
                    Ok(etag) => {
                        let mut etags = etags.lock().unwrap_or_else(|error| error.into_inner());
                        etags[number as usize] = etag;
                    }
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        };
        let workers = count.min(self.client.connections() as u64);
        let results: Vec<Result<()>> = threads::together("sending parts", workers as usize, work);
        results.into_iter().collect::<Result<()>>()?;
        Ok(etags
            .into_inner()
            .unwrap_or_else(|error| error.into_inner()))
    }

    pub(super) fn abort(&self, name: &str, upload: &str) -> Result<()> {
        let request = Request::new(Kind::Delete, "DELETE", name).query("uploadId", upload);
        let _place = self.client.place(PACKS);
        self.client.ask("giving up an upload", &request).map(drop)
    }

    /// The unfinished uploads, as far as the keys may ask for them: nobody has to be allowed to.
    pub(super) fn known_uploads(&self) -> Result<Vec<xml::Upload>> {
        match self.unfinished_uploads() {
            Err(error @ Error::Refused { .. }) => {
                log::info!("{error}");
                Ok(Vec::new())
            }
            uploads => uploads,
        }
    }

    /// The uploads of this vault's packs that are not complete. Only those are ever in parts; what
    /// else lies in the bucket, another vault below the same prefix perhaps, is none of ours.
    fn unfinished_uploads(&self) -> Result<Vec<xml::Upload>> {
        let what = "listing unfinished uploads";
        let below = format!("{}{PACKS}", self.prefix);
        let _place = self.client.place(PACKS);
        let mut found = Vec::new();
        let mut marker: Option<(String, String)> = None;
        loop {
            let mut request = Request::new(Kind::List, "GET", "")
                .query("uploads", "")
                .query("prefix", &*below);
            if let Some((key, upload)) = &marker {
                request = request
                    .query("key-marker", &**key)
                    .query("upload-id-marker", &**upload);
            }
            let answer = self.client.ask(what, &request)?;
            if is_not_implemented(&answer) {
                return Ok(found); // a server that does not know how to list them
            }
            let answer = self.done(what, answer)?;
            let page: xml::Uploads =
                xml::parse(&answer.body).map_err(|why| self.unclear(what, why))?;
            let ours = |upload: &xml::Upload| is_own_pack(&self.prefix, &upload.key);
            found.extend(page.uploads.into_iter().filter(ours));
            let next = match (page.is_truncated, page.next_key_marker) {
                (true, Some(key)) => Some((key, page.next_upload_id_marker.unwrap_or_default())),
                _ => return Ok(found),
            };
            if next == marker {
                return Err(self.unclear(what, "the same page twice"));
            }
            marker = next;
        }
    }
}

/// Some of a file, in memory of its own, which is given back at once. What the allocator gives to many
/// threads in turn it would keep for each of them.
pub(super) fn piece(file: &File, offset: u64, len: u64) -> io::Result<MmapMut> {
    // No mapping is empty.
    let mut data = MmapMut::map_anon((len as usize).max(1))?;
    file.read_exact_at(&mut data[..len as usize], offset)?;
    Ok(data)
}

/// Whether the key in a bucket is that of a pack of the vault with this prefix.
fn is_own_pack(prefix: &str, key: &str) -> bool {
    let own = key.strip_prefix(prefix);
    own.is_some_and(|name| {
        matches!(
            Key::from_text(name.strip_suffix(ENDING).unwrap_or(name)).kind(),
            ObjectKind::Pack(_)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uploads_of_own_packs_are_own() {
        let id = "0123456789abcdef".repeat(4);
        let pack = id.parse::<crate::vault::PackId>().unwrap().key();
        for prefix in ["", "a/b/"] {
            assert!(is_own_pack(prefix, &format!("{prefix}{pack}")));
            assert!(is_own_pack(prefix, &format!("{prefix}{pack}.age")));
            assert!(!is_own_pack(prefix, &format!("{prefix}nested/{pack}")));
            assert!(!is_own_pack(prefix, &format!("{prefix}packs/film.mkv")));
        }
        assert!(!is_own_pack("a/", &format!("b/{pack}")));
    }
}
