// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! The HTTP client that rooms share. Certificates are checked against those that the system trusts
//! (Debian's package ca-certificates), so that an organisation's own authority counts here too;
//! `SSL_CERT_FILE`, or a file of the caller's, takes their place. Proxies come from the usual
//! environment. Answers with an error's status are answers, and redirections are not followed.

mod forward;

use crate::threads;
use forward::Forwarding;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, DefaultConnector, NextTimeout, time};

/// Where systems keep the certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);

/// A client. Without `tls` it needs no certificates, and refuses https.
///
/// # Errors
/// With the file, when certificates are needed and cannot be read.
pub fn agent(tls: bool, authorities: Option<&Path>, connections: usize) -> io::Result<Agent> {
    agent_of(
        tls,
        authorities,
        connections,
        DefaultConnector::default(),
        Names,
    )
}

/// A client that sends no bodies, for http and https, with names looked up by somebody else than the
/// system alone. A proxy hands its requests for http on, and opens tunnels for https.
///
/// # Errors
/// As [`agent`].
pub fn reader(
    authorities: Option<&Path>,
    connections: usize,
    resolver: impl Resolver,
) -> io::Result<Agent> {
    let connector = Forwarding::default();
    agent_of(true, authorities, connections, connector, resolver)
}

fn agent_of(
    tls: bool,
    authorities: Option<&Path>,
    connections: usize,
    connector: impl Connector,
    resolver: impl Resolver,
) -> io::Result<Agent> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .max_idle_connections(connections)
        .max_idle_connections_per_host(connections)
        .user_agent(concat!("fo_backup/", env!("CARGO_PKG_VERSION")));
    if tls {
        let roots = RootCerts::Specific(Arc::new(trusted(authorities)?));
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(crypto);
        config = config.tls_config(tls.build());
    }
    Ok(Agent::with_parts(config.build(), connector, resolver))
}

/// Looks names up as the system does, in a thread of its own where it may not take for ever. The
/// client's own resolver does so too, and panics where no thread can be started.
#[derive(Debug)]
pub struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let unlimited = NextTimeout {
            after: time::Duration::NotHappening,
            ..timeout
        };
        if timeout.after.is_not_happening() {
            return DefaultResolver::default().resolve(uri, config, unlimited);
        }
        let (uri, config) = (uri.clone(), config.clone());
        let (send, found) = crossbeam_channel::bounded(1);
        let look = move || {
            // Nobody takes it who has waited for long enough.
            let _ = send.send(DefaultResolver::default().resolve(&uri, &config, unlimited));
        };
        threads::free("name look-up", look)
            .map_err(|error| ureq::Error::Io(io::Error::new(error.source.kind(), error)))?;
        let late = |_| Err(ureq::Error::Timeout(timeout.reason));
        found.recv_timeout(*timeout.after).unwrap_or_else(late)
    }
}

fn trusted(authorities: Option<&Path>) -> io::Result<Vec<Certificate<'static>>> {
    let usual = || {
        BUNDLES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file())
    };
    let named = authorities.map(Path::to_owned);
    let path = named
        .or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from))
        .or_else(usual)
        .ok_or_else(|| {
            io::Error::other("no trusted certificates are here; install ca-certificates")
        })?;
    let failed = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let text = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(failed("no certificate in it".into()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = agent(true, Some(file.path()), 1).unwrap_err().to_string();
        assert!(error.contains(file.path().to_str().unwrap()), "{error}");
        assert!(error.contains("no certificate"), "{error}");
        agent(false, Some(file.path()), 1).unwrap();
    }
}
