// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which URLs may be asked, and which uploads are a single file that came from one. In doubt it is
//! none: then the file is backed up, which costs room and nothing else.

use super::GoldSettings;
use crate::http;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Names of a query's parts that may hold something secret.
const SECRET: [&str; 13] = [
    "token", "key", "sig", "auth", "pass", "pwd", "secret", "cred", "session", "sid", "expires",
    "x-amz", "x-goog",
];

/// How long a query's value may be before it is taken for a secret.
const LONGEST: usize = 32;

/// A URL that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub uri: Uri,
    pub host: String,
    pub is_tls: bool,
}

impl Address {
    /// Looks at the text alone.
    ///
    /// # Errors
    /// Says why it is not asked; never with the URL, which may hold a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("only http and https are asked"),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it holds a user or a password");
        }
        if text.contains('#') {
            return Err("it names a part of something");
        }
        if uri.path().is_empty() || uri.path().ends_with('/') {
            return Err("it names a folder");
        }
        if uri.query().is_some_and(may_be_secret) {
            return Err("its query may hold a secret");
        }
        let host = plain(authority.host());
        if host.is_empty() {
            return Err("it names no host");
        }
        Ok(Self { uri, host, is_tls })
    }

    /// Refuses hosts that are not of the public network, unless they are named in the settings. Names
    /// are looked up only where we connect ourselves.
    ///
    /// # Errors
    /// Says why it is not asked.
    pub fn expect_public(&self, settings: &GoldSettings, by_proxy: bool) -> Result<(), Refused> {
        if is_named(&self.host, &settings.private_hosts) {
            return Ok(());
        }
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return if is_public(address) {
                Ok(())
            } else {
                Err(Refused::Private)
            };
        }
        if !may_be_public(&self.host) {
            return Err(Refused::Private);
        }
        if by_proxy {
            return Ok(());
        }
        let port = self
            .uri
            .port_u16()
            .unwrap_or(if self.is_tls { 443 } else { 80 });
        let found = (self.host.as_str(), port).to_socket_addrs();
        let mut addresses = found.map_err(|error| Refused::Unknown(error.to_string()))?;
        if addresses.all(|address| is_public(address.ip())) {
            Ok(())
        } else {
            Err(Refused::Private)
        }
    }

    /// Where a redirection leads; never from TLS to none.
    ///
    /// # Errors
    /// Says why it is not followed.
    pub fn join(&self, location: &str) -> Result<Self, &'static str> {
        let origin = format!(
            "{}://{}",
            self.uri.scheme_str().unwrap_or_default(),
            self.uri
                .authority()
                .map_or("", |authority| authority.as_str())
        );
        let text = if location.contains("://") {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("{}://{rest}", self.uri.scheme_str().unwrap_or_default())
        } else if location.starts_with('/') {
            format!("{origin}{location}")
        } else {
            let path = self.uri.path();
            let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            format!("{origin}{folder}{location}")
        };
        let uri: Uri = text.parse().map_err(|_| "it leads to no URL")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if self.is_tls => return Err("it leads out of TLS"),
            Some("http") => false,
            _ => return Err("it leads to something else than http and https"),
        };
        let host = uri.host().ok_or("it names no host")?;
        let host = plain(host);
        // Servers sign the addresses that they lead to: a query may hold what it likes here.
        Ok(Self { uri, host, is_tls })
    }
}

/// Why a host is not asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not of the public network.
    Private,
    /// Nobody knows it now.
    Unknown(String),
}

fn may_be_secret(query: &str) -> bool {
    query.split('&').any(|part| {
        let (name, value) = part.split_once('=').unwrap_or(("", part));
        let name = name.to_lowercase();
        SECRET.iter().any(|secret| name.contains(secret)) || value.len() > LONGEST
    })
}

/// A host's name as it is compared: in small letters, and without the dot that may end it.
fn plain(host: &str) -> String {
    let host = host.trim_matches(['[', ']']).to_lowercase();
    host.trim_end_matches('.').to_owned()
}

