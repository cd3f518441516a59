// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A world in which an upload came from a web server.

use super::restored::lose_everything;
use super::web::{Page, Web};
use super::world::World;
use fossology_backup::blob::{PfileName, Tree};
use serde_json::Value;
use std::fs;

pub const FILE: &str = "kernel-6.1.tar.gz";

/// An upload that came from a web server, which still gives it.
pub struct Downloaded {
    pub world: World,
    pub web: Web,
    pub upload: i32,
    pub gold: PfileName,
    pub content: Vec<u8>,
}

impl Downloaded {
    /// One from a server that is nobody else's.
    pub fn new() -> Self {
        Self::from(Web::start())
    }

    /// One from this server.
    pub fn from(web: Web) -> Self {
        let world = World::with_vault();
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
        let downloaded = Self {
            world,
            web,
            upload,
            gold: gold.name,
            content,
        };
        downloaded.settings("");
        let url = downloaded.web.url(&format!("/{FILE}"));
        downloaded.came_from(&url, &format!("{url} -l 1 -R index.html* "));
        downloaded
    }

    /// Lets gold be left to the web of this host, with more settings of `[gold]`.
    pub fn settings(&self, more: &str) {
        let pause = match more.contains("retry_seconds") {
            true => "",
            false => "retry_seconds = 0\n",
        };
        let text = format!("[gold]\nby_url = true\nprivate_hosts = [\"127.0.0.1\"]\n{pause}{more}");
        let sysconfdir = self.world.sample().sysconfdir();
        fs::write(sysconfdir.join("fo_backup.toml"), text).unwrap();
    }

    /// Makes it an upload that FOSSology fetched so.
    pub fn came_from(&self, origin: &str, asked: &str) {
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

    /// A snapshot's file.
    pub fn snapshot(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap();
        let path = self.world.vault().join(format!("snapshots/{id}.json"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// Makes a backup, and says whether the snapshot leaves the file to the web.
    pub fn is_left_to_the_web(&self) -> bool {
        self.leaves(&self.world.backup("full"))
    }

    /// Whether the snapshot of a backup leaves the file to the web.
    pub fn leaves(&self, made: &Value) -> bool {
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
    pub fn forget_backups(&self) {
        fs::remove_dir_all(self.world.vault()).unwrap();
        self.world.call(&["init"]).expect(0);
    }

    /// Loses everything and restores the newest snapshot, which has to end so.
    pub fn lose_and_restore(&self, code: i32) -> Value {
        lose_everything(&self.world);
        let called = self.world.call(&["--json", "restore", "latest"]);
        called.expect(code).json()
    }
}
