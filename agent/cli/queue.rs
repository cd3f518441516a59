// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup queue`: the same verbs, done by FOSSology's scheduler.

use super::exit::Exit;
use super::jobs::guarded;
use super::session::Session;
use super::{backup, check, drill, expire, prune, recover, verify};
use crate::fossology::guard::{Before, Entries};
use crate::operations::queue::{self, Ended, Options, Queued};
use crate::operations::request::Work;
use crate::operations::{Error, Result, guard};

/// Under what the verbs' help lists the options of `queue`.
const QUEUE: &str = "Options of the queue";

/// Let FOSSology's scheduler do it
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: QueueVerb,

    /// Whose job it is: a user of FOSSology's [default: its administrator]
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = QUEUE
    )]
    user: Option<String>,

    /// Where it runs: a name of [HOSTS] in fossology.conf [default: where there is room]
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = QUEUE
    )]
    host: Option<String>,

    /// Follow the job to its end, and end as it does
    #[arg(long, global = true, help_heading = QUEUE)]
    wait: bool,
}

#[derive(clap::Subcommand)]
enum QueueVerb {
    Backup(backup::Args),
    Check(check::Args),
    Verify(verify::Args),
    Recover(recover::Args),
    Expire(expire::Args),
    Drill(drill::Args),
    Prune(prune::Args),
}

#[derive(serde::Serialize)]
struct Answer<'a> {
    asked: &'a str,
    #[serde(flatten)]
    queued: &'a Queued,
    #[serde(flatten)]
    ended: Option<&'a Ended>,
    /// What goes before scans of uploads that lack files.
    recoveries: &'a [Before],
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let instance = session.instance()?;
    let work = match args.verb {
        QueueVerb::Backup(args) => Work::Backup(args.for_queue()?),
        QueueVerb::Check(args) => Work::Check(args.for_queue()?),
        QueueVerb::Verify(args) => Work::Verify(args.into()),
        QueueVerb::Recover(args) => Work::Recover(args.into()),
        QueueVerb::Expire(args) => Work::Expire(args.into()),
        QueueVerb::Drill(args) => Work::Drill(args.for_queue()?),
        QueueVerb::Prune(args) => Work::Prune(args.for_queue()?),
    };
    let settings = session.settings()?;
    let options = Options {
        user: args.user,
        host: args.host,
        schedule: settings.schedule.clone(),
    };
    let queued = queue::ask(&instance, &work, &options)?;
    // Whoever works with the queue finds scans that would meet missing files.
    let user = options.user.as_deref();
    let recoveries = guard::recover_first(
        &instance,
        Entries::Waiting,
        user,
        settings.lookers(),
        session.context(),
    )?;
    let ended = if args.wait {
        if let Some(why) = &queued.not_told {
            return Err(Error::Usage(format!(
                "job {} is queued, but {why}; it runs when the scheduler does, and is not waited for",
                queued.job
            )));
        }
        Some(queue::follow(
            &instance,
            work.verb(),
            &queued,
            session.context(),
        )?)
    } else {
        None
    };
    let answer = Answer {
        asked: work.verb(),
        queued: &queued,
        ended: ended.as_ref(),
        recoveries: &recoveries,
    };
    session.output.result("queue", &answer, || text(&answer));
    Ok(match ended.as_ref().map(|ended| ended.state.as_str()) {
        None | Some("done") => Exit::Done,
        Some("incomplete") => Exit::Incomplete,
        Some(_) => Exit::Failed,
    })
}

fn text(answer: &Answer<'_>) -> String {
    let Queued {
        request,
        job,
        not_told,
        ..
    } = answer.queued;
    let asked = match (answer.ended, not_told) {
        (Some(ended), _) => {
            let message = &ended.message;
            format!(
                "job {job} (request {request}): {}\n{message}\n",
                ended.state
            )
        }
        (None, None) => format!("job {job} (request {request}) is queued\n"),
        (None, Some(why)) => {
            format!("job {job} (request {request}) is queued; {why}, so it waits until that runs\n")
        }
    };
    guarded(answer.recoveries) + &asked
}
