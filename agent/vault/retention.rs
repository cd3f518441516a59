// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which snapshots stay, and why: a list of snapshots in, marks with reasons out. Nothing is read
//! or removed here. The rules are those of restic's `forget`, for each mode by itself: a gold
//! snapshot never stands in for a full one. Hours, days, weeks (which begin on Monday), months and
//! years are those of UTC, so that no change of clocks or of the host moves a snapshot.

use super::{Mode, SnapshotId};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What of one mode is kept. A snapshot stays when any of the rules keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// So many of the newest.
    pub keep_last: u32,
    /// The newest of each of so many hours that have one, and so on.
    pub keep_hourly: u32,
    /// Days.
    pub keep_daily: u32,
    /// Weeks.
    pub keep_weekly: u32,
    /// Months.
    pub keep_monthly: u32,
    /// Years.
    pub keep_yearly: u32,
    /// All that are not older than the newest by more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within: Option<Age>,
    /// All that have one of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep_tags: Vec<String>,
}

/// The policy of each mode. Of a mode without one everything stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For full snapshots.
    pub full: Option<Policy>,
    /// For snapshots of gold.
    pub gold: Option<Policy>,
}

/// A length of time as people write it: `30d`, `2m`, `1y6m`, `12h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    years: u16,
    months: u16,
    days: u16,
    hours: u16,
}

/// What decides about a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its id. Ids are in the order in which snapshots were made.
    pub id: SnapshotId,
    /// Its mode.
    pub mode: Mode,
    /// The moment that it shows.
    pub time: Timestamp,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Whether a snapshot stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its mode.
    pub mode: Mode,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it stays.
    pub keep: bool,
    /// Why it stays, or goes.
    pub reasons: Vec<Reason>,
}

/// Why a snapshot stays, or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its mode has no policy.
    NoPolicy(Mode),
    /// The newest of a mode never goes.
    Newest(Mode),
    /// It is one of the last.
    Last,
    /// It is the newest of an hour, a day, …: of which one.
    Period(Unit, String),
    /// There are fewer hours, days, … than are to be kept, and it is the oldest.
    Oldest(Unit),
    /// It is not older than this.
    Within(Age),
    /// It has this tag.
    Tag(String),
    /// Without it too few would stay that are known to be whole.
    Whole,
    /// Of its mode too few are known to be whole for any to go.
    FewWhole,
    /// It goes: no rule keeps it.
    NoRule,
    /// It goes: this one is the same with other packs.
    Replaced(SnapshotId),
}

/// A kind of period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An hour.
    Hourly,
    /// A day.
    Daily,
    /// A week, by ISO 8601.
    Weekly,
    /// A month.
    Monthly,
    /// A year.
    Yearly,
}

/// Marks snapshots; they come back oldest first.
pub fn mark(snapshots: &[Item], policies: &Policies) -> Vec<Mark> {
    let mut marks = Vec::with_capacity(snapshots.len());
    for mode in [Mode::Full, Mode::Gold] {
        let mut items: Vec<&Item> = snapshots.iter().filter(|item| item.mode == mode).collect();
        items.sort_by(|a, b| b.id.cmp(&a.id));
        let reasons = match policies.of(mode) {
            Some(policy) => policy.reasons(&items),
            None => vec![vec![Reason::NoPolicy(mode)]; items.len()],
        };
        for (item, reasons) in items.into_iter().zip(reasons) {
            let keep = !reasons.is_empty();
            marks.push(Mark {
                snapshot: item.id.clone(),
                mode,
                tags: item.tags.clone(),
                keep,
                reasons: if keep { reasons } else { vec![Reason::NoRule] },
            });
        }
    }
    marks.sort_by(|a, b| a.snapshot.cmp(&b.snapshot));
    marks
}

/// Keeps more, so that of each mode at least so many stay that are known to be whole. Where there
/// are not so many, nothing of that mode goes.
pub fn keep_whole(marks: &mut [Mark], minimum: u32, whole: impl Fn(&SnapshotId) -> bool) {
    for mode in [Mode::Full, Mode::Gold] {
        let of_mode = |mark: &&mut Mark| mark.mode == mode;
        let good = |mark: &Mark| mark.keep && whole(&mark.snapshot);
        let mut left = marks.iter().filter(|mark| mark.mode == mode && good(mark));
        let mut lacking = (minimum as usize).saturating_sub(left.by_ref().count());
        for mark in marks.iter_mut().rev().filter(of_mode) {
            if lacking > 0 && !mark.keep && whole(&mark.snapshot) {
                (mark.keep, mark.reasons) = (true, vec![Reason::Whole]);
                lacking -= 1;
            }
        }
        for mark in marks.iter_mut().filter(of_mode) {
            if lacking > 0 && !mark.keep {
                (mark.keep, mark.reasons) = (true, vec![Reason::FewWhole]);
            }
        }
    }
}

/// Whether a text can be a tag: one word that needs no quotes anywhere.
pub fn is_tag(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-:@+/".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(good)
}

