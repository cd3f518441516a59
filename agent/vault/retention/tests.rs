// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Snapshots at these times, of these modes, with these tags: `2026-11-24T06:15 gold release`.
fn items(lines: &str) -> Vec<Item> {
    let item = |line: &str| {
        let mut words = line.split_whitespace();
        let time = format!("{}:00Z", words.next()?);
        let mode = match words.next()? {
            "gold" => Mode::Gold,
            _ => Mode::Full,
        };
        Some(at(
            time.parse().unwrap(),
            mode,
            words.map(str::to_owned).collect(),
        ))
    };
    lines.lines().filter_map(item).collect()
}

fn at(time: Timestamp, mode: Mode, tags: Vec<String>) -> Item {
    let id = format!("{}-{:08x}", time.strftime("%Y%m%dT%H%M%SZ"), mode as u32);
    Item {
        id: id.parse().unwrap(),
        mode,
        time,
        tags,
    }
}

fn full(change: impl FnOnce(&mut Policy)) -> Policies {
    let mut policy = Policy::default();
    change(&mut policy);
    Policies {
        full: Some(policy),
        gold: None,
    }
}

fn shown(marks: &[Mark]) -> String {
    let mut text = String::new();
    for mark in marks {
        let reasons: Vec<String> = mark.reasons.iter().map(Reason::to_string).collect();
        let keep = if mark.keep { "stays" } else { "goes " };
        let id = &mark.snapshot.as_str()[..13];
        writeln!(text, "{id} {} {keep} {}", mark.mode, reasons.join(", ")).unwrap();
    }
    text
}

/// Some weeks of an instance: several a day, gaps, the turn of a year.
const SOME: &str = "
    2024-12-29T23:10 full
    2024-12-31T22:00 full
    2025-01-01T00:30 full release-1
    2025-11-30T02:15 full
    2025-12-01T02:15 full
    2025-12-28T02:15 full
    2025-12-29T02:15 gold
    2026-01-04T23:59 full
    2026-01-05T00:00 full
    2026-01-06T02:15 full
    2026-01-06T14:05 full
    2026-01-06T14:55 full";

#[test]
fn the_last_ones() {
    insta::assert_snapshot!(shown(&mark(
        &items(SOME),
        &full(|policy| policy.keep_last = 3)
    )));
}

#[test]
fn the_newest_of_each_hour_and_day() {
    let policies = full(|policy| (policy.keep_hourly, policy.keep_daily) = (2, 4));
    insta::assert_snapshot!(shown(&mark(&items(SOME), &policies)));
}

#[test]
fn weeks_begin_on_monday_and_years_in_utc() {
    let policies = full(|policy| (policy.keep_weekly, policy.keep_yearly) = (4, 2));
    insta::assert_snapshot!(shown(&mark(&items(SOME), &policies)));
}

#[test]
fn the_oldest_stays_while_there_are_too_few_periods() {
    let policies = full(|policy| (policy.keep_monthly, policy.keep_yearly) = (3, 5));
    insta::assert_snapshot!(shown(&mark(&items(SOME), &policies)));
}

#[test]
fn by_age_and_by_tag() {
    let policies = full(|policy| {
        policy.keep_within = Some("1m".parse().unwrap());
        policy.keep_tags = vec!["release-1".into()];
    });
    insta::assert_snapshot!(shown(&mark(&items(SOME), &policies)));
}

#[test]
fn a_tag_that_none_has_leaves_only_the_newest() {
    let policies = full(|policy| policy.keep_tags = vec!["nothing".into()]);
    insta::assert_snapshot!(shown(&mark(&items(SOME), &policies)));
}

#[test]
fn each_mode_has_its_own_policy() {
    let lines = "
        2026-01-01T01:00 full
        2026-01-01T02:00 gold
        2026-01-02T01:00 full
        2026-01-02T02:00 gold
        2026-01-02T03:00 gold";
    let policies = Policies {
        full: Some(Policy {
            keep_last: 1,
            ..Policy::default()
        }),
        gold: Some(Policy {
            keep_daily: 7,
            ..Policy::default()
        }),
    };
    insta::assert_snapshot!(shown(&mark(&items(lines), &policies)));
}