fn is_named(host: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|named| plain(named) == host)
}

/// Whether a name can be one of the public network. A proxy looks names up itself, and takes what ends in
/// a number for an address, whatever it looks like.
fn may_be_public(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else {
        return false;
    };
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let private = [".local", ".localhost", ".internal", ".home.arpa"];
    !is_number && host.bytes().all(plain) && !private.iter().any(|end| host.ends_with(end))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let is_ipv4_inside = parts[..6] == [0; 6] // that of old, with `::` and `::1`
        || parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
        || parts[..3] == [0x64, 0xff9b, 1]
        || parts[0] == 0x2002
        || parts[..2] == [0x2001, 0];
    let is_local = parts[0] & 0xfe00 == 0xfc00 || parts[0] & 0xff80 == 0xfe80; // fe80::/10, fec0::/10
    let is_for_texts = parts[..2] == [0x2001, 0xdb8];
    let is_nowhere = parts[..4] == [0x100, 0, 0, 0];
    !(is_ipv4_inside || is_local || is_for_texts || is_nowhere || address.is_multicast())
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_for_protocols = [first, second, third] == [192, 0, 0];
    let is_for_measuring = first == 198 && (18..20).contains(&second);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_for_protocols
        || is_for_measuring
        || first == 0
        || first >= 240)
}

/// Looks names up and gives addresses of the public network alone, so that what is connected to is what
/// was looked at: a name may get another address in between. A proxy looks up by itself, and the
/// proxy's own address is the administrator's choice.
#[derive(Debug)]
pub(super) struct PublicOnly {
    pub private_hosts: Vec<String>,
}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = http::Names.resolve(uri, config, timeout)?;
        let host = uri.host().map(plain).unwrap_or_default();
        if config.proxy().is_some() || is_named(&host, &self.private_hosts) {
            return Ok(found);
        }
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            public.push(*address);
        }
        if public.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(public)
    }
}

