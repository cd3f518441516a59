// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a check found. All is counted; named are only the first findings of each kind, so that a
//! repository that is wholly lost takes no more memory than one with a scratch.

use crate::blob::{PfileName, Tree};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of finding. The order is that of reports: losses first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A needed blob lies nowhere.
    Missing,
    /// An upload's own file is gone, while what was unpacked from it is there.
    GoldDeleted,
    /// A needed blob is gone from one tree and whole in the other.
    MissingInTree,
    /// A file has another size than its name says.
    SizeWrong,
    /// A file has another content than its name says.
    Corrupt,
    /// A folder or file could not be read.
    Unreadable,
    /// A blob lies in a folder or on a host where FOSSology does not look for it.
    WrongPlace,
    /// A blob lies in too few or too many levels of folders.
    WrongDepth,
    /// A folder or file whose permissions make jobs fail.
    WrongMode,
    /// A folder or file that belongs to another group than FOSSology's.
    WrongOwner,
    /// A row of `pfile` whose hashes or size are none.
    BrokenRow,
    /// FOSSology's release is not in `sysconfig`.
    ReleaseMissing,
    /// A blob that no row needs.
    Orphan,
    /// A file that is no blob: half-written, left by a crash, a link, something else's.
    Debris,
    /// A blob that FOSSology reads from a later host than it would write it to.
    InFallback,
    /// It belongs to an upload that is still being fetched or unpacked.
    InFlight,
    /// Not there because a policy removed it.
    Pruned,
}

impl Kind {
    /// The name, as JSON and table `backup_finding` have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::GoldDeleted => "gold_deleted",
            Self::MissingInTree => "missing_in_tree",
            Self::SizeWrong => "size_wrong",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::WrongPlace => "wrong_place",
            Self::WrongDepth => "wrong_depth",
            Self::WrongMode => "wrong_mode",
            Self::WrongOwner => "wrong_owner",
            Self::BrokenRow => "broken_row",
            Self::ReleaseMissing => "release_missing",
            Self::Orphan => "orphan",
            Self::Debris => "debris",
            Self::InFallback => "in_fallback",
            Self::InFlight => "in_flight",
            Self::Pruned => "pruned",
        }
    }

    /// How bad it is, if somebody should do something about it. What is on its way, was removed on
    /// purpose or is read from a configured fall-back is as it should be.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Missing
            | Self::GoldDeleted
            | Self::MissingInTree
            | Self::SizeWrong
            | Self::Corrupt
            | Self::Unreadable => Some(Severity::Loss),
            Self::WrongPlace
            | Self::WrongDepth
            | Self::WrongMode
            | Self::WrongOwner
            | Self::BrokenRow
            | Self::ReleaseMissing => Some(Severity::Harm),
            Self::Orphan | Self::Debris => Some(Severity::Clutter),
            Self::InFallback | Self::InFlight | Self::Pruned => None,
        }
    }
}

/// How bad a finding is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It only takes space.
    Clutter,
    /// Jobs or updates of FOSSology may fail because of it.
    Harm,
    /// Something that FOSSology needs is not to be had where it looks.
    Loss,
}

/// How a blob that is gone or damaged could come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// A whole copy lies in the other tree.
    OtherTree,
    /// The gold file of an upload that contains it is there; that it gives the blob again is only
    /// proven by unpacking it.
    RecoverableFromGold,
    /// The vault has it.
    RecoverableFromVault,
    /// A snapshot left it to the web; whether that still gives it, a recovery or `verify --urls` tells.
    RecoverableFromWeb,
    /// Nobody has it.
    Lost,
}

impl Recovery {
    /// The name, as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherTree => "other_tree",
            Self::RecoverableFromGold => "recoverable_from_gold",
            Self::RecoverableFromVault => "recoverable_from_vault",
            Self::RecoverableFromWeb => "recoverable_from_web",
            Self::Lost => "lost",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<PfileName>,
    /// The blob's key, `pfile_pk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pfile: Option<u32>,
    /// In which tree; none where both are meant, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Tree>,
    /// On which repository host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path below the repository's; bytes that are no UTF-8 as `\xNN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes it is about.
    pub bytes: u64,
    /// How it could come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// The uploads that it hits, at most [`Finding::UPLOADS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<i32>,
    /// What was seen, in words.
    pub detail: String,
}

impl Finding {
    /// How many uploads a finding names.
    pub const UPLOADS: usize = 16;

    /// A finding of this kind with nothing else.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            name: None,
            pfile: None,
            tree: None,
            host: None,
            path: None,
            bytes: 0,
            recovery: None,
            uploads: Vec::new(),
            detail: detail.into(),
        }
    }
}

/// How often something was found, and how large it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
    /// For what is gone or damaged: how it could come back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recovery: BTreeMap<Recovery, u64>,
}

