// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The commands that plan what may go, and that remove it. Each removes the same files from the
//! same folders; the others know nothing of a database.

use super::measure::Run;
use super::peers::{Contender, OURS, Places};

pub const RM: &str = "rm -rf";
pub const FIND_DELETE: &str = "find -type f -delete";

const GOLD_ONLY: [&str; 3] = ["prune", "--policy", "gold-only"];

impl Places {
    /// The plan for everything, by the database alone; nobody else has one.
    pub(super) fn plan(&self) -> Vec<Contender> {
        let words = GOLD_ONLY.into_iter().chain(["--dry-run"]);
        vec![Contender::new(OURS, self.ours(words))]
    }

    /// All that was unpacked from an archive goes. What it takes to prove that it comes back is
    /// measured as a recovery; here it is proven already.
    pub(super) fn prune(&self) -> Vec<Contender> {
        let Some(archive) = self.archive() else {
            return Vec::new();
        };
        let copy = self.home().join("files");
        let back = self.ours(["recover", "--missing", "--from", "gold"]);
        let prove = GOLD_ONLY.into_iter().chain(["--dry-run", "--prove"]);
        let ours = self.ours(GOLD_ONLY.into_iter().chain(["--yes"]));
        let copied = Run::new("cp", ["-a".into(), archive.files.clone(), copy.clone()]);
        let other = |name, run| {
            let contender = Contender::new(name, run).anew(&[&copy]).passing();
            contender.after(back.clone()).after(copied.clone())
        };
        vec![
            Contender::new(OURS, ours)
                .after(back.clone())
                .after(self.ours(prove)),
            other(RM, Run::shell("rm -rf \"$1\"", [&copy])),
            other(
                FIND_DELETE,
                Run::shell("find \"$1\" -type f -delete", [&copy]),
            ),
        ]
    }
}
