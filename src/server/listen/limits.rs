//! What one client may use of the server before it is cut off, so that the others are served.

use std::time::Duration;

/// The bounds of everything that a client decides. `docs/server.md` has them as a table.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request's body; who reads the body holds it, with [`read_body`](super::read_body).
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
            body: 1 << 20,
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
}
