// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A repository whose only upload is a real archive. Generated text shares less between files than
//! real source code does, so its archives are larger and take longer to be decompressed.

use super::error::{Error, Result};
use super::instance::{Repository, Size, Wanted};
use super::rows::Rows;
use fossology_backup::blob::{Tree, digest};
use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

impl Repository {
    /// Puts an archive's files into the repository, each content once, and the archive.
    pub(super) fn unpack(&self, archive: &Path) -> Result<Size> {
        let reading = |error| Error::io("reading", archive)(error);
        let mut xz = Command::new("xz")
            .arg("-dc")
            .arg(archive)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(reading)?;
        let Some(text) = xz.stdout.take() else {
            return Err(Error::Usage("xz has no pipe".to_owned()));
        };
        let mut names = HashSet::new();
        let mut places = Vec::new();
        let mut rows = Rows::new(1, 1, 2);
        let mut size = Size::default();
        let mut members = tar::Archive::new(text);
        for member in members.entries().map_err(reading)? {
            let mut member = member.map_err(reading)?;
            if !member.header().entry_type().is_file() {
                continue;
            }
            let mut content = Vec::new();
            member.read_to_end(&mut content).map_err(reading)?;
            let name = digest(&content);
            if !names.insert(name) {
                continue;
            }
            let path = String::from_utf8_lossy(&member.path_bytes()).into_owned();
            // As COPY takes it.
            let path = path.replace(['\\', '\t', '\n', '\r'], "_");
            self.write(Tree::Files, &name, &content)?;
            rows.file(places.len(), &name, &content, &path);
            let end = member.raw_file_position() + name.size();
            places.push(Wanted { name, end });
            size.files += 1;
            size.file_bytes += name.size();
        }
        drop(members);
        let ended = xz.wait().map_err(reading)?;
        if !ended.success() {
            return Err(Error::Usage(format!(
                "xz -dc {} ended with {ended}",
                archive.display()
            )));
        }
        let Some(middle) = places.get(places.len() / 2) else {
            return Err(Error::Usage(format!("{} is empty", archive.display())));
        };
        self.note(*middle)?;
        let content = fs::read(archive).map_err(reading)?;
        self.finish_upload(0, rows, &content, places.len(), &mut size)?;
        Ok(size)
    }
}
