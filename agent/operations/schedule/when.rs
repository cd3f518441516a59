// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The moments at which a task is begun: as a cron line and as a timer of systemd's say it, both
//! ways, and when the next one is.

use super::every::WEEKDAYS;
use jiff::civil::Weekday;
use jiff::{Span, ZonedDateTime};

/// The moments, in the host's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// The minute.
    pub minute: i8,
    /// The hour; every hour without one.
    pub hour: Option<i8>,
    /// On which days.
    pub day: Day,
}

/// The days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Every day.
    Every,
    /// This day of the week.
    OfWeek(Weekday),
    /// This day of the month, 1 to 28.
    OfMonth(i8),
}

impl When {
    /// The first five fields of a cron line.
    pub fn cron(&self) -> String {
        let hour = self.hour.map_or("*".to_owned(), |hour| hour.to_string());
        let (of_month, of_week) = match self.day {
            Day::Every => ("*".to_owned(), "*".to_owned()),
            Day::OfWeek(day) => ("*".to_owned(), day.to_sunday_zero_offset().to_string()),
            Day::OfMonth(day) => (day.to_string(), "*".to_owned()),
        };
        format!("{} {hour} {of_month} * {of_week}", self.minute)
    }

    /// Reads the first five fields of a cron line, as far as this program writes such.
    pub fn from_cron(fields: &[&str; 5]) -> Option<Self> {
        let [minute, hour, of_month, "*", of_week] = *fields else {
            return None;
        };
        let day = match (of_month, of_week) {
            ("*", "*") => Day::Every,
            ("*", day) => Day::OfWeek(Weekday::from_sunday_zero_offset(number(day, 0..=6)?).ok()?),
            (day, "*") => Day::OfMonth(number(day, 1..=28)?),
            _ => return None,
        };
        Some(Self {
            minute: number(minute, 0..=59)?,
            hour: hour_of(hour)?,
            day,
        })
    }

    /// As systemd's `OnCalendar` takes it.
    pub fn calendar(&self) -> String {
        let (week, month) = match self.day {
            Day::Every => (String::new(), "*".to_owned()),
            Day::OfWeek(day) => (short(day) + " ", "*".to_owned()),
            Day::OfMonth(day) => (String::new(), format!("{day:02}")),
        };
        let hour = self
            .hour
            .map_or("*".to_owned(), |hour| format!("{hour:02}"));
        format!("{week}*-*-{month} {hour}:{:02}", self.minute)
    }

    /// Reads what [`When::calendar`] writes.
    pub fn from_calendar(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (week, date, time) = match words[..] {
            [date, time] => (None, date, time),
            [week, date, time] => (Some(week), date, time),
            _ => return None,
        };
        let day = match (week, date.strip_prefix("*-*-")?) {
            (None, "*") => Day::Every,
            (None, day) => Day::OfMonth(number(day, 1..=28)?),
            (Some(week), "*") => {
                let found = WEEKDAYS.iter().find(|(_, day)| short(*day) == week);
                Day::OfWeek(found?.1)
            }
            _ => return None,
        };
        let (hour, minute) = time.split_once(':')?;
        Some(Self {
            minute: number(minute, 0..=59)?,
            hour: hour_of(hour)?,
            day,
        })
    }

    /// The first such moment after `now`, in its time zone.
    pub fn next(&self, now: &ZonedDateTime) -> Option<ZonedDateTime> {
        // A month and a day hold at least one of each.
        (0..=32).find_map(|days| {
            let date = now.date().checked_add(Span::new().days(days)).ok()?;
            let fits = match self.day {
                Day::Every => true,
                Day::OfWeek(day) => date.weekday() == day,
                Day::OfMonth(day) => date.day() == day,
            };
            let hours = match self.hour {
                Some(hour) => hour..=hour,
                None => 0..=23,
            };
            let moment = |hour| {
                let time = date.at(hour, self.minute, 0, 0);
                time.to_zoned_datetime(now.time_zone().clone()).ok()
            };
            hours
                .filter(|_| fits)
                .filter_map(moment)
                .find(|moment| moment > now)
        })
    }
}

