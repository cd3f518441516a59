// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which process is it, and does it still live? Leases and temporary files name their owner, so
//! that what a killed run left is known as such at once.

use std::fs;

/// A process. Whether it lives can be said only where its number means the same: on the same boot
/// of the same machine, in the same namespace of processes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// The machine's boot.
    boot: String,
    namespace: String,
    pid: u32,
    /// The process's start, in clock ticks since the boot: numbers of processes are used again.
    start: u64,
}

impl Process {
    /// The process that asks.
    pub fn this_process() -> Self {
        let pid = std::process::id();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid")
            .map(|link| {
                link.to_string_lossy()
                    .chars()
                    .filter(char::is_ascii_digit)
                    .collect()
            })
            .unwrap_or_default();
        Self {
            boot: boot
                .chars()
                .filter(char::is_ascii_hexdigit)
                .take(12)
                .collect(),
            namespace,
            pid,
            start: start_of(pid).unwrap_or(0),
        }
    }

    /// The beginning of the names of temporary files of this process.
    pub fn file_prefix(&self) -> String {
        format!(
            "{}-{}-{}-{}",
            self.boot, self.namespace, self.pid, self.start
        )
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether a temporary file was left by a process that is known to be dead.
    pub fn left_by_the_dead(file: &str) -> bool {
        let mut parts = file.split('-');
        let owner = (|| {
            Some(Self {
                boot: parts.next()?.to_owned(),
                namespace: parts.next()?.to_owned(),
                pid: parts.next()?.parse().ok()?,
                start: parts.next()?.parse().ok()?,
            })
        })();
        owner.is_some_and(|owner| owner.is_dead())
    }

    /// Whether the process is known to have ended.
    pub fn is_dead(&self) -> bool {
        let here = Self::this_process();
        !self.boot.is_empty()
            && self.boot == here.boot
            && self.namespace == here.namespace
            && start_of(self.pid) != Some(self.start)
    }
}

#[cfg(test)]
impl Process {
    /// A process of this boot that is not there any more.
    pub fn ended() -> Self {
        Self {
            start: 1,
            ..Self::this_process()
        }
    }

    /// A process of which nothing can be said from here.
    pub fn elsewhere() -> Self {
        Self {
            boot: "elsewhere".into(),
            ..Self::this_process()
        }
    }
}

/// This machine's name.
pub fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(
        |_| "unknown".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The name of the user that the process runs as.
pub fn user_name() -> String {
    let uid = nix::unistd::Uid::effective();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// When a process started, in clock ticks since the boot; `None` when it is not there (a zombie
/// is not there either).
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold anything, so count from its closing bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_dead_processes_are_known() {
        let own = format!("{}-x7Gh2", Process::this_process().file_prefix());
        assert!(!Process::left_by_the_dead(&own));
        assert!(Process::left_by_the_dead(&format!(
            "{}-x7Gh2",
            Process::ended().file_prefix()
        )));
        assert!(!Process::left_by_the_dead("something else"));
    }

    #[test]
    fn a_process_of_another_boot_is_not_known_to_be_dead() {
        assert!(!Process::elsewhere().is_dead());
    }
}
