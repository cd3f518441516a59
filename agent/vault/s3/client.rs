// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! One request to an S3 server: signed, sent, and its answer told apart: done, not there, refused
//! for good, or worth another try.

use super::credentials::{self, Credentials};
use super::request::{Answer, Request};
use super::sign::{Signer, Unsigned, digest, encode, time};
use super::xml::{Refusal, refusal, root};
use crate::vault::location::Bucket;
use crate::vault::remote::{
    Attempts, Failure, Place, Places, Settings, Traffic, is_of_a_lease, longest,
};
use crate::vault::{Error, Result};
use jiff::Timestamp;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use ureq::Agent;
use ureq::http::Request as HttpRequest;

/// Below so many bytes a second over all, a request is given up and tried again.
const SLOWEST: u64 = 16 << 10;

/// What a request may take besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing at all may come or go.
const SILENCE: Duration = Duration::from_secs(120);

/// How long a server may be silent while it puts the parts of an object together.
const COMPLETING: Duration = Duration::from_secs(300);

/// More bytes than an object has that is put or removed under a lease.
const SMALL: u64 = 1 << 20;

/// A connection to a bucket.
pub struct Client {
    agent: Agent,
    /// `https://host:port`.
    origin: String,
    host: String,
    /// The path of the bucket: empty when the host's name has it.
    root: String,
    bucket: String,
    region: String,
    /// Read again when the server says that they have ended.
    credentials: Mutex<Credentials>,
    settings: Settings,
    location: String,
    give_up_after: Duration,
    places: Places,
    /// Those of leases, whose renewals must not wait for data.
    lease_places: Places,
    pub traffic: Traffic,
}

