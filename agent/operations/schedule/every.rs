// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The words of `[schedule]`: how often something is done, and after how long it is late.

use jiff::SignedDuration;
use jiff::civil::Weekday;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// How often something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Not at all: nothing wakes it, and nobody misses it.
    Never,
    /// Again and again.
    Rhythm(Rhythm),
}

/// Again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How often it is begun.
    pub period: Period,
    /// At which time of day, hour and minute; a usual one when it is not set.
    pub at: Option<(i8, i8)>,
    /// On which day of the week; a usual one when it is not set.
    pub on: Option<Weekday>,
    /// The last good run may be so old.
    pub limit: SignedDuration,
}

/// How often something is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
    /// Every month.
    Monthly,
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What is expected where the words make no sense.
const EXPECTED: &str = "expected \"never\", \"hourly\", \"daily\", \"weekly\", \"monthly\", or a limit such as \"26 hours\" or \"10 days\"";

impl Period {
    /// Word, period, its seconds, and after how many something of it is late: later than the next
    /// time, so that a run which takes its time is not missed.
    const ALL: [(&str, Self, i64, i64); 4] = [
        ("hourly", Self::Hourly, HOUR, 75 * 60),
        ("daily", Self::Daily, DAY, 30 * HOUR),
        ("weekly", Self::Weekly, 7 * DAY, 9 * DAY),
        ("monthly", Self::Monthly, 31 * DAY, 35 * DAY),
    ];

    /// After how long something of this period is late.
    pub fn limit(self) -> SignedDuration {
        let found = Self::ALL.iter().find(|(_, period, ..)| *period == self);
        let (.., seconds) = found.unwrap_or(&Self::ALL[0]);
        SignedDuration::from_secs(*seconds)
    }

    /// The longest period that keeps within a limit; an hour where none does.
    fn within(limit: SignedDuration) -> Self {
        let fits = |(_, _, seconds, _): &&(&str, Self, i64, i64)| *seconds <= limit.as_secs();
        let found = Self::ALL.iter().rev().find(fits);
        found.map_or(Self::Hourly, |(_, period, ..)| *period)
    }
}

impl Rhythm {
    /// Once in a period, at the usual time.
    pub fn of(period: Period) -> Self {
        Self {
            period,
            at: None,
            on: None,
            limit: period.limit(),
        }
    }
}

impl Every {
    /// Reads `never`, a period or a limit.
    ///
    /// # Errors
    /// With what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Some((_, period, ..)) = Period::ALL.iter().find(|(word, ..)| *word == text) {
            return Ok(Self::Rhythm(Rhythm::of(*period)));
        }
        let limit = duration(text).ok_or_else(|| format!("'{text}': {EXPECTED}"))?;
        Ok(Self::Rhythm(Rhythm {
            limit,
            ..Rhythm::of(Period::within(limit))
        }))
    }
}

/// A number and a unit: `26 hours`, `10 days`.
fn duration(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_once(' ')?;
    let number: i64 = number
        .parse()
        .ok()
        .filter(|number| (1..=10_000).contains(number))?;
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "minute" => 60,
        "hour" => HOUR,
        "day" => DAY,
        "week" => 7 * DAY,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number * seconds))
}

/// A time of day, as `02:15`.
fn time_of_day(text: &str) -> Result<(i8, i8), String> {
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    text.split_once(':')
        .and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)))
        .filter(|(hour, minute)| (0..24).contains(hour) && (0..60).contains(minute))
        .ok_or_else(|| format!("at = '{text}': expected a time of day such as \"02:15\""))
}

/// The days of the week, as they are written; systemd knows the first three letters.
pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

fn weekday(text: &str) -> Result<Weekday, String> {
    let found = WEEKDAYS.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, day)| *day)
        .ok_or_else(|| format!("on = '{text}': expected a day of the week such as \"sunday\""))
}

/// The long form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Long {
    every: String,
    at: Option<String>,
    on: Option<String>,
    late: Option<String>,
}

impl TryFrom<Long> for Every {
    type Error = String;

