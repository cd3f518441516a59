// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What tests need to make trouble at a chosen moment: runs that are held at a lock of the
//! database, signals, small disks, and a user whom the modes of files bind.

use super::world::{Called, World};
use fossology_backup::demo::Role;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, User, geteuid};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that is bound to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is there.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A call that goes on while the test does something else; a process group of its own, as
/// FOSSology's scheduler makes it.
pub struct Running {
    child: Child,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Sends a signal to the whole group.
    pub fn signal(&self, signal: Signal) {
        // It may have ended already; then nobody is there.
        let _ = killpg(self.pid(), signal);
    }

    /// Stops it where it is. Stopped when this returns.
    pub fn pause(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
        wait_for("the run to stop", || {
            (state_of(self.pid().as_raw()) == Some('T')).then_some(())
        });
    }

    pub fn go_on(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// Its end.
    pub fn wait(self) -> Called {
        Called::new(&self.child.wait_with_output().unwrap())
    }

    /// The processes that it has started, and theirs.
    pub fn descendants(&self) -> Vec<i32> {
        descendants(self.pid())
    }
}

/// The processes that one has started, and theirs.
pub fn descendants(of: Pid) -> Vec<i32> {
    let processes: Vec<(i32, i32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, stat(pid)?.1))
        })
        .collect();
    let mut found = vec![of.as_raw()];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            processes
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| pid),
        );
        at += 1;
    }
    found.remove(0);
    found
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn state_of(pid: i32) -> Option<char> {
    stat(pid).map(|(state, _)| state)
}

/// Whether a process is there and is no zombie.
pub fn lives(pid: i32) -> bool {
    !matches!(state_of(pid), None | Some('Z' | 'X'))
}

/// The words of a process's command line.
pub fn command_line(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// A lock that keeps everybody from reading a table, until it is dropped.
pub struct Held {
    _client: postgres::Client,
}

/// Keeps everybody from reading a table of the world's instance.
pub fn hold(world: &World, table: &str) -> Held {
    let mut client = world
        .cluster
        .connect(Role::Superuser, world.sample().database())
        .unwrap();
    client
        .batch_execute(&format!(
            "BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
        ))
        .unwrap();
    Held { _client: client }
}

/// Waits until the session that calls itself so waits for a lock.
#[track_caller]
pub fn until_held(world: &World, application: &str) {
    let mut admin = world.cluster.connect(Role::Superuser, "postgres").unwrap();
    let query = "SELECT pid FROM pg_stat_activity
                  WHERE split_part(application_name, ',', 1) = $1 AND wait_event_type = 'Lock' LIMIT 1";
    wait_for(&format!("'{application}' to wait for the lock"), || {
        admin.query_opt(query, &[&application]).unwrap()
    });
}

/// Waits until somebody waits for this table.
#[track_caller]
pub fn until_waited_for(world: &World, table: &str) {
    let mut client = world.sample().connect().unwrap();
    let query = "SELECT pid FROM pg_locks
                  WHERE NOT granted AND relation = $1::text::regclass LIMIT 1";
    wait_for(&format!("somebody to wait for '{table}'"), || {
        client.query_opt(query, &[&table]).unwrap()
    });
}

/// A backup that has its moment of the database and has not asked yet what is in it.
pub fn held_backup(world: &World, arguments: &[&str]) -> (Running, Held) {
    let held = hold(world, "pfile");
    let running = Running::start(world.command(arguments));
    until_held(world, "fo_backup backup catalogue");
    (running, held)
}

/// A disk with little room, as a file system of its own. Only root can make one.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts it at a folder, with options of tmpfs; without being root says that the test is
    /// skipped.
    pub fn mount(path: &Path, options: &str) -> Option<Self> {
        if !geteuid().is_root() {
            println!("skipped: only root can mount a small disk");
            return None;
        }
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(path)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: this machine does not let us mount a small disk");
            return None;
        }
        Some(Self {
            path: path.to_owned(),
        })
    }

    /// Changes its options.
    pub fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.path)
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What still uses it is detached; a test's failure must not be hidden by another one here.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// The user whom modes bind: `nobody` when the tests run as root, for whom nothing is closed.
fn nobody() -> Option<User> {
    geteuid()
        .is_root()
        .then(|| User::from_name("nobody").unwrap().unwrap())
}

/// Lets a command run as a user whom the modes of files bind.
pub fn unprivileged(mut command: Command) -> Command {
    if let Some(user) = nobody() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Gives a folder and all in it to that user.
pub fn give(folder: &Path) {
    let Some(user) = nobody() else { return };
    for entry in walkdir::WalkDir::new(folder) {
        std::os::unix::fs::lchown(
            entry.unwrap().path(),
            Some(user.uid.as_raw()),
            Some(user.gid.as_raw()),
        )
        .unwrap();
    }
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// The files of a folder whose names end so.
pub fn ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = files(folder);
    found.retain(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
    found
}
