// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether FOSSology's scheduler runs: as a process of this machine, or at its port.

use super::config::Config;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How the scheduler's processes are called.
const PROGRAM: &str = "fo_scheduler";

/// Says where a scheduler was seen, if one runs: a process here whose configuration folder is
/// this instance's or is not told, or somebody who answers at the instance's port.
pub fn running(config: &Config) -> Option<String> {
    if let Some(pid) = process(&config.sysconfdir.to_string_lossy()) {
        return Some(format!("process {pid}"));
    }
    let place = (config.address.as_str(), config.port);
    let answers = place
        .to_socket_addrs()
        .into_iter()
        .flatten()
        .any(|address| TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok());
    answers.then(|| format!("port {} of {}", config.port, config.address))
}

fn process(sysconfdir: &str) -> Option<u32> {
    let entries = fs::read_dir("/proc").ok()?;
    entries.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        is_ours(&line, sysconfdir).then_some(pid)
    })
}

/// Whether a command line, its words ended by zero bytes, is that of this instance's scheduler.
fn is_ours(line: &[u8], sysconfdir: &str) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split('\0');
    let program = words.next().unwrap_or_default();
    if program.rsplit('/').next() != Some(PROGRAM) {
        return false;
    }
    let words: Vec<&str> = words.collect();
    let named = words.iter().enumerate().find_map(|(at, word)| match *word {
        "-c" | "--config" => words.get(at + 1).copied(),
        word => word.strip_prefix("--config="),
    });
    named.is_none_or(|named| named.trim_end_matches('/') == sysconfdir.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_of_another_instance_does_not_count() {
        let conf = "/etc/fossology";
        for (line, ours) in [
            (
                "/usr/local/share/fossology/scheduler/agent/fo_scheduler\0--daemon\0--reset\0--verbose=3\0-c\0/etc/fossology/\0",
                true,
            ),
            ("fo_scheduler\0--daemon\0", true),
            ("fo_scheduler\0--config=/srv/other\0", false),
            ("/usr/bin/fo_scheduler_log\0", false),
            ("vi\0fo_scheduler\0", false),
            ("", false),
        ] {
            assert_eq!(is_ours(line.as_bytes(), conf), ours, "{line:?}");
        }
    }

    #[test]
    fn whoever_listens_at_the_port_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            "[FOSSOLOGY]\nport = {port}\naddress = 127.0.0.1\n[REPOSITORY]\nlocalhost[] = * 00 ff\n"
        );
        let config = Config::parse(std::path::Path::new("/nowhere"), text.as_bytes()).unwrap();
        assert!(running(&config).is_some_and(|place| place.contains(&port.to_string())));
        drop(listener);
        assert_eq!(running(&config), None);
    }
}
