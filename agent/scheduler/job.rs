// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One job: its request is taken, done, and its row told how it went. Killed at any instant, the
//! row says `running` while nobody holds its lock; the same job, started anew, takes it up again
//! and goes on from what the operation has kept. How it gives way is told in [`super::turn`].

use super::arguments::Arguments;
use super::heart::Pulse;
use super::part;
use super::turn::Turn;
use super::work::{self, Done};
use crate::exit::Exit;
use crate::fossology::config::Config;
use crate::fossology::module::{self, Version};
use crate::fossology::own::parts;
use crate::fossology::own::requests::{self, Request};
use crate::fossology::own::{self, Asked, Outcome};
use crate::fossology::queue;
use crate::operations::request::{Recover, Work};
use crate::operations::settings::Settings;
use crate::operations::{Context, Error, Instance, Result, Stop};
use crate::process::host_name;
use postgres::{Client, Transaction};
use serde_json::json;

/// How a job ended.
pub struct Ended {
    /// What the scheduler is told.
    pub exit: Exit,
    /// What the mail says; none when the end is still to come.
    pub mail: Option<String>,
}

/// Does the job that the scheduler's words and its line of data name.
pub fn carry_out(arguments: &Arguments, data: &str, pulse: &Pulse, stop: &Stop) -> Ended {
    let (verb, result) = attempt(
        arguments,
        data,
        Context {
            progress: pulse,
            stop,
        },
    );
    let (exit, first) = match result {
        Ok(done) => {
            log::info!("{}", done.summary);
            let exit = match done.outcome {
                Outcome::Done => Exit::Done,
                Outcome::Incomplete => Exit::Incomplete,
                Outcome::Failed => Exit::Failed,
            };
            let first = done.summary.lines().next().unwrap_or_default().to_owned();
            (exit, first)
        }
        Err(error @ Error::GaveWay { .. }) => {
            log::info!("{error}");
            return Ended {
                exit: Exit::Done,
                mail: None,
            };
        }
        Err(error) => {
            log::error!("{error}");
            (Exit::of(&error), format!("failed: {error}"))
        }
    };
    Ended {
        exit,
        mail: Some(format!("{verb}: {first}")),
    }
}

/// Gives the verb, as far as it is known, and what came of it.
fn attempt(arguments: &Arguments, data: &str, context: Context<'_>) -> (String, Result<Done>) {
    let mut verb = module::AGENT.to_owned();
    let mut whole = || {
        let asked = Named::read(arguments, data)?;
        context.stop.check()?;
        let sysconfdir =
            Config::find_sysconfdir(arguments.sysconfdir.as_deref(), Some(&arguments.program))?;
        let mut instance = Instance::load(&sysconfdir)?;
        let mut client = instance.connect(module::AGENT)?;
        own::ensure_schema(&mut client)?;
        module::register(&mut client, &version(arguments))?;
        own::settle(&mut client)?;
        let data = data.trim();
        let turn = Turn::find(&mut client, arguments.job, &asked.argument(), data)?;
        let id = match asked {
            Named::Request(id) => id,
            Named::Part(id) => {
                let part = match taken(&mut client, arguments.job, context, |client| {
                    Ok(parts::take(client, id, arguments.job, &host_name())?)
                }) {
                    // The rows of parts go with the end of the whole.
                    Err(error @ Error::Part(parts::Error::Unknown(_))) => {
                        let ended = requests::ended(&mut client, arguments.job)?;
                        let ended = ended.ok_or(error)?;
                        return Ok(as_it_ended(&ended.state, ended.message));
                    }
                    part => part?,
                };
                verb = format!("{}, {}", part.verb, part.name());
                return part::carry_out(&part, arguments.job, instance, client, &turn, context);
            }
            Named::Upload(upload) => enter(&mut client, arguments, upload)?,
        };
        let request = match taken(&mut client, arguments.job, context, |client| {
            Ok(requests::take(client, id, arguments.job, &host_name())?)
        }) {
            // A scheduler that died in the meantime starts its job anew: it ends as it did.
            Err(Error::Request(requests::Error::Done {
                state,
                job: Some(job),
                message,
                ..
            })) if job == arguments.job => return Ok(as_it_ended(&state, message)),
            request => request?,
        };
        verb.clone_from(&request.verb);
        log::info!("request {id}: {} {}", request.verb, request.parameters);
        context.progress.carries_out(&instance.database, id);
        instance.asked = Asked {
            who: request.who.clone(),
            request: Some(id),
            job: Some(arguments.job),
            carried: request.carried.clone(),
        };
        let mut result = Work::read(&request.verb, &request.parameters).and_then(|work| {
            let settings = Settings::load(Some(&sysconfdir))?;
            turn.work(&instance, &settings.give_way, context.stop, || {
                work::run(&work, &instance, &settings, context)
            })
        });
        if let Err(Error::GaveWay { carried }) = &result {
            let argument = Named::Request(id).argument();
            let tell =
                |step: &mut Transaction<'_>, next| Ok(request.give_way(step, next, carried)?);
            match turn.give_away(&instance.config, &mut client, &argument, tell) {
                Ok(()) => {
                    request.leave(&mut client)?;
                    return result;
                }
                Err(error) => result = Err(error),
            }
        }
        finish(&request, &instance, client, &result);
        result
    };
    let result = whole();
    (verb, result)
}

