// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The ways to gold that the web has: over TLS, with certificates that are trusted or not, and by the
//! proxies of fossology.conf.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use crate::support;

use serde_json::Value;
use std::fs;
use support::downloaded::{Downloaded, FILE};
use support::proxy::{ForwardProxy, PASSWORD};
use support::restored::{blobs, lose_everything};
use support::tls::Authority;
use support::web::Web;
use support::world::Called;

/// A name that only the tests' proxies know.
const HOST: &str = "mirror.example.com";

fn authority(home: &tempfile::TempDir) -> (Authority, Web) {
    let authority = Authority::new(home.path().join("tls"));
    let web = Web::start_tls(authority.certify(HOST));
    (authority, web)
}

#[test]
fn over_tls_only_a_server_with_a_trusted_certificate_is_relied_on() {
    let home = tempfile::tempdir().unwrap();
    let (authority, web) = authority(&home);
    let at = Downloaded::from(web);
    let before = blobs(&at.world);
    let made = at.world.call(&["--json", "backup"]).expect(0);
    assert!(!at.leaves(&made.json()), "nobody trusts that certificate");
    made.says("certificate").says("authorities");
    assert!(at.web.asked().is_empty(), "nothing was asked of it");

    at.forget_backups();
    let trusted = format!("authorities = {:?}\n", authority.file());
    at.settings(&trusted);
    assert!(at.is_left_to_the_web());
    assert_eq!(at.web.asked(), [format!("GET /{FILE}")]);
    let report = at.lose_and_restore(0);
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);

    // Who does not trust it any more gets nothing from there, and is told why, at once.
    at.settings("retry_seconds = 3600\n");
    let report = at.lose_and_restore(3);
    let why = report["by_url"]["lost"][0]["why"].as_str().unwrap();
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn the_usual_variable_names_who_is_trusted() {
    let home = tempfile::tempdir().unwrap();
    let (authority, web) = authority(&home);
    let at = Downloaded::from(web);
    let mut backup = at.world.command(&["--json", "backup"]);
    backup.env("SSL_CERT_FILE", authority.file());
    let made = Called::new(&backup.output().unwrap()).expect(0);
    assert!(at.leaves(&made.json()));
}

/// Adds lines to `[FOSSOLOGY]` of fossology.conf in place of those that were added before.
fn proxies(at: &Downloaded, lines: &str) {
    let path = at.world.sample().sysconfdir().join("fossology.conf");
    let text = fs::read_to_string(&path).unwrap();
    let own = |line: &&str| !line.contains("_proxy = ");
    let text: Vec<&str> = text.lines().filter(own).collect();
    let text = text.join("\n");
    let text = text.replace("[FOSSOLOGY]\n", &format!("[FOSSOLOGY]\n{lines}\n"));
    fs::write(&path, text + "\n").unwrap();
}

/// A backup with all that it can tell; nothing of it may be the proxy's password.
fn backup(at: &Downloaded) -> Value {
    let made = at.world.call(&["-v", "-v", "--json", "backup"]);
    assert_tells_no_secret(&made);
    made.expect(0).json()
}

fn assert_tells_no_secret(called: &Called) {
    let said = format!("{}{}", called.stdout, called.stderr);
    for secret in [PASSWORD, "wrong-password"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// What a world asks its proxy for, whose name only that knows.
fn by_a_proxy(at: &Downloaded, kind: &str, asked: &str) {
    let before = blobs(&at.world);
    let proxy = ForwardProxy::start();
    let url = at.web.named_url(HOST, &format!("/{FILE}"));
    at.came_from(&url, &format!("{url} -l 1"));
    proxies(at, &format!("{kind} = {}", proxy.url("wrong-password")));
    assert!(!at.leaves(&backup(at)), "the proxy refuses");
    assert_eq!(proxy.asked()[0], format!("{asked} refused"));

    at.forget_backups();
    proxies(at, &format!("{kind} = {}", proxy.url(PASSWORD)));
    assert!(at.leaves(&backup(at)));
    assert_eq!(proxy.asked(), [asked]);
    let snapshots = at.world.vault().join("snapshots");
    for file in support::files_of(&snapshots) {
        let text = fs::read(file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(PASSWORD));
    }

    lose_everything(&at.world);
    let restored = at.world.call(&["-v", "-v", "--json", "restore", "latest"]);
    assert_tells_no_secret(&restored);
    let report = restored.expect(0).json();
    assert_eq!(report["by_url"]["written"], 1, "{report}");
    assert_eq!(blobs(&at.world), before);
    assert_eq!(proxy.asked(), [asked]);

    // A host without a proxy is reached directly, and here nobody knows that one.
    at.forget_backups();
    let own = format!(
        "{kind} = {}\nno_proxy = localhost,.example.com",
        proxy.url(PASSWORD)
    );
    proxies(at, &own);
    assert!(!at.leaves(&backup(at)));
    assert!(proxy.asked().is_empty());
}

#[test]
fn a_proxy_hands_requests_for_http_on() {
    let at = Downloaded::new();
    let port = at.web.port();
    let asked = format!("GET http://{HOST}:{port}/{FILE}");
    by_a_proxy(&at, "http_proxy", &asked);
}

#[test]
fn a_proxy_opens_a_tunnel_for_https() {
    let home = tempfile::tempdir().unwrap();
    let (authority, web) = authority(&home);
    let at = Downloaded::from(web);
    at.settings(&format!("authorities = {:?}\n", authority.file()));
    let asked = format!("CONNECT {HOST}:{}", at.web.port());
    by_a_proxy(&at, "https_proxy", &asked);
}

#[test]
fn a_proxy_that_is_none_is_told_without_its_password() {
    let at = Downloaded::new();
    proxies(
        &at,
        &format!("http_proxy = http://a:{PASSWORD}@not a host/"),
    );
    let made = at.world.call(&["-v", "-v", "--json", "backup"]);
    assert_tells_no_secret(&made);
    let made = made.expect(0);
    assert!(!at.leaves(&made.json()));
    made.says("proxy of fossology.conf");
    assert!(at.web.asked().is_empty(), "no way around it is taken");
}
