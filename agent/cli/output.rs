// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where results and errors go: results to standard output, as text or as one JSON object,
//! everything else to standard error.

use super::exit::Exit;
use super::progress::{Bars, Lines};
use crate::operations::{Progress, Quiet};
use crate::vault::{Requests, Storage, Vault};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};

/// The version of what `--json` prints; it changes when a field goes away or changes its meaning.
pub const SCHEMA: u32 = 1;

/// How this call prints.
pub struct Output {
    json: bool,
    quiet: bool,
    progress: Box<dyn Progress>,
    /// The servers that are asked.
    servers: Mutex<Vec<Arc<dyn Storage>>>,
}

/// What was asked of a server.
#[derive(Serialize)]
struct Asked {
    location: String,
    #[serde(flatten)]
    requests: Requests,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    schema: u32,
    verb: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    servers: Vec<Asked>,
    #[serde(flatten)]
    result: &'a T,
}

impl Output {
    /// Text or JSON; with progress unless it is not wanted.
    pub fn new(json: bool, quiet: bool) -> Self {
        let progress: Box<dyn Progress> = if quiet {
            Box::new(Quiet)
        } else if std::io::stderr().is_terminal() && !json {
            Box::new(Bars::default())
        } else {
            Box::new(Lines::default())
        };
        Self {
            json,
            quiet,
            progress,
            servers: Mutex::default(),
        }
    }

    /// Counts what is asked of a vault's server from here on.
    pub fn watch(&self, vault: &Vault) {
        let mut servers = self
            .servers
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        servers.push(vault.storage().clone());
    }

    fn asked(&self) -> Vec<Asked> {
        let servers = self
            .servers
            .lock()
            .unwrap_or_else(|error| error.into_inner());
        let asked = |server: &Arc<dyn Storage>| {
            Some(Asked {
                location: server.location(),
                requests: server.requests()?,
            })
        };
        servers.iter().filter_map(asked).collect()
    }

    /// Says how much was asked of servers, to who wants to know more.
    pub fn tell_requests(&self) {
        for Asked { location, requests } in self.asked() {
            log::info!(
                "{location}: {} requests ({} lists, {} heads, {} gets, {} puts, {} deletes; {} tried again), {} sent, {} received",
                requests.total(),
                requests.lists,
                requests.heads,
                requests.gets,
                requests.puts,
                requests.deletes,
                requests.retries,
                bytes(requests.sent_bytes),
                bytes(requests.received_bytes)
            );
        }
    }

    /// Whether results are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nothing is said that nobody has to know.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A result as the JSON object that `--json` prints.
    pub fn envelope<T: Serialize>(&self, verb: &str, result: &T) -> String {
        let envelope = Envelope {
            schema: SCHEMA,
            verb,
            servers: self.asked(),
            result,
        };
        serde_json::to_string_pretty(&envelope).unwrap_or_else(|error| error.to_string()) + "\n"
    }

    /// Whom operations tell how far they are.
    pub fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    /// Prints a result: the object with `--json`, else the text.
    pub fn result<T: Serialize>(&self, verb: &str, result: &T, text: impl FnOnce() -> String) {
        let mut out = std::io::stdout().lock();
        // A reader that went away is no reason to fail: the work is done.
        let _ = if self.json {
            write!(out, "{}", self.envelope(verb, result))
        } else {
            write!(out, "{}", text())
        };
    }

    /// Prints an error, as JSON when that is asked for.
    pub fn error(&self, message: &str, exit: Exit) {
        if self.json {
            eprintln!(
                "{}",
                serde_json::json!({"schema": SCHEMA, "error": message, "exit": exit.code()})
            );
        } else {
            eprintln!("fo_backup: {message}");
        }
    }
}

/// Bytes for people: `1.3 GB`.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// A number for people: `1,234,567`.
pub fn number(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// Seconds for people: `3.2 s`, `4 min 10 s`, `2 h 5 min`.
pub fn seconds(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A table for people: columns as wide as their contents, numbers to the right.
pub fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| {
                let width = widths[at];
                if right.contains(&at) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
