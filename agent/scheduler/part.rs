// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One part of what several hosts do together, a backup, a check, a recovery, a verification or a pruning: it gets what it needs from our table and
//! leaves there what it did. Only the last one tells the request how it went; one that fails tells it too, and
//! the scheduler fails what waits for it. Killed, it says `running` and is done again by its job; one
//! that gives way is queued again.

use super::turn::Turn;
use super::work::{
    Done, backup_options, check_options, checked, location, pruned, recovered, taken,
    vault_of_check, verified,
};
use crate::blob::HostName;
use crate::fossology::own::parts::{self, Handed, Part, Role};
use crate::fossology::own::{Asked, Outcome};
use crate::operations::backup::stages;
use crate::operations::check::parts as parts_of_check;
use crate::operations::prune::{self, parts as proving};
use crate::operations::recover::{self, parts as parts_of_recovery};
use crate::operations::request::{self, Work};
use crate::operations::settings::Settings;
use crate::operations::spread::Rules;
use crate::operations::verify::parts as parts_of_verification;
use crate::operations::{Context, Error, Instance, Result, keys};
use indicatif::{DecimalBytes, HumanCount};
use postgres::{Client, Transaction};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a part leaves.
enum Left {
    /// For the parts after it, with what people are told.
    Data(Vec<u8>, String),
    /// The end of the whole.
    All(Done),
}

/// Does a part that this session has taken.
///
/// # Errors
/// When it was not done.
pub fn carry_out(
    part: &Part,
    job: i32,
    mut instance: Instance,
    mut client: Client,
    turn: &Turn,
    context: Context<'_>,
) -> Result<Done> {
    log::info!(
        "request {}: {} {}, {} {}",
        part.request,
        part.verb,
        part.parameters,
        part.name(),
        part.repository_hosts
    );
    context
        .progress
        .carries_out(&instance.database, part.request);
    instance.asked = Asked {
        who: part.who.clone(),
        request: Some(part.request),
        job: Some(job),
        carried: part.carried.clone(),
    };
    let settings = Settings::load(Some(&instance.config.sysconfdir));
    let mut result = settings.and_then(|settings| {
        turn.work(&instance, &settings.give_way, context.stop, || {
            work(part, &instance, &settings, &mut client, context)
        })
    });
    if let Err(Error::GaveWay { carried }) = &result {
        let argument = format!("--part={}", part.id);
        let tell = |step: &mut Transaction<'_>, next| Ok(part.give_way(step, next, carried)?);
        match turn.give_away(&instance.config, &mut client, &argument, tell) {
            Ok(()) => {
                part.leave(&mut client)?;
                return Err(Error::GaveWay {
                    carried: carried.clone(),
                });
            }
            Err(error) => result = Err(error),
        }
    }
    // The server may have been restarted meanwhile, which ended our session.
    if client.is_valid(std::time::Duration::from_secs(5)).is_err() {
        client = instance.connect("backup")?;
    }
    match result {
        Ok(Left::Data(data, summary)) => {
            part.finish(&mut client, &data, &summary)?;
            Ok(Done {
                outcome: Outcome::Done,
                counts: json!({}),
                summary,
            })
        }
        Ok(Left::All(done)) => {
            let message = done.summary.trim_end();
            parts::complete(
                &mut client,
                part.request,
                done.outcome,
                &done.counts,
                message,
            )?;
            Ok(done)
        }
        Err(error) => {
            if let Err(unnoted) = part.fail(&mut client, &error.to_string()) {
                log::warn!(
                    "request {} could not be told that a part of it failed: {unnoted}",
                    part.request
                );
            }
            Err(error)
        }
    }
}

