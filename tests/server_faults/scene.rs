//! A vault in a folder of its own and the server of it, run as its operator runs it.

use std::fs::{self, File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::{Client, HANG};

pub const PIN: &str = "a PIN of the vault";

/// A vault, and what `serve --dev` said about how to log in.
pub struct Scene {
    pub folder: TempDir,
    pub secret: String,
    id: String,
    authority: String,
}

/// A server, ended with its owner.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Scene {
    /// A new vault, and a server of it.
    pub fn new() -> (Self, Served) {
        Self::with(&[])
    }

    /// The same with further variables for the server.
    pub fn with(variables: &[(&str, &str)]) -> (Self, Served) {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("pin", PIN), ("so-pin", "the officer's PIN")] {
            fs::write(folder.path().join(file), text).unwrap();
            fs::set_permissions(folder.path().join(file), Permissions::from_mode(0o600)).unwrap();
        }
        let mut scene = Self { folder, secret: String::new(), id: String::new(), authority: String::new() };
        let made = scene.strongroom(&["init", "--label", "Test", "--so-pin-file", "so-pin"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let served = scene.serve_with(&["--dev", "--vault", "dev"], variables);
        let printed = served.printed();
        let said = |name: &str| {
            let found = printed.lines().find_map(|line| line.trim().strip_prefix("export ")?.strip_prefix(name));
            found.unwrap_or_else(|| panic!("{printed}"))[1..].to_owned()
        };
        (scene.id, scene.secret) = (said("AZURE_CLIENT_ID"), said("AZURE_CLIENT_SECRET"));
        scene.authority = said("AZURE_AUTHORITY_HOST").trim_start_matches("https://").to_owned();
        (scene, served)
    }

    pub fn strongroom(&self, arguments: &[&str]) -> Command {
        let cli = std::env::var_os("STRONGROOM_CLI").filter(|path| !path.is_empty());
        let mut command = Command::new(cli.unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into()));
        command.args(["--pin-file", "pin"]).args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("STRONGROOM_VAULT", self.folder.path().join("dev"));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// Another server of the vault, without `--dev`.
    pub fn serve(&self) -> Served {
        self.serve_with(&[], &[])
    }

    /// The target `nightly`.
    pub fn backups(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    /// The vault and a target for its backups.
    fn configuration(&self) -> PathBuf {
        let (path, backups) = (self.folder.path().join("config.toml"), self.backups());
        fs::create_dir_all(&backups).unwrap();
        let text = format!(
            "vaults_dir = \"none\"\n[[vault]]\nname = \"dev\"\npath = \"dev\"\n\
             [[backup_target]]\nname = \"nightly\"\ndirectory = {backups:?}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// With these options and variables besides.
    pub fn serve_with(&self, options: &[&str], variables: &[(&str, &str)]) -> Served {
        let log = self.folder.path().join("log");
        let mut command = self.strongroom(&["serve", "--listen", "127.0.0.1:0", "--write-ca", "ca.pem"]);
        command.env("STRONGROOM_CONF", self.configuration()).env_remove("STRONGROOM_VAULT");
        command.args(options).envs(variables.iter().copied()).stderr(File::create(&log).unwrap()).stdout(Stdio::null());
        let mut served = Served { child: command.spawn().unwrap(), address: ([127, 0, 0, 1], 0).into(), log };
        let begun = Instant::now();
        served.address = loop {
            let printed = served.printed();
            let line = printed.lines().find_map(|line| line.strip_prefix("Listening at https://"));
            if let Some(address) = line.and_then(|line| line.strip_suffix('.')?.parse().ok()) {
                break address;
            }
            assert!(served.child.try_wait().unwrap().is_none() && begun.elapsed() < HANG, "{printed}");
            std::thread::sleep(Duration::from_millis(5));
        };
        served
    }

    /// A client with a token, which calls the vault by a name without a port.
    pub fn client(&self, served: &Served) -> Client {
        let ca = fs::read_to_string(self.folder.path().join("ca.pem")).unwrap();
        let mut client = Client::new(served.address, "dev.vault.localhost", &ca);
        client.log_in(&self.authority, &self.id, &self.secret);
        client
    }
}

impl Served {
    /// What stands in its log.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// `kill -9`; the process is waited for.
    pub fn signal_kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
