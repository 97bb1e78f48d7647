//! Each limit of a connection, reached by a client that misbehaves while another is served.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use strongroom::server::listen::Limits;

use crate::stage::{ANSWER_LEN, HANG, LAST_REQUEST, REQUEST, SOON, Server, Tunnel, answer, ask, drain, tunnel};

/// Sends a byte now and then, never the last, until the connection is closed.
fn trickle(stream: &mut Tunnel, bytes: &[u8]) {
    stream.sock.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for byte in bytes.iter().cycle().take(2000) {
        if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
            return;
        }
        match stream.read(&mut [0; 100]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
    panic!("the server still listens to a client that never finishes");
}

#[test]
fn a_header_that_comes_byte_by_byte_or_not_at_all_is_cut() {
    let server = Server::new(Limits { header_time: SOON, ..Limits::default() });
    let mut slow = server.tunnel("http/1.1");
    slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut silent = server.tunnel("http/1.1");
    silent.write_all(b"GET / HT").unwrap();
    server.serves_others();
    trickle(&mut slow, b"x: y\r\n");
    assert_eq!(drain(&mut silent), 0);
}

#[test]
fn a_connection_without_a_request_is_closed_after_its_time() {
    let server = Server::new(Limits { idle: SOON, ..Limits::default() });
    let mut fresh = server.tunnel("http/1.1");
    let mut used = server.tunnel("http/1.1");
    used.write_all(REQUEST.as_bytes()).unwrap();
    assert!(answer(&mut used, 4).ends_with("here"));
    server.serves_others();
    assert_eq!(drain(&mut fresh) + drain(&mut used), 0);
}

#[test]
fn a_request_that_takes_longer_than_idle_connections_may_is_answered() {
    let limits = Limits { idle: SOON / 10, header_time: SOON / 10, write_stall: SOON / 10, ..Limits::default() };
    let server = Server::new(limits);
    let request = LAST_REQUEST.replace("/ ", "/moment ");
    assert!(ask(&mut server.tunnel("http/1.1"), &request).ends_with("finished"));
}

#[test]
fn a_handshake_that_never_ends_is_cut() {
    let server = Server::new(Limits { handshake: SOON, ..Limits::default() });
    let mut silent = server.connect();
    let mut half = server.connect();
    // The beginning of a record that announces more than comes.
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    server.serves_others();
    assert_eq!(drain(&mut silent) + drain(&mut half), 0);
}

#[test]
fn a_client_that_never_reads_its_answer_is_cut() {
    let server = Server::new(Limits { write_stall: SOON, ..Limits::default() });
    let mut greedy = server.tunnel("http/1.1");
    greedy.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    greedy.flush().unwrap();
    server.expect("dropped");
    server.serves_others();
    assert!(drain(&mut greedy) < ANSWER_LEN);
}

#[test]
fn a_large_answer_reaches_a_client_that_reads() {
    let server = Server::new(Limits { write_stall: SOON, ..Limits::default() });
    let mut stream = server.tunnel("http/1.1");
    stream.write_all(LAST_REQUEST.replace("/ ", "/large ").as_bytes()).unwrap();
    assert!(drain(&mut stream) > ANSWER_LEN);
}

#[test]
fn a_thousand_idle_connections_keep_nobody_out() {
    assert!(strongroom::sys::open_files::raise_limit().unwrap() > 2200, "too few open files are allowed here");
    let server = Server::new(Limits { connections_per_address: 2000, ..Limits::default() });
    let halves: Vec<_> = (0..500).map(|_| server.connect()).collect();
    let mut whole: Vec<_> = (0..500).map(|_| server.tunnel("http/1.1")).collect();
    for _ in 0..10 {
        server.serves_others();
    }
    for stream in &mut whole {
        stream.write_all(REQUEST.as_bytes()).unwrap();
        assert!(answer(stream, 4).ends_with("here"));
    }
    drop(halves);
}

#[test]
fn too_many_connections_of_one_address_are_closed_and_another_address_is_served() {
    let server = Server::new(Limits { connections_per_address: 3, ..Limits::default() });
    let mut open: Vec<_> = (0..3).map(|_| server.tunnel("http/1.1")).collect();
    for _ in 0..20 {
        assert_eq!(drain(&mut server.connect()), 0);
    }
    let mut other = tunnel(connect_from("127.0.0.2:0", server.address), &server.identity, "http/1.1").unwrap();
    assert!(ask(&mut other, LAST_REQUEST).ends_with("here"));
    // A place that is given back is free; the server needs a moment to see it.
    open.truncate(2);
    while tunnel(server.connect(), &server.identity, "http/1.1").is_err() {
        thread::sleep(Duration::from_millis(5));
    }
    open[0].write_all(REQUEST.as_bytes()).unwrap();
    assert!(answer(&mut open[0], 4).ends_with("here"));
}

fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&from.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream
}

