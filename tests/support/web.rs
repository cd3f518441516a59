// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A web server for tests: it really speaks HTTP on a port of 127.0.0.1, over TLS when it has a
//! certificate, gives what it is told to, cuts connections, and remembers what it was asked for.

use super::tls::Certificate;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What a path gives.
#[derive(Clone)]
pub struct Page {
    pub content: Vec<u8>,
    /// Cut after so many bytes of each answer.
    pub cut: Option<usize>,
    /// Whether a part of it may be asked for.
    pub ranges: bool,
    /// Where it leads instead.
    pub leads_to: Option<String>,
    /// The mark of the content.
    pub etag: Option<String>,
    /// How many times it says that it cannot now.
    pub busy: u32,
}

impl Page {
    pub fn new(content: Vec<u8>) -> Self {
        Self {
            content,
            cut: None,
            ranges: true,
            leads_to: None,
            etag: Some("\"1\"".into()),
            busy: 0,
        }
    }
}

#[derive(Clone)]
pub struct Web {
    port: u16,
    certificate: Option<Certificate>,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// A server without any page; it ends with the test's process.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// One that speaks TLS.
    pub fn start_tls(certificate: Certificate) -> Self {
        Self::start_with(Some(certificate))
    }

    fn start_with(certificate: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Self {
            port: listener.local_addr().unwrap().port(),
            certificate,
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let server = web.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || match &server.certificate {
                    None => server.answer(stream),
                    Some(certificate) => {
                        let mut stream = certificate.accept(stream);
                        let done = server.answer(&mut stream);
                        // So that a cut in the middle looks like an end to nobody.
                        stream.conn.send_close_notify();
                        stream.flush().ok().and(done)
                    }
                });
            }
        });
        web
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}127.0.0.1:{}{path}", self.scheme(), self.port)
    }

    /// As [`Web::url`], with a name that only proxies of the tests look up.
    pub fn named_url(&self, host: &str, path: &str) -> String {
        format!("{}{host}:{}{path}", self.scheme(), self.port)
    }

    fn scheme(&self) -> &'static str {
        match self.certificate {
            None => "http://",
            Some(_) => "https://",
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    pub fn remove(&self, path: &str) {
        self.pages.lock().unwrap().remove(path);
    }

    /// What was asked for since the last time: method, path, and the part.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn answer(&self, stream: impl Read + Write) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut words = first.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut range = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(start) = line.strip_prefix("range: bytes=") {
                range = start.trim_end_matches('-').parse::<usize>().ok();
            }
        }
        let part = range.map_or(String::new(), |start| format!(" from {start}"));
        self.asked
            .lock()
            .unwrap()
            .push(format!("{method} {path}{part}"));
        let page = {
            let mut pages = self.pages.lock().unwrap();
            let page = pages.get_mut(&path);
            page.map(|page| {
                let now = page.clone();
                page.busy = page.busy.saturating_sub(1);
                now
            })
        };
        let out = reader.get_mut();
        let Some(page) = page else {
            let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return out.write_all(none.as_bytes()).ok();
        };
        if page.busy > 0 {
            let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return out.write_all(busy.as_bytes()).ok();
        }
        if let Some(to) = page.leads_to {
            let head = format!(
                "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            return out.write_all(head.as_bytes()).ok();
        }
        let start = range.filter(|_| page.ranges).unwrap_or(0);
        let body = &page.content[start.min(page.content.len())..];
        let mut head = match start {
            0 => "HTTP/1.1 200 OK\r\n".to_owned(),
            start => format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {start}-{}/{}\r\n",
                page.content.len() - 1,
                page.content.len()
            ),
        };
        if let Some(etag) = &page.etag {
            head += &format!("etag: {etag}\r\n");
        }
        head += &format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        out.write_all(head.as_bytes()).ok()?;
        if method != "HEAD" {
            let end = page.cut.unwrap_or(body.len()).min(body.len());
            out.write_all(&body[..end]).ok()?;
        }
        Some(())
    }
}
