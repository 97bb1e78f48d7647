//! A real `strongroom serve` of one vault, with a proxy of the test's own before it, and who may do what there.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::Value;
use strongroom::backend::azure::session::{Repeat, Reply, Session};
use strongroom::config::{AzureConfig, AzureCredential, Origin, SecretText};
use strongroom::crypto::{Curve, PublicKey, SignScheme};
use strongroom::vault::VaultError;
use tempfile::TempDir;

use crate::proxy::Proxy;

/// Only against hangs.
pub const HANG: Duration = Duration::from_secs(60);
/// The vault's host, the one that it has as a Managed HSM, and the authority's.
pub const VAULT: &str = "dev.vault.localhost";
pub const HSM: &str = "dev.managedhsm.localhost";
pub const LOGIN: &str = "login.vault.localhost";

/// A vault, its server, the proxy before it, and an identity with every right.
pub struct Scene {
    pub folder: TempDir,
    server: Option<Child>,
    pub proxy: Proxy,
    /// The vault's.
    pub host: String,
    serve_as: &'static str,
    /// What the configuration of the server says besides.
    extra: String,
    pub tenant: String,
    pub client_id: String,
    pub secret: String,
    /// Starts of the server.
    starts: u32,
    /// The server's own, behind the proxy.
    port: u16,
}

impl Scene {
    pub fn new() -> Self {
        Self::with("")
    }

    /// The server's configuration has these lines more.
    pub fn with(extra: &str) -> Self {
        Self::served("key-vault", VAULT, LOGIN, extra)
    }

    /// The vault is served as a Managed HSM.
    pub fn of_hsm() -> Self {
        Self::served("managed-hsm", HSM, LOGIN, "")
    }

    /// The vault is served as this, at these hosts, and the server's configuration has these lines more.
    pub fn served(serve_as: &'static str, host: &str, login: &str, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("pin"), "a good PIN");
        succeeded(local(&folder, &["init", "--label", "Test"]));
        let proxy = Proxy::before(folder.path().join("socket-1"), &[host, login]);
        let mut scene = Self {
            folder,
            server: None,
            proxy,
            host: host.to_owned(),
            serve_as,
            extra: extra.to_owned(),
            tenant: String::new(),
            client_id: String::new(),
            secret: String::new(),
            starts: 0,
            port: 0,
        };
        scene.start();
        scene
    }

    /// Starts the server, which gives its administrator a new secret.
    pub fn start(&mut self) {
        self.starts += 1;
        let socket = self.socket();
        let (server, printed) = self.run(&["--dev", "--write-ca", "ca.pem"], &socket);
        self.server = Some(server);
        let listening = printed.lines().find_map(|line| line.split_once("Listening at ")).unwrap().1;
        self.port = listening.trim_end_matches('.').rsplit_once(':').unwrap().1.parse().unwrap();
        let exported = |name: &str| {
            let line = printed.lines().find_map(|line| line.trim().strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("{name}: {printed}")).to_owned()
        };
        self.tenant = exported("AZURE_TENANT_ID");
        self.client_id = exported("AZURE_CLIENT_ID");
        self.secret = exported("AZURE_CLIENT_SECRET");
        self.proxy.go_to(socket);
    }

    /// Another server of the same vault, and the socket at which it listens.
    pub fn another_server(&self) -> Another {
        let socket = self.path("another-socket");
        let (server, _) = self.run(&[], &socket);
        Another { server, socket }
    }

