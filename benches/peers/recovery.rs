// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands that unpack an archive again: all of it, or up to one file.

use super::machine::has;
use super::measure::Run;
use super::peers::{Contender, OURS, Places};
use std::env;
use std::ffi::OsString;
use std::fs;

pub const TAR_X: &str = "tar xf";
pub const UNUNPACK: &str = "ununpack -qRC";
pub const XZ: &str = "xz -dc up to it";

/// Names FOSSology's unpacker where it is not on PATH.
const PROGRAM: &str = "FO_BACKUP_BENCH_UNUNPACK";

impl Places {
    /// All files of the archive. tar puts them where the archive says, without looking at their
    /// content; FOSSology's unpacker too, and looks for archives in them.
    pub(super) fn recover(&self) -> Vec<Contender> {
        let Some(archive) = self.archive() else {
            return Vec::new();
        };
        let target = self.home().join("unpacked");
        let ours = self.ours(["recover", "--missing", "--from", "gold"]);
        let ours = Contender::new(OURS, ours)
            .anew(&[&archive.files])
            .makes(&archive.files);
        let tar = "mkdir \"$2\" && tar -C \"$2\" -xf \"$1\"";
        let tar = Run::shell(tar, [&archive.gold, &target]);
        let mut all = vec![ours, Contender::new(TAR_X, tar)];
        let program = env::var_os(PROGRAM).or_else(|| has("ununpack").then(|| "ununpack".into()));
        if let Some(program) = program {
            // It leaves files beside its input.
            let input = self.home().join("project.tar.xz");
            let copied = fs::hard_link(&archive.gold, &input).is_ok() || input.exists();
            let arguments: [OsString; 4] = [
                "-d".into(),
                target.clone().into(),
                "-qRC".into(),
                input.into(),
            ];
            if copied {
                all.push(Contender::new(UNUNPACK, Run::new(program, arguments)));
            }
        }
        let unpacks = |contender: Contender| match contender.name {
            OURS => contender,
            _ => contender.anew(&[&target]).makes(&target).passing(),
        };
        all.into_iter().map(unpacks).collect()
    }

    /// The file in the middle of the archive.
    pub(super) fn recover_one(&self) -> Vec<Contender> {
        let Some(archive) = self.archive() else {
            return Vec::new();
        };
        let name = archive.wanted.name.to_string();
        let ours = self.ours(["recover", "--from", "gold", "--blob", &name]);
        // head leaves when it has enough, which xz takes for a failure.
        let xz = "{ xz -dc \"$1\" || true; } | head -c \"$2\" >/dev/null";
        let end = archive.wanted.end.to_string();
        let xz = Run::shell(xz, [archive.gold.as_os_str(), end.as_ref()]);
        vec![
            Contender::new(OURS, ours).anew(&[&archive.blob]),
            Contender::new(XZ, xz),
        ]
    }
}
