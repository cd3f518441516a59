// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! An authority of a test's own that nobody trusts unless told so, and a server's certificate by it.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// What makes certificates.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let authority = Self { folder };
        authority.make("authority", &["basicConstraints=critical,CA:TRUE"], &[]);
        authority
    }

    /// The file by which it is trusted.
    pub fn file(&self) -> PathBuf {
        self.of("authority.pem")
    }

    /// A certificate for 127.0.0.1 and this name.
    pub fn certify(&self, host: &str) -> Certificate {
        let names = format!("subjectAltName=IP:127.0.0.1,DNS:{host}");
        let (by, key) = (self.of("authority.pem"), self.of("authority.key"));
        let by = ["-CA", text(&by), "-CAkey", text(&key)];
        self.make(host, &["basicConstraints=critical,CA:FALSE", &names], &by);
        let chain = CertificateDer::pem_file_iter(self.of(&format!("{host}.pem"))).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(self.of(&format!("{host}.key"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Certificate(Arc::new(config))
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn make(&self, name: &str, extensions: &[&str], more: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-subj", &format!("/CN={name}")])
            .arg("-keyout")
            .arg(self.of(&format!("{name}.key")))
            .arg("-out")
            .arg(self.of(&format!("{name}.pem")))
            // The system's own settings would add extensions of their choice.
            .args(["-config", "/dev/null"])
            .args(more);
        for extension in extensions {
            openssl.args(["-addext", extension]);
        }
        let output = openssl
            .output()
            .expect("openssl is installed by ./mod_deps --dev");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server's certificate, with its private key.
#[derive(Clone)]
pub struct Certificate(Arc<ServerConfig>);

impl Certificate {
    /// Speaks TLS on a connection.
    pub fn accept(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(self.0.clone()).unwrap(), stream)
    }
}
