// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packing: what is new on some repository hosts is read, compared with its name, and packed.
//! Several parts of one backup may do so at once, each with its own hosts, into one vault.
//!
//! Killed in the middle, complete packs stay in the vault, and whoever packs next finds their blobs
//! there. Asked to stop or to give way, or after a failure, the packs that were begun are completed
//! first.

use super::gate::Gate;
use super::listing::Listing;
use super::packer::{Done, Packer};
use super::select::{Found, Names, Selection, Share};
use super::{NAMED_ABSENT, Options};
use crate::blob::HostName;
use crate::fossology::own::Asked;
use crate::fossology::repository::Reader;
use crate::operations::{Context, Error, Result, workers};
use crate::threads;
use crate::vault::{Absent, Alias, ExtraPath, Members, PackRef, Vault, bitmap};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// How many workers may wait for the disk side by side: each may hold up to 25 MB.
const MOST_WORKERS: usize = 6;

/// What a part did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The repository hosts that it looked at; `null` stands for names that no host covers. All of
    /// them when there is no list.
    pub hosts: Option<Vec<Option<HostName>>>,
    /// How many blobs it read and packed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was added to the vault before it gave way, in bytes.
    #[serde(default)]
    stored_before: u64,
    /// The packs that it made.
    pub(super) packs: Vec<PackRef>,
    /// What lies in them.
    pub(super) packed: Members,
    /// What it found in the vault.
    pub(super) found: Members,
    /// The packs in which it found that.
    pub(super) found_in: Vec<PackRef>,
    pub(super) aliases: Vec<Alias>,
    pub(super) extra: Vec<ExtraPath>,
    /// What is nowhere.
    #[serde(with = "bitmap")]
    pub(super) missing: RoaringBitmap,
    /// What has another content, or cannot be read.
    #[serde(with = "bitmap")]
    pub(super) corrupt: RoaringBitmap,
    /// Some of both, with what was seen.
    pub(super) absent: Vec<Absent>,
}

impl Part {
    /// The bytes that its packs have added to the vault.
    pub fn stored(&self) -> u64 {
        self.stored_before + stored(&self.packs)
    }

    /// How many blobs it could not take.
    pub fn lacking(&self) -> u64 {
        (&self.missing | &self.corrupt).len()
    }
}

fn stored(packs: &[PackRef]) -> u64 {
    packs.iter().map(|pack| pack.size).sum()
}

/// What was packed before it gave way. Those blobs are found in the vault by whoever goes on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Earlier {
    blobs: u64,
    bytes: u64,
    stored: u64,
}

impl Earlier {
    /// What a run goes on from.
    pub fn of(asked: &Asked) -> Self {
        let carried = asked.carried.as_ref();
        // Numbers of another version are no reason not to go on.
        carried
            .and_then(|carried| Self::deserialize(carried).ok())
            .unwrap_or_default()
    }

    fn gave_way(self, done: &Done) -> Error {
        Error::GaveWay {
            carried: json!(Self {
                blobs: self.blobs + done.blobs,
                bytes: self.bytes + done.bytes,
                stored: self.stored + stored(&done.packs),
            }),
        }
    }
}

/// What one packs, and from where.
pub(super) struct Assignment<'a> {
    pub listing: &'a Listing,
    /// Of what may be new, what is looked for.
    pub candidates: &'a RoaringBitmap,
    /// On which repository hosts; on all of them without.
    pub hosts: Option<&'a [Option<HostName>]>,
    /// What was packed before.
    pub earlier: Earlier,
}

/// Packs what is new.
pub(super) fn pack(
    vault: &Vault,
    reader: &Reader,
    assignment: &Assignment<'_>,
    names: &mut Names<'_>,
    options: &Options,
    context: Context<'_>,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Part> {
    let layout = reader.layout();
    let candidates = assignment.candidates;
    let share = Share::new(layout, reader, assignment.hosts);
    let mut selection = Selection::new(vault, assignment.listing, candidates, share)?;
    // More may wait for a disk than may compute; each takes some megabytes.
    let gate = Gate::new(options.threads, (options.threads * 4).min(MOST_WORKERS));
    let packer = Packer::new(vault, layout, reader, options.level, &gate, context, stop);
    context.progress.begin("blobs", candidates.len(), 0);
    let worked = std::thread::scope(|scope| {
        let (send, receive) = crossbeam_channel::bounded(2 * gate.most());
        let workers = threads::several(scope, "packer", gate.most(), || {
            let (packer, jobs) = (&packer, receive.clone());
            move || packer.work(jobs)
        })?;
        drop(receive);
        let selected = selection.each_new(names, context.progress, |job| {
            if stop() {
                return Err(Error::Interrupted);
            }
            // Fails when every worker has ended, each with the error that is found below.
            send.send(job).map_err(|_| Error::Interrupted)
        });
        drop(send);
        workers::join(workers, selected)
    });
    // Also when something failed: what is packed by then need not be read again.
    let finished = packer.finish();
    if let Err(Error::GaveWay { .. }) = worked {
        return Err(assignment.earlier.gave_way(&finished?));
    }
    worked?;
    let done = finished?;
    let earlier = assignment.earlier;
    context.progress.end();

    let Found {
        members,
        packs,
        aliases,
        extra,
    } = selection.found();
    let mut absent = done.absent;
    absent.sort_by_key(|absent| absent.pfile);
    let keys = |missing: bool| {
        let kind = absent
            .iter()
            .filter(|absent| (absent.kind == "missing") == missing);
        kind.map(|absent| absent.pfile).collect()
    };
    let (missing, corrupt) = (keys(true), keys(false));
    absent.truncate(NAMED_ABSENT);
    Ok(Part {
        hosts: assignment.hosts.map(<[_]>::to_vec),
        blobs: earlier.blobs + done.blobs,
        bytes: earlier.bytes + done.bytes,
        stored_before: earlier.stored,
        packs: done.packs,
        packed: done.members,
        found: members,
        found_in: packs,
        aliases,
        extra,
        missing,
        corrupt,
        absent,
    })
}
