//! From an address to an open connection: name, TCP or the Unix socket, the proxy's tunnel, TLS.

use std::path::PathBuf;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::budget::Budget;
use super::error::{Failure, Step};
use super::resolve::Resolver;
use super::stream::{Stopped, Stream};
use super::tls::{Trust, step_of};
use super::{http, tcp};
use crate::config::{Origin, ProxyAddress};
use crate::sys::socket::Socket;

/// One place at which the vault is reached.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The host that is meant.
    host: String,
    port: u16,
    /// What `Host` says.
    pub(super) authority: String,
    tls: bool,
    socket: Option<PathBuf>,
    proxy: Option<ProxyAddress>,
    /// What it is called in messages.
    pub(super) name: String,
}

impl Endpoint {
    /// A vault's own address, by the way that its configuration says.
    pub fn of(origin: &Origin, socket: Option<PathBuf>, proxy: Option<ProxyAddress>) -> Self {
        let name = match &socket {
            Some(path) => path.display().to_string(),
            None => format!("{}:{}", origin.host(), origin.port()),
        };
        Self {
            host: origin.bare_host().to_owned(),
            port: origin.port(),
            authority: origin.authority(),
            tls: socket.is_none(),
            socket,
            proxy,
            name,
        }
    }

    /// A service of this machine or of the cloud's that speaks no TLS.
    pub fn without_tls(host: &str, port: u16) -> Self {
        let authority = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let name = format!("{host}:{port}");
        Self { host: bare, port, authority, tls: false, socket: None, proxy: None, name }
    }

    /// Connects. What is sent there and not acknowledged within `patience` ends the connection.
    pub(super) fn open(
        &self,
        trust: &Trust,
        resolver: &Resolver,
        patience: Duration,
        budget: &Budget,
    ) -> Result<Stream, Failure> {
        let stream = Stream::plain(self.reach(resolver, budget)?);
        if self.socket.is_none() {
            stream.give_up_after(patience);
        }
        let stream = match &self.proxy {
            Some(proxy) => self.tunnel(stream, proxy, budget)?,
            None => stream,
        };
        if !self.tls {
            return Ok(stream);
        }
        let handshake = trust.connection(&self.host, &self.name)?;
        stream.shake_hands(handshake, budget.end()).map_err(|stopped| self.without_handshake(&stopped))
    }

    fn reach(&self, resolver: &Resolver, budget: &Budget) -> Result<Socket, Failure> {
        if let Some(path) = &self.socket {
            return Socket::connect_unix(path).map_err(|error| {
                Failure::at(Step::Tcp, &self.name, error)
                    .advise("check `socket`, that the server runs, and that this user may connect there")
            });
        }
        let (host, port, name, step) = match &self.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port, format!("{}:{}", proxy.host, proxy.port), Step::Proxy),
            None => (self.host.as_str(), self.port, self.name.clone(), Step::Tcp),
        };
        let addresses = resolver.resolve(host, budget)?;
        tcp::connect(&addresses, port, &name, step, budget)
    }

    /// Asks the proxy for a tunnel to the host (RFC 9110 §9.3.6).
    fn tunnel(&self, mut stream: Stream, proxy: &ProxyAddress, budget: &Budget) -> Result<Stream, Failure> {
        let to = format!("{}:{}", self.host, self.port);
        let mut head = Zeroizing::new(String::with_capacity(2048));
        head.push_str(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n"));
        if let Some(user) = &proxy.user {
            head.push_str("Proxy-Authorization: Basic ");
            head.push_str(&Zeroizing::new(Base64::encode_string(user.expose().as_bytes())));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        let fails = |stopped: Stopped| match stopped {
            Stopped::TimedOut => Failure::timed_out(Step::Proxy, &self.name),
            other => Failure::at(Step::Proxy, &self.name, other),
        };
        stream.send(head.as_bytes(), budget.end()).map_err(fails)?;
        match http::tunnel_answer(&mut stream, budget.end()).map_err(fails)? {
            200..=299 => Ok(stream),
            407 => Err(Failure::at(Step::Proxy, &self.name, "the proxy wants to know who asks")
                .advise("write its user and password into `proxy`: http://USER:PASSWORD@HOST:PORT")),
            status => Err(Failure::at(Step::Proxy, &self.name, format!("the proxy refused with status {status}"))),
        }
    }

    fn without_handshake(&self, stopped: &Stopped) -> Failure {
        match stopped {
            Stopped::TimedOut => Failure::timed_out(Step::Tls, &self.name),
            Stopped::Broken(error) => Failure {
                may_pass: true,
                ..Failure::at(Step::Tls, &self.name, format!("the TLS handshake broke off ({error})"))
            },
            Stopped::Tls(error) => match step_of(error) {
                Step::Pin => Failure::at(Step::Pin, &self.name, "its key isn't one of those that `tls_pins` names"),
                step => Failure::at(step, &self.name, error),
            },
        }
    }
}
