// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The figures as a page: what was to be reached and what was, then a table for each question.

use super::instance::Size;
use super::measure::Sample;
use super::peers::{DUMP, OURS, Question};
use super::results::{Cache, Results, Row, Section, Spread, row, seconds};
use super::targets;
use std::fmt::Write as _;

const HEAD: &str = "<!--
SPDX-FileCopyrightText: 2026 The fossology-backup authors
SPDX-License-Identifier: MIT OR Apache-2.0
-->

# Speed and memory

Written by `make bench`, which makes a repository that looks like real source code (sizes and
compressibility as in the Linux kernel's tree, depth 3, one uploaded archive for each 5,000 files) with
its database, and runs each command as a whole process, alone on the machine, in rounds that each begin
with another one.

- *seconds* is the time until the command ended: the median of the rounds, and the least and the most.
- *durable* is the time until all that it wrote was on the disk too, by a sync of the file system right after
  the command. fo_backup and restic sync by themselves, the others don't. Ratios compare these times.
- *ratio* is how many times as long as fo_backup's the command's time is; *dump aside* the same when the time of
  `pg_dump alone` is taken off fo_backup's: fo_backup dumps the database, which no other program does.
- *CPU* is that of all processes that the command started; the PostgreSQL server's own is not in it.
- *peak* is the largest memory of one of its processes, *wrote* what it gave to the page cache, folders included.
- *size* is what it keeps, or by how much that has grown.
- *requests* is how often it asked the server: the one of the tests, on the same machine, so what costs a server little costs little here too,
  and no request travels.
";

/// The whole page.
pub fn page(results: &Results) -> String {
    let mut page = HEAD.to_owned();
    let versions = results.versions();
    let _ = write!(
        page,
        "\nMachine: {}.\n\nPrograms: {versions}.\n",
        results.machine
    );
    page.push_str("\n## Targets\n\n| what | target | reached |\n| --- | --- | --- |\n");
    for target in targets::all(results) {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            target.what, target.wanted, target.reached
        );
    }
    for section in &results.sections {
        table(&mut page, section, versions);
    }
    if let Some(parts) = &results.vault {
        let _ = write!(
            page,
            "\n## The vault after the first backup\n\nPacks {}, indexes {} ({} blobs), database, configuration and other directories {}.\n",
            mega(parts.packs as f64),
            mega(parts.indexes as f64),
            parts.blobs,
            mega(parts.database as f64),
        );
    }
    if let Some(dump) = &results.dump {
        page.push_str(&super::dump::page(dump));
    }
    if let Some(alone) = &results.alone {
        page.push_str("\n## Very many files, fo_backup alone, warm caches\n");
        origin(
            &mut page,
            &alone.when,
            (alone.versions != versions).then_some(&alone.versions[..]),
            &alone.repository,
            1,
        );
        page.push_str(
            "\n| command | seconds | CPU | peak | wrote | size |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for row in &alone.rows {
            let cells = [time(row), cpu(row), peak(row), written(row), size(row)];
            let _ = writeln!(page, "| {} | {} |", row.name, cells.join(" | "));
        }
    }
    page
}

fn table(page: &mut String, section: &Section, versions: &str) {
    let title = match section.question {
        Question::Full => "First backup",
        Question::Unchanged => "Backup with nothing new",
        Question::Touched => "Backup with nothing new, after every file was touched",
        Question::New => "Backup with 0.1 % new",
        Question::Restore => "Restore",
        Question::FarFull => "First backup into a bucket",
        Question::FarUnchanged => "Backup into a bucket with nothing new",
        Question::FarRestore => "Restore from a bucket",
        Question::Check => "Check: every file and its size",
        Question::Deep => "Deep check: every file's content",
        Question::Recover => "Recovery of an archive's files from gold",
        Question::RecoverOne => "Recovery of the file in an archive's middle",
        Question::Plan => "Plan of what may go",
        Question::Dump => "The database",
        Question::Prune => "Removal of an archive's files, proven before",
    };
    let cache = match section.cache {
        Cache::Warm => "warm caches",
        Cache::Cold => "cold caches",
    };
    let _ = writeln!(page, "\n## {title}, {cache}");
    let rounds = section.rows.iter().map(|row| row.samples.len()).max();
    let rounds = rounds.unwrap_or_default();
    origin(
        page,
        &section.when,
        (section.versions != versions).then_some(&section.versions[..]),
        &section.repository,
        rounds,
    );
    if row(&section.rows, OURS).is_none() {
        page.push_str("\nfo_backup has no such command yet.\n");
    }
    let with_dump = row(&section.rows, DUMP).is_some();
    let columns = [
        "seconds",
        "durable",
        "ratio",
        "dump aside",
        "CPU",
        "peak",
        "wrote",
        "size",
        "requests",
    ];
    let asked = |row: &Row| row.spread(|sample| sample.requests as f64);
    let with_requests = section
        .rows
        .iter()
        .filter_map(asked)
        .any(|it| it.most > 0.0);
    let shown = |column: &&str| match *column {
        "dump aside" => with_dump,
        "requests" => with_requests,
        _ => true,
    };
    let columns: Vec<&str> = columns.into_iter().filter(shown).collect();
    let _ = writeln!(page, "\n| command | {} |", columns.join(" | "));
    let _ = writeln!(page, "| --- |{}", " ---: |".repeat(columns.len()));
    let mut rows: Vec<&Row> = section.rows.iter().collect();
    rows.sort_by_key(|row| (rank(row), row.name.clone()));
    for row in rows {
        let ratio = |ours: Option<f64>| match (seconds(&section.rows, &row.name), ours) {
            (Some(theirs), Some(ours)) if row.name != OURS => times(theirs / ours),
            _ => String::new(),
        };
        let ours = seconds(&section.rows, OURS);
        let aside = dump_aside(section).filter(|_| row.name != DUMP);
        let mut cells = vec![time(row), durable(row), ratio(ours)];
        if with_dump {
            cells.push(ratio(aside));
        }
        cells.extend([cpu(row), peak(row), written(row), size(row)]);
        if with_requests {
            cells.push(asked(row).map_or(String::new(), |it| format!("{:.0}", it.median)));
        }
        let _ = writeln!(page, "| {} | {} |", row.name, cells.join(" | "));
    }
}

