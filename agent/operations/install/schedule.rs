// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Cron lines or timers of systemd's for all tasks of the schedule. Most of them only ask
//! FOSSology's scheduler, whose job list then shows the work like any other job.
//!
//! Each file is replaced whole. Killed in the middle, some tasks have their old times; the same
//! command again finishes the work.

use super::{Place, Result, files};
use crate::operations::Error;
use crate::operations::schedule::{Schedule, TASKS, Task, When};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Who wakes the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waker {
    /// A file in /etc/cron.d.
    Cron,
    /// Timers and their services of systemd's.
    Timer,
}

/// A task that cron or systemd begins on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Who wakes it.
    pub by: Waker,
    /// When; none when somebody has written moments that this program would not.
    pub when: Option<When>,
    /// Whether it was enabled: a timer that is only written wakes nothing.
    pub enabled: bool,
}

const CRON: &str = "/etc/cron.d/fossology-backup";
const UNITS: &str = "/etc/systemd/system";
const HEAD: &str = "# Written by 'fo_backup install', which writes it again at each update.\n";

impl Task {
    /// The name of its units, without an ending.
    fn unit(&self) -> String {
        match self.verb {
            "backup" => "fossology-backup".to_owned(),
            verb => format!("fossology-backup-{verb}"),
        }
    }

    fn service_file(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.service", self.unit()))
    }

    fn timer_file(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.timer", self.unit()))
    }

    /// The link by which systemd knows that the timer is enabled.
    fn enabling_link(&self) -> PathBuf {
        Path::new(UNITS).join(format!("timers.target.wants/{}.timer", self.unit()))
    }

    /// A cron line.
    fn cron_line(&self, when: When, program: &Program<'_>) -> String {
        format!(
            "{}  {}  {}\n",
            when.cron(),
            program.user,
            program.cron_call(self)
        )
    }

    fn service(&self, program: &Program<'_>) -> String {
        // That something is late is what the written files say; the task itself has not failed.
        let success = match self.verb {
            "status" => "SuccessExitStatus=1 3\n",
            _ => "",
        };
        format!(
            "{HEAD}[Unit]\nDescription=fo_backup {}\n\n[Service]\nType=oneshot\nUser={}\nExecStart={}\n{success}",
            self.does,
            program.user,
            program.unit_call(self),
        )
    }

    fn timer(&self, when: When) -> String {
        format!(
            "{HEAD}[Unit]\nDescription=fo_backup {}\n\n[Timer]\nOnCalendar={}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
            self.does,
            when.calendar()
        )
    }
}

/// What is called.
struct Program<'a> {
    program: PathBuf,
    sysconfdir: &'a Path,
    user: &'a str,
}

impl Program<'_> {
    fn cron_call(&self, task: &Task) -> String {
        // Cron makes a new line of a bare percent sign, whatever quotes are around it.
        let quoted = |path: &Path| shell_word(&path.to_string_lossy()).replace('%', "\\%");
        format!(
            "{} -c {} -q {}",
            quoted(&self.program),
            quoted(self.sysconfdir),
            task.call
        )
    }

    fn unit_call(&self, task: &Task) -> String {
        let quoted = |path: &Path| unit_word(&path.to_string_lossy());
        format!(
            "{} -c {} -q {}",
            quoted(&self.program),
            quoted(self.sysconfdir),
            task.call
        )
    }
}

/// Whether a word means itself to a shell and to systemd.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || "/._-+=:,@".contains(sign))
}

fn shell_word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn unit_word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}

/// All files and links that any schedule is made of.
pub(super) fn all_files() -> Vec<PathBuf> {
    let of_task = |task: &Task| [task.enabling_link(), task.timer_file(), task.service_file()];
    let units = TASKS.iter().flat_map(of_task);
    std::iter::once(PathBuf::from(CRON)).chain(units).collect()
}

