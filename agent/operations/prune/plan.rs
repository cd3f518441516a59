// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the policy to what goes: facts about uploads, the survey of all places, what is proven, and
//! the tables. Nothing is written, and of the disk only the uploaded files are looked for.

use super::facts::{self, Choice, Hold, Upload};
use super::policy::Policy;
use super::proof::Known;
use super::survey::Survey;
use super::tables::{self, Sets, Tables};
use super::{Options, free};
use crate::blob::Tree;
use crate::fossology::catalogue::Moment;
use crate::fossology::repository::Reader;
use crate::operations::{Context, Instance, Result};
use crate::vault::Vault;
use postgres::Client;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// What a plan is made of.
pub(super) struct Planner<'a> {
    pub instance: &'a Instance,
    pub vault: Option<&'a Vault>,
    pub options: &'a Options,
    pub context: Context<'a>,
    pub reader: &'a Reader,
}

/// A plan.
pub(super) struct Plan {
    pub uploads: BTreeMap<i32, Upload>,
    survey: Survey,
    candidates: RoaringBitmap,
    pub known: Known,
    goal: Option<u64>,
    pub tables: Tables,
}

impl Planner<'_> {
    /// Makes a plan; uploads whose gold is known to be bad are left alone.
    pub fn plan(&self, client: &mut Client, bad_gold: &BTreeMap<i32, Hold>) -> Result<Plan> {
        let policy = &self.options.policy;
        let mut catalogue = self.instance.connect("prune catalogue")?;
        let mut moment = Moment::begin(&mut catalogue)?;
        let (blobs, _) = moment.totals()?;
        self.context.progress.begin("planning", blobs, 0);
        let choice = Choice {
            uploads: &self.options.uploads,
            bad_gold,
        };
        let mut uploads = facts::gather(&mut moment, policy, &choice)?;
        for upload in uploads.values_mut() {
            let gold = upload.row.gold.filter(|_| upload.hold.is_none());
            // Also where nobody can look: in doubt all of it stays.
            let there = |gold| self.reader.has(Tree::Gold, &gold).unwrap_or(false);
            if gold.is_some_and(|gold| !there(gold)) {
                upload.hold = Some(Hold::GoldMissing);
            }
        }
        let survey = Survey::take(&mut moment, policy, &uploads, self.context)?;
        let known = Known::load(
            client,
            &mut moment,
            &uploads,
            self.vault,
            policy,
            self.options,
        )?;
        let goal = match &policy.until_free {
            None => None,
            Some(wanted) => {
                let free = free(self.reader.layout().path())?;
                Some(wanted.bytes.saturating_sub(free))
            }
        };
        let candidates = survey.candidates();
        let sets = Sets {
            survey: &survey,
            candidates: &candidates,
            known: &known,
            proof: policy.proof,
            goal,
        };
        let tables = tables::make(&mut moment, policy, &uploads, &sets)?;
        moment.end()?;
        self.context.progress.end();
        Ok(Plan {
            uploads,
            survey,
            candidates,
            known,
            goal,
            tables,
        })
    }

    /// Makes the tables again after more was proven. Where a goal is set, what was tried and is not
    /// proven no longer counts towards it.
    pub fn again(&self, plan: &mut Plan) -> Result<()> {
        let policy: &Policy = &self.options.policy;
        if plan.goal.is_some() {
            let unproven = &plan.tables.chosen - plan.known.proven(policy.proof);
            plan.candidates -= unproven;
        }
        let mut catalogue = self.instance.connect("prune catalogue")?;
        let mut moment = Moment::begin(&mut catalogue)?;
        let sets = Sets {
            survey: &plan.survey,
            candidates: &plan.candidates,
            known: &plan.known,
            proof: policy.proof,
            goal: plan.goal,
        };
        plan.tables = tables::make(&mut moment, policy, &plan.uploads, &sets)?;
        moment.end()?;
        Ok(())
    }
}

impl Plan {
    /// What is chosen and proven.
    pub fn removable(&self, policy: &Policy) -> RoaringBitmap {
        &self.tables.chosen & self.known.proven(policy.proof)
    }

    /// Whether a goal is set, and how much of what is chosen for it is not proven.
    pub fn falls_short(&self, policy: &Policy) -> bool {
        let proven = self.known.proven(policy.proof);
        self.goal.is_some() && !self.tables.chosen.is_subset(&proven)
    }
}
