// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The arithmetic of an estimate: from counts and speeds to sizes and times. Pure: nothing is
//! looked at, so that it can be tested with numbers.

use super::{Mode, Number, Rests};
use crate::operations::recover::Amount;

/// What there is, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Uploads that are not deleted.
    pub uploads: u64,
    /// Blobs in gold.
    pub gold: Amount,
    /// Blobs in files that are not in gold too.
    pub unpacked: Amount,
    /// Bytes of the database on the server's disk.
    pub database_bytes: u64,
    /// Bytes of the last dump before compression.
    pub dump_bytes: Option<u64>,
    /// Bytes of gold that came within some days, and how many days.
    pub recent_gold: Option<(u64, f64)>,
    /// What the newest snapshots say of how small it becomes.
    pub packed: Packed,
}

/// How many bytes of a vault stand for how many bytes of blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Packed {
    /// Of gold: bytes in packs, and bytes of its blobs.
    pub gold: Option<(u64, u64)>,
    /// Of what was unpacked.
    pub unpacked: Option<(u64, u64)>,
}

/// How fast something is, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Seconds for each blob, whatever its size.
    pub blob: f64,
    /// Seconds for each byte.
    pub byte: f64,
    /// What it rests on.
    pub rests: Rests,
}

impl Speed {
    fn of(self, amount: Amount) -> f64 {
        self.blob * amount.blobs as f64 + self.byte * amount.bytes as f64
    }
}

/// How fast this host is.
#[derive(Clone, Debug, PartialEq)]
pub struct Speeds {
    /// Reading blobs, hashing and packing them.
    pub pack: Speed,
    /// Writing blobs and syncing them.
    pub write: Speed,
    /// Unpacking gold again, for each blob and byte that comes out.
    pub unpack: Speed,
    /// Seconds for each byte of the dump, dumping it.
    pub dump: (f64, Rests),
    /// Seconds for each byte of the dump, loading and indexing it.
    pub load: (f64, Rests),
    /// How small gold becomes, as a share.
    pub gold_share: (f64, Rests),
    /// How small unpacked files become.
    pub unpacked_share: (f64, Rests),
}

/// A run of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What it read or wrote.
    pub amount: Amount,
}

/// What the history says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Backups that read something, of this mode.
    pub backups: Vec<Past>,
    /// Seconds of backups that read nothing.
    pub nothing_new: Vec<f64>,
    /// Bytes that backups added to the vault in so many days.
    pub growth: Option<(u64, f64)>,
    /// A whole restore as a drill or a restore took it, in seconds.
    pub restore: Option<f64>,
}

/// The dump's share of the database's size, where none was made yet: indexes and empty space are not
/// in it.
const DUMP_SHARE: f64 = 0.5;
/// How small a dump becomes in the vault.
const DUMP_PACKED: f64 = 0.2;
/// Listing the keys of a blob in a backup, in seconds.
const LIST: f64 = 0.5e-6;
/// What a folder and the rest of a block take, in bytes for each blob.
const BLOCKS: u64 = 8192;
/// A run of the past tells of a whole one when it was at least this share of it.
const TELLING: f64 = 0.1;

/// What is told of a mode.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The mode.
    pub mode: Mode,
    /// The vault after the first backup, in bytes.
    pub vault_bytes: Number,
    /// What a day adds to it, in bytes; none when nobody can tell.
    pub growth_bytes_per_day: Option<Number>,
    /// The first backup, in seconds.
    pub first_backup_seconds: Number,
    /// A backup with nothing new, in seconds.
    pub nothing_new_seconds: Number,
    /// A restore until people can work, in seconds.
    pub restore_seconds: Number,
    /// Unpacking everything again after it, in seconds; none where everything is in the backup.
    pub unpack_seconds: Option<Number>,
    /// Room that a restore needs.
    pub room: Room,
}

/// Room that a restore needs, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Room {
    /// In the repository's file system, until people can work.
    pub repository: u64,
    /// In the repository's file system, when everything is unpacked again.
    pub repository_unpacked: u64,
    /// Where PostgreSQL keeps its data, beside the old database.
    pub database: u64,
    /// In the scratch folder.
    pub scratch: u64,
}

