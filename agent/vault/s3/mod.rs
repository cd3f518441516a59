// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A vault in a bucket of an S3 server. An object is seen whole or not at all, and is durable when
//! the server has said so. "Only if it is not there" is asked of the server itself (`If-None-Match`)
//! where it knows that (which each run tries once), else it is looked for first. Large objects go in parts, several at once.
//! Killed in the middle, parts stay on the server where nobody sees them; the next run that may
//! removes them ([`Server::tidy`]).

mod client;
mod credentials;
mod listing;
mod request;
mod sign;
mod uploads;
mod xml;

use super::location::Bucket;
use super::remote::{Failure, Kind, Server, Settings, Traffic};
use super::{Error, Key, Object, Put, Result};
use client::Client;
use listing::Next;
use request::{Answer, Request};
use std::fs::File;
use std::sync::OnceLock;
use std::time::Duration;
use uploads::PART;

/// After how many hours an unfinished upload counts as left by a dead run, where others may upload.
const STALE_HOURS: i64 = 48;

/// A bucket that holds a vault.
pub(super) struct S3 {
    client: Client,
    prefix: String,
    /// Whether the server knows conditions: it was seen to keep one, or to know none.
    conditional: OnceLock<bool>,
}

impl S3 {
    /// Nothing is asked of the server yet.
    ///
    /// # Errors
    /// When there are no keys, or the settings are wrong.
    pub fn new(bucket: &Bucket, settings: &Settings) -> Result<Self> {
        Ok(Self {
            client: Client::new(bucket, settings)?,
            prefix: bucket.prefix.clone(),
            conditional: OnceLock::new(),
        })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Sends what makes an object, with the condition that it is not there. `None` when it is.
    fn make(&self, key: &Key, what: &str, request: &Request<'_>) -> Result<Option<Answer>> {
        if self.conditional.get() != Some(&false) {
            let conditional = request.clone().header("if-none-match", "*");
            let answer = self.client.ask(what, &conditional)?;
            if answer.status == 412 {
                return Ok(None);
            }
            if !is_not_implemented(&answer) {
                return self.done(what, answer).map(Some);
            }
            self.set_conditional(false);
        }
        if self.size_placed(key)?.is_some() {
            return Ok(None);
        }
        self.make_anyway(what, request).map(Some)
    }

    /// Asks for a small object that was just made once more: a server that does not refuse that pays
    /// no regard to conditions, and would let others be written over.
    fn learn_conditions(&self, what: &str, request: &Request<'_>) {
        if self.conditional.get().is_none() {
            let conditional = request.clone().header("if-none-match", "*");
            let answer = self.client.ask(what, &conditional);
            self.set_conditional(answer.is_ok_and(|answer| answer.status == 412));
        }
    }

    fn set_conditional(&self, is: bool) {
        if self.conditional.set(is).is_ok() && !is {
            log::info!("{}: no conditional writes there", self.client.location());
        }
    }

    fn make_anyway(&self, what: &str, request: &Request<'_>) -> Result<Answer> {
        let answer = self.client.ask(what, request)?;
        self.done(what, answer)
    }

    /// For requests to which "not there" is no answer.
    fn done(&self, what: &str, answer: Answer) -> Result<Answer> {
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(Error::Refused {
            location: self.client.location().to_owned(),
            doing: what.to_owned(),
            says: format!("{} {}", answer.status, answer.refusal.code),
            todo: "run it again; if it stays so, look into the server's log".into(),
        })
    }

    fn size_placed(&self, key: &Key) -> Result<Option<u64>> {
        let what = format!("looking at {key}");
        let name = self.name(key);
        let request = Request::new(Kind::Head, "HEAD", &name);
        let answer = self.client.ask(&what, &request)?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.done(&what, answer)?;
        let size = answer
            .header("content-length")
            .and_then(|len| len.parse().ok());
        size.map(Some)
            .ok_or_else(|| self.unclear(&what, "no length"))
    }

    fn unclear(&self, what: &str, says: impl Into<String>) -> Error {
        Error::Refused {
            location: self.client.location().to_owned(),
            doing: what.to_owned(),
            says: says.into(),
            todo:
                "this is no answer of an S3 server; correct endpoint in [storage] of fo_backup.toml"
                    .into(),
        }
    }

    fn missing(&self, key: &Key) -> Error {
        Error::Missing {
            key: key.clone(),
            location: self.client.location().to_owned(),
        }
    }

    /// Refuses an object that a server says to have put together, and that is another one.
    fn expect_size(&self, key: &Key, what: &str, len: u64) -> Result<()> {
        match self.size(key)? {
            Some(size) if size == len => Ok(()),
            size => Err(Error::Refused {
                location: self.client.location().to_owned(),
                doing: what.to_owned(),
                says: match size {
                    Some(size) => format!("done, and has {size} of {len} bytes"),
                    None => "done, and has nothing".into(),
                },
                todo: "run it again; if it stays so, look into the server's log".into(),
            }),
        }
    }
}

impl Server for S3 {
    fn location(&self) -> String {
        self.client.location().to_owned()
    }

