// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sample's jobs: history with logs, one that runs, and ones that wait.

use super::keys::next;
use super::record::USER;
use super::rows::{Batch, Row};
use super::upload::UploadState;
use super::{Result, Sample};

/// How far a queued step is.
#[derive(Clone, Copy)]
enum Progress {
    /// It ended well, after so many items.
    Ended(i64),
    /// It ended badly.
    Failed,
    /// An agent is at it.
    Started,
    /// It waits.
    Queued,
}

/// Where an upload came from; the one that is still being fetched, from afar.
pub(super) fn origin(filename: &str, state: UploadState) -> String {
    match state {
        UploadState::Fetching => format!("https://example.org/{filename}"),
        UploadState::Done | UploadState::Unpacking => format!("/home/fossy/{filename}"),
    }
}

impl Sample {
    /// The jobs of an upload: fetch, unpack, number the tree, and the scans.
    pub(super) fn add_jobs(
        &mut self,
        batch: &mut Batch,
        upload: i32,
        filename: &str,
        state: UploadState,
        items: usize,
    ) -> Result<()> {
        let items = items as i64;
        let (fetch, unpack, later) = match state {
            UploadState::Done => {
                let done = Progress::Ended(items);
                (Progress::Ended(1), done, done)
            }
            UploadState::Unpacking => (Progress::Ended(1), Progress::Started, Progress::Queued),
            UploadState::Fetching => (Progress::Started, Progress::Queued, Progress::Queued),
        };
        let args = upload.to_string();
        let job = self.job_row(batch, "wget", Some(upload));
        let fetched = format!("{upload} - {}", origin(filename, state));
        let fetch = self.step(batch, job, "wget_agent", &fetched, fetch, None)?;
        self.ars(batch, "ununpack_ars", upload, 7, unpack);
        let unpack = self.step(batch, job, "ununpack", &args, unpack, Some(fetch))?;
        let number = self.step(batch, job, "adj2nest", &args, later, Some(unpack))?;
        let job = self.job_row(batch, filename, Some(upload));
        for (agent, table, key) in [("mimetype", "mimetype_ars", 4), ("nomos", "nomos_ars", 5)] {
            self.ars(batch, table, upload, key, later);
            self.step(batch, job, agent, &args, later, Some(number))?;
        }
        Ok(())
    }

    /// A job of one step: ended after so many items, or still waiting. Gives its job_pk.
    pub(super) fn add_job(
        &mut self,
        batch: &mut Batch,
        name: &str,
        upload: Option<i32>,
        agent: &str,
        args: &str,
        items: Option<i64>,
    ) -> Result<i32> {
        let job = self.job_row(batch, name, upload);
        let progress = items.map_or(Progress::Queued, Progress::Ended);
        self.step(batch, job, agent, args, progress, None)?;
        Ok(job)
    }

    /// What else a living instance has: a report, metrics, a failure, and jobs that wait for
    /// the scheduler, a deletion and maintenance among them.
    pub(super) fn add_other_work(&mut self, reported: i32, condemned: i32) -> Result<()> {
        let mut batch = Batch::default();
        let args = reported.to_string();
        let report = self.add_job(
            &mut batch,
            "report",
            Some(reported),
            "readmeoss",
            &args,
            Some(1),
        )?;
        let text = b"README_OSS of the sample\n\nGPL-2.0-only, MIT and others.\n";
        let path = self
            .repository
            .write_other("report/README_OSS_sample.txt", text)?;
        let row = Row::key(reported).int(report);
        batch.add(
            "reportgen",
            "upload_fk, job_fk, filepath",
            row.text(&path.to_string_lossy()),
        );
        self.repository
            .write_other("fossdash/uploads.20260302.json", b"{\"uploads\": 7}\n")?;
        let job = self.job_row(&mut batch, "rescan", Some(reported));
        self.step(&mut batch, job, "nomos", &args, Progress::Failed, None)?;
        self.add_job(&mut batch, "rescan", Some(reported), "nomos", &args, None)?;
        let delete = format!("DELETE UPLOAD {condemned}");
        self.add_job(
            &mut batch,
            "Delete",
            Some(condemned),
            "delagent",
            &delete,
            None,
        )?;
        self.add_job(&mut batch, "Maintenance", None, "maintagent", "", None)?;
        let sequences = self.keys.set_sequences();
        batch.send(&mut self.connect()?, "", &sequences)
    }

