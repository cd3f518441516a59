// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writes uploads as FOSSology's agents do, and deletes them as delagent does.
//!
//! Blobs come before the rows that need them, all rows of an upload in one transaction; at a
//! deletion the rows go first. So at every instant what the database needs is there.

use super::archive::{Node, unpack};
use super::content::LICENSES;
use super::etc::{AGENTS, RELEASE, REVISION};
use super::jobs::origin;
use super::keys::next;
use super::rows::{Batch, Row};
use super::upload::{GoldStyle, NewUpload, Upload, UploadState};
use super::{Encoding, Error, Result, Sample};
use crate::blob::{PfileName, Tree, digest};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The administrator and its group, and the folder that all uploads are in.
pub(super) const USER: i32 = 3;
const FOLDER: i32 = 3;

/// Media types in the order of their keys, each with what such content starts with.
const MEDIA_TYPES: [(&str, &[u8]); 4] = [
    ("application/gzip", b"\x1f\x8b"),
    ("application/zip", b"PK\x03\x04"),
    ("application/zstd", b"\x28\xb5\x2f\xfd"),
    ("text/plain", b""),
];

impl Sample {
    /// Writes the rows that an installation makes.
    pub(super) fn found(&mut self, client: &mut postgres::Client) -> Result<()> {
        let mut batch = Batch::default();
        for (key, name) in [(2, "Default User"), (USER, "fossy")] {
            batch.add("groups", "group_pk, group_name", Row::key(key).text(name));
            let permission = if key == USER { 10 } else { 0 };
            let row = Row::key(key).text(name).int(1).int(permission).int(key);
            let row = row.text("Seed").text("$2y$10$notARealHash");
            batch.add(
                "users",
                "user_pk, user_name, root_folder_fk, user_perm, group_fk, user_seed, user_pass",
                row,
            );
            batch.add(
                "group_user_member",
                "group_user_member_pk, group_fk, user_fk, group_perm",
                Row::key(key).int(key).int(key).int(1),
            );
        }
        for (key, (name, _)) in (1..).zip(MEDIA_TYPES) {
            let row = Row::key(key).text(name);
            batch.add("mimetype", "mimetype_pk, mimetype_name", row);
        }
        for (key, (name, _)) in (1..).zip(AGENTS) {
            let row = Row::key(key)
                .text(name)
                .text(REVISION)
                .text(&format!("{name} agent"));
            batch.add(
                "agent",
                "agent_pk, agent_name, agent_rev, agent_desc, agent_ts",
                row.text(&self.keys.time()),
            );
        }
        for (key, name) in [(1, "Software Repository"), (FOLDER, "Samples")] {
            let row = Row::key(key).text(name).int(USER).text("");
            batch.add(
                "folder",
                "folder_pk, folder_name, user_fk, folder_desc",
                row,
            );
        }
        let top = next(&mut self.keys.foldercontents);
        self.put_in_folder(&mut batch, top, 1, 1, FOLDER);
        for (key, name) in (1..).zip(LICENSES) {
            let row = Row::key(key)
                .text(name)
                .text(&format!("The text of {name}."));
            batch.add(
                "license_ref",
                "rf_pk, rf_shortname, rf_text, rf_add_date, rf_detector_type, rf_spdx_id",
                row.text("2026-03-02").int(1).text(name),
            );
        }
        for (key, name, value) in [
            (1, "SupportEmailLabel", Some("Support")),
            (2, "BannerMsg", None),
            (3, "Release", Some(RELEASE)),
        ] {
            let row = Row::key(key).text(name);
            let row =
                value.map_or_else(|| Row::key(key).text(name).null(), |value| row.text(value));
            batch.add(
                "sysconfig",
                "sysconfig_pk, variablename, conf_value, ui_label, vartype, group_name, description",
                row.text(name).int(2).text("Sample").text(""),
            );
        }
        let sequences = "SELECT setval('group_group_pk_seq', 3), setval('users_user_pk_seq', 3),
            setval('group_user_member_group_user_member_pk_seq', 3),
            setval('mimetype_mimetype_pk_seq', 4), setval('agent_agent_pk_seq', 8),
            setval('folder_folder_pk_seq', 3), setval('license_ref_rf_pk_seq', 4),
            setval('sysconfig_sysconfig_pk_seq', 3);";
        batch.send(client, "", sequences)
    }

