//! The token at a server: a vault of this machine, `strongroom serve` before it, and a configuration by which the module is
//! its client. What a test does with [`Stage`](super::Stage) it does there.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{PIN, Running, TOKEN, cli, free_port, set_mode, succeed};

/// How the module reaches the server, and what it shows there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// TLS on loopback; the client's secret in a file.
    Tls,
    /// The Unix socket; the client's secret as the PIN.
    SocketWithPin,
    /// The Unix socket; the client's secret in a file.
    Socket,
}

/// A server and who the module is to it.
pub struct Served {
    home: PathBuf,
    port: u16,
    server: Option<Running>,
    /// What the client logs in with.
    pub secret: String,
    pub client_id: String,
}

impl Served {
    /// Makes the vault, an identity with these roles, and starts the server; all in a directory of its own below `home`.
    pub fn start(home: &Path, roles: &[&str]) -> Self {
        fs::DirBuilder::new().mode(0o755).create(home).unwrap();
        // Workers that run as another user reach the socket by its group, which the directory gives it.
        let sockets = home.join("sockets");
        fs::DirBuilder::new().mode(0o750).create(&sockets).unwrap();
        if super::is_root() {
            succeed(Command::new("chgrp").arg("www-data").arg(&sockets));
        }
        set_mode(&sockets, 0o2750);
        let port = free_port();
        private(&home.join("pin"), PIN);
        let config = format!(
            "vaults_dir = \"none\"\n[[vault]]\nname = \"web\"\npath = \"vault\"\npin_file = \"pin\"\n\
             [server]\nlisten = [\"127.0.0.1:{port}\"]\nsocket = \"sockets/server\"\n"
        );
        private(&home.join("server.toml"), &config);
        let mut served =
            Self { home: home.to_owned(), port, server: None, secret: String::new(), client_id: String::new() };
        served.strongroom(&["init", "--label", TOKEN]);
        served.strongroom(&["identity", "create", "first", "--administrator"]);
        served.strongroom(&["identity", "create", "module"]);
        let made = served.strongroom(&["--json", "identity", "secret", "add", "module"]);
        let made: serde_json::Value = serde_json::from_str(&made[made.find('{').unwrap()..]).unwrap();
        served.secret = made["client_secret"].as_str().unwrap().to_owned();
        served.client_id = made["client_id"].as_str().unwrap().to_owned();
        for role in roles {
            served.strongroom(&["role", "assign", role, "module"]);
        }
        private(&home.join("secret"), &served.secret);
        served.run();
        served
    }

    /// Starts the server, and waits until it listens.
    pub fn run(&mut self) {
        let log = self.home.join("log");
        let mut command = self.command();
        command.args(["serve", "--write-ca", "ca.pem"]).stderr(File::create(&log).unwrap()).stdout(Stdio::null());
        self.server = Some(Running::start(&mut command));
        let begun = Instant::now();
        while !fs::read_to_string(&log).unwrap().contains("Listening at") {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// The command on the vault's own machine.
    pub fn command(&self) -> Command {
        let mut command = Command::new(cli());
        command.current_dir(&self.home).env_remove("STRONGROOM_VAULT").stdin(Stdio::null());
        command.env("STRONGROOM_CONF", self.home.join("server.toml"));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// Runs it on the vault; it must succeed.
    pub fn strongroom(&self, arguments: &[&str]) -> String {
        succeed(self.command().args(["--vault", "web", "--yes", "--pin-file", "pin"]).args(arguments))
    }

    /// The Unix socket of the server.
    pub fn socket(&self) -> PathBuf {
        self.home.join("sockets/server")
    }

    /// The module's table of this vault.
    pub fn table(&self, way: Way) -> String {
        self.table_at(way, &self.socket())
    }

    /// The same with another socket.
    pub fn table_at(&self, way: Way, socket: &Path) -> String {
        let (ca, secret) = (self.home.join("ca.pem"), self.home.join("secret"));
        let reached = match way {
            Way::Tls => format!("ca_file = {ca:?}\n"),
            Way::Socket | Way::SocketWithPin => format!("socket = {socket:?}\n"),
        };
        let shown = match way {
            Way::SocketWithPin => String::new(),
            Way::Tls | Way::Socket => format!("client_secret_file = {secret:?}\n"),
        };
        format!(
            "[[vault]]\nname = \"{TOKEN}\"\nbackend = \"azure\"\nurl = \"https://web.vault.localhost:{}\"\n{reached}\
             credential = \"client-secret\"\nclient_id = \"{}\"\n{shown}refresh = 1\nsecrets = true\n",
            self.port, self.client_id
        )
    }
}

/// Writes a file that nobody else may read.
pub fn private(path: &Path, contents: &str) {
    fs::write(path, contents).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