    fn put(&self, key: &Key, data: &[u8]) -> Result<Put> {
        let _place = self.client.place(key.as_str());
        let what = format!("writing {key}");
        let name = self.name(key);
        let request = Request::new(Kind::Put, "PUT", &name).body(data);
        match self.make(key, &what, &request)? {
            Some(_) => {
                self.learn_conditions(&what, &request);
                Ok(Put::Made)
            }
            None => Ok(Put::Existed),
        }
    }

    fn upload(&self, key: &Key, file: &File, len: u64, replace: bool) -> Result<Put> {
        let what = format!("writing {key}");
        let name = self.name(key);
        let make = |request: &Request<'_>| {
            let _place = self.client.place(key.as_str());
            match replace {
                true => self.make_anyway(&what, request).map(Some),
                false => self.make(key, &what, request),
            }
        };
        if len <= PART {
            let data = uploads::piece(file, 0, len).map_err(Error::io("reading again", key))?;
            let data = &data[..len as usize];
            let made = make(&Request::new(Kind::Put, "PUT", &name).body(data))?;
            return Ok(made.map_or(Put::Existed, |_| Put::Made));
        }
        let request = Request::new(Kind::Put, "POST", &name).query("uploads", "");
        let answer = {
            let _place = self.client.place(key.as_str());
            self.client.ask(&what, &request)?
        };
        let answer = self.done(&what, answer)?;
        let begun: xml::Begun = xml::parse(&answer.body).map_err(|why| self.unclear(&what, why))?;
        let made = self
            .parts(key, &name, &begun.upload_id, file, len)
            .and_then(|etags| {
                let text = xml::complete(&etags);
                let mut request = Request::new(Kind::Put, "POST", &name)
                    .query("uploadId", &*begun.upload_id)
                    .body(text.as_bytes());
                request.answer = Some("CompleteMultipartUploadResult");
                make(&request)
            });
        match made {
            Ok(Some(_)) => self.expect_size(key, &what, len).map(|()| Put::Made),
            Ok(None) => {
                self.abort(&name, &begun.upload_id)?;
                Ok(Put::Existed)
            }
            // The answer to an earlier attempt may have been lost.
            Err(Error::Refused { .. }) if self.size(key)? == Some(len) => Ok(Put::Made),
            Err(error) => {
                // What cannot be given up now is tidied by a later run.
                if let Err(error) = self.abort(&name, &begun.upload_id) {
                    log::info!("{error}");
                }
                Err(error)
            }
        }
    }

    fn size(&self, key: &Key) -> Result<Option<u64>> {
        let _place = self.client.place(key.as_str());
        self.size_placed(key)
    }

