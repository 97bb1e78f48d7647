//! A client that writes requests byte by byte as a test wants them, over TLS.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Only against hangs.
pub const HANG: Duration = Duration::from_secs(60);

pub type Tunnel = StreamOwned<ClientConnection, TcpStream>;

/// A status, the header in small letters, and a body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub header: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        format!("{} {}", self.status, String::from_utf8_lossy(&self.body))
    }

    /// The JSON body, if the status is this one.
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
}

/// A client of one server: where it is, whom it trusts, what it is called there.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub host: String,
    pub token: String,
    config: Arc<ClientConfig>,
}

impl Client {
    pub fn new(address: SocketAddr, host: &str, ca: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Self { address, host: host.to_owned(), token: String::new(), config: Arc::new(config) }
    }

    /// Logs in with a client secret; the token is sent with every request from then on.
    pub fn log_in(&mut self, authority: &str, id: &str, secret: &str) {
        let form = format!(
            "grant_type=client_credentials&client_id={id}&client_secret={secret}\
             &scope=https%3A%2F%2Fvault.localhost%2F.default"
        );
        let request = format!(
            "POST /adfs/oauth2/v2.0/token HTTP/1.1\r\nhost: {authority}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let answer = self.connect().unwrap().exchange(request.as_bytes()).unwrap().with(200);
        self.token = answer["access_token"].as_str().unwrap().to_owned();
    }

    /// A TCP connection without a handshake.
    pub fn bare(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANG))?;
        stream.set_write_timeout(Some(HANG))?;
        Ok(stream)
    }

    pub fn connect(&self) -> io::Result<Connection> {
        let mut stream = self.bare()?;
        let name = ServerName::try_from("dev.vault.localhost").unwrap();
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Connection(BufReader::new(StreamOwned::new(connection, stream))))
    }

    /// The bytes of a request with the token. `target` is the path and query as they shall stand there.
    pub fn request(&self, method: &str, target: &str, media: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: {media}\r\n\
             content-length: {}\r\n\r\n",
            self.host,
            self.token,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// Asks on a connection of its own; api-version and media type are right.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.connect().unwrap().ask(self, method, path, body).unwrap()
    }
}

/// An open connection.
pub struct Connection(pub BufReader<Tunnel>);

impl Connection {
    pub fn ask(&mut self, client: &Client, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let target = format!("{path}{sign}api-version=7.6");
        self.exchange(&client.request(method, &target, "application/json", &body))
    }

    /// Sends a whole request and reads its answer.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        // One that is refused early is answered while it is still being sent.
        let sent = self.send(request);
        match (self.answer(), sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(error), sent) => sent.and(Err(error)),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)?;
        self.0.get_mut().flush()
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut header)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let header = header.to_ascii_lowercase();
        let status = header.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let length = header.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, header, body })
    }
}
