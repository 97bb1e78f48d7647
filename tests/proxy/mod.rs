//! A proxy that a test puts before a real server, and that breaks things on request: it ends TLS with a certificate of its
//! own, passes HTTP/1.1 on to the server's Unix socket, and counts.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is passed on, and so is its answer.
    None,
    /// The connection is reset before anything is answered; the server never sees the request.
    Reset,
    /// The server does it, and the connection is reset in the place of its answer.
    ResetAfter,
    /// Nothing is answered, ever.
    Stall,
    /// The head of the answer comes, and nothing behind it.
    StallInside,
    /// The answer ends in its middle, and the connection with it.
    Truncate,
    /// The answer is whole JSON no more, though as long as it says.
    Garble,
    /// The body of the answer becomes another, whose length is said.
    Body(fn(&str) -> String),
    /// Texts of the request become others before the server sees it, and texts of what it answers before the client does.
    /// Each is as long as what it stands for.
    Forge(Vec<(String, String)>, Vec<(String, String)>),
    /// A page of HTML with status 200.
    Html,
    /// A status with headers and a body, without asking the server.
    Answer(u16, &'static str, &'static str),
    /// It is passed on after this time.
    Delay(Duration),
}

impl Fault {
    /// The answer says the second text in the place of the first.
    pub fn says(said: &str, instead: &str) -> Self {
        Self::Forge(Vec::new(), vec![(said.into(), instead.into())])
    }

    /// The server is asked for the second text in the place of the first, and seems to have been asked for the first.
    pub fn uses(meant: &str, instead: &str) -> Self {
        Self::Forge(vec![(meant.into(), instead.into())], vec![(instead.into(), meant.into())])
    }

    /// The server is asked for the second text in the place of the first, and says what it says.
    pub fn asks(meant: &str, instead: &str) -> Self {
        Self::Forge(vec![(meant.into(), instead.into())], Vec::new())
    }
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub host: String,
    pub has_token: bool,
    /// By names in small letters; of the authorization, its scheme alone.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    names: Vec<String>,
    authority: Authority,
    ca: String,
    /// What it showed at first.
    first: Arc<ServerConfig>,
    /// SHA-256 of its first key, in base64.
    pub pin: String,
}

/// Who signs certificates.
type Authority = rcgen::CertifiedIssuer<'static, rcgen::KeyPair>;

struct Shared {
    upstream: Mutex<PathBuf>,
    /// What is shown to who connects.
    tls: Mutex<Arc<ServerConfig>>,
    streams: Mutex<BTreeMap<u64, TcpStream>>,
    plan: Mutex<VecDeque<Fault>>,
    always: Mutex<Fault>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Connections with a smaller number swallow what comes and say nothing.
    silent_before: AtomicU64,
    begun: AtomicU64,
    down: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    /// For these host names.
    pub fn before(upstream: PathBuf, names: &[&str]) -> Self {
        Self::at("127.0.0.1:0", upstream, names)
    }

