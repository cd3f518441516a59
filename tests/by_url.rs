// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that a URL gives stays out of the vault, and comes back from there.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use std::fs;
use support::downloaded::{Downloaded, FILE};
use support::restored::{blobs, lose_everything};
use support::web::Page;

#[test]
fn it_is_compared_left_out_and_comes_back_over_a_connection_that_breaks() {
    let at = Downloaded::new();
    let before = blobs(&at.world);
    assert!(at.is_left_to_the_web());
    assert_eq!(
        at.web.asked(),
        [format!("GET /{FILE}")],
        "it was downloaded once"
    );
    at.world.call(&["verify", "--read-data"]).expect(0);
    assert!(at.web.asked().is_empty());

    // The next backup only asks.
    assert!(at.is_left_to_the_web());
    assert_eq!(at.web.asked(), [format!("HEAD /{FILE}")]);
    at.world.call(&["verify", "latest", "--urls"]).expect(0);
    assert_eq!(at.web.asked(), [format!("GET /{FILE}")]);

    let half = at.content.len() / 2;
    let path = format!("/{FILE}");
    let page = Page {
        cut: Some(half),
        ..Page::new(at.content.clone())
    };
    at.web.put(&path, page.clone());
    let report = at.lose_and_restore(0);
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);
    let asked = at.web.asked();
    assert_eq!(
        asked[..2],
        [format!("GET {path}"), format!("GET {path} from {half}")]
    );

    // A server that gives no parts: what came before is passed over.
    let mut page = page;
    page.ranges = false;
    page.cut = None;
    page.busy = 2;
    at.web.put(&path, page);
    let report = at.lose_and_restore(0);
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);
}

#[test]
fn what_the_web_does_not_give_any_more_is_backed_up_from_then_on() {
    let at = Downloaded::new();
    assert!(at.is_left_to_the_web());
    at.web.remove(&format!("/{FILE}"));
    let lost = at
        .world
        .call(&["--json", "verify", "latest", "--urls"])
        .expect(3)
        .json();
    assert_eq!(lost["urls"]["lost"][0]["uploads"][0], at.upload, "{lost}");

    // The first snapshot lacks it now, and says so by the upload.
    let report = at.lose_and_restore(3);
    let told = &report["by_url"]["lost"][0];
    assert_eq!(told["uploads"][0], at.upload, "{report}");
    assert!(told["why"].as_str().unwrap().contains("404"), "{told}");
    assert_eq!(report["not_in_snapshot"], 0);

    // While the repository has it, the next backup takes it.
    for path in &at.world.sample().blobs_of(at.upload) {
        if path.name == at.gold {
            for path in &path.paths {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, &at.content).unwrap();
            }
        }
    }
    assert!(!at.is_left_to_the_web());
    let report = at.lose_and_restore(0);
    assert_eq!(report["by_url"]["written"], 0);
}

#[test]
fn what_the_vault_has_is_not_left_to_the_web_after_a_restore_either() {
    let at = Downloaded::new();
    let path = at.world.sample().sysconfdir().join("fo_backup.toml");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert!(!at.is_left_to_the_web());
    fs::write(&path, settings).unwrap();
    // The restored database is another one, so its keys are not trusted.
    at.lose_and_restore(0);
    assert!(!at.is_left_to_the_web());
    assert!(at.web.asked().is_empty());
}

