// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What rules mean, and that mistakes are told with their line.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    prune: Table,
}

fn read(text: &str) -> Result<Table, String> {
    let file = toml::from_str::<File>(text);
    file.map(|file| file.prune)
        .map_err(|error| error.to_string())
}

fn policy(text: &str) -> Policy {
    read(text).unwrap().policy(None).unwrap()
}

const PLACE: Place<'static> = Place {
    size: 5000,
    mimetype: Some(b"text/x-c"),
    name: b"Main.C",
    path: b"app.tar.gz/app.tar/src/Main.C",
    is_container: false,
    is_artifact: false,
    uploads: 2,
    has_findings: true,
};

/// An upload that came 100 days ago.
fn upload() -> UploadFacts {
    const DAY: u64 = 24 * 3600;
    UploadFacts {
        age: 100 * DAY,
        since_job: 50 * DAY,
        since_decision: 10 * DAY,
        folders: vec![
            b"Software Repository/old".into(),
            b"Software Repository/new".into(),
        ],
        user: b"alice".into(),
        statuses: vec![Status::Closed, Status::Open],
        scanned_by: ["nomos", "monk"].map(str::to_owned).into(),
    }
}

/// Whether a rule with this condition holds, as one that drops and as one that keeps.
#[track_caller]
fn holds(condition: &str, place: &Place<'_>) -> (bool, bool) {
    let with = |action: &str, default: &str| {
        let text = format!(
            "[prune]\ndefault = \"{default}\"\n[[prune.rule]]\naction = \"{action}\"\n{condition}\n"
        );
        let policy = policy(&text);
        let rules = policy.rules_for(&upload());
        policy.decide(&rules, place).rule.is_some()
    };
    (with("drop", "keep"), with("keep", "drop"))
}

#[test]
fn each_condition_holds_for_what_it_says_and_for_nothing_else() {
    for (condition, expected) in [
        ("min_size = \"5 kB\"", true),
        ("min_size = \"5001 B\"", false),
        ("max_size = \"5 kB\"", true),
        ("max_size = \"4 KiB\"", false),
        ("mimetype = [\"text/*\"]", true),
        ("mimetype = [\"image/*\", \"text/plain\"]", false),
        ("name = [\"*.c\"]", true),
        ("name = [\"*.{h,c}\"]", true),
        ("name = [\"main\"]", false),
        ("path = [\"**/src/*\"]", true),
        ("path = [\"*/src/*\"]", false),
        ("path = [\"app.tar.gz/**\"]", true),
        ("kind = [\"file\"]", true),
        ("kind = [\"container\", \"artifact\"]", false),
        ("findings = true", true),
        ("findings = false", false),
        ("min_uploads = 2", true),
        ("min_uploads = 3", false),
        ("max_uploads = 2", true),
        ("max_uploads = 1", false),
        ("uploaded_before = \"100 days\"", true),
        ("uploaded_before = \"15 weeks\"", false),
        ("no_job_for = \"1 month\"", true),
        ("no_job_for = \"2 months\"", false),
        ("no_decision_for = \"240 hours\"", true),
        ("no_decision_for = \"1 year\"", false),
        ("user = [\"alice\", \"bob\"]", true),
        ("user = [\"b*\"]", false),
        ("scanned_by = [\"nomos\", \"monk\"]", true),
        ("scanned_by = [\"nomos\", \"ojo\"]", false),
        // All of a rule's conditions have to hold.
        ("name = [\"*.c\"]\nmin_size = \"1 MB\"", false),
        ("name = [\"*.c\"]\nuser = [\"bob\"]", false),
    ] {
        assert_eq!(
            holds(condition, &PLACE),
            (expected, expected),
            "{condition}"
        );
    }
}

#[test]
fn of_several_folders_or_statuses_one_keeps_and_only_all_drop() {
    for (condition, drops, keeps) in [
        ("folder = [\"**/old\"]", false, true),
        ("folder = [\"**/old\", \"**/new\"]", true, true),
        ("folder = [\"elsewhere\"]", false, false),
        ("status = [\"closed\", \"rejected\"]", false, true),
        ("status = [\"closed\", \"open\"]", true, true),
        ("status = [\"in_progress\"]", false, false),
    ] {
        assert_eq!(holds(condition, &PLACE), (drops, keeps), "{condition}");
    }
}

