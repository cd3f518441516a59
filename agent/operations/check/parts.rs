// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A check by several hosts: each looks at its own repository hosts only and tells what it finds there,
//! and of which blobs it cannot tell because they may lie elsewhere. A blob that nobody has seen, and
//! nobody could call missing by himself, is missing: one whose places lie on several hosts (fall-backs,
//! trees of different hosts). The last one explains those and puts all together.
//!
//! Each part sees a moment of its own, so what comes or goes between two of them is not taken for lost:
//! it is not in all lists. Nothing is changed but the history and the findings, which the last one
//! replaces; a part that is killed is done again.

use super::explain::Explainer;
use super::merge::{Verdict, Want};
use super::report::Report;
use super::roots::Roots;
use super::{Options, examine, in_vault, record};
use crate::blob::{HostName, PfileName};
use crate::fossology::catalogue;
use crate::operations::{Context, Error, Instance, Result};
use crate::vault::{Members, Vault};
use serde::{Deserialize, Serialize};

/// How many blobs the database is asked for at once.
const SOME: usize = 32_768;

/// What one host found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    /// What it is certain of.
    pub report: Report,
    /// Of what it cannot tell whether it is there: other hosts may have it.
    pub(super) unseen: Members,
}

impl Part {
    /// How many blobs may lie on other hosts.
    pub fn elsewhere(&self) -> u64 {
        self.unseen.any().len()
    }
}

/// Looks at some repository hosts. Those without a name (`None`) stand for what no host covers, and for
/// what concerns the whole instance.
///
/// # Errors
/// When the storage of one of them is not here, or the check could not be made.
pub fn look(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    hosts: &[Option<HostName>],
    context: Context<'_>,
) -> Result<Part> {
    let roots = Roots::of_hosts(&instance.config.layout, hosts)?;
    let mut client = instance.connect("check")?;
    let record = record::begin(instance, &mut client, options, "check part")?;
    let result = examine(instance, roots, vault, options, None, context);
    record::end_part(record, &mut client, &result);
    result
}

/// Puts together what the hosts found.
///
/// # Errors
/// When the database or the vault fails.
pub fn merge(
    instance: &Instance,
    vault: Option<&Vault>,
    options: &Options,
    parts: Vec<Part>,
    context: Context<'_>,
) -> Result<Report> {
    let mut client = instance.connect("check")?;
    let record = record::begin(instance, &mut client, options, "check")?;
    let result = join(instance, vault, parts, context);
    record::end(record, &mut client, options, &result);
    result
}

fn join(
    instance: &Instance,
    vault: Option<&Vault>,
    parts: Vec<Part>,
    context: Context<'_>,
) -> Result<Report> {
    let mut unseen: Option<Members> = None;
    let mut whole: Option<Report> = None;
    for part in parts {
        unseen = Some(match unseen {
            None => part.unseen,
            Some(unseen) => unseen.common(&part.unseen),
        });
        whole = Some(match whole {
            None => part.report,
            Some(mut whole) => {
                // Everybody has counted what the database needs.
                let needed = whole.needed.clone();
                whole.join(part.report);
                whole.needed = needed;
                whole
            }
        });
    }
    let mut whole =
        whole.ok_or_else(|| Error::Usage("the request has no part that looked".into()))?;
    let lost = unseen.unwrap_or_default();
    if !lost.any().is_empty() {
        context.progress.begin("asking what is missing", 0, 0);
        whole.join(explain(instance, vault, &lost, &whole)?);
        context.progress.end();
    }
    Ok(whole)
}

/// What no host has.
fn explain(
    instance: &Instance,
    vault: Option<&Vault>,
    lost: &Members,
    whole: &Report,
) -> Result<Report> {
    let mut client = instance.connect("check")?;
    let any = lost.any();
    let keys: Vec<u32> = any.iter().collect();
    let mut wants = Vec::with_capacity(keys.len());
    for some in keys.chunks(SOME) {
        // A broken row was never looked for.
        let names = catalogue::blobs(&mut client, some)?.into_iter();
        let names: Vec<PfileName> = names.filter_map(|blob| blob.name.ok()).collect();
        let needed = catalogue::needed_now(&mut client, &names)?.into_iter();
        wants.extend(
            needed
                .filter(|(_, pfile, _)| any.contains(*pfile))
                .map(|(name, pfile, trees)| Want { name, pfile, trees }),
        );
    }
    wants.sort_unstable_by_key(|want| want.name);
    let roots = Roots::of_hosts(&instance.config.layout, &[])?;
    let in_vault = vault.map(in_vault).transpose()?.unwrap_or_default();
    let mut explainer = Explainer::new(&roots, &mut client, &in_vault)?;
    for want in &wants {
        let trees = lost.trees(want.pfile);
        let seen = want.trees.iter().any(|tree| !trees.contains(tree));
        explainer.take(Verdict::Absent {
            want,
            trees,
            other_tree: seen,
        });
        explainer.explain_some()?;
    }
    explainer.explain_all()?;
    let (uploads, _) = explainer.uploads.into_parts();
    let (counts, findings) = explainer.findings.into_parts();
    Ok(Report {
        deep: whole.deep,
        only_uploads: whole.only_uploads.clone(),
        deleted: explainer.deleted,
        vault: whole.vault.clone(),
        counts,
        findings,
        uploads,
        ..Report::default()
    })
}
