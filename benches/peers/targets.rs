// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was to be reached, and whether it is. A target that was not measured says so.

use super::peers::{DUMP, FIND, OURS, Question, RESTIC, RSYNC, RUSTIC, SHA1SUM, TAR};
use super::pruning::RM;
use super::recovery::{TAR_X, UNUNPACK, XZ};
use super::report::{dump_aside, mega, times};
use super::results::{Cache, Results, Row, VaultParts, row, seconds};
use super::rounds::alone;

/// The most memory that any of our commands may take, in MiB.
const MEMORY: f64 = 256.0;

/// The same for those that unpack.
const MEMORY_TO_UNPACK: f64 = 512.0;

/// A line of the table.
pub struct Target {
    pub what: String,
    pub wanted: String,
    pub reached: String,
}

/// What is compared with whom: how many times as fast as them we have to be.
const FASTER: [(Question, Cache, &str, f64, bool); 16] = [
    (Question::Full, Cache::Warm, RESTIC, 3.0, false),
    (Question::Full, Cache::Warm, TAR, 1.0, false),
    (Question::Full, Cache::Cold, RESTIC, 1.0, false),
    (Question::Full, Cache::Cold, TAR, 1.0, false),
    (Question::Unchanged, Cache::Warm, RESTIC, 50.0, true),
    (Question::Unchanged, Cache::Warm, RSYNC, 20.0, true),
    (Question::Touched, Cache::Warm, RESTIC, 50.0, true),
    (Question::Touched, Cache::Warm, RSYNC, 20.0, true),
    (Question::Restore, Cache::Warm, RESTIC, 2.0, false),
    (Question::Restore, Cache::Warm, RUSTIC, 2.0, false),
    (Question::Restore, Cache::Warm, RSYNC, 3.0, false),
    (Question::Restore, Cache::Warm, TAR, 1.0, false),
    (Question::Check, Cache::Warm, FIND, 0.5, false),
    (Question::Recover, Cache::Warm, UNUNPACK, 10.0, false),
    (Question::Recover, Cache::Warm, TAR_X, 0.5, false),
    (Question::Prune, Cache::Warm, RM, 1.0, false),
];

/// All targets, in an order to be read.
pub fn all(results: &Results) -> Vec<Target> {
    let mut all: Vec<Target> = FASTER
        .iter()
        .map(|(question, cache, peer, least, aside)| {
            faster(results, *question, *cache, peer, *least, *aside)
        })
        .collect();
    // sha1sum's time by 1.3 of it.
    let deep = (Question::Deep, Cache::Warm);
    all.push(faster(results, deep.0, deep.1, SHA1SUM, 1.0 / 1.3, false));
    // Looking costs something besides decompressing: a tenth, and the start.
    let one = (Question::RecoverOne, Cache::Warm);
    all.push(faster(results, one.0, one.1, XZ, 1.0 / 1.2, false));
    all.push(with_ten_times_the_files(results));
    all.push(vault_size(results));
    all.push(index_size(results.vault));
    for (what, unpacks, most) in [
        ("peak memory of fo_backup", false, MEMORY),
        ("peak memory of recoveries", true, MEMORY_TO_UNPACK),
    ] {
        let sections = results.sections.iter();
        let rows = sections
            .filter(|section| section.question.unpacks() == unpacks)
            .flat_map(|section| &section.rows);
        all.push(memory(what, most, rows));
    }
    let rows = results.alone.iter().flat_map(|alone| &alone.rows);
    all.push(memory("peak memory with very many files", MEMORY, rows));
    all
}

fn faster(
    results: &Results,
    question: Question,
    cache: Cache,
    peer: &str,
    least: f64,
    aside: bool,
) -> Target {
    let reached = results.section(question, cache).and_then(|section| {
        let ours = if aside {
            dump_aside(section)?
        } else {
            seconds(&section.rows, OURS)?
        };
        Some(seconds(&section.rows, peer)? / ours)
    });
    let aside = if aside { ", dump aside" } else { "" };
    Target {
        what: format!("{question:?}, {cache:?}{aside}").to_lowercase() + ": against " + peer,
        wanted: format!("at least {} as fast", times(least)),
        reached: judge(reached, times, |ratio| ratio >= least),
    }
}

fn with_ten_times_the_files(results: &Results) -> Target {
    let reached = || {
        let alone_rows = results.alone.as_ref()?;
        let section = results.section(Question::Unchanged, Cache::Warm)?;
        if alone_rows.repository.files < 10 * section.repository.files {
            return None;
        }
        let many = |name| seconds(&alone_rows.rows, &alone(Question::Unchanged, name));
        let many = (many(OURS)? - many(DUMP)?).max(0.01);
        Some(many / dump_aside(section)?)
    };
    Target {
        what: "unchanged, warm, dump aside: with 10 times the files or more".to_owned(),
        wanted: "not slower".to_owned(),
        reached: judge(
            reached(),
            |ratio| format!("takes {} the time", times(ratio)),
            |ratio| ratio <= 1.1,
        ),
    }
}

fn vault_size(results: &Results) -> Target {
    let sizes = results
        .section(Question::Full, Cache::Warm)
        .and_then(|section| {
            let size = |name| {
                Some(
                    row(&section.rows, name)?
                        .spread(|it| it.size as f64)?
                        .median,
                )
            };
            Some((size(OURS)?, size(RESTIC)?))
        });
    let database = results.vault.map_or(0, |parts| parts.database) as f64;
    Target {
        what: "size of the vault, the database's dump included".to_owned(),
        wanted: "not more than restic's".to_owned(),
        reached: judge(
            sizes.map(|(ours, theirs)| ours / theirs),
            |ratio| format!("{} of it ({} are the dump)", times(ratio), mega(database)),
            |ratio| ratio <= 1.0,
        ),
    }
}

fn index_size(parts: Option<VaultParts>) -> Target {
    let each = parts.map(|parts| parts.indexes as f64 / parts.blobs as f64);
    Target {
        what: "index".to_owned(),
        wanted: "at most 100 bytes a blob".to_owned(),
        reached: judge(
            each,
            |bytes| format!("{bytes:.1} bytes"),
            |bytes| bytes <= 100.0,
        ),
    }
}

fn memory<'a>(what: &str, most: f64, rows: impl Iterator<Item = &'a Row>) -> Target {
    let peaks = rows
        .filter(|row| row.name.contains(OURS))
        .filter_map(|row| Some(row.spread(|sample| sample.peak as f64 / 1048576.0)?.most));
    Target {
        what: what.to_owned(),
        wanted: format!("below {most:.0} MiB"),
        reached: judge(
            peaks.reduce(f64::max),
            |peak| format!("{peak:.0} MiB"),
            |peak| peak < most,
        ),
    }
}

fn judge(
    reached: Option<f64>,
    show: impl Fn(f64) -> String,
    enough: impl Fn(f64) -> bool,
) -> String {
    match reached {
        None => "not measured".to_owned(),
        Some(figure) if enough(figure) => format!("{}: yes", show(figure)),
        Some(figure) => format!("{}: **no**", show(figure)),
    }
}
