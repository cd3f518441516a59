// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be asked for through FOSSology's scheduler: each verb with its parameters, as they are
//! kept in a request's row. Rows are written by programs of other versions and by people too, so
//! what is read is checked, and a parameter that nobody knows is a mistake.

use super::drill::{self, Percent};
use super::expire::{self, Extent};
use super::prune;
use super::recover::{self, Scope, Sources, Wanted};
use super::settings::Settings;
use super::{Error, Instance, Result};
use crate::blob::PfileName;
use crate::unpack::fallback::Ununpack;
use crate::vault::retention::{Age, Policies, Policy, is_tag};
use crate::vault::{Mode, Vault};
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
    /// Words by which the snapshot is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            mode: Mode::Full,
            logs: false,
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
        location: Result<String>,
        options: &prune::Options,
    ) -> Result<Option<Vault>> {
        let from = match options.policy.proof {
            prune::policy::Proof::Gold => Sources::Gold,
            prune::policy::Proof::Either => Sources::Any,
            prune::policy::Proof::Vault | prune::policy::Proof::Both => Sources::Vault,
        };
        recover::open_vault(instance, location, from)
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

/// Which snapshots go; what is not said here, `[retention]` of the settings says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expire {
    /// Only of this mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// What stays of each mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Policy>,
    /// So many that are whole stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_verified: Option<u32>,
    /// How much of the data is read to tell whether they are, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_data: Option<f64>,
    /// How long packs and chunks stay that no snapshot names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Age>,
    /// Packs of which more is dead, in percent, are rewritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_dead: Option<u8>,
    /// Whether packs and chunks stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub snapshots_only: bool,
    /// Whether no pack is rewritten.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_rewrite: bool,
    /// Whether nothing is changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl Expire {
    /// How it is done on this host.
    pub fn options(&self, settings: &Settings) -> expire::Options {
        let retention = &settings.retention;
        let mut policies = match &self.keep {
            Some(keep) => Policies {
                full: Some(keep.clone()),
                gold: Some(keep.clone()),
            },
            None => retention.policies(),
        };
        match self.mode {
            Some(Mode::Full) => policies.gold = None,
            Some(Mode::Gold) => policies.full = None,
            None => {}
        }
        expire::Options {
            policies,
            minimum_verified: self.minimum_verified.unwrap_or(retention.minimum_verified),
            read: self.read_data,
            grace: self.grace.unwrap_or(retention.grace),
            max_dead: self.max_dead.unwrap_or(retention.max_dead),
            extent: match (self.snapshots_only, self.no_rewrite) {
                (true, _) => Extent::Snapshots,
                (_, true) => Extent::Drop,
                _ => Extent::Rewrite,
            },
            dry_run: self.dry_run,
            level: settings.compression.unwrap_or(1),
            threads: settings.threads(),
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Usage(what));
        if let Some(Err(why)) = self.keep.as_ref().map(Policy::check) {
            return wrong(format!("the policy: {why}"));
        }
        if let Some(percent) = self.max_dead.filter(|percent| *percent > 100) {
            return wrong(format!(
                "max_dead is {percent}; it takes a percentage up to 100"
            ));
        }
        if self.snapshots_only && self.no_rewrite {
            return wrong("snapshots_only rewrites nothing anyhow; leave no_rewrite out".into());
        }
        check_percent(self.read_data)
    }
}

