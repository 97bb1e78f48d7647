//! A server of one real vault in the test's own process, reached over its Unix socket, and clients that speak HTTP/1.1 to
//! it over connections that stay.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use strongroom::backend::local::LocalVault;
use strongroom::config::{AllowFrom, IssuerConfig, Manner, Rate, VaultConfig};
use strongroom::server::access::{RoleDefinition, Scope, assign};
use strongroom::server::administration::full_backup::{Target, Targets};
use strongroom::server::clock::Clock;
use strongroom::server::identity::{self, Identity};
use strongroom::server::listen::{Limits, Listeners, SOCKET_MODE, serve};
use strongroom::server::names::Names;
use strongroom::server::{Configuration, Offered, Server};
use strongroom::vault::{Pin, Role, Unlock, VaultAdmin};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Seconds since 1970 at which every test begins.
pub const NOW: i64 = 1_800_000_000;
/// The user's PIN of the vault.
pub const PIN: &str = "user-pin-2846";
/// The host of the vault, and the one that it has as a Managed HSM.
pub const VAULT: &str = "one.vault.test:8443";
pub const HSM: &str = "one.managedhsm.test:8443";
/// The host of the token endpoint.
pub const LOGIN: &str = "login.vault.test:8443";
/// What tokens are for.
pub const RESOURCE: &str = "https://vault.test:8443";
pub const HSM_RESOURCE: &str = "https://managedhsm.test:8443";

/// A vault on disk and the server of it.
pub struct World {
    pub folder: TempDir,
    pub vault: Arc<dyn VaultAdmin>,
    pub clock: Clock,
    pub server: Arc<Server>,
    manner: Manner,
    runtime: Option<Runtime>,
    starts: u32,
}

/// An identity, and a secret with which it logs in.
pub struct Somebody {
    pub identity: Identity,
    pub secret: String,
}

impl World {
    pub fn new() -> Self {
        let many = NonZeroU32::new(100_000).unwrap();
        Self::with_login_limit(Rate { per_second: many, burst: many })
    }

    /// The vault is served as a Managed HSM.
    pub fn of_hsm() -> Self {
        let many = NonZeroU32::new(100_000).unwrap();
        Self::made(Rate { per_second: many, burst: many }, Manner::ManagedHsm)
    }

    pub fn with_login_limit(limit: Rate) -> Self {
        Self::made(limit, Manner::KeyVault)
    }

    /// With what a server's operator decides; logins are not limited, and targets of backups are as everywhere.
    pub fn configured(configuration: Configuration) -> Self {
        let many = NonZeroU32::new(100_000).unwrap();
        let login_limit = Some(Rate { per_second: many, burst: many });
        Self::made_with(Configuration { login_limit, ..configuration }, Manner::KeyVault, None)
    }

    /// With all that a server's operator decides.
    pub fn reached_from(allow_from: Option<AllowFrom>, configuration: Configuration) -> Self {
        Self::made_with(configuration, Manner::KeyVault, allow_from)
    }

    /// Tokens of these issuers count too, and the machine itself is the identity `machine`.
    pub fn with_issuers(issuers: Vec<IssuerConfig>) -> Self {
        let imds_identity = Some("machine".to_owned());
        Self::configured(Configuration { issuers, imds_identity, ..Configuration::default() })
    }

    fn made(login_limit: Rate, manner: Manner) -> Self {
        let login_limit = Some(login_limit);
        Self::made_with(Configuration { login_limit, ..Configuration::default() }, manner, None)
    }

    fn made_with(configuration: Configuration, manner: Manner, allow_from: Option<AllowFrom>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vault: Arc<dyn VaultAdmin> =
            LocalVault::open(&VaultConfig::local("one", folder.path().join("vault"))).unwrap();
        let pin = |text: &str| Pin::new(text.as_bytes().to_vec());
        vault.initialize("one", &pin("so-pin-93751")).unwrap();
        vault.unlock(&Unlock::Pin(Role::SecurityOfficer, pin("so-pin-93751"))).unwrap();
        vault.set_pin(Role::User, &pin(PIN)).unwrap();
        vault.lock();
        vault.unlock(&Unlock::Pin(Role::User, pin(PIN))).unwrap();
        let clock = Clock::standing_at(NOW);
        let offered = Offered { name: "one".to_owned(), vault: Arc::clone(&vault), manner, allow_from };
        let server = make(&folder, offered, &clock, configuration);
        let mut world = Self { folder, vault, clock, server, manner, runtime: None, starts: 0 };
        world.listen();
        world
    }

    /// A new server of the same vault, as after a restart.
    pub fn restart(&mut self) {
        let vault = Arc::clone(&self.vault);
        let offered = Offered { name: "one".to_owned(), vault, manner: self.manner, allow_from: None };
        self.server = make(&self.folder, offered, &self.clock, Configuration::default());
        self.listen();
    }

    /// Where programs of this machine get tokens of it.
    pub fn managed_identity(&self) -> std::net::SocketAddr {
        let mut listeners = Listeners::new();
        let address = listeners.loopback("127.0.0.1:0".parse().unwrap()).unwrap();
        let router = self.server.managed_identity();
        let serving = serve(router, listeners, Limits::default(), std::future::pending());
        self.runtime.as_ref().unwrap().spawn(serving);
        address
    }