    fn try_from(long: Long) -> Result<Self, String> {
        let at = long.at.as_deref().map(time_of_day).transpose()?;
        let on = long.on.as_deref().map(weekday).transpose()?;
        let late = long.late.as_deref();
        let limit = late
            .map(|text| {
                duration(text).ok_or_else(|| {
                    format!("late = '{text}': expected a number and a unit such as \"26 hours\"")
                })
            })
            .transpose()?;
        let Self::Rhythm(rhythm) = Self::parse(&long.every)? else {
            return Ok(Self::Never);
        };
        if on.is_some() && rhythm.period != Period::Weekly {
            return Err("'on' goes with every = \"weekly\"".to_owned());
        }
        Ok(Self::Rhythm(Rhythm {
            at,
            on,
            limit: limit.unwrap_or(rhythm.limit),
            ..rhythm
        }))
    }
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Every;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "words such as \"daily\" or \"26 hours\", or { every = \"daily\", at = \"02:15\" }",
        )
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Every, E> {
        Every::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Every, A::Error> {
        let long = Long::deserialize(MapAccessDeserializer::new(map))?;
        Every::try_from(long).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

/// A span of time for people: `26 hours`, `9 days 3 hours`.
pub fn in_words(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let words = |number: i64, unit: &str| {
        let s = if number == 1 { "" } else { "s" };
        format!("{number} {unit}{s}")
    };
    match seconds {
        0..120 => words(seconds, "second"),
        120..7200 => words(seconds / 60, "minute"),
        7200..172_800 => words(seconds / HOUR, "hour"),
        _ => match seconds % DAY / HOUR {
            0 => words(seconds / DAY, "day"),
            hours => format!("{} {}", words(seconds / DAY, "day"), words(hours, "hour")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rhythm(text: &str) -> Rhythm {
        match Every::parse(text).unwrap() {
            Every::Rhythm(rhythm) => rhythm,
            Every::Never => panic!("never"),
        }
    }

    #[test]
    fn a_period_says_when_it_is_late_and_a_limit_says_how_often_it_is_done() {
        for (text, period, hours) in [
            ("hourly", Period::Hourly, 1),
            ("daily", Period::Daily, 30),
            ("weekly", Period::Weekly, 216),
            ("monthly", Period::Monthly, 840),
            ("26 hours", Period::Daily, 26),
            ("1 day", Period::Daily, 24),
            ("23 hours", Period::Hourly, 23),
            ("10 days", Period::Weekly, 240),
            ("30 minutes", Period::Hourly, 0),
            ("8 weeks", Period::Monthly, 8 * 168),
        ] {
            let rhythm = rhythm(text);
            assert_eq!(rhythm.period, period, "{text}");
            assert_eq!(rhythm.limit.as_hours(), hours, "{text}");
        }
        assert_eq!(Every::parse("never"), Ok(Every::Never));
    }

    #[test]
    fn other_words_are_refused_with_what_is_expected() {
        for text in [
            "",
            "sometimes",
            "26",
            "26h",
            "0 hours",
            "-1 days",
            "99999 days",
            "2  days",
        ] {
            let error = Every::parse(text).unwrap_err();
            assert!(error.contains("\"26 hours\""), "{text}: {error}");
        }
    }

    #[test]
    fn the_long_form_says_day_and_time_too() {
        let read = |text: &str| toml::from_str::<std::collections::BTreeMap<String, Every>>(text);
        let long =
            "x = { every = \"weekly\", on = \"sunday\", at = \"03:30\", late = \"10 days\" }";
        let expected = Rhythm {
            period: Period::Weekly,
            at: Some((3, 30)),
            on: Some(Weekday::Sunday),
            limit: SignedDuration::from_hours(240),
        };
        assert_eq!(read(long).unwrap()["x"], Every::Rhythm(expected));
        for (text, says) in [
            (
                "x = { every = \"daily\", on = \"sunday\" }",
                "'on' goes with",
            ),
            ("x = { every = \"daily\", at = \"24:00\" }", "\"02:15\""),
            ("x = { every = \"daily\", at = \"2:15\" }", "\"02:15\""),
            ("x = { every = \"weekly\", on = \"sun\" }", "\"sunday\""),
            (
                "x = { every = \"daily\", late = \"soon\" }",
                "late = 'soon'",
            ),
            ("x = { every = \"daily\", when = \"soon\" }", "when"),
            ("x = { at = \"02:15\" }", "every"),
            ("\nx = 3", "line 2"),
            ("\n\nx = \"dayly\"", "line 3"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn spans_are_told_in_words() {
        let words = |seconds| in_words(SignedDuration::from_secs(seconds));
        assert_eq!(words(1), "1 second");
        assert_eq!(words(119), "119 seconds");
        assert_eq!(words(26 * 3600 + 59), "26 hours");
        assert_eq!(words(9 * DAY), "9 days");
        assert_eq!(words(9 * DAY + 3 * HOUR + 59), "9 days 3 hours");
        assert_eq!(words(-5), "0 seconds");
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_there_makes_it_fall_over(text in ".*") {
            let _ = Every::parse(&text);
            let _ = time_of_day(&text);
            let _ = weekday(&text);
        }
    }
}