impl Policies {
    /// The policy of a mode.
    pub fn of(&self, mode: Mode) -> Option<&Policy> {
        match mode {
            Mode::Full => self.full.as_ref(),
            Mode::Gold => self.gold.as_ref(),
        }
    }
}

impl Policy {
    /// Why each of some snapshots, newest first, stays.
    fn reasons(&self, items: &[&Item]) -> Vec<Vec<Reason>> {
        let mut reasons = vec![Vec::new(); items.len()];
        let Some(newest) = items.first() else {
            return reasons;
        };
        reasons[0].push(Reason::Newest(newest.mode));
        for reasons in reasons.iter_mut().take(self.keep_last as usize) {
            reasons.push(Reason::Last);
        }
        let oldest = items.len() - 1;
        for (unit, count) in self.periods() {
            let mut left = count;
            let mut last = None;
            for (at, item) in items.iter().enumerate() {
                if left == 0 {
                    break;
                }
                let period = unit.of(item.time);
                if last.as_ref() != Some(&period) {
                    reasons[at].push(Reason::Period(unit, period.clone()));
                    last = Some(period);
                    left -= 1;
                } else if at == oldest {
                    reasons[at].push(Reason::Oldest(unit));
                }
            }
        }
        let begin = self.keep_within.map(|age| (age, age.before(newest.time)));
        for (item, reasons) in items.iter().zip(&mut reasons) {
            if let Some((age, begin)) = begin
                && item.time >= begin
            {
                reasons.push(Reason::Within(age));
            }
            let tags = item.tags.iter().filter(|tag| self.keep_tags.contains(tag));
            reasons.extend(tags.cloned().map(Reason::Tag));
        }
        reasons
    }

    fn periods(&self) -> [(Unit, u32); 5] {
        [
            (Unit::Hourly, self.keep_hourly),
            (Unit::Daily, self.keep_daily),
            (Unit::Weekly, self.keep_weekly),
            (Unit::Monthly, self.keep_monthly),
            (Unit::Yearly, self.keep_yearly),
        ]
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("it keeps nothing: name at least one of keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, keep_within, keep_tags".into());
        }
        match self.keep_tags.iter().find(|tag| !is_tag(tag)) {
            None => Ok(()),
            Some(tag) => Err(format!(
                "'{tag}' is no tag: one word of letters, digits and ._-:@+/, at most 64"
            )),
        }
    }
}

impl Unit {
    fn of(self, time: Timestamp) -> String {
        let time = TimeZone::UTC.to_datetime(time);
        let text = match self {
            Self::Hourly => "%Y-%m-%dT%H",
            Self::Daily => "%Y-%m-%d",
            Self::Weekly => "%G-W%V",
            Self::Monthly => "%Y-%m",
            Self::Yearly => "%Y",
        };
        time.strftime(text).to_string()
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

impl Age {
    /// The moment so long before another one, by UTC's calendar.
    pub fn before(self, time: Timestamp) -> Timestamp {
        let span = Span::new()
            .years(self.years)
            .months(self.months)
            .days(self.days)
            .hours(self.hours);
        let begin = TimeZone::UTC.to_datetime(time).checked_sub(span);
        // What is longer than the calendar reaches back to its beginning.
        TimeZone::UTC
            .to_timestamp(begin.unwrap_or(DateTime::MIN))
            .unwrap_or(Timestamp::MIN)
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is no length of time; write it as 30d, 8w, 2m, 1y or 1y6m (h, d, w, m, y)"
            )
        };
        let mut age = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u16 = rest[..digits].parse().map_err(|_| wrong())?;
            let (field, factor) = match rest.as_bytes().get(digits) {
                Some(b'y') => (&mut age.years, 1),
                Some(b'm') => (&mut age.months, 1),
                Some(b'w') => (&mut age.days, 7),
                Some(b'd') => (&mut age.days, 1),
                Some(b'h') => (&mut age.hours, 1),
                _ => return Err(wrong()),
            };
            let number = number.checked_mul(factor).filter(|number| *number <= 9999);
            let sum = number.and_then(|number| field.checked_add(number));
            *field = sum.filter(|sum| *sum <= 9999).ok_or_else(wrong)?;
            rest = &rest[digits + 1..];
        }
        if text.is_empty() {
            return Err(wrong());
        }
        Ok(age)
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.years, 'y'),
            (self.months, 'm'),
            (self.days, 'd'),
            (self.hours, 'h'),
        ];
        if *self == Self::default() {
            return f.write_str("0d");
        }
        for (number, unit) in parts.iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

impl Serialize for Age {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPolicy(mode) => write!(f, "no policy for {mode}"),
            Self::Newest(mode) => write!(f, "newest {mode}"),
            Self::Last => f.write_str("last"),
            Self::Period(unit, period) => write!(f, "{} {period}", unit.as_str()),
            Self::Oldest(unit) => write!(f, "oldest {}", unit.as_str()),
            Self::Within(age) => write!(f, "within {age}"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Whole => f.write_str("too few others are whole"),
            Self::FewWhole => f.write_str("too few are whole for any to go"),
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::Replaced(id) => write!(f, "replaced by {id}"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