/// Reckons one mode.
pub fn reckon(facts: &Facts, speeds: &Speeds, history: &History, mode: Mode) -> Estimate {
    let everything = Amount {
        blobs: facts.gold.blobs + facts.unpacked.blobs,
        bytes: facts.gold.bytes + facts.unpacked.bytes,
    };
    let carried = match mode {
        Mode::Full => everything,
        Mode::Gold => facts.gold,
    };
    let dump_rests = match facts.dump_bytes {
        Some(_) => Rests::History,
        None => Rests::Assumed,
    };
    let dump = facts
        .dump_bytes
        .unwrap_or((facts.database_bytes as f64 * DUMP_SHARE) as u64);
    let dumping = dump as f64 * speeds.dump.0;
    let loading = dump as f64 * speeds.load.0;
    let dump_packed = dump as f64 * DUMP_PACKED;

    let (gold_share, gold_rests) = speeds.gold_share;
    let (unpacked_share, unpacked_rests) = speeds.unpacked_share;
    let mut blobs_packed = facts.gold.bytes as f64 * gold_share;
    let mut share_rests = gold_rests;
    if mode == Mode::Full {
        blobs_packed += facts.unpacked.bytes as f64 * unpacked_share;
        share_rests = share_rests.weaker(unpacked_rests);
    }

    let growth = match (history.growth, facts.recent_gold) {
        (Some((bytes, days)), _) if days >= 1.0 => {
            Some(Number::new(bytes as f64 / days, Rests::History))
        }
        (_, Some((bytes, days))) if days >= 1.0 && facts.gold.bytes > 0 => {
            // A day's uploads are packed as all others were.
            let share = bytes as f64 / facts.gold.bytes as f64;
            Some(Number::new(blobs_packed * share / days, Rests::Assumed))
        }
        _ => None,
    };

    let packing = speeds.pack.of(carried) + dumping;
    let packing = Number::new(packing, speeds.pack.rests.weaker(speeds.dump.1));
    let first_backup = history
        .backups
        .iter()
        .filter_map(|past| whole_from(past, carried))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(packing, |(_, seconds)| Number::new(seconds, Rests::History));
    let nothing_new = match median(&history.nothing_new) {
        Some(seconds) => Number::new(seconds, Rests::History),
        None => Number::new(dumping + everything.blobs as f64 * LIST, speeds.dump.1),
    };
    let restoring = loading + speeds.write.of(carried);
    let restore = match history.restore {
        Some(seconds) => Number::new(seconds, Rests::History),
        None => Number::new(restoring, speeds.write.rests.weaker(speeds.load.1)),
    };
    Estimate {
        mode,
        vault_bytes: Number::new(blobs_packed + dump_packed, share_rests.weaker(dump_rests)),
        growth_bytes_per_day: growth,
        first_backup_seconds: first_backup,
        nothing_new_seconds: nothing_new,
        restore_seconds: restore,
        unpack_seconds: (mode == Mode::Gold)
            .then(|| Number::new(speeds.unpack.of(facts.unpacked), speeds.unpack.rests)),
        room: Room {
            repository: room(carried),
            repository_unpacked: room(everything),
            database: facts.database_bytes,
            scratch: dump,
        },
    }
}

fn room(amount: Amount) -> u64 {
    amount.bytes + amount.blobs * BLOCKS
}

/// From a run of the past to one of everything: some of the work goes with the number of blobs, some
/// with their bytes, so the larger ratio counts. Gives the ratio, too.
fn whole_from(past: &Past, all: Amount) -> Option<(f64, f64)> {
    let ratio = |all: u64, part: u64| all as f64 / part.max(1) as f64;
    let ratio = ratio(all.blobs, past.amount.blobs).max(ratio(all.bytes, past.amount.bytes));
    // A run that was larger than all of today's says what it says.
    (ratio <= 1.0 / TELLING).then_some((ratio, past.seconds * ratio))
}