impl Client {
    pub fn new(bucket: &Bucket, settings: &Settings) -> Result<Self> {
        let get = environment;
        let location = bucket.to_string();
        let wrong = |why: String| Error::Location {
            text: location.clone(),
            why,
        };
        let credentials = credentials::find(settings, &get).map_err(wrong)?;
        let region = settings
            .region
            .clone()
            .or_else(|| get("AWS_REGION"))
            .or_else(|| get("AWS_DEFAULT_REGION"))
            .unwrap_or_else(|| "us-east-1".into());
        let endpoint = settings
            .endpoint
            .clone()
            .or_else(|| get("AWS_ENDPOINT_URL_S3"))
            .or_else(|| get("AWS_ENDPOINT_URL"));
        // A name with dots has no certificate as a part of Amazon's.
        let path_style = settings
            .path_style
            .unwrap_or(endpoint.is_some() || bucket.name.contains('.'));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let (scheme, server) = endpoint
            .trim_end_matches('/')
            .split_once("://")
            .filter(|(scheme, server)| {
                matches!(*scheme, "http" | "https") && !server.contains(['/', '@', '?'])
            })
            .ok_or_else(|| wrong("endpoint has to be https://HOST or https://HOST:PORT".into()))?;
        let server = without_usual_port(scheme, server);
        let (host, root) = match path_style {
            true => (server.to_owned(), format!("/{}", bucket.name)),
            false => (format!("{}.{server}", bucket.name), String::new()),
        };
        let connections = settings.connections();
        let agent = crate::http::agent(
            scheme == "https",
            settings.authorities.as_deref(),
            connections,
        )
        .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            agent,
            origin: format!("{scheme}://{host}"),
            host,
            root,
            bucket: bucket.name.clone(),
            region,
            credentials: Mutex::new(credentials),
            settings: settings.clone(),
            give_up_after: settings.give_up_after(),
            places: Places::new(connections),
            lease_places: Places::new(1),
            traffic: Traffic::default(),
            location,
        })
    }

    pub fn location(&self) -> &str {
        &self.location
    }

    /// How many connections may be open at once.
    pub fn connections(&self) -> usize {
        self.places.count()
    }

    /// A place among the connections that may be open at once, for who asks for an object of this
    /// name in the vault, or those below it.
    pub fn place(&self, name: &str) -> Place<'_> {
        match is_of_a_lease(name) {
            true => self.lease_places.take(),
            false => self.places.take(),
        }
    }

    /// How long putting or removing something small may take.
    pub fn patience(&self) -> Duration {
        longest(self.give_up_after, allowed(SMALL))
    }

    /// Attempts at something.
    pub fn attempts(&self, what: String) -> Attempts<'_> {
        Attempts::new(what, &self.location, self.give_up_after, &self.traffic)
    }

    /// Sends a request until an answer is there that says something: done, not there, or already
    /// there. Who asks has a place.
    pub fn ask(&self, what: &str, request: &Request<'_>) -> Result<Answer> {
        self.attempts(what.to_owned())
            .run(|| self.send(what, request, &mut Vec::new()))
    }

    /// Sends a request once. What came of the content before a failure is in `body`.
    pub fn send(
        &self,
        what: &str,
        request: &Request<'_>,
        body: &mut Vec<u8>,
    ) -> Result<Answer, Failure> {
        let passing = |error: ureq::Error| Failure::Passing(io_error(error));
        let credentials = self.lock_credentials().clone();
        let built = self
            .signed(request, &credentials)
            .map_err(|error| self.unusable(what, error))?;
        let (silence, more) = match request.answer {
            Some(_) => (COMPLETING, COMPLETING),
            None => (SILENCE, Duration::ZERO),
        };
        let volume = request.body.len() as u64 + request.expects;
        let configured = self
            .agent
            .configure_request(built)
            .timeout_global(Some(allowed(volume) + more))
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(SILENCE))
            .build();
        self.traffic.asked(request.kind);
        self.traffic.sent(request.body.len() as u64);
        let mut answer = self.agent.run(configured).map_err(|error| match error {
            // What no time heals.
            ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::InvalidProxyUrl => {
                self.unusable(what, error.to_string())
            }
            error if is_about_certificates(&error) => self.unusable(what, error.to_string()),
            error => passing(error),
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let is_content = status.is_success();
        let mut other = Vec::new();
        let into = if is_content { body } else { &mut other };
        let before = into.len();
        // More than was asked for is no answer to it.
        let most = if is_content {
            request.expects
        } else {
            64 << 10
        };
        let read = answer.body_mut().as_reader().take(most).read_to_end(into);
        self.traffic.received((into.len() - before) as u64);
        match read {
            Ok(_) => {}
            Err(error) if is_content => return Err(Failure::Passing(error)),
            Err(error) => log::debug!("{what}: the rest of the answer: {error}"),
        }
        let mut refused = Refusal::default();
        if !is_content {
            refused = refusal(into).unwrap_or_default();
        } else if let Some(expected) = request.answer
            && root(into).as_deref() != Some(expected)
        {
            // Completing an upload may fail after its status was sent, or its answer may be cut.
            let says = match refusal(into) {
                Some(late) => format!("{}: {}", late.code, late.message),
                None => format!("{status} without {expected}"),
            };
            return Err(Failure::Passing(io::Error::other(says)));
        }
        let answer = Answer {
            status,
            headers,
            body: std::mem::take(into),
            refusal: refused,
        };
        self.judge(what, answer, &credentials)
    }

    fn judge(&self, what: &str, answer: Answer, used: &Credentials) -> Result<Answer, Failure> {
        let code = &*answer.refusal.code;
        let says = match (code, &*answer.refusal.message) {
            ("", _) => answer.status.to_string(),
            (code, "") => format!("{} {code}", answer.status.as_u16()),
            (code, message) => format!("{} {code}: {message}", answer.status.as_u16()),
        };
        let refused = |todo: &str| -> Result<Answer, Failure> {
            Err(Failure::Final(Error::Refused {
                location: self.location.clone(),
                doing: what.to_owned(),
                says: says.clone(),
                todo: todo.to_owned(),
            }))
        };
        match (answer.status.as_u16(), code) {
            (_, "NoSuchBucket") => refused(&format!(
                "make the bucket '{}' first, with the tools of who runs the server, or correct the location",
                self.bucket
            )),
            (200..=299 | 304 | 404 | 412 | 416 | 501, _) => Ok(answer),
            (_, "NotImplemented") => Ok(answer),
            (408 | 409 | 425 | 429 | 500..=504, _) | (_, "RequestTimeout" | "BadDigest") => {
                Err(Failure::Passing(io::Error::other(says)))
            }
            (_, "RequestTimeTooSkewed") => {
                refused("the clocks of this host and of the server differ; set this host's clock")
            }
            (_, "InvalidAccessKeyId" | "InvalidToken" | "ExpiredToken")
                if self.has_other_keys(used) =>
            {
                Err(Failure::Passing(io::Error::other(says)))
            }
            (
                _,
                "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken",
            ) => refused(
                "the keys are wrong or have ended; correct them in [storage] of fo_backup.toml, the credentials file or the environment",
            ),
            (301 | 307 | 308, _) | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                refused(
                    "the bucket is in another region; set region (and endpoint) in [storage] of fo_backup.toml",
                )
            }
            (401 | 403, _) => refused(
                "the keys are not allowed to do this; docs/off-site.md lists what they have to be allowed",
            ),
            _ => refused("look into the server's log, or correct [storage] in fo_backup.toml"),
        }
    }

    fn unusable(&self, what: &str, says: String) -> Failure {
        Failure::Final(Error::Refused {
            location: self.location.clone(),
            doing: what.to_owned(),
            says,
            todo: "correct endpoint or authorities in [storage] of fo_backup.toml".into(),
        })
    }

    fn lock_credentials(&self) -> MutexGuard<'_, Credentials> {
        self.credentials
            .lock()
            .unwrap_or_else(|error| error.into_inner())
    }

    /// Whether there are other keys now than those that were used: keys that hold for some hours are
    /// written anew into their file.
    fn has_other_keys(&self, used: &Credentials) -> bool {
        let mut credentials = self.lock_credentials();
        if let Ok(found) = credentials::find(&self.settings, &environment) {
            *credentials = found;
        }
        *credentials != *used
    }

    fn signed<'a>(
        &self,
        request: &Request<'a>,
        credentials: &Credentials,
    ) -> Result<HttpRequest<&'a [u8]>, String> {
        let now = Timestamp::now();
        let content = digest(request.body);
        let path = match request.key {
            "" => format!("{}/", self.root),
            key => format!("{}/{}", self.root, encode(key, true)),
        };
        let mut query: Vec<String> = request
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value, false)))
            .collect();
        query.sort_unstable();
        let query = query.join("&");
        let mut headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        headers.push(("host".into(), self.host.clone()));
        headers.push(("x-amz-content-sha256".into(), content.clone()));
        headers.push(("x-amz-date".into(), time(now)));
        if let Some(token) = &credentials.session_token {
            headers.push(("x-amz-security-token".into(), token.reveal().to_owned()));
        }
        headers.sort_unstable();
        let signer = Signer {
            access_key_id: &credentials.access_key_id,
            secret_access_key: credentials.secret_access_key.reveal(),
            region: &self.region,
        };
        let signature = signer.sign(
            &Unsigned {
                method: request.method,
                path: &path,
                query: &query,
                headers: &headers,
                content: &content,
            },
            now,
        );
        let mark = if query.is_empty() { "" } else { "?" };
        let mut built = HttpRequest::builder()
            .method(request.method)
            .uri(format!("{}{path}{mark}{query}", self.origin))
            .header("authorization", signature);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            built = built.header(name, value);
        }
        built.body(request.body).map_err(|error| error.to_string())
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn io_error(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// How long a request may take over all that carries so many bytes.
fn allowed(volume: u64) -> Duration {
    PATIENCE + Duration::from_secs(volume / SLOWEST)
}

/// An address without the port that its scheme has anyway: clients leave that away in `Host`, which
/// is signed.
fn without_usual_port<'a>(scheme: &str, server: &'a str) -> &'a str {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    server.strip_suffix(usual).unwrap_or(server)
}

