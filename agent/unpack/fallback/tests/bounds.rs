// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Nothing goes further than it may, and nothing of the tool outlives a run.

use super::*;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Leaves the process group, holds the pipe open, and says so in it.
const RUNAWAY: &str = r#"
    setsid sh -c 'exec 9>"$1/pipe"; echo here >&9; exec >/dev/null 2>&1; sleep 1000; :' - \
        "$place" &
"#;

/// A named pipe beside the stand-in, whose writers are watched.
struct Pipe(File);

impl Pipe {
    fn of(place: &Place) -> Self {
        let path = place.path("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        Self(options.open(path).unwrap())
    }

    /// Whether a writer has said that it is there.
    fn has_spoken(&self) -> bool {
        matches!((&self.0).read(&mut [0; 16]), Ok(1..))
    }

    /// Whether all that have opened it have ended.
    fn is_left(&self) -> bool {
        loop {
            match (&self.0).read(&mut [0; 16]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return false;
                }
            }
        }
    }
}

fn at_most(wall: Duration) -> ToolLimits {
    ToolLimits {
        wall,
        ..ToolLimits::default()
    }
}

#[test]
fn a_tool_that_hangs_is_ended_with_its_runaways() {
    let place = Place::with(&format!("{RUNAWAY} echo made >$dir/made; sleep 1000; :"));
    let pipe = Pipe::of(&place);
    let seeker = Sought::of(&[b"made\n"]);
    let tried = place.run(b"x", at_most(Duration::from_secs(2)), &seeker);
    assert_eq!(tried.outcome, Outcome::Exceeded(Limit::Wall));
    assert!(pipe.is_left());
    assert!(seeker.has_all());
}

#[test]
fn asking_to_stop_ends_everything() {
    let place = Place::with(&format!("{RUNAWAY} sleep 1000; :"));
    let pipe = Pipe::of(&place);
    let there = AtomicBool::new(false);
    let stop = || {
        there.fetch_or(pipe.has_spoken(), Ordering::Relaxed);
        there.load(Ordering::Relaxed)
    };
    let tried = place.run_until(b"x", at_most(LONG), &Sought::default(), &stop);
    assert_eq!(tried.outcome, Outcome::Stopped);
    assert!(pipe.is_left());
}

#[test]
fn what_the_tool_leaves_running_is_ended() {
    let place = Place::with(&format!(
        "{RUNAWAY} while [ ! -e \"$place/go\" ]; do sleep 0.01; done; exit 7"
    ));
    let pipe = Pipe::of(&place);
    let stop = || {
        if pipe.has_spoken() {
            std::fs::write(place.path("go"), "").unwrap();
        }
        false
    };
    let tried = place.run_until(b"x", at_most(LONG), &Sought::default(), &stop);
    assert_eq!(tried.outcome, Outcome::Failed(7));
    assert!(pipe.is_left());
}

/// This test starts itself again as the process that is killed, which the variable tells.
#[test]
fn nothing_outlives_us_when_we_are_killed() {
    const FOLDER: &str = "FO_BACKUP_TEST_FALLBACK";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let folder = PathBuf::from(folder);
        let tool = Ununpack::find(Some(&folder.join("ununpack")), &folder).unwrap();
        let job = Job {
            file: File::open(folder.join("ununpack")).unwrap(),
            name: "a",
            arguments: &Arguments::default(),
            limits: &ToolLimits::default(),
            scratch: &folder.join("scratch"),
            user: None,
            stop: &|| false,
        };
        tool.unwrap().run(job, &Sought::default()).unwrap();
        return;
    }
    let place = Place::with(&format!("{RUNAWAY} sleep 1000; :"));
    nix::unistd::mkfifo(&place.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut us = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env(FOLDER, place.folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Opening waits until the runaway has opened its end, reading until it has ended.
    let mut pipe = File::open(place.path("pipe")).unwrap();
    let before = std::time::Instant::now();
    us.kill().unwrap();
    us.wait().unwrap();
    pipe.read_to_end(&mut Vec::new()).unwrap();
    assert!(before.elapsed() < Duration::from_secs(60));
    // What it left is a folder, which the next run removes.
    remove_tree(&place.path("scratch")).unwrap();
}

#[test]
fn too_many_processes_are_ended() {
    let limits = ToolLimits {
        processes: 20,
        wall: LONG,
        ..ToolLimits::default()
    };
    for child in ["sleep 1000", "setsid sleep 1000"] {
        let place = Place::with(&format!(
            "i=0; while [ $i -lt 200 ]; do {child} & i=$((i + 1)); done; wait"
        ));
        let tried = place.run(b"x", limits, &Sought::default());
        assert_eq!(tried.outcome, Outcome::Exceeded(Limit::Processes));
    }
}

#[test]
fn a_tool_that_fills_the_disk_is_ended() {
    let place = Place::with(
        r#"echo made >"$dir/made"; i=0
           while :; do head -c 65536 /dev/zero >"$dir/$i"; i=$((i + 1)); done"#,
    );
    for (limits, limit) in [
        (
            ToolLimits {
                bytes: 1 << 20,
                ..at_most(LONG)
            },
            Limit::Bytes,
        ),
        (
            ToolLimits {
                files: 50,
                ..at_most(LONG)
            },
            Limit::Files,
        ),
    ] {
        let seeker = Sought::of(&[b"made\n"]);
        let tried = place.run(b"x", limits, &seeker);
        assert_eq!(tried.outcome, Outcome::Exceeded(limit));
        assert!(seeker.has_all());
    }
}

#[test]
fn nothing_is_begun_where_too_little_is_free() {
    let place = Place::with(r#"echo made >"$place/ran""#);
    let limits = ToolLimits {
        free: u64::MAX,
        ..ToolLimits::default()
    };
    let tried = place.run(b"x", limits, &Sought::default());
    assert_eq!(tried.outcome, Outcome::Exceeded(Limit::Free));
    assert!(!place.path("ran").exists());
}

#[test]
fn a_file_that_grows_too_large_is_cut() {
    let place = Place::with(r#"exec head -c 10000000 /dev/zero >"$dir/large""#);
    let limits = ToolLimits {
        file_size: 1 << 20,
        ..at_most(LONG)
    };
    let seeker = Sought::of(&[&vec![0; 1 << 20]]);
    let tried = place.run(b"x", limits, &seeker);
    assert_eq!(tried.outcome, Outcome::Exceeded(Limit::FileSize));
    assert!(seeker.has_all());
}

#[test]
fn a_tool_that_computes_for_ever_is_ended() {
    let place = Place::with("while :; do :; done");
    let limits = ToolLimits {
        cpu: Duration::from_secs(1),
        ..at_most(LONG)
    };
    let tried = place.run(b"x", limits, &Sought::default());
    assert_eq!(tried.outcome, Outcome::Exceeded(Limit::Cpu));
}

#[test]
fn memory_has_a_bound() {
    let place = Place::with("ulimit -v; ulimit -c");
    let limits = ToolLimits {
        memory: 1 << 30,
        ..ToolLimits::default()
    };
    let tried = place.run(&[0; 2048], limits, &Sought::default());
    assert_eq!(tried.said, format!("{}\n0\n", (1 << 20) + 2));
}