    fn listen(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.starts += 1;
        let mut listeners = Listeners::new();
        listeners.machine(&self.socket(), SOCKET_MODE).unwrap();
        let (router, runtime) = (self.server.router(), Runtime::new().unwrap());
        runtime.spawn(serve(router, listeners, Limits::default(), std::future::pending()));
        self.runtime = Some(runtime);
    }

    pub fn manner(&self) -> Manner {
        self.manner
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("socket-{}", self.starts))
    }

    pub fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        self.client(stream)
    }

    /// A client on a connection of the test's own.
    pub fn client(&self, stream: impl Stream + 'static) -> Client {
        let host = if self.manner == Manner::KeyVault { VAULT } else { HSM };
        Client { stream: BufReader::new(Box::new(stream)), host }
    }

    /// What the server's tasks run on.
    pub fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().unwrap()
    }

    /// Makes an identity with a secret.
    pub fn somebody(&self, name: &str) -> Somebody {
        let identity = identity::create(&*self.vault, name, self.clock.now()).unwrap();
        let secret = identity::add_secret(&*self.vault, &identity.oid, self.clock.now(), None).unwrap();
        Somebody { identity, secret: secret.text.to_string() }
    }

    /// Gives a role.
    pub fn assign(&self, oid: &str, role: &str, scope: &str) -> String {
        let role = RoleDefinition::named(&self.vault.image(), self.manner, role).unwrap();
        assign(&*self.vault, oid, role.id(), &scope.parse::<Scope>().unwrap()).unwrap().id
    }

    /// An identity with a role on the whole vault, and a token of it.
    pub fn token_with(&self, role: &str) -> (Somebody, String) {
        let somebody = self.somebody(&role.replace(' ', "-"));
        self.assign(&somebody.identity.oid, role, "/");
        let token = self.token_of(&somebody);
        (somebody, token)
    }

    pub fn token_of(&self, somebody: &Somebody) -> String {
        let resource = if self.manner == Manner::KeyVault { RESOURCE } else { HSM_RESOURCE };
        let answer = self.connect().login("adfs", &somebody.form_for(resource));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

fn make(folder: &TempDir, offered: Offered, clock: &Clock, configuration: Configuration) -> Arc<Server> {
    let directory = folder.path().join("backups");
    std::fs::create_dir_all(&directory).unwrap();
    let passphrase = Some(Pin::new(b"a passphrase of backups".to_vec()));
    let backup_targets = Targets::new(vec![Target { name: "nightly".into(), directory, passphrase }]);
    let configuration = Configuration { backup_targets, ..configuration };
    Server::configured(vec![offered], Names::below("vault.test"), clock.clone(), configuration).unwrap()
}

impl Somebody {
    /// The form with which it logs in.
    pub fn form(&self) -> String {
        self.form_for(RESOURCE)
    }

    /// The same for something else.
    pub fn form_for(&self, resource: &str) -> String {
        format!("{}&client_id={}&client_secret={}", grant(resource), self.identity.appid, self.secret)
    }
}

/// The beginning of a form that asks for a token.
pub fn grant(resource: &str) -> String {
    let resource: String = form_urlencoded::byte_serialize(format!("{resource}/.default").as_bytes()).collect();
    format!("grant_type=client_credentials&scope={resource}")
}

/// What HTTP is spoken over.
pub trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A connection that stays.
pub struct Client {
    stream: BufReader<Box<dyn Stream>>,
    host: &'static str,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `error.innererror.code` of the vault's errors.
    pub fn inner_code(&self) -> Option<String> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        Some(body["error"]["innererror"]["code"].as_str()?.to_owned())
    }
}

impl Client {
    /// Sends a request and reads its answer.
    pub fn send(&mut self, method: &str, host: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.answer()
    }

    /// Whether a request whose head is too large is refused: with 431, or with the connection's end, which may come before
    /// all of it was sent.
    pub fn is_too_large(&mut self, method: &str, path: &str, header: (&str, &str)) -> bool {
        let (host, (name, value)) = (&self.host, header);
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n");
        let mut line = String::new();
        let sent = self.stream.get_mut().write_all(request.as_bytes());
        match sent.and_then(|()| self.stream.read_line(&mut line)) {
            Ok(0) | Err(_) => true,
            Ok(_) => line.split(' ').nth(1) == Some("431"),
        }
    }

    /// Sends a request to the vault whose body stands as it is written.
    pub fn send_raw(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let request = format!("{request}\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.answer()
    }

    /// Sends a request to the vault with a token and a JSON body.
    pub fn call(&mut self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let path = format!("{path}{}api-version=7.5", if path.contains('?') { '&' } else { '?' });
        self.send(method, self.host, &path, &[("authorization", &bearer), ("content-type", "application/json")], body)
    }

    /// The same without any token: whoever this connection is from.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("{path}{}api-version=7.5", if path.contains('?') { '&' } else { '?' });
        self.send(method, self.host, &path, &[("content-type", "application/json")], body)
    }

    /// Posts a form to a tenant's token endpoint.
    pub fn login(&mut self, tenant: &str, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", LOGIN, &format!("/{tenant}/oauth2/v2.0/token"), &headers, form)
    }

    fn answer(&mut self) -> Answer {
        let mut line = || {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {first:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let header = line();
            let Some((name, value)) = header.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let len = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
        let mut body = vec![0; len.parse().unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }
}
