// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether FOSSology's scheduler runs, as a process of this machine or at its port; and telling it
//! that there is something to look at.

use super::config::Config;
use std::fs;
use std::io::{self, Read, Write};
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

/// How long the scheduler may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What the scheduler is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// There is something new in the queue.
    Queue,
    /// The modules have changed: read their configuration again and test them.
    Modules,
}

/// Tells the scheduler at the instance's port.
///
/// # Errors
/// When nobody answers there within some seconds. The queue is looked at every two minutes anyway,
/// and modules at the scheduler's start.
pub fn tell(config: &Config, message: Message) -> io::Result<()> {
    let line: &[u8] = match message {
        Message::Queue => b"database\n",
        Message::Modules => b"reload\n",
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (config.address.as_str(), config.port).to_socket_addrs()? {
        let told = TcpStream::connect_timeout(&address, ANSWER).and_then(|mut stream| {
            stream.set_read_timeout(Some(ANSWER))?;
            stream.set_write_timeout(Some(ANSWER))?;
            stream.write_all(line)?;
            // It answers what it has read before it does it.
            let mut answer = [0; 8];
            stream.read_exact(&mut answer)?;
            if &answer == b"received" {
                Ok(())
            } else {
                Err(io::Error::other("whoever listens there is no scheduler"))
            }
        });
        match told {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
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

    fn listening(at: &std::net::TcpListener) -> Config {
        let port = at.local_addr().unwrap().port();
        let text = format!(
            "[FOSSOLOGY]\nport = {port}\naddress = 127.0.0.1\n[REPOSITORY]\nlocalhost[] = * 00 ff\n"
        );
        Config::parse(std::path::Path::new("/nowhere"), text.as_bytes()).unwrap()
    }

    #[test]
    fn the_scheduler_is_told_and_somebody_else_is_not_taken_for_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = listening(&listener);
        let serve = std::thread::spawn(move || {
            let mut heard = String::new();
            for answer in ["received\n", "HTTP/1.1 400 no\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = [0; 64];
                let length = stream.read(&mut line).unwrap();
                heard += std::str::from_utf8(&line[..length]).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
            heard
        });
        tell(&config, Message::Queue).unwrap();
        let error = tell(&config, Message::Modules).unwrap_err();
        assert!(error.to_string().contains("no scheduler"), "{error}");
        assert_eq!(serve.join().unwrap(), "database\nreload\n");
        // Now nobody is there.
        tell(&config, Message::Queue).unwrap_err();
    }

    #[test]
    fn whoever_listens_at_the_port_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = listening(&listener);
        let port = config.port.to_string();
        assert!(running(&config).is_some_and(|place| place.contains(&port)));
        drop(listener);
        assert_eq!(running(&config), None);
    }
}
