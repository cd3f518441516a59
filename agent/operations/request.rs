// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be asked for through FOSSology's scheduler: each verb with its parameters, as they are
//! kept in a request's row. Rows are written by programs of other versions and by people too, so
//! what is read is checked, and a parameter that nobody knows is a mistake.

mod expire;

pub use expire::Expire;

use super::drill::{self, Percent};
use super::prune;
use super::recover::{self, Scope, Sources, Wanted};
use super::settings::Settings;
use super::verify;
use super::{Error, Instance, Result};
use crate::blob::PfileName;
use crate::unpack::fallback::Ununpack;
use crate::vault::retention::is_tag;
use crate::vault::{Location, Mode, Vault};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All verbs that can be asked for; installed pages show buttons for these.
pub const VERBS: [&str; 7] = [
    "backup", "check", "verify", "recover", "drill", "prune", "expire",
];

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Take a snapshot.
    Backup(Backup),
    /// Check the repository against the database.
    Check(Check),
    /// Verify the vault.
    Verify(Verify),
    /// Bring missing files back.
    Recover(Recover),
    /// Remove old snapshots, give space back.
    Expire(Expire),
    /// Try a restore.
    Drill(Drill),
    /// Remove files that a policy says not to keep, or bring them back.
    Prune(Prune),
}

/// How a snapshot is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// What of the repository it takes.
    pub mode: Mode,
    /// Whether job logs are taken too; unless it is set here, the settings say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub logs: bool,
    /// Whether secrets are left out of the dump; unless it is set here, the settings say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scrub: bool,
    /// Words by which the snapshot is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            logs: false,
            scrub: false,
            tags: Vec::new(),
        }
    }
}

/// What is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// Whether every file is read.
    pub deep: bool,
    /// Only what these uploads need; all without one.
    pub uploads: Vec<i32>,
    /// Whether what only takes space fails the job, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

/// What is verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// Only this snapshot.
    pub snapshot: Option<String>,
    /// How much of the data is read, in percent.
    pub read_data: Option<f64>,
    /// How much of what snapshots leave to the web is downloaded and compared, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urls: Option<f64>,
    /// Whether lost indexes are made again.
    pub repair_indexes: bool,
}

/// What is recovered: what these uploads need, these blobs, or all that is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recover {
    /// Uploads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<i32>,
    /// Blobs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<PfileName>,
    /// Everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
    /// Where it may come from.
    pub from: Sources,
    /// Whether what is known not to come is tried again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// Whether nothing is written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whether all but uploaded files counts as missing; then nothing is written either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub as_if_gone: bool,
}

/// What is pruned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prune {
    /// The policy's name; what the settings say without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Only of these uploads; of all without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<i32>,
    /// The uploads of which all comes back that was pruned; then nothing is removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<i32>,
    /// Whether nothing is removed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whether a dry run proves what is not proven yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prove: bool,
}

impl Prune {
    /// The recovery that undoes it.
    pub fn undoing(&self) -> Recover {
        Recover {
            uploads: self.undo.clone(),
            ..Recover::default()
        }
    }

    /// How it is done on this host.
    ///
    /// # Errors
    /// When there is no such policy, or the settings name an unpacker that is none.
    pub fn options(&self, instance: &Instance, settings: &Settings) -> Result<prune::Options> {
        let policy = settings.prune.policy(self.policy.as_deref());
        Ok(prune::Options {
            policy: policy.map_err(Error::Usage)?,
            uploads: once(&self.uploads),
            dry_run: self.dry_run,
            prove: self.prove,
            gold: settings.gold.clone(),
            ununpack: unpacker(instance, settings)?,
            threads: settings.threads(),
            lookers: settings.lookers(),
        })
    }

