// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Proving by several hosts, which is what takes long in pruning: each rehearses the uploads whose gold
//! lies on its own repository hosts, beside the others, and enters what came in our tables, as a run by
//! one process does. Then one entry prunes as ever: it plans anew, reads all uploaded files behind what
//! goes, finds nearly all of it proven, and removes. So nothing that a share says decides about a removal
//! but the proofs, which hold only as long as that very file is there and whole.
//!
//! Shares remove nothing and take no lock. Killed, or giving way, what is proven by then is in our
//! tables.

use super::plan::Planner;
use super::policy::Proof;
use super::{Options, proof, record};
use crate::blob::{HostName, PfileName};
use crate::fossology::own;
use crate::fossology::repository::Reader;
use crate::operations::recover::parts::lies_on;
use crate::operations::{Context, Error, Instance, Result, instance as place};
use crate::vault::Vault;
use postgres::Client;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one host has done. What it has proven is in our tables.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// How many uploads of its own something is to go of.
    pub uploads: u64,
    /// How many of them it has unpacked.
    pub rehearsed: u64,
}

/// Proves what goes of the uploads whose gold lies on some repository hosts. Those without a name
/// (`None`) stand for gold that no host covers.
///
/// # Errors
/// When the storage of any repository host is not here, or it could not go on.
pub fn share(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    hosts: &[Option<HostName>],
    context: Context<'_>,
) -> Result<Part> {
    place::expect_storage(&instance.config.layout)?;
    let mut client = instance.connect("prune")?;
    own::ensure_schema(&mut client)?;
    let record = record::begin(instance, &mut client, options, "prune part")?;
    let result = prove(instance, vault, options, hosts, context, &mut client);
    // It is planned anew by the one that goes on.
    let result = result.map_err(|error| match error {
        Error::GaveWay { .. } => Error::GaveWay {
            carried: serde_json::Value::Null,
        },
        error => error,
    });
    record::end_part(record, &mut client, options, &result);
    result
}

fn prove(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    hosts: &[Option<HostName>],
    context: Context<'_>,
    client: &mut Client,
) -> Result<Part> {
    if options.policy.proof == Proof::Vault {
        // Nothing of it comes from gold.
        return Ok(Part::default());
    }
    let reader = Reader::new(instance.config.layout.clone())?;
    let planner = Planner {
        instance,
        vault,
        options,
        context,
        reader: &reader,
    };
    let mut plan = planner.plan(client, &BTreeMap::new())?;
    let touched = plan.tables.uploads.iter().filter(|one| one.drop.blobs > 0);
    // The tables have the largest first.
    let touched: BTreeSet<i32> = touched.map(|one| one.upload).collect();
    let uploads = &mut plan.uploads;
    uploads.retain(|number, upload| {
        let gold = upload.row.gold.as_ref();
        touched.contains(number) && lies_on(&reader, hosts, gold)
    });
    let mut golds: Vec<PfileName> = uploads.values().filter_map(|one| one.row.gold).collect();
    golds.sort_unstable();
    golds.dedup();
    // What lies in a damaged one stays, as whoever removes sees for himself.
    let bad = proof::bad_gold(&reader, &golds, options.threads, context)?;
    uploads.retain(|_, upload| upload.row.gold.is_some_and(|gold| !bad.contains_key(&gold)));
    let before = plan.known.seconds.len();
    proof::rehearse(
        instance,
        client,
        uploads,
        &plan.tables,
        &mut plan.known,
        options,
        context,
    )?;
    Ok(Part {
        uploads: uploads.len() as u64,
        rehearsed: (plan.known.seconds.len() - before) as u64,
    })
}