#[test]
fn a_network_that_took_every_connection_leaves_the_unix_socket_open() {
    let server = Server::new(Limits { connections: 2, ..Limits::default() });
    let _open = [server.tunnel("http/1.1"), server.tunnel("http/1.1")];
    assert_eq!(drain(&mut server.connect()), 0);
    let mut local = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
    assert!(ask(&mut local, LAST_REQUEST).ends_with("here"));
}

#[test]
fn too_many_connections_on_the_unix_socket_are_closed_and_the_network_is_served() {
    let server = Server::new(Limits { local_connections: 2, ..Limits::default() });
    let connect = || {
        let stream = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream
    };
    let mut open = [connect(), connect()];
    for stream in &mut open {
        stream.write_all(REQUEST.as_bytes()).unwrap();
        assert!(answer(stream, 4).ends_with("here"));
    }
    assert_eq!(drain(&mut connect()), 0);
    server.serves_others();
}

#[test]
fn a_header_that_is_too_large_is_answered_431() {
    let server = Server::new(Limits { header: 8 << 10, ..Limits::default() });
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(8 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(100));
    for request in [long, many] {
        let answer = ask(&mut server.tunnel("http/1.1"), &request);
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
    let most = format!("GET / HTTP/1.1\r\nconnection: close\r\n{}\r\n", "x: y\r\n".repeat(99));
    assert!(ask(&mut server.tunnel("http/1.1"), &most).ends_with("here"));
}

#[test]
fn a_body_is_read_to_its_limit_and_not_beyond() {
    let server = Server::new(Limits { body: 100_000, ..Limits::default() });
    let post = |length: usize| {
        let mut stream = server.tunnel("http/1.1");
        let head = format!("POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        ask(&mut stream, &(head + &"x".repeat(length.min(100_000))))
    };
    assert!(post(0).ends_with("\r\n\r\n0"));
    assert!(post(100_000).ends_with("\r\n\r\n100000"));
    assert!(post(100_001).starts_with("HTTP/1.1 413"));
    // Without a length said before, it is found while reading.
    let chunk = format!("{:x}\r\n{}\r\n", 50_001, "x".repeat(50_001));
    let chunked = format!("POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}");
    assert!(ask(&mut server.tunnel("http/1.1"), &chunked).starts_with("HTTP/1.1 413"));
}

#[test]
fn a_body_that_takes_too_long_is_given_up() {
    let server = Server::new(Limits { body_time: SOON, ..Limits::default() });
    let mut stream = server.tunnel("http/1.1");
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345").unwrap();
    server.serves_others();
    assert!(answer(&mut stream, 8).starts_with("HTTP/1.1 408"));
    assert_eq!(drain(&mut stream), 0);
}

#[test]
fn a_body_beyond_the_limit_ends_also_for_a_reader_that_would_take_more() {
    let server = Server::new(Limits { body: 1000, ..Limits::default() });
    let post = |length: usize| {
        let mut stream = server.tunnel("http/1.1");
        let head = "POST /any-body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length:";
        ask(&mut stream, &format!("{head} {length}\r\n\r\n{}", "x".repeat(length)))
    };
    assert!(post(1000).ends_with("\r\n\r\n1000"));
    assert!(post(1001).starts_with("HTTP/1.1 413"));
}

/// The server of the next test; by itself it does nothing.
#[test]
fn a_server_with_few_descriptors() {
    if std::env::var_os("LISTEN_WITH_FEW_DESCRIPTORS").is_none() {
        return;
    }
    strongroom::log::start(Some("warn"));
    let server = Server::new(Limits::default());
    eprintln!("listening at {}", server.address);
    eprint!("{}", server.identity.certificate);
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_server_without_descriptors_goes_on_when_it_has_some_again() {
    let name = "limits::a_server_with_few_descriptors";
    let mut command = Command::new("prlimit");
    command.args(["--nofile=40:40"]).arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    command
        .env("LISTEN_WITH_FEW_DESCRIPTORS", "yes")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.find_map(|line| line.strip_prefix("listening at ").map(str::to_owned)).unwrap();
    let connect = || TcpStream::connect(&address).unwrap();
    let flood: Vec<_> = (0..100).map(|_| connect()).collect();
    let warning = lines.find(|line| line.contains("can't be accepted")).unwrap();
    assert!(warning.contains("Too many open files"), "{warning}");
    drop(flood);
    let mut stream = connect();
    stream.set_read_timeout(Some(HANG)).unwrap();
    // What isn't TLS gets an alert: the server took the connection.
    stream.write_all(LAST_REQUEST.as_bytes()).unwrap();
    assert!(drain(&mut stream) > 0);
    drop(child.stdin.take());
    let rest: Vec<_> = lines.filter(|line| line.contains("can't be accepted")).collect();
    assert!(rest.len() < 5, "{rest:?}");
    assert!(child.wait().unwrap().success());
}
