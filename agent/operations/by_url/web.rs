// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asking the web for a file that is known already: by its size and both hashes. What comes is
//! handed on piece by piece, so nothing of it has to be kept; whoever takes it must not use it before
//! the end says that it was the right one. A connection that breaks is taken up where it broke.

use super::GoldSettings;
use super::address::{Address, PublicOnly, Refused};
use crate::blob::{Hasher, PfileName};
use crate::fossology::config::{Proxies, Secret};
use crate::http;
use crate::operations::{Context, Error, Result};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::time::{Duration, Instant};
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LOCATION, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, Proxy};

/// How many redirections are followed.
const REDIRECTIONS: usize = 8;

/// After so many files in a row that a host could not be asked for, it is not asked any more.
const AWAY: u32 = 3;

/// The same for all hosts together: the way out is broken.
const ALL_AWAY: u32 = 9;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// Below so many bytes a second over all, a download is given up.
const SLOWEST: u64 = 8 << 10;

/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// What a server said of a file that it gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub status: u16,
    pub etag: Option<String>,
}

/// Why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It is not there any more, or something else is, or nobody may ask: no use trying again soon.
    ForGood(String),
    /// It may be otherwise in a while.
    ForNow(String),
}

impl Lost {
    pub fn why(self) -> String {
        match self {
            Self::ForGood(why) | Self::ForNow(why) => why,
        }
    }
}

/// Takes the pieces of a file.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// The web, as it is reached from here.
pub(super) struct Web<'a> {
    agent: Agent,
    settings: &'a GoldSettings,
    proxies: &'a Proxies,
    context: Context<'a>,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// How often in a row each host could not be asked, and all of them (under no name).
    failures: RefCell<HashMap<String, u32>>,
    /// Hosts of which was told that nobody trusts them.
    untrusted: RefCell<HashSet<String>>,
}

/// How far a download has come.
struct Progress {
    hasher: Hasher,
    at: u64,
    /// What was said with the last bytes.
    given: Option<Given>,
}

