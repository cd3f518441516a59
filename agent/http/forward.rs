// SPDX-FileCopyrightText: 2026 The fossology-backup authors
// SPDX-License-Identifier: MIT OR Apache-2.0

//! Requests for plain http by a proxy. Proxies hand such requests on, and commonly open tunnels to
//! port 443 alone; ureq asks for a tunnel always. So the connection goes to the proxy here, and each
//! request names the whole address. Only for requests without a body: whatever is sent is a head.

use base64::Engine as _;
use std::fmt;
use std::io;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Error, Proxy, ProxyProtocol};

/// Connects as [`DefaultConnector`] does, but for http by a proxy.
#[derive(Debug, Default)]
pub(super) struct Forwarding(DefaultConnector);

impl Connector for Forwarding {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(proxy) = forwarder(details) else {
            return self.0.connect(details, chained);
        };
        let addrs = details
            .resolver
            .resolve(proxy.uri(), details.config, details.timeout)?;
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let Some(connected) = TcpConnector::default().connect(&to_proxy, chained)? else {
            return Ok(None);
        };
        let host = details.uri.authority().map_or("", |host| host.as_str());
        Ok(Some(Box::new(Forwarded {
            proxy: Box::new(connected),
            origin: format!("http://{host}"),
            credentials: credentials(proxy),
        })))
    }
}

/// The proxy that hands on what is asked for here, if it is one that does.
fn forwarder<'a>(details: &ConnectionDetails<'a>) -> Option<&'a Proxy> {
    let proxy = details.config.proxy()?;
    let is_plain = details.uri.scheme_str() == Some("http");
    let hands_on = matches!(proxy.protocol(), ProxyProtocol::Http);
    (is_plain && hands_on && !proxy.is_no_proxy(details.uri)).then_some(proxy)
}

/// The line with the proxy's user and password; empty when it wants none.
fn credentials(proxy: &Proxy) -> String {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return String::new();
    }
    let text = format!(
        "{}:{}",
        user.unwrap_or_default(),
        password.unwrap_or_default()
    );
    let text = base64::engine::general_purpose::STANDARD.encode(text);
    format!("proxy-authorization: Basic {text}\r\n")
}

/// A connection to a proxy, for one host behind it.
struct Forwarded {
    proxy: Box<dyn Transport>,
    origin: String,
    credentials: String,
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded").finish_non_exhaustive()
    }
}

impl Transport for Forwarded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.proxy.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.proxy.buffers().output();
        let head = addressed(&output[..amount], &self.origin, &self.credentials);
        let room = head
            .as_ref()
            .and_then(|head| Some((head, output.get_mut(..head.len())?)));
        let Some((head, room)) = room else {
            let why = "a request's head cannot be given to the proxy";
            return Err(Error::Io(io::Error::other(why)));
        };
        room.copy_from_slice(head);
        let amount = head.len();
        self.proxy.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.proxy.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.proxy.is_open()
    }
}

/// A request's head as a proxy wants it; `None` for what is none.
fn addressed(head: &[u8], origin: &str, credentials: &str) -> Option<Vec<u8>> {
    let head = head.strip_suffix(b"\r\n\r\n").map(|_| head)?;
    let path = head.windows(2).position(|pair| pair == b" /")? + 1;
    let line = head.windows(2).position(|pair| pair == b"\r\n")? + 2;
    if path > line {
        return None;
    }
    let parts = [
        &head[..path],
        origin.as_bytes(),
        &head[path..line],
        credentials.as_bytes(),
        &head[line..],
    ];
    Some(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::addressed;

    #[test]
    fn a_head_names_the_whole_address() {
        let head = b"GET /a/b?c=/d HTTP/1.1\r\nhost: x.org\r\n\r\n";
        let made = addressed(
            head,
            "http://x.org:8080",
            "proxy-authorization: Basic eA==\r\n",
        );
        let wanted = "GET http://x.org:8080/a/b?c=/d HTTP/1.1\r\nproxy-authorization: Basic eA==\r\nhost: x.org\r\n\r\n";
        assert_eq!(made.as_deref(), Some(wanted.as_bytes()));
        for none in [
            &b"GET /a HTTP/1.1\r\nhost: x"[..],
            b"x / y",
            b"GET *\r\n a /\r\n\r\n",
            b"",
        ] {
            assert_eq!(addressed(none, "http://x.org", ""), None);
        }
    }
}