#[test]
fn that_nothing_was_found_counts_only_where_somebody_has_looked() {
    let place = Place {
        has_findings: false,
        ..PLACE
    };
    assert_eq!(holds("findings = false", &place), (true, true));
    let policy = policy("[prune]\n[[prune.rule]]\naction = \"drop\"\nfindings = false\n");
    let unscanned = UploadFacts {
        scanned_by: ["mimetype".to_owned()].into(),
        ..upload()
    };
    assert!(policy.rules_for(&unscanned).is_empty());
}

#[test]
fn a_container_and_an_artifact_may_be_one() {
    let payload = Place {
        is_container: true,
        is_artifact: true,
        ..PLACE
    };
    for (condition, expected) in [("container", true), ("artifact", true), ("file", false)] {
        let condition = format!("kind = [\"{condition}\"]");
        assert_eq!(holds(&condition, &payload), (expected, expected));
    }
    let untyped = Place {
        mimetype: None,
        ..PLACE
    };
    assert_eq!(holds("mimetype = [\"**\"]", &untyped), (false, false));
}

#[test]
fn the_first_rule_that_holds_decides() {
    let policy = policy(
        r#"
[prune]
default = "drop"
[[prune.rule]]
title = "sources"
action = "keep"
name = ["*.c"]
[[prune.rule]]
action = "drop"
min_size = "1 kB"
"#,
    );
    let rules = policy.rules_for(&upload());
    let decide = |place: &Place<'_>| policy.decide(&rules, place);
    let keep = Decision {
        action: Action::Keep,
        rule: Some(0),
    };
    assert_eq!(decide(&PLACE), keep);
    let other = Place {
        name: b"picture",
        ..PLACE
    };
    assert_eq!(decide(&other).rule, Some(1));
    assert_eq!(
        decide(&Place { size: 1, ..other }),
        Decision {
            action: Action::Drop,
            rule: None
        }
    );
    let titles = [Some(0), Some(1), None].map(|rule| policy.title(rule));
    assert_eq!(titles, ["sources", "rule 2", "default"]);
}

#[test]
fn mistakes_name_their_line_and_field() {
    let rule =
        |condition: &str| format!("[prune]\n[[prune.rule]]\naction = \"drop\"\n{condition}\n");
    for (text, line, says) in [
        (rule("nmae = [\"*.o\"]"), 4, "nmae"),
        (
            rule("min_size = \"20 GBytes\""),
            4,
            "min_size = \"20 GBytes\"",
        ),
        (rule("min_size = \"many\""), 4, "no size"),
        (rule("uploaded_before = \"3 moons\""), 4, "\"90 days\""),
        (rule("name = [\"a\", \"[b\"]"), 4, "no pattern"),
        (rule("name = []"), 4, "empty list"),
        (rule("kind = [\"archive\"]"), 4, "archive"),
        (rule("status = [\"done\"]"), 4, "in_progress"),
        (rule("min_uploads = 0"), 2, "from 1 to 100"),
        (
            rule("min_size = \"2 kB\"\nmax_size = \"1 kB\""),
            2,
            "never hold",
        ),
        (rule("title = \"all\""), 2, "without a condition"),
        (
            "[prune]\n[[prune.rule]]\nname = [\"*\"]\n".into(),
            2,
            "action",
        ),
        ("[prune]\nproof = \"faith\"\n".into(), 2, "faith"),
        ("[prune]\nkeep_newest = -1\n".into(), 2, "keep_newest"),
        (
            "[prune]\nuntil_free = \"99999999999 TB\"\n".into(),
            2,
            "until_free",
        ),
        (
            "[prune]\npolicy = \"nightly\"\n".into(),
            1,
            "no policy 'nightly'",
        ),
        (
            "[prune]\npolicy = \"cold\"\ndefault = \"drop\"\n".into(),
            1,
            "another policy",
        ),
        (
            "[prune.policies.cold]\ndefault = \"drop\"\n".into(),
            1,
            "name of a preset",
        ),
        (
            "[prune.policies.mine]\nkeep_newest = 3\n".into(),
            1,
            "neither a default nor rules",
        ),
        (
            "[prune.policies.mine]\ndefault = \"drop\"\ncold_after = \"1 day\"\n".into(),
            1,
            "stands in [prune]",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(&format!("line {line}")), "{text}\n{error}");
        assert!(error.contains(says), "{text}\n{error}");
    }
}