    fn job_row(&mut self, batch: &mut Batch, name: &str, upload: Option<i32>) -> i32 {
        let job = next(&mut self.keys.job);
        let row = Row::key(job).text(&self.keys.time()).text(name);
        let row = row.int_or_null(upload).int(USER).int(USER);
        batch.add(
            "job",
            "job_pk, job_queued, job_name, job_upload_fk, job_user_fk, job_group_fk",
            row,
        );
        job
    }

    /// One row of the queue; gives its jq_pk. What has ended or failed left a log.
    fn step(
        &mut self,
        batch: &mut Batch,
        job: i32,
        agent: &str,
        args: &str,
        progress: Progress,
        after: Option<i32>,
    ) -> Result<i32> {
        let key = next(&mut self.keys.jobqueue);
        let row = Row::key(key).int(job).text(agent).text(args);
        let row = match progress {
            Progress::Queued => row.null().null().null().int(0).null().int(0),
            Progress::Started => {
                let row = row.text(&self.keys.time()).null().text("Started").int(0);
                row.text("localhost.4242").int(0)
            }
            Progress::Ended(items) => {
                let (start, end) = (self.keys.time(), self.keys.time());
                let row = row.text(&start).text(&end).text("Completed").int(1);
                row.null().int(items)
            }
            Progress::Failed => {
                let (start, end) = (self.keys.time(), self.keys.time());
                row.text(&start)
                    .text(&end)
                    .text("Failed")
                    .int(2)
                    .null()
                    .int(0)
            }
        };
        let row = match progress {
            Progress::Ended(_) | Progress::Failed if agent != "adj2nest" => {
                let number = format!("{key:06}");
                let (a, b, c) = (&number[..2], &number[2..4], &number[4..6]);
                let text =
                    format!("2026-03-02 {agent} [0] :: JOB[{key}].{agent}: \"worked on {args}\"\n");
                let path = format!("logs/{a}/{b}/{c}/{number}");
                let path = self.repository.write_other(&path, text.as_bytes())?;
                row.text(&path.to_string_lossy())
            }
            _ => row.null(),
        };
        let row = if agent == "maintagent" {
            row.text("-a")
        } else {
            row.null()
        };
        batch.add(
            "jobqueue",
            "jq_pk, jq_job_fk, jq_type, jq_args, jq_starttime, jq_endtime, jq_endtext, jq_end_bits, \
             jq_schedinfo, jq_itemsprocessed, jq_log, jq_cmd_args",
            row,
        );
        if let Some(after) = after {
            batch.add(
                "jobdepends",
                "jdep_jq_fk, jdep_jq_depends_fk",
                Row::key(key).int(after),
            );
        }
        Ok(key)
    }

    fn ars(&mut self, batch: &mut Batch, table: &str, upload: i32, agent: i32, progress: Progress) {
        if matches!(progress, Progress::Queued) {
            return;
        }
        let row = Row::key(next(&mut self.keys.ars)).int(agent).int(upload);
        let row = match progress {
            Progress::Ended(_) => row.text("t"),
            _ => row.text("f"),
        };
        let row = row.text(&self.keys.time());
        let row = match progress {
            Progress::Ended(_) => row.text(&self.keys.time()),
            _ => row.null(),
        };
        batch.add(
            table,
            "ars_pk, agent_fk, upload_fk, ars_success, ars_starttime, ars_endtime",
            row,
        );
    }
}
