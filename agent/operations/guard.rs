// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts recoveries before scans that would meet missing files. All recoveries come into the queue
//! in one transaction: killed in the middle, nothing has changed.

use super::{Context, Error, Instance, Result, recover};
use crate::fossology::database::Error as DatabaseError;
use crate::fossology::guard::{self, Before, Entries};
use crate::fossology::module::AGENT;
use crate::fossology::{own, queue};

/// Puts a recovery before these entries wherever their upload lacks files that may come back.
/// `lookers` threads look for files. The scheduler has to be told afterwards.
///
/// # Errors
/// When recoveries are needed and the agent is not installed, or nothing could be queued.
pub fn recover_first(
    instance: &Instance,
    entries: Entries,
    user: Option<&str>,
    lookers: usize,
    context: Context<'_>,
) -> Result<Vec<Before>> {
    let mut client = instance.connect("guard")?;
    own::ensure_schema(&mut client)?;
    let awaited = guard::awaited(&mut client, entries)?;
    let lacking = recover::lacking(instance, &awaited, lookers, context)?;
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    if !is_installed(instance) {
        let uploads: Vec<String> = lacking.iter().map(i32::to_string).collect();
        return Err(Error::Usage(format!(
            "jobs are waiting for uploads that lack files ({}), and FOSSology's scheduler does not know the agent '{AGENT}' that could bring them back first: run 'fo_backup install', or 'fo_backup recover --missing' by hand",
            uploads.join(", ")
        )));
    }
    let failed = DatabaseError::sql("putting recoveries before jobs");
    let mut step = client.transaction().map_err(&failed)?;
    let user = queue::user(&mut step, user)?;
    let mut before = Vec::new();
    for upload in lacking {
        before.push(guard::recover_first(&mut step, upload, entries, &user)?);
    }
    step.commit().map_err(&failed)?;
    Ok(before)
}

/// Whether the scheduler of this host knows our agent.
pub(super) fn is_installed(instance: &Instance) -> bool {
    let modules = instance.config.sysconfdir.join("mods-enabled");
    modules.join(AGENT).exists()
}
