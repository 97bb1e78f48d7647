//! Proxies in front of the server, whose word counts for where a client is. Nobody else's does.
//!
//! One that speaks the PROXY protocol begins each connection with it, before TLS, which then is the client's own. One that
//! speaks HTTP says it in the header of each request: connection and certificate are the proxy's there and prove nothing of
//! its clients.

use std::io;
use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Request};
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::peer::{Origin, Peer};
use crate::config::{Forwarding, Network, TrustedProxies};

/// Who is believed, and how they tell.
#[derive(Debug, Default)]
pub struct Proxies {
    listed: Vec<Network>,
    by: Option<Forwarding>,
}

impl From<TrustedProxies> for Proxies {
    fn from(configured: TrustedProxies) -> Self {
        Self { listed: configured.networks, by: Some(configured.by) }
    }
}

impl Proxies {
    /// Whether the connections from there are those of many clients.
    pub(super) fn lists(&self, address: IpAddr) -> bool {
        self.listed.iter().any(|network| network.contains(address))
    }

    /// Whether a connection from there begins with the PROXY protocol.
    pub(super) fn begins_with_header(&self, address: IpAddr) -> bool {
        self.by == Some(Forwarding::ProxyProtocol) && self.lists(address)
    }

    /// Puts the client that a proxy names into the place of the proxy.
    pub(in crate::server) fn look_behind<B>(&self, request: &mut Request<B>) {
        if self.by != Some(Forwarding::Header) {
            return;
        }
        let Some(peer) = request.extensions().get::<Peer>() else { return };
        let Origin::Network { address, local, .. } = peer.origin else { return };
        if !self.lists(address.ip()) {
            return;
        }
        let client = self.client(request.headers());
        let origin = Origin::Network {
            address: client.map_or(address, |client| SocketAddr::new(client, 0)),
            local,
            is_client: client.is_some(),
        };
        let behind = Peer { origin, tls: peer.tls, certificate: None };
        request.extensions_mut().insert(behind);
    }

    /// The last address in `X-Forwarded-For` that is no listed proxy's: what stands before it its sender may have made up.
    /// None if there is none, or if it can't be read.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut last = None;
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            for text in value.to_str().ok()?.rsplit(',') {
                let address = address(text.trim())?;
                last = Some(address);
                if !self.lists(address) {
                    return last;
                }
            }
        }
        // Proxies alone: the first of them asks for itself.
        last
    }
}

/// An address, which some proxies write with its port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// From where a proxy says that a connection comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// From this client.
    Client(SocketAddr),
    /// From the proxy, which looks whether we are well.
    Proxy,
    /// From somewhere that has no address.
    Nowhere,
}

/// Reads the header of the PROXY protocol, version 1 or 2, and nothing behind it.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Told> {
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX { read_binary(stream, header).await } else { read_line(stream, header).await }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin), mut header: Vec<u8>) -> io::Result<Told> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let rest = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if rest > MAX_REST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    header.extend_from_slice(&fixed);
    let start = header.len();
    header.resize(start + rest, 0);
    stream.read_exact(&mut header[start..]).await?;
    let read = v2::Header::try_from(&*header).map_err(|_| io::ErrorKind::InvalidData)?;
    match (read.command, read.addresses) {
        (v2::Command::Local, _) => Ok(Told::Proxy),
        (v2::Command::Proxy, _) if read.protocol == v2::Protocol::Datagram => Err(io::ErrorKind::InvalidData.into()),
        (v2::Command::Proxy, v2::Addresses::IPv4(of)) => Ok(client(of.source_address.into(), of.source_port)),
        (v2::Command::Proxy, v2::Addresses::IPv6(of)) => Ok(client(of.source_address.into(), of.source_port)),
        (v2::Command::Proxy, v2::Addresses::Unix(_) | v2::Addresses::Unspecified) => Ok(Told::Nowhere),
    }
}

/// Byte by byte: what follows the line is TLS's.
async fn read_line(stream: &mut (impl AsyncRead + Unpin), mut header: Vec<u8>) -> io::Result<Told> {
    while header.last() != Some(&b'\n') {
        if header.len() >= MAX_LINE || !header.starts_with(b"PROXY ") {
            return Err(io::ErrorKind::InvalidData.into());
        }
        header.push(stream.read_u8().await?);
    }
    let read = v1::Header::try_from(&*header).map_err(|_| io::ErrorKind::InvalidData)?;
    if read.header.len() != header.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match read.addresses {
        v1::Addresses::Tcp4(of) => Ok(client(of.source_address.into(), of.source_port)),
        v1::Addresses::Tcp6(of) => Ok(client(of.source_address.into(), of.source_port)),
        v1::Addresses::Unknown => Ok(Told::Nowhere),
    }
}

fn client(address: IpAddr, port: u16) -> Told {
    Told::Client(SocketAddr::new(address.to_canonical(), port))
}