#[test]
fn a_policy_is_chosen_by_name_and_takes_over_what_it_does_not_say() {
    let table = read(
        r#"
[prune]
policy = "nightly"
keep_newest = 5
proof = "both"
cold_after = "2 weeks"
[prune.policies.nightly]
default = "drop"
proof = "vault"
"#,
    )
    .unwrap();
    let nightly = table.policy(None).unwrap();
    assert_eq!(
        (nightly.name.as_str(), nightly.default),
        ("nightly", Action::Drop)
    );
    assert_eq!((nightly.keep_newest, nightly.proof), (5, Proof::Vault));
    let cold = table.policy(Some("cold")).unwrap();
    assert_eq!((cold.keep_newest, cold.proof), (5, Proof::Both));
    assert!(cold.words()[0].contains("2 weeks"), "{:?}", cold.words());
    let error = table.policy(Some("weekly")).unwrap_err();
    assert!(
        error.contains("gold-only") && error.contains("nightly"),
        "{error}"
    );
    let error = Table::default().policy(None).unwrap_err();
    assert!(error.contains("--policy"), "{error}");
}

#[test]
fn presets_do_what_their_names_say() {
    let decide = |name: &str, place: &Place<'_>, facts: &UploadFacts| {
        let policy = Table::default().policy(Some(name)).unwrap();
        policy.decide(&policy.rules_for(facts), place).action
    };
    let fresh = upload();
    let year = 365 * 24 * 3600;
    let old = UploadFacts {
        age: year,
        since_job: year,
        since_decision: year,
        ..upload()
    };
    let image = Place {
        mimetype: Some(b"image/png"),
        ..PLACE
    };
    let library = Place {
        mimetype: None,
        name: b"libz.so.1",
        ..PLACE
    };
    let archive = Place {
        is_container: true,
        ..PLACE
    };
    for (name, place, facts, action) in [
        ("gold-only", &PLACE, &fresh, Action::Drop),
        ("cold", &PLACE, &fresh, Action::Keep),
        ("cold", &PLACE, &old, Action::Drop),
        ("source-only", &PLACE, &old, Action::Keep),
        ("source-only", &image, &fresh, Action::Drop),
        ("source-only", &library, &fresh, Action::Drop),
        ("source-only", &archive, &fresh, Action::Drop),
    ] {
        assert_eq!(decide(name, place, facts), action, "{name} {place:?}");
    }
    assert_eq!(
        PRESETS.map(|name| Table::default().policy(Some(name)).is_ok()),
        [true; 3]
    );
}

#[test]
fn a_policy_is_told_in_words() {
    let policy = policy(
        r#"
[prune]
keep_newest = 3
until_free = "20 GB"
[[prune.rule]]
action = "drop"
min_size = "1 MB"
name = ["*.o", "*.a"]
max_uploads = 1
uploaded_before = "90 days"
status = ["closed"]
"#,
    );
    insta::assert_snapshot!(policy.words().join("\n"), @r"
    drop files of at least 1 MB named '*.o' or '*.a' in no other upload of uploads that came 90 days ago or earlier and with status closed
    keep what is left
    keep all of the newest 3 uploads
    drop no more than it takes to have 20 GB free, old uploads first
    drop only what unpacking its upload was seen to give again
    ");
}

proptest! {
    #[test]
    fn sizes_and_spans_are_what_they_say(number in 0..1_000_000_u64) {
        let size = Size::try_from(format!("{number} MB")).unwrap();
        prop_assert_eq!(size.bytes, number * 1_000_000);
        let span = Span::try_from(format!("{number}days")).unwrap();
        prop_assert_eq!(span.seconds, number * 86_400);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}") {
        let _ = Size::try_from(text.clone());
        let _ = Span::try_from(text.clone());
        let _ = Patterns::try_from(vec![text.clone()]);
        let _ = read(&text);
    }

    #[test]
    fn a_name_fits_itself_and_any_case_of_it(name in "[a-zA-Z0-9_.-]{1,20}") {
        let patterns = Patterns::try_from(vec![name.clone()]).unwrap();
        prop_assert!(patterns.fit(name.to_uppercase().as_bytes()));
        let longer = name + "x";
        prop_assert!(!patterns.fit(longer.as_bytes()));
    }
}
