//! What one client may use of the server before it is cut off, so that the others are served.

use std::time::Duration;

/// The bounds of everything that a client decides. `docs/server.md` has them as a table.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body; reading on is [`BodyError::TooLarge`](super::BodyError::TooLarge).
    pub body: usize,
    /// From a request's first byte behind its header to the last: [`BodyError::TimedOut`](super::BodyError::TimedOut).
    pub body_time: Duration,
    /// Bytes of a request's header, request line included; answered with 431.
    pub header: usize,
    /// From a request's first byte to the end of its header, on HTTP/1.1. The number of fields is at most 100 there.
    pub header_time: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// How long an answer may wait for its client to take anything of it.
    pub write_stall: Duration,
    /// Connections over TCP at a time.
    pub connections: usize,
    /// Of those, from one IPv4 address or one IPv6 network of 64 bits.
    pub connections_per_address: usize,
    /// Connections on the Unix socket at a time; counted apart, so that the network can't lock out the machine's own.
    pub local_connections: usize,
    /// Requests at a time on one connection of HTTP/2.
    pub streams: u32,
    /// From the beginning of a request to the end of its answer, on HTTP/2, where one that hangs doesn't stop the others.
    pub stream_time: Duration,
    /// Requests of an HTTP/2 connection that the client gave up, beyond those that it let finish.
    pub resets: u32,
    /// Bytes on an HTTP/2 connection that lead to no request and no body: pings, settings, windows.
    pub control_bytes: u64,
    /// How long requests in flight may take to finish when the server ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            body_time: Duration::from_secs(30),
            header: 32 << 10,
            header_time: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            handshake: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            connections: 4096,
            connections_per_address: 512,
            local_connections: 256,
            streams: 100,
            stream_time: Duration::from_secs(120),
            resets: 100,
            control_bytes: 1 << 20,
            grace: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The shortest time after which a state of a connection that begins now could be over.
    pub(super) fn shortest(&self) -> Duration {
        self.header_time.min(self.idle).min(self.write_stall)
    }

    /// Each limit in words: what is bounded, how far, and what happens beyond.
    pub fn table(&self) -> Vec<[String; 3]> {
        let mut rows = self.of_connections();
        rows.extend(self.of_requests());
        rows.extend(self.of_http2());
        rows.into_iter().map(|(what, limit, beyond)| [what.to_owned(), limit, beyond.to_owned()]).collect()
    }

    fn of_connections(&self) -> Vec<Row> {
        vec![
            ("connections over TCP at a time", self.connections.to_string(), ONE_TOO_MANY),
            ("of those, from one IPv4 address or one IPv6 /64", self.connections_per_address.to_string(), ONE_TOO_MANY),
            ("connections on the Unix socket at a time", self.local_connections.to_string(), ONE_TOO_MANY),
            ("time for the TLS handshake", seconds(self.handshake), CLOSED),
            ("time without a request", seconds(self.idle), "the connection ends in order"),
            ("time for requests in flight when the server ends", seconds(self.grace), CLOSED),
        ]
    }

    fn of_requests(&self) -> Vec<Row> {
        vec![
            ("bytes of a request's header", kibibytes(self.header as u64), "431"),
            ("fields of a request's header, HTTP/1.1", HEADER_FIELDS.to_string(), "431"),
            ("time from a header's first byte to its last, HTTP/1.1", seconds(self.header_time), CLOSED),
            ("bytes of a request's body", kibibytes(self.body as u64), "413"),
            ("time for a request's body", seconds(self.body_time), "408"),
            ("time in which the client takes nothing of its answer", seconds(self.write_stall), CLOSED),
        ]
    }

    fn of_http2(&self) -> Vec<Row> {
        let waits = "the client waits; one that doesn't has the request refused";
        vec![
            ("requests at a time on one connection, HTTP/2", self.streams.to_string(), waits),
            ("time of a request with its answer, HTTP/2", seconds(self.stream_time), "the request is reset"),
            ("requests given up, beyond those that finished, HTTP/2", self.resets.to_string(), CLOSED),
            ("bytes without a request or a body (pings, settings), HTTP/2", kibibytes(self.control_bytes), CLOSED),
        ]
    }
}

type Row = (&'static str, String, &'static str);

/// hyper's own, kept: with another number it allocates a list a request.
const HEADER_FIELDS: usize = 100;

const ONE_TOO_MANY: &str = "a further one is closed at once";
const CLOSED: &str = "the connection is closed";

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes >> 10)
}