impl<'a> Web<'a> {
    /// `stop` is asked besides the context's.
    pub fn new(
        settings: &'a GoldSettings,
        proxies: &'a Proxies,
        context: Context<'a>,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let resolver = PublicOnly {
            private_hosts: settings.private_hosts.clone(),
        };
        let agent = http::reader(settings.authorities.as_deref(), 2, resolver)
            .map_err(|error| Error::Usage(format!("reaching the web: {error}")))?;
        Ok(Self {
            agent,
            settings,
            proxies,
            context,
            stop,
            failures: RefCell::default(),
            untrusted: RefCell::default(),
        })
    }

    /// Whether it is no use to ask for this: its host, or whoever was asked, was away too often in a row.
    pub fn is_away(&self, url: &str) -> bool {
        let failures = self.failures.borrow();
        let of = |host: &str| failures.get(host).copied().unwrap_or_default();
        of(&host_of(url)) >= AWAY || of("") >= ALL_AWAY
    }

    fn note<T>(&self, url: &str, answer: &std::result::Result<T, Lost>) {
        let mut failures = self.failures.borrow_mut();
        for host in [host_of(url), String::new()] {
            let count = failures.entry(host).or_default();
            *count = match answer {
                Err(Lost::ForNow(_)) => *count + 1,
                _ => 0,
            };
        }
    }

    fn check(&self) -> Result<()> {
        self.context.stop.check()?;
        if (self.stop)() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Whether a URL still gives something of this size and with this mark, without taking it. It is
    /// asked once.
    pub fn ask(&self, url: &str, name: &PfileName, etag: &str) -> std::result::Result<Given, Lost> {
        let given = self.request(url, "HEAD", None).and_then(|answer| {
            if !answer.status().is_success() {
                return Err(refused(answer.status()));
            }
            let length = answer.headers().get(CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            if length != Some(name.size()) {
                let why = "it tells another size now, or none";
                return Err(Lost::ForGood(why.into()));
            }
            let given = Given::of(&answer);
            if given.etag.as_deref() != Some(etag) {
                return Err(Lost::ForGood("it was changed".into()));
            }
            Ok(given)
        });
        self.note(url, &given);
        given
    }

    /// Downloads a file, in so many attempts; `sink` gets its pieces, each once and in order.
    ///
    /// # Errors
    /// When it is asked to stop, or `sink` fails.
    pub fn download(
        &self,
        url: &str,
        name: &PfileName,
        attempts: u32,
        sink: &mut Sink<'_>,
    ) -> Result<std::result::Result<Given, Lost>> {
        let mut progress = Progress {
            hasher: Hasher::new(),
            at: 0,
            given: None,
        };
        let given = self.trying(attempts, || self.go_on(url, name, &mut progress, sink))?;
        self.note(url, &given);
        let Ok(given) = given else { return Ok(given) };
        let found = progress.hasher.finish();
        Ok(if found == *name {
            Ok(given)
        } else {
            Err(Lost::ForGood(format!("its content is that of {found}")))
        })
    }

    /// Tries again what may be otherwise in a while, with growing pauses.
    fn trying(
        &self,
        attempts: u32,
        mut once: impl FnMut() -> Result<std::result::Result<Given, Lost>>,
    ) -> Result<std::result::Result<Given, Lost>> {
        let mut pause = Duration::from_secs(self.settings.retry_seconds);
        for attempt in 1.. {
            self.check()?;
            match once()? {
                Err(Lost::ForNow(why)) if attempt < attempts => {
                    log::info!("{why}; trying again in {} s", pause.as_secs());
                    let until = Instant::now() + pause;
                    while Instant::now() < until {
                        self.check()?;
                        std::thread::sleep(pause.min(Duration::from_millis(200)));
                    }
                    pause *= 2;
                }
                other => return Ok(other),
            }
        }
        Ok(Err(Lost::ForNow("it was not tried".into())))
    }

    fn go_on(
        &self,
        url: &str,
        name: &PfileName,
        progress: &mut Progress,
        sink: &mut Sink<'_>,
    ) -> Result<std::result::Result<Given, Lost>> {
        // All of it came, and then the connection broke: there is no rest to ask for.
        if progress.at == name.size()
            && let Some(given) = &progress.given
        {
            return Ok(Ok(given.clone()));
        }
        let etag = progress
            .given
            .as_ref()
            .and_then(|given| given.etag.as_deref());
        let from = (progress.at > 0).then_some((progress.at, etag));
        let mut answer = match self.request(url, "GET", from) {
            Ok(answer) => answer,
            Err(lost) => return Ok(Err(lost)),
        };
        let given = Given::of(&answer);
        if !answer.status().is_success() {
            return Ok(Err(refused(answer.status())));
        }
        // What came before is compared with the rest at the end, by the hashes of the whole.
        let mut skip = match answer.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&answer, progress.at) => 0,
            StatusCode::PARTIAL_CONTENT => {
                return Ok(Err(Lost::ForGood(
                    "it gives another part than was asked for".into(),
                )));
            }
            _ => progress.at,
        };
        let rest = name.size() - progress.at + skip;
        let length = answer.body().content_length();
        if length.is_some_and(|length| length != rest) {
            return Ok(Err(Lost::ForGood("it has another size now".into())));
        }
        progress.given = Some(given.clone());
        let deadline = Instant::now() + SILENCE + Duration::from_secs(name.size() / SLOWEST);
        let mut reader = answer.body_mut().as_reader();
        let mut piece = vec![0; PIECE];
        loop {
            self.check()?;
            if Instant::now() > deadline {
                return Ok(Err(Lost::ForNow("it comes too slowly".into())));
            }
            let read = match reader.read(&mut piece) {
                Ok(0) if progress.at == name.size() => return Ok(Ok(given)),
                Ok(0) => return Ok(Err(Lost::ForNow("the connection was cut".into()))),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(Lost::ForNow(error.to_string()))),
            };
            let skipped = skip.min(read as u64) as usize;
            skip -= skipped as u64;
            let data = &piece[skipped..read];
            if progress.at + data.len() as u64 > name.size() {
                return Ok(Err(Lost::ForGood("it is larger now".into())));
            }
            progress.hasher.update(data);
            sink(data)?;
            progress.at += data.len() as u64;
            self.context.progress.advance(0, data.len() as u64);
        }
    }

    /// Sends a request, and follows redirections to where may be asked.
    fn request(
        &self,
        url: &str,
        method: &str,
        from: Option<(u64, Option<&str>)>,
    ) -> std::result::Result<Response<Body>, Lost> {
        let for_good = |why: &str| Lost::ForGood(why.to_owned());
        let mut address = Address::parse(url).map_err(for_good)?;
        for _ in 0..=REDIRECTIONS {
            let proxy = self.proxy_for(&address)?;
            match address.expect_public(self.settings, proxy.is_some()) {
                Ok(()) => {}
                Err(Refused::Private) => {
                    return Err(Lost::ForGood(format!(
                        "host {} is not of the public network (private_hosts of [gold] lets it be asked)",
                        address.host
                    )));
                }
                Err(Refused::Unknown(why)) => return Err(Lost::ForNow(why)),
            }
            let answer = self.send(&address, method, from, proxy)?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let location = answer.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            address = address
                .join(location.ok_or_else(|| for_good("it leads nowhere"))?)
                .map_err(for_good)?;
        }
        Err(for_good("it leads from one address to the next"))
    }

    fn send(
        &self,
        address: &Address,
        method: &str,
        from: Option<(u64, Option<&str>)>,
        proxy: Option<Proxy>,
    ) -> std::result::Result<Response<Body>, Lost> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(address.uri.clone());
        if let Some((at, etag)) = from {
            request = request.header(RANGE, format!("bytes={at}-"));
            if let Some(etag) = etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let request = request
            // Bytes as they are: a server that packs them would give another size.
            .header("accept-encoding", "identity")
            .body(())
            .map_err(|error| Lost::ForGood(error.to_string()))?;
        let request = self
            .agent
            .configure_request(request)
            .proxy(proxy)
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build();
        self.agent.run(request).map_err(|error| match error {
            error if is_untrusted(&error) => self.untrusted(&address.host, &error),
            ureq::Error::BadUri(_)
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_)
            | ureq::Error::InvalidProxyUrl => Lost::ForGood(error.to_string()),
            error => Lost::ForNow(error.to_string()),
        })
    }

    /// Of what a host gives whose certificate is not trusted; tells of each host once.
    fn untrusted(&self, host: &str, error: &ureq::Error) -> Lost {
        let why = format!("the certificate of {host} is not trusted here ({error})");
        if self.untrusted.borrow_mut().insert(host.to_owned()) {
            log::warn!(
                "{why}, so nothing is taken from there; authorities in [gold] of fo_backup.toml, or SSL_CERT_FILE, names a file of certificates that are"
            );
        }
        Lost::ForGood(why)
    }

    fn proxy_for(&self, address: &Address) -> std::result::Result<Option<Proxy>, Lost> {
        let proxy = match address.is_tls {
            true => &self.proxies.https,
            false => &self.proxies.http,
        };
        let Some(proxy) = proxy else { return Ok(None) };
        let none_for = self.proxies.none_for.as_ref().map_or("", Secret::expose);
        if is_among(&address.host, none_for) {
            return Ok(None);
        }
        // Not the error itself: it may quote a password.
        let proxy = Proxy::new(proxy.expose());
        proxy.map(Some).map_err(|_| {
            Lost::ForGood("the proxy of fossology.conf is none that can be used".into())
        })
    }
}

