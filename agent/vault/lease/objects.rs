// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The objects of leases: what they say, which of them count, and which have ended. Looking at them
//! also removes those that have; killed in the middle, the next one who looks goes on.

use super::{HOLDS, LeaseKind};
use crate::process::Process;
use crate::vault::{Error, Key, Result, Storage};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// More bytes than any lease has.
const BODY_MOST: u64 = 64 << 10;

/// How far two clocks may be apart that count as right.
const APART: SignedDuration = SignedDuration::from_mins(2);

/// The contents of a lease's object.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Body {
    pub lease: Uuid,
    pub kind: LeaseKind,
    pub verb: String,
    /// Which run it belongs to, when that has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    pub host: String,
    pub owner: Process,
    pub since: Timestamp,
    pub until: Timestamp,
    /// How long it holds from a renewal on, in seconds.
    #[serde(default = "usual_seconds")]
    pub holds: i64,
    #[serde(default)]
    pub released: bool,
}

fn usual_seconds() -> i64 {
    HOLDS.as_secs()
}

impl Body {
    pub fn holds(&self) -> SignedDuration {
        SignedDuration::from_secs(self.holds.clamp(0, 24 * 60 * 60))
    }

    /// Whether its time tells that it holds. One that is further away than any renewal sets it is by
    /// a clock that was wrong, and tells nothing.
    pub fn holds_by_its_time(&self) -> bool {
        let now = Timestamp::now();
        self.until >= now && self.until.duration_since(now) <= self.holds() + APART
    }
}

/// Says of a lease that it has ended, where its objects cannot be removed: then nobody has to read
/// them again.
pub(super) fn mark_ended(storage: &dyn Storage, body: &Body) -> Result<()> {
    let key = end_of(body.lease);
    storage.put(&key, &crate::vault::to_json(body)).map(drop)
}

pub(super) fn end_of(lease: Uuid) -> Key {
    Key::from_text(format!("locks/{}-ended.json", lease.simple()))
}

/// The objects of a lease.
#[derive(Default)]
struct Objects {
    /// Its renewals by their numbers.
    renewals: BTreeMap<u64, Key>,
    /// The object that says that it has ended.
    end: Option<Key>,
}

/// A live lease that conflicts with one of this kind, and of this run.
pub(super) fn conflict(
    storage: &dyn Storage,
    kind: LeaseKind,
    run: Option<&str>,
    own: Option<(Uuid, &Key)>,
) -> Result<Option<Body>> {
    let mut leases: HashMap<Uuid, Objects> = HashMap::new();
    for object in storage.list("locks/")? {
        match parse(&object.key) {
            Some((lease, Part::Renewal(number))) => {
                let objects = leases.entry(lease).or_default();
                objects.renewals.insert(number, object.key);
            }
            Some((lease, Part::End)) => leases.entry(lease).or_default().end = Some(object.key),
            None => {}
        }
    }
    for (lease, objects) in leases {
        if own.is_some_and(|(own, _)| own == lease) {
            continue;
        }
        if objects.end.is_some() {
            // Its owner knows. Who may remove it does: the next one has less to list.
            if kind == LeaseKind::Exclusive {
                objects.remove(storage)?;
            }
            continue;
        }
        let Some((_, key)) = objects.renewals.last_key_value() else {
            continue;
        };
        let body: Body = match storage.whole(key, BODY_MOST) {
            Err(Error::Missing { .. }) => continue, // released meanwhile
            Err(error) => return Err(error),
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(body) => body,
                // Leases are put whole, so this is none of ours.
                Err(error) => {
                    return Err(Error::damaged(
                        key,
                        format!("no valid lease ({error}); remove it"),
                    ));
                }
            },
        };
        let together = run.is_some()
            && run == body.run.as_deref()
            && (kind, body.kind) == (LeaseKind::Append, LeaseKind::Append);
        let ended = match body.released || body.owner.is_dead() {
            true => Ended::Yes,
            false => ran_out(storage, &body, key, own.map(|(_, key)| key))?,
        };
        match ended {
            Ended::Yes => match objects.remove(storage) {
                // Its owner may only sleep, and learns from this that objects may be gone: who
                // will remove some has to tell.
                Err(error) if kind == LeaseKind::Exclusive => return Err(error),
                Err(Error::NoRemoval { .. }) => mark_ended(storage, &body)?,
                _ => {}
            },
            Ended::No if kind.conflicts(body.kind) && !together => return Ok(Some(body)),
            Ended::No | Ended::PerhapsSo => {}
        }
    }
    Ok(None)
}

impl Objects {
    fn remove(&self, storage: &dyn Storage) -> Result<()> {
        self.renewals
            .values()
            .chain(&self.end)
            .try_for_each(|key| storage.delete(key))
    }
}

/// Whether a lease has ended.
enum Ended {
    Yes,
    No,
    /// Only the storage's clock can tell, and there is nothing of this run yet to compare with.
    PerhapsSo,
}

/// Whether a lease ran out. Its time is by its owner's clock, which may differ from this host's; how long
/// ago it was renewed tells the storage's clock, of which there is one.
fn ran_out(storage: &dyn Storage, body: &Body, key: &Key, own: Option<&Key>) -> Result<Ended> {
    if body.holds_by_its_time() {
        return Ok(Ended::No);
    }
    let Some(own) = own else {
        return Ok(Ended::PerhapsSo);
    };
    Ok(match (storage.put_at(key)?, storage.put_at(own)?) {
        (Some(renewed), Some(now)) if now.duration_since(renewed) <= body.holds() => Ended::No,
        _ => Ended::Yes,
    })
}

/// What an object of a lease is.
enum Part {
    Renewal(u64),
    End,
}

fn parse(key: &Key) -> Option<(Uuid, Part)> {
    let (lease, part) = key.file_name().strip_suffix(".json")?.split_once('-')?;
    let part = match part {
        "ended" => Part::End,
        number => Part::Renewal(number.parse().ok()?),
    };
    Some((lease.parse().ok()?, part))
}

pub(super) fn locked(other: &Body) -> Error {
    Error::Locked {
        verb: other.verb.clone(),
        owner: format!("process {} on {}", other.owner.pid(), other.host),
        since: other.since,
        until: other.until,
    }
}
