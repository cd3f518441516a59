// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an estimate rests on, as far as database, history and vault tell it. Only reads.

use super::Mode;
use super::reckon::{Facts, History, Packed, Past};
use super::speed::Sample;
use crate::blob::{PfileName, Tree};
use crate::fossology::catalogue::{self, Moment};
use crate::fossology::own;
use crate::fossology::own::history::{Finished, finished};
use crate::operations::recover::Amount;
use crate::operations::{Instance, Result};
use crate::vault::{Snapshot, Vault};
use roaring::RoaringBitmap;
use serde_json::Value;

/// How many blobs of each kind may be looked at.
const SAMPLE: u64 = 256;

const DAY: f64 = 24.0 * 3600.0;

/// What the history says, of all modes.
#[derive(Debug, Default)]
pub struct Runs {
    backups: Vec<Finished>,
    drills: Vec<Finished>,
    recoveries: Vec<Finished>,
}

impl Runs {
    /// What of it is about a mode.
    pub fn of(&self, mode: Mode) -> History {
        let name = mode.to_string();
        let of_mode = |run: &&Finished| run.mode.as_deref() == Some(&*name);
        let backups: Vec<&Finished> = self.backups.iter().filter(of_mode).collect();
        let new = |run: &Finished| Amount {
            blobs: number(&run.counts, "new"),
            bytes: number(&run.counts, "new_bytes"),
        };
        let (with_new, without): (Vec<&Finished>, Vec<&Finished>) =
            backups.iter().partition(|run| new(run).blobs > 0);
        // The newest comes first. What the oldest has stored is no growth.
        let growth = match (backups.first(), backups.split_last()) {
            (Some(newest), Some((oldest, later))) if !later.is_empty() => {
                let stored = later.iter().map(|run| number(&run.counts, "stored_bytes"));
                Some((stored.sum(), (newest.ended - oldest.ended) / DAY))
            }
            _ => None,
        };
        let drilled = self.drills.iter().find(of_mode);
        History {
            backups: with_new
                .into_iter()
                .map(|run| Past {
                    seconds: run.seconds,
                    amount: new(run),
                })
                .collect(),
            nothing_new: without.into_iter().map(|run| run.seconds).collect(),
            growth,
            restore: drilled.and_then(|run| run.counts["full"]["restore_seconds"].as_f64()),
        }
    }

    /// Seconds of backups with nothing new: hardly more than their dump.
    pub fn nothing_new(&self) -> Option<f64> {
        let runs = self.backups.iter();
        runs.filter(|run| number(&run.counts, "new") == 0)
            .map(|run| run.seconds)
            .min_by(f64::total_cmp)
    }

    /// Seconds that a drill took to load the database.
    pub fn loading(&self) -> Option<f64> {
        let mut drills = self.drills.iter();
        drills.find_map(|run| run.counts["seconds"]["database"].as_f64())
    }

    /// The recovery that unpacked most.
    pub fn unpacking(&self) -> Option<Past> {
        let runs = self.recoveries.iter().map(|run| Past {
            seconds: run.seconds,
            amount: Amount {
                blobs: number(&run.counts["unpacked"], "blobs"),
                bytes: number(&run.counts["unpacked"], "bytes"),
            },
        });
        runs.max_by_key(|past| past.amount.bytes)
            .filter(|past| past.amount.bytes > 0)
    }
}

fn number(counts: &Value, name: &str) -> u64 {
    counts[name].as_u64().unwrap_or(0)
}

/// Counts, looks into the history and the vault, and chooses what may be read for a measurement.
pub fn gather(instance: &Instance, vault: Option<&Vault>) -> Result<(Facts, Runs, Sample)> {
    let mut client = instance.connect("estimate")?;
    let sizes = catalogue::sizes(&mut client)?;
    let mut runs = Runs::default();
    if own::schema_version(&mut client)?.is_some() {
        runs.backups = finished(&mut client, "backup")?;
        runs.drills = finished(&mut client, "drill")?;
        runs.recoveries = finished(&mut client, "recover")?;
    }
    let mut moment = Moment::begin(&mut client)?;
    let (mut gold, mut in_gold) = (Amount::default(), RoaringBitmap::new());
    moment.keys(Tree::Gold, |pfile, size| {
        gold.add(size);
        in_gold.insert(pfile);
    })?;
    let (mut unpacked, mut in_files) = (Amount::default(), RoaringBitmap::new());
    moment.keys(Tree::Files, |pfile, size| {
        if !in_gold.contains(pfile) {
            unpacked.add(size);
            in_files.insert(pfile);
        }
    })?;
    let sample = Sample {
        gold: some(&mut moment, &in_gold)?,
        unpacked: some(&mut moment, &in_files)?,
    };
    moment.end()?;
    let dumped = runs
        .backups
        .iter()
        .map(|run| number(&run.counts, "dump_bytes"));
    let facts = Facts {
        uploads: sizes.uploads,
        gold,
        unpacked,
        database_bytes: sizes.database,
        dump_bytes: dumped.into_iter().find(|bytes| *bytes > 0),
        recent_gold: (sizes.uploads > 0).then_some((sizes.recent, sizes.days)),
        packed: vault.map_or_else(Packed::default, packed),
    };
    Ok((facts, runs, sample))
}

