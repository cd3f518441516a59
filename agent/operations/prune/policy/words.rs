// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A policy in words: a sentence a rule, for people who have to say yes to it.

use super::rule::{Action, Kind, Rule, Status};
use super::units::Patterns;
use super::{Policy, Proof};

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Drop => "drop",
        }
    }
}

impl Rule {
    /// What it does, as a sentence without its full stop.
    pub fn words(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        match (&self.min_size, &self.max_size) {
            (Some(min), Some(max)) => parts.push(format!("of {} to {}", min.text(), max.text())),
            (Some(min), None) => parts.push(format!("of at least {}", min.text())),
            (None, Some(max)) => parts.push(format!("of at most {}", max.text())),
            (None, None) => {}
        }
        if let Some(types) = &self.mimetype {
            parts.push(format!("of type {}", either(types)));
        }
        if let Some(names) = &self.name {
            parts.push(format!("named {}", either(names)));
        }
        if let Some(paths) = &self.path {
            parts.push(format!("at {}", either(paths)));
        }
        match self.findings {
            Some(true) => parts.push("with licence findings".into()),
            Some(false) => parts.push("without licence findings".into()),
            None => {}
        }
        match (self.min_uploads, self.max_uploads) {
            (Some(min), Some(max)) if min == max => parts.push(format!("in exactly {min} uploads")),
            (Some(min), Some(max)) => parts.push(format!("in {min} to {max} uploads")),
            (Some(min), None) => parts.push(format!("in at least {min} uploads")),
            (None, Some(1)) => parts.push("in no other upload".into()),
            (None, Some(max)) => parts.push(format!("in at most {max} uploads")),
            (None, None) => {}
        }
        let upload = self.upload_words();
        if !upload.is_empty() {
            parts.push(format!("of uploads {}", upload.join(" and ")));
        }
        let (action, what) = (self.action.word(), self.what());
        let parts: String = parts.iter().map(|part| format!(" {part}")).collect();
        format!("{action} {what}{parts}")
    }

    fn what(&self) -> String {
        let kinds: Vec<&str> = self
            .kind
            .iter()
            .map(|kind| match kind {
                Kind::Container => "archives that were unpacked further",
                Kind::Artifact => "files that the unpacker made up",
                Kind::File => "plain files",
            })
            .collect();
        if kinds.is_empty() {
            "files".into()
        } else {
            kinds.join(" and ")
        }
    }

    fn upload_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(span) = &self.uploaded_before {
            words.push(format!("that came {} ago or earlier", span.text()));
        }
        if let Some(span) = &self.no_job_for {
            words.push(format!("without a job for {}", span.text()));
        }
        if let Some(span) = &self.no_decision_for {
            words.push(format!("without a change of decisions for {}", span.text()));
        }
        if let Some(folders) = &self.folder {
            words.push(format!("in folder {}", either(folders)));
        }
        if let Some(users) = &self.user {
            words.push(format!("by {}", either(users)));
        }
        if !self.status.is_empty() {
            let names: Vec<&str> = self.status.iter().copied().map(Status::word).collect();
            words.push(format!("with status {}", names.join(" or ")));
        }
        if !self.scanned_by.is_empty() {
            words.push(format!("scanned by {}", self.scanned_by.join(" and ")));
        }
        words
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in progress",
            Self::Closed => "closed",
            Self::Rejected => "rejected",
        }
    }
}

impl Policy {
    /// All of it, a sentence for each rule, in their order; then what holds for all.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.rules.iter().map(Rule::words).collect();
        let rest = if words.is_empty() {
            "all files"
        } else {
            "what is left"
        };
        words.push(format!("{} {rest}", self.default.word()));
        if self.keep_newest > 0 {
            words.push(format!(
                "keep all of the newest {} uploads",
                self.keep_newest
            ));
        }
        if let Some(size) = &self.until_free {
            words.push(format!(
                "drop no more than it takes to have {} free, old uploads first",
                size.text()
            ));
        }
        words.push(
            match self.proof {
                Proof::Gold => "drop only what unpacking its upload was seen to give again",
                Proof::Vault => "drop only what a snapshot that was read and found whole holds",
                Proof::Either => {
                    "drop only what unpacking its upload was seen to give again, or a snapshot that was read and found whole holds"
                }
                Proof::Both => {
                    "drop only what unpacking its upload was seen to give again and a snapshot that was read and found whole holds"
                }
            }
            .into(),
        );
        words
    }

    /// What a rule is called; `None` is the default.
    pub fn title(&self, rule: Option<usize>) -> String {
        match rule {
            None => "default".into(),
            Some(at) => {
                let title = self.rules.get(at).and_then(|rule| rule.title.clone());
                title.unwrap_or_else(|| format!("rule {}", at + 1))
            }
        }
    }
}

fn either(patterns: &Patterns) -> String {
    const SHOWN: usize = 12;
    let texts = patterns.texts();
    let quoted: Vec<String> = texts
        .iter()
        .take(SHOWN)
        .map(|text| format!("'{text}'"))
        .collect();
    let mut words = quoted.join(" or ");
    if texts.len() > SHOWN {
        words += &format!(" or {} others", texts.len() - SHOWN);
    }
    words
}
