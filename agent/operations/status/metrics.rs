// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The status in the text format of Prometheus, as the textfile collector of its node exporter
//! takes it. Times are seconds since 1970; what is not known has no sample, so that an alert on its
//! absence can be told from one on its value.

use super::{Health, Status};
use crate::fossology::own::history::PastRun;
use crate::vault::Mode;
use jiff::Timestamp;
use std::fmt::Write;

/// All metrics.
struct Page(String);

/// One family: its samples have to follow each other.
struct Family<'a> {
    page: &'a mut String,
    name: &'static str,
}

impl Page {
    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        Family {
            page: &mut self.0,
            name,
        }
    }
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<f64>) {
        let escaped = |value: &str| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            value.replace('\n', "\\n")
        };
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.page, "{}{labels} {}", self.name, value.into());
    }
}

/// The status as metrics.
pub fn prometheus(status: &Status) -> String {
    let mut page = Page(String::new());
    health(status, &mut page);
    runs(status, &mut page);
    if let Some(database) = &status.database {
        let mut family = page.gauge(
            "fo_backup_jobs",
            "Entries of FOSSology's queue that are ours, or parked by a restore.",
        );
        family.sample(&[("state", "waiting")], count(database.queue.waiting));
        family.sample(&[("state", "running")], count(database.queue.running));
        family.sample(&[("state", "parked")], count(database.parked));
        let mut family = page.gauge(
            "fo_backup_blobs",
            "Blobs that are not in the repository on purpose, or that no archive gives again.",
        );
        family.sample(&[("state", "pruned")], count(database.pruned));
        family.sample(
            &[("state", "not_reproducible")],
            count(database.not_reproducible),
        );
    }
    vault(status, &mut page);
    if let Some(findings) = &status.findings {
        let mut family = page.gauge(
            "fo_backup_check_findings",
            "What the last check of the whole repository found.",
        );
        for (kind, found) in findings {
            family.sample(&[("kind", kind)], count(found.count));
        }
        let lost = findings.values().map(|found| found.lost).sum();
        page.gauge(
            "fo_backup_check_lost_blobs",
            "Blobs of which the last check found no copy anywhere.",
        )
        .sample(&[], count(lost));
    }
    offsite(status, &mut page);
    drill(status, &mut page);
    page.0
}

fn health(status: &Status, page: &mut Page) {
    let mut family = page.gauge(
        "fo_backup_health",
        "1 for the word that tells how things stand.",
    );
    for health in Health::ALL {
        let is = f64::from(u8::from(status.health == health));
        family.sample(&[("health", health.as_str())], is);
    }
    page.gauge(
        "fo_backup_status_timestamp_seconds",
        "When this was written.",
    )
    .sample(&[], seconds(status.time));
    page.gauge(
        "fo_backup_info",
        "The program, where it runs, and which instance it is for.",
    )
    .sample(
        &[
            ("version", status.program),
            ("host", &status.host),
            (
                "instance",
                &status
                    .database
                    .as_ref()
                    .and_then(|database| database.instance)
                    .map(|id| id.to_string())
                    .unwrap_or_default(),
            ),
        ],
        1,
    );
    let mut family = page.gauge("fo_backup_reachable", "Whether it could be asked.");
    family.sample(&[("what", "database")], u8::from(status.database.is_some()));
    family.sample(&[("what", "vault")], u8::from(status.vault.is_some()));
}

fn runs(status: &Status, page: &mut Page) {
    // Without the history nobody knows.
    let verbs = || status.verbs.iter();
    let mut family = page.gauge("fo_backup_late", "Whether a verb was not done in time.");
    for verb in verbs().filter(|verb| verb.limit_seconds.is_some()) {
        family.sample(&[("verb", verb.verb)], u8::from(verb.late));
    }
    let mut family = page.gauge(
        "fo_backup_limit_seconds",
        "How old the last run of a verb may be.",
    );
    for verb in verbs() {
        if let Some(limit) = verb.limit_seconds {
            family.sample(&[("verb", verb.verb)], limit as f64);
        }
    }
    let mut family = page.gauge(
        "fo_backup_completed_timestamp_seconds",
        "When a verb was last begun that came to its end; for backups the newest snapshot.",
    );
    for verb in verbs() {
        if let Some(completed) = verb.completed {
            family.sample(&[("verb", verb.verb)], seconds(completed));
        }
    }
    let mut family = page.gauge(
        "fo_backup_next_timestamp_seconds",
        "When this host begins a verb next.",
    );
    for verb in verbs() {
        if let Some(next) = verb.next {
            family.sample(&[("verb", verb.verb)], seconds(next));
        }
    }
    let last = || verbs().flat_map(|verb| &verb.last);
    let mut family = page.gauge("fo_backup_last_run_success", "1 when all was done by the last run of a verb, 0.5 when something was incomplete or found, 0 when it failed.");
    for run in last() {
        let value = match run.state.as_str() {
            "done" => 1.0,
            "incomplete" => 0.5,
            _ => 0.0,
        };
        family.sample(&labels(run), value);
    }
    let mut family = page.gauge(
        "fo_backup_last_run_timestamp_seconds",
        "When the last run of a verb began.",
    );
    for run in last() {
        family.sample(&labels(run), seconds(run.started));
    }
    let mut family = page.gauge(
        "fo_backup_last_run_duration_seconds",
        "How long the last run of a verb took.",
    );
    for run in last() {
        if let Some(ended) = run.ended {
            let took = ended.duration_since(run.started).as_secs().max(0);
            family.sample(&labels(run), took as f64);
        }
    }
}

