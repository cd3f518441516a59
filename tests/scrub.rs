// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! `backup --scrub`: no secret is in the vault, the rest of the database comes back as it was, and
//! nobody gets in with what stands in place of a password.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use fossology_backup::demo::{Role, dump_rows};
use std::fs;
use support::world::World;

const SECRETS: [&str; 5] = [
    "hash-of-a-password-4711",
    "token-of-the-api-4711",
    "smtp-password-4711",
    "svn-password-4711",
    "clone-password-4711",
];

/// Puts a secret into each place where FOSSology has some.
fn put_secrets(world: &World) {
    let [hash, token, smtp, svn, clone] = SECRETS;
    world
        .sample()
        .connect()
        .unwrap()
        .batch_execute(&format!(
            "UPDATE users SET user_pass = '{hash}' WHERE user_pk = (SELECT min(user_pk) FROM users);
             CREATE TABLE personal_access_tokens (pat_pk serial PRIMARY KEY, user_fk integer,
                 token_name varchar(40), token_key char(40), client_id text);
             INSERT INTO personal_access_tokens (user_fk, token_name, token_key)
                  VALUES (1, E'a\\tname\\nof two lines', '{token}');
             INSERT INTO sysconfig (variablename, conf_value, ui_label, vartype, group_name, description)
                  VALUES ('SMTPAuthPasswdX', '{smtp}', 'x', 4, 'SMTP', 'x'),
                         ('Harmless', E'stays\\tas it is\\\\', 'x', 2, 'SMTP', 'x');
             UPDATE jobqueue SET jq_args = '1 - /srv -c x --username me --password {svn} '
              WHERE jq_pk = (SELECT min(jq_pk) FROM jobqueue);
             UPDATE upload SET upload_origin = 'https://me:{clone}@host/x.git'
              WHERE upload_pk = (SELECT min(upload_pk) FROM upload)"
        ))
        .unwrap();
}

/// Which secrets lie in the chunks of the vault.
fn found(world: &World) -> Vec<&'static str> {
    let mut content = Vec::new();
    for entry in walkdir::WalkDir::new(world.vault().join("database")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let packed = fs::read(entry.path()).unwrap();
            content.extend(zstd::stream::decode_all(&packed[..]).unwrap());
        }
    }
    let there = |secret: &&&str| {
        let mut parts = content.windows(secret.len());
        parts.any(|part| part == secret.as_bytes())
    };
    SECRETS.iter().filter(there).copied().collect()
}

#[test]
fn a_scrubbed_dump_holds_no_secret_and_everything_else() {
    let world = World::new();
    let init = world.call(&["init"]).expect(0);
    assert!(init.stdout.contains("tokens of the API"), "{}", init.stdout);
    put_secrets(&world);
    let made = world
        .call(&["--json", "backup", "--scrub"])
        .expect(0)
        .json();
    assert_eq!(made["scrubbed"].as_array().unwrap().len(), 6, "{made}");
    assert_eq!(found(&world), Vec::<&str>::new());

    let place = world.path("again");
    let restore = ["restore", "latest", "--database", "again", "--repository"];
    let mut command = world.command(&restore);
    let output = command.arg(&place).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("new password"),
        "{text}"
    );

    let mut before = world.sample().connect().unwrap();
    let mut after = world.cluster.connect(Role::Superuser, "again").unwrap();
    let one = |client: &mut postgres::Client, query: &str| -> Option<String> {
        client.query_one(query, &[]).unwrap().get(0)
    };
    let pass = "SELECT user_pass FROM users ORDER BY user_pk LIMIT 1";
    assert_eq!(
        one(&mut after, pass).as_deref(),
        Some("*"),
        "an empty one would let everybody in"
    );
    let setting = "SELECT conf_value FROM sysconfig WHERE variablename = ";
    assert_eq!(
        one(&mut after, &format!("{setting}'SMTPAuthPasswdX'")),
        None
    );
    let harmless = one(&mut after, &format!("{setting}'Harmless'"));
    assert_eq!(harmless.as_deref(), Some("stays\tas it is\\"));
    let tokens = "SELECT count(*)::text FROM personal_access_tokens";
    assert_eq!(one(&mut after, tokens).as_deref(), Some("0"));
    let args = "SELECT jq_args FROM jobqueue ORDER BY jq_pk LIMIT 1";
    let args = one(&mut after, args);
    assert_eq!(
        args.as_deref(),
        Some("1 - /srv -c x --username me --password **** ")
    );
    let origin = "SELECT upload_origin FROM upload ORDER BY upload_pk LIMIT 1";
    assert_eq!(
        one(&mut after, origin).as_deref(),
        Some("https://host/x.git")
    );

    // All other tables are what they were, as the bytes that they are.
    for client in [&mut before, &mut after] {
        client
            .batch_execute("SET client_encoding = 'SQL_ASCII'")
            .unwrap();
    }
    let (mut rows, mut restored) = (
        dump_rows(&mut before).unwrap(),
        dump_rows(&mut after).unwrap(),
    );
    let changed = [
        "users",
        "sysconfig",
        "jobqueue",
        "upload",
        "personal_access_tokens",
        "reportgen",
    ];
    for rows in [&mut rows, &mut restored] {
        rows.retain(|table, _| !changed.contains(&table.as_str()) && !table.starts_with("backup_"));
    }
    assert!(rows.len() > 5);
    assert_eq!(rows, restored);

    // Not asked to, it takes them along and says so.
    let made = world.call(&["backup"]).expect(0);
    made.says("not encrypted").says("tokens of the API");
    assert_eq!(found(&world), SECRETS);
}
