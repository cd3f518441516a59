// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asking FOSSology's scheduler for an operation: the request with what is to be done, the job
//! that carries its number, and the word to the scheduler that there is something in its queue.
//! Request and job are one transaction: killed in the middle, nobody has asked for anything.
//!
//! A backup of an instance whose storage lies on several agent hosts becomes several entries: one
//! that lists, one a host that packs after it, side by side, and one that commits after all; a check,
//! a recovery and a verification one a host that does its share, and one that puts together what they
//! did.

use super::backup::{Division, divide};
use super::recover::parts::is_on_one;
use super::request::Work;
use super::schedule::Schedule;
use super::verify::parts::Share;
use super::{Context, Error, Instance, Result, guard, install};
use crate::fossology::config::Config;
use crate::fossology::database::Error as DatabaseError;
use crate::fossology::module::AGENT;
use crate::fossology::own::parts::{self, Role};
use crate::fossology::own::{self, requests};
use crate::fossology::queue::{self, NewStep, User};
use crate::fossology::scheduler::{self, Message};
use postgres::Transaction;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
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
    /// What is expected: who queues is where the schedule is, so the pages are told by the way.
    pub schedule: Schedule,
}

/// What was queued.
#[derive(Clone, Debug, Serialize)]
pub struct Queued {
    /// The request.
    pub request: i32,
    /// `job_pk`, as FOSSology's pages name it.
    pub job: i32,
    /// `jq_pk`, of the last one when there are several.
    pub entry: i32,
    /// `jq_pk` of all, in their order.
    pub entries: Vec<i32>,
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
    install::tell_limits(&mut client, &options.schedule, Path::new("/"))?;
    let failed = DatabaseError::sql("queueing the job");
    let mut transaction = client.transaction().map_err(&failed)?;
    let user = queue::user(&mut transaction, options.user.as_deref())?;
    let request = requests::ask(
        &mut transaction,
        work.verb(),
        &work.parameters(),
        &user.name,
    )?;
    let name = format!("fo_backup {}", work.verb());
    let division = division(&mut transaction, config, work, options)?;
    let (job, entries) = match division {
        Some(division) => {
            let roles = match work {
                Work::Backup(_) => [Some(Role::List), Some(Role::Pack), Some(Role::Commit)],
                _ => [None, Some(Role::Share), Some(Role::Merge)],
            };
            let of = match work {
                Work::Verify(_) => Share::all(division.parts.len())
                    .map(|of| json!(of))
                    .collect(),
                _ => division.parts.iter().map(|(_, of)| json!(of)).collect(),
            };
            add_parts(
                &mut transaction,
                &name,
                &user,
                request,
                (&division, of),
                roles,
            )?
        }
        None => {
            let arguments = format!("--request={request}");
            let step = step(options.host.as_deref(), &arguments);
            let queued = queue::add_job(&mut transaction, &name, &user, step)?;
            (queued.job, vec![queued.entry])
        }
    };
    requests::given_to_job(&mut transaction, request, job)?;
    transaction.commit().map_err(&failed)?;
    let told = scheduler::tell(config, Message::Queue);
    Ok(Queued {
        request,
        job,
        entry: entries.last().copied().unwrap_or_default(),
        entries,
        not_told: told.err().map(|error| {
            format!(
                "the scheduler does not answer at port {} of {} ({error})",
                config.port, config.address
            )
        }),
    })
}

/// How it is divided, if several hosts have something to do.
fn division(
    transaction: &mut Transaction<'_>,
    config: &Config,
    work: &Work,
    options: &Options,
) -> Result<Option<Division>> {
    // Whoever names a host wants it done there.
    if options.host.is_some() || !work.spreads() {
        return Ok(None);
    }
    let Some(division) = divide(config) else {
        return Ok(None);
    };
    let unpacked = match work {
        Work::Recover(recover) => &recover.uploads,
        Work::Prune(prune) if prune.undo.is_empty() => &prune.uploads,
        Work::Prune(prune) => &prune.undo,
        _ => return Ok(Some(division)),
    };
    let uploads = Some(unpacked.as_slice()).filter(|uploads| !uploads.is_empty());
    let on_one = is_on_one(transaction, &config.layout, &division, uploads)?;
    Ok((!on_one).then_some(division))
}

