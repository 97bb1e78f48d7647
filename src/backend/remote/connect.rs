//! From an address to an open connection: name, TCP or the Unix socket, the proxy's tunnel, TLS.

use std::net::IpAddr;
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
    /// Only this machine and its own link are asked.
    near: bool,
    /// What it is called in messages.
    pub(super) name: String,
}

impl Endpoint {
    /// A vault's own address, by the way that its configuration says: at the socket, or by the proxy unless that is for other
    /// hosts, or straight there.
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
            proxy: proxy.filter(|proxy| socket.is_none() && proxy.is_for(origin.bare_host())),
            socket,
            near: false,
            name,
        }
    }

    /// A service of this machine or on its own link that speaks no TLS. At any other address it isn't asked: everybody on the
    /// way could read what is shown to it.
    pub fn without_tls(host: &str, port: u16) -> Self {
        let authority = if port == 80 { host.to_owned() } else { format!("{host}:{port}") };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let name = format!("{host}:{port}");
        Self { host: bare, port, authority, tls: false, socket: None, proxy: None, near: true, name }
    }

    /// Whether a connection can be lost without an end that is seen.
    pub(super) fn is_over_a_network(&self) -> bool {
        self.socket.is_none()
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
        let mut addresses = resolver.resolve(host, budget)?;
        if self.near {
            addresses.retain(is_near);
        }
        if addresses.is_empty() {
            return Err(Failure::at(
                Step::Tcp,
                &self.name,
                "this is neither this machine nor on its own link, and speaks no TLS",
            )
            .advise(
                "name what this machine's platform gives, such as http://127.0.0.1:PORT or http://169.254.169.254",
            ));
        }
        tcp::connect(&addresses, port, &name, step, budget)
    }

    /// Asks the proxy for a tunnel to the host (RFC 9110 §9.3.6).
    fn tunnel(&self, mut stream: Stream, proxy: &ProxyAddress, budget: &Budget) -> Result<Stream, Failure> {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let to = format!("{host}:{}", self.port);
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

/// This machine, or what no router passes on.
fn is_near(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.segments()[0] & 0xFFC0 == 0xFE80,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    fn open(endpoint: &Endpoint) -> Failure {
        let origin = Origin::parse("https://v.example").unwrap();
        let trust = Trust::of_vault(&crate::config::RemoteConfig::at(origin));
        let patience = Duration::from_secs(20);
        endpoint.open(&trust, &Resolver::of_system(), patience, &Budget::of(patience)).err().unwrap()
    }

    #[test]
    fn a_service_without_tls_is_asked_on_this_machine_and_its_link_only() {
        for far in ["192.0.2.7", "10.0.0.1", "[2001:db8::1]"] {
            let failure = open(&Endpoint::without_tls(far, 80));
            assert!(failure.what.contains("own link") && !failure.timed_out, "{failure}");
        }
        let near = |text: &str| is_near(&text.parse().unwrap());
        assert!(["127.0.0.9", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1"].into_iter().all(near));
        assert!(!["0.0.0.0", "169.255.0.1", "fc00::1", "::ffff:10.0.0.1"].into_iter().any(near));
    }

    #[test]
    fn a_proxy_is_asked_for_an_address_of_ipv6_in_brackets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = ProxyAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut room = [0; 1024];
            let len = client.read(&mut room).unwrap();
            client.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&room[..len]).into_owned()
        });
        let origin = Origin::parse("https://[2001:db8::1]:8443").unwrap();
        assert!(open(&Endpoint::of(&origin, None, Some(proxy))).what.contains("403"));
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n"), "{asked}");
    }

    #[test]
    fn a_proxy_is_passed_by_for_the_hosts_that_it_is_not_for_and_never_asked_behind_a_socket() {
        let mut proxy = ProxyAddress::parse("http://proxy.example:3128").unwrap();
        proxy.except = "localhost, .vault.example,10.0.0.1".to_owned();
        let by_proxy = |url: &str, socket: Option<PathBuf>| {
            Endpoint::of(&Origin::parse(url).unwrap(), socket, Some(proxy.clone())).proxy.is_some()
        };
        assert!(!by_proxy("https://web.vault.example", None) && !by_proxy("https://10.0.0.1", None));
        assert!(by_proxy("https://login.example", None) && by_proxy("https://othervault.example", None));
        assert!(!by_proxy("https://login.example", Some("/run/socket".into())));
    }
}
