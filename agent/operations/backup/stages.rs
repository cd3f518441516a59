// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup by several processes, on several hosts: one lists, several pack side by side, one
//! commits. The plan and what each part did lie in our table between them.
//!
//! The operation's lock keeps everybody else out of listing and committing; parts share it among
//! themselves. Between two stages nobody holds anything: who gets the lock then takes over, and
//! the stages that come later find no plan and end. Each stage can die and be done again; those that
//! pack may give way, and are queued again with what they have packed.

use super::listing::Listing;
use super::part::{Assignment, Earlier};
use super::{Ending, Options, Part, Plan, begin, commit, ending, part, plan, recorded, take_over};
use crate::blob::HostName;
use crate::fossology::catalogue::{Moment, blobs, still_needed};
use crate::fossology::own::{self, Outcome};
use crate::fossology::repository::Reader;
use crate::operations::{Context, Error, Instance, Result};
use crate::vault::{LeaseKind, Snapshot, Vault};
use roaring::RoaringBitmap;
use serde_json::json;

/// The run of leases of those who pack by hand.
const BY_HAND: &str = "by hand";

/// The first stage: sees the moment.
///
/// # Errors
/// When there can be no snapshot of it.
pub fn list(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    context: Context<'_>,
) -> Result<Plan> {
    let mut client = begin(instance, vault)?;
    own::try_lock(&mut client)?;
    let _lease = vault.lease(LeaseKind::Append, "backup")?;
    take_over(instance, &mut client)?;
    let work = |_: &mut _| {
        let (plan, ()) = plan::plan(instance, vault, options, context, |_, _, _| Ok(()))?;
        Ok(plan)
    };
    recorded(
        instance,
        &mut client,
        "backup list",
        options.mode,
        work,
        |plan| Ending {
            outcome: Outcome::Done,
            snapshot: None,
            counts: json!({"candidates": plan.candidates(), "dump_bytes": plan.dump_bytes}),
        },
    )
}

/// A stage in the middle: packs what is new on some repository hosts. Several may do so at once.
///
/// # Errors
/// When not everything could be looked at. That something is missing or rotten is none.
pub fn pack(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    plan: &Plan,
    hosts: &[Option<HostName>],
    context: Context<'_>,
) -> Result<Part> {
    let mut client = begin(instance, vault)?;
    own::try_lock_shared(&mut client)?;
    plan.expect_same(instance, vault)?;
    let lease = vault.shared_lease("backup", plan.id.as_str())?;
    let work = |_: &mut _| {
        let part = pack_hosts(instance, vault, options, &plan.listing, hosts, context)?;
        lease.check()?;
        Ok(part)
    };
    recorded(
        instance,
        &mut client,
        "backup part",
        options.mode,
        work,
        part_ending,
    )
}

/// The last stage: makes sure that everybody has done their part, and puts the snapshot. What the
/// parts could not take is tried once more with all that can be seen from here.
///
/// # Errors
/// When no snapshot could be made.
pub fn commit(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    plan: Plan,
    mut parts: Vec<Part>,
    context: Context<'_>,
) -> Result<Snapshot> {
    let mut client = begin(instance, vault)?;
    own::try_lock(&mut client)?;
    plan.expect_same(instance, vault)?;
    let lease = vault.lease(LeaseKind::Append, "backup")?;
    let work = |client: &mut _| {
        let looked_at: Vec<_> = parts
            .iter()
            .filter_map(|part| part.hosts.as_ref())
            .flatten()
            .collect();
        if let Some(host) = plan.hosts.iter().find(|host| !looked_at.contains(host)) {
            let host = host.as_ref().map_or("(none)", HostName::as_str);
            return Err(Error::HostNotPacked {
                host: host.to_owned(),
            });
        }
        let left_over: Vec<u32> = commit::left_over(&plan.listing, &parts).iter().collect();
        let left_over: RoaringBitmap = still_needed(client, &left_over)?.into_iter().collect();
        if !left_over.is_empty() {
            let assignment = Assignment {
                listing: &plan.listing,
                candidates: &left_over,
                hosts: None,
                earlier: Earlier::of(&instance.asked),
            };
            parts.push(pack_now(instance, vault, options, &assignment, context)?);
        }
        commit::expect_streams(vault, &plan)?;
        let snapshot = commit::commit(vault, plan, &parts, client)?;
        lease.check()?;
        vault.put_snapshot(&snapshot)?;
        lease.confirm(&snapshot.id)?;
        Ok(snapshot)
    };
    recorded(instance, &mut client, "backup", options.mode, work, ending)
}

/// Packs what lies on some repository hosts and the vault lacks, for the next backup to find. No
/// snapshot is made.
///
/// # Errors
/// When a host is not known, or not everything could be looked at.
pub fn pack_ahead(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    hosts: &[HostName],
    context: Context<'_>,
) -> Result<Part> {
    let hosts = instance.repository_hosts(hosts)?;
    let mut client = begin(instance, vault)?;
    own::try_lock_shared(&mut client)?;
    let lease = vault.shared_lease("backup", BY_HAND)?;
    let work = |_: &mut _| {
        let mut catalogue = instance.connect("backup catalogue")?;
        let mut moment = Moment::begin(&mut catalogue)?;
        let listing = Listing::new(vault, &mut moment, options.mode)?;
        moment.end()?;
        let part = pack_hosts(instance, vault, options, &listing, &hosts, context)?;
        lease.check()?;
        Ok(part)
    };
    recorded(
        instance,
        &mut client,
        "backup part",
        options.mode,
        work,
        part_ending,
    )
}

/// Packs what may be new on some repository hosts.
fn pack_hosts(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    listing: &Listing,
    hosts: &[Option<HostName>],
    context: Context<'_>,
) -> Result<Part> {
    let assignment = Assignment {
        listing,
        candidates: &listing.candidates,
        hosts: Some(hosts),
        earlier: Earlier::of(&instance.asked),
    };
    pack_now(instance, vault, options, &assignment, context)
}

/// Packs by the names that the database has now: what is not there any more was deleted.
fn pack_now(
    instance: &Instance,
    vault: &Vault,
    options: &Options,
    assignment: &Assignment<'_>,
    context: Context<'_>,
) -> Result<Part> {
    let reader = Reader::new(instance.config.layout.clone())?;
    let mut catalogue = instance.connect("backup names")?;
    let mut names = |keys: &[u32]| Ok(blobs(&mut catalogue, keys)?);
    let stop = || context.stop.requested();
    part::pack(
        vault, &reader, assignment, &mut names, options, context, &stop,
    )
}

fn part_ending(part: &Part) -> Ending {
    Ending {
        outcome: Outcome::Done,
        snapshot: None,
        counts: json!({
            "hosts": part.hosts, "new": part.blobs, "new_bytes": part.bytes,
            "stored_bytes": part.stored(), "lacking": part.lacking(),
        }),
    }
}