/// Our seconds less those of the dump; `None` where there is no dump.
pub fn dump_aside(section: &Section) -> Option<f64> {
    let dump = seconds(&section.rows, DUMP)?;
    // When the dump hides all of the rest, what is left is below what can be measured.
    Some((seconds(&section.rows, OURS)? - dump).max(0.01))
}

fn rank(row: &Row) -> usize {
    [OURS, DUMP]
        .iter()
        .position(|name| row.name.starts_with(name))
        .unwrap_or(2)
}

/// Where a table's figures come from; the versions only when they are not those of the page.
fn origin(page: &mut String, when: &str, versions: Option<&str>, size: &Size, rounds: usize) {
    let _ = write!(
        page,
        "\n{when}, {rounds} round{}; {} files of {} and {} archives of {}.\n",
        if rounds == 1 { "" } else { "s" },
        size.files,
        mega(size.file_bytes as f64),
        size.gold,
        mega(size.gold_bytes as f64),
    );
    if let Some(versions) = versions {
        let _ = writeln!(page, "Programs then: {versions}.");
    }
}

fn time(row: &Row) -> String {
    if let Some(code) = row.failed() {
        return format!("failed (exit code {code})");
    }
    spread(
        row,
        |sample| sample.seconds,
        |seconds| format!("{seconds:.2}"),
    )
}

fn durable(row: &Row) -> String {
    let median = row.spread(|sample| sample.durable);
    median.map_or(String::new(), |spread| format!("{:.2}", spread.median))
}

fn cpu(row: &Row) -> String {
    let median = |figure: fn(&Sample) -> f64| row.spread(figure).map_or(0.0, |it| it.median);
    format!(
        "{:.1} + {:.1} s",
        median(|it| it.user),
        median(|it| it.system)
    )
}

fn peak(row: &Row) -> String {
    let most = row.spread(|sample| sample.peak as f64);
    most.map_or(String::new(), |spread| {
        format!("{:.0} MiB", spread.most / 1048576.0)
    })
}

fn written(row: &Row) -> String {
    middle(row, |sample| sample.written as f64)
}

fn size(row: &Row) -> String {
    middle(row, |sample| sample.size as f64)
}

fn middle(row: &Row, figure: fn(&Sample) -> f64) -> String {
    let median = row.spread(figure).map_or(0.0, |spread| spread.median);
    if median > 0.0 {
        mega(median)
    } else {
        "–".to_owned()
    }
}

fn spread(row: &Row, figure: fn(&Sample) -> f64, show: fn(f64) -> String) -> String {
    match row.spread(figure) {
        None => String::new(),
        Some(Spread {
            least,
            median,
            most,
        }) if row.samples.len() > 1 => {
            format!("{} ({}–{})", show(median), show(least), show(most))
        }
        Some(only) => show(only.median),
    }
}

/// Bytes in MB, as disks are sold.
pub fn mega(bytes: f64) -> String {
    match bytes / 1e6 {
        mega if mega < 10.0 => format!("{mega:.2} MB"),
        mega => format!("{mega:.0} MB"),
    }
}

/// A ratio.
pub fn times(ratio: f64) -> String {
    if ratio < 10.0 {
        format!("{ratio:.2}×")
    } else {
        format!("{ratio:.0}×")
    }
}