impl Tally {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        for (recovery, count) in other.recovery {
            *self.recovery.entry(recovery).or_default() += count;
        }
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Findings {
    tallies: BTreeMap<Kind, Tally>,
    named: BTreeMap<Kind, Vec<Finding>>,
}

/// How many findings of a kind are named.
const NAMED: usize = 10_000;

impl Findings {
    /// Counts a finding, and names it if it is one of the first of its kind.
    pub fn add(&mut self, finding: Finding) {
        let tally = self.tallies.entry(finding.kind).or_default();
        tally.count += 1;
        tally.bytes += finding.bytes;
        if let Some(recovery) = finding.recovery {
            *tally.recovery.entry(recovery).or_default() += 1;
        }
        let named = self.named.entry(finding.kind).or_default();
        if named.len() < NAMED {
            named.push(finding);
        }
    }

    /// Those of a report.
    fn of(counts: BTreeMap<Kind, Tally>, findings: Vec<Finding>) -> Self {
        let mut named: BTreeMap<Kind, Vec<Finding>> = BTreeMap::new();
        for finding in findings {
            named.entry(finding.kind).or_default().push(finding);
        }
        Self {
            tallies: counts,
            named,
        }
    }

    /// Adds those of another part of the repository.
    fn join(&mut self, other: Self) {
        for (kind, tally) in other.tallies {
            self.tallies.entry(kind).or_default().join(tally);
        }
        for (kind, findings) in other.named {
            let named = self.named.entry(kind).or_default();
            named.extend(findings);
            named.truncate(NAMED);
        }
    }

    /// The counts, and the named findings in the order of kinds.
    pub fn into_parts(self) -> (BTreeMap<Kind, Tally>, Vec<Finding>) {
        (self.tallies, self.named.into_values().flatten().collect())
    }
}

/// An upload that something hits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Affected {
    /// Its key.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// How many of its blobs, by kind.
    pub counts: BTreeMap<Kind, u64>,
}

/// An upload that is still being fetched or unpacked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Arriving {
    /// Its key.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
}

/// The result of a check.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Whether every content was read.
    pub deep: bool,
    /// The uploads that were looked at; empty: all, and the repository's other files too.
    pub only_uploads: Vec<i32>,
    /// How many blobs the database needs, and their bytes.
    pub needed: Tally,
    /// How many files with names of blobs were looked at, and their bytes.
    pub files: Tally,
    /// How many folders were read.
    pub folders: u64,
    /// How many of them were empty, as deletions leave them.
    pub empty_folders: u64,
    /// Blobs of which nobody can tell whether they are there: a folder could not be read.
    pub hidden: u64,
    /// Blobs that were deleted while the check ran.
    pub deleted: u64,
    /// The vault that was asked what it has, if any.
    pub vault: Option<String>,
    /// How often each kind was found.
    pub counts: BTreeMap<Kind, Tally>,
    /// The first findings of each kind.
    pub findings: Vec<Finding>,
    /// Whether there are more findings than are named.
    pub truncated: bool,
    /// The uploads that losses and damage hit.
    pub uploads: Vec<Affected>,
    /// The uploads that are still being fetched or unpacked.
    pub in_flight: Vec<Arriving>,
}

impl Report {
    /// Adds what was found in other parts of the repository.
    pub(super) fn join(&mut self, other: Self) {
        self.needed.join(other.needed);
        self.files.join(other.files);
        self.folders += other.folders;
        self.empty_folders += other.empty_folders;
        self.hidden += other.hidden;
        self.deleted += other.deleted;
        let own = Findings::of(
            std::mem::take(&mut self.counts),
            std::mem::take(&mut self.findings),
        );
        let mut findings = Findings::of(other.counts, other.findings);
        findings.join(own);
        (self.counts, self.findings) = findings.into_parts();
        let counted: u64 = self.counts.values().map(|tally| tally.count).sum();
        self.truncated = counted > self.findings.len() as u64;
        let mut uploads: BTreeMap<i32, Affected> = BTreeMap::new();
        for affected in other.uploads.into_iter().chain(self.uploads.drain(..)) {
            match uploads.get_mut(&affected.upload) {
                None => drop(uploads.insert(affected.upload, affected)),
                Some(known) => {
                    for (kind, count) in affected.counts {
                        *known.counts.entry(kind).or_default() += count;
                    }
                }
            }
        }
        self.uploads = uploads.into_values().collect();
    }

    /// How bad the worst of it is; none when all is as it should be.
    pub fn severity(&self) -> Option<Severity> {
        self.counts.keys().filter_map(|kind| kind.severity()).max()
    }

    /// Whether something was found that harms; if it is strict, or is only clutter.
    pub fn has_problems(&self, strict: bool) -> bool {
        self.severity() > (!strict).then_some(Severity::Clutter)
    }
}

/// Bytes of a path as text that can be printed and stored anywhere: what is no UTF-8, and signs
/// that control a terminal, as `\xNN`.
pub fn printable(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for sign in chunk.valid().chars() {
            if sign.is_control() {
                let _ = write!(text, "{}", sign.escape_default());
            } else {
                text.push(sign);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
