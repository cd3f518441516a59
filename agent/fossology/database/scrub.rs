// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Taking secrets out of a dump before it is stored. A table's rows lie in a file of their own, as
//! COPY writes them: a row a line, columns between tabs. So nothing is asked twice, and the dump
//! shows the moment that it shows. Each file is written anew beside itself and then renamed; whoever
//! dies in the middle leaves a scratch folder that nobody reads.

use super::{Error, Result, Tools};
use postgres::GenericClient;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// What lies open in a dump that is neither encrypted nor scrubbed.
pub const LIES_OPEN: &str = "hashes of users' passwords, tokens of the API, passwords and tokens in the configuration (SMTP, OIDC, Software Heritage, LicenseDB), and passwords of version control in the list of jobs";

/// NULL, as COPY writes it.
const NULL: &str = "\\N";

/// What stands in place of a password's hash: no password has it. An empty one would let everybody in.
const NO_HASH: &str = "*";

/// What becomes of a table's secrets.
#[derive(Clone, Copy)]
enum Rule {
    /// No row stays.
    Empty,
    /// The column's value is replaced, where there is one.
    Replace(&'static str, &'static str),
    /// The column is emptied where FOSSology's configuration calls it a password or a token.
    Setting,
    /// What follows `--password`, and a password in an address, is left out.
    Arguments(&'static str),
}

const RULES: [(&str, Rule); 6] = [
    ("users", Rule::Replace("user_pass", NO_HASH)),
    ("personal_access_tokens", Rule::Empty),
    ("sysconfig", Rule::Setting),
    ("jobqueue", Rule::Arguments("jq_args")),
    ("upload", Rule::Arguments("upload_origin")),
    ("backup_vault_key", Rule::Empty),
];

/// The type of a setting that FOSSology shows as dots.
const PASSWORD: &str = "4";

/// Settings that are secrets without being of that type.
const TOKENS: [&str; 1] = ["ScToken"];

/// The columns of the tables that hold secrets.
pub struct Scrubber {
    columns: BTreeMap<String, Vec<String>>,
}

impl Scrubber {
    /// Asks for the columns, in the order of a dump.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn new(client: &mut impl GenericClient) -> Result<Self> {
        let mut columns = BTreeMap::new();
        for (table, _) in RULES {
            let rows = client
                .query(
                    "SELECT attname::text FROM pg_attribute
                      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
                        AND attgenerated = ''
                      ORDER BY attnum",
                    &[&table],
                )
                .map_err(Error::sql("looking for columns with secrets"))?;
            if !rows.is_empty() {
                let names = rows.iter().map(|row| row.get(0)).collect();
                columns.insert(table.to_owned(), names);
            }
        }
        Ok(Self { columns })
    }

    /// Takes the secrets out of a dump in pg_dump's directory format, not compressed. Gives back what
    /// was looked at.
    ///
    /// # Errors
    /// When a table's file is not what it should be; then the dump must not be used.
    pub fn scrub(&self, tools: &Tools, dump: &Path) -> Result<Vec<String>> {
        let contents = tools.contents(dump)?;
        let mut done = Vec::new();
        for (table, rule) in RULES {
            let Some(columns) = self.columns.get(table) else {
                continue;
            };
            let file = data_file(&contents, table).ok_or_else(|| Error::Io {
                doing: "looking for a table of the dump to take secrets out of",
                path: dump.join(table),
                source: io::ErrorKind::NotFound.into(),
            })?;
            let path = dump.join(file);
            rewrite(&path, columns, rule).map_err(|source| Error::Io {
                doing: "taking secrets out of",
                path,
                source,
            })?;
            done.push(match rule {
                Rule::Empty => table.to_owned(),
                Rule::Replace(column, _) | Rule::Arguments(column) => format!("{table}.{column}"),
                Rule::Setting => format!("{table}.conf_value"),
            });
        }
        Ok(done)
    }
}

/// The file of a table's rows, by the list of a dump's contents.
fn data_file(contents: &str, table: &str) -> Option<String> {
    contents.lines().find_map(|line| {
        let (number, rest) = line.split_once(';')?;
        let words: Vec<&str> = rest.split_whitespace().skip(2).collect();
        (words.get(..4)? == ["TABLE", "DATA", "public", table]).then(|| format!("{number}.dat"))
    })
}

