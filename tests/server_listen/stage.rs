//! A server of the library's listeners with a router of the test's own, and clients that speak to it over real sockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper::body::Frame;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use strongroom::server::listen::{BodyError, Limits, Listeners, Peer, SOCKET_MODE, read_body, serve};
use strongroom::server::tls::Tls;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Only against hangs.
pub const HANG: Duration = Duration::from_secs(30);
/// A limit of the server that a test waits for.
pub const SOON: Duration = Duration::from_millis(300);

pub const ANSWER_LEN: usize = 32 << 20;

pub const REQUEST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
pub const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

pub type Tunnel = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost`, and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub der: CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone().into_owned(),
        }
    }

    pub fn tls(&self) -> Arc<Tls> {
        Arc::new(Tls::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap())
    }

    /// A client that trusts this certificate alone.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A server that listens on loopback and on a Unix socket, and ends with its owner.
pub struct Server {
    pub address: SocketAddr,
    pub identity: Identity,
    pub folder: TempDir,
    pub tls: Arc<Tls>,
    /// What the router tells: `begun` and `dropped`.
    pub events: Receiver<&'static str>,
    runtime: Option<Runtime>,
    shutdown: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
}

impl Server {
    pub fn new(limits: Limits) -> Self {
        let (identity, folder) = (Identity::new(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("ca.pem"), &identity.certificate).unwrap();
        let tls = identity.tls();
        let mut listeners = Listeners::new();
        let address = listeners.network("127.0.0.1:0".parse().unwrap(), tls.clone()).unwrap();
        listeners.machine(&folder.path().join("socket"), SOCKET_MODE).unwrap();
        let runtime = Runtime::new().unwrap();
        let (tell, events) = mpsc::channel();
        let (shutdown, asked) = oneshot::channel::<()>();
        let (end, ended) = mpsc::channel();
        runtime.spawn(async move {
            let asked = async {
                let _ = asked.await;
            };
            serve(router(tell, limits.body), listeners, limits, asked).await.unwrap();
            let _ = end.send(());
        });
        Self { address, identity, folder, tls, events, runtime: Some(runtime), shutdown: Some(shutdown), ended }
    }

    pub fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("socket")
    }

    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// A TCP connection that waits no longer than [`HANG`] for anything.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        stream
    }

    /// A connection whose handshake is done.
    pub fn tunnel(&self, protocol: &str) -> Tunnel {
        tunnel(self.connect(), &self.identity, protocol).unwrap()
    }

    /// A client that behaves gets its answer, whatever others do.
    pub fn serves_others(&self) {
        let answer =
            ask(&mut self.tunnel("http/1.1"), "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }

    /// Waits until the router tells this.
    pub fn expect(&self, event: &str) {
        while self.events.recv_timeout(HANG).unwrap() != event {}
    }

    pub fn begin_shutdown(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    pub fn expect_end(&self) {
        self.ended.recv_timeout(HANG).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

pub fn tunnel(mut stream: TcpStream, identity: &Identity, protocol: &str) -> io::Result<Tunnel> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(identity.client(&[protocol]), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Sends a request and reads until the server ends the connection, which it may do before it has read all.
pub fn ask(stream: &mut (impl Read + Write), request: &str) -> String {
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert!(ended.is_ok() || !answer.is_empty(), "{ended:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer of a connection that stays, whose body has this length.
pub fn answer(stream: &mut impl Read, body: usize) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    let end = read.len();
    read.resize(end + body, 0);
    stream.read_exact(&mut read[end..]).unwrap();
    String::from_utf8(read).unwrap()
}

/// Reads until the connection ends, in whatever way; returns how much came.
pub fn drain(stream: &mut impl Read) -> usize {
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return total,
            Ok(len) => total += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the connection is still open"),
            Err(_) => return total,
        }
    }
}

pub fn curl(server: &Server, arguments: &[&str]) -> String {
    let ca: &Path = &server.folder.path().join("ca.pem");
    let mut command = std::process::Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "30", "--cacert"]).arg(ca).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Says when an answer is given up or done.
struct Tells(Sender<&'static str>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// An answer that is made while it is taken.
struct Large {
    left: usize,
    _tells: Tells,
}

impl hyper::body::Body for Large {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let len = self.left.min(100_000);
        self.left -= len;
        Poll::Ready((len > 0).then(|| Ok(Frame::data(vec![b'x'; len].into()))))
    }
}

fn router(tell: Sender<&'static str>, limit: usize) -> Router {
    let (hanging, large) = (tell.clone(), tell.clone());
    Router::new()
        .route("/", get(async || "here"))
        .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{peer:?}")))
        .route("/body", post(async move |request: Request| body_length(request, limit).await))
        .route("/any-body", post(async move |request: Request| body_length(request, usize::MAX).await))
        .route("/large", get(async move || Body::new(Large { left: ANSWER_LEN, _tells: Tells(large.clone()) })))
        .route(
            "/hang",
            get(async move || {
                let _tells = Tells(hanging.clone());
                let _ = hanging.send("begun");
                std::future::pending::<()>().await;
            }),
        )
        .route(
            "/moment",
            get(async move || {
                let _ = tell.send("begun");
                tokio::time::sleep(SOON).await;
                Bytes::from_static(b"finished")
            }),
        )
}

async fn body_length(request: Request, limit: usize) -> (StatusCode, String) {
    match read_body(request.into_body(), limit).await {
        Ok(body) => (StatusCode::OK, body.len().to_string()),
        Err(BodyError::TooLarge(_)) => (StatusCode::PAYLOAD_TOO_LARGE, "too large".into()),
        Err(BodyError::TimedOut) => (StatusCode::REQUEST_TIMEOUT, "too slow".into()),
        Err(BodyError::Broken(error)) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}
