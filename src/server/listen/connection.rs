//! One connection from its acceptance to its end: the handshake, then HTTP/1.1 or HTTP/2 until the client, a limit or the
//! server ends it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use axum::body::Bytes;
use hyper::body::Body;
use hyper::server::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::admission::Place;
use super::limits::Limits;
use super::peer::{Origin, Peer};
use super::proxy::{Told, read_header};
use super::pulse::{Pulse, Verdict};
use super::request::{RequestBody, Requests};
use super::watched::Watched;
use crate::server::client_certificate::Shown;
use crate::server::tls::Tls;

/// How far the server is with ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It serves.
    Serving,
    /// What is in flight may finish.
    Finishing,
    /// Everything is closed.
    Closing,
}

/// What a router is for us.
pub trait Router:
    Service<Request<RequestBody>, Response = Response<Self::Body>, Error = Infallible, Future = Self::Answer>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// What answers consist of.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static;
    /// One answer being made.
    type Answer: Future<Output = Result<Response<Self::Body>, Infallible>> + Send + 'static;
}

impl<S, B> Router for S
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
    type Answer = S::Future;
}

/// Where a connection comes from, before anything was read of it.
pub(super) struct From {
    pub(super) address: SocketAddr,
    pub(super) local: SocketAddr,
    /// A proxy says first for whom it connects.
    pub(super) begins_with_header: bool,
}

impl From {
    /// For whom it is, once that was read; its place is that client's then.
    async fn origin(&self, stream: &mut TcpStream, place: &mut Place) -> io::Result<Origin> {
        let Self { address, local, begins_with_header } = *self;
        if !begins_with_header {
            return Ok(Origin::Network { address, local, is_client: true });
        }
        match read_header(stream).await? {
            Told::Client(client) if place.is_of(client.ip()) => {
                Ok(Origin::Network { address: client, local, is_client: true })
            }
            Told::Client(_) => Err(io::ErrorKind::QuotaExceeded.into()),
            Told::Proxy => Ok(Origin::Network { address, local, is_client: true }),
            Told::Nowhere => Ok(Origin::Network { address, local, is_client: false }),
        }
    }
}

/// What every connection needs.
pub(super) struct Serving<R> {
    pub(super) router: R,
    pub(super) limits: Arc<Limits>,
    pub(super) stage: watch::Receiver<Stage>,
}

impl<R: Router> Serving<R> {
    /// A connection from the network.
    pub(super) async fn network(mut self, mut stream: TcpStream, from: From, tls: Arc<Tls>, mut place: Place) {
        // An answer is written in one piece, so nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let handshake = async {
            let origin = from.origin(&mut stream, &mut place).await?;
            Ok::<_, io::Error>((origin, TlsAcceptor::from(tls.current()).accept(stream).await?))
        };
        let shaken = tokio::select! {
            shaken = timeout(self.limits.handshake, handshake) => shaken,
            _ = self.stage.changed() => return,
        };
        // Whoever speaks no TLS, or not in time, is no client of ours.
        let Ok(Ok((origin, stream))) = shaken else { return };
        let session = stream.get_ref().1;
        let http2 = session.alpn_protocol() == Some(b"h2");
        let certificate = session.peer_certificates().and_then(Shown::of);
        self.http(stream, Peer { origin, tls: true, certificate }, http2).await;
    }

    /// A connection of this machine, on which nobody else listens.
    pub(super) async fn loopback(self, stream: TcpStream, origin: Origin, _place: Place) {
        let _ = stream.set_nodelay(true);
        self.http(stream, Peer { origin, tls: false, certificate: None }, false).await;
    }

    /// A connection on the Unix socket, where there is no choice of protocol.
    pub(super) async fn machine(self, stream: UnixStream, origin: Origin, _place: Place) {
        self.http(stream, Peer { origin, tls: false, certificate: None }, false).await;
    }

    async fn http<T>(self, stream: T, peer: Peer, is_http2: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, limits, stage } = self;
        let pulse = Pulse::new(limits.clone(), is_http2);
        let stream = TokioIo::new(Watched::new(stream, pulse.clone()));
        let requests = Requests { router, peer, pulse: pulse.clone() };
        if is_http2 {
            let connection = http2_settings(&limits).serve_connection(stream, requests);
            drive(connection, http2::Connection::graceful_shutdown, &pulse, stage).await;
        } else {
            let connection = http1_settings(&limits).serve_connection(stream, requests);
            drive(connection, http1::Connection::graceful_shutdown, &pulse, stage).await;
        }
    }
}

fn http1_settings(limits: &Limits) -> http1::Builder {
    let mut settings = http1::Builder::new();
    // Times are the pulse's. hyper's own for headers would also end connections that are only idle, and allocates a timer
    // a request.
    settings.header_read_timeout(None).max_header_size(limits.header).max_buf_size((2 * limits.header).max(8192));
    settings
}

fn http2_settings(limits: &Limits) -> http2::Builder<Streams> {
    let mut settings = http2::Builder::new(Streams { limit: limits.stream_time });
    settings
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header).unwrap_or(u32::MAX))
        // What bodies that nobody reads yet may take of our memory.
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(256 << 10);
    settings
}

/// Runs a connection to its end.
async fn drive<C: Future>(
    connection: C,
    end_in_order: impl Fn(Pin<&mut C>),
    pulse: &Pulse,
    mut stage: watch::Receiver<Stage>,
) {
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(tokio::time::Instant::now()));
    let mut ending = *stage.borrow() != Stage::Serving;
    if ending {
        end_in_order(connection.as_mut());
    }
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            _ = stage.changed() => {
                if *stage.borrow_and_update() == Stage::Closing {
                    return;
                }
                ending = true;
                end_in_order(connection.as_mut());
            }
            () = timer.as_mut() => match pulse.verdict() {
                Verdict::LookAgain(moment) => timer.as_mut().reset(moment.into()),
                Verdict::Idle if !ending => {
                    ending = true;
                    end_in_order(connection.as_mut());
                    let rest = pulse.limits().write_stall;
                    timer.as_mut().reset(tokio::time::Instant::now() + rest);
                }
                Verdict::Idle | Verdict::Cut => return,
            },
        }
    }
}

/// Runs the requests of HTTP/2, each for so long at most: one that waits for its client's window doesn't block the
/// connection, so nothing else would end it.
#[derive(Clone)]
struct Streams {
    limit: std::time::Duration,
}

impl<F: Future + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let limit = self.limit;
        tokio::spawn(async move {
            let _ = timeout(limit, stream).await;
        });
    }
}
