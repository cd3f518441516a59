// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which uploads lack files, before anything is recovered.

use super::missing::Look;
use crate::fossology::catalogue::{Moment, states};
use crate::fossology::repository::Reader;
use crate::operations::{Context, Instance, Result};
use roaring::RoaringBitmap;

/// How many blobs the database is asked for at once.
const BATCH: usize = 4096;

/// Those of these uploads that lack files which may come back, in the same order. What is known not
/// to come out of any archive does not count: nobody should wait for it for ever.
///
/// # Errors
/// When it could not be looked for.
pub fn lacking(
    instance: &Instance,
    uploads: &[i32],
    lookers: usize,
    context: Context<'_>,
) -> Result<Vec<i32>> {
    let reader = Reader::new(instance.config.layout.clone())?;
    let mut client = instance.connect("recover")?;
    let mut moments = instance.connect("recover catalogue")?;
    let look = Look {
        reader: &reader,
        pruned: &RoaringBitmap::new(),
        threads: lookers,
        context,
    };
    let mut lacking = Vec::new();
    context.progress.begin("looking for what is missing", 0, 0);
    for upload in uploads {
        context.stop.check()?;
        let mut moment = Moment::begin(&mut moments)?;
        let missing = look.missing(&mut moment, Some(&[*upload]), &mut |_, _| true)?;
        moment.end()?;
        let keys: Vec<u32> = missing.all().iter().collect();
        for part in keys.chunks(BATCH) {
            let (_, not_reproducible) = states(&mut client, part)?;
            if not_reproducible.len() < part.len() {
                lacking.push(*upload);
                break;
            }
        }
    }
    context.progress.end();
    Ok(lacking)
}
