// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `fo_backup jobs`: what a restore has parked, and recoveries before scans.

use super::exit::Exit;
use super::output::{number, table};
use super::session::Session;
use crate::fossology::guard::{Before, Entries};
use crate::fossology::jobs::{self, MUST_BE_NAMED, ParkedJob, Selection};
use crate::fossology::own;
use crate::fossology::scheduler::{self, Message};
use crate::operations::guard::{self, Parking};
use crate::operations::{Error, Instance, Result};
use std::collections::BTreeMap;

/// List, park or resume jobs; let recoveries go before scans
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<JobsVerb>,
}

#[derive(clap::Subcommand)]
enum JobsVerb {
    /// List the parked jobs
    List,
    /// Put a recovery before the waiting jobs of every upload that lacks files
    Guard,
    /// Park the jobs of uploads whose files are lost, until 'jobs resume'
    ///
    /// Deletions and maintenance go with them, since they would take what is lost for deleted. The
    /// scheduler must not run.
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Park {
        /// Every job that waits or runs, as a restore does: for a database that another program has
        /// brought back
        #[arg(long, group = "which")]
        all: bool,
        /// Of all uploads that lack files
        #[arg(long, group = "which")]
        lacking: bool,
        /// Of this upload; may be given again
        #[arg(long, value_name = "N", group = "which")]
        upload: Vec<i32>,
    },
    /// Queue parked jobs again: all but deletions, maintenance and our own, unless they are named
    ///
    /// Where an upload lacks files, its recovery goes first.
    Resume {
        /// Only jobs of this agent, as in `--agent delagent`; may be given again
        #[arg(long, value_name = "NAME")]
        agent: Vec<String>,
        /// Only this entry of the queue (jq_pk); may be given again
        #[arg(long, value_name = "N", conflicts_with = "agent")]
        entry: Vec<i32>,
    },
}

#[derive(serde::Serialize)]
struct Listed<'a> {
    parked: &'a [ParkedJob],
}

#[derive(serde::Serialize)]
struct Parked {
    queued: u64,
    running: u64,
}

#[derive(serde::Serialize)]
struct Guarded {
    recoveries: Vec<Before>,
}

#[derive(serde::Serialize)]
struct Resumed {
    recoveries: Vec<Before>,
    resumed: BTreeMap<String, u64>,
    changed: u64,
    left: u64,
}

pub fn run(session: &Session<'_>, args: Args) -> Result<Exit> {
    let instance = session.instance()?;
    let recover_first = |entries| {
        let lookers = session.settings()?.lookers();
        guard::recover_first(&instance, entries, None, lookers, session.context())
    };
    let mut client = instance.connect("jobs")?;
    let (agent, entry) = match args.verb {
        None | Some(JobsVerb::List) => {
            let parked = jobs::parked(&mut client)?;
            session
                .output
                .result("jobs", &Listed { parked: &parked }, || list(&parked));
            return Ok(Exit::Done);
        }
        Some(JobsVerb::Park { all: true, .. }) => {
            if let Some(place) = scheduler::running(&instance.config) {
                return Err(Error::SchedulerRuns { place });
            }
            own::ensure_schema(&mut client)?;
            let parked = jobs::park_all(&mut client)?;
            let report = Parked {
                queued: parked.queued,
                running: parked.running,
            };
            session.output.result("jobs", &report, || {
                format!(
                    "{} jobs are parked, {} of them had been running; 'fo_backup jobs resume' lets them go on\n",
                    number(report.queued + report.running),
                    number(report.running)
                )
            });
            return Ok(Exit::Done);
        }
        Some(JobsVerb::Guard) => {
            let recoveries = recover_first(Entries::Waiting)?;
            tell(&instance, !recoveries.is_empty());
            let answer = Guarded { recoveries };
            session.output.result("jobs", &answer, || {
                let text = guarded(&answer.recoveries);
                if text.is_empty() {
                    "no job waits for an upload that lacks files\n".into()
                } else {
                    text
                }
            });
            return Ok(Exit::Done);
        }
        Some(JobsVerb::Park {
            lacking, upload, ..
        }) => {
            let lookers = session.settings()?.lookers();
            let uploads = (!lacking).then_some(upload);
            let parking = guard::park(&instance, uploads, lookers, session.context())?;
            session.output.result("jobs", &parking, || parked(&parking));
            return Ok(Exit::Done);
        }
        Some(JobsVerb::Resume { agent, entry }) => (agent, entry),
    };
    let selection = if !agent.is_empty() {
        Selection::Agents(agent)
    } else if !entry.is_empty() {
        Selection::Entries(entry)
    } else {
        Selection::Harmless
    };
    // First, so that the scheduler never sees a scan without its recovery.
    let recoveries = recover_first(Entries::Parked)?;
    let resumed = jobs::resume(&mut client, &selection)?;
    tell(&instance, true);
    let report = Resumed {
        recoveries,
        resumed: resumed.by_agent,
        changed: resumed.changed,
        left: resumed.left,
    };
    session.output.result("jobs", &report, || {
        let all: u64 = report.resumed.values().sum();
        let mut text = format!("{} jobs are queued again", number(all));
        for (agent, count) in &report.resumed {
            text += &format!("\n  {agent}: {}", number(*count));
        }
        if report.changed > 0 {
            text += &format!(
                "\n{} were changed by somebody since and are left as they are",
                number(report.changed)
            );
        }
        if report.left > 0 {
            text += &format!(
                "\n{} stay parked ({} have to be named)",
                number(report.left),
                MUST_BE_NAMED.join(", ")
            );
        }
        text + "\n" + &guarded(&report.recoveries)
    });
    Ok(Exit::Done)
}

