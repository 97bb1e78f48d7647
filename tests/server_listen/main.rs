//! The server's listeners: clients that behave are served on every way in, and those that don't keep nobody else from it.
//! Every limit is reached by a real client over a socket.
#![cfg(feature = "server")]

mod listening;

use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use listening::{ANSWER_LEN, HANG, Identity, SOON, Server, answer, ask, curl, drain, tunnel};
use strongroom::server::listen::{Limits, ListenError, Listeners, SOCKET_MODE};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[test]
fn curl_is_answered_on_both_versions_of_http_and_the_router_knows_the_peer() {
    let server = Server::new(Limits::default());
    let port = server.address.port();
    for (choice, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let url = format!("https://localhost:{port}/peer");
        let out = curl(&server, &[choice, "--write-out", " %{http_version}", &url]);
        assert!(out.starts_with("Peer { origin: Network { address: 127.0.0.1:"), "{out}");
        assert!(out.ends_with(&format!(", local: 127.0.0.1:{port} }}, tls: true }} {version}")), "{out}");
    }
}

#[test]
fn curl_on_the_unix_socket_is_known_by_its_user() {
    let server = Server::new(Limits::default());
    let socket = server.socket();
    let out = curl(&server, &["--unix-socket", socket.to_str().unwrap(), "http://localhost/peer"]);
    let uid = strongroom::sys::env::effective_uid();
    assert!(out.starts_with(&format!("Peer {{ origin: Machine {{ uid: {uid}, gid: ")), "{out}");
    assert!(out.ends_with("tls: false }"), "{out}");
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