#[test]
fn a_clock_that_was_wrong_once_costs_no_snapshot() {
    // Ids stay in order after the clock was in the year 2030; the times are what the clock said.
    let mut items = items(
        "
        2026-01-01T01:00 full
        2030-01-01T01:00 full",
    );
    let mut late = at("2026-01-02T01:00:00Z".parse().unwrap(), Mode::Full, vec![]);
    late.id = "20300101T010001Z-00000000".parse().unwrap();
    items.push(late);
    let policies = full(|policy| policy.keep_within = Some("7d".parse().unwrap()));
    insta::assert_snapshot!(shown(&mark(&items, &policies)));
}

#[test]
fn whole_ones_stay_when_those_that_would_stay_are_not() {
    let all = items(SOME);
    let policies = full(|policy| policy.keep_last = 2);
    let marked = |minimum, whole: &[&str]| {
        let mut marks = mark(&all, &policies);
        keep_whole(&mut marks, minimum, |id| {
            whole.iter().any(|start| id.as_str().starts_with(start))
        });
        marks.retain(|mark| mark.mode == Mode::Full);
        shown(&marks)
    };
    // One that stays anyhow is whole.
    let usual = marked(1, &["20260106T145500Z"]);
    assert_eq!(usual, marked(0, &[]));
    insta::assert_snapshot!(marked(2, &["20260106T145500Z", "20251130", "20251201"]));
    // Where too few are whole, none goes.
    assert!(!marked(2, &["20260106T145500Z"]).contains("goes"));
    assert!(!marked(1, &["20251229"]).contains("goes"), "gold is none");
}

#[test]
fn ages_are_read_as_they_are_written() {
    for (text, shown) in [
        ("30d", "30d"),
        ("8w", "56d"),
        ("1y6m", "1y6m"),
        ("12h", "12h"),
        ("0d", "0d"),
    ] {
        assert_eq!(text.parse::<Age>().unwrap().to_string(), shown);
    }
    for wrong in [
        "", "30", "d", "-1d", "1.5d", "30 d", "1s", "99999d", "9999w", "30D", "１d",
    ] {
        assert!(wrong.parse::<Age>().is_err(), "{wrong}");
    }
    let month: Age = "1m".parse().unwrap();
    let end = month.before("2026-03-31T10:00:00Z".parse().unwrap());
    assert_eq!(end.to_string(), "2026-02-28T10:00:00Z");
    let long: Age = "9999y".parse().unwrap();
    assert!(long.before(Timestamp::UNIX_EPOCH) < Timestamp::UNIX_EPOCH);
}

#[test]
fn tags_are_words() {
    assert!(is_tag("release-4.7.1") && is_tag("a/b:c@d"));
    let long = "x".repeat(65);
    for wrong in ["", "two words", "a,b", "ü", "a\n", "'", long.as_str()] {
        assert!(!is_tag(wrong), "{wrong}");
    }
}

fn some_items() -> impl Strategy<Value = Vec<Item>> {
    let one = (0..3_000_u32, any::<bool>(), any::<bool>());
    prop::collection::vec(one, 0..40).prop_map(|rows| {
        let mut seen = BTreeSet::new();
        let rows = rows.into_iter().filter(|(hours, _, _)| seen.insert(*hours));
        rows.map(|(hours, gold, tagged)| {
            let time = 1_795_500_000 + i64::from(hours) * 3_000;
            let mode = if gold { Mode::Gold } else { Mode::Full };
            let tags = if tagged { vec!["t".to_owned()] } else { vec![] };
            at(Timestamp::from_second(time).unwrap(), mode, tags)
        })
        .collect()
    })
}