    /// The same at this address.
    pub fn at(address: &str, upstream: PathBuf, names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let authority = authority();
        let (first, pin) = shown(&names, &authority);
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            tls: Mutex::new(Arc::clone(&first)),
            streams: Mutex::default(),
            plan: Mutex::default(),
            always: Mutex::new(Fault::None),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            silent_before: AtomicU64::new(0),
            begun: AtomicU64::new(1),
            down: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Self { shared, address, names, ca: authority.pem(), authority, first, pin }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate to trust, in PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Shows a certificate for another key, signed by the same authority or by one that nobody knows.
    pub fn changes_its_key(&self, by_stranger: bool) {
        let stranger = by_stranger.then(authority);
        let (tls, _) = shown(&self.names, stranger.as_ref().unwrap_or(&self.authority));
        self.shows(tls);
    }

    /// Shows again what it showed at first.
    pub fn has_its_first_key(&self) {
        self.shows(Arc::clone(&self.first));
    }

    fn shows(&self, tls: Arc<ServerConfig>) {
        *self.shared.tls.lock().unwrap() = tls;
        self.close_connections();
    }

    /// Closes those that there are, as a server does that starts anew.
    pub fn close_connections(&self) {
        for stream in self.shared.streams.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// What becomes of the next requests, in turn.
    pub fn plan(&self, faults: &[Fault]) {
        self.shared.plan.lock().unwrap().extend(faults.iter().cloned());
    }

    /// For how many requests something is planned that didn't come.
    pub fn planned(&self) -> usize {
        self.shared.plan.lock().unwrap().len()
    }

    /// What becomes of those for which nothing is planned.
    pub fn always(&self, fault: Fault) {
        *self.shared.always.lock().unwrap() = fault;
    }

    /// The requests since the last look.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.shared.seen.lock().unwrap())
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The connections that there are stay open and swallow everything from now on.
    pub fn forget_connections(&self) {
        let now = self.shared.begun.load(Ordering::SeqCst);
        self.shared.silent_before.store(now, Ordering::SeqCst);
    }

    /// New connections are refused at once (`true`), or taken again.
    pub fn down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// Passes requests on to another socket from now on.
    pub fn go_to(&self, upstream: PathBuf) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn authority() -> Authority {
    let mut says = rcgen::CertificateParams::new(Vec::new()).unwrap();
    // Of another name than what it signs, which OpenSSL would take for self-signed.
    says.distinguished_name.push(rcgen::DnType::CommonName, "the proxy's authority");
    says.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    Authority::self_signed(says, rcgen::KeyPair::generate().unwrap()).unwrap()
}

/// A new key and its certificate for these names, and the key's pin.
fn shown(names: &[String], authority: &Authority) -> (Arc<ServerConfig>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(names.to_vec()).unwrap().signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    (Arc::new(tls), pin_of(&key))
}

fn pin_of(key: &rcgen::KeyPair) -> String {
    use base64ct::{Base64, Encoding};
    use rcgen::PublicKeyData;
    use sha2::{Digest, Sha256};
    Base64::encode_string(&Sha256::digest(key.subject_public_key_info()))
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if shared.down.load(Ordering::SeqCst) {
            reset(&stream);
            continue;
        }
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        let number = shared.begun.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = serve(stream, number, &shared);
            // Only now it is closed.
            shared.streams.lock().unwrap().remove(&number);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Closes it so that the other side has an error and no end.
fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

fn serve(stream: TcpStream, number: u64, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let raw = stream.try_clone()?;
    shared.streams.lock().unwrap().insert(number, stream.try_clone()?);
    let tls = Arc::clone(&shared.tls.lock().unwrap());
    let session = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(session, stream);
    let mut upstream: Option<UnixStream> = None;
    loop {
        let Some(request) = message(&mut client, true)? else { return Ok(()) };
        if number < shared.silent_before.load(Ordering::SeqCst) {
            // To its end, whenever the client gives up.
            return io::copy(&mut client, &mut io::sink()).map(drop);
        }
        shared.seen.lock().unwrap().push(seen(&request));
        let planned = shared.plan.lock().unwrap().pop_front();
        let fault = planned.unwrap_or_else(|| shared.always.lock().unwrap().clone());
        let (request, answers) = match &fault {
            Fault::Forge(asked, said) => (forged(&request, asked), said.as_slice()),
            _ => (request, &[][..]),
        };
        let mut ask = |shared: &Shared| -> io::Result<Vec<u8>> {
            let mut stream = match upstream.take() {
                Some(stream) => stream,
                None => UnixStream::connect(&*shared.upstream.lock().unwrap())?,
            };
            stream.write_all(&request)?;
            let answer = message(&mut stream, false)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            upstream = Some(stream);
            Ok(answer)
        };
        match fault {
            Fault::None => client.write_all(&ask(shared)?)?,
            Fault::Delay(time) => {
                std::thread::sleep(time);
                client.write_all(&ask(shared)?)?;
            }
            Fault::Reset => {
                reset(&raw);
                return Ok(());
            }
            Fault::ResetAfter => {
                ask(shared)?;
                reset(&raw);
                return Ok(());
            }
            Fault::Stall => return io::copy(&mut client, &mut io::sink()).map(drop),
            Fault::StallInside => {
                let answer = ask(shared)?;
                client.write_all(&answer[..head_len(&answer) + 2])?;
                return io::copy(&mut client, &mut io::sink()).map(drop);
            }
            Fault::Truncate => {
                let answer = ask(shared)?;
                return client.write_all(&answer[..head_len(&answer) + 5]);
            }
            Fault::Garble => {
                let mut answer = ask(shared)?;
                let body = head_len(&answer);
                answer[body..].fill(b'{');
                client.write_all(&answer)?;
            }
            Fault::Body(change) => {
                let answer = ask(shared)?;
                let body = change(&String::from_utf8_lossy(&answer[head_len(&answer)..]));
                client.write_all(page(200, "Content-Type: application/json; charset=utf-8\r\n", &body).as_bytes())?;
            }
            Fault::Forge(..) => client.write_all(&forged(&ask(shared)?, answers))?,
            Fault::Html => {
                client.write_all(page(200, "Content-Type: text/html\r\n", "<html>Log in</html>").as_bytes())?
            }
            Fault::Answer(status, headers, body) => client.write_all(page(status, headers, body).as_bytes())?,
        }
    }
}

fn page(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// With the second of each pair in the place of the first.
fn forged(message: &[u8], pairs: &[(String, String)]) -> Vec<u8> {
    let mut text = String::from_utf8(message.to_vec()).unwrap();
    for (from, to) in pairs {
        assert!(from.len() == to.len() && text.contains(from.as_str()), "{to} in the place of {from} in {text}");
        text = text.replace(from.as_str(), to);
    }
    text.into_bytes()
}

fn head_len(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4
}

/// One request or answer, head and body; `None` at the end.
fn message(stream: &mut impl Read, is_request: bool) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut room = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            assert!(is_request || length.is_some() || head.contains(" 204 "), "the server says the length: {head}");
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Ok(Some(bytes));
            }
        }
        match stream.read(&mut room)? {
            0 => return Ok(None),
            len => bytes.extend_from_slice(&room[..len]),
        }
    }
}

fn seen(request: &[u8]) -> Seen {
    let (head, body) = request.split_at(head_len(request));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
    let mut headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    if let Some(authorization) = headers.get_mut("authorization") {
        authorization.truncate(authorization.find(' ').unwrap_or(0));
    }
    Seen {
        method: first.next().unwrap(),
        target: first.next().unwrap(),
        host: headers.get("host").cloned().unwrap_or_default(),
        has_token: headers.contains_key("authorization"),
        headers,
        body: String::from_utf8_lossy(body).into_owned(),
    }
}
