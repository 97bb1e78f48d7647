//! From where a vault is reached, and whose word for it counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use strongroom::config::{AllowFrom, Forwarding, TrustedProxies};
use strongroom::server::Configuration;
use strongroom::server::listen::{Limits, Proxies};
use strongroom::vault::Collection;

use crate::scene::{Certified, Says, Scene};
use crate::serving::Answer;

fn from(networks: &[&str], socket: bool) -> Option<AllowFrom> {
    Some(AllowFrom { networks: networks.iter().map(|network| network.parse().unwrap()).collect(), socket })
}

fn behind(proxies: &[&str], by: Forwarding) -> Configuration {
    let networks = proxies.iter().map(|network| network.parse().unwrap()).collect();
    Configuration { proxies: Arc::new(Proxies::from(TrustedProxies { networks, by })), ..Configuration::default() }
}

/// Whether the vault may be reached, be it that a token is asked for.
fn reached(answer: &Answer) -> bool {
    match answer.status {
        401 => true,
        403 => {
            assert_eq!(answer.inner_code().as_deref(), Some("ForbiddenByFirewall"), "{answer:?}");
            false
        }
        _ => panic!("{answer:?}"),
    }
}

#[test]
fn a_vault_is_reached_from_what_is_allowed_whatever_the_token() {
    for (networks, socket) in [(&["127.0.0.0/8"][..], false), (&[], true), (&["127.0.0.1", "::1"], true)] {
        let scene = Scene::behind(from(networks, socket), Configuration::default(), Limits::default());
        assert_eq!(reached(&scene.connect(None).ask("GET", "/secrets", "")), !networks.is_empty());
        assert_eq!(reached(&scene.world.connect().ask("GET", "/secrets", "")), socket);
    }
    // An authority's host is no vault's.
    let scene = Scene::behind(from(&["192.0.2.0/24"], false), Configuration::default(), Limits::default());
    let (_, token) = scene.world.token_with("Key Vault Secrets Officer");
    let mut client = scene.connect(None);
    for token in ["x", &token] {
        let answer = client.call(token, "PUT", "/secrets/word", r#"{"value":"x"}"#);
        assert!(!reached(&answer) && answer.body.contains("127.0.0.1"), "{answer:?}");
    }
    assert!(scene.world.vault.image().with_name(Collection::Secrets, "word").next().is_none());
}

#[test]
fn what_a_client_says_of_its_address_counts_from_a_listed_proxy_alone() {
    let allowed = || from(&["198.51.100.0/24"], false);
    let path = "/secrets?api-version=7.5";
    let host = crate::serving::VAULT;
    let listed = Scene::behind(allowed(), behind(&["127.0.0.1"], Forwarding::Header), Limits::default());
    let mut client = listed.connect(None);
    let mut ask = |headers: &[(&str, &str)]| reached(&client.send("GET", host, path, headers, ""));
    assert!(ask(&[("x-forwarded-for", "198.51.100.7")]));
    assert!(ask(&[("x-forwarded-for", "203.0.113.1, 198.51.100.7")]));
    assert!(!ask(&[("x-forwarded-for", "198.51.100.7, 203.0.113.1")]));
    assert!(!ask(&[("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "203.0.113.1")]));
    for spoofed in ["forwarded", "x-real-ip", "x-client-ip", "via"] {
        assert!(!ask(&[(spoofed, "for=198.51.100.7")]), "{spoofed}");
        assert!(!ask(&[(spoofed, "198.51.100.7"), ("x-forwarded-for", "203.0.113.1")]), "{spoofed}");
    }
    for proxies in [behind(&["192.0.2.1"], Forwarding::Header), Configuration::default()] {
        let unlisted = Scene::behind(allowed(), proxies, Limits::default());
        let answer = unlisted.connect(None).send("GET", host, path, &[("x-forwarded-for", "198.51.100.7")], "");
        assert!(!reached(&answer));
    }
}

#[test]
fn a_proxy_that_names_no_client_reaches_nothing_that_is_only_for_some() {
    let scene =
        Scene::behind(from(&["127.0.0.0/8"], true), behind(&["127.0.0.1"], Forwarding::Header), Limits::default());
    let (path, host) = ("/secrets?api-version=7.5", crate::serving::VAULT);
    let mut client = scene.connect(None);
    for headers in [&[][..], &[("x-forwarded-for", "unknown")], &[("connection", "x-forwarded-for")]] {
        assert!(!reached(&client.send("GET", host, path, headers, "")), "{headers:?}");
    }
    // On the Unix socket there are no proxies.
    assert!(reached(&scene.world.connect().send("GET", host, path, &[("x-forwarded-for", "192.0.2.1")], "")));
}

#[test]
fn the_certificate_of_a_proxy_is_no_clients() {
    let scene = Scene::behind(None, behind(&["127.0.0.1"], Forwarding::Header), Limits::default());
    let identity = scene.somebody("proxy");
    let own = Certified::by_itself(&Says::names(&[]));
    scene.change(&identity, |identity| identity.certificates.push(own.kept()));
    let mut client = scene.connect(Some(&own));
    for headers in [&[("x-forwarded-for", "198.51.100.7")][..], &[]] {
        let answer = client.send("GET", crate::serving::VAULT, "/secrets?api-version=7.5", headers, "");
        assert_eq!(answer.status, 401, "{headers:?}");
    }
}

/// A connection from this address of loopback that begins with these bytes.
fn begin(scene: &Scene, from: &str, bytes: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from: SocketAddr = format!("{from}:0").parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&scene.address().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn binary(client: [u8; 4]) -> Vec<u8> {
    let fixed = [0x21, 0x11, 0, 12];
    [b"\r\n\r\n\0\r\nQUIT\n", &fixed[..], &client, &[127, 0, 0, 1, 0x10, 0, 1, 0xbb]].concat()
}

/// Whether the connection is closed before any handshake.
fn is_closed(scene: &Scene, from: &str, bytes: &[u8]) -> bool {
    let config = scene.client_config(None, "http/1.1");
    let mut connection = rustls::ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut stream = begin(scene, from, bytes);
    connection.complete_io(&mut stream).is_err()
}

#[test]
fn the_proxy_protocol_says_where_a_client_is() {
    let scene = Scene::behind(
        from(&["198.51.100.0/24", "127.0.0.7"], false),
        behind(&["127.0.0.9"], Forwarding::ProxyProtocol),
        Limits::default(),
    );
    let asked = |from: &str, bytes: &[u8]| {
        let config = scene.client_config(None, "http/1.1");
        reached(&scene.connect_over(begin(&scene, from, bytes), config).ask("GET", "/secrets", ""))
    };
    assert!(asked("127.0.0.9", b"PROXY TCP4 198.51.100.7 127.0.0.1 4000 443\r\n"));
    assert!(asked("127.0.0.9", &binary([198, 51, 100, 7])));
    assert!(!asked("127.0.0.9", b"PROXY TCP4 203.0.113.1 127.0.0.1 4000 443\r\n"));
    assert!(!asked("127.0.0.9", &binary([203, 0, 113, 1])));
    assert!(!asked("127.0.0.9", b"PROXY UNKNOWN\r\n"));
    // Who is no proxy comes without.
    assert!(asked("127.0.0.7", b""));
    assert!(!asked("127.0.0.8", b""));
}

#[test]
fn a_listed_proxy_that_does_not_speak_the_protocol_and_anybody_else_who_does_are_closed() {
    let scene = Scene::behind(None, behind(&["127.0.0.9"], Forwarding::ProxyProtocol), Limits::default());
    assert!(is_closed(&scene, "127.0.0.9", b""));
    assert!(is_closed(&scene, "127.0.0.9", b"PROXY TCP4 nonsense\r\n"));
    for header in [&b"PROXY TCP4 198.51.100.7 127.0.0.1 4000 443\r\n"[..], &binary([198, 51, 100, 7])] {
        assert!(is_closed(&scene, "127.0.0.8", header));
        // One header is enough.
        assert!(is_closed(&scene, "127.0.0.9", &[header, header].concat()));
        assert!(!is_closed(&scene, "127.0.0.9", header));
    }
    // In the manner of headers nobody speaks it.
    let scene = Scene::behind(None, behind(&["127.0.0.9"], Forwarding::Header), Limits::default());
    assert!(is_closed(&scene, "127.0.0.9", b"PROXY UNKNOWN\r\n"));
    assert!(!is_closed(&scene, "127.0.0.9", b""));
}

#[test]
fn a_header_that_never_ends_costs_the_handshakes_time_alone() {
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let scene = Scene::behind(None, behind(&["127.0.0.9"], Forwarding::ProxyProtocol), limits);
    for bytes in [&b""[..], b"PROXY", b"PROXY TCP4 198.51.100.7", &binary([198, 51, 100, 7])[..20]] {
        assert_eq!(begin(&scene, "127.0.0.9", bytes).read(&mut [0; 9]).unwrap_or(0), 0);
    }
}

#[test]
fn connections_behind_a_proxy_are_counted_as_their_clients() {
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let scene = Scene::behind(None, behind(&["127.0.0.9"], Forwarding::ProxyProtocol), limits);
    let connect = |client| {
        let config = scene.client_config(None, "http/1.1");
        let mut connected = scene.connect_over(begin(&scene, "127.0.0.9", &binary(client)), config);
        assert_eq!(connected.ask("GET", "/secrets", "").status, 401);
        connected
    };
    let _of_one = [connect([198, 51, 100, 7]), connect([198, 51, 100, 7])];
    assert!(is_closed(&scene, "127.0.0.9", &binary([198, 51, 100, 7])));
    let _of_another = [connect([198, 51, 100, 8]), connect([198, 51, 100, 8])];
}

#[test]
fn a_client_behind_the_proxy_protocol_proves_itself_by_its_own_certificate() {
    let scene = Scene::behind(None, behind(&["127.0.0.9"], Forwarding::ProxyProtocol), Limits::default());
    let identity = scene.somebody("web");
    let own = Certified::by_itself(&Says::names(&[]));
    scene.change(&identity, |identity| identity.certificates.push(own.kept()));
    let config = scene.client_config(Some(&own), "http/1.1");
    let mut client = scene.connect_over(begin(&scene, "127.0.0.9", &binary([198, 51, 100, 7])), config);
    assert_eq!(client.ask("GET", "/secrets", "").status, 200);
}