fn check_percent(percent: Option<f64>) -> Result<()> {
    match percent.filter(|percent| !(*percent > 0.0 && *percent <= 100.0)) {
        None => Ok(()),
        Some(percent) => Err(Error::Usage(format!(
            "read_data is {percent}; it takes a percentage above 0, up to 100"
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
                check_percent(verify.read_data)?;
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_is_as_on_the_command_line() {
        let read = |verb| Work::read(verb, &json!({})).unwrap();
        assert_eq!(read("backup"), Work::Backup(Backup::default()));
        assert_eq!(read("check"), Work::Check(Check::default()));
        assert_eq!(read("verify"), Work::Verify(Verify::default()));
        assert_eq!(read("drill"), Work::Drill(Drill::default()));
    }

    #[test]
    fn every_verb_is_known() {
        for verb in VERBS {
            let error = Work::read(verb, &json!({"no such": 1})).unwrap_err();
            assert!(!error.to_string().contains("is nothing"), "{error}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (verb, parameters, says) in [
            ("backup", json!({"mode": "half"}), "unknown variant `half`"),
            ("backup", json!({"deep": true}), "unknown field `deep`"),
            ("backup", json!([1]), "backup"),
            ("backup", json!({"tags": ["two words"]}), "is no tag"),
            (
                "check",
                json!({"uploads": [3, 0]}),
                "0 is no upload's number",
            ),
            (
                "check",
                json!({"uploads": [3_000_000_000_u32]}),
                "3000000000",
            ),
            ("check", json!({"deep": "yes"}), "boolean"),
            ("verify", json!({"read_data": 101}), "up to 100"),
            ("verify", json!({"read_data": 0}), "above 0"),
            ("drill", json!({"sample": 0}), "above 0"),
            ("drill", json!({"to": "/"}), "unknown field `to`"),
            ("recover", json!({}), "uploads, blobs or missing"),
            (
                "recover",
                json!({"missing": true, "uploads": [2]}),
                "one of them",
            ),
            (
                "recover",
                json!({"uploads": [-2]}),
                "-2 is no upload's number",
            ),
            ("recover", json!({"blobs": ["x"]}), "sha1.md5.size"),
            ("expire", json!({"keep": {}}), "keeps nothing"),
            ("expire", json!({"keep": {"keep_first": 1}}), "keep_first"),
            ("expire", json!({"grace": "long"}), "no length of time"),
            ("expire", json!({"max_dead": 101}), "up to 100"),
            (
                "expire",
                json!({"snapshots_only": true, "no_rewrite": true}),
                "leave no_rewrite out",
            ),
            ("prune", json!({"uploads": [0]}), "0 is no upload's number"),
            (
                "prune",
                json!({"undo": [3, -1]}),
                "-1 is no upload's number",
            ),
            (
                "prune",
                json!({"undo": [3], "policy": "cold"}),
                "nothing else",
            ),
            ("prune", json!({"prove": true}), "dry run"),
            ("prune", json!({"yes": true}), "unknown field `yes`"),
            (
                "recover",
                json!({"blobs": ["da39a3ee5e6b4b0d3255bfef95601890afd80709.d41d8cd98f00b204e9800998ecf8427e.0"], "as_if_gone": true}),
                "not blobs",
            ),
            ("destroy", json!({}), "'destroy' is nothing"),
        ] {
            let error = Work::read(verb, &parameters).unwrap_err().to_string();
            assert!(error.contains(says), "{verb} {parameters}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_was_asked_is_what_is_read(
            gold in any::<bool>(), flag in any::<bool>(),
            uploads in prop::collection::vec(1..i32::MAX, 0..4),
            halves in prop::option::of(1..=200_u8), snapshot in prop::option::of("[0-9a-z]{1,9}"),
        ) {
            let percent = halves.map(|halves| f64::from(halves) / 2.0);
            let mode = if gold { Mode::Gold } else { Mode::Full };
            for work in [
                Work::Backup(Backup { mode, logs: flag, tags: snapshot.iter().cloned().collect() }),
                Work::Check(Check { deep: flag, uploads: uploads.clone(), strict: gold }),
                Work::Prune(Prune { policy: snapshot.clone(), uploads: uploads.clone(), dry_run: flag, prove: flag, undo: Vec::new() }),
                Work::Verify(Verify { snapshot: snapshot.clone(), read_data: percent, repair_indexes: flag }),
                Work::Drill(Drill { snapshot: snapshot.clone(), sample: percent.map(|percent| Percent::new(percent).unwrap()) }),
                Work::Expire(Expire {
                    mode: Some(mode),
                    keep: Some(Policy { keep_last: 1, keep_tags: snapshot.iter().cloned().collect(), ..Policy::default() }),
                    read_data: percent, no_rewrite: flag, ..Expire::default()
                }),
            ] {
                let text = work.parameters().to_string();
                let row: Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&Work::read(work.verb(), &row).unwrap(), &work);
            }
        }
    }
}