fn work(
    part: &Part,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    match Work::read(&part.verb, &part.parameters)? {
        Work::Backup(parameters) => back_up(part, &parameters, instance, settings, client, context),
        Work::Check(parameters) => check(part, &parameters, instance, settings, client, context),
        Work::Recover(parameters) => {
            recover(part, &parameters, instance, settings, client, context)
        }
        Work::Prune(parameters) if !parameters.undo.is_empty() => recover(
            part,
            &parameters.undoing(),
            instance,
            settings,
            client,
            context,
        ),
        Work::Prune(parameters) => prune(part, &parameters, instance, settings, client, context),
        Work::Verify(parameters) => verify(part, &parameters, instance, settings, client, context),
        _ => Err(not_in_parts(part)),
    }
}

fn not_in_parts(part: &Part) -> Error {
    let (verb, role) = (&part.verb, part.role);
    Error::Usage(format!("'{verb}' has no part '{role}'"))
}

/// What the part is for: repository hosts, or a share of the vault.
fn is_for<T: DeserializeOwned>(of: &Value) -> Result<T> {
    T::deserialize(of)
        .map_err(|error| Error::Usage(format!("repository_hosts of the part: {error}")))
}

fn hosts(part: &Part) -> Result<Vec<Option<HostName>>> {
    is_for(&part.repository_hosts)
}

fn check(
    part: &Part,
    parameters: &request::Check,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    let vault = vault_of_check(instance, settings);
    let options = check_options(parameters, settings);
    // Whether a host sees the vault only changes what it says of losses.
    let rules = Rules::here(&instance.config.layout, None, part.request);
    match part.role {
        Role::Share => {
            let hosts = hosts(part)?;
            let looked = parts_of_check::look(instance, vault.as_ref(), &options, &hosts, context)?;
            let summary = format!(
                "looked at: {} files; {} blobs may lie on other hosts",
                HumanCount(looked.report.files.count),
                HumanCount(looked.elsewhere())
            );
            Ok(Left::Data(rules.write(&looked), summary))
        }
        Role::Merge => {
            let looked = shares(part, client, &rules)?;
            let looked = looked.into_iter().map(|(_, looked)| looked).collect();
            let report =
                parts_of_check::merge(instance, vault.as_ref(), &options, looked, context)?;
            Ok(Left::All(checked(parameters, &report)))
        }
        Role::List | Role::Pack | Role::Commit => Err(not_in_parts(part)),
    }
}

fn recover(
    part: &Part,
    parameters: &request::Recover,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    let vault = recover::open_vault(instance, location(settings), parameters.from, settings)?;
    let options = parameters.options(instance, settings)?;
    let rules = Rules::here(&instance.config.layout, vault.as_ref(), part.request);
    match part.role {
        Role::Share => {
            let hosts = hosts(part)?;
            let done =
                parts_of_recovery::share(instance, vault.as_ref(), &options, &hosts, context)?;
            let [looked, missing, came] = done.numbers();
            let summary = format!(
                "{} blobs looked for, {} missing, {} of them brought back; the last part tells the rest",
                HumanCount(looked),
                HumanCount(missing),
                HumanCount(came)
            );
            Ok(Left::Data(rules.write(&done), summary))
        }
        Role::Merge => {
            let done = shares(part, client, &rules)?;
            let done = done.into_iter().map(|(_, done)| done).collect();
            let report =
                parts_of_recovery::merge(instance, vault.as_ref(), &options, done, context)?;
            Ok(Left::All(recovered(&report)))
        }
        Role::List | Role::Pack | Role::Commit => Err(not_in_parts(part)),
    }
}

fn verify(
    part: &Part,
    parameters: &request::Verify,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = parameters.options(settings);
    let rules = Rules::here(&instance.config.layout, Some(&vault), part.request);
    match part.role {
        Role::Share => {
            let of = is_for(&part.repository_hosts)?;
            let seen = parts_of_verification::share(instance, &vault, &options, of, context)?;
            let (packs, bytes) = seen.read();
            let summary = format!(
                "{} packs read, {} with chunks; the last part tells what is damaged",
                HumanCount(packs),
                DecimalBytes(bytes)
            );
            Ok(Left::Data(rules.write(&seen), summary))
        }
        Role::Merge => {
            let seen = shares(part, client, &rules)?.into_iter();
            let seen: Result<Vec<_>> = seen
                .map(|(handed, seen)| Ok((handed.name, is_for(&handed.of)?, seen)))
                .collect();
            let report = parts_of_verification::merge(instance, &vault, &options, seen?, context)?;
            Ok(Left::All(verified(&report)))
        }
        Role::List | Role::Pack | Role::Commit => Err(not_in_parts(part)),
    }
}