    fn get(&self, key: &Key, offset: u64, most: u64) -> Result<(Vec<u8>, u64)> {
        let _place = self.client.place(key.as_str());
        let what = format!("reading {key}");
        let name = self.name(key);
        let mut data = Vec::new();
        if most == 0 {
            let size = self.size_placed(key)?.ok_or_else(|| self.missing(key))?;
            return Ok((data, size));
        }
        let mut attempts = self.client.attempts(what.clone());
        loop {
            let had = data.len() as u64;
            let (from, left) = (offset + had, most - had);
            let mut request = Request::new(Kind::Get, "GET", &name)
                .header("range", format!("bytes={from}-{}", from + left - 1));
            request.expects = left;
            match self.client.send(&what, &request, &mut data) {
                Ok(answer) => {
                    let size = || {
                        let range = answer.header("content-range");
                        range.and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok())
                    };
                    match answer.status.as_u16() {
                        404 => return Err(self.missing(key)),
                        // Nothing is there from the offset on.
                        416 => {
                            let size = match size() {
                                Some(size) => Some(size),
                                None => self.size_placed(key)?,
                            };
                            return size
                                .map(|size| (data, size))
                                .ok_or_else(|| self.missing(key));
                        }
                        206 => {
                            // What came in all attempts is in the last answer's body.
                            let data = answer.body;
                            let answered = format!("{} bytes without their range", data.len());
                            let size = answer
                                .headers
                                .get("content-range")
                                .and_then(|range| {
                                    range.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
                                })
                                .ok_or_else(|| self.unclear(&what, answered))?;
                            return Ok((data, size));
                        }
                        _ => {
                            let answer = self.done(&what, answer)?;
                            return Err(self.unclear(&what, format!("{} to a part", answer.status)));
                        }
                    }
                }
                Err(failure) => {
                    if data.len() as u64 > had {
                        attempts.progressed();
                    }
                    // All of it came, and only the end of the answer did not.
                    if data.len() as u64 == most && matches!(failure, Failure::Passing(_)) {
                        let size = self.size_placed(key)?.ok_or_else(|| self.missing(key))?;
                        return Ok((data, size));
                    }
                    attempts.again(failure)?;
                }
            }
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Object>> {
        let what = format!("listing {prefix}");
        let full = format!("{}{prefix}", self.prefix);
        let mut objects = Vec::new();
        let mut next = Next::Beginning;
        let _place = self.client.place(prefix);
        loop {
            let mut request = Request::new(Kind::List, "GET", "")
                .query("list-type", "2")
                .query("prefix", &*full);
            match &next {
                Next::Beginning => {}
                Next::Token(token) => request = request.query("continuation-token", &**token),
                // Servers that know only the first version of this request want a marker.
                Next::After(last) => {
                    request = request
                        .query("start-after", &**last)
                        .query("marker", &**last);
                }
            }
            request.expects = 8 << 20;
            let answer = self.client.ask(&what, &request)?;
            let answer = self.done(&what, answer)?;
            let page: xml::Page =
                xml::parse(&answer.body).map_err(|why| self.unclear(&what, why))?;
            let following = next
                .following(&page)
                .map_err(|why| self.unclear(&what, why))?;
            for entry in page.contents {
                if let Some(name) = entry.key.strip_prefix(&self.prefix) {
                    // Some tools make empty objects in place of folders.
                    if !name.is_empty() && !name.ends_with('/') {
                        objects.push(Object {
                            key: Key::from_text(name),
                            size: entry.size,
                        });
                    }
                }
            }
            match following {
                Some(following) => next = following,
                None => break,
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let what = format!("removing {key}");
        let name = self.name(key);
        let request = Request::new(Kind::Delete, "DELETE", &name);
        let _place = self.client.place(key.as_str());
        match self.client.ask(&what, &request) {
            Err(Error::Refused { location, says, .. }) => Err(Error::NoRemoval {
                key: key.clone(),
                location,
                source: std::io::Error::other(says),
            }),
            Err(error) => Err(error),
            Ok(answer) if answer.status == 404 => Ok(()),
            Ok(answer) => self.done(&what, answer).map(drop),
        }
    }

    fn put_at(&self, key: &Key) -> Result<Option<jiff::Timestamp>> {
        let what = format!("looking at {key}");
        let name = self.name(key);
        let _place = self.client.place(key.as_str());
        let answer = self
            .client
            .ask(&what, &Request::new(Kind::Head, "HEAD", &name))?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.done(&what, answer)?;
        let time = answer.header("last-modified").and_then(http_time);
        time.map(Some).ok_or_else(|| self.unclear(&what, "no time"))
    }

    fn unfinished(&self) -> Result<u64> {
        Ok(self.known_uploads()?.len() as u64)
    }

    fn tidy(&self, alone: bool) -> Result<()> {
        let uploads = self.known_uploads()?;
        let age = jiff::SignedDuration::from_hours(STALE_HOURS);
        for upload in uploads {
            let old = upload
                .initiated
                .is_some_and(|began| jiff::Timestamp::now() - age > began);
            if (alone || old)
                && let Err(error) = self.abort(&upload.key, &upload.upload_id)
            {
                log::info!("{error}");
            }
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.client.patience()
    }

    fn connections(&self) -> usize {
        self.client.connections()
    }

    fn traffic(&self) -> &Traffic {
        &self.client.traffic
    }
}

/// Whether the server says that it does not know what was asked for.
fn is_not_implemented(answer: &Answer) -> bool {
    answer.status == 501 || answer.refusal.code == "NotImplemented"
}

/// A time as HTTP has it.
fn http_time(text: &str) -> Option<jiff::Timestamp> {
    let time = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_servers_are_understood() {
        let time = http_time("Tue, 24 Nov 2026 15:00:00 GMT").unwrap();
        assert_eq!(time.to_string(), "2026-11-24T15:00:00Z");
        assert_eq!(http_time("yesterday"), None);
    }
}
