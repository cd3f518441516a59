// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the figures depend on: the machine and the versions of all programs.

use std::path::Path;
use std::process::Command;

/// How many threads run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// One line about the machine; nothing that tells where or whose it is.
pub fn describe(scratch: &Path) -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap_or("");
        line.trim_matches([' ', '\t', ':']).to_owned()
    };
    let memory: u64 = field("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let scratch = scratch.to_string_lossy();
    format!(
        "{} with {} cores, {} GiB of memory, {}, Linux {}",
        field("/proc/cpuinfo", "model name"),
        cores(),
        memory.div_ceil(1 << 20),
        first_line("findmnt", &["-n", "-o", "FSTYPE", "-T", &scratch]),
        first_line("uname", &["-r"]),
    )
}

/// The versions of the programs that are compared.
pub fn versions(ours: &str) -> String {
    let commit = first_line("git", &["describe", "--always", "--dirty"]);
    let ours = format!("{} ({commit})", first_line(ours, &["--version"]));
    let others = [
        ("restic", "version"),
        ("rustic", "--version"),
        ("rsync", "--version"),
        ("zstd", "--version"),
        ("tar", "--version"),
        ("pg_dump", "--version"),
    ];
    let others = others
        .map(|(program, option)| first_line(program, &[option]))
        .into_iter()
        .filter(|line| !line.is_empty());
    std::iter::once(ours)
        .chain(others)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The first line that a program prints; empty when there is no such program.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .next()
        .unwrap_or("")
        .trim_matches(['*', ' '])
        .to_owned()
}

/// Whether there is such a program.
pub fn has(program: &str) -> bool {
    let found = |folder: std::path::PathBuf| folder.join(program).is_file();
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(found)
}
