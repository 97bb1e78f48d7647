//! The server's listeners: clients that behave are served on every way in, and those that don't keep nobody else from it.
//! Every limit is reached by a real client over a socket.
#![cfg(feature = "server")]

mod http2;
mod limits;
mod places;
mod stage;
mod tls;

use std::io::{Read, Write};
use std::net::TcpStream;

use stage::{LAST_REQUEST, REQUEST, SOON, Server, answer, curl, drain};
use strongroom::server::listen::Limits;

#[test]
fn curl_is_answered_on_both_versions_of_http_and_the_router_knows_the_peer() {
    let server = Server::new(Limits::default());
    let port = server.address.port();
    for (choice, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let url = format!("https://localhost:{port}/peer");
        let out = curl(&server, &[choice, "--write-out", " %{http_version}", &url]);
        assert!(out.starts_with("Peer { origin: Network { address: 127.0.0.1:"), "{out}");
        assert!(
            out.ends_with(&format!(
                ", local: 127.0.0.1:{port}, is_client: true }}, tls: true, certificate: None }} {version}"
            )),
            "{out}"
        );
    }
}

#[test]
fn curl_on_the_unix_socket_is_known_by_its_user() {
    let server = Server::new(Limits::default());
    let socket = server.socket();
    let out = curl(&server, &["--unix-socket", socket.to_str().unwrap(), "http://localhost/peer"]);
    let uid = strongroom::sys::env::effective_uid();
    assert!(out.starts_with(&format!("Peer {{ origin: Machine {{ uid: {uid}, gid: ")), "{out}");
    assert!(out.ends_with("tls: false, certificate: None }"), "{out}");
}

#[test]
fn plain_http_over_the_network_gets_no_answer() {
    let server = Server::new(Limits::default());
    let mut stream = server.connect();
    stream.write_all(LAST_REQUEST.as_bytes()).unwrap();
    let mut sent = Vec::new();
    let _ = stream.read_to_end(&mut sent);
    assert!(!sent.starts_with(b"HTTP"), "{sent:?}");
    server.serves_others();
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Server::new(Limits::default());
    let mut stream = server.tunnel("http/1.1");
    for _ in 0..100 {
        stream.write_all(REQUEST.as_bytes()).unwrap();
        assert!(answer(&mut stream, 4).ends_with("here"));
    }
}

#[test]
fn what_is_in_flight_finishes_when_the_server_ends_and_nothing_new_begins() {
    let mut server = Server::new(Limits::default());
    let mut idle = server.tunnel("http/1.1");
    let mut busy = server.tunnel("http/1.1");
    busy.write_all(b"GET /moment HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    server.expect("begun");
    server.begin_shutdown();
    assert_eq!(drain(&mut idle), 0);
    let mut last = String::new();
    busy.read_to_string(&mut last).unwrap();
    assert!(last.starts_with("HTTP/1.1 200") && last.ends_with("finished"), "{last}");
    server.expect_end();
    assert!(TcpStream::connect(server.address).is_err());
    assert!(!server.socket().exists());
}

#[test]
fn what_hangs_when_the_server_ends_is_closed_after_its_grace() {
    let mut server = Server::new(Limits { grace: SOON, ..Limits::default() });
    let mut hanging = server.tunnel("http/1.1");
    hanging.write_all(b"GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    server.expect("begun");
    let mut in_handshake = server.connect();
    server.begin_shutdown();
    server.expect("dropped");
    server.expect_end();
    assert_eq!(drain(&mut hanging) + drain(&mut in_handshake), 0);
}