/// The URL from which an upload's single file came, by what FOSSology keeps of it: the upload's
/// origin, and what its downloading agent was asked for (`UPLOAD - URL`, then wget's options). What
/// came out of a version control system has that system's name there.
///
/// # Errors
/// Says why it is none.
pub(super) fn source_of(
    upload: i32,
    origin: &str,
    asked: Option<&str>,
) -> Result<Address, &'static str> {
    let address = Address::parse(origin)?;
    let asked = asked.ok_or("no job tells how it was fetched")?;
    let mut words = asked.split_whitespace();
    let upload = upload.to_string();
    if [words.next(), words.next()] != [Some(upload.as_str()), Some("-")] {
        return Err("its job is of another kind");
    }
    if words.next() != Some(origin) {
        return Err("its job fetched something else");
    }
    while let Some(word) = words.next() {
        match word {
            // How deep folders are followed, and which of their files are left out.
            "-l" | "-R" => _ = words.next(),
            _ => return Err("it was not fetched as a single file"),
        }
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_of_files_are_asked() {
        for good in [
            "https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz",
            "http://example.org:8080/x.zip",
            "https://example.org/download?file=x-1.0.zip&mirror=2",
        ] {
            Address::parse(good).unwrap();
        }
        for bad in [
            "file:///etc/passwd",
            "ftp://ftp.gnu.org/x.tar.gz",
            "/home/fossy/x.tar.gz",
            "https://me:secret@example.org/x.zip",
            "https://example.org/folder/",
            "https://example.org",
            "https://example.org/x.zip#part",
            "https://example.org/x.zip?access_token=abc",
            "https://example.org/x.zip?X-Amz-Signature=abc",
            "https://example.org/x.zip?id=0123456789abcdef0123456789abcdef0",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_public_is_asked_only_when_it_is_named() {
        let settings = GoldSettings::default();
        for (url, public) in [
            ("http://127.0.0.1/x", false),
            ("http://10.1.2.3/x", false),
            ("http://[::1]/x", false),
            ("http://[fd00::1]/x", false),
            ("http://[::ffff:192.168.1.1]/x", false),
            ("http://169.254.169.254/latest", false),
            ("http://100.64.0.1/x", false),
            ("http://intranet/x", false),
            ("http://192.0.0.8/x", false),
            ("http://198.19.0.1/x", false),
            ("http://[::127.0.0.1]/x", false),
            ("http://[64:ff9b::7f00:1]/x", false),
            ("http://[2002:7f00:1::]/x", false),
            ("http://[fec0::1]/x", false),
            ("http://localhost./x", false),
            ("http://127.1/x", false),
            ("http://0x7f.0.0.1/x", false),
            ("http://127.0.0.0x1/x", false),
            ("http://2130706433/x", false),
            ("http://127.0.0.1./x", false),
            ("http://8.8.8.8/x", true),
            ("http://[2606:4700::1]/x", true),
        ] {
            let address = Address::parse(url).unwrap();
            for by_proxy in [false, true] {
                assert_eq!(
                    address.expect_public(&settings, by_proxy).is_ok(),
                    public,
                    "{url}"
                );
            }
        }
        let named = GoldSettings {
            private_hosts: vec!["intranet".into()],
            ..GoldSettings::default()
        };
        let address = Address::parse("http://intranet/x").unwrap();
        address.expect_public(&named, false).unwrap();
        let address = Address::parse("http://ftp.example.org/x").unwrap();
        address.expect_public(&settings, true).unwrap();
    }

    #[test]
    fn what_is_connected_to_is_public_whatever_a_name_leads_to_by_then() {
        let resolve = |private_hosts: &[&str], proxy: Option<&str>| {
            let resolver = PublicOnly {
                private_hosts: private_hosts
                    .iter()
                    .map(|host| (*host).to_owned())
                    .collect(),
            };
            let proxy = proxy.map(|proxy| ureq::Proxy::new(proxy).unwrap());
            let config = Config::builder().proxy(proxy).build();
            let timeout = NextTimeout {
                after: ureq::unversioned::transport::time::Duration::NotHappening,
                reason: ureq::Timeout::Resolve,
                ..NextTimeout::default()
            };
            resolver.resolve(
                &"http://localhost:8080/x".parse().unwrap(),
                &config,
                timeout,
            )
        };
        assert!(matches!(resolve(&[], None), Err(ureq::Error::HostNotFound)));
        assert!(!resolve(&["localhost"], None).unwrap().is_empty());
        assert!(
            !resolve(&[], Some("http://localhost:3128"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_redirection_never_leaves_tls() {
        let from = Address::parse("https://example.org/a/b.zip").unwrap();
        let to = |location: &str| from.join(location).map(|to| to.uri.to_string());
        assert_eq!(to("c.zip").unwrap(), "https://example.org/a/c.zip");
        assert_eq!(
            to("/c.zip?sig=1").unwrap(),
            "https://example.org/c.zip?sig=1"
        );
        assert_eq!(to("//cdn.org/c").unwrap(), "https://cdn.org/c");
        assert!(to("http://example.org/c").is_err());
        assert!(to("file:///etc/passwd").is_err());
    }

    #[test]
    fn what_fossology_keeps_tells_single_files_from_the_rest() {
        let url = "https://example.org/x.zip";
        let source = |asked: Option<&str>| source_of(7, url, asked).is_ok();
        assert!(source(Some(
            "7 - https://example.org/x.zip -l 1 -R index.html* "
        )));
        assert!(source(Some("7 - https://example.org/x.zip")));
        for other in [
            None,
            Some("7 - https://example.org/x.zip Git --username me --password secret"),
            Some("7 - https://example.org/x.zip SVN "),
            Some("7 - https://example.org/x.zip -l 3 -A *.c -R index.html*"),
            Some("7 - https://example.org/y.zip -l 1 -R index.html*"),
            Some("8 - https://example.org/x.zip"),
        ] {
            assert!(!source(other), "{other:?}");
        }
    }
}