/// Longest header of version 1, and what may follow the first 16 bytes of version 2: addresses, and what else a proxy tells.
const MAX_LINE: usize = 107;
const MAX_REST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(from: &str, headers: &[&str]) -> (String, bool) {
        let listed = ["192.0.2.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap()).to_vec();
        let proxies = Proxies { listed, by: Some(Forwarding::Header) };
        let mut request = Request::builder();
        for value in headers {
            request = request.header("x-forwarded-for", *value);
        }
        let mut request = request.body(()).unwrap();
        let (address, local) = (SocketAddr::new(from.parse().unwrap(), 1), "127.0.0.1:1".parse().unwrap());
        let origin = Origin::Network { address, local, is_client: true };
        request.extensions_mut().insert(Peer { origin, tls: true, certificate: None });
        proxies.look_behind(&mut request);
        match request.extensions().get::<Peer>().unwrap().origin {
            Origin::Network { address, is_client, .. } => (address.ip().to_string(), is_client),
            Origin::Machine { .. } => unreachable!("the network's"),
        }
    }

    #[test]
    fn the_last_address_that_is_no_proxys_is_the_clients() {
        for (headers, client) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (&["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1, 192.0.2.7"], "198.51.100.1"),
            (&["127.0.0.1, 198.51.100.1,192.0.2.7 , 2001:db8::5"], "198.51.100.1"),
            (&["nonsense, 198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db9::1]:4711"], "2001:db9::1"),
            (&["[2001:db9::1]"], "2001:db9::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["192.0.2.9, 192.0.2.7"], "192.0.2.9"),
        ] {
            assert_eq!(behind("192.0.2.1", headers), (client.to_owned(), true), "{headers:?}");
        }
    }

    #[test]
    fn a_proxy_that_says_nothing_that_can_be_read_leaves_the_client_unknown() {
        for headers in
            [&[][..], &[""], &["unknown"], &["198.51.100.1, "], &["198.51.100.1, _x"], &["198.51.100.1", "x"]]
        {
            assert_eq!(behind("192.0.2.1", headers), ("192.0.2.1".to_owned(), false), "{headers:?}");
        }
    }

    #[test]
    fn what_somebody_else_says_counts_for_nothing() {
        assert_eq!(behind("198.51.100.5", &["127.0.0.1"]), ("198.51.100.5".to_owned(), true));
    }

    /// What is told, and what is left for TLS.
    fn read(mut bytes: &[u8]) -> io::Result<(Told, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(read_header(&mut bytes))?;
        Ok((told, bytes.to_vec()))
    }

    fn binary(command: u8, family: u8, addresses: &[u8], further: &[u8]) -> Vec<u8> {
        let len = u16::try_from(addresses.len() + further.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &len, addresses, further].concat()
    }

    const FOUR: &[u8] = &[198, 51, 100, 1, 127, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb];

    fn told(address: &str) -> Told {
        Told::Client(address.parse().unwrap())
    }

    #[test]
    fn a_header_of_either_version_is_read_to_its_end_and_no_further() {
        let six = [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 9, 1, 0xbb]].concat();
        let mapped = [&[0; 10][..], &[0xff, 0xff, 198, 51, 100, 1], &[0; 16], &[0, 9, 1, 0xbb]].concat();
        for (header, said) in [
            (b"PROXY TCP4 198.51.100.1 127.0.0.1 4660 443\r\n".to_vec(), told("198.51.100.1:4660")),
            (b"PROXY TCP6 2001:db8::1 ::1 9 443\r\n".to_vec(), told("[2001:db8::1]:9")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Told::Nowhere),
            (b"PROXY UNKNOWN ::1 ::1 1 2\r\n".to_vec(), Told::Nowhere),
            (binary(1, 0x11, FOUR, b""), told("198.51.100.1:4660")),
            (binary(1, 0x11, FOUR, &[4, 0, 1, 42]), told("198.51.100.1:4660")),
            (binary(1, 0x21, &six, b""), told("[2001:db8::1]:9")),
            (binary(1, 0x21, &mapped, b""), told("198.51.100.1:9")),
            (binary(1, 0x31, &[0; 216], b""), Told::Nowhere),
            (binary(1, 0, b"", b""), Told::Nowhere),
            (binary(0, 0, b"", b""), Told::Proxy),
            (binary(0, 0x11, FOUR, b""), Told::Proxy),
        ] {
            let hello = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!(read(&hello).unwrap(), (said, b"\x16\x03\x01".to_vec()), "{header:?}");
            for len in 0..header.len() {
                assert!(read(&header[..len]).is_err(), "{header:?} to {len}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for wrong in [
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00".to_vec(),
            b"PROXY TCP4 198.51.100.1 127.0.0.1 4660\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1 127.0.0.1 4660 443\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1\r 127.0.0.1 1 2\r\n".to_vec(),
            b"proxy unknown\r\n".to_vec(),
            long.into_bytes(),
            binary(2, 0x11, FOUR, b""),
            binary(1, 0x12, FOUR, b""),
            binary(1, 0x41, FOUR, b""),
            binary(1, 0x11, &FOUR[1..], b""),
            binary(1, 0x11, FOUR, &[0; MAX_REST]),
        ] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>, starts_well: bool, binary: bool) {
            let start: &[u8] = if binary { v2::PROTOCOL_PREFIX } else { b"PROXY TCP4 " };
            let _ = read(&[if starts_well { start } else { b"" }, &bytes].concat());
        }
    }
}
