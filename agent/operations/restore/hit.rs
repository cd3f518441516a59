// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which uploads lack something after a restore, so that nobody has to look for them. Only reads.

use super::blobs::Damage;
use crate::blob::PfileName;
use crate::fossology::catalogue;
use crate::operations::Result;
use postgres::Client;
use roaring::RoaringBitmap;
use serde::Serialize;
use std::collections::BTreeMap;

/// How many blobs the database is asked for at once.
const BATCH: usize = 4096;

/// An upload that something did not come back for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// How many of its blobs.
    pub blobs: u64,
}

/// The uploads that need what the vault does not have (by key) or does not give back.
pub(super) fn uploads(
    client: &mut Client,
    lacking: &RoaringBitmap,
    damaged: &[Damage],
) -> Result<Vec<Hit>> {
    let mut hits: BTreeMap<i32, u64> = BTreeMap::new();
    catalogue::shares(client, lacking.iter(), |share| {
        *hits.entry(share.upload).or_default() += share.blobs;
    })?;
    let names: Vec<PfileName> = damaged.iter().filter_map(|damage| damage.name).collect();
    for some in names.chunks(BATCH) {
        for need in catalogue::uploads_that_need(client, some)? {
            *hits.entry(need.upload).or_default() += need.blobs;
        }
    }
    let keys: Vec<i32> = hits.keys().copied().collect();
    let known = catalogue::uploads(client, &keys)?;
    Ok(known
        .into_iter()
        .map(|row| Hit {
            upload: row.upload,
            blobs: hits.get(&row.upload).copied().unwrap_or(0),
            filename: row.filename,
        })
        .collect())
}