/// Writes what wakes the tasks of the schedule, and removes what would wake others or would wake
/// them twice.
pub(super) fn install(
    place: &Place,
    waker: Waker,
    user: &str,
    schedule: &Schedule,
) -> Result<Vec<PathBuf>> {
    let program = Program {
        program: place.module().join("agent").join(super::AGENT),
        sysconfdir: &place.sysconfdir,
        user,
    };
    let tasks = schedule.tasks();
    let mut contents: Vec<(PathBuf, String)> = Vec::new();
    match waker {
        Waker::Cron => {
            let lines = tasks
                .iter()
                .map(|(task, when)| task.cron_line(*when, &program));
            contents.push((
                CRON.into(),
                lines.fold(HEAD.to_owned(), |text, line| text + &line),
            ));
        }
        Waker::Timer => {
            for (task, when) in &tasks {
                contents.push((task.service_file(), task.service(&program)));
                contents.push((task.timer_file(), task.timer(*when)));
            }
        }
    }
    let is_kept = |file: &PathBuf| {
        let is_written = contents.iter().any(|(path, _)| path == file);
        let wakes =
            |(task, _): &(&Task, When)| waker == Waker::Timer && task.enabling_link() == *file;
        is_written || tasks.iter().any(wakes)
    };
    for file in all_files().iter().filter(|file| !is_kept(file)) {
        remove(&place.real(file))?;
    }
    let mut written = Vec::new();
    for (path, content) in contents {
        let path = place.real(&path);
        if let Some(folder) = path.parent() {
            files::folder(folder, None)?;
        }
        files::write(&path, content.as_bytes(), None)?;
        written.push(path);
    }
    Ok(written)
}

/// Removes a file or link; `false` when it was not there.
pub(super) fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("removing", file)(error)),
    }
}

/// The tasks that cron or systemd begins on this host, by verb. `root` stands for `/`.
pub fn planned(root: &Path) -> BTreeMap<&'static str, Planned> {
    let real = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let read = |path: &Path| fs::read_to_string(real(path)).unwrap_or_default();
    let mut planned = BTreeMap::new();
    for task in TASKS {
        let text = read(&task.timer_file());
        if let Some(moments) = text
            .lines()
            .find_map(|line| line.strip_prefix("OnCalendar="))
        {
            let timer = Planned {
                by: Waker::Timer,
                when: When::from_calendar(moments),
                enabled: fs::symlink_metadata(real(&task.enabling_link())).is_ok(),
            };
            planned.insert(task.verb, timer);
        }
    }
    for line in read(Path::new(CRON)).lines() {
        if let Some((verb, when)) = read_cron_line(line) {
            let cron = Planned {
                by: Waker::Cron,
                when,
                enabled: true,
            };
            planned.insert(verb, cron);
        }
    }
    planned
}