    /// Opens the vault, if the policy's proof may come from it.
    ///
    /// # Errors
    /// When the proof can come from nowhere else, and the vault cannot be opened.
    pub fn vault(
        &self,
        instance: &Instance,
        location: Result<Location>,
        settings: &Settings,
        options: &prune::Options,
    ) -> Result<Option<Vault>> {
        let from = match options.policy.proof {
            prune::policy::Proof::Gold => Sources::Gold,
            prune::policy::Proof::Either => Sources::Any,
            prune::policy::Proof::Vault | prune::policy::Proof::Both => Sources::Vault,
        };
        recover::open_vault(instance, location, from, settings)
    }
}

fn once<T: Ord + Clone>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

fn unpacker(instance: &Instance, settings: &Settings) -> Result<Option<Ununpack>> {
    Ununpack::find(settings.ununpack.as_deref(), &instance.config.sysconfdir)
        .map_err(|error| Error::Usage(error.to_string()))
}

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drill {
    /// The snapshot; the newest without one.
    pub snapshot: Option<String>,
    /// Which share of the blobs, in percent; unless it is set here, the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Percent>,
}

impl Drill {
    /// The snapshot's name.
    pub fn wanted(&self) -> &str {
        self.snapshot.as_deref().unwrap_or("latest")
    }

    /// How the drill is made on this host.
    pub fn options(&self, settings: &Settings) -> drill::Options {
        let place = settings.drill.to.clone();
        drill::Options {
            parent: place.unwrap_or_else(|| settings.scratch()),
            sample: self.sample.or(settings.drill.sample),
            admin_url: None,
            threads: settings.threads(),
            lookers: settings.lookers(),
            postgres_bin: settings.postgres_bin.clone(),
        }
    }
}

impl Verify {
    /// How it is done on this host.
    pub fn options(&self, settings: &Settings) -> verify::Options {
        verify::Options {
            snapshot: self.snapshot.clone(),
            read: self.read_data,
            repair_indexes: self.repair_indexes,
            urls: self.urls.map(|percent| verify::Urls {
                percent,
                gold: settings.gold.clone(),
            }),
            threads: settings.threads(),
        }
    }
}

fn check_percent(what: &str, percent: Option<f64>) -> Result<()> {
    match percent.filter(|percent| !(*percent > 0.0 && *percent <= 100.0)) {
        None => Ok(()),
        Some(percent) => Err(Error::Usage(format!(
            "{what} is {percent}; it takes a percentage above 0, up to 100"
        ))),
    }
}

impl Recover {
    /// What an upload's number alone stands for.
    pub fn of_upload(upload: i32) -> Self {
        Self {
            uploads: vec![upload],
            ..Self::default()
        }
    }

    /// How the recovery is made on this host.
    ///
    /// # Errors
    /// When the settings name an unpacker that is none.
    pub fn options(&self, instance: &Instance, settings: &Settings) -> Result<recover::Options> {
        let scope = if self.missing {
            Scope::Missing
        } else if self.uploads.is_empty() {
            Scope::Blobs(once(&self.blobs))
        } else {
            Scope::Uploads(once(&self.uploads))
        };
        Ok(recover::Options {
            scope,
            wanted: if self.as_if_gone {
                Wanted::AsIfGone
            } else {
                Wanted::Missing
            },
            dry_run: self.dry_run,
            from: self.from,
            retry: self.retry,
            gold: settings.gold.clone(),
            ununpack: unpacker(instance, settings)?,
            threads: settings.threads(),
            lookers: settings.lookers(),
        })
    }
}