    /// Uploads something and lets FOSSology work on it; gives the upload's key.
    ///
    /// # Errors
    /// When the archive cannot be built, or a file or row cannot be written.
    pub fn add_upload(&mut self, new: NewUpload) -> Result<i32> {
        let upload = next(&mut self.keys.upload);
        // What the real one writes there is the repository's path; a fixed one keeps samples equal.
        let place = format!("/srv/fossology/repository/vm/ununpack/{upload}");
        let root = unpack(&new.filename, new.content, &place)
            .map_err(Error::io("building archive", Path::new(&new.filename)))?;
        let table = if new.own_table {
            format!("uploadtree_{upload}")
        } else {
            "uploadtree_a".to_owned()
        };
        let mut walk = Walk {
            sample: self,
            batch: Batch::default(),
            upload,
            table,
            left: match new.state {
                UploadState::Done => usize::MAX,
                UploadState::Unpacking => root.count().div_ceil(2),
                UploadState::Fetching => 0,
            },
            number: 0,
            numbered: new.state == UploadState::Done,
            files: Vec::new(),
        };
        let gold = match (&root.content, new.state) {
            (Some(content), UploadState::Done | UploadState::Unpacking) => {
                Some(walk.gold(content, new.gold)?)
            }
            _ => None,
        };
        let (batch, table) = (&mut walk.batch, &walk.table);
        let sample = &mut walk.sample;
        sample.upload_row(batch, upload, &new.filename, gold, new.state, table);
        walk.node(&root, None, None)?;
        let Walk {
            mut batch,
            table,
            files,
            ..
        } = walk;

        let entry = next(&mut self.keys.foldercontents);
        self.put_in_folder(&mut batch, entry, FOLDER, 2, upload);
        self.add_jobs(&mut batch, upload, &new.filename, new.state, files.len())?;
        let own_table = if new.own_table {
            format!(
                "CREATE TABLE {table} (LIKE uploadtree INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
                 ALTER TABLE {table} ADD CONSTRAINT {table} CHECK (upload_fk = {upload});
                 ALTER TABLE {table} INHERIT uploadtree;"
            )
        } else {
            String::new()
        };
        let mut client = self.connect()?;
        batch.send(&mut client, &own_table, &self.keys.set_sequences())?;

        let remembered = Upload {
            filename: new.filename,
            gold,
            files,
        };
        for (name, trees) in remembered.needs() {
            if let Some(orphan) = self.orphans.get_mut(&name) {
                *orphan = orphan.without(trees);
            }
        }
        self.orphans.retain(|_, trees| !trees.is_empty());
        self.uploads.insert(upload, remembered);
        Ok(upload)
    }

    /// Deletes an upload. Its row stays, as FOSSology keeps it; blobs that nothing else needs go,
    /// but so many of them are forgotten in the repository.
    ///
    /// # Errors
    /// When there is no such live upload, or a row or file cannot be removed.
    pub fn delete_upload(&mut self, upload: i32, forgotten: usize) -> Result<()> {
        let gone = self.uploads.remove(&upload);
        let gone = gone.ok_or(Error::NoUpload(upload))?.needs();
        let needed = self.needed();
        let pfiles: Vec<String> = gone
            .keys()
            .filter(|name| !needed.contains_key(name))
            .filter_map(|name| self.pfiles.remove(name))
            .map(|key| key.to_string())
            .collect();
        let mut batch = Batch::default();
        let args = format!("DELETE UPLOAD {upload}");
        self.add_job(
            &mut batch,
            "Delete",
            Some(upload),
            "delagent",
            &args,
            Some(1),
        )?;
        let delete = format!(
            "DELETE FROM uploadtree WHERE upload_fk = {upload};
             DELETE FROM foldercontents WHERE foldercontents_mode = 2 AND child_id = {upload};
             DELETE FROM pfile WHERE pfile_pk = ANY('{{{}}}');
             UPDATE upload SET pfile_fk = NULL, expire_action = 'd', expire_date = '2026-03-02'
              WHERE upload_pk = {upload};",
            pfiles.join(",")
        );
        let mut client = self.connect()?;
        batch.send(&mut client, &delete, &self.keys.set_sequences())?;

        let mut forgotten = forgotten;
        for (name, trees) in gone {
            let unused = trees.without(needed.get(&name).copied().unwrap_or_default());
            if unused.is_empty() {
                continue;
            }
            if forgotten > 0 {
                forgotten -= 1;
                self.orphans.insert(name, unused);
                continue;
            }
            for tree in unused.iter() {
                self.repository.remove(tree, &name)?;
            }
        }
        Ok(())
    }

    fn upload_row(
        &mut self,
        batch: &mut Batch,
        upload: i32,
        filename: &str,
        gold: Option<PfileName>,
        state: UploadState,
        table: &str,
    ) {
        // Bits: 2 = is fetched from afar, 3 = came as a file, 5 = gold is there, 6 = unpacked.
        let mode = match state {
            UploadState::Done => 104,
            UploadState::Unpacking => 40,
            UploadState::Fetching => 4,
        };
        let row = Row::key(upload).text("").text(filename).int(USER).int(mode);
        let row = row
            .text(&self.keys.time())
            .int_or_null(gold.and_then(|name| self.pfiles.get(&name).copied()));
        batch.add(
            "upload",
            "upload_pk, upload_desc, upload_filename, user_fk, upload_mode, upload_ts, pfile_fk, \
             upload_origin, uploadtree_tablename, public_perm",
            row.text(&origin(filename, state)).text(table).int(0),
        );
        batch.add(
            "upload_clearing",
            "upload_fk, group_fk, priority",
            Row::key(upload).int(USER).int(upload),
        );
    }

