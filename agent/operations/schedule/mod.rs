// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is done again and again: the one table of tasks from which cron lines and timers come, and
//! table `[schedule]` of fo_backup.toml that changes how often. `status` takes its limits from both.

mod every;
mod when;

pub use every::{Every, Period, Rhythm, in_words};
pub use when::{Day, When};

use jiff::SignedDuration;
use jiff::civil::Weekday;
use serde::Deserialize;
use std::path::PathBuf;

/// Something that is done again and again.
#[derive(Debug)]
pub struct Task {
    /// The verb, as the history of runs and `[schedule]` call it.
    pub verb: &'static str,
    /// What the command is called with.
    pub call: &'static str,
    /// What that does, for people.
    pub does: &'static str,
    /// How often, unless `[schedule]` says otherwise; not at all without one.
    pub period: Option<Period>,
    /// At which time: no two tasks have the same, on whatever days they are done.
    time: (i8, i8),
    /// On which day, once a week.
    weekday: Weekday,
    /// On which day, once a month.
    day: i8,
}

const STATUS: &str = "status";
const COPY: &str = "copy";

/// All tasks. Checks, verifications and drills read much, so they keep to the weekend.
pub const TASKS: &[Task] = &[
    task(
        "backup",
        "queue backup",
        "asks FOSSology's scheduler for a backup",
        Some(Period::Daily),
        (2, 15),
        Weekday::Monday,
        1,
    ),
    task(
        "check",
        "queue check",
        "asks FOSSology's scheduler to check the repository",
        Some(Period::Weekly),
        (6, 45),
        Weekday::Saturday,
        1,
    ),
    task(
        "verify",
        "queue verify --read-data=5",
        "asks FOSSology's scheduler to verify the vault",
        Some(Period::Weekly),
        (9, 45),
        Weekday::Sunday,
        8,
    ),
    task(
        "drill",
        "queue drill",
        "asks FOSSology's scheduler to try a restore",
        Some(Period::Weekly),
        (12, 45),
        Weekday::Sunday,
        15,
    ),
    // After the backup. What it reads is the vault, so FOSSology need not know of it.
    task(
        COPY,
        "copy",
        "copies the vault to where [offsite] says",
        Some(Period::Daily),
        (5, 15),
        Weekday::Tuesday,
        2,
    ),
    // Nobody else can work on the vault meanwhile. Without rules it removes nothing.
    task(
        "expire",
        "queue expire",
        "asks FOSSology's scheduler to remove old snapshots",
        Some(Period::Weekly),
        (20, 45),
        Weekday::Saturday,
        25,
    ),
    // What it removes is for people to decide.
    task(
        "prune",
        "queue prune --yes",
        "asks FOSSology's scheduler to remove what a policy says not to keep",
        None,
        (15, 45),
        Weekday::Saturday,
        22,
    ),
    task(
        STATUS,
        "status --files",
        "writes down how backups stand",
        Some(Period::Hourly),
        (0, 35),
        Weekday::Monday,
        1,
    ),
];

const fn task(
    verb: &'static str,
    call: &'static str,
    does: &'static str,
    period: Option<Period>,
    time: (i8, i8),
    weekday: Weekday,
    day: i8,
) -> Task {
    Task {
        verb,
        call,
        does,
        period,
        time,
        weekday,
        day,
    }
}

impl Task {
    /// The task of a verb.
    pub fn of(verb: &str) -> Option<&'static Self> {
        TASKS.iter().find(|task| task.verb == verb)
    }

    /// When it is begun.
    fn when(&self, rhythm: &Rhythm) -> When {
        let (hour, minute) = rhythm.at.unwrap_or(self.time);
        let daily = When {
            minute,
            hour: Some(hour),
            day: Day::Every,
        };
        match rhythm.period {
            Period::Hourly => When {
                hour: None,
                ..daily
            },
            Period::Daily => daily,
            Period::Weekly => When {
                day: Day::OfWeek(rhythm.on.unwrap_or(self.weekday)),
                ..daily
            },
            Period::Monthly => When {
                day: Day::OfMonth(self.day),
                ..daily
            },
        }
    }
}

/// Table `[schedule]` of fo_backup.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// How often a backup is made.
    pub backup: Option<Every>,
    /// How often the repository is checked.
    pub check: Option<Every>,
    /// How often the vault is verified.
    pub verify: Option<Every>,
    /// How often a restore is tried.
    pub drill: Option<Every>,
    /// How often the vault is copied to another place.
    pub copy: Option<Every>,
    /// How often old snapshots are removed.
    pub expire: Option<Every>,
    /// How often unpacked files are removed by policy.
    pub prune: Option<Every>,
    /// How often the two files below are written.
    pub status: Option<Every>,
    /// Where the status is written as JSON.
    pub status_file: Option<PathBuf>,
    /// Where it is written for the textfile collector of Prometheus.
    pub metrics: Option<PathBuf>,
    /// Whether there is another place; set by the program.
    #[serde(skip)]
    pub has_offsite: bool,
}

