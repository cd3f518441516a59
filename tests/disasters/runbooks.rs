// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The pages of docs/disasters: each is run from top to bottom as one shell, in a world in which that
//! disaster has happened, and what the commands print is compared with what the page shows.
//!
//! What a test cannot have is substituted, and nothing else (see [`PATHS`] and [`STAND_INS`]). A block of
//! `sh` is run, a block of `text` after it is what its commands print; `…` alone on a line stands for
//! any lines. Numbers, times and names of snapshots and files count as equal. With
//! `FO_BACKUP_TEST_BLESS=1` the blocks of `text` are written anew instead.

mod pages;

use super::support::queue::play;
use super::support::world::{Called, World};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a page calls it, for a world's own folders.
const PATHS: [&str; 5] = [
    // First, since the others are replaced by what may lie there.
    "/tmp",
    "/etc/fossology",
    "/usr/local/share/fossology",
    "/srv/fossology/repository",
    "/backup/fossology",
];

/// Programs that act on what a test does not have, each with what is done instead.
const STAND_INS: [(&str, &str); 4] = [
    (
        "sudo",
        "# The test has one user only. As postgres it is PostgreSQL's superuser.
if [ \"$1\" = -u ]; then
    user=$2; shift 2
    if [ \"$user\" = postgres ]; then
        export PGHOST=127.0.0.1 PGPORT=$STAND_IN_PORT PGUSER=postgres PGPASSWORD=$STAND_IN_PASSWORD PGDATABASE=postgres
    fi
fi
exec \"$@\"",
    ),
    (
        "systemctl",
        "# Nothing is installed here. The test hears of it and plays the scheduler.
echo \"$*\" >\"$STAND_IN/asked\"
read -r done <\"$STAND_IN/done\"",
    ),
    (
        "install",
        "# There is no user fossy.
folder=; for word; do folder=$word; done
mkdir -p \"$folder\" && chmod 2770 \"$folder\"",
    ),
    (
        "mount",
        "# There is no other disk: what would be mounted is there already, empty.
exit 0",
    ),
];

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
}

/// A page in parts: what lies between fences, and fences.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text += &format!("{line}\n");
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/disasters")
}

/// What a page's paths are in a world.
fn paths(world: &World) -> [(&'static str, String); 5] {
    let etc = world.sample().sysconfdir();
    let real = [
        world.path("tmp"),
        etc.clone(),
        etc.with_file_name("local/share/fossology"),
        world.sample().repository().to_owned(),
        world.vault(),
    ];
    let mut real = real.iter().map(|path| path.display().to_string());
    PATHS.map(|path| (path, real.next().unwrap()))
}

/// Makes the stand-ins; gives their folder.
fn stand_ins(world: &World) -> PathBuf {
    let folder = world.path("stand-ins");
    fs::create_dir(&folder).unwrap();
    for (name, body) in STAND_INS {
        let path = folder.join(name);
        fs::write(
            &path,
            format!("#!/bin/bash\n# A stand-in for {name}.\n{body}\n"),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_fo_backup"), folder.join("fo_backup")).unwrap();
    for pipe in ["asked", "done"] {
        let made = Command::new("mkfifo").arg(folder.join(pipe)).status();
        assert!(made.unwrap().success());
    }
    folder
}

/// Runs a page; gives what each block of `sh` printed.
#[track_caller]
fn run(world: &World, commands: &[&str]) -> Vec<String> {
    let folder = stand_ins(world);
    let mut script = "set -euo pipefail\n".to_owned();
    for block in commands {
        script += &format!("echo @@@\n{block}");
    }
    for (shown, real) in paths(world) {
        script = script.replace(shown, &real);
    }
    fs::create_dir(world.path("tmp")).unwrap();
    let (out, err) = (world.path("page.out"), world.path("page.err"));
    let path = std::env::var("PATH").unwrap();
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .env(
            "PATH",
            format!(
                "{}:{}:{path}",
                folder.display(),
                world.cluster.bin_directory().display()
            ),
        )
        .env("STAND_IN", &folder)
        .env("STAND_IN_PORT", world.cluster.port().to_string())
        .env(
            "STAND_IN_PASSWORD",
            world
                .cluster
                .password(fossology_backup::demo::Role::Superuser),
        )
        .env("FO_SYSCONFDIR", world.sample().sysconfdir())
        .env("FO_BACKUP_SCRATCH", world.path("scratch"))
        .current_dir(world.folder.path())
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let asked = folder.join("asked");
    let end = asked.clone();
    let waiting = std::thread::spawn(move || {
        let status = child.wait().unwrap();
        File::options()
            .write(true)
            .open(end)
            .unwrap()
            .write_all(b"end\n")
            .unwrap();
        status
    });
    loop {
        let words = fs::read_to_string(&asked).unwrap();
        if words == "end\n" {
            break;
        }
        if words == "start fossology\n" {
            play(world);
        }
        fs::write(folder.join("done"), "done\n").unwrap();
    }
    let status = waiting.join().unwrap();
    let printed = fs::read_to_string(out).unwrap();
    let said = fs::read_to_string(err).unwrap();
    assert!(status.success(), "{printed}\n{said}");
    fs::remove_dir_all(folder).unwrap();
    let mut printed: Vec<String> = printed.split("@@@\n").map(str::to_owned).collect();
    assert_eq!(printed.remove(0), "");
    // Else a command was not run.
    assert_eq!(printed.len(), commands.len(), "{said}");
    for text in &mut printed {
        for (shown, real) in paths(world) {
            *text = text.replace(&real, shown);
        }
        // The host of a snapshot is that of the test.
        let host = nix::unistd::gethostname().unwrap();
        let host = format!("  {}", host.to_string_lossy());
        *text = text.replace(&host, "  fossology");
    }
    printed
}

/// A line in which what differs from run to run is not seen.
fn normal(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_hex = |part: &str| part.len() >= 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let mut normal = String::new();
        // Ids and names of files are of hexadecimal digits.
        for part in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let bare = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let digits = bare.bytes().any(|byte| byte.is_ascii_digit());
            let is_folder = part.len() == 3 && part.ends_with('/');
            let is_byte = is_folder && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hex(bare) || digits || is_byte {
                normal.push('#');
            } else {
                normal += bare;
            }
            normal += &part[bare.len()..];
        }
        // 1,234 and 1.5 are one number each, and so is any time or size.
        while let Some(at) = normal.find("#.#").or_else(|| normal.find("#,#")) {
            normal.replace_range(at..at + 3, "#");
        }
        let unit = normal.trim_end_matches([',', ';', ':', ')']);
        let is_unit = ["B", "kB", "MB", "GB", "s", "min", "h"].contains(&unit);
        let after_number = words.last().is_some_and(|last| last.ends_with('#'));
        if after_number && is_unit {
            let end = normal[unit.len()..].to_owned();
            words.last_mut().unwrap().push_str(&end);
        } else if !(after_number && normal == "#") {
            words.push(normal);
        }
    }
    words.join(" ")
}

/// Whether what was printed is what the page shows.
fn fits(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            (0..=printed.len()).any(|skip| fits(rest, &printed[skip..]))
        }
        (Some((first, rest)), Some((line, later))) => first == line && fits(rest, later),
        _ => false,
    }
}

