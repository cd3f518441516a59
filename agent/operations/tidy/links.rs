// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Uploaded files lie in gold and in `files`, as hard links or, as FOSSology does it now and then, as
//! two copies. The copy in `files` gets replaced by a link to gold, if gold is what its name says.

use super::{Options, Report};
use crate::blob::PfileName;
use crate::fossology::catalogue::candidates;
use crate::fossology::repository::{Importer, Linked};
use crate::operations::{Context, Instance, Result};
use std::collections::BTreeSet;

/// Makes hard links of second copies.
pub(super) fn link(
    instance: &Instance,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let mut client = instance.connect("tidy")?;
    let uploads = candidates(&mut client, None)?;
    let golds: BTreeSet<PfileName> = uploads.iter().filter_map(|one| one.row.gold).collect();
    let importer = Importer::new(instance.config.layout.clone(), instance.owner()?)?;
    let step = "looking for second copies";
    context.progress.begin(step, golds.len() as u64, 0);
    for gold in &golds {
        context.stop.check()?;
        context.progress.advance(1, 0);
        match importer.link_to_gold(gold, options.dry_run) {
            Ok(Linked::Replaced) => {
                if let Some(found) = &mut report.hard_links {
                    found.add(|| format!("files: {gold}"), gold.size());
                }
            }
            Ok(Linked::Alone) => {}
            Ok(Linked::Damaged) => report.problem(format!(
                "{gold}: gold is not what its name says; 'fo_backup check --deep' tells more"
            )),
            Err(error) => report.problem(error.to_string()),
        }
    }
    context.progress.end();
    if !options.dry_run {
        importer.sync()?;
    }
    Ok(())
}
