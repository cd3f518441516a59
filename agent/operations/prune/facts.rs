// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a policy has to know of each upload, and why all of an upload stays whatever the policy
//! says. Only what the policy asks for is looked up.

use super::policy::{Policy, Status, UploadFacts};
use crate::fossology::catalogue::{Moment, PrunedUpload, in_flight};
use crate::operations::{Error, Result};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why all of an upload stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// It was not asked for.
    NotChosen,
    /// It is one of the newest.
    Newest,
    /// A job waits for it or works on it.
    Busy,
    /// It is still being fetched or unpacked.
    InFlight,
    /// It was deleted.
    Deleted,
    /// Its own file is missing.
    GoldMissing,
    /// Its own file is damaged.
    GoldDamaged,
}

impl Hold {
    /// The name, as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotChosen => "not_chosen",
            Self::Newest => "newest",
            Self::Busy => "busy",
            Self::InFlight => "in_flight",
            Self::Deleted => "deleted",
            Self::GoldMissing => "gold_missing",
            Self::GoldDamaged => "gold_damaged",
        }
    }

    /// What to tell people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotChosen => "not asked for",
            Self::Newest => "one of the newest",
            Self::Busy => "a job waits for it or works on it",
            Self::InFlight => "still being fetched or unpacked",
            Self::Deleted => "deleted in FOSSology",
            Self::GoldMissing => "the uploaded file is missing",
            Self::GoldDamaged => "the uploaded file is damaged",
        }
    }
}

/// An upload.
pub(super) struct Upload {
    pub row: PrunedUpload,
    pub facts: UploadFacts,
    pub hold: Option<Hold>,
}

/// What is asked of uploads beside the policy.
pub(super) struct Choice<'a> {
    /// Only these; all when there are none.
    pub uploads: &'a [i32],
    /// Whose gold is known to be missing or damaged.
    pub bad_gold: &'a BTreeMap<i32, Hold>,
}

/// All uploads, by their keys.
pub(super) fn gather(
    moment: &mut Moment<'_>,
    policy: &Policy,
    choice: &Choice<'_>,
) -> Result<BTreeMap<i32, Upload>> {
    let rows = moment.pruned_uploads()?;
    for upload in choice.uploads {
        if rows.iter().all(|row| row.upload != *upload) {
            return Err(Error::Usage(format!(
                "there is no upload {upload}; FOSSology's pages show an upload's number in their address (upload=N)"
            )));
        }
    }
    let busy = moment.busy_uploads()?;
    let arriving = in_flight(moment.transaction())?;
    let arriving: BTreeSet<i32> = arriving.into_iter().map(|row| row.upload).collect();
    let newest: BTreeSet<i32> = rows
        .iter()
        .rev()
        .filter(|row| !row.deleted)
        .take(policy.keep_newest)
        .map(|row| row.upload)
        .collect();
    let hold = |row: &PrunedUpload| {
        let upload = row.upload;
        if row.deleted {
            Some(Hold::Deleted)
        } else if !choice.uploads.is_empty() && !choice.uploads.contains(&upload) {
            Some(Hold::NotChosen)
        } else if arriving.contains(&upload) {
            Some(Hold::InFlight)
        } else if busy.contains(&upload) {
            Some(Hold::Busy)
        } else if row.gold.is_none() {
            Some(Hold::GoldMissing)
        } else if let Some(bad) = choice.bad_gold.get(&upload) {
            Some(*bad)
        } else {
            newest.contains(&upload).then_some(Hold::Newest)
        }
    };
    let mut uploads: BTreeMap<i32, Upload> = rows
        .into_iter()
        .map(|row| {
            let upload = Upload {
                hold: hold(&row),
                facts: UploadFacts {
                    age: row.age,
                    since_job: row.age,
                    since_decision: row.age,
                    user: row.user.clone(),
                    ..UploadFacts::default()
                },
                row,
            };
            (upload.row.upload, upload)
        })
        .collect();
    look_up(moment, policy, &mut uploads)?;
    Ok(uploads)
}

fn look_up(
    moment: &mut Moment<'_>,
    policy: &Policy,
    uploads: &mut BTreeMap<i32, Upload>,
) -> Result<()> {
    fn each<T>(
        uploads: &mut BTreeMap<i32, Upload>,
        found: Vec<(i32, T)>,
        enter: impl Fn(&mut UploadFacts, T),
    ) {
        for (upload, value) in found {
            if let Some(upload) = uploads.get_mut(&upload) {
                enter(&mut upload.facts, value);
            }
        }
    }
    if policy.asks(|rule| rule.no_job_for.is_some()) {
        each(uploads, moment.last_jobs()?, |facts, since| {
            facts.since_job = facts.since_job.min(since);
        });
    }
    if policy.asks(|rule| rule.no_decision_for.is_some()) {
        each(uploads, moment.last_decisions()?, |facts, since| {
            facts.since_decision = facts.since_decision.min(since);
        });
    }
    if policy.asks(|rule| rule.folder.is_some()) {
        each(uploads, moment.folders()?, |facts, path| {
            facts.folders.push(path);
        });
    }
    if policy.asks(|rule| !rule.status.is_empty()) {
        each(uploads, moment.statuses()?, |facts, status| {
            facts.statuses.push(named(status));
        });
    }
    if policy.asks(|rule| !rule.scanned_by.is_empty() || rule.findings.is_some()) {
        each(uploads, moment.scans()?, |facts, agent| {
            facts.scanned_by.insert(agent);
        });
    }
    Ok(())
}

/// The status that a key in `upload_clearing` stands for; one that is not known counts as open,
/// as FOSSology shows it.
fn named(status: i32) -> Status {
    match status {
        2 => Status::InProgress,
        3 => Status::Closed,
        4 => Status::Rejected,
        _ => Status::Open,
    }
}