fn step<'a>(host: Option<&'a str>, arguments: &'a str) -> NewStep<'a> {
    NewStep {
        agent: AGENT,
        host,
        arguments,
    }
}

/// Queues the parts of a request: one before all, if there is such a role, one for each host, and one
/// after all. Each host is told what its part is for.
fn add_parts(
    transaction: &mut Transaction<'_>,
    name: &str,
    user: &User,
    request: i32,
    (division, of): (&Division, Vec<Value>),
    [first, each, last]: [Option<Role>; 3],
) -> Result<(i32, Vec<i32>)> {
    let home = (division.home.as_deref(), json!([]));
    let parts = division.parts.iter().zip(of);
    let parts = parts.map(|((host, _), of)| (each, host.as_deref(), of));
    let all = std::iter::once((first, home.0, home.1.clone()))
        .chain(parts)
        .chain([(last, home.0, home.1.clone())]);
    let mut job = None;
    let mut entries: Vec<i32> = Vec::new();
    for (role, host, of) in all {
        let Some(role) = role else { continue };
        let part = parts::enter(transaction, request, role, host, &of)?;
        let arguments = format!("--part={part}");
        let step = step(host, &arguments);
        // A step that fails takes those with it that wait for it, and only those.
        let after = match role {
            Role::Commit | Role::Merge => entries.as_slice(),
            Role::Pack => &entries[..1],
            Role::List | Role::Share => &[],
        };
        let entry = match job {
            None => {
                let queued = queue::add_job(transaction, name, user, step)?;
                job = Some(queued.job);
                queued.entry
            }
            Some(job) => queue::add_step(transaction, job, step, after)?,
        };
        entries.push(entry);
    }
    Ok((job.unwrap_or_default(), entries))
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
    let steps = loop {
        context.stop.check()?;
        // More of them come when one gives way.
        let steps = queue::standing(&mut client, queued.job)?;
        if steps.is_empty() {
            return Err(Error::Usage(format!(
                "job {} was removed from the queue by somebody",
                queued.job
            )));
        }
        if steps.iter().any(|step| step.started) {
            if seen.is_none() {
                context.progress.end();
                context.progress.begin(verb, 0, 0);
            }
            let items: u64 = steps.iter().map(|step| step.items).sum();
            let before = seen.replace(items).unwrap_or(0);
            // The scheduler writes the number down every now and then only.
            if items > before {
                context.progress.advance(items - before, 0);
            }
        } else {
            context.progress.advance(0, 0);
        }
        // Not every release of FOSSology ends what waits for a step that failed.
        let failed = steps.iter().any(|step| step.failed);
        if steps
            .iter()
            .all(|step| step.ended || failed && !step.started)
        {
            break steps;
        }
        std::thread::sleep(LOOK);
    };
    // The first that failed is the reason for the others.
    let failed = steps.iter().find(|step| step.failed);
    let text = failed.or(steps.last()).map(|step| step.text.clone());
    context.progress.end();
    // What was killed, or ended in FOSSology's list of jobs, could not say so itself.
    own::settle(&mut client)?;
    let request = requests::standing(&mut client, queued.request)?;
    let (state, message) = match request {
        Some(request) if failed.is_none() || request.state == "incomplete" => {
            (request.state, request.message)
        }
        Some(request) if request.state == "failed" => (request.state, request.message),
        _ => ("failed".to_owned(), None),
    };
    Ok(Ended {
        state,
        message: message
            .unwrap_or_else(|| format!("the scheduler says: {}", text.unwrap_or_default())),
    })
}
