// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Gold that a URL gives stays out of the vault, and comes back from there.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod support;

use fossology_backup::blob::{PfileName, Tree};
use serde_json::Value;
use std::fs;
use support::restored::{blobs, lose_everything};
use support::web::{Page, Web};
use support::world::World;

const FILE: &str = "kernel-6.1.tar.gz";

/// A world in which an upload came from a web server, which still gives it.
struct Downloaded {
    world: World,
    web: Web,
    upload: i32,
    gold: PfileName,
    content: Vec<u8>,
}

impl Downloaded {
    fn new() -> Self {
        let world = World::with_vault();
        let web = Web::start();
        // The upload of the sources: the first whose file is large enough to be cut somewhere.
        let uploads = world.sample().uploads();
        let (upload, gold) = uploads
            .iter()
            .filter_map(|upload| {
                let blobs = world.sample().blobs_of(*upload);
                let gold = blobs
                    .into_iter()
                    .find(|blob| blob.trees.contains(Tree::Gold))?;
                Some((*upload, gold))
            })
            .max_by_key(|(_, gold)| gold.name.size())
            .unwrap();
        let content = fs::read(&gold.paths[0]).unwrap();
        web.put(&format!("/{FILE}"), Page::new(content.clone()));
        let settings =
            "[gold]\nby_url = true\nprivate_hosts = [\"127.0.0.1\"]\nretry_seconds = 0\n";
        fs::write(world.sample().sysconfdir().join("fo_backup.toml"), settings).unwrap();
        let downloaded = Self {
            world,
            web,
            upload,
            gold: gold.name,
            content,
        };
        let url = downloaded.web.url(&format!("/{FILE}"));
        downloaded.came_from(&url, &format!("{url} -l 1 -R index.html* "));
        downloaded
    }

    /// Makes it an upload that FOSSology fetched so.
    fn came_from(&self, origin: &str, asked: &str) {
        let mut client = self.world.sample().connect().unwrap();
        let mut step = client.transaction().unwrap();
        let upload = self.upload;
        step.execute(
            "UPDATE upload SET upload_origin = $2 WHERE pfile_fk = (SELECT pfile_fk FROM upload WHERE upload_pk = $1)",
            &[&upload, &origin],
        )
        .unwrap();
        step.batch_execute(&format!(
            "DELETE FROM jobqueue q USING job j WHERE j.job_pk = q.jq_job_fk
                AND j.job_upload_fk = {upload} AND q.jq_type = 'wget_agent'"
        ))
        .unwrap();
        step.execute(
            "WITH j AS (INSERT INTO job (job_pk, job_name, job_upload_fk, job_user_fk)
                        VALUES ((SELECT max(job_pk) + 1 FROM job), 'wget', $1, 3) RETURNING job_pk)
             INSERT INTO jobqueue (jq_pk, jq_job_fk, jq_type, jq_args, jq_starttime, jq_endtime, jq_end_bits)
             SELECT (SELECT max(jq_pk) + 1 FROM jobqueue), job_pk, 'wget_agent', $2, now(), now(), 1 FROM j",
            &[&upload, &format!("{upload} - {asked}")],
        )
        .unwrap();
        step.commit().unwrap();
    }

    fn snapshot(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap();
        let path = self.world.vault().join(format!("snapshots/{id}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Makes a backup, and says whether the snapshot leaves the file to the web.
    fn is_left_to_the_web(&self) -> bool {
        let made = self.world.backup("full");
        let snapshot = self.snapshot(&made["snapshot"]);
        match snapshot["by_url"].as_array() {
            Some(left) => {
                assert_eq!(
                    snapshot["format"], 2,
                    "who does not know this must not believe it"
                );
                assert_eq!(left.len(), 1);
                assert_eq!(left[0]["name"], self.gold.to_string());
                assert_eq!(left[0]["uploads"][0], self.upload);
                true
            }
            None => {
                assert_eq!(snapshot["format"], 1);
                false
            }
        }
    }

    /// An empty vault: what is in one is not left to the web.
    fn forget_backups(&self) {
        fs::remove_dir_all(self.world.vault()).unwrap();
        self.world.call(&["init"]).expect(0);
    }

    fn lose_and_restore(&self, code: i32) -> Value {
        lose_everything(&self.world);
        let called = self.world.call(&["--json", "restore", "latest"]);
        called.expect(code).json()
    }
}

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