impl Work {
    /// Reads a request's row.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn read(verb: &str, parameters: &Value) -> Result<Self> {
        fn typed<T: DeserializeOwned>(verb: &str, parameters: &Value) -> Result<T> {
            T::deserialize(parameters)
                .map_err(|error| Error::Usage(format!("the parameters of '{verb}': {error}")))
        }
        let work = match verb {
            "backup" => Self::Backup(typed(verb, parameters)?),
            "check" => Self::Check(typed(verb, parameters)?),
            "verify" => Self::Verify(typed(verb, parameters)?),
            "recover" => Self::Recover(typed(verb, parameters)?),
            "expire" => Self::Expire(typed(verb, parameters)?),
            "drill" => Self::Drill(typed(verb, parameters)?),
            "prune" => Self::Prune(typed(verb, parameters)?),
            _ => {
                return Err(Error::Usage(format!(
                    "'{verb}' is nothing that this version ({}) can be asked for; it knows {}",
                    env!("CARGO_PKG_VERSION"),
                    VERBS.join(", ")
                )));
            }
        };
        work.check()?;
        Ok(work)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn check(&self) -> Result<()> {
        let uploads = match self {
            Self::Check(check) => check.uploads.as_slice(),
            Self::Recover(recover) => {
                let named = [
                    recover.missing,
                    !recover.uploads.is_empty(),
                    !recover.blobs.is_empty(),
                ];
                if named.into_iter().filter(|named| *named).count() != 1 {
                    return Err(Error::Usage(
                        "a recovery takes uploads, blobs or missing, one of them".into(),
                    ));
                }
                if recover.as_if_gone && !recover.blobs.is_empty() {
                    return Err(Error::Usage(
                        "a rehearsal as if files were gone takes uploads, not blobs".into(),
                    ));
                }
                recover.uploads.as_slice()
            }
            Self::Prune(prune) => {
                let prunes = prune.policy.is_some() || !prune.uploads.is_empty() || prune.dry_run;
                if !prune.undo.is_empty() && prunes {
                    return Err(Error::Usage(
                        "undo takes uploads of its own and nothing else".into(),
                    ));
                }
                if prune.prove && !prune.dry_run {
                    return Err(Error::Usage(
                        "prove belongs to a dry run; pruning proves anyway".into(),
                    ));
                }
                if prune.undo.is_empty() {
                    prune.uploads.as_slice()
                } else {
                    prune.undo.as_slice()
                }
            }
            Self::Verify(verify) => {
                check_percent("read_data", verify.read_data)?;
                check_percent("urls", verify.urls)?;
                &[]
            }
            Self::Expire(expire) => {
                expire.check()?;
                &[]
            }
            Self::Backup(backup) => {
                if let Some(tag) = backup.tags.iter().find(|tag| !is_tag(tag)) {
                    return Err(Error::Usage(format!(
                        "'{tag}' is no tag: one word of letters, digits and ._-:@+/, at most 64"
                    )));
                }
                &[]
            }
            Self::Drill(_) => &[],
        };
        match uploads.iter().find(|upload| **upload < 1) {
            None => Ok(()),
            Some(wrong) => Err(Error::Usage(format!(
                "{wrong} is no upload's number; they begin with 1"
            ))),
        }
    }

    /// Whether several hosts can do it together. What the others would need is told in
    /// docs/design.md.
    pub fn spreads(&self) -> bool {
        match self {
            Self::Backup(_) | Self::Check(_) => true,
            Self::Recover(recover) => recover.missing || once(&recover.uploads).len() > 1,
            Self::Prune(prune) if !prune.undo.is_empty() => once(&prune.undo).len() > 1,
            // What is divided is the proving.
            Self::Prune(prune) => !prune.dry_run || prune.prove,
            // Without data there is little to read, and whoever makes an index anew reads its pack.
            Self::Verify(verify) => verify.read_data.is_some() && !verify.repair_indexes,
            _ => false,
        }
    }

    /// The verb.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::Check(_) => "check",
            Self::Verify(_) => "verify",
            Self::Recover(_) => "recover",
            Self::Expire(_) => "expire",
            Self::Drill(_) => "drill",
            Self::Prune(_) => "prune",
        }
    }

    /// The parameters, as a row keeps them.
    pub fn parameters(&self) -> Value {
        match self {
            Self::Backup(backup) => serde_json::to_value(backup),
            Self::Check(check) => serde_json::to_value(check),
            Self::Verify(verify) => serde_json::to_value(verify),
            Self::Recover(recover) => serde_json::to_value(recover),
            Self::Expire(expire) => serde_json::to_value(expire),
            Self::Drill(drill) => serde_json::to_value(drill),
            Self::Prune(prune) => serde_json::to_value(prune),
        }
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
