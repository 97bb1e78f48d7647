//! The server's ears: TCP with TLS and a Unix socket, HTTP/1.1 and HTTP/2, and the bounds within which one client can't
//! take the server from the others.
//!
//! What is promised: a client that is slow, silent, greedy or gone costs one connection for a bounded time. Plain HTTP is
//! spoken on the Unix socket and on loopback addresses only. What a request means is the router's business.
//!
//! A connection is one task, on one thread. It runs the handshake and every request of HTTP/1.1, so such a request starts no task, sets no
//! timer and allocates little; on HTTP/2 each request is a task of its own.

mod accept;
mod admission;
mod connection;
mod lanes;
mod limits;
mod peer;
mod proxy;
mod pulse;
mod request;
mod socket;
mod watched;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use accept::Acceptor;
use admission::Admission;
use connection::Stage;
use lanes::Lanes;
use socket::SocketFile;

pub use connection::Router;
pub use limits::Limits;
pub use peer::{Origin, Peer};
pub use proxy::Proxies;
pub use request::{BodyError, RequestBody, read_body};

use super::tls::Tls;

/// The mode of the Unix socket's file unless another is asked for: its owner and group may connect.
pub const SOCKET_MODE: u32 = 0o660;

/// Why nothing can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address isn't ours or is taken.
    #[error("can't listen at {address}: {source}; choose an address of this machine and a free port")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The Unix socket or the lock beside it can't be made.
    #[error("can't make {}: {source}; choose a directory that this user may write", path.display())]
    Socket {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another server listens.
    #[error("another server listens at {}; end it, or choose another path", path.display())]
    SocketInUse {
        /// The socket.
        path: PathBuf,
    },
    /// Plain HTTP would leave the machine.
    #[error(
        "{address} can be reached from other machines, without TLS; choose a loopback address such as 127.0.0.1:8480"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Something else lies in the place of the socket.
    #[error("{} exists and is no socket; move it away, or choose another path", path.display())]
    NoSocket {
        /// The file.
        path: PathBuf,
    },
}

/// Where the server is reached. Each listens from the moment that it is added; [`serve`] accepts.
#[derive(Default)]
pub struct Listeners {
    network: Vec<(TcpListener, Arc<Tls>)>,
    machine: Vec<(UnixListener, SocketFile)>,
    loopback: Vec<TcpListener>,
    proxies: Arc<Proxies>,
}

impl Listeners {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes these proxies, on all connections from the network.
    pub fn behind(&mut self, proxies: Arc<Proxies>) {
        self.proxies = proxies;
    }

    /// Listens at `address` and answers handshakes with `tls`. Returns the address with the port that the system chose for
    /// port 0.
    pub fn network(&mut self, address: SocketAddr, tls: Arc<Tls>) -> Result<SocketAddr, ListenError> {
        let (local, listener) = bind(address)?;
        self.network.push((listener, tls));
        Ok(local)
    }

    /// Listens at an address of this machine alone and speaks plain HTTP/1.1 there. Returns it as [`network`](Self::network)
    /// does.
    pub fn loopback(&mut self, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { address });
        }
        let (local, listener) = bind(address)?;
        self.loopback.push(listener);
        Ok(local)
    }

    /// Listens at a Unix socket with this mode, replacing what a dead server left there. The file is removed at the end.
    pub fn machine(&mut self, path: &Path, mode: u32) -> Result<(), ListenError> {
        self.machine.push(SocketFile::listen(path, mode)?);
        Ok(())
    }
}

fn bind(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ListenError> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|source| ListenError::Address { address, source })
}

/// Serves `router` at all `listeners` until `shutdown` is done; then nothing more is accepted, requests in flight finish
/// within [`Limits::grace`], and what remains is closed.
///
/// The router is taken as ready for every request, as axum's is; it bounds itself by its answers.
pub async fn serve<R: Router>(
    router: R,
    listeners: Listeners,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let limits = Arc::new(limits);
    let admission = Admission::new(&limits);
    let lanes = Arc::new(Lanes::start()?);
    let (stages, stage) = watch::channel(Stage::Serving);
    let mut files = Vec::new();
    for (listener, tls) in listeners.network {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Acceptor::new(&router, &limits, &admission, &lanes, &stage).network(listener, tls, &listeners.proxies);
    }
    for listener in listeners.loopback {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Acceptor::new(&router, &limits, &admission, &lanes, &stage).loopback(listener);
    }
    for (listener, file) in listeners.machine {
        let listener = tokio::net::UnixListener::from_std(listener)?;
        Acceptor::new(&router, &limits, &admission, &lanes, &stage).machine(listener);
        files.push(file);
    }
    drop(stage);
    shutdown.await;
    // Whoever connects from now on is told so by the system, and may find the next server at the same place.
    drop(files);
    let _ = stages.send(Stage::Finishing);
    if timeout(limits.grace, stages.closed()).await.is_err() {
        let _ = stages.send(Stage::Closing);
        stages.closed().await;
    }
    // Whoever accepted has ended, so that nobody else has them.
    if let Some(lanes) = Arc::into_inner(lanes) {
        lanes.end().await;
    }
    Ok(())
}