fn some_policy() -> impl Strategy<Value = Policy> {
    let counts = prop::array::uniform6(0..5_u32);
    let within = prop::option::of((0..60_u16).prop_map(|days| format!("{days}d").parse().unwrap()));
    (counts, within, any::<bool>()).prop_map(|(counts, keep_within, tag)| {
        let [
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
        ] = counts;
        Policy {
            keep_last,
            keep_hourly,
            keep_daily,
            keep_weekly,
            keep_monthly,
            keep_yearly,
            keep_within,
            keep_tags: if tag { vec!["t".into()] } else { vec![] },
        }
    })
}

fn kept(items: &[Item], policies: &Policies) -> BTreeSet<SnapshotId> {
    let marks = mark(items, policies).into_iter();
    marks
        .filter(|mark| mark.keep)
        .map(|mark| mark.snapshot)
        .collect()
}

proptest! {
    #[test]
    fn the_newest_of_a_mode_never_goes(items in some_items(), policy in some_policy()) {
        let policies = Policies { full: Some(policy.clone()), gold: Some(policy) };
        let kept = kept(&items, &policies);
        for mode in [Mode::Full, Mode::Gold] {
            let newest = items.iter().filter(|item| item.mode == mode).map(|item| &item.id).max();
            prop_assert!(newest.is_none_or(|id| kept.contains(id)));
        }
    }

    #[test]
    fn more_to_keep_never_drops_more(
        items in some_items(), policy in some_policy(), more in some_policy(),
    ) {
        let sum = Policy {
            keep_last: policy.keep_last + more.keep_last,
            keep_hourly: policy.keep_hourly + more.keep_hourly,
            keep_daily: policy.keep_daily + more.keep_daily,
            keep_weekly: policy.keep_weekly + more.keep_weekly,
            keep_monthly: policy.keep_monthly + more.keep_monthly,
            keep_yearly: policy.keep_yearly + more.keep_yearly,
            keep_within: policy.keep_within.or(more.keep_within),
            keep_tags: [policy.keep_tags.clone(), more.keep_tags].concat(),
        };
        let less = kept(&items, &Policies { full: Some(policy), gold: None });
        let more = kept(&items, &Policies { full: Some(sum), gold: None });
        prop_assert!(less.is_subset(&more));
    }

    #[test]
    fn what_stayed_stays(items in some_items(), policy in some_policy(), minimum in 0..3_u32) {
        let policies = Policies { full: Some(policy.clone()), gold: Some(policy) };
        let once = kept(&items, &policies);
        let left: Vec<Item> = items.iter().filter(|item| once.contains(&item.id)).cloned().collect();
        prop_assert_eq!(&kept(&left, &policies), &once);
        // A minimum only keeps more, and no order of the list matters.
        let mut reversed = items.clone();
        reversed.reverse();
        let mut marks = mark(&reversed, &policies);
        keep_whole(&mut marks, minimum, |id| id.as_str().as_bytes()[14] % 2 == 0);
        for mark in marks {
            prop_assert!(mark.keep || !once.contains(&mark.snapshot));
        }
    }

    #[test]
    fn a_mode_does_not_see_the_other(items in some_items(), policy in some_policy()) {
        let policies = Policies { full: Some(policy.clone()), gold: Some(policy) };
        let alone: Vec<Item> = items.iter().filter(|item| item.mode == Mode::Full).cloned().collect();
        let both = kept(&items, &policies);
        let only = kept(&alone, &policies);
        prop_assert!(only.is_subset(&both));
        prop_assert!(alone.iter().all(|item| only.contains(&item.id) == both.contains(&item.id)));
    }

    #[test]
    fn ages_survive(years in 0..99_u16, months in 0..99_u16, days in 0..999_u16, hours in 0..99_u16) {
        let age = Age { years, months, days, hours };
        prop_assert_eq!(age.to_string().parse::<Age>(), Ok(age));
    }

    #[test]
    fn no_text_makes_an_age_panic(text in "[0-9ymwdh -]{0,12}") {
        if let Ok(age) = text.parse::<Age>() {
            age.before(Timestamp::UNIX_EPOCH);
        }
    }
}
