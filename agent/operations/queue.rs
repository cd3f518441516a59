// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asking FOSSology's scheduler for an operation: the request with what is to be done, the job
//! that carries its number, and the word to the scheduler that there is something in its queue.
//! Request and job are one transaction: killed in the middle, nobody has asked for anything.

use super::request::Work;
use super::{Context, Error, Instance, Result, guard};
use crate::fossology::database::Error as DatabaseError;
use crate::fossology::module::AGENT;
use crate::fossology::own::{self, requests};
use crate::fossology::queue::{self, NewStep};
use crate::fossology::scheduler::{self, Message};
use serde::Serialize;
use std::time::Duration;

/// How often it is looked how far a job is.
const LOOK: Duration = Duration::from_millis(500);

/// Whose job it is, and where it runs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A user of FOSSology's; its administrator without a name.
    pub user: Option<String>,
    /// A key of `[HOSTS]`; any host without it.
    pub host: Option<String>,
}

/// What was queued.
#[derive(Clone, Debug, Serialize)]
pub struct Queued {
    /// The request.
    pub request: i32,
    /// `job_pk`, as FOSSology's pages name it.
    pub job: i32,
    /// `jq_pk`.
    pub entry: i32,
    /// Why the scheduler could not be told; it looks by itself every two minutes, if it runs.
    pub not_told: Option<String>,
}

/// How a job ended.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// `done`, `incomplete` or `failed`.
    pub state: String,
    /// What came of it, in words.
    pub message: String,
}

/// Queues a job that does this.
///
/// # Errors
/// When the work makes no sense, or the module is not installed, or nothing could be queued.
pub fn ask(instance: &Instance, work: &Work, options: &Options) -> Result<Queued> {
    work.check()?;
    let config = &instance.config;
    if !guard::is_installed(instance) {
        return Err(Error::Usage(format!(
            "FOSSology does not know the agent '{AGENT}' yet, so its job would fail: run 'fo_backup install' first (no mods-enabled/{AGENT} in {})",
            config.sysconfdir.display()
        )));
    }
    if let Some(host) = &options.host
        && !config.hosts.iter().any(|known| known.name == *host)
    {
        let known: Vec<&str> = config.hosts.iter().map(|host| host.name.as_str()).collect();
        return Err(Error::Usage(format!(
            "'{host}' is no host of [HOSTS] in fossology.conf; it has: {}",
            known.join(", ")
        )));
    }
    let mut client = instance.connect("queue")?;
    own::ensure_schema(&mut client)?;
    let failed = DatabaseError::sql("queueing the job");
    let mut transaction = client.transaction().map_err(&failed)?;
    let user = queue::user(&mut transaction, options.user.as_deref())?;
    let request = requests::ask(
        &mut transaction,
        work.verb(),
        &work.parameters(),
        &user.name,
    )?;
    let step = NewStep {
        agent: AGENT,
        host: options.host.as_deref(),
        arguments: &format!("--request={request}"),
    };
    let name = format!("fo_backup {}", work.verb());
    let queued = queue::add_job(&mut transaction, &name, &user, step)?;
    requests::given_to_job(&mut transaction, request, queued.job)?;
    transaction.commit().map_err(&failed)?;
    let told = scheduler::tell(config, Message::Queue);
    Ok(Queued {
        request,
        job: queued.job,
        entry: queued.entry,
        not_told: told.err().map(|error| {
            format!(
                "the scheduler does not answer at port {} of {} ({error})",
                config.port, config.address
            )
        }),
    })
}

/// Follows a job to its end. Whoever stops following does not stop the job.
///
/// # Errors
/// When the job was removed, or the connection is lost.
pub fn follow(
    instance: &Instance,
    verb: &str,
    queued: &Queued,
    context: Context<'_>,
) -> Result<Ended> {
    let mut client = instance.connect("queue")?;
    let mut seen = None;
    context.progress.begin("waiting for the scheduler", 0, 0);
    let step = loop {
        context.stop.check()?;
        let Some(step) = queue::standing(&mut client, queued.entry)? else {
            return Err(Error::Usage(format!(
                "job {} was removed from the queue by somebody",
                queued.job
            )));
        };
        if step.started && seen.is_none() {
            context.progress.end();
            context.progress.begin(verb, 0, 0);
        }
        if step.started {
            let before = seen.replace(step.items).unwrap_or(0);
            context
                .progress
                .advance(step.items.saturating_sub(before), 0);
        }
        if step.ended {
            break step;
        }
        std::thread::sleep(LOOK);
    };
    context.progress.end();
    let request = requests::standing(&mut client, queued.request)?;
    // What was killed by the scheduler could not say so itself.
    let (state, message) = match request {
        Some(request) if !step.failed || request.state == "incomplete" => {
            (request.state, request.message)
        }
        Some(request) if request.state == "failed" => (request.state, request.message),
        _ => ("failed".to_owned(), None),
    };
    Ok(Ended {
        state,
        message: message.unwrap_or_else(|| format!("the scheduler says: {}", step.text)),
    })
}