impl Schedule {
    /// What is set for a verb.
    pub fn of(&self, verb: &str) -> Option<Every> {
        match verb {
            "backup" => self.backup,
            "check" => self.check,
            "verify" => self.verify,
            "drill" => self.drill,
            COPY => self.copy,
            "expire" => self.expire,
            "prune" => self.prune,
            STATUS => self.status,
            _ => None,
        }
    }

    /// How old the last run of a verb may be: what is set, else what is usual if this host wakes it.
    /// Backups are always expected, and copies where a place for them is set.
    pub fn limit(&self, verb: &str, is_planned: bool) -> Option<SignedDuration> {
        match self.of(verb) {
            Some(Every::Never) => None,
            Some(Every::Rhythm(rhythm)) => Some(rhythm.limit),
            None if verb == COPY && !self.has_offsite => None,
            None if is_planned || matches!(verb, "backup" | COPY) => {
                Some(Task::of(verb)?.period?.limit())
            }
            None => None,
        }
    }

    /// The tasks that are done, and when each is begun.
    pub fn tasks(&self) -> Vec<(&'static Task, When)> {
        let is_wanted = |task: &&Task| match task.verb {
            STATUS => self.status_file.is_some() || self.metrics.is_some(),
            COPY => self.has_offsite,
            _ => true,
        };
        let when = |task: &'static Task| {
            let usual = task.period.map(|period| Every::Rhythm(Rhythm::of(period)));
            match self.of(task.verb).or(usual)? {
                Every::Never => None,
                Every::Rhythm(rhythm) => Some((task, task.when(&rhythm))),
            }
        };
        TASKS.iter().filter(is_wanted).filter_map(when).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn written(text: &str) -> Vec<String> {
        let schedule: Schedule = toml::from_str(text).unwrap();
        let line = |(task, when): &(&Task, When)| format!("{} {}", task.verb, when.calendar());
        schedule.tasks().iter().map(line).collect()
    }

    #[test]
    fn settings_change_how_often_and_when() {
        assert_eq!(
            written(""),
            [
                "backup *-*-* 02:15",
                "check Sat *-*-* 06:45",
                "verify Sun *-*-* 09:45",
                "drill Sun *-*-* 12:45",
                "expire Sat *-*-* 20:45"
            ]
        );
        assert_eq!(
            written(
                "backup = { every = \"daily\", at = \"23:00\" }\ncheck = \"never\"
                 verify = \"30 days\"\ndrill = \"never\"\nexpire = \"never\"\nmetrics = \"/x.prom\"\nprune = \"weekly\""
            ),
            [
                "backup *-*-* 23:00",
                "verify Sun *-*-* 09:45",
                "prune Sat *-*-* 15:45",
                "status *-*-* *:35"
            ]
        );
    }

    #[test]
    fn copies_are_made_where_there_is_a_place_for_them() {
        let mut schedule: Schedule = toml::from_str("backup = \"never\"").unwrap();
        let has_copy = |schedule: &Schedule| {
            let mut tasks = schedule.tasks().into_iter();
            tasks.any(|(task, _)| task.verb == COPY)
        };
        assert!(!has_copy(&schedule));
        schedule.has_offsite = true;
        assert!(has_copy(&schedule));
        schedule.copy = Some(Every::Never);
        assert!(!has_copy(&schedule));
    }

    #[test]
    fn no_two_tasks_begin_at_the_same_time() {
        for period in [Period::Daily, Period::Weekly, Period::Monthly] {
            let times: BTreeSet<String> = TASKS
                .iter()
                .map(|task| task.when(&Rhythm::of(period)).calendar())
                .collect();
            assert_eq!(times.len(), TASKS.len());
        }
        let minutes: BTreeSet<i8> = TASKS.iter().map(|task| task.time.1).collect();
        assert!(minutes.len() > 1);
    }

    #[test]
    fn mistakes_are_named_with_line_and_field() {
        for (text, says) in [
            ("backup = \"daily\"\nbackups = \"daily\"", "backups"),
            ("backup = \"daily\"\ncheck = \"dayly\"", "line 2"),
            ("backup = \"daily\"\ncheck = 7", "line 2"),
        ] {
            let error = toml::from_str::<Schedule>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