fn median(numbers: &[f64]) -> Option<f64> {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            uploads: 10,
            gold: Amount {
                blobs: 10,
                bytes: 1000,
            },
            unpacked: Amount {
                blobs: 100,
                bytes: 4000,
            },
            database_bytes: 800,
            dump_bytes: Some(500),
            recent_gold: Some((100, 10.0)),
            packed: Packed::default(),
        }
    }

    fn speeds() -> Speeds {
        let speed = |blob, byte| Speed {
            blob,
            byte,
            rests: Rests::Measured,
        };
        Speeds {
            pack: speed(0.1, 0.01),
            write: speed(0.2, 0.02),
            unpack: speed(0.3, 0.03),
            dump: (0.001, Rests::Measured),
            load: (0.004, Rests::Assumed),
            gold_share: (1.0, Rests::Measured),
            unpacked_share: (0.25, Rests::Measured),
        }
    }

    #[test]
    fn a_backup_of_gold_carries_gold_and_the_rest_is_unpacked_later() {
        let gold = reckon(&facts(), &speeds(), &History::default(), Mode::Gold);
        assert_eq!(gold.vault_bytes.likely, 1000.0 + 100.0);
        assert_eq!(gold.first_backup_seconds.likely, 1.0 + 10.0 + 0.5);
        assert_eq!(gold.restore_seconds.likely, 2.0 + 2.0 + 20.0);
        assert_eq!(gold.unpack_seconds.unwrap().likely, 30.0 + 120.0);
        assert_eq!(gold.room.repository, 1000 + 10 * 8192);
        assert_eq!(gold.room.repository_unpacked, 5000 + 110 * 8192);
        let full = reckon(&facts(), &speeds(), &History::default(), Mode::Full);
        assert_eq!(full.vault_bytes.likely, 1000.0 + 1000.0 + 100.0);
        assert_eq!(full.first_backup_seconds.likely, 11.0 + 50.0 + 0.5);
        assert_eq!(full.restore_seconds.likely, 2.0 + 22.0 + 100.0);
        assert_eq!(full.unpack_seconds, None);
        assert_eq!((full.room.database, full.room.scratch), (800, 500));
        // A day brings a hundredth of gold, and so of what is unpacked from it.
        assert_eq!(
            full.growth_bytes_per_day.unwrap().likely,
            2000.0 * 0.1 / 10.0
        );
    }

    #[test]
    fn what_really_happened_goes_before_what_was_measured() {
        let all = Amount {
            blobs: 110,
            bytes: 5000,
        };
        let half = Amount {
            blobs: 55,
            bytes: 1250,
        };
        let small = Amount {
            blobs: 1,
            bytes: 10,
        };
        let past = |seconds, amount| Past { seconds, amount };
        let history = History {
            backups: vec![past(9.0, small), past(7.0, half), past(12.0, all)],
            nothing_new: vec![5.0, 1.0, 3.0],
            growth: Some((700, 7.0)),
            restore: Some(42.0),
        };
        let full = reckon(&facts(), &speeds(), &history, Mode::Full);
        for (number, likely) in [
            (full.first_backup_seconds, 12.0),
            (full.nothing_new_seconds, 3.0),
            (full.growth_bytes_per_day.unwrap(), 100.0),
            (full.restore_seconds, 42.0),
        ] {
            assert_eq!((number.likely, number.rests), (likely, Rests::History));
        }
        // Half of it says something, with the larger ratio; a small one does not.
        let of = |backups| {
            let history = History {
                backups,
                ..History::default()
            };
            reckon(&facts(), &speeds(), &history, Mode::Full).first_backup_seconds
        };
        assert_eq!(of(vec![past(7.0, half)]).likely, 28.0);
        assert_eq!(of(vec![past(9.0, small)]).rests, Rests::Measured);
    }

    #[test]
    fn each_number_is_as_uncertain_as_the_weakest_that_it_rests_on() {
        let mut facts = facts();
        facts.dump_bytes = None;
        facts.recent_gold = Some((100, 0.5));
        let full = reckon(&facts, &speeds(), &History::default(), Mode::Full);
        assert_eq!(
            full.vault_bytes.rests,
            Rests::Assumed,
            "no dump was made yet"
        );
        assert_eq!(full.room.scratch, 400);
        assert_eq!(full.growth_bytes_per_day, None, "half a day says nothing");
        assert_eq!(full.first_backup_seconds.rests, Rests::Measured);
        assert_eq!(full.restore_seconds.rests, Rests::Assumed);
        for number in [full.vault_bytes, full.first_backup_seconds] {
            assert!(number.low < number.likely && number.likely < number.high);
        }
        let known = Number::new(8.0, Rests::History);
        let guessed = Number::new(8.0, Rests::Assumed);
        assert!(guessed.low < known.low && known.high < guessed.high);
    }

    #[test]
    fn an_empty_instance_costs_its_dump() {
        let facts = Facts {
            dump_bytes: Some(500),
            ..Facts::default()
        };
        let full = reckon(&facts, &speeds(), &History::default(), Mode::Full);
        assert_eq!(full.first_backup_seconds.likely, 0.5);
        assert_eq!(full.growth_bytes_per_day, None);
        assert_eq!(full.room.repository, 0);
    }
}