/// Tells the scheduler to look at its queue; one that does not run looks when it starts.
fn tell(instance: &Instance, changed: bool) {
    if changed && let Err(error) = scheduler::tell(&instance.config, Message::Queue) {
        log::info!("the scheduler was not told to look at its queue: {error}");
    }
}

/// Which recoveries go before which jobs.
pub(super) fn guarded(recoveries: &[Before]) -> String {
    let mut text = String::new();
    for before in recoveries {
        text += &format!(
            "upload {} lacks files: {} of its jobs wait for its recovery (entry {})\n",
            before.upload,
            number(before.waiting),
            before.entry
        );
    }
    text
}

fn parked(parking: &Parking) -> String {
    let all = parking.parked.queued + parking.parked.running;
    let agents: Vec<String> = parking
        .parked
        .by_agent
        .iter()
        .map(|(agent, jobs)| format!("{agent} {}", number(*jobs)))
        .collect();
    let uploads: Vec<String> = parking.uploads.iter().map(i32::to_string).collect();
    let of = match uploads.as_slice() {
        [] => "no upload that has jobs lacks files; ".to_owned(),
        _ => String::new(),
    };
    if all == 0 {
        return of + "nothing had to be parked\n";
    }
    let which = match uploads.as_slice() {
        [] => "that delete or tidy up".to_owned(),
        uploads => format!(
            "of uploads {} and what deletes or tidies up",
            uploads.join(", ")
        ),
    };
    format!(
        "{of}{} jobs are parked, {which} ({}); {} of them had been started; 'fo_backup jobs resume' lets them go on\n",
        number(all),
        agents.join(", "),
        number(parking.parked.running)
    )
}

fn list(parked: &[ParkedJob]) -> String {
    if parked.is_empty() {
        return "no jobs are parked\n".into();
    }
    let head = ["entry", "job", "agent", "upload", "was", "name"].map(str::to_owned);
    let rows = parked.iter().map(|job| {
        vec![
            job.jq_pk.to_string(),
            job.job_pk.to_string(),
            job.agent.clone(),
            job.upload
                .map_or(String::new(), |upload| upload.to_string()),
            if job.was_running {
                "running"
            } else {
                "waiting"
            }
            .to_owned(),
            job.name.clone(),
        ]
    });
    table(
        &std::iter::once(head.to_vec())
            .chain(rows)
            .collect::<Vec<_>>(),
        &[0, 1, 3],
    )
}
