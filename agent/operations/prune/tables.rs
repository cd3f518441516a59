// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The plan's tables: what goes by each rule and of each upload. A second stream of all places
//! goes by, from the oldest upload on; where a goal is set, no more is chosen once it is reached.

use super::facts::Upload;
use super::policy::{Policy, Proof};
use super::proof::Known;
use super::report::{RulePlan, UploadPlan, Way};
use super::survey::Survey;
use crate::fossology::catalogue::{Columns, Moment};
use crate::operations::Result;
use crate::operations::recover::Amount;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// What a file takes on the disk at least, and by what that grows, in bytes.
const BLOCK: u64 = 4096;

/// How fast gold is read when it is unpacked, in bytes a second, and how many files a second come
/// out of it; measured with xz, the slowest of the usual formats, on two cores.
const GOLD_SPEED: f64 = 2e7;
const FILES_SPEED: f64 = 5e3;

/// How long any recovery takes, in seconds.
const LEAST: f64 = 0.3;

/// What may go, and what is known to come back.
pub(super) struct Sets<'a> {
    pub survey: &'a Survey,
    pub candidates: &'a RoaringBitmap,
    pub known: &'a Known,
    pub proof: Proof,
    /// How many bytes are to be gained; as many as there are without.
    pub goal: Option<u64>,
}

impl Sets<'_> {
    /// What of this is proven as the policy wants it.
    pub fn proven(&self) -> RoaringBitmap {
        self.known.proven(self.proof)
    }
}

/// All of it.
pub(super) struct Tables {
    /// What goes.
    pub chosen: RoaringBitmap,
    pub files: Amount,
    pub pruned: Amount,
    pub not_reproducible: Amount,
    pub drop: Amount,
    pub proven: Amount,
    pub rules: Vec<RulePlan>,
    pub uploads: Vec<UploadPlan>,
}

/// Makes the tables; `rules` are in the order of the policy's, with the default last.
pub(super) fn make(
    moment: &mut Moment<'_>,
    policy: &Policy,
    uploads: &BTreeMap<i32, Upload>,
    sets: &Sets<'_>,
) -> Result<Tables> {
    let mut tables = Tables {
        chosen: RoaringBitmap::new(),
        files: Amount::default(),
        pruned: Amount::default(),
        not_reproducible: Amount::default(),
        drop: Amount::default(),
        proven: Amount::default(),
        rules: rules(policy),
        uploads: Vec::with_capacity(uploads.len()),
    };
    let proven = sets.proven();
    let mut rest = sets.goal;
    let mut seen = RoaringBitmap::new();
    let mut current: Option<Counting> = None;
    moment.places(Columns::default(), |row| {
        if current
            .as_ref()
            .is_none_or(|at| at.plan.upload != row.upload)
        {
            let next = uploads.get(&row.upload).map(Counting::new);
            let done = std::mem::replace(&mut current, next);
            tables.uploads.extend(done.map(|done| done.finish(sets)));
        }
        let (Some(at), Some(key)) = (&mut current, row.pfile) else {
            return Ok(());
        };
        if sets.survey.gold.contains(key) || !at.seen.insert(key) {
            return Ok(());
        }
        let size = row.size;
        if seen.insert(key) {
            tables.files.add(size);
            if sets.survey.pruned.contains(key) {
                tables.pruned.add(size);
            }
            if sets.survey.not_reproducible.contains(key) {
                tables.not_reproducible.add(size);
            }
            if rest != Some(0) && sets.candidates.contains(key) {
                rest = rest.map(|rest| rest.saturating_sub(size.max(1).next_multiple_of(BLOCK)));
                tables.chosen.insert(key);
                tables.drop.add(size);
                let is_proven = proven.contains(key);
                if is_proven {
                    tables.proven.add(size);
                }
                let by_rule = sets.survey.by_rule.iter();
                let rule = by_rule
                    .zip(&mut tables.rules)
                    .find(|(by, _)| by.contains(key));
                if let Some((_, rule)) = rule {
                    rule.drop.add(size);
                    if is_proven {
                        rule.proven.add(size);
                    }
                }
            }
        }
        at.plan.files.add(size);
        if !sets.survey.shared.contains(key) {
            at.plan.own.add(size);
        }
        if sets.survey.pruned.contains(key) {
            at.plan.pruned.add(size);
        }
        if tables.chosen.contains(key) {
            at.plan.drop.add(size);
            at.from_gold |= sets.known.gold.contains(key);
            at.from_vault |= !sets.known.gold.contains(key) && sets.known.vault.contains(key);
            if proven.contains(key) {
                at.plan.proven.add(size);
            }
        }
        Ok(())
    })?;
    tables.uploads.extend(current.map(|done| done.finish(sets)));
    for rule in &mut tables.rules {
        rule.share = share(rule.drop, tables.files);
    }
    tables.uploads.sort_by_key(|plan| {
        let most = std::cmp::Reverse((plan.drop.bytes, plan.drop.blobs, plan.files.bytes));
        (most, plan.upload)
    });
    Ok(tables)
}

fn rules(policy: &Policy) -> Vec<RulePlan> {
    let words = policy.words();
    let numbers = (0..policy.rules.len()).map(Some).chain([None]);
    numbers
        .zip(words)
        .map(|(number, words)| RulePlan {
            rule: policy.title(number),
            words,
            drop: Amount::default(),
            proven: Amount::default(),
            share: 0.0,
        })
        .collect()
}

fn share(part: Amount, of: Amount) -> f64 {
    if of.bytes == 0 {
        0.0
    } else {
        part.bytes as f64 / of.bytes as f64
    }
}

/// The upload that the stream is at.
struct Counting {
    plan: UploadPlan,
    gold: Option<u32>,
    seen: RoaringBitmap,
    from_gold: bool,
    from_vault: bool,
}

impl Counting {
    fn new(upload: &Upload) -> Self {
        let none = Amount::default();
        Self {
            plan: UploadPlan {
                upload: upload.row.upload,
                filename: upload.row.filename.clone(),
                held: upload.hold,
                gold_bytes: upload.row.gold.map_or(0, |gold| gold.size()),
                files: none,
                own: none,
                pruned: none,
                drop: none,
                proven: none,
                share: 0.0,
                way: None,
                seconds: None,
            },
            gold: upload.row.gold_key,
            seen: RoaringBitmap::new(),
            from_gold: false,
            from_vault: false,
        }
    }

    fn finish(self, sets: &Sets<'_>) -> UploadPlan {
        let mut plan = self.plan;
        plan.share = share(plan.drop, plan.files);
        if plan.drop.blobs == 0 {
            return plan;
        }
        plan.way = Some(match (self.from_gold, self.from_vault) {
            _ if plan.proven.blobs < plan.drop.blobs => Way::Unproven,
            (true, true) => Way::GoldAndVault,
            (false, _) => Way::Vault,
            (true, false) => Way::Gold,
        });
        let seen = self.gold.and_then(|gold| sets.known.seconds.get(&gold));
        plan.seconds = Some(seen.copied().unwrap_or_else(|| {
            let reading = plan.gold_bytes as f64 / GOLD_SPEED;
            LEAST + reading + plan.drop.blobs as f64 / FILES_SPEED
        }));
        plan
    }
}