    /// Starts a server, and waits until it listens; what it printed.
    fn run(&self, options: &[&str], socket: &Path) -> (Child, String) {
        let conf = self.path("server.toml");
        let (extra, serve_as) = (&self.extra, self.serve_as);
        let vault = format!("[[vault]]\nname = \"dev\"\npath = \"dev\"\nserve_as = \"{serve_as}\"\n");
        write(conf.clone(), &format!("vaults_dir = \"none\"\n{extra}\n{vault}"));
        let log = socket.with_extension("log");
        let mut command = local(&self.folder, &["serve", "--vault", "dev", "--listen", "127.0.0.1:0"]);
        command.arg("--socket").arg(socket).args(options);
        command.env("STRONGROOM_CONF", conf).env_remove("STRONGROOM_VAULT");
        let mut server = command.stderr(File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        loop {
            let printed = fs::read_to_string(&log).unwrap();
            if printed.contains("Listening at") && socket.exists() {
                return (server, printed);
            }
            let running = server.try_wait().unwrap().is_none();
            assert!(running && begun.elapsed() < HANG, "{printed}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the server at once.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.path(&format!("socket-{}", self.starts))
    }

    /// The vault through the proxy, for who knows the administrator's secret.
    pub fn config(&self) -> AzureConfig {
        self.config_of(AzureCredential::ClientSecret {
            client_id: self.client_id.clone(),
            secret: Some(SecretText::new(self.secret.clone())),
        })
    }

    pub fn config_of(&self, credential: AzureCredential) -> AzureConfig {
        let origin = Origin::parse(&format!("https://{}:{}", self.host, self.proxy.port())).unwrap();
        let mut config = AzureConfig::at(origin, credential);
        config.remote.authorities = Some(self.proxy.ca().as_bytes().to_vec());
        config
    }

    /// The vault at the server itself, without the proxy.
    pub fn config_at_server(&self, credential: AzureCredential) -> AzureConfig {
        let origin = Origin::parse(&format!("https://{}:{}", self.host, self.port)).unwrap();
        let mut config = AzureConfig::at(origin, credential);
        config.remote.authorities = Some(fs::read(self.path("ca.pem")).unwrap());
        config
    }

    /// What the server's configuration says besides, from the next start on.
    pub fn reconfigure(&mut self, extra: &str) {
        self.extra = extra.to_owned();
    }

    /// The module's table of the vault through the proxy, for who knows this secret; with these lines more.
    pub fn table(&self, client_id: &str, secret: &str, lines: &str) -> String {
        write(self.path("proxy.pem"), self.proxy.ca());
        write(self.path("secret"), secret);
        format!(
            "[[vault]]\nname = \"web\"\nbackend = \"azure\"\nurl = \"https://{}:{}\"\nca_file = {:?}\n\
             credential = \"client-secret\"\nclient_id = \"{client_id}\"\nclient_secret_file = {:?}\n{lines}",
            self.host,
            self.proxy.port(),
            self.path("proxy.pem"),
            self.path("secret"),
        )
    }

    pub fn session(&self) -> Session {
        Session::new(&self.config()).unwrap()
    }

    /// The command on the vault's own machine.
    pub fn local(&self, arguments: &[&str]) -> Value {
        let printed = succeeded(local(&self.folder, &[&["--json"], arguments].concat()));
        serde_json::from_str(&printed).unwrap()
    }

    /// An identity with these roles: its id and a secret, which stay the same when the server starts anew.
    pub fn client(&self, name: &str, roles: &[&str]) -> (String, String) {
        let made = self.local(&["identity", "create", name]);
        for role in roles {
            self.local(&["role", "assign", role, name]);
        }
        let secret = self.local(&["identity", "secret", "add", name]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["client_id"]), text(&secret["client_secret"]))
    }

    /// An identity that may use keys.
    pub fn somebody(&self, name: &str) -> Value {
        let made = self.local(&["identity", "create", name]);
        self.local(&["role", "assign", "Key Vault Crypto User", name]);
        made
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A server beside the first.
pub struct Another {
    server: Child,
    pub socket: PathBuf,
}

impl Drop for Another {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn local(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).args(["--yes", "--pin-file", "pin"]);
    command.env("STRONGROOM_VAULT", folder.path().join("dev"));
    command
}

/// The command without any vault.
pub fn program(folder: &TempDir) -> Command {
    let cli = std::env::var_os("STRONGROOM_CLI").filter(|path| !path.is_empty());
    let mut command = Command::new(cli.unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into()));
    command.current_dir(folder.path()).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
}

pub fn succeeded(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

pub fn write(path: PathBuf, contents: &str) {
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

/// Makes a P-256 key, or a further version of it, and gives its path, version included.
pub fn make_key(session: &Session, name: &str) -> String {
    make(session, name, r#"{"kty":"EC","crv":"P-256"}"#)
}

/// The same for another kind.
pub fn make(session: &Session, name: &str, kind: &str) -> String {
    let reply = session.call("POST", &format!("/keys/{name}/create"), Some(kind.as_bytes()), Repeat::Never);
    let made: Value = serde_json::from_slice(&reply.unwrap().body).unwrap();
    let kid = made["key"]["kid"].as_str().unwrap();
    kid.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap()
}

/// What is signed: zeros.
pub const DIGEST: [u8; 32] = [0; 32];

/// Whether an answer holds a signature by the key at this path, as the vault itself tells its public part.
pub fn is_signed_by(session: &Session, key: &str, answer: &Reply) -> bool {
    let told = |reply: &Reply| serde_json::from_slice::<Value>(&reply.body).unwrap();
    let bytes = |text: &Value| Base64UrlUnpadded::decode_vec(text.as_str().unwrap()).unwrap();
    let jwk = told(&session.call("GET", key, None, Repeat::Safe).unwrap())["key"].take();
    let point = [&[4][..], &bytes(&jwk["x"]), &bytes(&jwk["y"])].concat();
    let public = PublicKey::from_ec_point(Curve::P256, &point).unwrap();
    public.verify(&SignScheme::Ecdsa, &DIGEST, &bytes(&told(answer)["value"])).is_ok()
}

/// A signature of a digest.
pub fn sign(session: &Session, key: &str) -> Result<Reply, VaultError> {
    let body = format!(r#"{{"alg":"ES256","value":"{}"}}"#, Base64UrlUnpadded::encode_string(&DIGEST));
    session.call("POST", &format!("{key}/sign"), Some(body.as_bytes()), Repeat::Safe)
}
