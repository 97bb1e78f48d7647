//! Limits that only HTTP/2 has: many requests on one connection, each with a window of its own.

use std::future::Future;
use std::io::{Read, Write};

use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use h2::Reason;
use h2::client::{ResponseFuture, SendRequest};
use strongroom::server::listen::Limits;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::stage::{HANG, SOON, Server};

/// A client of HTTP/2, and what tells that its connection is over.
struct Client {
    requests: SendRequest<Bytes>,
    over: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn new(server: &Server, settings: &h2::client::Builder) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let connector = TlsConnector::from(server.identity.client(&["h2"]));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let (requests, connection) = settings.handshake(stream).await.unwrap();
        Self { requests, over: tokio::spawn(connection) }
    }

    async fn send(&mut self, path: &str, field: &str) -> Result<(ResponseFuture, h2::SendStream<Bytes>), h2::Error> {
        self.requests = self.requests.clone().ready().await?;
        let request = Request::get(format!("https://localhost{path}")).header("x", field).body(()).unwrap();
        self.requests.send_request(request, true)
    }

    /// The status and body of an answer.
    async fn get(&mut self, path: &str, field: &str) -> Result<(StatusCode, Vec<u8>), h2::Error> {
        let (answer, _) = self.send(path, field).await?;
        let mut answer = answer.await?;
        let (status, mut body) = (answer.status(), Vec::new());
        while let Some(part) = answer.body_mut().data().await {
            let part = part?;
            body.extend_from_slice(&part);
            answer.body_mut().flow_control().release_capacity(part.len())?;
        }
        Ok((status, body))
    }
}

/// Runs a client on the server's runtime, and not for ever.
fn run<T>(server: &Server, client: impl Future<Output = T>) -> T {
    server.runtime().block_on(async { timeout(HANG, client).await.expect("the server doesn't end what it should end") })
}

fn plain() -> h2::client::Builder {
    h2::client::Builder::new()
}

#[test]
fn requests_run_side_by_side_to_the_limit_and_no_further() {
    let server = Server::new(Limits { streams: 3, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        assert_eq!(client.get("/", "").await.unwrap(), (StatusCode::OK, b"here".to_vec()));
        assert_eq!(client.requests.current_max_send_streams(), 3);
        let mut hanging = Vec::new();
        for _ in 0..3 {
            hanging.push(client.send("/hang", "").await.unwrap());
            server.expect("begun");
        }
        let _fourth = client.send("/hang", "").await.unwrap();
        assert!(server.events.recv_timeout(SOON).is_err(), "a fourth request runs");
        hanging[0].1.send_reset(Reason::CANCEL);
        server.expect("begun");
    });
    server.serves_others();
}

#[test]
fn a_client_that_gives_up_one_request_after_the_other_is_cut() {
    let server = Server::new(Limits { resets: 50, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        let mut given_up = 0;
        while let Ok((answer, mut stream)) = client.send("/hang", "").await {
            // The router was called before the request is taken back, so that nothing but the count is against it.
            let Ok(_) = tokio::task::block_in_place(|| server.events.recv_timeout(SOON)) else { break };
            stream.send_reset(Reason::CANCEL);
            drop(answer);
            given_up += 1;
            assert!(given_up < 1000, "a thousand requests were given up");
        }
        assert!(given_up >= 25, "{given_up}");
        client.over.await.unwrap().unwrap_err();
    });
    server.serves_others();
}

#[test]
fn a_flood_of_requests_that_are_given_up_at_once_is_cut() {
    let server = Server::new(Limits::default());
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        for _ in 0..100_000 {
            let Ok((_, mut stream)) = client.send("/hang", "").await else { break };
            stream.send_reset(Reason::CANCEL);
        }
        client.over.await.unwrap().unwrap_err();
    });
    server.serves_others();
}

#[test]
fn requests_given_up_now_and_then_are_no_reason_to_cut() {
    let server = Server::new(Limits { resets: 5, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        for _ in 0..100 {
            client.send("/hang", "").await.unwrap().1.send_reset(Reason::CANCEL);
            assert_eq!(client.get("/", "").await.unwrap().1, b"here");
        }
    });
}

#[test]
fn a_header_list_that_is_too_large_is_answered_431_and_the_connection_stays() {
    let server = Server::new(Limits { header: 8 << 10, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        let large = client.get("/", &"x".repeat(8 << 10)).await.unwrap();
        assert_eq!(large.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(client.get("/", &"x".repeat(7 << 10)).await.unwrap().1, b"here");
    });
}

#[test]
fn an_answer_whose_client_opens_no_window_is_given_up_and_the_connection_stays() {
    let server = Server::new(Limits { stream_time: SOON, ..Limits::default() });
    run(&server, async {
        // Only the answer's own window is shut.
        let mut client = Client::new(&server, plain().initial_connection_window_size(1 << 20)).await;
        let (answer, _) = client.send("/large", "").await.unwrap();
        let mut answer = answer.await.unwrap();
        // The first window's bytes come; what is never released is never followed by more.
        let ended = loop {
            match answer.body_mut().data().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("the whole answer came without a window"),
            }
        };
        assert!(ended.is_reset(), "{ended}");
        assert_eq!(client.get("/", "").await.unwrap().1, b"here");
    });
}

#[test]
fn answers_that_nobody_takes_end_the_connection() {
    let server = Server::new(Limits { write_stall: SOON, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, plain().initial_window_size(0)).await;
        let _untaken = client.send("/large", "").await.unwrap();
        client.over.await.unwrap().unwrap_err();
    });
    server.serves_others();
}

#[test]
fn a_connection_without_a_request_ends_in_order() {
    let server = Server::new(Limits { idle: SOON, ..Limits::default() });
    run(&server, async {
        let mut client = Client::new(&server, &plain()).await;
        assert_eq!(client.get("/", "").await.unwrap().1, b"here");
        client.over.await.unwrap().unwrap();
    });
}

#[test]
fn a_flood_of_pings_is_cut() {
    let server = Server::new(Limits { control_bytes: 64 << 10, ..Limits::default() });
    let mut stream = server.tunnel("h2");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let ping = *b"\0\0\x08\x06\0\0\0\0\0sequence";
    let mut answers = vec![0; 64 << 10];
    let mut sent = 0;
    while stream.write_all(&ping.repeat(100)).is_ok() && stream.read(&mut answers).is_ok_and(|len| len > 0) {
        sent += 100;
        assert!(sent < 100_000, "a hundred thousand pings are answered");
    }
    assert!(sent * ping.len() > 32 << 10, "{sent}");
    server.serves_others();
}
