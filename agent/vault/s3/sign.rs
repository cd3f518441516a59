// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signatures of requests, as Amazon describes them ("Signature Version 4"). The digest of the
//! content is part of what is signed, so neither a proxy nor a broken line can change it.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What a request is signed with.
pub struct Signer<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a str,
    pub region: &'a str,
}

/// What is signed of a request.
pub struct Unsigned<'a> {
    pub method: &'a str,
    /// The path, encoded as it is sent.
    pub path: &'a str,
    /// The query, encoded and in order as it is sent.
    pub query: &'a str,
    /// Headers with names in small letters, in order; the host, the digest and the time are among
    /// them.
    pub headers: &'a [(String, String)],
    /// The digest of the content in hexadecimal digits.
    pub content: &'a str,
}

/// The time as requests carry it.
pub fn time(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A digest as requests carry it.
pub fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

impl Signer<'_> {
    /// The value of header `authorization`.
    pub fn sign(&self, request: &Unsigned<'_>, now: Timestamp) -> String {
        let time = time(now);
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let names: Vec<&str> = request.headers.iter().map(|(name, _)| &**name).collect();
        let names = names.join(";");
        let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
        for (name, value) in request.headers {
            let _ = writeln!(canonical, "{name}:{}", value.trim());
        }
        let _ = write!(canonical, "\n{names}\n{}", request.content);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            digest(canonical.as_bytes())
        );
        let mut key = format!("AWS4{}", self.secret_access_key).into_bytes();
        for part in [&time[..8], self.region, "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={}",
            self.access_key_id,
            hex::encode(hmac(&key, to_sign.as_bytes()))
        )
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// Text for a path or a query: all but letters, digits and `-._~` in hexadecimal digits, and
/// slashes too unless they stay.
pub fn encode(text: &str, slashes_stay: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            b'/' if slashes_stay => out.push('/'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Amazon's description, with the keys that it uses.
    fn signed(
        method: &str,
        path: &str,
        query: &str,
        headers: &[(&str, &str)],
        content: &[u8],
    ) -> String {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE",
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        let request = Unsigned {
            method,
            path,
            query,
            headers: &headers,
            content: &digest(content),
        };
        let signed = signer.sign(&request, "2013-05-24T00:00:00Z".parse().unwrap());
        signed.rsplit('=').next().unwrap().to_owned()
    }

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn signatures_are_those_of_the_description() {
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let (empty, time) = (
            ("x-amz-content-sha256", EMPTY),
            ("x-amz-date", "20130524T000000Z"),
        );
        assert_eq!(
            signed(
                "GET",
                "/test.txt",
                "",
                &[host, ("range", "bytes=0-9"), empty, time],
                b""
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signed("GET", "/", "max-keys=2&prefix=J", &[host, empty, time], b""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
        let content = b"Welcome to Amazon S3.";
        let of_content = digest(content);
        assert_eq!(
            signed(
                "PUT",
                &encode("/test$file.text", true),
                "",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    host,
                    ("x-amz-content-sha256", &of_content),
                    time,
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                content
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
    }

    #[test]
    fn what_is_no_plain_letter_is_encoded() {
        assert_eq!(encode("packs/a b+ü", true), "packs/a%20b%2B%C3%BC");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