/// The verb of a cron line of ours, and when it is begun.
fn read_cron_line(line: &str) -> Option<(&'static str, Option<When>)> {
    if line.starts_with('#') {
        return None;
    }
    let task = TASKS.iter().find(|task| line.ends_with(task.call))?;
    let fields: Vec<&str> = line.split_whitespace().take(5).collect();
    let fields: &[&str; 5] = fields[..].try_into().ok()?;
    Some((task.verb, When::from_cron(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::schedule::Day;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    /// A root with a program, and a schedule in which everything is done.
    fn world(sysconfdir: &str) -> (tempfile::TempDir, Place, Schedule) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            root: Some(folder.path().to_owned()),
            sysconfdir: sysconfdir.into(),
            moddir: "/usr/share/fossology".into(),
        };
        let text = "status_file = \"/x.json\"\nprune = \"weekly\"";
        let mut schedule: Schedule = toml::from_str(text).unwrap();
        schedule.has_offsite = true;
        (folder, place, schedule)
    }

    /// What cron understands of a line of /etc/cron.d: moments, user, and the words of the command
    /// as a shell gets them.
    fn as_cron_reads(line: &str) -> (Vec<String>, String, Vec<String>) {
        let mut fields = line.split_whitespace();
        let moments: Vec<String> = fields.by_ref().take(5).map(str::to_owned).collect();
        for (field, most) in moments.iter().zip([59, 23, 31, 12, 7]) {
            let number = field.parse::<u32>();
            assert!(
                field == "*" || number.is_ok_and(|number| number <= most),
                "{line}"
            );
        }
        let user = fields.next().unwrap().to_owned();
        let command = line.split_once(&format!(" {user} ")).unwrap().1;
        let mut bare = command.replace("\\%", "");
        assert!(!bare.contains('%'), "cron would cut {line}");
        bare = command.replace("\\%", "%");
        let script = format!("for word in {bare}; do printf '%s\\n' \"$word\"; done");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        (moments, user, words.lines().map(str::to_owned).collect())
    }

    #[test]
    fn cron_reads_each_line_as_it_is_meant() {
        let (folder, place, schedule) = world("/etc/100% it's fo");
        install(&place, Waker::Cron, "fossy", &schedule).unwrap();
        let text = fs::read_to_string(folder.path().join("etc/cron.d/fossology-backup")).unwrap();
        assert!(
            text.ends_with('\n'),
            "cron passes over a last line without an end"
        );
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), TASKS.len());
        for (line, task) in lines.iter().zip(TASKS) {
            let (_, user, words) = as_cron_reads(line);
            assert_eq!(user, "fossy");
            let program = "/usr/share/fossology/backup/agent/backup";
            assert_eq!(words[..4], [program, "-c", "/etc/100% it's fo", "-q"]);
            assert_eq!(words[4..].join(" "), task.call);
        }
    }

    #[test]
    fn systemd_finds_nothing_wrong_with_the_units() {
        let (folder, mut place, schedule) = world("/etc/50% $HOME \"fo\"");
        // The program has to be there, and systemd looks for it below the real root.
        place.moddir = folder.path().join("mods");
        let program = place.moddir.join("backup/agent/backup");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let written = install(&place, Waker::Timer, "root", &schedule).unwrap();
        assert_eq!(written.len(), 2 * TASKS.len());
        let checked = Command::new("systemd-analyze")
            .arg("verify")
            .args(&written)
            .output();
        let Ok(checked) = checked else {
            println!("skipped: systemd-analyze is not there");
            return;
        };
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(
            checked.status.success() && !said.contains("fossology-backup"),
            "{said}"
        );
        for (_, when) in schedule.tasks() {
            let moment = Command::new("systemd-analyze")
                .args(["calendar", &when.calendar()])
                .output();
            assert!(moment.unwrap().status.success(), "{}", when.calendar());
        }
    }

    #[test]
    fn what_is_not_wanted_any_more_goes() {
        let (folder, place, mut schedule) = world("/etc/fossology");
        install(&place, Waker::Timer, "fossy", &schedule).unwrap();
        let unit = |name: &str| folder.path().join("etc/systemd/system").join(name);
        let wants = unit("timers.target.wants");
        fs::create_dir(&wants).unwrap();
        for name in ["fossology-backup.timer", "fossology-backup-check.timer"] {
            symlink(unit(name), wants.join(name)).unwrap();
        }
        schedule.check = Some(crate::operations::schedule::Every::Never);
        install(&place, Waker::Timer, "fossy", &schedule).unwrap();
        assert!(unit("fossology-backup-verify.timer").exists());
        assert!(wants.join("fossology-backup.timer").exists());
        assert!(!unit("fossology-backup-check.timer").exists());
        assert!(fs::symlink_metadata(wants.join("fossology-backup-check.timer")).is_err());
        // Cron and timers together would do everything twice.
        install(&place, Waker::Cron, "fossy", &schedule).unwrap();
        assert!(!unit("fossology-backup.timer").exists());
        assert_eq!(fs::read_dir(&wants).unwrap().count(), 0);
    }

    #[test]
    fn what_is_planned_is_read_from_what_is_installed() {
        let (folder, place, schedule) = world("/etc/fossology");
        assert!(planned(folder.path()).is_empty());
        install(&place, Waker::Timer, "fossy", &schedule).unwrap();
        let found = planned(folder.path());
        assert_eq!(found.len(), TASKS.len());
        assert!(
            found
                .values()
                .all(|planned| planned.by == Waker::Timer && !planned.enabled)
        );
        install(&place, Waker::Cron, "fossy", &schedule).unwrap();
        let found = planned(folder.path());
        for (task, when) in schedule.tasks() {
            let cron = Planned {
                by: Waker::Cron,
                when: Some(when),
                enabled: true,
            };
            assert_eq!(found[task.verb], cron);
        }
        let cron = folder.path().join("etc/cron.d/fossology-backup");
        fs::write(
            &cron,
            "*/5 1 * * * fossy backup -q queue backup\n# 1 1 * * * fossy queue check\n",
        )
        .unwrap();
        let found = planned(folder.path());
        assert_eq!(found["backup"].when, None, "somebody has changed it");
        assert_eq!(found.len(), 1);
        fs::write(&cron, "7 * * * * fossy backup -q queue backup\n").unwrap();
        let hourly = When {
            minute: 7,
            hour: None,
            day: Day::Every,
        };
        assert_eq!(planned(folder.path())["backup"].when, Some(hourly));
    }
}
