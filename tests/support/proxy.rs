// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! A forward proxy for tests, as organisations have it: it wants a user and a password, hands requests
//! for http on and opens tunnels for https, and remembers who was to be reached. Every name is this
//! host to it.

use base64::Engine as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub const USER: &str = "agents";
pub const PASSWORD: &str = "hidden-password";

/// The proxy; it ends with the test's process.
#[derive(Clone)]
pub struct ForwardProxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            asked: Arc::default(),
        };
        let server = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.carry(&stream));
            }
        });
        proxy
    }

    /// Its address with this password.
    pub fn url(&self, password: &str) -> String {
        format!("http://{USER}:{password}@127.0.0.1:{}", self.port)
    }

    /// What it was asked for since the last time: method and target. Those without its password are told as
    /// refused.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn carry(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        let mut words = first.split_whitespace();
        let (method, target) = (words.next()?, words.next()?);
        let mut head = String::new();
        let mut is_known = false;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':')?;
            if name.eq_ignore_ascii_case("proxy-authorization") {
                let wanted = format!("{USER}:{PASSWORD}");
                let wanted = base64::engine::general_purpose::STANDARD.encode(wanted);
                is_known = value.trim() == format!("Basic {wanted}");
            } else {
                head += &line;
            }
        }
        let refused = if is_known { "" } else { " refused" };
        self.asked
            .lock()
            .unwrap()
            .push(format!("{method} {target}{refused}"));
        let mut client = stream;
        if !is_known {
            let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return client.write_all(answer.as_bytes()).ok();
        }
        if method == "CONNECT" {
            let server = connect(target)?;
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
            return exchange(reader, &server);
        }
        let rest = target.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let mut server = connect(host)?;
        write!(server, "{method} {path} HTTP/1.1\r\n{head}\r\n").ok()?;
        std::io::copy(&mut server, &mut client).ok().map(drop)
    }
}

/// Reaches the port of a name; all names are this host.
fn connect(target: &str) -> Option<TcpStream> {
    let (_, port) = target.rsplit_once(':')?;
    TcpStream::connect(("127.0.0.1", port.parse().ok()?)).ok()
}

/// Carries bytes in both directions until both have ended.
fn exchange(mut client: BufReader<&TcpStream>, server: &TcpStream) -> Option<()> {
    let mut back = (server.try_clone().ok()?, client.get_ref().try_clone().ok()?);
    let answers = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back.0, &mut back.1);
        let _ = back.1.shutdown(std::net::Shutdown::Write);
    });
    let mut server = server;
    let mut piece = [0; 8 << 10];
    while let Ok(len @ 1..) = client.read(&mut piece) {
        if server.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Write);
    answers.join().ok()
}
