// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Keys and times of the sample's rows: counted here, so that they are the same in every build.

/// The last key that each table's sequence gave out.
#[derive(Default)]
pub(super) struct Keys {
    pub upload: i32,
    pub uploadtree: i32,
    pub pfile: i32,
    pub job: i32,
    pub jobqueue: i32,
    pub ars: i32,
    pub foldercontents: i32,
    pub license_file: i32,
    /// Minutes since the instance was installed; every event takes one.
    minute: i64,
}

/// The next key of a table.
pub(super) fn next(key: &mut i32) -> i32 {
    *key += 1;
    *key
}

impl Keys {
    /// The time of the next event.
    pub fn time(&mut self) -> String {
        self.minute += 1;
        let start = jiff::Timestamp::constant(1_772_438_400, 0); // 2026-03-02 08:00 UTC
        (start + jiff::SignedDuration::from_mins(self.minute)).to_string()
    }

    /// The statement that brings the database's sequences here.
    pub fn set_sequences(&self) -> String {
        let sequences = [
            ("upload_upload_pk_seq", self.upload),
            ("uploadtree_uploadtree_pk_seq", self.uploadtree),
            ("pfile_pfile_pk_seq", self.pfile),
            ("job_job_pk_seq", self.job),
            ("jobqueue_jq_pk_seq", self.jobqueue),
            ("nomos_ars_ars_pk_seq", self.ars),
            ("foldercontents_foldercontents_pk_seq", self.foldercontents),
            ("license_file_fl_pk_seq", self.license_file),
        ];
        sequences
            .iter()
            .filter(|(_, last)| *last > 0)
            .map(|(name, last)| format!("SELECT setval('{name}', {last});"))
            .collect()
    }
}