/// A day of the week as systemd writes it: `Sun`.
fn short(day: Weekday) -> String {
    let found = WEEKDAYS.iter().find(|(_, other)| *other == day);
    let mut text = found.map_or(String::new(), |(name, _)| name[..3].to_owned());
    text[..1].make_ascii_uppercase();
    text
}

fn hour_of(text: &str) -> Option<Option<i8>> {
    match text {
        "*" => Some(None),
        _ => number(text, 0..=23).map(Some),
    }
}

fn number(text: &str, allowed: std::ops::RangeInclusive<i8>) -> Option<i8> {
    let number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(text);
    number?
        .parse()
        .ok()
        .filter(|number| allowed.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_when() -> impl Strategy<Value = When> {
        let day = prop_oneof![
            Just(Day::Every),
            (0..7_usize).prop_map(|at| Day::OfWeek(WEEKDAYS[at].1)),
            (1..=28_i8).prop_map(Day::OfMonth),
        ];
        (0..60_i8, prop::option::of(0..24_i8), day).prop_map(|(minute, hour, day)| When {
            minute,
            hour,
            day,
        })
    }

    #[test]
    fn moments_are_written_as_cron_and_systemd_write_them() {
        let nightly = When {
            minute: 15,
            hour: Some(2),
            day: Day::Every,
        };
        assert_eq!(nightly.cron(), "15 2 * * *");
        assert_eq!(nightly.calendar(), "*-*-* 02:15");
        let sunday = When {
            day: Day::OfWeek(Weekday::Sunday),
            ..nightly
        };
        assert_eq!(sunday.cron(), "15 2 * * 0");
        assert_eq!(sunday.calendar(), "Sun *-*-* 02:15");
        let hourly = When {
            hour: None,
            ..nightly
        };
        assert_eq!(hourly.cron(), "15 * * * *");
        assert_eq!(hourly.calendar(), "*-*-* *:15");
        let monthly = When {
            day: Day::OfMonth(8),
            ..nightly
        };
        assert_eq!(monthly.cron(), "15 2 8 * *");
        assert_eq!(monthly.calendar(), "*-*-08 02:15");
    }

    #[test]
    fn the_next_moment_follows_the_hosts_clock() {
        let now: ZonedDateTime = "2026-03-28T12:00[Europe/Berlin]".parse().unwrap();
        let next = |when: When| when.next(&now).unwrap().to_string();
        let at = |minute, hour, day| When { minute, hour, day };
        let sunday = Day::OfWeek(Weekday::Sunday);
        assert!(next(at(30, None, Day::Every)).starts_with("2026-03-28T12:30:00"));
        assert!(next(at(0, Some(12), Day::Every)).starts_with("2026-03-29T12:00:00+02:00"));
        // That night the clock is put forward, and 02:15 is not there.
        assert!(next(at(15, Some(2), sunday)).starts_with("2026-03-29T03:15:00"));
        assert!(next(at(0, Some(12), Day::OfMonth(28))).starts_with("2026-04-28T12:00:00"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_what_is_read(when in any_when()) {
            let cron = when.cron();
            let fields: Vec<&str> = cron.split(' ').collect();
            let fields: &[&str; 5] = fields[..].try_into().unwrap();
            prop_assert_eq!(When::from_cron(fields), Some(when));
            prop_assert_eq!(When::from_calendar(&when.calendar()), Some(when));
        }

        #[test]
        fn there_is_always_a_next_one_and_it_lies_ahead(when in any_when(), seconds in 0..4_000_000_000_i64) {
            let now = jiff::Timestamp::from_second(seconds).unwrap().to_zoned_datetime(jiff::tz::TimeZone::UTC);
            let next = when.next(&now).unwrap();
            prop_assert!(next > now);
            prop_assert_eq!(next.minute(), when.minute);
        }

        #[test]
        fn other_text_is_no_moment_and_no_failure(text in ".*", fields in prop::array::uniform5("[0-9*/,-]{0,4}")) {
            let _ = When::from_calendar(&text);
            let [a, b, c, d, e] = &fields;
            let _ = When::from_cron(&[a, b, c, d, e]);
        }
    }
}