/// Takes a request or a part. When the scheduler died and was started anew, the agent that it started
/// before for the same job may still be at it: that one ends when its heart finds nobody who listens,
/// or when it is done, and is waited for.
fn taken<T>(
    client: &mut Client,
    job: i32,
    context: Context<'_>,
    mut take: impl FnMut(&mut Client) -> Result<T>,
) -> Result<T> {
    let mut told = false;
    loop {
        match take(client) {
            Err(
                ref error @ (Error::Request(requests::Error::Running {
                    job: Some(other), ..
                })
                | Error::Part(parts::Error::Running {
                    job: Some(other), ..
                })),
            ) if other == job => {
                if !told {
                    log::info!("{error}: by an agent of this same job, whose end is waited for");
                }
                told = true;
                context.stop.check()?;
            }
            taken => return taken,
        }
    }
}

fn as_it_ended(state: &str, message: Option<String>) -> Done {
    let summary = format!("done before ({state}): {}", message.unwrap_or_default());
    Done {
        outcome: if state == "done" {
            Outcome::Done
        } else {
            Outcome::Incomplete
        },
        counts: json!({}),
        summary,
    }
}

/// By what the job says what is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Request(i32),
    Part(i32),
    Upload(i32),
}

impl Named {
    /// The argument that says so.
    fn argument(&self) -> String {
        match self {
            Self::Request(id) => format!("--request={id}"),
            Self::Part(id) => format!("--part={id}"),
            Self::Upload(_) => String::new(),
        }
    }

    fn read(arguments: &Arguments, data: &str) -> Result<Self> {
        if !arguments.unknown.is_empty() {
            return Err(Error::Usage(format!(
                "the job's arguments (jq_cmd_args) are not understood: {}; expected --request=N",
                arguments.unknown.join(" ")
            )));
        }
        let data = data.trim();
        match (arguments.request, arguments.part, data.is_empty()) {
            (Some(request), None, true) => Ok(Self::Request(request)),
            (None, Some(part), true) => Ok(Self::Part(part)),
            (None, None, false) => match data.parse() {
                Ok(upload) if upload > 0 => Ok(Self::Upload(upload)),
                _ => Err(Error::Usage(
                    "the job's data (jq_args) are no upload's number".into(),
                )),
            },
            (None, None, true) => Err(Error::Usage(
                "the job does not say what is to be done; expected --request=N or --part=N in jq_cmd_args, as 'fo_backup queue' makes it, or an upload's number in jq_args".into(),
            )),
            _ => Err(Error::Usage(
                "the job names a request, a part, or data (jq_args) at once; expected one of them".into(),
            )),
        }
    }
}

/// An upload's recovery that was queued without a request gets one.
fn enter(client: &mut Client, arguments: &Arguments, upload: i32) -> Result<i32> {
    let who = queue::user_name(client, arguments.user)?;
    let work = Work::Recover(Recover::of_upload(upload));
    Ok(requests::ask(
        client,
        work.verb(),
        &work.parameters(),
        &who,
    )?)
}

fn finish(request: &Request, instance: &Instance, mut client: Client, result: &Result<Done>) {
    let nothing = json!({});
    let error;
    let (outcome, counts, message) = match result {
        Ok(done) => (done.outcome, &done.counts, done.summary.trim_end()),
        Err(failed) => {
            error = failed.to_string();
            (Outcome::Failed, &nothing, error.as_str())
        }
    };
    let noted = request
        .finish(&mut client, outcome, counts, message)
        .or_else(|_| {
            // The server may have been restarted meanwhile, which ended our session.
            let mut client = instance.database.connect("fo_backup backup")?;
            request.finish(&mut client, outcome, counts, message)
        });
    if let Err(error) = noted {
        log::warn!(
            "request {} could not be told how it went, and seems to run until the next job: {error}",
            request.id
        );
    }
}

/// The module's version, from the file beside it.
fn version(arguments: &Arguments) -> Version {
    let module = arguments.program.ancestors().nth(2);
    module
        .and_then(|module| Version::load(&module.join("VERSION")))
        .unwrap_or_else(Version::own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_names_either_a_request_or_an_upload() {
        let read = |request, data: &str| {
            let arguments = Arguments {
                request,
                ..Arguments::default()
            };
            Named::read(&arguments, data)
        };
        assert_eq!(read(Some(7), "").unwrap(), Named::Request(7));
        assert_eq!(read(None, "12\n").unwrap(), Named::Upload(12));
        let part = |request, data: &str| {
            let part = Some(3);
            let arguments = Arguments {
                request,
                part,
                ..Arguments::default()
            };
            Named::read(&arguments, data)
        };
        assert_eq!(part(None, "").unwrap(), Named::Part(3));
        part(Some(7), "").unwrap_err();
        part(None, "12").unwrap_err();
        for (request, data) in [(None, ""), (Some(7), "12"), (None, "12 - x"), (None, "-1")] {
            let error = read(request, data).unwrap_err();
            assert!(
                matches!(error, Error::Usage(_)),
                "{request:?} {data}: {error}"
            );
        }
    }
}
