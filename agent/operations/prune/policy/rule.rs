// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A rule: what it does, and the conditions that all have to hold. Pure.
//!
//! Of some things an upload has several: folders that it lies in, groups that each see it in a
//! status. A rule that keeps holds when one of them fits, a rule that drops only when all do: in
//! doubt a file stays.

use super::units::{Patterns, Size, Span};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It stays.
    #[default]
    Keep,
    /// It goes, if it is proven to come back.
    Drop,
}

/// What a file is in an upload's tree. It may be two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was unpacked further.
    Container,
    /// FOSSology's unpacker made it up: a payload between an archive and its members, for instance.
    Artifact,
    /// Neither.
    File,
}

/// A group's status of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has begun.
    Open,
    /// Somebody is at it.
    InProgress,
    /// Done.
    Closed,
    /// Not to be used.
    Rejected,
}

/// A rule of a policy. Without a condition it would decide about everything, which is what a
/// policy's default is for: such a rule is refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Rule {
    /// What it is called in reports; its number if it has no name.
    pub title: Option<String>,
    /// What it does with files for which it holds.
    pub action: Action,
    /// Of at least this size.
    pub min_size: Option<Size>,
    /// Of at most this size.
    pub max_size: Option<Size>,
    /// By the type that FOSSology's mimetype agent has found.
    pub mimetype: Option<Patterns>,
    /// By its name in the upload.
    pub name: Option<Patterns>,
    /// By its path in the upload, as FOSSology's pages show it; it begins with the upload's file.
    pub path: Option<Patterns>,
    /// By what it is.
    #[serde(default)]
    pub kind: Vec<Kind>,
    /// Whether licence findings are known for its content.
    pub findings: Option<bool>,
    /// In at least so many uploads.
    pub min_uploads: Option<u32>,
    /// In at most so many uploads.
    pub max_uploads: Option<u32>,
    /// In uploads that came so long ago.
    pub uploaded_before: Option<Span>,
    /// In uploads without a job for so long; one that had none counts from when it came.
    pub no_job_for: Option<Span>,
    /// In uploads whose decisions have not changed for so long, counted alike.
    pub no_decision_for: Option<Span>,
    /// In uploads of these folders, by their paths.
    pub folder: Option<Patterns>,
    /// In uploads by these users.
    pub user: Option<Patterns>,
    /// In uploads with these statuses.
    #[serde(default)]
    pub status: Vec<Status>,
    /// In uploads that all these agents have scanned with success.
    #[serde(default)]
    pub scanned_by: Vec<String>,
}

/// What a policy knows of an upload.
#[derive(Clone, Debug, Default)]
pub struct UploadFacts {
    /// Seconds since it came.
    pub age: u64,
    /// Seconds since its last job.
    pub since_job: u64,
    /// Seconds since the last change of its decisions.
    pub since_decision: u64,
    /// The paths of the folders that it lies in.
    pub folders: Vec<Vec<u8>>,
    /// Who uploaded it.
    pub user: Vec<u8>,
    /// Each group's status of it.
    pub statuses: Vec<Status>,
    /// The agents that have scanned it with success.
    pub scanned_by: BTreeSet<String>,
}

/// What a policy knows of a file at one place of an upload.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// Its type, if it is known.
    pub mimetype: Option<&'a [u8]>,
    /// Its name.
    pub name: &'a [u8],
    /// Its path in the upload.
    pub path: &'a [u8],
    /// Whether it was unpacked further.
    pub is_container: bool,
    /// Whether the unpacker made it up.
    pub is_artifact: bool,
    /// In how many uploads it is; more than any rule asks for counts as that.
    pub uploads: u32,
    /// Whether licence findings are known for its content.
    pub has_findings: bool,
}

/// Agents that find licences.
const FIND_LICENCES: [&str; 6] = ["nomos", "monk", "ojo", "scancode", "scanoss", "ninka"];