#[test]
fn what_another_snapshot_has_needs_no_web() {
    let at = Downloaded::new();
    let before = blobs(&at.world);
    let left = at.world.backup("full");
    let path = at.world.sample().sysconfdir().join("fo_backup.toml");
    fs::write(&path, "").unwrap();
    assert!(!at.is_left_to_the_web());
    at.web.remove(&format!("/{FILE}"));
    lose_everything(&at.world);
    let id = left["snapshot"].as_str().unwrap();
    let report = at.world.call(&["--json", "restore", id]).expect(0).json();
    assert_eq!(report["by_url"]["from_vault"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);
}

#[test]
fn what_a_server_says_without_giving_it_is_no_proof() {
    let at = Downloaded::new();
    let path = format!("/{FILE}");
    for etag in [None, Some("W/\"1\"".to_owned())] {
        let page = Page {
            etag,
            ..Page::new(at.content.clone())
        };
        at.web.put(&path, page);
        for _ in 0..2 {
            assert!(at.is_left_to_the_web());
            assert_eq!(at.web.asked(), [format!("GET {path}")]);
        }
    }
    // The same mark and size, and other bytes: a verification finds that, and no backup believes the
    // mark any more.
    at.web.put(&path, Page::new(at.content.clone()));
    assert!(at.is_left_to_the_web());
    let mut other = at.content.clone();
    other[100] ^= 1;
    at.web.put(&path, Page::new(other));
    at.world.call(&["verify", "--urls"]).expect(3);
    assert!(!at.is_left_to_the_web());
}

#[test]
fn a_server_that_is_away_holds_nobody_up_and_is_asked_once_more_at_the_end() {
    let at = Downloaded::new();
    let path = format!("/{FILE}");
    assert!(at.is_left_to_the_web());
    // All the attempts before the databases change names, and not the one after it.
    let page = Page::new(at.content.clone());
    let busy = Page { busy: 5, ..page };
    at.web.put(&path, busy.clone());
    let report = at.lose_and_restore(0);
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(report["by_url"]["lost"].as_array().unwrap().len(), 0);

    at.web.put(&path, busy);
    at.web.asked();
    assert!(!at.is_left_to_the_web());
    assert_eq!(at.web.asked(), [format!("HEAD {path}")]);
}

#[test]
fn another_content_is_not_taken_for_it() {
    let at = Downloaded::new();
    let path = format!("/{FILE}");
    let mut other = at.content.clone();
    other[100] ^= 1;
    at.web.put(&path, Page::new(other.clone()));
    assert!(!at.is_left_to_the_web(), "same size, one bit");

    let at = Downloaded::new();
    assert!(at.is_left_to_the_web());
    at.web.put(&path, Page::new(other));
    let report = at.lose_and_restore(3);
    let why = report["by_url"]["lost"][0]["why"].as_str().unwrap();
    assert!(why.contains("its content is that of"), "{report}");
    let there = blobs(&at.world)
        .into_keys()
        .any(|path| path.ends_with(at.gold.to_string()));
    assert!(!there, "nothing lies under its name");
}

#[test]
fn it_is_found_where_the_server_leads() {
    let at = Downloaded::new();
    let page = Page {
        leads_to: Some("/moved".into()),
        ..Page::new(Vec::new())
    };
    at.web.put(&format!("/{FILE}"), page);
    at.web.put("/moved", Page::new(at.content.clone()));
    assert!(at.is_left_to_the_web());

    let page = Page {
        leads_to: Some("file:///etc/passwd".into()),
        ..Page::new(Vec::new())
    };
    at.web.put(&format!("/{FILE}"), page);
    assert!(!at.is_left_to_the_web());
}

#[test]
fn what_may_hold_a_secret_or_is_no_single_file_is_never_asked_for() {
    let at = Downloaded::new();
    let url = at.web.url(&format!("/{FILE}"));
    let with_password = url.replace("127.0.0.1", "me:secret@127.0.0.1");
    let with_token = format!("{url}?access_token=0123");
    for (origin, asked) in [
        (
            url.as_str(),
            format!("{url} Git --username me --password secret"),
        ),
        (&url, format!("{url} -l 2 -A *.c -R index.html*")),
        (&with_password, format!("{with_password} -l 1")),
        (&with_token, format!("{with_token} -l 1")),
        ("/srv/upload/x.tar.gz", "/srv/upload/x.tar.gz".into()),
    ] {
        at.came_from(origin, &asked);
        at.forget_backups();
        assert!(!at.is_left_to_the_web(), "{origin}");
    }
    at.came_from(&url, &format!("{url} -l 1"));
    at.forget_backups();
    let settings = "[gold]\nby_url = true\n";
    let path = at.world.sample().sysconfdir().join("fo_backup.toml");
    fs::write(&path, settings).unwrap();
    assert!(!at.is_left_to_the_web(), "it is not of the public network");
    assert!(at.web.asked().is_empty());
}