/// Blobs from all over the table.
fn some(moment: &mut Moment<'_>, keys: &RoaringBitmap) -> Result<Vec<PfileName>> {
    let step = (keys.len() / SAMPLE).max(1) as usize;
    let keys: Vec<u32> = keys.iter().step_by(step).take(SAMPLE as usize).collect();
    let blobs = moment.blobs(&keys)?.into_iter();
    Ok(blobs.filter_map(|blob| blob.name.ok()).collect())
}

/// How small the newest snapshots of a vault are. One that cannot be read tells nothing.
fn packed(vault: &Vault) -> Packed {
    let Ok(files) = vault.snapshot_keys() else {
        return Packed::default();
    };
    // One in memory at a time, and no more read than it takes.
    let (mut full, mut gold) = (None, None);
    for file in files.iter().rev() {
        match vault.read_snapshot(file) {
            Ok(snapshot) if snapshot.mode == Mode::Full => {
                full = Some(snapshot);
                break;
            }
            Ok(snapshot) => gold = gold.or(Some(snapshot)),
            Err(error) => log::debug!("{error}"),
        }
    }
    let class = |snapshot: &Snapshot, tree: Tree| -> u64 {
        let packs = snapshot.packs.iter().filter(|pack| pack.tree == tree);
        packs.map(|pack| pack.size).sum()
    };
    let share = |packed: u64, bytes: u64| (packed > 0 && bytes > 0).then_some((packed, bytes));
    let full = full.as_ref();
    let any = full.or(gold.as_ref());
    Packed {
        gold: any.and_then(|one| share(class(one, Tree::Gold), one.counts.gold_bytes)),
        unpacked: full.and_then(|one| {
            // Files that lie in gold too are in the packs of gold.
            let both = one
                .members
                .of(Tree::Gold)
                .intersection_len(one.members.of(Tree::Files));
            let bytes = match both {
                0 => one.counts.files_bytes,
                _ => one.counts.files_bytes.saturating_sub(one.counts.gold_bytes),
            };
            share(class(one, Tree::Files), bytes)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(mode: &str, seconds: f64, day: f64, counts: Value) -> Finished {
        Finished {
            mode: Some(mode.to_owned()),
            seconds,
            ended: day * DAY,
            counts,
        }
    }

    #[test]
    fn each_mode_has_its_own_history_and_the_first_backup_is_no_growth() {
        let backup = |new: u64, stored: u64| json!({"new": new, "new_bytes": new * 10, "stored_bytes": stored, "dump_bytes": 7});
        let runs = Runs {
            backups: vec![
                run("full", 3.0, 9.0, backup(0, 50)),
                run("gold", 1.0, 8.0, backup(0, 1)),
                run("full", 5.0, 7.0, backup(4, 150)),
                run("full", 90.0, 5.0, backup(100, 100_000)),
            ],
            drills: vec![run(
                "full",
                20.0,
                9.0,
                json!({"full": {"restore_seconds": 33.0}, "seconds": {"database": 4.0}}),
            )],
            recoveries: vec![
                run(
                    "missing",
                    2.0,
                    1.0,
                    json!({"unpacked": {"blobs": 1, "bytes": 10}}),
                ),
                run(
                    "missing",
                    6.0,
                    2.0,
                    json!({"unpacked": {"blobs": 9, "bytes": 90}}),
                ),
            ],
        };
        let full = runs.of(Mode::Full);
        assert_eq!(full.growth, Some((200, 4.0)));
        assert_eq!(full.nothing_new, [3.0]);
        let seconds: Vec<f64> = full.backups.iter().map(|past| past.seconds).collect();
        assert_eq!(seconds, [5.0, 90.0]);
        assert_eq!(full.restore, Some(33.0));
        let gold = runs.of(Mode::Gold);
        assert_eq!((gold.growth, gold.restore), (None, None));
        assert_eq!(gold.nothing_new, [1.0]);
        assert_eq!((runs.nothing_new(), runs.loading()), (Some(1.0), Some(4.0)));
        assert_eq!(runs.unpacking().unwrap().amount.bytes, 90);
        assert_eq!(Runs::default().of(Mode::Full), History::default());
        assert_eq!(Runs::default().unpacking(), None);
    }
}