impl Given {
    fn of(answer: &Response<Body>) -> Self {
        let etag = answer.headers().get(ETAG);
        Self {
            status: answer.status().as_u16(),
            etag: etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned),
        }
    }
}

/// Whether it is about the server's certificate. Which of these it is depends on who was reading.
fn is_untrusted(error: &ureq::Error) -> bool {
    let error = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    matches!(error, Some(rustls::Error::InvalidCertificate(_)))
}

fn host_of(url: &str) -> String {
    Address::parse(url).map_or_else(|_| String::from("?"), |address| address.host)
}

fn refused(status: StatusCode) -> Lost {
    let why = format!("the server says {status}");
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Lost::ForNow(why),
        status if status.is_server_error() => Lost::ForNow(why),
        _ => Lost::ForGood(why),
    }
}

fn starts_at(answer: &Response<Body>, at: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE);
    let range = range
        .and_then(|range| range.to_str().ok())
        .unwrap_or_default();
    let start = range
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('-'));
    start.and_then(|(start, _)| start.parse().ok()) == Some(at)
}

/// Whether a server's mark stands for each byte, and not only for what it takes for the same.
pub(super) fn is_strong(etag: &str) -> bool {
    etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"')
}

/// Whether a host is in a list like `localhost,10.1.2.3,.example.org`.
fn is_among(host: &str, list: &str) -> bool {
    list.split([',', ' ']).map(str::trim).any(|entry| {
        let entry = entry
            .trim_start_matches("*.")
            .trim_start_matches('.')
            .to_lowercase();
        !entry.is_empty() && (entry == "*" || host == entry || host.ends_with(&format!(".{entry}")))
    })
}

#[cfg(test)]
mod tests {
    use super::{is_among, is_strong};

    #[test]
    fn only_a_strong_mark_stands_for_each_byte() {
        assert!(is_strong("\"5f-1a\""));
        for weak in ["W/\"5f-1a\"", "\"\"", "5f", ""] {
            assert!(!is_strong(weak), "{weak}");
        }
    }

    #[test]
    fn hosts_without_a_proxy_are_names_and_their_endings() {
        let list = "localhost,10.1.2.3, .example.org";
        for (host, among) in [
            ("localhost", true),
            ("10.1.2.3", true),
            ("www.example.org", true),
            ("example.org", true),
            ("badexample.org", false),
            ("", false),
        ] {
            assert_eq!(is_among(host, list), among, "{host}");
        }
        assert!(!is_among("localhost", "") && is_among("x.org", "*"));
    }
}