fn rewrite(path: &Path, columns: &[String], rule: Rule) -> io::Result<()> {
    let at = |name: &str| {
        let found = columns.iter().position(|column| column == name);
        found.ok_or_else(|| io::Error::other(format!("there is no column {name}")))
    };
    let (first, second, third) = match rule {
        Rule::Empty => (0, 0, 0),
        Rule::Replace(column, _) | Rule::Arguments(column) => (at(column)?, 0, 0),
        Rule::Setting => (at("conf_value")?, at("vartype")?, at("variablename")?),
    };
    let new = path.with_extension("scrubbed");
    let mut source = BufReader::new(File::open(path)?);
    let mut target = BufWriter::new(File::create(&new)?);
    let mut line = Vec::new();
    let mut ended = false;
    loop {
        line.clear();
        if source.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        ended |= line == b"\\.\n";
        if ended {
            target.write_all(&line)?;
            continue;
        }
        if let Rule::Empty = rule {
            continue;
        }
        let row = line.strip_suffix(b"\n").unwrap_or(&line);
        let mut values: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
        if values.len() != columns.len() {
            return Err(io::Error::other(format!(
                "a row has {} columns instead of {}",
                values.len(),
                columns.len()
            )));
        }
        let changed;
        match rule {
            Rule::Replace(_, with) if values[first] != NULL.as_bytes() => {
                values[first] = with.as_bytes();
            }
            Rule::Setting
                if values[second] == PASSWORD.as_bytes()
                    || TOKENS.iter().any(|name| name.as_bytes() == values[third]) =>
            {
                values[first] = NULL.as_bytes();
            }
            Rule::Arguments(_) => {
                changed = without_passwords(values[first]);
                values[first] = &changed;
            }
            Rule::Empty | Rule::Replace(..) | Rule::Setting => {}
        }
        target.write_all(&values.join(&b'\t'))?;
        target.write_all(b"\n")?;
    }
    if !ended {
        return Err(io::Error::other("its rows have no end"));
    }
    target.into_inner()?.sync_data()?;
    fs::rename(new, path)
}

/// Arguments or an address without the word after `--password`, and without a user and a password
/// before a host.
fn without_passwords(value: &[u8]) -> Vec<u8> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut is_password = false;
    for word in value.split(|byte| *byte == b' ') {
        if is_password && !word.is_empty() {
            words.push(b"****".to_vec());
            is_password = false;
            continue;
        }
        is_password |= word == b"--password";
        words.push(without_user(word));
    }
    words.join(&b' ')
}

fn without_user(word: &[u8]) -> Vec<u8> {
    let begin = word.windows(3).position(|part| part == b"://");
    let Some(begin) = begin.map(|at| at + 3) else {
        return word.to_vec();
    };
    let rest = &word[begin..];
    let host = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next();
    let at = host.and_then(|host| host.iter().rposition(|byte| *byte == b'@'));
    match at {
        Some(at) => [&word[..begin], &rest[at + 1..]].concat(),
        None => word.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_arguments_and_addresses() {
        let cases = [
            (
                "/srv - Git -l \"https://u:p@host/x.git\" --username me --password s3cret end",
                "/srv - Git -l \"https://host/x.git\" --username me --password **** end",
            ),
            ("--password  two", "--password  ****"),
            ("https://host/a@b", "https://host/a@b"),
            ("https://token@host", "https://host"),
            ("\\\\N", "\\\\N"),
            ("no address, me@host", "no address, me@host"),
        ];
        for (before, after) in cases {
            let got = String::from_utf8(without_passwords(before.as_bytes())).unwrap();
            assert_eq!(got, after);
        }
    }

    #[test]
    fn a_file_that_is_not_understood_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.dat");
        let columns = ["user_pk".to_owned(), "user_pass".to_owned()];
        let rule = Rule::Replace("user_pass", NO_HASH);
        for (text, good) in [
            ("1\thash\n2\t\\N\n\\.\n\n\n", true),
            ("1\thash\n", false),
            ("1\thash\tmore\n\\.\n", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(rewrite(&path, &columns, rule).is_ok(), good, "{text}");
            let after = fs::read_to_string(&path).unwrap();
            assert_eq!(after.contains("hash"), !good);
            if good {
                assert_eq!(after, "1\t*\n2\t\\N\n\\.\n\n\n");
            }
        }
    }

    #[test]
    fn the_file_of_a_table_is_found_by_the_list() {
        let list = ";\n; Archive\n3660; 0 16453 TABLE DATA public users fossy\n3661; 0 1 TABLE DATA public users_x fossy\n";
        assert_eq!(data_file(list, "users").as_deref(), Some("3660.dat"));
        assert_eq!(data_file(list, "upload"), None);
    }
}