/// Whether the server's certificate is refused, which no time heals. During a handshake that comes
/// inside of an error of input and output.
fn is_about_certificates(error: &ureq::Error) -> bool {
    let inside = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error
            .get_ref()
            .and_then(|inside| inside.downcast_ref::<rustls::Error>()),
        _ => None,
    };
    matches!(
        inside,
        Some(
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::UnsupportedNameType
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_that_goes_without_saying_is_not_signed() {
        let cases = [
            ("https", "s3.example.org:443", "s3.example.org"),
            ("http", "s3.example.org:80", "s3.example.org"),
            ("https", "s3.example.org:80", "s3.example.org:80"),
            ("http", "[::1]:8080", "[::1]:8080"),
        ];
        for (scheme, server, host) in cases {
            assert_eq!(without_usual_port(scheme, server), host);
        }
    }

    #[test]
    fn a_certificate_that_is_refused_is_found_inside_of_other_errors() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let inside = io::Error::new(io::ErrorKind::InvalidData, refused.clone());
        assert!(is_about_certificates(&ureq::Error::Io(inside)));
        assert!(is_about_certificates(&ureq::Error::Rustls(refused)));
        let cut = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(!is_about_certificates(&ureq::Error::Io(cut)));
    }

    #[test]
    fn keys_that_have_ended_are_read_again_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let write = |token: &str| {
            let text = format!(
                "[default]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = {token}\n"
            );
            std::fs::write(&file, text).unwrap();
        };
        write("first");
        let settings = Settings {
            endpoint: Some("http://localhost:1".into()),
            credentials_file: Some(file.clone()),
            ..Settings::default()
        };
        let bucket = Bucket {
            name: "b".into(),
            prefix: String::new(),
        };
        let client = Client::new(&bucket, &settings).unwrap();
        let used = client.lock_credentials().clone();
        assert!(!client.has_other_keys(&used));
        write("second");
        assert!(client.has_other_keys(&used));
        let used = client.lock_credentials().clone();
        assert!(!client.has_other_keys(&used));
    }
}
