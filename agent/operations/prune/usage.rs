// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What do uploads really cost? Their own files, what they share, gold, what is pruned, and what
//! the policy would let go. By the database alone: nothing on the disk is looked at or changed.

use super::facts::{self, Choice};
use super::policy::Policy;
use super::proof::Known;
use super::report::UploadPlan;
use super::survey::Survey;
use super::tables::{self, Sets};
use crate::fossology::catalogue::Moment;
use crate::operations::recover::Amount;
use crate::operations::{Context, Error, Instance, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// What all uploads, or some, cost.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    /// The policy by which something could be dropped.
    pub policy: String,
    /// Uploaded files, each once.
    pub gold: Amount,
    /// Everything else in `files`, each blob once; of all uploads, whichever were asked for.
    pub files: Amount,
    /// What of that is pruned.
    pub pruned: Amount,
    /// What of that could be dropped.
    pub drop: Amount,
    /// The uploads that were asked for; those that take most first.
    pub uploads: Vec<UploadPlan>,
}

/// Tells what uploads cost, all or these; what could be dropped is told by a policy.
///
/// # Errors
/// When an upload is not known, or the database fails.
pub fn usage(
    instance: &Instance,
    uploads: &[i32],
    policy: &Policy,
    context: Context<'_>,
) -> Result<Usage> {
    let mut client = instance.connect("du")?;
    let mut moment = Moment::begin(&mut client)?;
    let (blobs, _) = moment.totals()?;
    context.progress.begin("adding up", blobs, 0);
    let none = BTreeMap::new();
    let choice = Choice {
        uploads: &[],
        bad_gold: &none,
    };
    let all = facts::gather(&mut moment, policy, &choice)?;
    if let Some(unknown) = uploads.iter().find(|upload| !all.contains_key(upload)) {
        return Err(Error::Usage(format!(
            "there is no upload {unknown}; FOSSology's pages show an upload's number in their address (upload=N)"
        )));
    }
    let survey = Survey::take(&mut moment, policy, &all, context)?;
    let candidates = survey.candidates();
    let sets = Sets {
        survey: &survey,
        candidates: &candidates,
        known: &Known::default(),
        proof: policy.proof,
        goal: None,
    };
    let tables = tables::make(&mut moment, policy, &all, &sets)?;
    let mut gold = Amount::default();
    let golds: BTreeMap<_, _> = all
        .values()
        .filter_map(|upload| Some((upload.row.gold_key?, upload.row.gold?.size())))
        .collect();
    golds.values().for_each(|size| gold.add(*size));
    moment.end()?;
    context.progress.end();
    let mut plans = tables.uploads;
    plans.retain(|plan| uploads.is_empty() || uploads.contains(&plan.upload));
    plans.sort_by_key(|plan| std::cmp::Reverse(plan.files.bytes + plan.gold_bytes));
    Ok(Usage {
        policy: policy.name.clone(),
        gold,
        files: tables.files,
        pruned: tables.pruned,
        drop: tables.drop,
        uploads: plans,
    })
}
