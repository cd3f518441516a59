// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts recoveries before scans that would meet missing files, or parks jobs until their files are back.
//! All of it comes into the queue in one transaction: killed in the middle, nothing has changed.

use super::{Context, Error, Instance, Result, recover};
use crate::fossology::database::Error as DatabaseError;
use crate::fossology::guard::{self, Before, Entries};
use crate::fossology::jobs::{self, Parked};
use crate::fossology::module::AGENT;
use crate::fossology::{own, queue, scheduler};

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

/// What was parked, and of which uploads.
#[derive(Debug, serde::Serialize)]
pub struct Parking {
    /// The uploads, whether or not something waited for them.
    pub uploads: Vec<i32>,
    /// Their jobs.
    pub parked: Parked,
}

/// Parks the jobs of these uploads, or of all that lack files which may come back; with them go
/// deletions and maintenance. `lookers` threads look for files.
///
/// # Errors
/// When the scheduler runs, which would start what it has read already, or a statement fails.
pub fn park(
    instance: &Instance,
    uploads: Option<Vec<i32>>,
    lookers: usize,
    context: Context<'_>,
) -> Result<Parking> {
    if let Some(place) = scheduler::running(&instance.config) {
        return Err(Error::SchedulerRuns { place });
    }
    let mut client = instance.connect("guard")?;
    own::ensure_schema(&mut client)?;
    let uploads = match uploads {
        Some(uploads) => uploads,
        None => {
            let live = jobs::live_uploads(&mut client)?;
            recover::lacking(instance, &live, lookers, context)?
        }
    };
    let failed = DatabaseError::sql("parking jobs");
    let mut step = client.transaction().map_err(&failed)?;
    let parked = jobs::park_uploads(&mut step, &uploads)?;
    step.commit().map_err(&failed)?;
    Ok(Parking { uploads, parked })
}

/// Whether the scheduler of this host knows our agent.
pub(super) fn is_installed(instance: &Instance) -> bool {
    let modules = instance.config.sysconfdir.join("mods-enabled");
    modules.join(AGENT).exists()
}
