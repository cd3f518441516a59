// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A backup every night, by cron or by a timer of systemd's: it only asks FOSSology's scheduler,
//! whose job list then shows it like any other job.

use super::{Place, Result, files};
use std::path::{Path, PathBuf};

/// Who wakes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// A file in /etc/cron.d.
    Cron,
    /// A timer and its service of systemd's.
    Timer,
}

const CRON: &str = "/etc/cron.d/fossology-backup";
const TIMER: &str = "/etc/systemd/system/fossology-backup.timer";
const SERVICE: &str = "/etc/systemd/system/fossology-backup.service";

/// All that any schedule is made of.
pub const FILES: [&str; 3] = [CRON, TIMER, SERVICE];

impl Schedule {
    /// Writes its files.
    pub(super) fn install(self, place: &Place, user: &str) -> Result<Vec<PathBuf>> {
        let call = format!(
            "{} -c {} -q queue backup",
            place.module().join("agent").join(super::AGENT).display(),
            place.sysconfdir.display()
        );
        let head = "# Written by 'fo_backup install', which writes it again at each update.\n";
        let contents = match self {
            Self::Cron => vec![(CRON, format!("{head}15 2 * * *  {user}  {call}\n"))],
            Self::Timer => vec![
                (
                    SERVICE,
                    format!(
                        "{head}[Unit]\nDescription=Ask FOSSology's scheduler for a backup\n\n[Service]\nType=oneshot\nUser={user}\nExecStart={call}\n"
                    ),
                ),
                (
                    TIMER,
                    format!(
                        "{head}[Unit]\nDescription=A backup of FOSSology every night\n\n[Timer]\nOnCalendar=*-*-* 02:15\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
                    ),
                ),
            ],
        };
        let mut written = Vec::new();
        for (path, content) in contents {
            let path = place.real(Path::new(path));
            if let Some(folder) = path.parent() {
                files::folder(folder, None)?;
            }
            files::write(&path, content.as_bytes(), None)?;
            written.push(path);
        }
        Ok(written)
    }
}
