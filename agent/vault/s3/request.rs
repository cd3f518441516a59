// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is asked of an S3 server, and what it answers.

use super::xml::Refusal;
use crate::vault::remote::Kind;
use base64::prelude::{BASE64_STANDARD, Engine};
use ureq::http::{HeaderMap, StatusCode};

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub kind: Kind,
    pub method: &'static str,
    /// The key with the vault's prefix; empty for the bucket itself.
    pub key: &'a str,
    pub query: Vec<(&'static str, String)>,
    /// Names in small letters.
    pub headers: Vec<(&'static str, String)>,
    pub body: &'a [u8],
    /// How many bytes of content may come back.
    pub expects: u64,
    /// What the content of a success is, in XML: its outermost element.
    pub answer: Option<&'static str>,
}

impl<'a> Request<'a> {
    pub fn new(kind: Kind, method: &'static str, key: &'a str) -> Self {
        Self {
            kind,
            method,
            key,
            query: Vec::new(),
            headers: Vec::new(),
            body: &[],
            expects: match kind {
                Kind::List | Kind::Get => 1 << 20,
                Kind::Head | Kind::Put | Kind::Delete => 64 << 10,
            },
            answer: None,
        }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With content, and its MD5: buckets with a lock demand that or another checksum.
    pub fn body(mut self, body: &'a [u8]) -> Self {
        use md5::Digest;
        self.body = body;
        self.header(
            "content-md5",
            BASE64_STANDARD.encode(md5::Md5::digest(body)),
        )
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What the server says of an error.
    pub refusal: Refusal,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