fn prune(
    part: &Part,
    parameters: &request::Prune,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    let options = parameters.options(instance, settings)?;
    let vault = parameters.vault(instance, location(settings), settings, &options)?;
    let rules = Rules::here(&instance.config.layout, vault.as_ref(), part.request);
    match part.role {
        Role::Share => {
            let hosts = hosts(part)?;
            let done = proving::share(instance, vault.as_ref(), &options, &hosts, context)?;
            let summary = format!(
                "{} of {} uploads unpacked to prove what goes; the last part removes",
                HumanCount(done.rehearsed),
                HumanCount(done.uploads)
            );
            Ok(Left::Data(rules.write(&done), summary))
        }
        Role::Merge => {
            // What they have proven is in our tables; here they only have to agree.
            let _: Vec<(Handed, proving::Part)> = shares(part, client, &rules)?;
            let report = prune::run(instance, vault.as_ref(), &options, context)?;
            Ok(Left::All(pruned(&report)))
        }
        Role::List | Role::Pack | Role::Commit => Err(not_in_parts(part)),
    }
}

/// What all hosts have left that did a share of it.
fn shares<T: DeserializeOwned>(
    part: &Part,
    client: &mut Client,
    rules: &Rules,
) -> Result<Vec<(Handed, T)>> {
    let shares = part.shares(client)?.into_iter();
    shares
        .map(|handed| {
            let share = rules.read(&handed.name, &handed.data)?;
            Ok((handed, share))
        })
        .collect()
}

fn back_up(
    part: &Part,
    parameters: &request::Backup,
    instance: &Instance,
    settings: &Settings,
    client: &mut Client,
    context: Context<'_>,
) -> Result<Left> {
    let vault = keys::open(&location(settings)?, settings, Some(instance))?;
    let options = backup_options(parameters, settings);
    match part.role {
        Role::List => {
            let plan = stages::list(instance, &vault, &options, context)?;
            let summary = format!(
                "listed: {} blobs may be new; all but blobs is in the vault",
                HumanCount(plan.candidates())
            );
            Ok(Left::Data(written(&plan), summary))
        }
        Role::Pack => {
            let plan = read(&part.plan(client)?)?;
            let hosts = hosts(part)?;
            let packed = stages::pack(instance, &vault, &options, &plan, &hosts, context)?;
            let mut summary = format!(
                "packed: {} blobs, {}; added to the vault: {}",
                HumanCount(packed.blobs),
                DecimalBytes(packed.bytes),
                DecimalBytes(packed.stored())
            );
            if packed.lacking() > 0 {
                summary += &format!(
                    "; {} are missing or unreadable here, which the last part tells by name",
                    HumanCount(packed.lacking())
                );
            }
            Ok(Left::Data(written(&packed), summary))
        }
        Role::Commit => {
            let plan = read(&part.plan(client)?)?;
            let packed = part.packed(client)?;
            let packed: Result<Vec<_>> = packed.iter().map(|packed| read(&packed.data)).collect();
            let snapshot = stages::commit(instance, &vault, &options, plan, packed?, context)?;
            Ok(Left::All(taken(&snapshot)))
        }
        Role::Share | Role::Merge => Err(not_in_parts(part)),
    }
}

fn written(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain structs with text keys always serialize")
}

fn read<T: DeserializeOwned>(data: &[u8]) -> Result<T> {
    serde_json::from_slice(data).map_err(|error| Error::HostDiffers {
        what: format!(
            "what another host left cannot be read by fo_backup {} ({error})",
            env!("CARGO_PKG_VERSION")
        ),
    })
}