    fn put_in_folder(&self, batch: &mut Batch, key: i32, folder: i32, mode: i32, child: i32) {
        batch.add(
            "foldercontents",
            "foldercontents_pk, parent_fk, foldercontents_mode, child_id",
            Row::key(key).int(folder).int(mode).int(child),
        );
    }

    /// Adds the pfile row of a content, unless there is one; gives its name and key.
    fn pfile(&mut self, batch: &mut Batch, content: &[u8]) -> (PfileName, i32) {
        let name = digest(content);
        if let Some(key) = self.pfiles.get(&name) {
            return (name, *key);
        }
        let key = next(&mut self.keys.pfile);
        self.pfiles.insert(name, key);
        let media_type = (1..)
            .zip(MEDIA_TYPES)
            .find(|(_, (_, start))| content.starts_with(start));
        let row = Row::key(key)
            .text(&name.md5_column())
            .text(&name.sha1_column());
        let row = row
            .text(&hex::encode_upper(Sha256::digest(content)))
            .text(&name.size().to_string())
            .int_or_null(media_type.map(|(key, _)| key));
        batch.add(
            "pfile",
            "pfile_pk, pfile_md5, pfile_sha1, pfile_sha256, pfile_size, pfile_mimetypefk",
            row,
        );
        if let Some(license) = license_of(content) {
            let finding = next(&mut self.keys.license_file);
            let row = Row::key(finding).int(license).int(5).int(key);
            batch.add(
                "license_file",
                "fl_pk, rf_fk, agent_fk, pfile_fk, rf_timestamp",
                row.text("2026-03-02"),
            );
        }
        (name, key)
    }
}

/// The key of the licence that a source file's first line names.
fn license_of(content: &[u8]) -> Option<i32> {
    let line = content.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let named = line.split_once("Identifier: ")?.1;
    let mut licenses = (1..).zip(LICENSES);
    licenses.find_map(|(key, license)| named.starts_with(license).then_some(key))
}

/// One upload's way through its tree.
struct Walk<'a> {
    sample: &'a mut Sample,
    batch: Batch,
    upload: i32,
    table: String,
    /// How many nodes ununpack still gets to.
    left: usize,
    /// The nested set's last number.
    number: i32,
    /// Whether adj2nest has run already.
    numbered: bool,
    files: Vec<PfileName>,
}

impl Walk<'_> {
    /// Stores the uploaded file as the fetching agent does.
    fn gold(&mut self, content: &[u8], style: GoldStyle) -> Result<PfileName> {
        let (name, _) = self.sample.pfile(&mut self.batch, content);
        let repository = &self.sample.repository;
        repository.store(Tree::Gold, &name, content)?;
        match style {
            GoldStyle::HardLink => repository.link_gold_to_files(&name)?,
            GoldStyle::Copy => repository.store(Tree::Files, &name, content)?,
        }
        Ok(name)
    }

    /// Stores a node and what is below it. `real` is the nearest ancestor that ununpack did not
    /// invent.
    fn node(&mut self, node: &Node, parent: Option<i32>, real: Option<i32>) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        let key = next(&mut self.sample.keys.uploadtree);
        let pfile = match &node.content {
            None => 0,
            Some(content) => {
                let (name, pfile) = self.sample.pfile(&mut self.batch, content);
                self.sample.repository.store(Tree::Files, &name, content)?;
                self.files.push(name);
                pfile
            }
        };
        let left = next(&mut self.number);
        let real_of_children = if node.is_artifact() { real } else { Some(key) };
        for child in &node.children {
            self.node(child, Some(key), real_of_children)?;
        }
        let right = next(&mut self.number);
        let row = Row::key(key).int_or_null(parent).int_or_null(real);
        let row = row.int(self.upload).int(pfile).int(node.mode);
        let row = row
            .int_or_null(self.numbered.then_some(left))
            .int_or_null(self.numbered.then_some(right));
        let row = match self.sample.options.encoding {
            Encoding::SqlAscii => row.bytes(&node.name),
            Encoding::Utf8 => row.text(&in_utf8(&node.name)),
        };
        self.batch.add(
            &self.table,
            "uploadtree_pk, parent, realparent, upload_fk, pfile_fk, ufile_mode, lft, rgt, ufile_name",
            row,
        );
        Ok(())
    }
}

/// A name as a database in UTF-8 can hold it.
fn in_utf8(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) => name.iter().copied().map(char::from).collect(),
    }
}