fn labels(run: &PastRun) -> [(&'static str, &str); 2] {
    let mode = run.mode.as_deref().unwrap_or_default();
    [("verb", &run.verb), ("mode", mode)]
}

fn vault(status: &Status, page: &mut Page) {
    let Some(vault) = &status.vault else {
        return;
    };
    page.gauge("fo_backup_snapshots", "Snapshots in the vault.")
        .sample(&[], count(vault.snapshots));
    let mut family = page.gauge("fo_backup_vault_bytes", "What the vault takes.");
    family.sample(&[("kind", "packs")], count(vault.pack_bytes));
    family.sample(&[("kind", "chunks")], count(vault.chunk_bytes));
    if let Some(free) = vault.free_bytes {
        page.gauge(
            "fo_backup_vault_free_bytes",
            "What is free where the vault lies.",
        )
        .sample(&[], count(free));
    }
    let good = || vault.newest.iter().filter(|snapshot| snapshot.complete);
    let mut family = page.gauge(
        "fo_backup_snapshot_timestamp_seconds",
        "The moment that the newest good snapshot of a mode shows.",
    );
    for snapshot in good() {
        family.sample(
            &[("mode", &snapshot.mode.to_string())],
            seconds(snapshot.time),
        );
    }
    let mut family = page.gauge(
        "fo_backup_snapshot_blobs",
        "Blobs in the newest good snapshot of a mode.",
    );
    for snapshot in good() {
        let mode = snapshot.mode.to_string();
        family.sample(
            &[("mode", &mode), ("tree", "gold")],
            count(snapshot.counts.gold),
        );
        family.sample(
            &[("mode", &mode), ("tree", "files")],
            count(snapshot.counts.files),
        );
    }
}

fn offsite(status: &Status, page: &mut Page) {
    let Some(offsite) = &status.offsite else {
        return;
    };
    let mut family = page.gauge(
        "fo_backup_offsite_snapshots",
        "Snapshots at the other place, by the last copy.",
    );
    family.sample(
        &[("state", "complete")],
        count(offsite.complete.len() as u64),
    );
    family.sample(&[("state", "incomplete")], count(offsite.lacking));
    let mut family = page.gauge(
        "fo_backup_offsite_snapshot_timestamp_seconds",
        "The moment that the newest complete snapshot of a mode at the other place shows.",
    );
    for mode in [Mode::Full, Mode::Gold] {
        if let Some(newest) = offsite.newest(mode) {
            family.sample(&[("mode", &mode.to_string())], seconds(newest.time));
        }
    }
    page.gauge(
        "fo_backup_offsite_copied_timestamp_seconds",
        "When the last copy was begun that came to its end.",
    )
    .sample(&[], seconds(offsite.copied));
}

fn drill(status: &Status, page: &mut Page) {
    let Some(drill) = &status.drill else {
        return;
    };
    let mut family = page.gauge(
        "fo_backup_drill_seconds",
        "How long each part of the last drill took.",
    );
    for (part, took) in drill.counts["seconds"].as_object().into_iter().flatten() {
        if let Some(took) = took.as_f64() {
            family.sample(&[("part", part)], took);
        }
    }
    if let Some(full) = drill.counts["full"]["restore_seconds"].as_f64() {
        page.gauge(
            "fo_backup_restore_estimate_seconds",
            "How long a restore of everything would take, by the last drill.",
        )
        .sample(&[], full);
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

/// Prometheus has floating numbers only; what is larger than 2^53 loses its last digits.
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn labels_and_help_are_escaped() {
        let mut page = Page(String::new());
        page.gauge("a_b", "one\\two\nthree")
            .sample(&[("x", "a\"b\\c\nd")], 1.5);
        page.gauge("c", "d").sample(&[], 7);
        assert_eq!(
            page.0,
            "# HELP a_b one\\\\two\\nthree\n# TYPE a_b gauge\na_b{x=\"a\\\"b\\\\c\\nd\"} 1.5\n\
             # HELP c d\n# TYPE c gauge\nc 7\n"
        );
    }

    #[test]
    fn large_numbers_are_written_out() {
        let mut page = Page(String::new());
        page.gauge("a", "b").sample(&[], count(1 << 52));
        assert!(page.0.ends_with("a 4503599627370496\n"), "{}", page.0);
    }
}