/// Runs a page and compares.
#[track_caller]
fn follow(world: &World, name: &str) {
    let path = folder().join(name);
    let page = fs::read_to_string(&path).unwrap();
    let blocks = blocks(&page);
    let commands: Vec<&str> = blocks
        .iter()
        .filter(|block| block.language == "sh")
        .map(|block| block.text.as_str())
        .collect();
    let mut printed = run(world, &commands).into_iter();
    let bless = std::env::var_os("FO_BACKUP_TEST_BLESS").is_some();
    let (mut said, mut blessed) = (String::new(), page.clone());
    for block in &blocks {
        match block.language.as_str() {
            "sh" => said = printed.next().unwrap(),
            "text" if bless => {
                blessed = blessed.replacen(
                    &format!("```text\n{}```", block.text),
                    &format!("```text \n{said}```"),
                    1,
                );
            }
            "text" => {
                let lines = |text: &str| -> Vec<String> {
                    let lines = text.lines().map(normal);
                    lines.filter(|line| !line.is_empty()).collect()
                };
                assert!(
                    fits(&lines(&block.text), &lines(&said)),
                    "{name} shows:\n{}\nand this was printed:\n{said}",
                    block.text
                );
            }
            other => panic!("{name}: what is a block of '{other}'?"),
        }
    }
    if bless {
        fs::write(path, blessed.replace("```text \n", "```text\n")).unwrap();
    }
}

/// Runs the command and gives what it printed.
#[track_caller]
fn call(world: &World, arguments: &[&str]) -> Called {
    world.call(arguments).expect(0)
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    for (one, other) in [
        (
            "in 3.2 s: 12 blobs, 1.59 MB;",
            "in 1 min 4 s: 1,234 blobs, 12 kB;",
        ),
        (
            "snapshot 20261124T160437Z-cc9e747c (gold)",
            "snapshot 20270101T000000Z-0a1b2c3d (gold)",
        ),
        ("  alpha/files/00/2b/x.698  ", "alpha/files/ff/aa/x.1"),
    ] {
        assert_eq!(normal(one), normal(other));
    }
    for (one, other) in [
        ("12 blobs written", "12 blobs kept"),
        ("nothing was found", "nothing was lost"),
        ("missing 1", "missing"),
    ] {
        assert_ne!(normal(one), normal(other));
    }
    let lines = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    for (shown, printed, expected) in [
        ("a b", "a b", true),
        ("a … d", "a b c d", true),
        ("a …", "a", true),
        ("a b", "a", false),
        ("a", "a b", false),
        ("a … c", "a b d", false),
    ] {
        assert_eq!(fits(&lines(shown), &lines(printed)), expected, "{shown}");
    }
    let found = blocks("text\n```sh\nls\n```\n\n```text\na\n```\n");
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|block| (block.language.as_str(), block.text.as_str()))
        .collect();
    assert_eq!(found, [("sh", "ls\n"), ("text", "a\n")]);
}
