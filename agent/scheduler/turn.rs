// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The agent's turn in the queue, and how it is given to a job that runs alone. Our rest becomes an
//! entry behind the own one in the same transaction in which the request's row says so. Killed
//! before that, the run was killed as ever; killed after it, the own entry has failed for the
//! scheduler and the rest with it, unless the scheduler is started anew: then the own entry goes on
//! with the request, and the entry behind it finds it done.

use crate::fossology::config::Config;
use crate::fossology::database::Error as DatabaseError;
use crate::fossology::exclusive;
use crate::fossology::scheduler::{self, Message};
use crate::operations::way::{self, GiveWay};
use crate::operations::{Instance, Result, Stop};
use postgres::{Client, Transaction};

/// The entry of the queue that this agent was started for.
pub struct Turn(Option<i32>);

impl Turn {
    /// Looks for it. One that is not found, or not for certain, is never given away.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn find(client: &mut Client, job: i32, argument: &str, data: &str) -> Result<Self> {
        Ok(Self(exclusive::own_entry(client, job, argument, data)?))
    }

    /// Does something that is asked to give way when a job waits that runs alone.
    pub fn work<T>(
        &self,
        instance: &Instance,
        settings: &GiveWay,
        stop: &Stop,
        work: impl FnOnce() -> T,
    ) -> T {
        match self.0 {
            Some(_) => way::watched(instance, settings, stop, work),
            None => work(),
        }
    }

    /// Queues the rest, which `argument` names; `tell` enters in which entry it goes on.
    ///
    /// # Errors
    /// When it could not be queued; then nothing has changed.
    pub fn give_away(
        &self,
        config: &Config,
        client: &mut Client,
        argument: &str,
        tell: impl FnOnce(&mut Transaction<'_>, i32) -> Result<()>,
    ) -> Result<()> {
        // Only who was asked to can have given way.
        let Some(own) = self.0 else {
            return Ok(());
        };
        let failed = DatabaseError::sql("queueing what is left");
        let mut step = client.transaction().map_err(&failed)?;
        let next = exclusive::go_on_behind(&mut step, own, argument)?;
        tell(&mut step, next)?;
        step.commit().map_err(&failed)?;
        // It looks again when we end; by then it has to know who is before our rest.
        if let Err(error) = scheduler::tell(config, Message::Queue) {
            log::debug!("the scheduler was not told: {error}");
        }
        Ok(())
    }
}
