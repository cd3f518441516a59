// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A site's own command that backs up the database, for sites that archive it continuously
//! (pgBackRest, Barman, pg_basebackup in a script). It is run like pg_dump, and what it prints last
//! says by which label its backup is known.

use super::connect::Database;
use super::error::{Error, Result};
use super::process::run_to;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many bytes of what it prints are read.
const MOST: u64 = 1 << 20;
/// How long a label may be, in bytes.
const LABEL: usize = 512;
/// How it is called in messages.
const NAME: &str = "the command of [database]";

/// The backup that the command made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalBackup {
    /// The name by which its tool knows it.
    pub label: String,
    /// What else it said, if it was a JSON object.
    pub details: Option<Value>,
}

impl ExternalBackup {
    /// What the last line says: a JSON object with a field `label`, or the label itself.
    fn parse(said: &str) -> Option<Self> {
        let last = said
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())?;
        let (label, details) = match serde_json::from_str::<Value>(last) {
            Ok(Value::Object(fields)) => {
                let label = fields.get("label")?.as_str()?.to_owned();
                (label, Some(Value::Object(fields)))
            }
            _ => (last.to_owned(), None),
        };
        let good = !label.is_empty() && label.len() <= LABEL && !label.contains(char::is_control);
        good.then_some(Self { label, details })
    }
}

/// Runs the command. It gets the connection to the database as libpq's variables, like pg_dump, and
/// `FO_BACKUP_DATABASE`, the database's name. `scratch` is a folder for what it prints.
///
/// # Errors
/// When it cannot be started, fails, or says no label.
pub fn back_up_externally(
    command: &[String],
    database: &Database,
    scratch: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<ExternalBackup> {
    let (program, arguments) = command.split_first().ok_or(Error::NoLabel)?;
    let path = scratch.join("said");
    let failed = |source| Error::Io {
        doing: "writing",
        path: path.clone(),
        source,
    };
    let out = File::create(&path).map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(database.tool_env("fo_backup"))
        .env("FO_BACKUP_DATABASE", database.name())
        .current_dir("/");
    run_to(command, NAME, Stdio::from(out), &last_words, stop)?;
    let size = fs::metadata(&path).map_err(failed)?.len();
    if size > MOST {
        return Err(Error::NoLabel);
    }
    let said = fs::read(&path).map_err(failed)?;
    ExternalBackup::parse(&String::from_utf8_lossy(&said)).ok_or(Error::NoLabel)
}

/// The end of its messages.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_the_label() {
        let label = |said| ExternalBackup::parse(said).map(|backup| backup.label);
        assert_eq!(
            label("working\n20261124-0F\n\n").as_deref(),
            Some("20261124-0F")
        );
        assert_eq!(
            label("{\"label\": \"main/3\", \"size\": 7}").as_deref(),
            Some("main/3")
        );
        for none in ["", "\n \n", "{\"name\": 3}", "{\"label\": \"\"}", "a\u{7}b"] {
            assert_eq!(label(none), None, "{none:?}");
        }
        let details = ExternalBackup::parse("{\"label\": \"x\", \"size\": 7}").unwrap();
        assert_eq!(details.details.unwrap()["size"], 7);
    }

    #[test]
    fn a_command_that_fails_or_says_nothing_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let database = Database::new(postgres::Config::new());
        let run = |script: &str| {
            let command = ["sh", "-c", script].map(str::to_owned);
            back_up_externally(&command, &database, scratch.path(), &|| false)
        };
        let error = run("echo the stanza is missing >&2; exit 3")
            .unwrap_err()
            .to_string();
        assert!(error.contains("the stanza is missing"), "{error}");
        assert!(matches!(run("exit 0"), Err(Error::NoLabel)));
        assert_eq!(
            run("echo $FO_BACKUP_DATABASE; echo b7").unwrap().label,
            "b7"
        );
    }
}
