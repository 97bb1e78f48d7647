use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::sys::socket::{Ready, Socket, wait};

/// What comes of bytes that a server sends piece by piece before it closes the connection.
fn read(pieces: &[&[u8]]) -> Result<Response, String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let (socket, _) = Socket::connect(&listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    wait(&[&socket], Ready::ToWrite, until).unwrap();
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let sent = std::thread::spawn(move || {
        for piece in pieces {
            peer.write_all(&piece).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let outcome = answer(&mut Stream::plain(socket), Deadlines::at(until));
    sent.join().unwrap();
    outcome.map_err(|unanswered| match unanswered {
        Unanswered::Malformed(what) => what,
        Unanswered::Stopped(stopped, begun) => format!("{stopped} {begun}"),
    })
}

#[test]
fn an_answer_may_come_in_any_pieces() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After:  7 \r\n\r\nhello";
    let each: Vec<&[u8]> = whole.chunks(1).collect();
    for pieces in [vec![&whole[..]], each] {
        let answer = read(&pieces).unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice(), answer.header("retry-after")),
            (200, &b"hello"[..], Some("7"))
        );
        assert!(answer.stays_open);
    }
}

#[test]
fn chunks_are_put_together_and_their_trailers_passed_over() {
    let answer = read(&[
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r",
        b"\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
    ])
    .unwrap();
    assert_eq!(answer.body.as_slice(), b"hello");
    assert!(answer.stays_open);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_the_last_one_there() {
    let answer = read(&[b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"]).unwrap();
    assert_eq!((answer.body.as_slice(), answer.stays_open), (&b"hello"[..], false));
    assert!(!read(&[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"]).unwrap().stays_open);
    assert!(!read(&[b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"]).unwrap().stays_open);
    // Bytes that belong to no answer.
    assert!(!read(&[b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n"]).unwrap().stays_open);
}

#[test]
fn an_interim_answer_is_passed_over() {
    assert_eq!(read(&[b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n"]).unwrap().status, 204);
}

/// What comes of a server that says something and then the same again and again.
fn without_end(begin: &'static [u8], again: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (socket, _) = Socket::connect(&listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    wait(&[&socket], Ready::ToWrite, until).unwrap();
    let sending = std::thread::spawn(move || {
        let many = again.repeat(1 + (64 << 10) / again.len());
        peer.write_all(begin).and_then(|()| {
            loop {
                peer.write_all(&many)?;
            }
        })
    });
    let outcome: Result<Response, Unanswered> = answer(&mut Stream::plain(socket), Deadlines::at(until));
    let said: Result<(), std::io::Error> = sending.join().unwrap();
    assert!(said.is_err(), "it goes on until nobody listens");
    match outcome {
        Err(Unanswered::Malformed(what)) => what,
        Err(Unanswered::Stopped(stopped, _)) => panic!("{stopped}"),
        Ok(_) => panic!("it has an end"),
    }
}

#[test]
fn an_answer_without_end_is_given_up_before_it_fills_the_memory() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    assert!(without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n").contains("interim"));
    assert!(without_end(trailers, b"Trailer: x\r\n").contains("no end"));
    const LONG: &[u8] = &{
        let mut chunk = [b'x'; 4096];
        chunk[0] = b'1';
        chunk[1] = b';';
        chunk[4091] = b'\r';
        chunk[4092] = b'\n';
        chunk[4094] = b'\r';
        chunk[4095] = b'\n';
        chunk
    };
    assert!(without_end(chunked, LONG).contains("no end"));
    assert!(without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x").contains("too long"));
}

#[test]
fn what_is_no_answer_or_has_no_certain_end_is_refused() {
    let cut = read(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"]).err().unwrap();
    assert!(cut.contains("ended") && cut.contains("true"), "{cut}");
    assert!(read(&[]).err().unwrap().contains("false"));
    for wrong in [
        &b"SSH-2.0-OpenSSH\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    ] {
        assert!(read(&[wrong]).is_err(), "{}", String::from_utf8_lossy(wrong));
    }
}

#[test]
fn a_request_says_its_length_and_who_asks() {
    let request = Request {
        method: "POST",
        target: "/keys/a/create?api-version=7.5",
        headers: &[("X-One", "1")],
        bearer: Some("abc"),
        body: Some(("application/json", b"{}")),
    };
    let bytes = encoded(&request, "vault.example:8443");
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.starts_with("POST /keys/a/create?api-version=7.5 HTTP/1.1\r\nHost: vault.example:8443\r\n"), "{text}");
    assert!(text.contains("\r\nAuthorization: Bearer abc\r\n") && text.contains("\r\nX-One: 1\r\n"));
    assert!(text.ends_with("Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), "{text}");
    let without = Request { method: "POST", bearer: None, body: None, headers: &[], ..request };
    assert!(encoded(&without, "a").ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
}