/// The most uploads that a rule may ask for: for each number a list of files is kept.
const MOST_UPLOADS: u32 = 100;

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The derived one, as an inherent function.
        let rule = Self::deserialize(deserializer)?;
        rule.check().map_err(serde::de::Error::custom)?;
        Ok(rule)
    }
}

impl Rule {
    /// Whether it makes sense.
    fn check(&self) -> Result<(), String> {
        let bare = Self {
            title: self.title.clone(),
            action: self.action,
            ..Self::default()
        };
        if *self == bare {
            return Err("a rule without a condition decides about everything: make it the policy's default instead".into());
        }
        if let (Some(min), Some(max)) = (&self.min_size, &self.max_size)
            && min.bytes > max.bytes
        {
            let (min, max) = (min.text(), max.text());
            return Err(format!(
                "min_size ({min}) is more than max_size ({max}): the rule can never hold"
            ));
        }
        let (min, max) = (self.min_uploads, self.max_uploads);
        for (field, number) in [("min_uploads", min), ("max_uploads", max)] {
            if let Some(number) = number.filter(|number| !(1..=MOST_UPLOADS).contains(number)) {
                return Err(format!(
                    "{field} is {number}; it takes a number from 1 to {MOST_UPLOADS}"
                ));
            }
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(format!(
                "min_uploads ({min}) is more than max_uploads ({max}): the rule can never hold"
            ));
        }
        if self.scanned_by.iter().any(|agent| agent.is_empty()) {
            return Err("scanned_by names an agent without a name".into());
        }
        Ok(())
    }

    /// Whether its conditions about the upload hold.
    pub fn holds_for(&self, upload: &UploadFacts) -> bool {
        let since =
            |span: &Option<Span>, seconds| span.as_ref().is_none_or(|span| seconds >= span.seconds);
        since(&self.uploaded_before, upload.age)
            && since(&self.no_job_for, upload.since_job)
            && since(&self.no_decision_for, upload.since_decision)
            && (self.folder.as_ref())
                .is_none_or(|folder| self.of_several(&upload.folders, |path| folder.fit(path)))
            && self.user.as_ref().is_none_or(|user| user.fit(&upload.user))
            && (self.status.is_empty()
                || self.of_several(&upload.statuses, |status| self.status.contains(status)))
            && (self.scanned_by.iter()).all(|agent| upload.scanned_by.contains(agent))
            // That nothing was found says something only where somebody has looked.
            && (self.findings != Some(false)
                || FIND_LICENCES
                    .iter()
                    .any(|agent| upload.scanned_by.contains(*agent)))
    }

    /// Whether one of several fits, or all of them; see the head of this module.
    fn of_several<T>(&self, several: &[T], fits: impl Fn(&T) -> bool) -> bool {
        match self.action {
            Action::Keep => several.iter().any(fits),
            Action::Drop => !several.is_empty() && several.iter().all(fits),
        }
    }

    /// Whether its conditions about a place in the upload hold.
    pub fn holds_at(&self, place: &Place<'_>) -> bool {
        let kind = |kind: &Kind| match kind {
            Kind::Container => place.is_container,
            Kind::Artifact => place.is_artifact,
            Kind::File => !place.is_container && !place.is_artifact,
        };
        (self.min_size.as_ref()).is_none_or(|min| place.size >= min.bytes)
            && (self.max_size.as_ref()).is_none_or(|max| place.size <= max.bytes)
            && (self.kind.is_empty() || self.kind.iter().any(kind))
            && self.min_uploads.is_none_or(|min| place.uploads >= min)
            && self.max_uploads.is_none_or(|max| place.uploads <= max)
            && self
                .findings
                .is_none_or(|wanted| place.has_findings == wanted)
            && (self.mimetype.as_ref())
                .is_none_or(|types| place.mimetype.is_some_and(|found| types.fit(found)))
            && (self.name.as_ref()).is_none_or(|names| names.fit(place.name))
            && (self.path.as_ref()).is_none_or(|paths| paths.fit(place.path))
    }
}
