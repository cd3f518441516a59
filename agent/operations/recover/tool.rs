// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The last way to unpack an upload: FOSSology's own unpacker, for what our walks did not give. It
//! gets a copy of the uploaded file in the scratch folder, which goes away with the run.

use super::gold::{Origin, open};
use super::report::Why;
use super::seeking::Seeking;
use super::work::{Recovery, has_name};
use crate::fossology::catalogue;
use crate::operations::{Error, Result};
use crate::unpack::fallback::{self, Arguments, Job, Outcome, ToolLimits};
use nix::unistd::{Gid, Uid, chown};

impl Recovery<'_> {
    /// Tries an upload with FOSSology's unpacker; tells what kept it from trying everything.
    pub fn try_tool(&mut self, seeking: &Seeking<'_>, origin: &Origin) -> Result<Option<Why>> {
        let file = match open(self.reader, &origin.blob) {
            Ok(file) => file,
            Err(why) => return Ok(Some(why)),
        };
        if !has_name(&file, &origin.blob) {
            return Ok(Some(Why::GoldDamaged));
        }
        let Some(tool) = &self.options.ununpack else {
            return Ok(Some(Why::NoTool));
        };
        let Some(&upload) = origin.uploads.first() else {
            return Ok(Some(Why::ToolFailed));
        };
        let rows = catalogue::uploads(&mut self.client, &[upload])?;
        let name = rows.first().map_or("upload", |row| row.filename.as_str());
        let arguments = catalogue::unpack_arguments(&mut self.client, upload)?;
        let stop = self.context.stop;
        let tried = tool.run(
            Job {
                file,
                name,
                arguments: &Arguments::parse(&arguments.lossy()),
                limits: &ToolLimits::default(),
                user: self.tool_user()?,
                scratch: self.scratch()?.path(),
                stop: &|| stop.requested(),
            },
            seeking,
        );
        seeking.check()?;
        stop.check()?;
        let (why, said) = match tried {
            Ok(tried) if tried.outcome == Outcome::Finished && tried.problem_count == 0 => {
                return Ok(None);
            }
            Ok(tried) => {
                let problem = tried.problems.first();
                let problem = problem.map(|problem| problem.detail.clone());
                let said = problem.unwrap_or_else(|| ended(tried.outcome, &tried.said));
                (Why::ToolFailed, said)
            }
            Err(error @ fallback::Error::Scratch { .. }) => (Why::Spool, error.to_string()),
            Err(error) => (Why::ToolFailed, error.to_string()),
        };
        for upload in &origin.uploads {
            let outcome = self.outcomes.entry(*upload).or_default();
            outcome.tell("ununpack", &said);
        }
        Ok(Some(why))
    }

    /// Whom the tool runs as: never root, unless the repository is root's. That user has to get
    /// into the scratch folder.
    fn tool_user(&mut self) -> Result<Option<(Uid, Gid)>> {
        let Some(owner) = self.instance.owner()? else {
            return Ok(None);
        };
        let user = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        let folder = self.scratch()?.path();
        chown(folder, Some(user.0), Some(user.1))
            .map_err(|errno| Error::io("giving to FOSSology's user", folder)(errno.into()))?;
        Ok(Some(user))
    }
}

/// How it ended, with the last line of what it said.
fn ended(outcome: Outcome, said: &str) -> String {
    let how = match outcome {
        Outcome::Finished => "ended".to_owned(),
        Outcome::Failed(code) => format!("ended with {code}"),
        Outcome::Crashed(signal) => format!("was ended by signal {signal}"),
        Outcome::Exceeded(limit) => format!("was stopped: {limit}"),
        Outcome::Stopped => "was stopped".to_owned(),
    };
    match said.trim_end().lines().next_back() {
        Some(line) => format!("{how} ({line})"),
        None => how,
    }
}
