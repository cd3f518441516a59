// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What came of a recovery: how much, from where, and what did not come back and why. All is
//! counted; of what did not come back the first of each upload is named.

use super::missing::Amount;
use super::{Sources, Wanted};
use crate::blob::PfileName;
use crate::operations::by_url::LostUrl;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

/// Why a blob did not come back for an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Unpacking the upload in every way does not give it.
    NotReproducible,
    /// The same, known before: FOSSology's own notes about an archive, or what an earlier
    /// recovery found. It was not tried again.
    KnownNotReproducible,
    /// It is the uploaded file itself, or what that would have to be unpacked from.
    GoldMissing,
    /// The uploaded file is damaged.
    GoldDamaged,
    /// A limit of the unpacking was reached.
    Limit,
    /// A temporary file could not be written, or the uploaded file not be read to its end.
    Spool,
    /// FOSSology's own unpacker is not installed here, so not everything was tried.
    NoTool,
    /// FOSSology's own unpacker failed or was stopped at a limit.
    ToolFailed,
    /// The upload is still being unpacked.
    InFlight,
    /// Only the vault was asked, and does not have it.
    NotInVault,
    /// It was left to the web, which did not give it.
    NotOnTheWeb,
}

impl Why {
    /// What to tell people.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotReproducible => "unpacking the upload again does not give it",
            Self::KnownNotReproducible => {
                "known not to come from unpacking (--retry tries it again)"
            }
            Self::GoldMissing => "the uploaded file is missing",
            Self::GoldDamaged => "the uploaded file is damaged",
            Self::Limit => "the unpacking reached a limit",
            Self::Spool => "the unpacking could not write a temporary file or read the upload",
            Self::NoTool => "the walk does not give it, and ununpack is not there to be tried",
            Self::ToolFailed => "the walk does not give it, and ununpack failed",
            Self::InFlight => "the upload is still being unpacked",
            Self::NotInVault => "the vault does not have it",
            Self::NotOnTheWeb => "it was left to the web, which did not give it",
        }
    }
}

/// A blob that did not come back, as one upload has it.
#[derive(Clone, Debug, Serialize)]
pub struct Lost {
    /// Its name.
    pub name: PfileName,
    /// Its key, `pfile_pk`.
    pub pfile: u32,
    /// A place of it in the upload, as FOSSology's pages show it.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// What a recovery did for an upload. What several uploads share counts for each.
#[derive(Clone, Debug, Serialize)]
pub struct UploadReport {
    /// Its key, `upload_pk`.
    pub upload: i32,
    /// Its file's name; what is no UTF-8 is replaced.
    pub filename: String,
    /// What was missing.
    pub missing: Amount,
    /// What did not come back.
    pub lost: Amount,
    /// The first of what did not come back.
    pub blobs: Vec<Lost>,
    /// What could not be unpacked, the first of it.
    pub problems: Vec<String>,
}

/// Where a blob that was asked for by its name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It was there, and good.
    WasThere,
    /// From the other tree.
    OtherTree,
    /// Out of an archive.
    Unpacked,
    /// From the vault.
    Vault,
    /// From where a snapshot left it on the web.
    Web,
    /// It did not come.
    No,
}

/// What became of a blob that was asked for by its name.
#[derive(Clone, Debug, Serialize)]
pub struct BlobReport {
    /// Its name.
    pub name: PfileName,
    /// Where it came from.
    pub came: Came,
    /// What it was unpacked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<PfileName>,
}

/// The result of a recovery.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// What counted as missing.
    pub wanted: Wanted,
    /// Where blobs were taken from.
    pub from: Sources,
    /// How much was looked for.
    pub needed: Amount,
    /// How much of it was missing.
    pub missing: Amount,
    /// What came from the other tree.
    pub linked: Amount,
    /// What came out of archives.
    pub unpacked: Amount,
    /// What came from the vault.
    pub from_vault: Amount,
    /// What came from the web, where snapshots had left it.
    pub from_web: Amount,
    /// What did not come back.
    pub lost: Amount,
    /// The part of it that is known not to come out of any archive, so that nobody need wait.
    pub not_reproducible: Amount,
    /// What was deleted meanwhile.
    pub deleted: u64,
    /// Rows whose hashes or size are none.
    pub broken: u64,
    /// What was newly found not to come from unpacking, and is written down as that.
    pub recorded: u64,
    /// The vault that was asked, if any.
    pub vault: Option<String>,
    /// What snapshots left to the web and that did not come from there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost_urls: Vec<LostUrl>,
    /// The uploads that something was missing of.
    pub uploads: Vec<UploadReport>,
    /// The blobs that were asked for by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<BlobReport>,
    /// Whether more did not come back than is named.
    pub truncated: bool,
    /// The keys (`pfile_pk`) of what came out of archives: in a rehearsal, the proof that it can.
    #[serde(skip)]
    pub proven: RoaringBitmap,
}

impl Report {
    /// Whether something did not come back.
    pub fn is_incomplete(&self) -> bool {
        self.lost.blobs > 0
    }

    /// Whether something did not come back that might, another time.
    pub fn is_unfinished(&self) -> bool {
        self.lost.blobs > self.not_reproducible.blobs
    }
}
